//! One cookie out of a Cookie field. Not a cookie jar: no attributes, no Set-Cookie.

/// The value of the cookie `name` in a Cookie field value (RFC 6265 section 4.2.1); of several the first.
/// Names are case-sensitive; quotes around a value belong to it, as servers see it.
pub fn cookie<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    field.split(|&b| b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = memchr::memchr(b'=', pair)?;
        (pair[..equals].trim_ascii_end() == name).then(|| pair[equals + 1..].trim_ascii_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_as_a_table() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("sid=1", "sid", Some("1")),
            ("a=0; sid=abc; b=2", "sid", Some("abc")),
            ("a=0;sid=abc;b=2", "sid", Some("abc")),
            ("sid=first; sid=second", "sid", Some("first")),
            ("sid=\"x y\"", "sid", Some("\"x y\"")),
            ("sid=a=b", "sid", Some("a=b")),
            ("sid=", "sid", Some("")),
            ("sid", "sid", None),
            ("xsid=1; sidx=2", "sid", None),
            ("SID=1", "sid", None),
            ("\t sid = 7 ;", "sid", Some("7")),
            ("", "sid", None),
            (";;=;", "sid", None),
        ];
        for (field, name, expected) in cases {
            let found = cookie(field.as_bytes(), name.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{field}");
        }
    }
}
