//! What only a sending (or connecting) socket needs: segments, iovecs, message header, the address to connect to.
//!
//! Boxed and lent by the worker to a slot while something is queued or in flight, so that an idle connection does not pay for it.
//! The kernel reads it until the completion, hence its address never changes while lent.

use std::mem::MaybeUninit;

use crate::segment::Segment;

/// Segments per socket. A power of two: the ring's mask.
pub(crate) const QUEUE: usize = 16;

/// A received piece of at most this many bytes is copied behind the bytes of ours that it follows: one piece goes out as a plain send,
/// which costs the kernel less than gathering two, and the receive buffer is free at once. What fits a fresh head buffer.
const JOIN_BYTES: usize = 1024;

/// One send system call moves at most this (the kernel cuts at `0x7ffff000`).
const MAX_SEND: usize = 1 << 30;

/// Send state of one socket.
pub(crate) struct TxState {
    segments: [Option<Segment>; QUEUE],
    head: u8,
    len: u8,
    /// Bytes of the first segment that are already sent.
    offset: usize,
    message: MaybeUninit<libc::msghdr>,
    vectors: [MaybeUninit<libc::iovec>; QUEUE],
    /// The address that a connect in flight goes to.
    pub(crate) address: Option<socket2::SockAddr>,
}

/// What to hand to the kernel.
pub(crate) enum Shape {
    Nothing,
    /// One segment: its bytes.
    One(*const u8, usize),
    /// Several: the header, valid until the state changes.
    Many(*const libc::msghdr),
}

impl TxState {
    pub(crate) fn new() -> Box<TxState> {
        Box::new(TxState {
            segments: [const { None }; QUEUE],
            head: 0,
            len: 0,
            offset: 0,
            message: MaybeUninit::uninit(),
            vectors: [const { MaybeUninit::uninit() }; QUEUE],
            address: None,
        })
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn room(&self) -> usize {
        QUEUE - usize::from(self.len)
    }

    /// Copy a small piece behind the last one, if that is ours to write to; else it is given back. Only when nothing is in flight.
    #[inline]
    pub(crate) fn join(&mut self, segment: Segment) -> Option<Segment> {
        let last = (usize::from(self.head) + usize::from(self.len)).wrapping_sub(1) & (QUEUE - 1);
        match (&segment, &mut self.segments[last]) {
            (Segment::Buf(buf), Some(Segment::Out(out)))
                if self.len > 0 && buf.len() <= JOIN_BYTES =>
            {
                out.extend_from_slice(buf);
                None
            }
            _ => Some(segment),
        }
    }

    /// Append; the caller has checked the room.
    #[inline]
    pub(crate) fn push(&mut self, segment: Segment) {
        debug_assert!(self.room() > 0);
        let at = (usize::from(self.head) + usize::from(self.len)) & (QUEUE - 1);
        self.segments[at] = Some(segment);
        self.len += 1;
    }

    /// Lay all that is queued out for one send.
    #[inline]
    pub(crate) fn shape(&mut self) -> Shape {
        let head = usize::from(self.head);
        match self.len {
            0 => Shape::Nothing,
            1 => match &self.segments[head] {
                Some(s) => {
                    let b = &s.bytes()[self.offset..];
                    Shape::One(b.as_ptr(), b.len().min(MAX_SEND))
                }
                None => Shape::Nothing,
            },
            n => self.gather(head, usize::from(n)),
        }
    }

    fn gather(&mut self, head: usize, n: usize) -> Shape {
        let mut count = 0;
        let mut total = 0;
        for i in 0..n {
            let Some(s) = &self.segments[(head + i) & (QUEUE - 1)] else {
                break;
            };
            let b = if i == 0 {
                &s.bytes()[self.offset..]
            } else {
                s.bytes()
            };
            let len = b.len().min(MAX_SEND - total);
            self.vectors[count].write(libc::iovec {
                iov_base: b.as_ptr().cast_mut().cast(),
                iov_len: len,
            });
            count += 1;
            total += len;
            if total == MAX_SEND {
                break;
            }
        }
        // SAFETY: a msghdr is plain old data, for which zero is valid.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = self.vectors.as_mut_ptr().cast();
        message.msg_iovlen = count as _;
        Shape::Many(self.message.write(message))
    }

    /// The kernel took `n` bytes: drop what is sent.
    #[inline]
    pub(crate) fn consume(&mut self, mut n: usize) {
        while self.len > 0 {
            let at = usize::from(self.head);
            let left = self.segments[at].as_ref().map_or(0, |s| s.bytes().len()) - self.offset;
            if n < left {
                self.offset += n;
                return;
            }
            n -= left;
            self.segments[at] = None;
            self.offset = 0;
            self.head = ((at + 1) & (QUEUE - 1)) as u8;
            self.len -= 1;
        }
    }

    /// Drop all that is queued. Only when nothing of it is in flight.
    pub(crate) fn clear(&mut self) {
        self.address = None;
        if self.len > 0 {
            self.segments.fill_with(|| None);
            self.len = 0;
            self.offset = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(tx: &mut TxState) -> Vec<u8> {
        match tx.shape() {
            Shape::Nothing => Vec::new(),
            // SAFETY: points into a static segment.
            Shape::One(p, n) => unsafe { std::slice::from_raw_parts(p, n) }.to_vec(),
            Shape::Many(m) => {
                // SAFETY: the header and its vectors live in `tx`, which is not changed meanwhile; they point into static segments.
                unsafe {
                    let m = &*m;
                    let mut all = Vec::new();
                    for i in 0..m.msg_iovlen {
                        let v = &*m.msg_iov.add(i);
                        all.extend_from_slice(std::slice::from_raw_parts(
                            v.iov_base.cast(),
                            v.iov_len,
                        ));
                    }
                    all
                }
            }
        }
    }

    #[test]
    fn every_split_of_a_gathered_send_continues_where_it_stopped() {
        let parts: [&'static [u8]; 5] = [b"abc", b"d", b"efgh", b"ij", b"klmnop"];
        let whole: Vec<u8> = parts.concat();
        for first in 0..=whole.len() {
            for rotate in 0..QUEUE {
                let mut tx = TxState::new();
                for _ in 0..rotate {
                    tx.push(Segment::Static(b"x"));
                    tx.consume(1);
                }
                for p in parts {
                    tx.push(Segment::Static(p));
                }
                assert_eq!(laid_out(&mut tx), whole);
                tx.consume(first);
                assert_eq!(laid_out(&mut tx), whole[first..]);
                tx.consume(whole.len() - first);
                assert!(tx.is_empty() && tx.room() == QUEUE);
            }
        }
    }
}
