//! Texts with `{name}` parts: compiled, and filled in for an exchange. Not a language: no conditions, no functions.

use ringway_config::Part;

use super::captures::Captures;
use super::query::hex;

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(Vec<u8>),
    BuiltIn(BuiltIn),
    Capture(Box<str>),
}

#[derive(Debug, Clone, Copy)]
enum BuiltIn {
    Host,
    Path,
    Query,
    ClientIp,
    Identity,
    RequestId,
    Listener,
    Route,
}

/// What the names stand for in one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'a> {
    /// Of the route's regexes; a name that captured nothing becomes empty.
    pub captures: &'a Captures,
    /// As the client sent it, with its port.
    pub host: &'a [u8],
    /// Normalised, without query.
    pub path: &'a [u8],
    /// Without its `?`, which the expansion adds; `None` becomes empty.
    pub query: Option<&'a [u8]>,
    /// In text.
    pub client_ip: &'a [u8],
    /// Of the client's verified certificate; empty without one.
    pub identity: &'a str,
    /// In text.
    pub request_id: &'a [u8],
    /// Its name.
    pub listener: &'a str,
    /// Its name.
    pub route: &'a str,
}

/// What becomes of the bytes of a variable.
#[derive(Clone, Copy)]
enum As {
    FieldValue,
    Uri,
}

impl Template {
    /// Neighbouring literals are joined; CR, LF and NUL in them become spaces, as in [`Template::expand`].
    pub fn compile(template: &ringway_config::Template) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for part in &template.parts {
            match part {
                Part::Literal(text) => {
                    if !matches!(pieces.last(), Some(Piece::Literal(_))) {
                        pieces.push(Piece::Literal(Vec::new()));
                    }
                    if let Some(Piece::Literal(bytes)) = pieces.last_mut() {
                        push_field_value(text.as_bytes(), bytes);
                    }
                }
                Part::Variable(name) => pieces.push(match built_in(name) {
                    Some(built_in) => Piece::BuiltIn(built_in),
                    None => Piece::Capture(name.as_str().into()),
                }),
            }
        }
        pieces.retain(|piece| !matches!(piece, Piece::Literal(bytes) if bytes.is_empty()));
        Template { pieces }
    }

    /// Append the text to `out`, for a field value. Whatever a variable holds, the result has no CR, LF or NUL: they
    /// become spaces (RFC 9110 section 5.5). A decoded query value that was captured may hold them.
    pub fn expand(&self, vars: &Variables<'_>, out: &mut Vec<u8>) {
        self.fill(vars, As::FieldValue, out);
    }

    /// Append the text to `out`, for a request target or a Location. In what variables hold, each byte that may not
    /// stand in a path is percent-encoded (RFC 3986 section 3.3), so a capture can neither end the request line nor begin a
    /// query or fragment; escapes that are there already are kept. Literals are taken as written.
    pub fn expand_uri(&self, vars: &Variables<'_>, out: &mut Vec<u8>) {
        self.fill(vars, As::Uri, out);
    }

    /// The text, if it is the same for every exchange.
    pub fn is_literal(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [] => Some(b""),
            [Piece::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    fn fill(&self, vars: &Variables<'_>, into: As, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            let value = match piece {
                Piece::Literal(bytes) => {
                    out.extend_from_slice(bytes);
                    continue;
                }
                Piece::Capture(name) => vars.captures.get(name).unwrap_or_default(),
                Piece::BuiltIn(built_in) => match built_in {
                    BuiltIn::Host => vars.host,
                    BuiltIn::Path => vars.path,
                    BuiltIn::Query => match vars.query {
                        None => continue,
                        Some(query) => {
                            out.push(b'?');
                            query
                        }
                    },
                    BuiltIn::ClientIp => vars.client_ip,
                    BuiltIn::Identity => vars.identity.as_bytes(),
                    BuiltIn::RequestId => vars.request_id,
                    BuiltIn::Listener => vars.listener.as_bytes(),
                    BuiltIn::Route => vars.route.as_bytes(),
                },
            };
            match (into, piece) {
                (As::FieldValue, _) => push_field_value(value, out),
                (As::Uri, Piece::BuiltIn(BuiltIn::Host)) => push_uri(value, b"[]", out),
                (As::Uri, Piece::BuiltIn(BuiltIn::Query)) => push_uri(value, b"?[]", out),
                (As::Uri, _) => push_uri(value, b"", out),
            }
        }
    }
}

