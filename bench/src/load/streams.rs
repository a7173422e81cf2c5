//! Closed loop by HTTP/2: on each connection so many streams, each of which asks again when it has its answer. A connection is one task: it takes in all
//! that has come, asks anew for each answer, and sends that in one go.
//!
//! Not what an answer must be (`slot`).

use std::io;
use std::rc::Rc;
use std::time::Instant;

use ringway_io::{sleep, spawn};
use ringway_protocols::http2::frame::{self, MOST};

use super::lane::{Lane, PATIENCE_MS};
use super::slot::Slot;
use super::verify::Fault;
use crate::http2::{self, Event, Frames, Head, Role, Sent, Turn};

const LOOK_EVERY_MS: u32 = 20;

/// Until the stage is over.
pub(super) async fn run(lane: Rc<Lane>) {
    for _ in 0..lane.share.of(lane.load.connections) {
        let lane = lane.clone();
        spawn(async move {
            if let Err(fault) = connection(&lane).await {
                lane.fail(&fault);
            }
        });
    }
    while !lane.is_over() {
        sleep(LOOK_EVERY_MS).await;
    }
}

async fn connection(lane: &Rc<Lane>) -> Result<(), Fault> {
    let stream = lane.dial().await?;
    stream.set_deadline(PATIENCE_MS);
    let mut asking = Asking::new(lane.clone());
    while !lane.is_over() {
        asking.go_on()?;
        match asking.frames.turn(&stream).await.map_err(broken)? {
            Turn::Received(buf) => asking.receive(&buf)?,
            Turn::Room => continue,
            Turn::End => return Err(Fault::Closed("end of stream".to_owned())),
        }
        while let Some(buf) = stream.try_recv() {
            asking.receive(&buf)?;
        }
        if std::mem::take(&mut asking.is_answered) {
            stream.set_deadline(PATIENCE_MS);
        }
    }
    Ok(())
}

fn broken(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::TimedOut => Fault::Wrong("no answer in time".to_owned()),
        _ => Fault::Closed(error.to_string()),
    }
}

fn wrong(fault: http2::Fault) -> Fault {
    Fault::Wrong(format!("HTTP/2: {fault}"))
}

/// One connection's requests.
struct Asking {
    lane: Rc<Lane>,
    frames: Frames,
    head: Head,
    /// Each slot's stream; 0: it asks nothing.
    streams: Vec<u32>,
    /// Places for requests.
    slots: Vec<Slot>,
    /// The stream of the next request.
    next: u32,
    /// Slots with a request under way.
    busy: u32,
    /// Slots that have not sent all of theirs, and which of all slots is the next to send.
    unsent: usize,
    turn: usize,
    /// Some answer has come, or a piece of one.
    is_answered: bool,
    is_connected: bool,
}

impl Asking {
    fn new(lane: Rc<Lane>) -> Asking {
        let count = lane.load.streams;
        Asking {
            frames: Frames::new(Role::Client),
            head: Head::request(&lane.load, lane.grpc),
            streams: vec![0; count],
            slots: (0..count).map(|_| Slot::default()).collect(),
            next: 1,
            busy: 0,
            unsent: 0,
            turn: 0,
            is_answered: false,
            is_connected: false,
            lane,
        }
    }

    /// Take in what has come.
    fn receive(&mut self, mut octets: &[u8]) -> Result<(), Fault> {
        while let Some(event) = self.next_event(&mut octets)? {
            self.take(event)?;
        }
        Ok(())
    }

