//! A connection: its frames between a link and the streams. One task drives it (`poll`); the tasks of streams write into it, which wakes that one, so
//! that what many streams say in one turn of the loop leaves together. What frames mean is in `receiving`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringway_protocols::http2::frame::{self, Reason, Settings, setting};
use ringway_protocols::http2::hpack::{Decoder, Encoder, Fields};
use rustc_hash::FxHashMap;

use super::ending::Leaving;
use super::held::Held;
use super::out::Out;
use super::receiving::Reader;
use super::share::Share;
use super::stream::{Fault, State, Stream};
use super::window::Window;
use super::{
    CONNECTION_WINDOW, Growth, HEADER_LIST, MOST_AHEAD, STREAM_WINDOW, STREAMS, UPSTREAM_WINDOW,
    Watch, spares,
};
use crate::turns::Turns;

/// The size of the table of fields that a peer's encoder may use (RFC 7541 section 4.2); the default.
const TABLE: usize = 4096;
/// Streams that we reset, of which frames may still be on their way.
const RECENT: usize = 1024;
/// Which end we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// See the module.
pub(crate) struct Connection {
    held: Held,
    /// Of a client: what it sends is looked at.
    watch: Option<Rc<Watch>>,
    pub(super) inner: RefCell<Inner>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("held", &self.held)
            .finish()
    }
}

/// Ends a connection with the task that drives it, however that ends.
#[derive(Debug)]
pub(crate) struct Driven(pub(crate) Rc<Connection>);

impl std::ops::Deref for Driven {
    type Target = Rc<Connection>;
    fn deref(&self) -> &Rc<Connection> {
        &self.0
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let fault = Fault::Io(ErrorKind::ConnectionAborted);
        let _ = self.0.inner.borrow_mut().end(fault);
    }
}

/// What the connection's task and those of its streams share.
pub(super) struct Inner {
    pub(super) role: Role,
    pub(super) reader: Reader,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    /// The block under way.
    pub(super) fields: Fields,
    pub(super) peer: Settings,
    /// Its SETTINGS have come.
    pub(super) greeted: bool,
    pub(super) streams: FxHashMap<u32, Rc<Stream>>,
    /// The newest stream that was opened, by the client, whoever that is.
    pub(super) newest: u32,
    /// Streams that somebody has.
    held: u32,
    /// Streams that the client has opened, and that nobody has yet.
    pub(super) fresh: VecDeque<Rc<Stream>>,
    pub(super) share: Share,
    recent: VecDeque<u32>,
    pub(super) window: Window,
    /// With a client: the turns in which exchanges are told that their streams have ended before they were whole.
    pub(super) endings: Option<Turns>,
    /// To an upstream: what windows of streams have grown by.
    growth: Option<Rc<Growth>>,
    pub(super) send_window: i64,
    /// With a client: what upstreams may bring for its streams, beyond what each may have.
    promised: u32,
    /// Streams that wait for the connection's window, or for room.
    pub(super) waiting: VecDeque<Rc<Stream>>,
    pub(super) out: Out,
    pub(super) leaving: Leaving,
    /// The peer takes no more streams.
    pub(super) gone_away: bool,
    pub(super) ended: Option<Fault>,
    /// A PING of ours was answered.
    pub(super) ponged: bool,
    pub(super) waker: Option<Waker>,
    /// The connection's task knows that there is something to do.
    pub(super) awake: bool,
}

impl Connection {
    /// With a client, which begins with its preface.
    /// `endings`: of all clients of the worker.
    pub(crate) fn server(held: Held, watch: Rc<Watch>, endings: Turns) -> Rc<Connection> {
        Connection::new(held, Some(watch), Some(endings), None)
    }

    /// With a server. `growth`: of all upstreams of the worker.
    pub(crate) fn client(held: Held, growth: Rc<Growth>) -> Rc<Connection> {
        Connection::new(held, None, None, Some(growth))
    }