/// The names that a template uses.
pub(super) fn names(template: &ringway_config::Template) -> impl Iterator<Item = &str> {
    template.parts.iter().filter_map(|part| match part {
        Part::Variable(name) => Some(name.as_str()),
        Part::Literal(_) => None,
    })
}

pub(super) fn is_built_in(name: &str) -> bool {
    built_in(name).is_some()
}

fn built_in(name: &str) -> Option<BuiltIn> {
    Some(match name {
        "host" => BuiltIn::Host,
        "path" => BuiltIn::Path,
        "query" => BuiltIn::Query,
        "client_ip" => BuiltIn::ClientIp,
        "identity" => BuiltIn::Identity,
        "request_id" => BuiltIn::RequestId,
        "listener" => BuiltIn::Listener,
        "route" => BuiltIn::Route,
        _ => return None,
    })
}

fn push_field_value(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
}

/// `also` are bytes allowed beyond those of a path.
pub(super) fn push_uri(value: &[u8], also: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let is_hex = |at: usize| value.get(at).is_some_and(|&b| hex(b).is_some());
    for (at, &byte) in value.iter().enumerate() {
        let keep = match byte {
            b'%' => is_hex(at + 1) && is_hex(at + 2),
            _ => stands_in_path(byte) || also.contains(&byte),
        };
        if keep {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

/// `pchar` without its escapes, and `/` (RFC 3986 section 3.3).
fn stands_in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::made::template;

    fn expand(text: &str, captures: &Captures, query: Option<&[u8]>, uri: bool) -> String {
        let vars = Variables {
            captures,
            host: b"[::1]:8080",
            path: b"/a%20b/c",
            query,
            client_ip: b"2001:db8::1",
            identity: "spiffe://mycorp.com/edge",
            request_id: b"0199-id",
            listener: "web",
            route: "plain route",
        };
        let compiled = Template::compile(&template(text));
        let mut out = b">".to_vec();
        if uri {
            compiled.expand_uri(&vars, &mut out);
        } else {
            compiled.expand(&vars, &mut out);
        }
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    #[test]
    fn expansions_as_a_table() {
        let mut captures = Captures::new();
        captures.push("who", b"ann");
        captures.push("bad", b"a\r\nSet-Cookie: x=1\0");
        captures.push("odd", "é /?#%zz%41 100%".as_bytes());
        // text, query, field value, URI
        let cases: &[(&str, Option<&[u8]>, &str, &str)] = &[
            ("", None, "", ""),
            ("plain {{", None, "plain {", "plain {"),
            (
                "https://{host}{path}{query}",
                Some(b"a=1&b=?"),
                "https://[::1]:8080/a%20b/c?a=1&b=?",
                "https://[::1]:8080/a%20b/c?a=1&b=?",
            ),
            ("{path}{query}", None, "/a%20b/c", "/a%20b/c"),
            ("{path}{query}", Some(b""), "/a%20b/c?", "/a%20b/c?"),
            (
                "{client_ip}|{request_id}",
                None,
                "2001:db8::1|0199-id",
                "2001:db8::1|0199-id",
            ),
            (
                "{listener}/{route}",
                None,
                "web/plain route",
                "web/plain%20route",
            ),
            ("{who}-{nobody}-{who}", None, "ann--ann", "ann--ann"),
            (
                "{bad}",
                None,
                "a  Set-Cookie: x=1 ",
                "a%0D%0ASet-Cookie:%20x=1%00",
            ),
            ("x\r\n{who}\0", None, "x  ann ", "x  ann "),
            (
                "/{odd}",
                None,
                "/é /?#%zz%41 100%",
                "/%C3%A9%20/%3F%23%25zz%41%20100%25",
            ),
        ];
        for (text, query, value, uri) in cases {
            assert_eq!(expand(text, &captures, *query, false), *value, "{text}");
            assert_eq!(expand(text, &captures, *query, true), *uri, "{text}");
        }
    }

    #[test]
    fn literals_are_known() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("", Some(b"")),
            ("no-store", Some(b"no-store")),
            ("a {{b", Some(b"a {b")),
            ("two\nlines", Some(b"two lines")),
            ("{host}", None),
            ("x{y}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Template::compile(&template(text)).is_literal(),
                *expected,
                "{text}"
            );
        }
    }
}
