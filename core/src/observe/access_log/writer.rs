//! A worker's side of the access log: formats lines into a buffer and hands it over. Never waits, and allocates only until the
//! worker has as many buffers as its load needs.
//!
//! Not the format of a line (`line.rs`).

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread::Thread;

use super::{BUFFER, BUFFERS, Batch, HAND_OVER_AT, Record, Shared, line};
use crate::observe::civil::Stamp;

/// Belongs to one worker. Dropping it hands over what it holds.
#[derive(Debug)]
pub struct LogWriter {
    pub(super) shared: Arc<Shared>,
    worker: usize,
    /// To be woken when there is something to write.
    thread: Option<Thread>,
    /// Lines not handed over yet; without capacity when there was no free buffer.
    pub(super) buffer: Vec<u8>,
    lines: u64,
    /// Free buffers, the one used last on top: its memory is still in the cache, and the others may never be touched.
    pub(super) spare: Vec<Vec<u8>>,
    /// Buffers made so far.
    pub(super) made: usize,
    stamp: Stamp,
}

impl LogWriter {
    pub(super) fn new(shared: Arc<Shared>, worker: usize, thread: Option<Thread>) -> Self {
        LogWriter {
            shared,
            worker,
            thread,
            buffer: Vec::new(),
            lines: 0,
            spare: Vec::with_capacity(BUFFERS),
            made: 0,
            stamp: Stamp::default(),
        }
    }

    /// Whether lines are wanted: if not, there is no need to build a [`Record`].
    #[inline]
    pub fn enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Log one exchange; dropped and counted if no buffer is free, ignored if the log is off.
    pub fn line(&mut self, r: &Record<'_>) {
        if !self.enabled() {
            return;
        }
        let cell = self.shared.registry.log(self.worker);
        if self.buffer.capacity() == 0 {
            match free_buffer(&self.shared, self.worker, &mut self.spare, &mut self.made) {
                Some(buffer) => self.buffer = buffer,
                None => return cell.dropped.add(1),
            }
        }
        line::append(&mut self.buffer, &mut self.stamp, r);
        self.lines += 1;
        cell.lines.add(1);
        if self.buffer.len() >= HAND_OVER_AT {
            self.hand_over();
        }
    }

    /// Hand over what there is, so that lines of a quiet worker are seen soon. Called by the lane a few times per second.
    pub fn tick(&mut self) {
        if !self.buffer.is_empty() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = Batch {
            bytes: std::mem::take(&mut self.buffer),
            lines: std::mem::take(&mut self.lines),
        };
        let full = &self.shared.pipes[self.worker].full;
        let cell = self.shared.registry.log(self.worker);
        // The queue has a place for every buffer, so this fails only if somebody made two writers for one worker.
        if let Err(batch) = full.push(batch) {
            cell.dropped.add(batch.lines);
        }
        // Either the log thread sees the batch in its last round, or we see here that it is closed: the fence between our push
        // and our load answers to the store of `closed` before its last round. What it left is taken back and counted.
        fence(Ordering::SeqCst);
        if self.shared.closed.load(Ordering::SeqCst) {
            while let Some(batch) = full.pop() {
                cell.dropped.add(batch.lines);
            }
        }
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.tick();
    }
}

/// An empty buffer: one that came back, or a new one as long as there are fewer than [`BUFFERS`].
fn free_buffer(
    shared: &Shared,
    worker: usize,
    spare: &mut Vec<Vec<u8>>,
    made: &mut usize,
) -> Option<Vec<u8>> {
    while let Some(buffer) = shared.pipes[worker].empty.pop() {
        spare.push(buffer);
    }
    spare.pop().or_else(|| {
        (*made < BUFFERS).then(|| {
            *made += 1;
            Vec::with_capacity(BUFFER)
        })
    })
}
