//! One stream, as whoever has it sees it: heads and a body that came, a body that goes, and how it ended. It belongs to one task, which is woken for
//! everything that happens on it. Reading and writing frames is the connection's affair.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringway_io::{Ahead, Segment};
use ringway_protocols::http2::frame::{self, Reason};
use ringway_protocols::http2::hpack::{Encoder, Fields};

use super::connection::{Connection, Role};
use super::few::Few;
use super::window::Window;
use super::{MOST_AHEAD, MOST_STREAM_WINDOW, Octets, UPSTREAM_WINDOW};
use crate::turns::Turns;

/// A receive buffer.
const BUFFER: u32 = 16 * 1024;
/// So many are received of an upstream's own connection at a time: what it may have unread when an HTTP/1.1 client asks.
const MOST_BUFFERS: u32 = 5;
/// Not where a stream's window has less than this.
const LEAST_ROOM: i64 = 8 * 1024;

/// Why a stream, or its connection, ended before it was whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer has reset it.
    Reset(Reason),
    /// The peer has said that it did not look at it (RFC 9113 section 8.7).
    Refused,
    /// What the peer sent was not valid, or nobody here wants the stream any more.
    Ours(Reason),
    /// The connection broke.
    Io(ErrorKind),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Reset(reason) => write!(f, "the stream was reset: {reason}"),
            Fault::Refused => write!(f, "the stream was refused"),
            Fault::Ours(reason) => write!(f, "its frames are not valid: {reason}"),
            Fault::Io(kind) => write!(f, "the connection broke: {kind}"),
        }
    }
}

/// See the module.
pub(crate) struct Stream {
    pub(super) id: u32,
    connection: Rc<Connection>,
    pub(super) state: RefCell<State>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).finish()
    }
}

/// What the connection knows of a stream.
pub(super) struct State {
    /// Heads that came: a request's, or those of an answer, the last of which may be final.
    pub(super) heads: Few<Fields>,
    /// The head that a body belongs to has come.
    pub(super) has_head: bool,
    pub(super) data: Few<Octets>,
    /// Octets of the body that came and were not released: queued here, or taken and still in somebody's hands.
    pub(super) unreleased: u32,
    pub(super) trailers: Option<Fields>,
    /// What the peer may still send of the Content-Length that it said.
    pub(super) length_left: Option<u64>,
    /// It is of a question that has no body in its answer, whatever is said of its length (HEAD).
    pub(super) bodyless: bool,
    pub(super) received_all: bool,
    pub(super) sent_all: bool,
    pub(super) fault: Option<Fault>,
    /// Nobody has it any more.
    pub(super) left: bool,
    pub(super) window: Window,
    /// Of a client's: what its upstream may bring before it can be sent, beyond what is everybody's.
    pub(super) promised: u32,
    pub(super) send_window: i64,
    /// Stands among those that wait for room on the connection.
    pub(super) waits: bool,
    /// What still goes out, with the stream's end, once the windows allow it: nobody waits for that.
    pub(super) rest: Option<Octets>,
    waker: Option<Waker>,
}

