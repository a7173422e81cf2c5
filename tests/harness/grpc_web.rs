//! A client of gRPC-Web, by HTTP/1.1 or HTTP/2, binary or in text: writes calls, and reads answers strictly by `doc/PROTOCOL-WEB.md` of grpc/grpc. Not
//! what a message holds.

use crate::client::Client;
use crate::http2::{Http2Client, asking, put, wait_for};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::net::SocketAddr;

/// Names and values, in order.
pub type Fields = Vec<(String, String)>;

/// What a client speaks, and how it writes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Web {
    /// Else HTTP/1.1.
    pub http2: bool,
    /// In base64, which is asked for as the answer too.
    pub text: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Told {
    /// Of HTTP.
    pub status: u16,
    /// Its fields, names in lower case.
    pub fields: Fields,
    /// Its messages.
    pub messages: Vec<Vec<u8>>,
    /// The last one, if it holds trailers.
    pub trailers: Option<Fields>,
}

/// A message as it is sent: its length stands in front of it.
pub fn message(octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).expect("a message that is not that long");
    [&[0], &length.to_be_bytes()[..], octets].concat()
}

impl Web {
    /// Each of them.
    pub const ALL: [Web; 4] = [
        Web {
            http2: false,
            text: false,
        },
        Web {
            http2: false,
            text: true,
        },
        Web {
            http2: true,
            text: false,
        },
        Web {
            http2: true,
            text: true,
        },
    ];

    /// The content type of its calls.
    pub fn content_type(self) -> &'static str {
        match self.text {
            false => "application/grpc-web+proto",
            true => "application/grpc-web-text",
        }
    }

    /// The fields of its calls, as the client of grpc-web for browsers writes them.
    pub fn fields(self) -> Vec<(&'static str, &'static str)> {
        let mut fields = vec![
            ("content-type", self.content_type()),
            ("x-user-agent", "grpc-web-javascript/0.1"),
            ("x-grpc-web", "1"),
        ];
        if self.text {
            fields.push(("accept", "application/grpc-web-text"));
        }
        fields
    }

    /// A message as it writes it; text is padded behind each.
    pub fn write(self, octets: &[u8]) -> Vec<u8> {
        let message = message(octets);
        match self.text {
            false => message,
            true => STANDARD.encode(message).into_bytes(),
        }
    }

    /// Call on a connection of its own, with more fields.
    pub fn call(
        self,
        to: SocketAddr,
        path: &str,
        more: &[(&str, &str)],
        messages: &[&[u8]],
    ) -> Told {
        let body: Vec<u8> = messages
            .iter()
            .flat_map(|octets| self.write(octets))
            .collect();
        self.ask(to, path, more, &body)
    }

    /// The same with any body.
    pub fn ask(self, to: SocketAddr, path: &str, more: &[(&str, &str)], body: &[u8]) -> Told {
        let fields = [&self.fields()[..], more].concat();
        if self.http2 {
            let answer = Http2Client::connect(to).ask_with(asking("POST", path, &fields), body);
            assert!(answer.trailers.is_none(), "trailers of HTTP: {answer:?}");
            let fields = answer.fields.iter().map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            });
            return told(answer.status, fields.collect(), &answer.body);
        }
        let lines = lines(&fields);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = Client::connect(to).ask([head.as_bytes(), body].concat());
        assert!(answer.trailers.is_empty(), "trailers of HTTP: {answer:?}");
        let fields = answer
            .head
            .fields
            .iter()
            .map(|f| (f.name.to_ascii_lowercase(), f.value.clone()));
        told(answer.status, fields.collect(), &answer.body)
    }
}

/// A call whose request goes on while its answer is read.
pub enum OpenCall {
    /// By HTTP/1.1.
    One(Box<Client>),
    /// By HTTP/2.
    Two(h2::SendStream<Bytes>, h2::RecvStream),
}

