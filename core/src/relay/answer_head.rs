//! Receiving a response's head: in one piece where it lies, in several pieces gathered. Whether the client is still there is watched beside it.

use ringway_io::{self as io, Buf};
use ringway_protocols::http1::ResponseFault;

use super::endings::Broken;
use crate::exchange::{Exchange, Facts};
use crate::link::Link;

/// Receive the next response head into the exchange; answers the bytes behind it.
pub(super) async fn receive_head(
    exchange: &mut Exchange<'_>,
    upstream: &Link,
) -> Result<Buf, Broken> {
    let limits = exchange.listener().limits;
    let to_head = exchange.request().is_head();
    let Facts {
        answer,
        answer_bytes,
        ..
    } = exchange.facts_mut();
    answer.reset();
    answer_bytes.clear();
    loop {
        let received = upstream.recv().await;
        let facts = exchange.facts_mut();
        // Of this head, or of an interim one before it.
        let some = facts.first_byte_us.is_some();
        let mut buf = match received {
            Ok(Some(buf)) => buf,
            Ok(None) => return Err(Broken::UpstreamEnded { reset: false, some }),
            Err(_) => return Err(Broken::UpstreamEnded { reset: true, some }),
        };
        facts
            .first_byte_us
            .get_or_insert(io::now_us().saturating_sub(facts.sent_us));
        let before = facts.answer_bytes.len();
        // In one piece it is parsed where it lies; its bytes are kept all the same, since the head is read again later.
        let parsed = if before == 0 {
            facts.answer.parse(&buf, &limits, to_head)
        } else {
            facts.answer_bytes.extend_from_slice(&buf);
            facts.answer.parse(&facts.answer_bytes, &limits, to_head)
        };
        match parsed {
            Ok(Some(n)) if before == 0 => {
                facts.answer_bytes.extend_from_slice(&buf[..n]);
                buf.advance(n);
                return Ok(buf);
            }
            Ok(Some(n)) => {
                facts.answer_bytes.truncate(n);
                buf.advance(n - before);
                return Ok(buf);
            }
            Ok(None) if before == 0 => facts.answer_bytes.extend_from_slice(&buf),
            Ok(None) => {}
            Err(fault) => return Err(Broken::UpstreamNonsense(ResponseFault::explain(fault))),
        }
    }
}
