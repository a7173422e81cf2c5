//! What a connection begins with, on listeners that look (`detect`): HTTP, TLS, or anything else. Not serving it: that is for the
//! session of what was found (`flow`).
//!
//! A client that waits for the server to speak first sends nothing. So there is a limit, after which it is taken for one of those.

use ringway_protocols::detect::{Detection, detect};

use super::beginning::{Beginning, look};
use crate::accept::Client;
use crate::lane::Lane;
use crate::observe::Guess;

/// Look, and count what was found.
pub(crate) async fn guess(client: &Client, lane: &Lane) -> Guess {
    let (plan, listener) = client.door.plan();
    let listener = &plan.plan.listeners[listener];
    let known = |bytes: &[u8]| match detect(bytes) {
        Detection::More { .. } => None,
        Detection::Tls => Some(Guess::Tls),
        Detection::Http2Preface => Some(Guess::Http2),
        Detection::Http1 => Some(Guess::Http1),
        Detection::Opaque => Some(Guess::Opaque),
    };
    let guess = match look(client, lane, listener.detect_ms, known).await {
        Beginning::Known(guess) => guess,
        Beginning::Late { .. } => Guess::Silent,
        Beginning::Ended { began: true } => Guess::Opaque,
        // To be closed again, as a session of HTTP does without a word.
        Beginning::Ended { began: false } => return Guess::Http1,
    };
    listener.cells.of(lane.index).guessed(guess);
    guess
}
