//! WebSocket (RFC 6455) as far as a proxy has to speak it: the two fields of its handshake that HTTP/2 does not have, and where frames end
//! (`frames`), so that a proxy that goes away can say so.
//!
//! Not here: what frames carry, which passes unread; the heads around those fields (`http1`, `http2`); where the randomness of a key comes from.

mod frames;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

pub use frames::{Frames, going_away, going_away_masked};

/// The field by which a client shows that it knows what it asks for.
pub const KEY: &[u8] = b"sec-websocket-key";
/// The field by which a server shows the same.
pub const ACCEPT: &[u8] = b"sec-websocket-accept";
/// How a key is written: sixteen octets in base64.
pub type Key = [u8; 24];
/// How the answer to a key is written: twenty octets in base64.
pub type Accept = [u8; 28];

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key of these octets.
pub fn key(random: [u8; 16]) -> Key {
    let mut key = [0; 24];
    // It has just the room.
    let _ = STANDARD.encode_slice(random, &mut key);
    key
}

/// Sixteen octets in base64, as a server has to ask for (RFC 6455 section 4.2.1).
pub fn is_key(value: &[u8]) -> bool {
    value.len() == 24
        && STANDARD
            .decode(value)
            .is_ok_and(|octets| octets.len() == 16)
}

/// What a server answers to this key (RFC 6455 section 4.2.2).
pub fn accept(key: &[u8]) -> Accept {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    // It has just the room.
    let _ = STANDARD.encode_slice(digest, &mut accept);
    accept
}

/// One of the two fields, which stay on a connection of HTTP/1.1 (RFC 8441 section 5).
pub fn is_of_handshake(name: &[u8]) -> bool {
    match name.len() {
        17 => name.eq_ignore_ascii_case(KEY),
        20 => name.eq_ignore_ascii_case(ACCEPT),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(
            &accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn keys_are_sixteen_octets() {
        assert!(is_key(&key([0; 16])));
        assert!(is_key(&key([255; 16])));
        assert_eq!(&key(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
        for odd in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZSEh",
            b"dGhlIHNhbXBsZSBub25jZ===",
            b"dGhlIHNhbXBsZSBub25j*Q==",
        ] {
            assert!(!is_key(odd), "{}", String::from_utf8_lossy(odd));
        }
    }

    #[test]
    fn the_two_fields_are_known_in_any_case() {
        assert!(is_of_handshake(b"Sec-WebSocket-Key"));
        assert!(is_of_handshake(b"sec-websocket-accept"));
        assert!(!is_of_handshake(b"sec-websocket-version"));
        assert!(!is_of_handshake(b"sec-websocket-protocol"));
    }
}
