//! Where messages end in a run of their bytes (five octets in front of each, `doc/PROTOCOL-HTTP2.md` of grpc/grpc), so that text can be padded there
//! and trailers can follow as a message of their own.
//!
//! Not here: what messages hold, and whether they are right.

use super::Form;
use super::text::TextEncoder;

/// The first octet of the message that holds trailers, not compressed.
const TRAILERS: u8 = 0x80;

/// One direction, followed from its first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    at: At,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Between,
    /// Behind so many octets of a message's head, its first one and those of its length.
    Head { count: u8, length: u32 },
    /// So many octets in front of a message's end.
    Rest(u32),
}

impl Messages {
    /// In front of the first message.
    pub fn new() -> Messages {
        Messages::default()
    }

    /// Another message may stand here.
    pub fn is_between(&self) -> bool {
        self.at == At::Between
    }

    /// These bytes have passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = self.pass_to_end(bytes);
            bytes = bytes.get(n..).unwrap_or_default();
        }
    }

    /// Pass as many of these bytes as there are up to the next end of a message, and say how many: all, if none ends among them.
    pub fn pass_to_end(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Some(&octet) = bytes.get(used) {
            self.at = match self.at {
                At::Between => At::Head {
                    count: 1,
                    length: 0,
                },
                At::Head { count, length } => {
                    let length = length << 8 | u32::from(octet);
                    match count {
                        4 => At::rest(length),
                        _ => At::Head {
                            count: count + 1,
                            length,
                        },
                    }
                }
                At::Rest(left) => {
                    let here = bytes.len() - used;
                    let n = usize::try_from(left).map_or(here, |left| left.min(here));
                    used += n - 1;
                    At::rest(left - n as u32)
                }
            };
            used += 1;
            if self.is_between() {
                break;
            }
        }
        used
    }
}

impl At {
    fn rest(length: u32) -> At {
        match length {
            0 => At::Between,
            left => At::Rest(left),
        }
    }
}

/// How bytes go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// As they are; nothing was written.
    AsTheyAre,
    /// As what was appended, which may be nothing yet.
    Written,
}

/// The body of an answer on its way to a client of gRPC-Web. Text is padded behind each message, so that none waits for the next; nothing else is
/// held for longer than a piece.
#[derive(Debug, Clone)]
pub struct AnswerBody {
    messages: Messages,
    /// None: it is binary.
    text: Option<TextEncoder>,
}

impl AnswerBody {
    /// In front of the first message.
    pub fn new(form: Form) -> AnswerBody {
        AnswerBody {
            messages: Messages::new(),
            text: match form {
                Form::Binary => None,
                Form::Text => Some(TextEncoder::new()),
            },
        }
    }

    /// How it is written.
    pub fn form(&self) -> Form {
        match self.text {
            None => Form::Binary,
            Some(_) => Form::Text,
        }
    }

    /// Trailers may stand here: what was passed ends with a message.
    pub fn is_between(&self) -> bool {
        self.messages.is_between()
    }

    /// These bytes go on.
    pub fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let Some(text) = &mut self.text else {
            self.messages.pass(bytes);
            return Passed::AsTheyAre;
        };
        while !bytes.is_empty() {
            let (front, rest) = bytes.split_at(self.messages.pass_to_end(bytes));
            text.write(front, out);
            if self.messages.is_between() {
                text.flush(out);
            }
            bytes = rest;
        }
        Passed::Written
    }
}

/// Append trailers as the last message. `lines` are theirs as HTTP/1.1 has them, each with its CRLF, names in lower case.
pub fn put_trailers(out: &mut Vec<u8>, form: Form, lines: &[u8]) {
    let length = u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes();
    let parts = [&[TRAILERS], &length[..], lines];
    match form {
        Form::Binary => parts.iter().for_each(|part| out.extend_from_slice(part)),
        Form::Text => {
            let mut text = TextEncoder::new();
            parts.iter().for_each(|part| text.write(part, out));
            text.flush(out);
        }
    }
}
