//! The origin by HTTP/2. A connection is one task: it takes in all that has come, answers what is whole, and sends that in one go. What a window does
//! not allow yet is a place in the one body that all answers have.
//!
//! The frames of a turn's answers take turns: heads, bodies, trailers, as from servers that queue by stream (such as those on the `h2` crate). Each answer
//! as a whole behind the other would be other work for who is measured: HAProxy reads on from trailers only when what was before them has been taken.
//!
//! Not frames (`crate::http2`).

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use ringway_io::Stream;
use ringway_protocols::http2::frame::{self, Reason};

use super::{SAMPLE, Served};
use crate::http2::{
    self, Event, Fault, Frames, Head, Role, STREAMS, Sending, Sent, Turn, Window, Writer,
};
use crate::load::matches;
use crate::scenario::Origin;

/// What is answered.
pub(super) struct Answer {
    grpc: bool,
    body: &'static [u8],
    head: Head,
    trailers: Head,
    refusal: Head,
}

impl Answer {
    pub(super) fn new(origin: &Origin) -> Answer {
        Answer {
            grpc: origin.grpc,
            body: http2::body(origin.body, origin.grpc),
            head: Head::answer(origin),
            trailers: Head::trailers(),
            refusal: Head::refusal(),
        }
    }
}

/// Answer what comes on one connection.
pub(super) async fn answer_all(
    stream: Stream,
    served: &Served,
    answer: Rc<Answer>,
) -> io::Result<()> {
    let mut answering = Answering::new(served, answer);
    loop {
        answering.go_on();
        let mut received = match answering.frames.turn(&stream).await? {
            Turn::Received(buf) => answering.receive(&buf),
            Turn::Room => continue,
            Turn::End => return Ok(()),
        };
        while let (Ok(()), Some(buf)) = (&received, stream.try_recv()) {
            received = answering.receive(&buf);
        }
        if let Err(fault) = received {
            eprintln!("ringway-bench: origin: HTTP/2: {fault}");
            return answering.leave(&stream, fault).await;
        }
    }
}

/// One connection's requests.
struct Answering<'a> {
    served: &'a Served,
    answer: Rc<Answer>,
    frames: Frames,
    /// Those that have not come, or are not answered, as a whole.
    open: Vec<Asked>,
    /// The newest stream.
    newest: u32,
}

/// One request that is under way.
struct Asked {
    stream: u32,
    /// All that has come of it is what the load sends.
    is_right: bool,
    /// Of its body.
    octets: usize,
    /// The body is compared whole.
    is_sample: bool,
    window: Window,
    /// The answer's next frame. It begins when all of the request has come.
    next: Next,
    sending: Sending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Awaited,
    Head,
    Body,
    Trailers,
}

