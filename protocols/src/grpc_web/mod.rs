//! gRPC-Web (`doc/PROTOCOL-WEB.md` of grpc/grpc) as far as a proxy translates it from and to gRPC: what its content types say, its messages as text
//! (`text`), where messages end and how trailers become the last of them (`frames`).
//!
//! Not here: calls of gRPC (`grpc`); what messages hold; whether a call is translated at all.

mod frames;
mod text;

pub use frames::{AnswerBody, Messages, Passed, put_trailers};
pub use text::{TextDecoder, TextEncoder, TextFault};

use crate::http1::{elements, is_ows, is_token};

const WEB: &[u8] = b"application/grpc-web";
const GRPC: &[u8] = b"application/grpc";
const TEXT: &[u8] = b"-text";
/// The only coding of text that there is may be named.
const BASE64: &[u8] = b"-base64";

/// How the messages of a call are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Binary,
    /// In base64.
    Text,
}

/// What a content type of gRPC-Web says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind<'a> {
    /// How messages are written.
    pub form: Form,
    /// What they are, with its `+`; empty where it is not said.
    pub suffix: &'a [u8],
}

/// What a content type says, whatever its parameters. None if it is not of gRPC-Web.
pub fn kind(content_type: &[u8]) -> Option<Kind<'_>> {
    let rest = behind(WEB, content_type)?;
    let (form, suffix) = match behind(TEXT, rest) {
        None => (Form::Binary, rest),
        Some(rest) => (Form::Text, behind(BASE64, rest).unwrap_or(rest)),
    };
    let suffix = suffix_in(suffix)?;
    Some(Kind { form, suffix })
}

/// The suffix of a content type of gRPC proper, with its `+`; None if it is not of gRPC.
pub fn suffix_of_grpc(content_type: &[u8]) -> Option<&[u8]> {
    suffix_in(behind(GRPC, content_type)?)
}

/// Whether a request is a call of gRPC-Web.
pub fn is_call(method: &[u8], content_type: &[u8]) -> bool {
    method == b"POST" && kind(content_type).is_some()
}

/// How the answer is to be written: as the first type of gRPC-Web among the values of Accept, else as the request was. Envoy asks Accept
/// alone, improbable's proxy the request alone; what either of them understands is understood so.
pub fn answer_form<'a>(accept: impl Iterator<Item = &'a [u8]>, asked: Form) -> Form {
    let named = accept.flat_map(elements).find_map(kind);
    named.map_or(asked, |kind| kind.form)
}

/// Append the content type of gRPC proper.
pub fn put_grpc_type(out: &mut Vec<u8>, suffix: &[u8]) {
    out.extend_from_slice(GRPC);
    out.extend_from_slice(suffix);
}

/// Append the content type of gRPC-Web.
pub fn put_web_type(out: &mut Vec<u8>, kind: Kind<'_>) {
    out.extend_from_slice(WEB);
    if kind.form == Form::Text {
        out.extend_from_slice(TEXT);
    }
    out.extend_from_slice(kind.suffix);
}

/// What follows `front`, whatever its case.
fn behind<'a>(front: &[u8], text: &'a [u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(front.len())?;
    start.eq_ignore_ascii_case(front).then_some(rest)
}

/// A suffix in front of parameters: nothing, or a token that begins with `+`.
fn suffix_in(rest: &[u8]) -> Option<&[u8]> {
    let end = rest
        .iter()
        .position(|&octet| octet == b';' || is_ows(octet));
    let (suffix, parameters) = rest.split_at(end.unwrap_or(rest.len()));
    let mut parameters = parameters.iter().skip_while(|&&octet| is_ows(octet));
    let is_right = matches!(parameters.next(), None | Some(b';'))
        && match suffix {
            [] => true,
            [b'+', subtype @ ..] => is_token(subtype),
            _ => false,
        };
    is_right.then_some(suffix)
}
