//! gRPC over HTTP/2 (`doc/PROTOCOL-HTTP2.md` of grpc/grpc) as far as a proxy takes part in it: which requests are calls, how long a call may take,
//! and how a call is told its end.
//!
//! Not here: messages, which pass as they are; the head of an answer (`http1::answer`); who waits for what.

use crate::http1::put_decimal;

/// How a call ended (`doc/statuscodes.md` of grpc/grpc).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the name of its code")]
pub enum Status {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
    /// What was sent is none of the codes above.
    Other,
}

impl Status {
    /// Every status, in order of its discriminant, which is its code.
    pub const ALL: [Status; 18] = [
        Status::Ok,
        Status::Cancelled,
        Status::Unknown,
        Status::InvalidArgument,
        Status::DeadlineExceeded,
        Status::NotFound,
        Status::AlreadyExists,
        Status::PermissionDenied,
        Status::ResourceExhausted,
        Status::FailedPrecondition,
        Status::Aborted,
        Status::OutOfRange,
        Status::Unimplemented,
        Status::Internal,
        Status::Unavailable,
        Status::DataLoss,
        Status::Unauthenticated,
        Status::Other,
    ];

    /// What a `grpc-status` says.
    pub fn read(value: &[u8]) -> Status {
        let code = match value {
            [ones @ b'0'..=b'9'] => ones - b'0',
            [b'1', ones @ b'0'..=b'6'] => 10 + ones - b'0',
            _ => return Status::Other,
        };
        Status::ALL[usize::from(code)]
    }

    /// What a call is told instead of an HTTP status: linkerd's map for 429 and 504, Envoy's for the rest, and 508 for a loop.
    pub fn of_http(status: u16) -> Status {
        match status {
            400 => Status::Internal,
            401 => Status::Unauthenticated,
            403 => Status::PermissionDenied,
            404 => Status::Unimplemented,
            429 => Status::ResourceExhausted,
            502 | 503 => Status::Unavailable,
            504 => Status::DeadlineExceeded,
            508 => Status::Aborted,
            _ => Status::Unknown,
        }
    }

    /// As it stands in `grpc-status`. `Other` has no code: it is read, not written, and would be `UNKNOWN`.
    pub fn code(self) -> &'static str {
        const CODES: [&str; 18] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
            "16", "2",
        ];
        CODES[self as usize]
    }

    /// Its name, for logs and counters.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Cancelled => "CANCELLED",
            Status::Unknown => "UNKNOWN",
            Status::InvalidArgument => "INVALID_ARGUMENT",
            Status::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Status::NotFound => "NOT_FOUND",
            Status::AlreadyExists => "ALREADY_EXISTS",
            Status::PermissionDenied => "PERMISSION_DENIED",
            Status::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Status::FailedPrecondition => "FAILED_PRECONDITION",
            Status::Aborted => "ABORTED",
            Status::OutOfRange => "OUT_OF_RANGE",
            Status::Unimplemented => "UNIMPLEMENTED",
            Status::Internal => "INTERNAL",
            Status::Unavailable => "UNAVAILABLE",
            Status::DataLoss => "DATA_LOSS",
            Status::Unauthenticated => "UNAUTHENTICATED",
            Status::Other => "other",
        }
    }
}

/// Whether a request is a call. `content_type` is `application/grpc`, alone or with a suffix (`+proto`) or parameters; gRPC-Web, which ends
/// otherwise than with trailers, is none.
pub fn is_call(method: &[u8], content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    method == b"POST"
        && content_type
            .get(..TYPE.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
        && matches!(
            content_type.get(TYPE.len()),
            None | Some(b'+' | b';' | b' ' | b'\t')
        )
}

/// Microseconds of a `grpc-timeout`: one to eight digits and a unit. None for anything else. What is less than a microsecond counts as one,
/// so that zero alone is no time.
pub fn read_timeout(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Eight digits, of hours: far below what 64 bits hold.
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(number * 3_600_000_000),
        b'M' => Some(number * 60_000_000),
        b'S' => Some(number * 1_000_000),
        b'm' => Some(number * 1_000),
        b'u' => Some(number),
        b'n' => Some(number.div_ceil(1_000)),
        _ => None,
    }
}

/// Append microseconds as a `grpc-timeout`, in the finest unit that has room. Never zero, which some servers take for no timeout; rounded down
/// otherwise, so that nobody upstream has longer than we.
pub fn put_timeout(out: &mut Vec<u8>, us: u64) {
    const UNITS: [(u64, u8); 5] = [
        (1, b'u'),
        (1_000, b'm'),
        (1_000_000, b'S'),
        (60_000_000, b'M'),
        (3_600_000_000, b'H'),
    ];
    const MOST: u64 = 99_999_999;
    let fitting = UNITS.iter().find(|(size, _)| us / size <= MOST);
    let (size, unit) = fitting.unwrap_or(&UNITS[4]);
    put_decimal(out, (us / size).clamp(1, MOST));
    out.push(*unit);
}

/// Append a text as a `grpc-message`: what is not printable ASCII, and `%`, is percent-encoded.
pub fn put_message(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text {
        match octet {
            b' '..=b'~' if *octet != b'%' => out.push(*octet),
            _ => out.extend([
                b'%',
                DIGITS[usize::from(octet >> 4)],
                DIGITS[usize::from(octet & 15)],
            ]),
        }
    }
}