impl State {
    pub(super) fn wake(&mut self) {
        // Taken: who is woken polls, and leaves it again.
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// It has ended before it was whole. `endings`: who has it hears of that in its turn.
    pub(super) fn fail(&mut self, fault: Fault, endings: Option<&Turns>) {
        self.rest = None;
        self.fault = Some(fault);
        match (endings, self.waker.take()) {
            (Some(endings), Some(waker)) => endings.wake(waker),
            (None, Some(waker)) => waker.wake(),
            (_, None) => {}
        }
    }

    fn set_waker(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// Both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        self.received_all && self.sent_all
    }
}

impl Stream {
    pub(super) fn new(
        id: u32,
        connection: &Rc<Connection>,
        window: u32,
        send_window: u32,
    ) -> Stream {
        Stream {
            id,
            connection: connection.clone(),
            state: RefCell::new(State {
                heads: Few::new(),
                has_head: false,
                data: Few::new(),
                unreleased: 0,
                trailers: None,
                length_left: None,
                bodyless: false,
                received_all: false,
                sent_all: false,
                fault: None,
                left: false,
                window: Window::new(window),
                promised: 0,
                send_window: send_window.into(),
                waits: false,
                rest: None,
                waker: None,
            }),
        }
    }
}

/// What came.
impl Stream {
    /// The next head.
    pub(crate) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Fields, Fault>> {
        let mut state = self.state.borrow_mut();
        match (state.heads.pop(), state.fault) {
            (Some(head), _) => Poll::Ready(Ok(head)),
            (None, Some(fault)) => Poll::Ready(Err(fault)),
            (None, None) => {
                state.set_waker(cx);
                Poll::Pending
            }
        }
    }

    /// The next piece of the body; None at its end. Each is to be released.
    pub(crate) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Octets>, Fault>> {
        let mut state = self.state.borrow_mut();
        if let Some(piece) = state.data.pop() {
            return Poll::Ready(Ok(Some(piece)));
        }
        // What came in full did so, whatever ended the stream afterwards.
        if state.received_all {
            return Poll::Ready(Ok(None));
        }
        if let Some(fault) = state.fault {
            return Poll::Ready(Err(fault));
        }
        state.set_waker(cx);
        Poll::Pending
    }

    /// The trailers, at the body's end.
    pub(crate) fn take_trailers(&self) -> Option<Fields> {
        self.state.borrow_mut().trailers.take()
    }

    /// Nothing of a body will come any more, nor trailers.
    pub(crate) fn is_at_end(&self) -> bool {
        let state = self.state.borrow();
        state.received_all && state.data.is_empty() && state.trailers.is_none()
    }