    fn new(
        held: Held,
        watch: Option<Rc<Watch>>,
        endings: Option<Turns>,
        growth: Option<Rc<Growth>>,
    ) -> Rc<Connection> {
        let (role, window) = match growth {
            None => (Role::Server, STREAM_WINDOW),
            Some(_) => (Role::Client, UPSTREAM_WINDOW),
        };
        let mut out = Out::default();
        out.write(|out| {
            let mut settings = vec![
                (setting::INITIAL_WINDOW_SIZE, window),
                (setting::MAX_HEADER_LIST_SIZE, HEADER_LIST),
            ];
            match role {
                Role::Client => {
                    out.extend_from_slice(frame::PREFACE);
                    settings.push((setting::ENABLE_PUSH, 0));
                }
                Role::Server => {
                    settings.push((setting::MAX_CONCURRENT_STREAMS, STREAMS));
                    settings.push((setting::ENABLE_CONNECT_PROTOCOL, 1));
                }
            }
            frame::put_settings(out, &settings);
            frame::put_window_update(out, 0, CONNECTION_WINDOW - frame::WINDOW);
        });
        let inner = Inner {
            role,
            reader: Reader::new(role),
            decoder: Decoder::new(TABLE),
            encoder: Encoder::new(),
            fields: Fields::default(),
            peer: Settings::default(),
            greeted: false,
            streams: FxHashMap::default(),
            newest: 0,
            held: 0,
            fresh: VecDeque::new(),
            share: Share::default(),
            recent: VecDeque::new(),
            window: Window::new(CONNECTION_WINDOW),
            endings,
            growth,
            send_window: frame::WINDOW.into(),
            promised: 0,
            waiting: VecDeque::new(),
            out,
            leaving: Leaving::No,
            gone_away: false,
            ended: None,
            ponged: false,
            waker: None,
            awake: true,
        };
        Rc::new(Connection {
            held,
            watch,
            inner: RefCell::new(inner),
        })
    }

