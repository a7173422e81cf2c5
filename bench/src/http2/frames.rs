//! A connection's two directions, and its turns with the socket: what was written leaves together, then what comes is waited for.
//!
//! Not what frames mean to whom: `load` and `origin` have the streams, and feed the reader.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use ringway_io::{Buf, Stream};
use ringway_protocols::http2::frame::{self, setting};

use super::reader::Reader;
use super::{CONNECTION_WINDOW, Role, STREAM_WINDOW, STREAMS, Writer};

/// See the module.
pub(crate) struct Frames {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

/// What a turn has brought.
pub(crate) enum Turn {
    /// Octets for the reader. There may be more at once: `Stream::try_recv`.
    Received(Buf),
    /// There is room for bodies again.
    Room,
    /// The peer says no more.
    End,
}

impl Frames {
    /// Of a fresh connection: what we say first is written.
    pub(crate) fn new(role: Role) -> Frames {
        let mut writer = Writer::new();
        let windows = (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW);
        writer.put(|out| {
            match role {
                Role::Client => {
                    out.extend_from_slice(frame::PREFACE);
                    frame::put_settings(out, &[(setting::ENABLE_PUSH, 0), windows]);
                }
                Role::Server => {
                    let streams = (setting::MAX_CONCURRENT_STREAMS, STREAMS);
                    frame::put_settings(out, &[streams, windows]);
                }
            }
            frame::put_window_update(out, 0, CONNECTION_WINDOW - frame::WINDOW);
        });
        Frames {
            reader: Reader::new(role),
            writer,
        }
    }

    /// Send what is written, and wait until there is something to do.
    pub(crate) async fn turn(&mut self, stream: &Stream) -> io::Result<Turn> {
        // It is asked before some of it leaves: those that were stopped by it want to know.
        let was_full = self.writer.is_full();
        poll_fn(|cx| self.poll_turn(stream, was_full, cx)).await
    }

    /// Send all that is written.
    pub(crate) async fn flush(&mut self, stream: &Stream) -> io::Result<()> {
        while !self.writer.out.is_empty() {
            self.writer.out.give(stream);
            stream.flush().await?;
        }
        Ok(())
    }

    fn poll_turn(
        &mut self,
        stream: &Stream,
        was_full: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Turn>> {
        let out = &mut self.writer.out;
        loop {
            out.give(stream);
            if was_full && !out.is_full() {
                return Poll::Ready(Ok(Turn::Room));
            }
            // Ready when all is sent, woken on progress. It is also read meanwhile, or both ends might wait for each other.
            if out.is_empty() || stream.poll_flush(cx)?.is_pending() {
                break;
            }
        }
        stream.poll_recv(cx).map_ok(|received| match received {
            Some(buf) => Turn::Received(buf),
            None => Turn::End,
        })
    }
}
