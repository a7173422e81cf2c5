//! The first bytes of a connection, looked at and put back: whoever serves it then receives them as if nobody had looked. Not what
//! they mean; the caller judges.

use std::future::poll_fn;
use std::io::ErrorKind;

use ringway_io::Buf;

use crate::accept::Client;
use crate::lane::Lane;

/// While we are closing, a connection that has not begun gets so long: whoever connects to speak first does so at once.
const LAST_BYTES_MS: u32 = 500;

/// What came of looking.
#[derive(Debug)]
pub(crate) enum Beginning<T> {
    /// The caller's answer.
    Known(T),
    /// The time was over before there was one.
    Late {
        /// Whether anything had come.
        began: bool,
    },
    /// The client ended, or its connection broke.
    Ended {
        /// Whether anything had come.
        began: bool,
    },
}

/// Receive until `judge` has an answer for the bytes so far, for `ms` at most. It must have one for so many bytes as the caller is
/// willing to hold.
pub(crate) async fn look<T>(
    client: &Client,
    lane: &Lane,
    ms: u32,
    mut judge: impl FnMut(&[u8]) -> Option<T>,
) -> Beginning<T> {
    // For the whole of it: one set anew with each piece could be kept waiting for ever.
    client.stream.set_deadline(ms);
    let mut ending = false;
    // Pieces are copied as they come: a client that sends octet by octet must not hold a receive buffer with each.
    let mut held = Vec::new();
    let beginning = loop {
        let piece = match next_piece(client, lane, &mut ending).await {
            Ok(Some(piece)) => piece,
            Ok(None) => {
                break Beginning::Ended {
                    began: !held.is_empty(),
                };
            }
            Err(error) => {
                let began = !held.is_empty();
                break match error.kind() {
                    ErrorKind::TimedOut => Beginning::Late { began },
                    _ => Beginning::Ended { began },
                };
            }
        };
        let before = held.len();
        let known = if before == 0 {
            // Almost always all comes in one piece and is read where the kernel put it.
            judge(&piece)
        } else {
            held.extend_from_slice(&piece);
            judge(&held)
        };
        if let Some(known) = known {
            held.truncate(before);
            client.stream.unread(piece);
            break Beginning::Known(known);
        }
        if before == 0 {
            held.extend_from_slice(&piece);
        }
    };
    client.stream.unread_copy(&held);
    client.stream.clear_deadline();
    beginning
}

/// The next bytes of a client that is expected to send some at once. From the beginning of a drain on it has a moment only.
pub(crate) async fn next_piece(
    client: &Client,
    lane: &Lane,
    ending: &mut bool,
) -> std::io::Result<Option<Buf>> {
    poll_fn(|cx| {
        let piece = client.stream.poll_recv(cx);
        if piece.is_pending()
            && (lane.is_draining() || client.door.is_closed())
            && !std::mem::replace(ending, true)
        {
            client.stream.set_deadline(LAST_BYTES_MS);
        }
        piece
    })
    .await
}