impl OpenCall {
    /// Call, send the first message, and read the answer's head.
    pub fn begin(web: Web, to: SocketAddr, path: &str, first: &[u8]) -> OpenCall {
        if web.http2 {
            let mut call =
                Http2Client::connect(to).begin(asking("POST", path, &web.fields()), false);
            call.send(&web.write(first), false);
            let (head, sending) = call.head();
            return OpenCall::Two(sending, head.into_body());
        }
        let mut client = Client::connect(to);
        let lines = lines(&web.fields());
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\n{lines}Transfer-Encoding: chunked\r\n\r\n"
        ));
        let mut open = OpenCall::One(Box::new(client));
        open.send(&web.write(first));
        if let OpenCall::One(client) = &mut open {
            let start = client.head().start;
            assert!(start.starts_with("HTTP/1.1 200"), "{start}");
        }
        open
    }

    /// Send octets of the request's body as they are.
    pub fn send(&mut self, octets: &[u8]) {
        match self {
            OpenCall::One(client) => {
                client.send(
                    [
                        format!("{:x}\r\n", octets.len()).as_bytes(),
                        octets,
                        b"\r\n",
                    ]
                    .concat(),
                );
            }
            OpenCall::Two(sending, _) => {
                wait_for("room for the request's body", put(sending, octets, false))
                    .expect("an open stream");
            }
        }
    }

    /// End the request's body.
    pub fn finish(&mut self) {
        match self {
            OpenCall::One(client) => client.send("0\r\n\r\n"),
            OpenCall::Two(sending, _) => sending
                .send_data(Bytes::new(), true)
                .expect("an open stream"),
        }
    }

    /// Go away without waiting for more.
    pub fn leave(self) {
        match self {
            // A FIN alone may come from who still reads.
            OpenCall::One(client) => client.reset(),
            OpenCall::Two(..) => {}
        }
    }

    /// The next octets of the answer's body, none at its end; or why it is not whole.
    pub fn piece(&mut self) -> Result<Vec<u8>, String> {
        match self {
            OpenCall::One(client) => client.wire.chunk().map_err(|e| e.to_string()),
            OpenCall::Two(_, body) => match wait_for("a piece of an answer", body.data()) {
                None => Ok(Vec::new()),
                Some(piece) => {
                    let piece = piece.map_err(|e| e.to_string())?;
                    let _ = body.flow_control().release_capacity(piece.len());
                    Ok(piece.to_vec())
                }
            },
        }
    }

    /// So many octets of the body at least.
    pub fn octets(&mut self, least: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while octets.len() < least {
            let piece = self.piece().expect("a piece");
            assert!(!piece.is_empty(), "the answer ended behind {octets:?}");
            octets.extend(piece);
        }
        octets
    }

    /// The rest of the body, or why it is not whole.
    pub fn rest(&mut self) -> Result<Vec<u8>, String> {
        let mut rest = Vec::new();
        loop {
            match self.piece()? {
                piece if piece.is_empty() => return Ok(rest),
                piece => rest.extend(piece),
            }
        }
    }
}

fn lines(fields: &[(&str, &str)]) -> String {
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.collect()
}

impl Told {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// The first value of a trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        find(self.trailers.as_ref()?, name)
    }

    /// Its messages as texts.
    pub fn texts(&self) -> Vec<String> {
        let texts = self
            .messages
            .iter()
            .map(|octets| String::from_utf8_lossy(octets).into_owned());
        texts.collect()
    }
}

fn find<'t>(fields: &'t [(String, String)], name: &str) -> Option<&'t str> {
    let mut found = fields.iter().filter(|(field, _)| field == name);
    found.next().map(|(_, value)| value.as_str())
}

fn told(status: u16, fields: Fields, body: &[u8]) -> Told {
    let content_type = find(&fields, "content-type").unwrap_or_default();
    let (messages, trailers) = match content_type {
        text if text.starts_with("application/grpc-web-text") => read(&read_text(body)),
        web if web.starts_with("application/grpc-web") => read(body),
        // It is no answer of gRPC-Web: its body is one run.
        _ => (vec![body.to_vec()], None),
    };
    Told {
        status,
        fields,
        messages,
        trailers,
    }
}

/// What text says, four characters at a time, of which any may be padded.
pub fn read_text(text: &[u8]) -> Vec<u8> {
    let fours = text.chunks(4).map(|four| STANDARD.decode(four));
    fours.flat_map(|octets| octets.expect("base64")).collect()
}

/// Whole messages, and the last one as trailers if it says so.
pub fn read(mut body: &[u8]) -> (Vec<Vec<u8>>, Option<Fields>) {
    let mut messages = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        assert!(length <= rest.len(), "a message is cut: {body:?}");
        let (octets, behind) = rest.split_at(length);
        match flags {
            0 => messages.push(octets.to_vec()),
            0x80 => {
                assert!(behind.is_empty(), "something follows trailers: {behind:?}");
                return (messages, Some(read_trailers(octets)));
            }
            _ => panic!("flags of a message: {flags}"),
        }
        body = behind;
    }
    assert!(body.is_empty(), "a message's head is cut: {body:?}");
    (messages, None)
}

fn read_trailers(octets: &[u8]) -> Fields {
    let text = std::str::from_utf8(octets).expect("trailers are ASCII");
    let lines = text.split_terminator("\r\n").map(|line| {
        let (name, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("a trailer: {line:?}"));
        assert_eq!(name, name.to_ascii_lowercase());
        (name.to_owned(), value.to_owned())
    });
    assert!(text.ends_with("\r\n"), "trailers: {text:?}");
    lines.collect()
}
