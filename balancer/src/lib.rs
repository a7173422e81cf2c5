//! Choosing an endpoint, and limits per cluster. Pure: `dice` and `now` are arguments; state is shared by atomics.
#![forbid(unsafe_code)]
#![allow(unused_variables, missing_docs, clippy::todo)]
//! INTERFACE SKELETON: signatures that `core` is written against.
use std::sync::Arc;
use std::task::{Context, Poll};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm { P2c, RoundRobin, Random }

/// What all workers know of one endpoint; kept over reloads as long as the endpoint stays. Padded atomics.
#[derive(Debug, Default)]
pub struct Load { /* active: AtomicU32, ... */ }
impl Load { pub fn active(&self) -> u32 { todo!() } }

#[derive(Debug, Clone)]
pub struct Endpoint { pub weight: u32, pub backup: bool, pub load: Arc<Load> }

/// The endpoints of a cluster, immutable. Shared by all workers.
#[derive(Debug)]
pub struct Endpoints {}
/// What one worker remembers between picks (round-robin position).
#[derive(Debug, Default)]
pub struct Cursor {}
/// Endpoints already tried for this exchange (small bit set).
#[derive(Debug, Default, Clone, Copy)]
pub struct Tried {}
impl Tried { pub fn mark(&mut self, index: usize) {} pub fn contains(&self, index: usize) -> bool { todo!() } }
impl Endpoints {
    pub fn new(algorithm: Algorithm, endpoints: Vec<Endpoint>) -> Self { todo!() }
    pub fn get(&self, index: usize) -> &Endpoint { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    /// Index of an endpoint not in `tried`; if all were tried, one of them. Backups only when no primary is untried.
    /// None only for an empty cluster (or all weights 0).
    pub fn pick(&self, cursor: &mut Cursor, dice: u64, tried: &Tried) -> Option<usize> { todo!() }
}
/// An active exchange counts on its endpoint for as long as this lives (drives p2c).
#[derive(Debug)]
pub struct Active {}
impl Active { pub fn new(load: &Arc<Load>) -> Self { todo!() } }

/// A limit that is exact over all workers, with a bounded FIFO queue of waiters.
#[derive(Debug)]
pub struct Gate {}
#[derive(Debug)]
pub struct Permit {}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow { /// The queue was full as well.
    QueueFull }
impl Gate {
    pub fn new(limit: u32, queue: u32) -> Arc<Gate> { todo!() }
    /// A reload changed the numbers; holders and waiters stay.
    pub fn resize(&self, limit: u32, queue: u32) { todo!() }
    /// At once or not at all; the fast path. Does not overtake waiters.
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> { todo!() }
    /// Wait for a place (first come, first served). The caller bounds the time; dropping the future leaves the queue and loses no permit.
    pub fn enter(self: &Arc<Self>) -> Result<Enter, Overflow> { todo!() }
    pub fn in_use(&self) -> u32 { todo!() }
    pub fn waiting(&self) -> u32 { todo!() }
    pub fn limit(&self) -> u32 { todo!() }
}
#[derive(Debug)]
pub struct Enter {}
impl std::future::Future for Enter { type Output = Permit; fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> { todo!() } }