    /// So much of the body was passed on. Its window may grow to `most`, as far as its receiver's connection has a say in it; how large it is now.
    pub(crate) fn release(&self, n: usize, most: Option<u32>) -> u32 {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        let n = n.min(state.unreleased);
        state.unreleased -= n;
        inner.passed_on(n);
        if state.received_all || state.fault.is_some() {
            return state.window.size();
        }
        let Some(opened) = state.window.release(n) else {
            return state.window.size();
        };
        let most = most.map_or(MOST_STREAM_WINDOW, |most| most.min(MOST_STREAM_WINDOW));
        let keeps_up = state.data.is_empty();
        let wanted = if keeps_up { state.window.more(most) } else { 0 };
        let more = inner.grown_by(wanted);
        state.window.grow(more);
        inner.write(|out| frame::put_window_update(out, self.id, opened + more));
        state.window.size()
    }
}

/// What goes.
impl Stream {
    /// Send a head. `ends`: it is all of the message.
    pub(crate) fn send_head(
        &self,
        ends: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<(), Fault> {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        self.may_send(&state)?;
        inner.write_block(self.id, ends, write);
        if ends {
            state.sent_all = true;
            inner.close_if_over(self, &state);
        }
        Ok(())
    }

    fn may_send(&self, state: &State) -> Result<(), Fault> {
        match state.fault {
            Some(fault) => Err(fault),
            None if state.sent_all => Err(Fault::Ours(Reason::INTERNAL_ERROR)),
            None => Ok(()),
        }
    }

    /// Send as much of a piece as the windows and the connection's room allow; `last`: the body ends with it. How much was sent.
    pub(crate) fn send_data(&self, piece: &mut Octets, last: bool) -> Result<usize, Fault> {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        self.may_send(&state)?;
        Ok(inner.send_data(self, &mut state, piece, last))
    }

    /// The body ended before.
    pub(crate) fn send_end(&self) -> Result<(), Fault> {
        self.send_data(&mut Segment::Static(b"").into(), true)
            .map(drop)
    }

    /// Ready when a piece can be sent.
    pub(crate) fn poll_room(self: &Rc<Stream>, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        if let Some(fault) = state.fault {
            return Poll::Ready(Err(fault));
        }
        if inner.room(&state) > 0 {
            return Poll::Ready(Ok(()));
        }
        state.set_waker(cx);
        inner.wait_for_room(self, &mut state);
        Poll::Pending
    }

    /// Of a client's: how much may be received for it of an upstream's connection of its own; None: of an upstream's.
    pub(crate) fn read_ahead(&self) -> Option<Ahead> {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        let left = inner.promises_left(&state)?;
        let room = state.send_window.min(inner.send_window);
        let (ahead, promised) = if room >= LEAST_ROOM && left >= BUFFER {
            // As much as its window takes, and as all streams may have that there are.
            let share = MOST_AHEAD
                / u32::try_from(inner.streams.len())
                    .unwrap_or(u32::MAX)
                    .max(1);
            let takes = u32::try_from(room).unwrap_or(u32::MAX);
            let buffers = (share.min(left).min(takes) / BUFFER).clamp(1, MOST_BUFFERS);
            (Ahead::Buffers(buffers as u8), buffers * BUFFER)
        } else {
            (Ahead::Piece, 0)
        };
        inner.promise(&mut state, promised);
        Some(ahead)
    }

    /// Of a client's: the most that a window of the stream which its answer comes by may have.
    pub(super) fn window_left(&self) -> Option<u32> {
        let inner = self.connection.inner.borrow();
        let left = inner.promises_left(&self.state.borrow())?;
        Some(UPSTREAM_WINDOW + left)
    }

    /// The window has this size now.
    pub(super) fn note_window(&self, size: u32) {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        inner.promise(&mut state, size.saturating_sub(UPSTREAM_WINDOW));
    }

    /// Send a whole body, and let the connection see to it: what the windows do not allow yet waits there.
    pub(crate) fn send_rest(self: &Rc<Stream>, mut body: Octets) -> Result<(), Fault> {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        self.may_send(&state)?;
        inner.send_data(self, &mut state, &mut body, true);
        if !state.sent_all {
            state.rest = Some(body);
            inner.wait_for_room(self, &mut state);
        }
        Ok(())
    }
}

/// How it ends.
impl Stream {
    /// Ready when the peer has reset it, or the connection has ended.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.fault.is_some() {
            return Poll::Ready(());
        }
        state.set_waker(cx);
        Poll::Pending
    }

    /// End it so that nothing of it can be taken for whole.
    pub(crate) fn reset(&self, reason: Reason) {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        if state.fault.is_none() && !state.is_over() {
            inner.reset(self, &mut state, reason);
        }
    }

    /// Nobody has it any more: what is not whole is reset.
    fn leave(&self) {
        let mut inner = self.connection.inner.borrow_mut();
        let mut state = self.state.borrow_mut();
        state.left = true;
        inner.left();
        state.data.clear();
        // Also what was taken and never passed on, or others on this connection would wait for it.
        inner.passed_on(std::mem::take(&mut state.unreleased));
        inner.promise(&mut state, 0);
        inner.shrink(state.window.size());
        if state.fault.is_some() || state.is_over() {
            return;
        }
        let reason = match inner.role {
            // Its answer goes out by itself.
            Role::Server if state.rest.is_some() => return,
            // The answer is whole, and the rest of the request need not come (section 8.1).
            Role::Server if state.sent_all => Reason::NO_ERROR,
            Role::Server | Role::Client => Reason::CANCEL,
        };
        inner.reset(self, &mut state, reason);
    }
}

/// Who has a stream. Letting go of it ends what is not whole.
#[derive(Debug)]
pub(crate) struct Holder(pub(crate) Rc<Stream>);

impl std::ops::Deref for Holder {
    type Target = Rc<Stream>;
    fn deref(&self) -> &Rc<Stream> {
        &self.0
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.leave();
    }
}