    /// Read and write frames. Ready when the connection has ended.
    pub(crate) fn poll(self: &Rc<Connection>, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let mut inner = self.inner.borrow_mut();
        inner.waker.get_or_insert_with(|| cx.waker().clone());
        inner.awake = true;
        loop {
            let flushed = match self.poll_flush(&mut inner, cx) {
                Ok(flushed) => flushed,
                Err(error) => return Poll::Ready(inner.end(Fault::Io(error.kind()))),
            };
            if inner.is_done() {
                return self.poll_last(&mut inner, flushed, cx);
            }
            // A peer that does not take what it is told is not heard.
            if !flushed && inner.out.room() == 0 {
                inner.awake = false;
                return Poll::Pending;
            }
            if !inner.share.may_read() {
                inner.awake = false;
                inner.share.wait(cx);
                return Poll::Pending;
            }
            let received = self.held.link().poll_recv(cx);
            match received {
                Poll::Ready(Ok(Some(buf))) => {
                    inner.share.read();
                    if let Some(watch) = &self.watch
                        && !watch.lets_in(&buf)
                    {
                        // Nothing more is read. The session, whose task this is, sees why.
                        inner.awake = false;
                        return Poll::Pending;
                    }
                    if let Err(reason) = inner.receive(self, buf) {
                        inner.cut(reason);
                    }
                }
                Poll::Ready(Ok(None)) => {
                    return Poll::Ready(inner.end(Fault::Io(ErrorKind::UnexpectedEof)));
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(inner.end(Fault::Io(error.kind())));
                }
                Poll::Pending => {
                    inner.awake = false;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Give the link what it takes; true if that was all. Then there is room for others.
    fn poll_flush(&self, inner: &mut Inner, cx: &mut Context<'_>) -> std::io::Result<bool> {
        let link = self.held.link();
        let mut sent = 0;
        loop {
            while link.room() > 0
                && let Some(segment) = inner.out.take()
            {
                sent += segment.bytes().len();
                // There is room.
                drop(link.queue(segment));
            }
            // Now there is room, which may be filled at once.
            inner.serve_waiting();
            if inner.out.is_empty() {
                break;
            }
            // Ready when all is sent, woken on progress: one place is enough.
            if link.room() == 0 && link.poll_flush(cx)?.is_pending() && link.room() == 0 {
                break;
            }
        }
        if sent > 0 {
            link.submit();
            if let Some(watch) = &self.watch {
                watch.sent(sent);
            }
        }
        Ok(inner.out.is_empty())
    }

    /// Nothing more is to be read: what was said has to leave.
    fn poll_last(
        &self,
        inner: &mut Inner,
        flushed: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        inner.awake = false;
        if !flushed {
            return Poll::Pending;
        }
        self.held.link().poll_flush(cx).map(|_| match inner.ended {
            Some(fault) => Err(fault),
            None => inner.end(Fault::Io(ErrorKind::UnexpectedEof)),
        })
    }

    /// Somebody has a stream of it. Its task is woken when that ends.
    pub(crate) fn is_busy(&self) -> bool {
        self.inner.borrow().held > 0
    }

    /// Streams that the client has opened, as many as one turn may begin.
    pub(crate) fn accept(&self, cx: &Context<'_>) -> Option<Rc<Stream>> {
        let mut inner = self.inner.borrow_mut();
        if !inner.fresh.is_empty() && !inner.share.may_begin() {
            inner.share.wait(cx);
            return None;
        }
        let stream = inner.fresh.pop_front()?;
        inner.held += 1;
        Some(stream)
    }

    /// Streams that the peer takes at once; None until it has said so.
    pub(crate) fn most_streams(&self) -> Option<u32> {
        let inner = self.inner.borrow();
        inner.greeted.then_some(inner.peer.streams)
    }

    /// The peer takes a WebSocket on a stream (RFC 8441 section 3).
    pub(crate) fn takes_websocket(&self) -> bool {
        self.inner.borrow().peer.connect_protocol
    }

    /// Streams can be opened.
    pub(crate) fn is_open(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.gone_away && inner.ended.is_none() && inner.newest < frame::MOST - 2
    }

    /// Open a stream and send a request's head. `ends`: that is all of it. `bodyless`: so will be its answer.
    pub(crate) fn ask(
        self: &Rc<Connection>,
        ends: bool,
        bodyless: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<Rc<Stream>, Fault> {
        let mut inner = self.inner.borrow_mut();
        if let Some(fault) = inner.ended {
            return Err(fault);
        }
        if inner.gone_away {
            return Err(Fault::Refused);
        }
        let id = if inner.newest == 0 {
            1
        } else {
            inner.newest + 2
        };
        inner.newest = id;
        inner.held += 1;
        let stream = Rc::new(Stream::new(id, self, UPSTREAM_WINDOW, inner.peer.window));
        {
            let mut state = stream.state.borrow_mut();
            (state.sent_all, state.bodyless) = (ends, bodyless);
        }
        inner.streams.insert(id, stream.clone());
        inner.write_block(id, ends, write);
        Ok(stream)
    }
}

impl Inner {
    /// Octets of bodies have left our hands.
    pub(super) fn release(&mut self, n: u32) {
        if let Some(opened) = self.window.release(n) {
            self.write(|out| frame::put_window_update(out, 0, opened));
        }
    }

    /// The same of a stream's body. To an upstream the connection's window is opened by what has come: what a client does not take must not
    /// keep others waiting, and their own windows bound what comes.
    pub(super) fn passed_on(&mut self, n: u32) {
        if self.role == Role::Server {
            self.release(n);
        }
    }

    /// What a window may grow by of what it wants.
    pub(super) fn grown_by(&self, wanted: u32) -> u32 {
        match &self.growth {
            None => wanted,
            Some(growth) => growth.take(wanted),
        }
    }

    /// A stream that had a window of this size is over.
    pub(super) fn shrink(&self, size: u32) {
        if let Some(growth) = &self.growth {
            growth.give_back(size - UPSTREAM_WINDOW);
        }
    }

    /// What may be promised to this stream, with what it was promised; None: that is not ours to decide.
    pub(super) fn promises_left(&self, state: &State) -> Option<u32> {
        let others = self.promised - state.promised;
        (self.role == Role::Server).then(|| MOST_AHEAD.saturating_sub(others))
    }

    pub(super) fn promise(&mut self, state: &mut State, n: u32) {
        if self.role == Role::Server {
            self.promised = self.promised - state.promised + n;
            state.promised = n;
        }
    }

    pub(super) fn close_if_over(&mut self, stream: &Stream, state: &State) {
        if state.is_over() {
            self.streams.remove(&stream.id);
            self.look_for_end();
        }
    }

    /// End a stream for a reason of ours.
    pub(super) fn reset(&mut self, stream: &Stream, state: &mut State, reason: Reason) {
        self.write(|out| frame::put_reset(out, stream.id, reason));
        self.note_reset(stream.id);
        self.streams.remove(&stream.id);
        state.fail(Fault::Ours(reason), self.endings.as_ref());
        self.look_for_end();
    }

    pub(super) fn note_reset(&mut self, stream: u32) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(stream);
    }

    pub(super) fn was_reset(&self, stream: u32) -> bool {
        self.recent.contains(&stream)
    }

    /// Somebody has let go of a stream.
    pub(super) fn left(&mut self) {
        self.held -= 1;
        // It was the last one, or it may have been woken for room that it did not take.
        if self.held == 0 || !self.waiting.is_empty() {
            self.wake();
        }
    }

    /// Streams that take up a place: those whose exchange still runs, whatever became of them, and those that wait for one.
    pub(super) fn taken(&self) -> usize {
        (self.held as usize + self.fresh.len()).max(self.streams.len())
    }

    /// What was decoded last, to be kept.
    pub(super) fn take_fields(&mut self) -> Fields {
        std::mem::replace(&mut self.fields, spares::take())
    }
}
