//! The targets that read the first bytes of a connection, as plain functions, so that a test on the stable toolchain can replay
//! their seeds.
//!
//! Not here: expectations about single inputs; those are golden tables. These hold for every input there is: nothing panics, a
//! prefix is open or has the answer of the whole, and what is written is read back.

use ringway_protocols::client_hello;
use ringway_protocols::detect::{self, Detection};
use ringway_protocols::proxy_header::{self, Checksum, Claim, Header, ProxyFault, Transport};

/// Any bytes as the beginning of a connection that must have a PROXY header.
pub fn proxy_header(input: &[u8]) {
    use proxy_header::Reading;
    let whole = proxy_header::read(input);
    for cut in cuts(input.len()) {
        match proxy_header::read(&input[..cut]) {
            Ok(Reading::More { at_least }) => {
                assert!(at_least > cut && at_least <= proxy_header::V2_BYTES);
                if let Ok(Reading::Header(header)) = whole {
                    assert!(at_least <= header.length, "cut at {cut}");
                }
            }
            answer => assert_eq!(answer, whole, "cut at {cut}"),
        }
    }
    match whole {
        Ok(Reading::Header(header)) => check_header(&header, input),
        Ok(Reading::More { .. }) => {
            let refused = proxy_header::read_whole(input);
            assert_eq!(refused, Err(ProxyFault::Incomplete));
        }
        Err(_) => {}
    }
}

fn check_header(header: &Header<'_>, input: &[u8]) {
    assert!(header.length <= input.len());
    // What stands behind it changes nothing.
    let alone = proxy_header::read_whole(&input[..header.length]);
    assert_eq!(alone.as_ref(), Ok(header));
    assert!(header.tlvs().map(|tlv| tlv.value.len() + 3).sum::<usize>() <= header.length);

    let mut out = Vec::new();
    for checksum in [Checksum::Crc32c, Checksum::None] {
        out.clear();
        match proxy_header::write_v2(&mut out, &header.claim, &header.details, checksum) {
            Ok(()) => {
                let again = proxy_header::read_whole(&out).expect("we read what we write");
                assert_eq!(again.length, out.len());
                assert_eq!(again.details, header.details);
                assert!(is_same(&again.claim, &header.claim));
            }
            // Nothing else can be wrong with what we accepted: without a checksum it is not longer than it was.
            Err(fault) => {
                assert_eq!(fault, proxy_header::WriteFault::TooLong);
                assert_eq!(checksum, Checksum::Crc32c);
                assert!(out.is_empty());
            }
        }
    }
    out.clear();
    proxy_header::write_v1(&mut out, &header.claim);
    let again = proxy_header::read_whole(&out).expect("we read what we write");
    match header.claim {
        Claim::Inet {
            transport: Transport::Stream,
            ..
        } => assert!(is_same(&again.claim, &header.claim)),
        _ => assert_eq!(again.claim, Claim::Unknown),
    }
}

/// `one` is how `other` is written: IPv4 addresses may have lost their IPv6 clothes, and unknown is local.
fn is_same(one: &Claim<'_>, other: &Claim<'_>) -> bool {
    let other = match other {
        Claim::Unknown => &Claim::Local,
        other => other,
    };
    let canonical = |claim: &Claim<'_>| match *claim {
        Claim::Inet {
            transport,
            mut source,
            mut destination,
        } => {
            source.set_ip(source.ip().to_canonical());
            destination.set_ip(destination.ip().to_canonical());
            Some((transport, source, destination))
        }
        _ => None,
    };
    canonical(one) == canonical(other) && (canonical(one).is_some() || one == other)
}

/// Any bytes as the beginning of a connection: detection, then the ClientHello. The first octet says how it is split again.
pub fn client_hello(input: &[u8]) {
    use client_hello::{HELLO_BYTES, Reading, bytes_at_most, read};
    let Some((&first, input)) = input.split_first() else {
        return;
    };
    detection(input);
    let (mut scratch, mut other) = (Vec::new(), Vec::new());
    let whole = read(input, HELLO_BYTES, &mut scratch);
    let mut open = 0;
    for cut in cuts(input.len()) {
        match read(&input[..cut], HELLO_BYTES, &mut other) {
            Ok(Reading::More { at_least }) => {
                assert!(at_least > cut && at_least <= bytes_at_most(HELLO_BYTES));
                open = at_least;
            }
            answer => {
                assert_eq!(answer, whole, "cut at {cut}");
                assert!(cut >= open || !matches!(answer, Ok(Reading::Hello(_))));
            }
        }
    }
    let Ok(Reading::Hello(hello)) = whole else {
        return;
    };
    if let Some(name) = &hello.server_name {
        let name = name.as_str();
        assert!(!name.is_empty() && name.len() <= 253 && !name.ends_with('.'));
        assert!(!name.bytes().any(|octet| octet.is_ascii_uppercase()));
        assert!(name.parse::<std::net::IpAddr>().is_err());
    }
    assert!(
        hello
            .alpn()
            .all(|protocol| hello.offers(protocol) && !protocol.is_empty())
    );
    let split = split(input, usize::from(first));
    let again = read(&split, HELLO_BYTES, &mut other);
    assert_eq!(again, Ok(Reading::Hello(hello)), "split again");
}

/// The same message in records of `size` octets, as far as that gives no more than are allowed.
fn split(input: &[u8], size: usize) -> Vec<u8> {
    let mut message = Vec::new();
    let mut rest = input;
    while let [0x16, 3, _, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (fragment, behind) = behind.split_at(length.min(behind.len()));
        message.extend_from_slice(fragment);
        rest = behind;
    }
    let size = size
        .max(message.len().div_ceil(client_hello::RECORDS))
        .max(1);
    let record =
        |part: &[u8]| [&[0x16, 3, 3], &(part.len() as u16).to_be_bytes()[..], part].concat();
    message.chunks(size).flat_map(record).collect()
}

fn detection(input: &[u8]) {
    let whole = detect::detect(input);
    for cut in 0..=input.len().min(detect::BYTES + 1) {
        match detect::detect(&input[..cut]) {
            Detection::More { at_least } => assert!(at_least > cut && at_least <= detect::BYTES),
            answer => assert_eq!(answer, whole, "cut at {cut}"),
        }
    }
}

/// All places to cut a short input at, some of a long one.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).step_by(length / 150 + 1)
}
