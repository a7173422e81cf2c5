//! Long bodies that can be checked byte for byte without being kept. Not random: a block of prime length, repeated, so
//! that a lost, doubled or swapped piece is seen at once.

const PERIOD: usize = 65_521;

/// A stream of known bytes and the position in it; one to make them, another to check them.
pub struct Pattern {
    block: Vec<u8>,
    at: usize,
}

impl Default for Pattern {
    fn default() -> Self {
        Pattern::new()
    }
}

impl Pattern {
    /// At the start of the stream.
    pub fn new() -> Pattern {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let block = (0..PERIOD)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            })
            .collect();
        Pattern { block, at: 0 }
    }

    /// How many bytes were made or checked.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next bytes, at most `most`, never none.
    pub fn next(&mut self, most: usize) -> &[u8] {
        let start = self.at % PERIOD;
        let end = PERIOD.min(start + most);
        self.at += end - start;
        &self.block[start..end]
    }

    /// Check that `bytes` are the next ones of the stream.
    pub fn check(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let start = self.at % PERIOD;
            let n = bytes.len().min(PERIOD - start);
            if bytes[..n] != self.block[start..start + n] {
                return Err(format!("bytes differ at or behind offset {}", self.at));
            }
            self.at += n;
            bytes = &bytes[n..];
        }
        Ok(())
    }
}