    fn next_event<'a>(&mut self, octets: &mut &'a [u8]) -> Result<Option<Event<'a>>, Fault> {
        let Frames { reader, writer } = &mut self.frames;
        reader.next(octets, writer).map_err(wrong)
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Head { stream, ends } => {
                let at = self.asked(stream)?;
                let fields = self.frames.reader.fields();
                self.slots[at].head(fields, ends, &self.lane)?;
                self.went_on(at, ends)
            }
            Event::Data {
                stream,
                counts,
                piece,
                ends,
            } => {
                let at = self.asked(stream)?;
                let slot = &mut self.slots[at];
                let opened = slot.window.take(counts).map_err(wrong)?;
                if let Some(opened) = opened.filter(|_| !ends) {
                    let put = |out: &mut Vec<u8>| frame::put_window_update(out, stream, opened);
                    self.frames.writer.put(put);
                }
                slot.piece(piece, self.lane.expect)?;
                self.went_on(at, ends)
            }
            Event::Reset { stream, reason } => match self.find(stream) {
                Some(_) => Err(Fault::Wrong(format!("a request was reset: {reason}"))),
                // Its answer was whole.
                None => Ok(()),
            },
            Event::GoAway { last, reason } => Err(Fault::Closed(format!(
                "GOAWAY, {reason}, the last stream is {last}"
            ))),
            Event::Window { stream, octets } => match self.find(stream) {
                Some(at) => {
                    let sending = &mut self.slots[at].sending;
                    sending.open(octets.into()).map_err(wrong)
                }
                None => Ok(()),
            },
            Event::Windows { octets } => {
                let all = self.slots.iter_mut().zip(&self.streams);
                let mut asked = all.filter(|(_, stream)| **stream != 0);
                let opened = asked.try_for_each(|(slot, _)| slot.sending.open(octets));
                opened.map_err(wrong)
            }
        }
    }

    /// The slot that has this stream.
    fn find(&self, stream: u32) -> Option<usize> {
        self.streams.iter().position(|other| *other == stream)
    }

    fn asked(&self, stream: u32) -> Result<usize, Fault> {
        let wrong = || Fault::Wrong(format!("HTTP/2: stream {stream} is not open"));
        self.find(stream).ok_or_else(wrong)
    }

    /// An answer has gone on, or ends. Then its place asks again.
    fn went_on(&mut self, at: usize, ends: bool) -> Result<(), Fault> {
        self.is_answered = true;
        if !ends {
            return Ok(());
        }
        let now = Instant::now();
        let started = self.slots[at].end(&self.lane)?;
        self.lane.count_at(started, now);
        if !std::mem::replace(&mut self.is_connected, true) {
            self.lane.stage.connected();
        }
        self.streams[at] = 0;
        self.busy -= 1;
        match self.may_ask() {
            true => self.ask(at, now),
            false => Ok(()),
        }
    }

    /// Nothing is asked before the peer has said how many streams it takes.
    fn may_ask(&self) -> bool {
        let most = self.frames.writer.most_streams();
        most.is_some_and(|most| self.busy < most) && !self.lane.is_over()
    }

    fn ask(&mut self, at: usize, now: Instant) -> Result<(), Fault> {
        let stream = self.next;
        if stream > MOST {
            return Err(Fault::Closed("a connection has no more streams".to_owned()));
        }
        self.next += 2;
        self.busy += 1;
        self.streams[at] = stream;
        let upload = self.lane.upload;
        let writer = &mut self.frames.writer;
        writer.head(stream, upload.is_empty(), &self.head);
        self.slots[at].begin(now, writer.sending(upload));
        // Behind the heads of all that are asked in this turn.
        self.unsent += usize::from(!upload.is_empty());
        Ok(())
    }

    /// What can be asked and sent now.
    fn go_on(&mut self) -> Result<(), Fault> {
        if (self.busy as usize) < self.slots.len() && self.may_ask() {
            let now = Instant::now();
            for at in 0..self.slots.len() {
                if self.streams[at] == 0 && self.may_ask() {
                    self.ask(at, now)?;
                }
            }
        }
        self.upload();
        Ok(())
    }

    /// Uploads in turn, a frame of each, as far as windows and room allow.
    fn upload(&mut self) {
        let mut in_vain = 0;
        while self.unsent > 0 && in_vain < self.slots.len() {
            let at = self.turn % self.slots.len();
            self.turn = at + 1;
            let sending = &mut self.slots[at].sending;
            let sent = self.frames.writer.send(self.streams[at], sending, true);
            match sent {
                Sent::Nothing => in_vain += 1,
                Sent::One => in_vain = 0,
                Sent::Last => (in_vain, self.unsent) = (0, self.unsent - 1),
            }
            if self.frames.writer.is_full() {
                break;
            }
        }
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
