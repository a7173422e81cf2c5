//! The chunked coding (RFC 9112 section 7.1): names the pieces of a body one by one and copies nothing.
//!
//! Not here: the trailer section; see [`super::parse_trailers`].
//!
//! ```text
//!            digit           ";" or BWS             CRLF, size > 0
//!   Start ---------> Size ---------------> Extension ------------> Data --(all)--> DataCr --> DataLf --> Start
//!                     | CR                   | CR                   ^
//!                     +------> LineLf <------+ ---------------------+
//!                                |  size = 0
//!                                +----------> Done
//! ```

use super::ChunkFault;
use super::octets::is_text_octet;

/// Octets of one size line. Extensions have no use that is known to need more, and nothing of them is passed on.
const LINE_MAX: u16 = 4096;

/// Octets that chunk lines may use beyond what each chunk is granted, see [`ChunkedDecoder::account`].
const OVERHEAD_MAX: u32 = 16 * 1024;

/// Digits of a size; more would only be leading zeros, and parsers are known to drop or to overflow them.
const DIGITS_MAX: u8 = 16;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size line.
    #[default]
    Start,
    /// Behind a digit.
    Size,
    /// White space behind the size, which only an extension makes legal.
    SizeSpace,
    /// In an extension, outside of a quoted string.
    Extension,
    /// In a quoted string of an extension; behind a backslash in it.
    Quoted,
    QuotedPair,
    /// Behind the CR of a size line.
    LineLf,
    /// In chunk data, with `size` octets to come.
    Data,
    /// Behind chunk data; behind its CR.
    DataCr,
    DataLf,
    /// Behind the last chunk's line.
    Done,
}

/// A validating decoder of the chunked coding (RFC 9112 section 7.1). It copies nothing: it names the next piece of the
/// input and what may be done with it.
#[derive(Debug, Default, Clone)]
pub struct ChunkedDecoder {
    state: State,
    digits: u8,
    leading_zero: bool,
    line: u16,
    size: u64,
    overhead: u32,
}

/// The next piece: always the first `n` bytes of the input given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Chunk data.
    Data(usize),
    /// A complete chunk-size line without extension, or the CRLF behind chunk data (or one octet of it, where the input was cut
    /// there): may be forwarded as it is. Never the last chunk's line.
    Framing(usize),
    /// Extension bytes, or part of a size line that is held back: not to be forwarded as they are; if `line` is given, that
    /// canonical size must be written instead (`<hex>\r\n`).
    Skip {
        /// Bytes of this piece.
        n: usize,
        /// The size to write, once the line is complete.
        line: Option<u64>,
    },
    /// The last chunk's size line was read (n bytes, not to be forwarded yet): what follows is the trailer section, for
    /// [`super::parse_trailers`].
    Last(usize),
    /// Input is used up; more is needed. Also behind the last chunk, whatever the input is.
    More,
}

