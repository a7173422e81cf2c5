//! Every reason to refuse a ClientHello.
//!
//! Not here: bytes that are not TLS at all; those are an answer of their own, `NotTls`.

faults! {
    /// Why a connection that begins as TLS does is refused.
    HelloFault:
    RecordType "record_type" "another record stands between the parts of the ClientHello (RFC 8446 5.1)";
    RecordVersion "record_version" "a record of the ClientHello does not have the major version 3 (RFC 8446 5.1)";
    RecordEmpty "record_empty" "a record of the ClientHello is empty (RFC 8446 5.1)";
    RecordTooLong "record_too_long" "a record has more than 2^14 bytes (RFC 8446 5.1)";
    TooManyRecords "too_many_records" "the ClientHello is split over more than 64 records (RFC 8446 5.1)";
    NotClientHello "not_client_hello" "the first handshake message is not a ClientHello (RFC 8446 4)";
    TooLarge "too_large" "the ClientHello is larger than the limit (RFC 8446 4.1.2)";
    Cut "cut" "the ClientHello ends within one of its fields (RFC 8446 4.1.2)";
    Version "version" "the ClientHello does not have the major version 3 (RFC 8446 4.1.2)";
    SessionId "session_id" "the session id has more than 32 bytes (RFC 8446 4.1.2)";
    CipherSuites "cipher_suites" "the list of cipher suites is empty or has an odd length (RFC 8446 4.1.2)";
    CompressionMethods "compression_methods" "the list of compression methods is empty (RFC 8446 4.1.2)";
    BytesBehind "bytes_behind" "bytes stand behind the last field of the ClientHello (RFC 8446 4.1.2)";
    ExtensionCut "extension_cut" "an extension reaches over the end of the list (RFC 8446 4.2)";
    ExtensionRepeated "extension_repeated" "server_name or ALPN stands there twice (RFC 8446 4.2)";
    ServerNameList "server_name_list" "server_name is not a list of names that fills the extension (RFC 6066 3)";
    ServerNameType "server_name_type" "server_name holds a name that is not a host name (RFC 6066 3)";
    ServerNameSeveral "server_name_several" "server_name holds more than one name (RFC 6066 3)";
    NameTooLong "name_too_long" "the host name has more than 253 octets (RFC 1035 2.3.4)";
    NameTrailingDot "name_trailing_dot" "the host name ends with a dot (RFC 6066 3)";
    NameIpAddress "name_ip_address" "the host name is an IP address, or its last label is a number as only theirs are (RFC 6066 3)";
    NameOctet "name_octet" "the host name holds an octet other than letters, digits, `-`, `_` and `.` (RFC 6066 3)";
    NameLabel "name_label" "a label of the host name is empty, has more than 63 octets, or begins or ends with a hyphen (RFC 1123 2.1)";
    AlpnList "alpn_list" "ALPN is not a list of protocols that fills the extension (RFC 7301 3.1)";
    AlpnEmptyName "alpn_empty_name" "ALPN holds a protocol without a name (RFC 7301 3.1)";
}
