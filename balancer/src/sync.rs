//! What the gate shares between threads, named in one place so that a test can put loom's in its stead. Nothing of ours.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
