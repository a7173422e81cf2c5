//! Heads of HTTP/2 that load and origin write, and what each checks in those that it gets. Encoded anew for each exchange, by the connection's table of
//! fields, so that a proxy gets them as from any other client or server.
//!
//! Not frames, and not bodies.

use ringway_protocols::http2::are_fields;
use ringway_protocols::http2::hpack::{Encoder, Fields, Indexing};

use crate::message;
use crate::scenario::{Load, Origin};

const GRPC: &str = "application/grpc";

/// The fields of one head, pseudo-fields first.
pub(crate) struct Head(Vec<(&'static str, String)>);

impl Head {
    /// The one request of a scenario.
    pub(crate) fn request(load: &Load, grpc: bool) -> Head {
        let mut head = Head(vec![
            (":method", method(grpc || load.body > 0).to_owned()),
            (":scheme", "http".to_owned()),
            (":authority", message::HOST.to_owned()),
            (":path", path(grpc).to_owned()),
            ("user-agent", "ringway-bench".to_owned()),
        ]);
        if grpc {
            head.0.push(("content-type", GRPC.to_owned()));
            head.0.push(("te", "trailers".to_owned()));
            return head;
        }
        head.0.push(("accept", "*/*".to_owned()));
        if load.body > 0 {
            head.0.push(("content-length", load.body.to_string()));
        }
        head
    }

    /// The answer to it.
    pub(crate) fn answer(origin: &Origin) -> Head {
        let mut head = Head(vec![(":status", "200".to_owned())]);
        if origin.grpc {
            head.0.push(("content-type", GRPC.to_owned()));
        } else {
            head.0.push(("content-length", origin.body.to_string()));
            let octets = "application/octet-stream".to_owned();
            head.0.push(("content-type", octets));
        }
        head
    }

    /// The answer to any other request.
    pub(crate) fn refusal() -> Head {
        Head(vec![(":status", "400".to_owned())])
    }

    /// What ends an answer of gRPC.
    pub(crate) fn trailers() -> Head {
        Head(vec![("grpc-status", "0".to_owned())])
    }

    /// Append its octets.
    pub(super) fn encode(&self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        encoder.begin(out);
        for (name, value) in self.iter() {
            // What is never the same twice, and `:path`, the encoder itself keeps out of the table.
            encoder.field(
                name.as_bytes(),
                value.as_bytes(),
                out,
                Indexing::Incremental,
            );
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.iter().find(|(other, _)| *other == name)?;
        Some(value)
    }
}

fn method(uploads: bool) -> &'static str {
    match uploads {
        true => "POST",
        false => "GET",
    }
}

fn path(grpc: bool) -> &'static str {
    match grpc {
        true => "/bench.Bench/Unary",
        false => "/bench",
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    let mut all = fields.iter();
    let (_, value) = all.find(|(other, _)| *other == name.as_bytes())?;
    Some(value)
}

/// Is it the one request?
pub(crate) fn is_asked(fields: &Fields, upload: &[u8], grpc: bool) -> bool {
    let is = |name, value: &str| find(fields, name) == Some(value.as_bytes());
    is(":method", method(!upload.is_empty()))
        && is(":path", path(grpc))
        && (!grpc || is("te", "trailers"))
        && are_fields(fields.regular())
}

/// What an answer's head must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// gRPC says no length.
    pub(crate) length: usize,
    pub(crate) grpc: bool,
}

impl Wanted {
    /// What is wrong with a head, if anything is.
    pub(super) fn fault_of<'a>(
        self,
        status: u16,
        field: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Option<&'static str> {
        if status != 200 {
            return Some("not a 200");
        }
        let said = field("content-length");
        let said = said.and_then(|value| str::from_utf8(value).ok()?.parse::<usize>().ok());
        match said {
            None if !self.grpc => Some("no Content-Length"),
            Some(said) if said != self.length => Some("not the length that the origin sent"),
            _ if self.grpc && field("content-type") != Some(GRPC.as_bytes()) => {
                Some("not an answer of gRPC")
            }
            _ => None,
        }
    }

    /// The same of one that has just been read.
    pub(crate) fn fault_in(self, status: u16, fields: &Fields) -> Option<&'static str> {
        if !are_fields(fields.regular()) {
            return Some("a field that may not stand in HTTP/2");
        }
        self.fault_of(status, |name| find(fields, name))
    }
}

/// Are these an answer's good end?
pub(crate) fn is_ok(trailers: &Fields) -> bool {
    find(trailers, "grpc-status") == Some(b"0")
}

/// As it stands in an error.
pub(crate) fn told(fields: &Fields) -> String {
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    let lines = fields.iter().take(16);
    let lines: Vec<_> = lines
        .map(|(name, value)| format!("{}: {}", text(name), text(value)))
        .collect();
    lines.join(", ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in head {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    #[test]
    fn requests_that_are_asked_and_others() {
        let get = [(":method", "GET"), (":path", "/bench"), ("x", "y")];
        let call = [
            (":method", "POST"),
            (":path", "/bench.Bench/Unary"),
            ("te", "trailers"),
        ];
        assert!(is_asked(&fields(&get), b"", false));
        assert!(is_asked(&fields(&call), b"m", true));
        assert!(!is_asked(&fields(&get), b"m", false), "no POST");
        assert!(!is_asked(&fields(&get[..1]), b"", false), "no path");
        assert!(!is_asked(&fields(&call[..2]), b"m", true), "no TE");
        let faulty = [get[0], get[1], ("connection", "close")];
        assert!(!is_asked(&fields(&faulty), b"", false), "of HTTP/1.1");
    }

    #[test]
    fn heads_of_answers() {
        let wanted = |grpc| Wanted { length: 5, grpc };
        let cases = [
            (vec![("content-length", "5")], 200, false, None),
            (vec![("content-length", "5")], 502, false, Some("not a 200")),
            (vec![], 200, false, Some("no Content-Length")),
            (
                vec![("content-length", "6")],
                200,
                false,
                Some("not the length that the origin sent"),
            ),
            (vec![("content-type", GRPC)], 200, true, None),
            (
                vec![("content-type", "text/html")],
                200,
                true,
                Some("not an answer of gRPC"),
            ),
            (
                vec![("content-length", "5"), ("X-Large", "")],
                200,
                false,
                Some("a field that may not stand in HTTP/2"),
            ),
        ];
        for (head, status, grpc, fault) in cases {
            let fields = fields(&head);
            assert_eq!(wanted(grpc).fault_in(status, &fields), fault, "{head:?}");
        }
        assert!(is_ok(&fields(&[("grpc-status", "0")])));
        assert!(!is_ok(&fields(&[("grpc-status", "14")])));
        assert!(!is_ok(&fields(&[])));
    }
}
