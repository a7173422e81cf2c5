//! Every reason to call an HTTP/2 head malformed (RFC 9113 section 8.1.1) that has no counterpart in HTTP/1.1.
//!
//! Not here: what the reader of HTTP/1.1 finds in the same head afterwards (`http1::RequestFault`); faults of frames.

faults! {
    /// Why a head was malformed. Its stream is reset.
    HeadFault:
    Method "h2_method" "the method is not a token (RFC 9110 9.1)";
    Scheme "h2_scheme" ":scheme is neither http nor https (RFC 9113 8.3.1)";
    Path "h2_path" ":path is neither a path that begins with `/` nor `*` for OPTIONS, or holds an octet that no target may (RFC 9113 8.3.1)";
    Authority "h2_authority" ":authority is not a host with an optional port (RFC 9113 8.3.1)";
    AuthorityMissing "h2_authority_missing" "neither :authority nor Host (RFC 9113 8.3.1)";
    HostRepeated "h2_host_repeated" "more than one Host (RFC 9110 7.2)";
    HostDiffers "h2_host_differs" ":authority and Host do not agree (RFC 9113 8.3.1)";
    FieldName "h2_field_name" "a field name is not a token in lower case (RFC 9113 8.2.1)";
    FieldValue "h2_field_value" "a field value holds a control octet, or begins or ends with white space (RFC 9113 8.2.1)";
    ConnectionField "h2_connection_field" "a field that belongs to a connection of HTTP/1.1 (RFC 9113 8.2.2)";
    Te "h2_te" "TE says something else than `trailers` (RFC 9113 8.2.2)";
    LengthWithoutBody "h2_length_without_body" "Content-Length announces a body, and the stream ends with the head (RFC 9113 8.1.1)";
    Protocol "h2_protocol" ":protocol with another method than CONNECT (RFC 8441 4)";
    TunnelLength "h2_tunnel_length" "a CONNECT has no content, and yet a Content-Length (RFC 9110 9.3.6)";
    PseudoField "h2_pseudo_field" "a pseudo-field that is unknown, repeated or missing (RFC 9113 8.3)";
    Status "h2_status" ":status is not a status that may stand here (RFC 9113 8.3.2, 8.6)";
}

/// Why a head was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<F> {
    /// It is malformed as a head of HTTP/2.
    Malformed(HeadFault),
    /// It says what HTTP/1.1 refuses as well.
    AsHttp1(F),
}

impl<F> From<HeadFault> for Refused<F> {
    fn from(fault: HeadFault) -> Refused<F> {
        Refused::Malformed(fault)
    }
}
