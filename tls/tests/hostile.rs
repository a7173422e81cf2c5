//! Bytes of attackers: certificates and handshakes that are cut, changed and made up. Nothing panics, nothing hangs, memory stays bounded.
#![forbid(unsafe_code)]

mod support;
#[path = "../../tests/fuzz/src/tls.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
mod targets;

use ringway_tls::{Acceptor, Certificate, Fault, Session};
use support::{Authority, Leaf, NOW, Two, acceptor, connector, demand, offer};

/// xorshift: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn server() -> (Authority, Acceptor) {
    let authority = Authority::new("root");
    let acceptor = acceptor(&offer(vec![authority.server("a.example")]));
    (authority, acceptor)
}

#[test]
fn certificates_that_are_cut_or_changed_are_read_or_not() {
    let made = Authority::new("root").issue(&Leaf::of(&["a.example"], &["spiffe://a.b/c"]));
    assert!(Certificate::read(&made.der).is_some());
    for end in 0..made.der.len() {
        assert_eq!(Certificate::read(&made.der[..end]), None, "cut at {end}");
    }
    let mut longer = made.der.clone();
    longer.push(0);
    assert_eq!(Certificate::read(&longer), None, "something is behind it");
    for at in 0..made.der.len() {
        for value in [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, made.der[at] ^ 1] {
            let mut changed = made.der.clone();
            changed[at] = value;
            targets::certificate(&changed);
        }
    }
}

/// What a server says to these bytes, in pieces; it is given all of them whatever it says.
fn hear(session: &mut Session, bytes: &[u8], piece: usize) -> Result<(), Fault> {
    let mut plain = Vec::new();
    let mut out = Vec::new();
    let mut result = Ok(());
    for part in bytes.chunks(piece.max(1)) {
        let heard = session.receive(part, NOW, &mut plain);
        session.output(&mut out);
        if result.is_ok() {
            result = heard;
        }
    }
    assert!(plain.is_empty() && session.facts().is_none());
    assert!(out.len() < 20_000, "{} bytes of answer", out.len());
    result
}

#[test]
fn garbage_in_handshakes_is_refused() {
    let (authority, acceptor) = server();
    let mut two = Two::new(
        &acceptor,
        &connector(&demand(authority.trust())),
        "a.example",
    );
    two.client.output(&mut two.to_server);
    let hello = std::mem::take(&mut two.to_server);
    two.server
        .receive(&hello, NOW, &mut Vec::new())
        .expect("a hello");
    two.server.output(&mut two.to_client);
    let starts = [hello, two.to_client];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..2_000 {
        let mut bytes = starts[round % 2].clone();
        match numbers.below(3) {
            0 => {
                for _ in 0..=numbers.below(4) {
                    let at = numbers.below(bytes.len());
                    bytes[at] = numbers.below(256) as u8;
                }
            }
            1 => {
                bytes.truncate(numbers.below(bytes.len()));
                bytes.extend((0..numbers.below(200)).map(|n| n as u8));
            }
            _ => {
                bytes = (0..numbers.below(400))
                    .map(|_| numbers.below(256) as u8)
                    .collect()
            }
        }
        bytes.insert(0, numbers.below(256) as u8);
        targets::handshake(&bytes);
    }
}

#[test]
fn a_hello_that_is_larger_than_any_is_refused_before_it_is_kept() {
    let (_, acceptor) = server();
    let mut session = acceptor.session(NOW).expect("a session");
    // A ClientHello of 16 MiB, in records that are full.
    let mut first = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    first.resize(5 + 0x4000, 0);
    let mut more = vec![22, 3, 1, 0x40, 0];
    more.resize(5 + 0x4000, 0);
    let mut heard = hear(&mut session, &first, 4_096);
    let mut records = 1;
    while heard.is_ok() && records < 64 {
        heard = hear(&mut session, &more, 4_096);
        records += 1;
    }
    assert!(matches!(heard, Err(Fault::Malformed(_))), "{heard:?}");
    assert!(records < 8, "refused after {records} records");
}

#[test]
fn records_that_are_changed_on_the_way_are_not_believed() {
    let (authority, acceptor) = server();
    // In front of the length stand a type and a version that say nothing any more (RFC 8446 5.2).
    for at in [3, 5, 20, 40] {
        let mut two = Two::new(
            &acceptor,
            &connector(&demand(authority.trust())),
            "a.example",
        );
        two.shake().expect("a handshake");
        let mut record = Vec::new();
        two.client
            .send(&[b"transfer 100 to alice"], &mut record)
            .expect("sends");
        record[at] ^= 1;
        let mut plain = Vec::new();
        let heard = two.server.receive(&record, NOW, &mut plain);
        assert!(plain.is_empty(), "at {at}");
        // A longer record is not whole yet.
        assert!(heard.is_err() || at == 3, "at {at}: {heard:?}");
        let again = two.server.receive(&record, NOW, &mut plain);
        assert!(plain.is_empty() && (again.is_err() || at == 3));
    }
}