impl ChunkedDecoder {
    /// At the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece of `input`, which is what follows the piece before. After a fault the decoder must not be asked again.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, ChunkFault> {
        if input.is_empty() {
            return Ok(Piece::More);
        }
        match self.state {
            State::Done => Ok(Piece::More),
            State::Data => Ok(self.data(input)),
            State::DataCr | State::DataLf => self.data_end(input),
            _ => self.size_line(input),
        }
    }

    /// The last chunk's line was read: the trailer section follows.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn data(&mut self, input: &[u8]) -> Piece {
        let n = usize::try_from(self.size).map_or(input.len(), |size| size.min(input.len()));
        self.size -= n as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
        Piece::Data(n)
    }

    fn data_end(&mut self, input: &[u8]) -> Result<Piece, ChunkFault> {
        match (self.state, input) {
            (State::DataCr, [b'\r', b'\n', ..]) => {
                self.start_line();
                Ok(Piece::Framing(2))
            }
            (State::DataCr, [b'\r']) => {
                self.state = State::DataLf;
                Ok(Piece::Framing(1))
            }
            (State::DataLf, [b'\n', ..]) => {
                self.start_line();
                Ok(Piece::Framing(1))
            }
            _ => Err(ChunkFault::DataEnd),
        }
    }

    fn start_line(&mut self) {
        *self = ChunkedDecoder {
            overhead: self.overhead,
            ..ChunkedDecoder::default()
        };
    }

    fn size_line(&mut self, input: &[u8]) -> Result<Piece, ChunkFault> {
        if self.state == State::Start
            && let Some((size, n)) = usual_line(input)
        {
            (self.state, self.size, self.line) = (State::Data, size, n as u16);
            self.account()?;
            return Ok(Piece::Framing(n));
        }
        let whole = self.state == State::Start;
        let mut plain = true;
        for (at, &octet) in input.iter().enumerate() {
            let n = at + 1;
            self.line += 1;
            if self.line > LINE_MAX {
                return Err(ChunkFault::LineTooLong);
            }
            self.state = self.step(octet)?;
            match self.state {
                State::Data => {
                    self.account()?;
                    return Ok(match whole && plain && !self.leading_zero {
                        true => Piece::Framing(n),
                        false => Piece::Skip {
                            n,
                            line: Some(self.size),
                        },
                    });
                }
                State::Done => return Ok(Piece::Last(n)),
                State::Size | State::LineLf => {}
                _ => plain = false,
            }
        }
        Ok(Piece::Skip {
            n: input.len(),
            line: None,
        })
    }

    fn step(&mut self, octet: u8) -> Result<State, ChunkFault> {
        match (self.state, octet) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(octet)
            }
            (State::Start, _) => Err(ChunkFault::Size),
            (State::LineLf, b'\n') if self.size == 0 => Ok(State::Done),
            (State::LineLf, b'\n') => Ok(State::Data),
            (State::LineLf, _) | (_, b'\n') => Err(ChunkFault::LineEnd),
            (State::Size | State::Extension, b'\r') => Ok(State::LineLf),
            (State::Size | State::SizeSpace, b';') => Ok(State::Extension),
            (State::Size | State::SizeSpace, b' ' | b'\t') => Ok(State::SizeSpace),
            (State::Size | State::SizeSpace, _) => Err(ChunkFault::Size),
            (_, octet) if !is_text_octet(octet) => Err(ChunkFault::Extension),
            (State::Extension, b'"') => Ok(State::Quoted),
            (State::Quoted, b'"') => Ok(State::Extension),
            (State::Quoted, b'\\') => Ok(State::QuotedPair),
            (State::QuotedPair, _) => Ok(State::Quoted),
            (state, _) => Ok(state),
        }
    }

    fn digit(&mut self, octet: u8) -> Result<State, ChunkFault> {
        let value = hex(octet).ok_or(ChunkFault::Size)?;
        self.digits += 1;
        self.size = (self.size << 4) | u64::from(value);
        // Looked at before the next shift, so no bit is lost.
        if self.digits > DIGITS_MAX || self.size > i64::MAX as u64 {
            return Err(ChunkFault::SizeTooLarge);
        }
        self.leading_zero |= self.digits == 1 && value == 0;
        Ok(State::Size)
    }

    /// A body may not consist of extensions: each chunk is granted 16 octets of line and twice its data, what it uses beyond
    /// that adds up over the body. (Go's reader has a rule of this kind since CVE-2023-39326.)
    fn account(&mut self) -> Result<(), ChunkFault> {
        let granted = self.size.saturating_mul(2).saturating_add(16);
        let granted = u32::try_from(granted).unwrap_or(u32::MAX);
        self.overhead = (self.overhead + u32::from(self.line)).saturating_sub(granted);
        match self.overhead > OVERHEAD_MAX {
            true => Err(ChunkFault::TooMuchOverhead),
            false => Ok(()),
        }
    }
}

/// The size and the length of a line that is whole and written as most are: digits, the first not zero, and CRLF. Every other
/// line is read octet by octet, with the same result for these.
#[inline]
fn usual_line(input: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    // Eight digits cannot overflow.
    for (n, &octet) in input.iter().take(9).enumerate() {
        match hex(octet) {
            Some(0) if n == 0 => return None,
            Some(value) => size = (size << 4) | u64::from(value),
            None => {
                let is_line = n > 0 && input.get(n..n + 2) == Some(b"\r\n");
                return is_line.then_some((size, n + 2));
            }
        }
    }
    None
}

/// The value of a hexadecimal digit.
#[inline]
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
