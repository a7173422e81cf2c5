//! What a peer's alert means, in words (RFC 8446 6).
//!
//! Not our own alerts: rustls chooses and sends these.

use rustls::AlertDescription;

/// What the peer said, as the end of "the peer refused: ...".
pub(crate) fn words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let words = match alert {
        A::CloseNotify => "it closed before the handshake was done",
        A::UnexpectedMessage => "a message of ours came out of order",
        A::BadRecordMac => "a record of ours could not be decrypted",
        A::RecordOverflow => "a record of ours was too long",
        A::HandshakeFailure => "no version, cipher or certificate suits both sides",
        A::BadCertificate => "our certificate is broken for it",
        A::UnsupportedCertificate => "our certificate is of a type that it does not know",
        A::CertificateRevoked => "our certificate is revoked",
        A::CertificateExpired => "our certificate has expired, or is not valid yet",
        A::CertificateUnknown => "our certificate is not accepted",
        A::UnknownCA => "it does not know the authority that issued our certificate",
        A::AccessDenied => "our certificate is good, but may not be used here",
        A::IllegalParameter => "a field of ours was out of range",
        A::DecodeError => "a message of ours could not be read",
        A::DecryptError => "a signature of ours could not be verified",
        A::ProtocolVersion => "it does not speak our versions of TLS",
        A::InsufficientSecurity => "it wants stronger ciphers than ours",
        A::InternalError => "it has an error of its own",
        A::UserCanceled => "it was cancelled",
        A::NoRenegotiation => "it does not renegotiate",
        A::MissingExtension => "an extension is missing",
        A::UnsupportedExtension => "it does not know an extension of ours",
        A::UnrecognisedName => "it does not know the server name",
        A::CertificateRequired => "it wants a certificate from us",
        A::NoApplicationProtocol => "no protocol of ALPN suits both sides",
        other => return format!("alert {}", u8::from(other)),
    };
    words.to_owned()
}
