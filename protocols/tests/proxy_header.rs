//! Golden tables of PROXY headers, whole and cut at every place, and written headers read back.
//!
//! Not here: CRC32C by itself (a test within the crate has the published values).
#![forbid(unsafe_code)]

mod support;
#[path = "support/wire.rs"]
mod wire;

use ringway_protocols::proxy_header::*;
use support::*;

const V1: &str = include_str!("golden/proxy_v1.txt");
const V2: &str = include_str!("golden/proxy_v2.txt");

/// Both tables; the words of the second as bytes.
fn all_cases() -> Vec<Case> {
    let mut all = cases(V1);
    assert!(all.len() >= 60, "only {} cases", all.len());
    let binary = cases(V2);
    assert!(binary.len() >= 80, "only {} cases", binary.len());
    all.extend(binary.into_iter().map(|case| Case {
        raw: wire::bytes(&case.raw),
        ..case
    }));
    all
}

fn transport(transport: Transport, stream: &'static str, datagram: &'static str) -> &'static str {
    match transport {
        Transport::Stream => stream,
        Transport::Datagram => datagram,
    }
}

fn say_unix(address: UnixAddress<'_>) -> String {
    match address {
        UnixAddress::Unnamed => "unnamed".to_owned(),
        UnixAddress::Path(path) => format!("path:{}", escape(path)),
        UnixAddress::Abstract(name) => format!("abstract:{}", escape(name)),
    }
}

fn say_claim(claim: &Claim<'_>) -> String {
    match *claim {
        Claim::Local => "local".to_owned(),
        Claim::Unknown => "unknown".to_owned(),
        Claim::Inet {
            transport: by,
            source,
            destination,
        } => format!("{} {source} {destination}", transport(by, "tcp", "udp")),
        Claim::Unix {
            transport: by,
            source,
            destination,
        } => {
            let by = transport(by, "unix-stream", "unix-datagram");
            format!("{by} {} {}", say_unix(source), say_unix(destination))
        }
    }
}

fn say_ssl(ssl: &Ssl<'_>) -> String {
    let flags = [
        ("tls", ssl.is_tls()),
        ("connection", ssl.certificate_in_connection()),
        ("session", ssl.certificate_in_session()),
        ("verified", ssl.is_verified()),
    ];
    let flags: Vec<_> = flags
        .iter()
        .filter(|flag| flag.1)
        .map(|flag| flag.0)
        .collect();
    let mut said = format!(" ssl={}", flags.join(","));
    for (name, value) in [
        ("version", ssl.version),
        ("cn", ssl.subject),
        ("cipher", ssl.cipher),
        ("sig", ssl.signature_algorithm),
        ("key", ssl.key_algorithm),
        ("group", ssl.group),
        ("scheme", ssl.signature_scheme),
        ("cert", ssl.certificate),
    ] {
        if let Some(value) = value {
            said.push_str(&format!(" {name}:{}", escape(value)));
        }
    }
    said
}

fn say(reading: Result<Reading<'_>, ProxyFault>) -> String {
    let header = match reading {
        Err(fault) => return fault.label().to_owned(),
        Ok(Reading::More { at_least }) => return format!("more {at_least}"),
        Ok(Reading::Header(header)) => header,
    };
    let mut said = format!("ok {} {}", header.length, say_claim(&header.claim));
    let details = &header.details;
    if let Some(alpn) = details.alpn {
        said.push_str(&format!(" alpn={}", escape(alpn)));
    }
    if let Some(authority) = details.authority {
        said.push_str(&format!(" authority={authority}"));
    }
    if let Some(id) = details.unique_id {
        said.push_str(&format!(" id={}", escape(id)));
    }
    if let Some(ssl) = &details.ssl {
        said.push_str(&say_ssl(ssl));
    }
    said
}

