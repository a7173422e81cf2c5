//! A bounded way into a worker from any thread.
//!
//! Not for what is done for each request: that needs no other thread. A connection may come this way, once.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use crossbeam_queue::ArrayQueue;

struct Shared<T> {
    queue: ArrayQueue<T>,
    waker: AtomicWaker,
    senders: AtomicUsize,
    receiver_gone: AtomicBool,
}

/// The sending end; cheap to clone, usable on any thread.
pub struct Sender<T>(Arc<Shared<T>>);

/// The receiving end; goes to the worker that waits on it.
pub struct Receiver<T>(Arc<Shared<T>>);

/// A mailbox that holds at most `capacity` messages (at least one).
pub fn mailbox<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity.max(1)),
        waker: AtomicWaker::new(),
        senders: AtomicUsize::new(1),
        receiver_gone: AtomicBool::new(false),
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T: Send> Sender<T> {
    /// Gives it back when the mailbox is full or the receiver is gone. Should the receiver go meanwhile, it is dropped.
    pub fn send(&self, t: T) -> Result<(), T> {
        if self.0.receiver_gone.load(SeqCst) {
            return Err(t);
        }
        self.0.queue.push(t)?;
        if self.0.receiver_gone.load(SeqCst) {
            // It went between the two, and what it did not see would lie here for as long as there is a sender.
            while self.0.queue.pop().is_some() {}
        }
        self.0.waker.wake();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, SeqCst);
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, SeqCst) == 1 {
            self.0.waker.wake();
        }
    }
}

impl<T: Send> Receiver<T> {
    /// The next message; `None` when all senders are gone and nothing is left. Cancel-safe.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As `recv`, for futures written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(t) = self.0.queue.pop() {
            return Poll::Ready(Some(t));
        }
        self.0.waker.register(cx.waker());
        // Once more: what came in between was sent before the waker stood there. The senders are read first, because the last
        // one may send and go between the two.
        let gone = self.0.senders.load(SeqCst) == 0;
        match self.0.queue.pop() {
            Some(t) => Poll::Ready(Some(t)),
            None if gone => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.receiver_gone.store(true, SeqCst);
        while self.0.queue.pop().is_some() {}
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
