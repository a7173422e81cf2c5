//! Binary messages as words, for golden tables: `16 0301 u16[ 01 u24[ ... ] ]`.
//!
//! Not here: the readers' own code. Lengths and checksums are computed here in another way than there.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a table that cannot be read must fail")]

use std::net::{Ipv4Addr, Ipv6Addr};

/// The bytes that a line of words says. The words:
///
/// * `0d0a`: octets; `aa*32`: 32 of them; `"text"`, `"ab"*3`: text
/// * `192.0.2.1`, `2001:db8::1`: an address; `:443`: a port
/// * `u8[ ... ]`, `u16[ ... ]`, `u24[ ... ]`: what is within, behind its length
/// * PROXY protocol: `v2` the signature; `tcp4` the addresses 192.0.2.1:4711 and 198.51.100.7:443; `crc` a CRC32C of all, `badcrc`
///   one that does not fit
/// * TLS: `record[ ... ]`, `cut9[ ... ]` records of 9 octets, `message[ extensions ]`, `hello[ extensions ]` a message in one record,
///   `sni["name"]`, `alpn["h2" "http/1.1"]`
pub(crate) fn bytes(words: &[u8]) -> Vec<u8> {
    let mut rest = words;
    let mut out = Vec::new();
    read_words(&mut rest, &mut out);
    assert!(rest.is_empty(), "a bracket too many");
    for (word, wrong) in [(*b"crc?", 0), (*b"bad?", 1)] {
        if let Some(at) = out.windows(4).position(|window| window == word) {
            out[at..at + 4].fill(0);
            let sum = crc32c(&out) ^ wrong;
            out[at..at + 4].copy_from_slice(&sum.to_be_bytes());
        }
    }
    out
}

/// Up to the bracket that ends them.
fn read_words(rest: &mut &[u8], out: &mut Vec<u8>) {
    loop {
        while let [b' ', behind @ ..] = *rest {
            *rest = behind;
        }
        match *rest {
            [] | [b']', ..] => return,
            [b'"', behind @ ..] => {
                let end = behind.iter().position(|&octet| octet == b'"').unwrap();
                let text = &behind[..end];
                *rest = &behind[end + 1..];
                let times = times(rest);
                out.extend(text.repeat(times));
            }
            _ => {
                let is_word = |octet: &&u8| octet.is_ascii_alphanumeric() || b".:".contains(octet);
                let end = rest.iter().take_while(is_word).count();
                assert!(end > 0, "not a word: {}", String::from_utf8_lossy(rest));
                let word = std::str::from_utf8(&rest[..end]).unwrap();
                *rest = &rest[end..];
                if let [b'[', behind @ ..] = *rest {
                    *rest = behind;
                    group(word, rest, out);
                    *rest = rest.strip_prefix(b"]").expect("a bracket is missing");
                } else {
                    let one = single(word);
                    let times = times(rest);
                    out.extend(one.repeat(times));
                }
            }
        }
    }
}

fn times(rest: &mut &[u8]) -> usize {
    let [b'*', behind @ ..] = *rest else {
        return 1;
    };
    let digits = behind.iter().take_while(|octet| octet.is_ascii_digit());
    let (digits, behind) = behind.split_at(digits.count());
    *rest = behind;
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}

fn single(word: &str) -> Vec<u8> {
    match word {
        "v2" => return b"\r\n\r\n\0\r\nQUIT\n".to_vec(),
        "tcp4" => return bytes(b"192.0.2.1 198.51.100.7 :4711 :443"),
        "crc" => return b"\x03\0\x04crc?".to_vec(),
        "badcrc" => return b"\x03\0\x04bad?".to_vec(),
        _ => {}
    }
    if let Some(port) = word
        .strip_prefix(':')
        .and_then(|port| port.parse::<u16>().ok())
    {
        return port.to_be_bytes().to_vec();
    }
    if let Ok(address) = word.parse::<Ipv4Addr>() {
        return address.octets().to_vec();
    }
    if let Ok(address) = word.parse::<Ipv6Addr>() {
        return address.octets().to_vec();
    }
    assert!(word.len().is_multiple_of(2), "half an octet: {word}");
    let octet = |at| {
        u8::from_str_radix(&word[at..at + 2], 16).unwrap_or_else(|_| panic!("not hex: {word}"))
    };
    (0..word.len()).step_by(2).map(octet).collect()
}

fn group(word: &str, rest: &mut &[u8], out: &mut Vec<u8>) {
    if word == "alpn" {
        return out.extend(extension(16, &prefixed(2, &names(rest))));
    }
    let mut within = Vec::new();
    read_words(rest, &mut within);
    match word {
        "u8" => out.extend(prefixed(1, &within)),
        "u16" => out.extend(prefixed(2, &within)),
        "u24" => out.extend(prefixed(3, &within)),
        "record" => out.extend(record(&within)),
        "message" => out.extend(message(&within)),
        "hello" => out.extend(record(&message(&within))),
        "sni" => {
            let name = [&[0], &*prefixed(2, &within)].concat();
            out.extend(extension(0, &prefixed(2, &name)));
        }
        _ => {
            let size: usize = word.strip_prefix("cut").unwrap().parse().unwrap();
            within
                .chunks(size)
                .for_each(|part| out.extend(record(part)));
        }
    }
}

/// Texts up to the bracket, each behind its length.
fn names(rest: &mut &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    while rest.first() != Some(&b']') {
        let end = rest
            .iter()
            .skip(1)
            .position(|&octet| octet == b'"')
            .unwrap()
            + 2;
        let (mut name, behind) = rest.split_at(end);
        *rest = behind.trim_ascii_start();
        let mut text = Vec::new();
        read_words(&mut name, &mut text);
        list.extend(prefixed(1, &text));
    }
    list
}

fn prefixed(octets: usize, within: &[u8]) -> Vec<u8> {
    let length = (within.len() as u64).to_be_bytes();
    [&length[8 - octets..], within].concat()
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &prefixed(2, value)].concat()
}

pub(crate) fn record(fragment: &[u8]) -> Vec<u8> {
    [&[0x16, 3, 1][..], &prefixed(2, fragment)].concat()
}

fn message(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0xaa; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(prefixed(2, extensions));
    [&[1], &*prefixed(3, &body)].concat()
}

/// Bit by bit, as the polynomial is defined.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for octet in bytes {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    !crc
}