#[test]
fn headers() {
    let mut wrong = Vec::new();
    for case in all_cases() {
        let got = say(read(&case.raw));
        if got != case.expected {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A prefix is open or has the answer of the whole; `at_least` promises neither too much nor too little.
#[test]
fn headers_in_pieces() {
    for case in all_cases() {
        let whole = read(&case.raw);
        for cut in 0..=case.raw.len() {
            match read(&case.raw[..cut]) {
                Ok(Reading::More { at_least }) => {
                    assert!(cut < at_least, "{} cut at {cut}", case.name);
                    if let Ok(Reading::Header(header)) = whole {
                        assert!(at_least <= header.length, "{} cut at {cut}", case.name);
                    }
                    let refused = read_whole(&case.raw[..cut]);
                    assert_eq!(refused, Err(ProxyFault::Incomplete), "{}", case.name);
                }
                answer => assert_eq!(answer, whole, "{} cut at {cut}", case.name),
            }
        }
    }
}

/// Each fault has a case, but for the one that `read_whole` adds (`headers_in_pieces`).
#[test]
fn every_fault_has_a_case_and_a_name_of_its_own() {
    let cases = all_cases();
    for fault in ProxyFault::ALL {
        let label = fault.label();
        let has_case = cases.iter().any(|case| case.expected == label);
        assert!(
            has_case || *fault == ProxyFault::Incomplete,
            "no case for {label}"
        );
        assert!(fault.explain().contains("(section "), "{label}");
        let same = ProxyFault::ALL
            .iter()
            .filter(|other| other.label() == label);
        assert_eq!(same.count(), 1, "{label}");
    }
}

/// What is read can be written, in either form, and is read back; the header is not longer than need be.
#[test]
fn written_headers_are_read_back() {
    let mut written = 0;
    for case in all_cases() {
        let Ok(Reading::Header(header)) = read(&case.raw) else {
            continue;
        };
        written += 1;
        for checksum in [Checksum::Crc32c, Checksum::None] {
            let mut out = b"before".to_vec();
            write_v2(&mut out, &header.claim, &header.details, checksum).unwrap();
            let again =
                read_whole(&out[6..]).unwrap_or_else(|fault| panic!("{}: {fault:?}", case.name));
            assert_eq!(again.version, Version::V2);
            assert_eq!(again.length, out.len() - 6, "{}", case.name);
            assert_eq!(
                say_claim(&again.claim),
                say_claim(&plain(header.claim)),
                "{}",
                case.name
            );
            assert_eq!(again.details, header.details, "{}", case.name);
            let sums = again.tlvs().filter(|tlv| tlv.kind == 3).count();
            assert_eq!(sums, usize::from(checksum == Checksum::Crc32c));
        }
        let mut out = Vec::new();
        write_v1(&mut out, &header.claim);
        let again = read_whole(&out).unwrap();
        assert_eq!(again.version, Version::V1);
        assert_eq!(again.length, out.len());
        let expected = match plain(header.claim) {
            claim @ Claim::Inet {
                transport: Transport::Stream,
                ..
            } => claim,
            _ => Claim::Unknown,
        };
        assert_eq!(again.claim, expected, "{}", case.name);
    }
    assert!(written > 40, "only {written} headers");
}

/// As version 2 says it: an IPv4 address in IPv6 clothes is IPv4, if both are; unknown is local.
fn plain(claim: Claim<'_>) -> Claim<'_> {
    match claim {
        Claim::Unknown => Claim::Local,
        Claim::Inet {
            transport,
            mut source,
            mut destination,
        } => {
            let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
            if from.is_ipv4() == to.is_ipv4() {
                source.set_ip(from);
                destination.set_ip(to);
            }
            Claim::Inet {
                transport,
                source,
                destination,
            }
        }
        _ => claim,
    }
}

fn inet<'a>(source: &str, destination: &str) -> Claim<'a> {
    Claim::Inet {
        transport: Transport::Stream,
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
    }
}

/// Octet by octet.
#[test]
fn written_headers() {
    let v1 = |claim: &Claim<'_>| {
        let mut out = Vec::new();
        write_v1(&mut out, claim);
        String::from_utf8(out).unwrap()
    };
    let four = inet("192.0.2.1:4711", "198.51.100.7:443");
    let six = inet("[2001:db8::1]:4711", "[::1]:443");
    let mixed = inet("192.0.2.1:4711", "[2001:db8::1]:443");
    let mapped = inet("[::ffff:192.0.2.1]:4711", "198.51.100.7:443");
    let line = "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n";
    assert_eq!(v1(&four), line);
    assert_eq!(v1(&mapped), line);
    assert_eq!(v1(&six), "PROXY TCP6 2001:db8::1 ::1 4711 443\r\n");
    assert_eq!(
        v1(&mixed),
        "PROXY TCP6 ::ffff:c000:201 2001:db8::1 4711 443\r\n"
    );
    assert_eq!(v1(&Claim::Local), "PROXY UNKNOWN\r\n");

    let v2 = |claim: &Claim<'_>, details: &Details<'_>, checksum| {
        let mut out = Vec::new();
        write_v2(&mut out, claim, details, checksum).unwrap();
        out
    };
    let none = Details::default();
    let all = Details {
        alpn: Some(b"h2"),
        authority: Some("a.example"),
        unique_id: Some(b"id-1"),
        ssl: Some(Ssl {
            version: Some(b"TLSv1.3"),
            ..Ssl::without_certificate()
        }),
    };
    for (got, words) in [
        (v2(&four, &none, Checksum::None), "v2 21 11 u16[ tcp4 ]"),
        (
            v2(&mapped, &none, Checksum::Crc32c),
            "v2 21 11 u16[ tcp4 crc ]",
        ),
        (
            v2(&six, &none, Checksum::None),
            "v2 21 21 u16[ 2001:db8::1 ::1 :4711 :443 ]",
        ),
        (
            v2(&mixed, &none, Checksum::None),
            "v2 21 21 u16[ ::ffff:c000:201 2001:db8::1 :4711 :443 ]",
        ),
        (v2(&Claim::Local, &none, Checksum::None), "v2 20 00 u16[ ]"),
        (
            v2(&Claim::Unknown, &none, Checksum::None),
            "v2 20 00 u16[ ]",
        ),
        (
            v2(&four, &all, Checksum::Crc32c),
            "v2 21 11 u16[ tcp4 01 u16[ \"h2\" ] 02 u16[ \"a.example\" ] 05 u16[ \"id-1\" ] \
             20 u16[ 01 00000000 21 u16[ \"TLSv1.3\" ] ] crc ]",
        ),
    ] {
        assert_eq!(
            escape(&got),
            escape(&wire::bytes(words.as_bytes())),
            "{words}"
        );
    }
}

/// What we would not read ourselves is not written, not even in part.
#[test]
fn refused_to_write() {
    let claim = inet("192.0.2.1:4711", "198.51.100.7:443");
    let long = vec![b'x'; 70_000];
    let room = V2_BYTES - 28 - 3;
    let unix = |source| Claim::Unix {
        transport: Transport::Stream,
        source,
        destination: UnixAddress::Unnamed,
    };
    let alpn = |length| Details {
        alpn: Some(&long[..length]),
        ..Details::default()
    };
    let authority = Details {
        authority: Some("a\r\nb"),
        ..Details::default()
    };
    let id = Details {
        unique_id: Some(&long[..UNIQUE_ID_BYTES + 1]),
        ..Details::default()
    };
    let certificate = Details {
        ssl: Some(Ssl {
            certificate: Some(&long[..65_535]),
            ..Ssl::default()
        }),
        ..Details::default()
    };
    let none = Details::default();
    let path = UnixAddress::Path;
    let mut seen = Vec::new();
    for (claim, details, expected) in [
        (claim, alpn(room), None),
        (claim, alpn(room + 1), Some(WriteFault::TooLong)),
        (claim, alpn(70_000), Some(WriteFault::TooLong)),
        (claim, certificate, Some(WriteFault::TooLong)),
        (claim, authority, Some(WriteFault::AuthorityText)),
        (claim, id, Some(WriteFault::UniqueIdTooLong)),
        (unix(path(&long[..108])), none, None),
        (unix(path(&long[..109])), none, Some(WriteFault::UnixPath)),
        (unix(path(b"")), none, Some(WriteFault::UnixPath)),
        (unix(path(b"a\0b")), none, Some(WriteFault::UnixPath)),
        (unix(UnixAddress::Abstract(&long[..107])), none, None),
        (
            unix(UnixAddress::Abstract(&long[..108])),
            none,
            Some(WriteFault::UnixPath),
        ),
    ] {
        let mut out = b"before".to_vec();
        let written = write_v2(&mut out, &claim, &details, Checksum::None);
        assert_eq!(written.err(), expected);
        assert_eq!(out == b"before", expected.is_some());
        seen.extend(expected);
    }
    let untested = WriteFault::ALL.iter().find(|fault| !seen.contains(fault));
    assert_eq!(untested, None);
}

/// TLVs that are nobody's business but the site's.
#[test]
fn private_tlvs_are_there_for_whoever_wants_them() {
    let bytes = wire::bytes(b"v2 21 11 u16[ tcp4 ea u16[ 01 \"vpce-1\" ] 01 u16[ \"h2\" ] ]");
    let header = read_whole(&bytes).unwrap();
    let tlvs: Vec<_> = header.tlvs().map(|tlv| (tlv.kind, tlv.value)).collect();
    assert_eq!(tlvs, [(0xea, &b"\x01vpce-1"[..]), (0x01, b"h2")]);
}
