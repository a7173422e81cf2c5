//! The framing table: how the body of a message ends (RFC 9112 section 6.3). This is the whole of it; nothing else in the
//! proxy looks at Content-Length or Transfer-Encoding.
//!
//! Not here: finding the fields, reading the body.
//!
//! The rule behind the table: what two recipients could read differently is refused, even where the RFC lets a recipient repair
//! it, because a repaired message has already been read differently by somebody before us or will be behind us.
//!
//! | message | Content-Length | Transfer-Encoding | result |
//! |---|---|---|---|
//! | any | present | present | fault |
//! | any | several lines, equal or not, or a list | - | fault |
//! | any | not `1*DIGIT` below 2^63 | - | fault |
//! | any | - | several lines, or not exactly `chunked` | fault (400 for a request, also where 501 is allowed: the coding is known to us only by name, and 400 closes for certain) |
//! | HTTP/1.0 | - | present | fault |
//! | TRACE request | above 0 | or present | fault |
//! | request | n | - | `Length(n)`, whatever the method |
//! | request | - | `chunked` | `Chunked` |
//! | request | - | - | `None` |
//! | 1xx, 204 | above 0 | or present | fault: some recipients would wait for that body |
//! | 1xx, 204 | 0 or absent | absent | `None`; a `0` is common and can be read in one way only, it is removed |
//! | 304, or answer to HEAD | any valid | any valid | `None`; Content-Length is kept, it describes the body not sent |
//! | other response | n | - | `Length(n)` |
//! | other response | - | `chunked` | `Chunked` |
//! | other response | - | - | `UntilClose` |

use super::octets::decimal;
use super::table::Lines;
use super::{RequestFault, ResponseFault, Version};

/// How a message's body is delimited (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming {
    /// There is no body.
    #[default]
    None,
    /// That many octets.
    Length(u64),
    /// Chunked coding, then a trailer section.
    Chunked,
    /// Until the connection closes. Responses only.
    UntilClose,
}

/// What a head says about framing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) version: Version,
    pub(crate) content_length: Lines<'a>,
    pub(crate) transfer_encoding: Lines<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimFault {
    Both,
    LengthRepeated,
    LengthInvalid,
    CodingInvalid,
    CodingInHttp10,
}

impl Claim<'_> {
    /// The framing that the two fields announce, if they announce one at all.
    #[inline(always)]
    fn read(self) -> Result<Option<BodyFraming>, ClaimFault> {
        match (self.content_length, self.transfer_encoding) {
            (Lines::None, Lines::None) => Ok(None),
            (Lines::One(length), Lines::None) => match decimal(length) {
                Some(length) => Ok(Some(BodyFraming::Length(length))),
                None => Err(ClaimFault::LengthInvalid),
            },
            (Lines::Several, Lines::None) => Err(ClaimFault::LengthRepeated),
            (Lines::None, Lines::One(coding)) => {
                if self.version == Version::Http10 {
                    Err(ClaimFault::CodingInHttp10)
                } else if coding.eq_ignore_ascii_case(b"chunked") {
                    Ok(Some(BodyFraming::Chunked))
                } else {
                    Err(ClaimFault::CodingInvalid)
                }
            }
            (Lines::None, Lines::Several) => Err(ClaimFault::CodingInvalid),
            (_, Lines::One(_) | Lines::Several) => Err(ClaimFault::Both),
        }
    }
}

/// The table's rows for requests.
pub(crate) fn of_request(claim: Claim<'_>, method: &[u8]) -> Result<BodyFraming, RequestFault> {
    let announced = claim.read().map_err(|fault| match fault {
        ClaimFault::Both => RequestFault::ContentLengthWithTransferEncoding,
        ClaimFault::LengthRepeated => RequestFault::ContentLengthRepeated,
        ClaimFault::LengthInvalid => RequestFault::ContentLengthInvalid,
        ClaimFault::CodingInvalid => RequestFault::TransferEncodingInvalid,
        ClaimFault::CodingInHttp10 => RequestFault::TransferEncodingInHttp10,
    })?;
    match announced {
        None => Ok(BodyFraming::None),
        Some(BodyFraming::Length(0)) => Ok(BodyFraming::Length(0)),
        Some(_) if method == b"TRACE" => Err(RequestFault::TraceWithBody),
        Some(framing) => Ok(framing),
    }
}

/// The table's rows for responses; `to_head`: the request was HEAD.
pub(crate) fn of_response(
    claim: Claim<'_>,
    status: u16,
    to_head: bool,
) -> Result<BodyFraming, ResponseFault> {
    let announced = claim.read().map_err(|fault| match fault {
        ClaimFault::Both => ResponseFault::ContentLengthWithTransferEncoding,
        ClaimFault::LengthRepeated => ResponseFault::ContentLengthRepeated,
        ClaimFault::LengthInvalid => ResponseFault::ContentLengthInvalid,
        ClaimFault::CodingInvalid => ResponseFault::TransferEncodingInvalid,
        ClaimFault::CodingInHttp10 => ResponseFault::TransferEncodingInHttp10,
    })?;
    match (status, announced) {
        (100..=199 | 204, None | Some(BodyFraming::Length(0))) => Ok(BodyFraming::None),
        (100..=199 | 204, Some(_)) => Err(ResponseFault::FramingWithoutBody),
        (304, _) => Ok(BodyFraming::None),
        _ if to_head => Ok(BodyFraming::None),
        (_, Some(framing)) => Ok(framing),
        (_, None) => Ok(BodyFraming::UntilClose),
    }
}
