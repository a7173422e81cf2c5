//! The handshake of TLS on a link, of either side: records go to and fro until both agree, by the task that waits for it. Not who is
//! accepted (`ringway_tls`), and not what comes of a failure.

use std::future::poll_fn;
use std::io::ErrorKind;

use ringway_io::{Buf, OutBuf};
use ringway_tls::{Fault, Session};

use super::Link;
use super::tls::Tls;
use crate::lane::Lane;
use crate::turns::NOBODY;

/// While we are closing, whoever has not finished its handshake gets so long.
const LAST_MS: u32 = 500;

/// Why there is no TLS on the link.
#[derive(Debug)]
pub(crate) enum Unsecured {
    /// The peer's bytes, or who it is. The alert for it is queued.
    Fault(Fault),
    /// It did not come to its end before the link's deadline. `silent`: no byte came.
    Late { silent: bool },
    /// The connection ended before its first byte.
    Nothing,
    /// The connection broke.
    Broken(std::io::Error),
}

impl Unsecured {
    /// The same, for another one who waited.
    pub(crate) fn again(&self) -> Unsecured {
        match self {
            Unsecured::Fault(fault) => Unsecured::Fault(fault.clone()),
            Unsecured::Late { silent } => Unsecured::Late { silent: *silent },
            Unsecured::Nothing => Unsecured::Nothing,
            Unsecured::Broken(error) => {
                Unsecured::Broken(std::io::Error::new(error.kind(), error.to_string()))
            }
        }
    }
}

impl Link {
    /// Make the handshake. From then on the link speaks plain bytes with whoever the session has found good. Within the link's deadline, which
    /// stays; `is_ending` says that we are about to close, which shortens it.
    pub(crate) async fn secure(
        &mut self,
        mut session: Box<Session>,
        lane: &Lane,
        is_ending: impl Fn() -> bool,
    ) -> Result<(), Unsecured> {
        let mut plain = OutBuf::take();
        let mut silent = true;
        let mut hurried = false;
        // A client speaks first.
        self.say(&mut session);
        while session.is_handshaking() {
            let received = self.next(&is_ending, &mut hurried).await;
            let buf = match received {
                Ok(Some(buf)) => buf,
                Ok(None) if silent => return Err(Unsecured::Nothing),
                Ok(None) => return Err(Unsecured::Fault(Fault::Cut)),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(Unsecured::Late { silent });
                }
                Err(_) if silent => return Err(Unsecured::Nothing),
                Err(error) => return Err(Unsecured::Broken(error)),
            };
            silent = false;
            lane.handshakes.enter(NOBODY).await;
            // Who waited too long for its turn is not worth the work.
            if self.stream.is_timed_out() {
                return Err(Unsecured::Late { silent });
            }
            let done = session.receive(&buf, lane.unix_us() / 1_000_000, &mut plain);
            self.say(&mut session);
            done.map_err(Unsecured::Fault)?;
        }
        let facts = session.facts().cloned();
        let facts = facts.expect("the handshake is done");
        self.tls = Some(Tls::new(session, facts, &plain, lane.unix_us() / 1_000_000));
        Ok(())
    }

    /// Queue what is due, and send it.
    fn say(&self, session: &mut Session) {
        if session.has_output() {
            let mut out = OutBuf::take();
            session.output(&mut out);
            // Each flight is answered before the next one: there is room.
            let _ = self.stream.queue(out);
            self.stream.submit();
        }
    }

    async fn next(
        &self,
        is_ending: &impl Fn() -> bool,
        hurried: &mut bool,
    ) -> std::io::Result<Option<Buf>> {
        poll_fn(|cx| {
            let received = self.stream.poll_recv(cx);
            if received.is_pending() && is_ending() && !std::mem::replace(hurried, true) {
                self.stream.set_deadline(LAST_MS);
                return self.stream.poll_recv(cx);
            }
            received
        })
        .await
    }
}
