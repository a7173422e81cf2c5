//! A reader of DER: tag, length, value. Bytes of attackers: every step may fail, none panics, nothing recurses.
//!
//! Not here: what the values of a certificate mean (`certificate`).

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value, without reading it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next value with its tag. Tags of more than one byte and lengths that are not the shortest are refused (X.690 10.1).
    pub(crate) fn value(&mut self) -> Option<(u8, &'a [u8])> {
        let tag = self.byte()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let length = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            0x81 => {
                let length = usize::from(self.byte()?);
                (length >= 0x80).then_some(length)?
            }
            0x82 => {
                let length = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
                (length >= 0x100).then_some(length)?
            }
            0x83 => {
                let [a, b, c] = [self.byte()?, self.byte()?, self.byte()?].map(usize::from);
                let length = a << 16 | b << 8 | c;
                (length >= 0x1_0000).then_some(length)?
            }
            _ => return None,
        };
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((tag, value))
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.value()
            .and_then(|(found, value)| (found == tag).then_some(value))
    }

    /// A reader of the next value, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.expect(tag).map(Reader::new)
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.peek() == Some(tag) {
            self.expect(tag).map(Some)
        } else {
            Some(None)
        }
    }
}