impl Answering<'_> {
    fn new(served: &Served, answer: Rc<Answer>) -> Answering<'_> {
        Answering {
            served,
            answer,
            frames: Frames::new(Role::Server),
            open: Vec::new(),
            newest: 0,
        }
    }

    /// Take in what has come.
    fn receive(&mut self, mut octets: &[u8]) -> Result<(), Fault> {
        loop {
            let Frames { reader, writer } = &mut self.frames;
            let Some(event) = reader.next(&mut octets, writer)? else {
                return Ok(());
            };
            self.take(event)?;
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Head { stream, ends } => self.head(stream, ends),
            Event::Data {
                stream,
                counts,
                piece,
                ends,
            } => self.data(stream, counts, piece, ends),
            Event::Reset { stream, .. } => {
                self.check_known(stream)?;
                self.open.retain(|asked| asked.stream != stream);
                Ok(())
            }
            Event::Window { stream, octets } => {
                self.check_known(stream)?;
                match self.find(stream) {
                    Some(at) => self.open[at].sending.open(octets.into()),
                    None => Ok(()),
                }
            }
            Event::Windows { octets } => self
                .open
                .iter_mut()
                .try_for_each(|asked| asked.sending.open(octets)),
            // It asks nothing more, and ends the connection itself.
            Event::GoAway { .. } => Ok(()),
        }
    }

    fn find(&self, stream: u32) -> Option<usize> {
        self.open.iter().position(|asked| asked.stream == stream)
    }

    fn check_known(&self, stream: u32) -> Result<(), Fault> {
        match stream > self.newest || stream.is_multiple_of(2) {
            true => Err(Fault {
                reason: Reason::PROTOCOL_ERROR,
                why: "a frame of a stream that was never opened",
            }),
            false => Ok(()),
        }
    }

    /// A request's head, or its trailers.
    fn head(&mut self, stream: u32, ends: bool) -> Result<(), Fault> {
        if stream > self.newest && !stream.is_multiple_of(2) {
            self.newest = stream;
            self.request(stream, ends);
            return Ok(());
        }
        self.check_known(stream)?;
        let Some(at) = self.find(stream) else {
            // Of one that we have refused, perhaps.
            return Ok(());
        };
        let asked = &mut self.open[at];
        let has_pseudo = self.frames.reader.fields().pseudo().next().is_some();
        if asked.next != Next::Awaited || !ends || has_pseudo {
            return Err(Fault {
                reason: Reason::PROTOCOL_ERROR,
                why: "a second head of a request",
            });
        }
        asked.next = Next::Head;
        Ok(())
    }

    fn request(&mut self, stream: u32, ends: bool) {
        if self.open.len() >= STREAMS as usize {
            let put = |out: &mut Vec<u8>| frame::put_reset(out, stream, Reason::REFUSED_STREAM);
            return self.frames.writer.put(put);
        }
        let n = self.served.counters.requests.fetch_add(1, Relaxed);
        let fields = self.frames.reader.fields();
        self.open.push(Asked {
            stream,
            is_right: http2::is_asked(fields, self.served.upload, self.answer.grpc),
            octets: 0,
            is_sample: n.is_multiple_of(SAMPLE),
            window: Window::of_stream(),
            next: if ends { Next::Head } else { Next::Awaited },
            sending: self.frames.writer.sending(self.answer.body),
        });
    }

    fn data(&mut self, stream: u32, counts: u32, piece: &[u8], ends: bool) -> Result<(), Fault> {
        self.check_known(stream)?;
        let Some(at) = self.find(stream) else {
            // Of one that we have refused, perhaps.
            return Ok(());
        };
        let asked = &mut self.open[at];
        if asked.next != Next::Awaited {
            return Err(Fault {
                reason: Reason::STREAM_CLOSED,
                why: "DATA after a request's end",
            });
        }
        let opened = asked.window.take(counts)?;
        if let Some(opened) = opened.filter(|_| !ends) {
            let put = |out: &mut Vec<u8>| frame::put_window_update(out, stream, opened);
            self.frames.writer.put(put);
        }
        let upload = self.served.upload;
        asked.is_right &= matches(upload, asked.octets, piece, asked.is_sample);
        asked.octets += piece.len();
        if ends {
            asked.next = Next::Head;
        }
        Ok(())
    }

    /// Answer, a frame of each in turn, as far as windows and room allow.
    fn go_on(&mut self) {
        let (writer, answer) = (&mut self.frames.writer, &self.answer);
        let length = self.served.upload.len();
        let (mut goes_on, mut passed) = (true, 0);
        while goes_on && !writer.is_full() {
            (goes_on, passed) = (false, 0);
            self.open.retain_mut(|asked| {
                if writer.is_full() {
                    return true;
                }
                let sent = asked.answer(writer, answer, length);
                goes_on |= sent != Sent::Nothing;
                passed += usize::from(sent != Sent::Last);
                sent != Sent::Last
            });
        }
        // Who had no turn is the first next time.
        if writer.is_full() {
            self.open.rotate_left(passed);
        }
    }

    /// Say why, and leave.
    async fn leave(&mut self, stream: &Stream, fault: Fault) -> io::Result<()> {
        let newest = self.newest;
        let put = |out: &mut Vec<u8>| frame::put_goaway(out, newest, fault.reason);
        self.frames.writer.put(put);
        self.frames.flush(stream).await
    }
}

impl Asked {
    /// Write the next frame of the answer to a request whose body had to be so long.
    fn answer(&mut self, writer: &mut Writer, answer: &Answer, length: usize) -> Sent {
        match self.next {
            Next::Awaited => Sent::Nothing,
            Next::Head if !self.is_right || self.octets != length => {
                writer.head(self.stream, true, &answer.refusal);
                Sent::Last
            }
            Next::Head => {
                let ends = self.sending.is_done();
                writer.head(self.stream, ends, &answer.head);
                self.next = Next::Body;
                if ends { Sent::Last } else { Sent::One }
            }
            Next::Body => match writer.send(self.stream, &mut self.sending, !answer.grpc) {
                Sent::Last if answer.grpc => {
                    self.next = Next::Trailers;
                    Sent::One
                }
                sent => sent,
            },
            Next::Trailers => {
                writer.head(self.stream, true, &answer.trailers);
                Sent::Last
            }
        }
    }
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
