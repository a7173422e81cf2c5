//! Bytes as text, without loss: each byte is the character of the same number (ISO 8859-1). Not a decoder of UTF-8.

/// Text in which each byte is one character, so that nothing is lost and `==` on text is `==` on bytes.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Bytes for a failure message: escaped, cut after 600.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(600)];
    let more = if cut.len() < bytes.len() {
        format!("... ({} bytes)", bytes.len())
    } else {
        String::new()
    };
    format!("\"{}\"{more}", cut.escape_ascii())
}
