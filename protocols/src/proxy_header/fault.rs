//! Every reason to refuse a PROXY header, and every reason not to write one.
//!
//! Not here: what happens to the connection. After a fault it is closed (section 2.1: "must be discarded").

faults! {
    /// Why a connection that must begin with a PROXY header is refused.
    ProxyFault:
    NotProxy "not_proxy" "the connection does not begin with a PROXY header, and this listener expects one (section 2)";
    Incomplete "incomplete" "the PROXY header did not come as a whole (section 2)";
    V1TooLong "v1_too_long" "the line has no end within 107 bytes (section 2.1)";
    V1BareLf "v1_bare_lf" "the line ends with LF instead of CRLF (section 2.1)";
    V1BareCr "v1_bare_cr" "a CR stands without LF (section 2.1)";
    V1Protocol "v1_protocol" "the protocol is not TCP4, TCP6 or UNKNOWN (section 2.1)";
    V1Fields "v1_fields" "the line is not two addresses and two ports with one space between them (section 2.1)";
    V1Source "v1_source" "the source is not an address of the announced family (section 2.1)";
    V1Destination "v1_destination" "the destination is not an address of the announced family (section 2.1)";
    V1SourcePort "v1_source_port" "the source port is not a decimal number up to 65535 without leading zeros (section 2.1)";
    V1DestinationPort "v1_destination_port" "the destination port is not a decimal number up to 65535 without leading zeros (section 2.1)";
    V2Version "v2_version" "the signature is that of version 2, the version is not (section 2.2)";
    V2Command "v2_command" "the command is neither LOCAL nor PROXY (section 2.2)";
    V2Family "v2_family" "the address family is not UNSPEC, INET, INET6 or UNIX (section 2.2)";
    V2Transport "v2_transport" "the transport is not UNSPEC, STREAM or DGRAM (section 2.2)";
    V2HalfUnspec "v2_half_unspec" "only one of address family and transport is UNSPEC, so that nobody knows where the addresses end (section 2.2)";
    V2TooLong "v2_too_long" "the header is longer than the addresses of any family and 4 KiB of TLVs (section 2.2)";
    V2AddressesCut "v2_addresses_cut" "the header is shorter than the addresses of its family (section 2.2)";
    TlvCut "tlv_cut" "a TLV reaches over the end of the header (section 2.2)";
    TlvRepeated "tlv_repeated" "ALPN, AUTHORITY, CRC32C, UNIQUE_ID or SSL stands there twice, so that two readers could believe two things (section 2.2)";
    AuthorityText "authority_text" "AUTHORITY is not UTF-8 without control characters (section 2.2.2)";
    Crc32cLength "crc32c_length" "CRC32C does not have four bytes (section 2.2.3)";
    Crc32cMismatch "crc32c_mismatch" "the checksum does not fit the header (section 2.2.3)";
    UniqueIdTooLong "unique_id_too_long" "UNIQUE_ID has more than 128 bytes (section 2.2.5)";
    SslCut "ssl_cut" "SSL is shorter than its fixed part (section 2.2.6)";
    SslTlvCut "ssl_tlv_cut" "a TLV within SSL reaches over its end (section 2.2.6)";
    SslTlvRepeated "ssl_tlv_repeated" "a TLV that we read within SSL stands there twice (section 2.2.6)";
}

faults! {
    /// Why a header of version 2 is not written.
    WriteFault:
    TooLong "too_long" "the header would be longer than we accept ourselves";
    AuthorityText "authority_text" "AUTHORITY holds a control character (section 2.2.2)";
    UniqueIdTooLong "unique_id_too_long" "UNIQUE_ID has more than 128 bytes (section 2.2.5)";
    UnixPath "unix_path" "a Unix address has more than 108 bytes, or is a path that is empty or holds NUL (section 2.2)";
}
