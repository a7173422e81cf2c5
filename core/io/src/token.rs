//! What travels through the kernel with every operation: `kind 8 | generation 24 | slot 32`.
//!
//! Not a pointer: a late completion names a generation that is gone, and is dropped.

/// Generations wrap at 24 bits.
pub(crate) const GENERATION_MASK: u32 = 0x00ff_ffff;

/// Which operation a completion belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Its result interests nobody (cancels).
    Ignore = 0,
    Recv = 1,
    Send = 2,
    Accept = 3,
    Connect = 4,
    /// Waits for an error or a hang-up only.
    Poll = 5,
    /// The read on the worker's own eventfd.
    Wake = 6,
    /// Waits for something to splice.
    RecvReady = 7,
    /// Waits for room to splice into.
    SendReady = 8,
    /// Datagrams.
    Messages = 9,
}

/// Packed user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

impl Token {
    #[inline]
    pub(crate) fn new(kind: Kind, generation: u32, slot: u32) -> Token {
        Token((kind as u64) << 56 | u64::from(generation & GENERATION_MASK) << 32 | u64::from(slot))
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match (self.0 >> 56) as u8 {
            1 => Kind::Recv,
            2 => Kind::Send,
            3 => Kind::Accept,
            4 => Kind::Connect,
            5 => Kind::Poll,
            6 => Kind::Wake,
            7 => Kind::RecvReady,
            8 => Kind::SendReady,
            9 => Kind::Messages,
            _ => Kind::Ignore,
        }
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & GENERATION_MASK
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        for kind in [
            Kind::Ignore,
            Kind::Recv,
            Kind::Send,
            Kind::Accept,
            Kind::Connect,
            Kind::Poll,
            Kind::Wake,
            Kind::RecvReady,
            Kind::SendReady,
            Kind::Messages,
        ] {
            for (generation, slot) in [
                (0, 0),
                (GENERATION_MASK, u32::MAX),
                (7, 9),
                (1 << 23, 1 << 31),
            ] {
                let t = Token::new(kind, generation, slot);
                assert_eq!(
                    (t.kind(), t.generation(), t.slot()),
                    (kind, generation, slot)
                );
            }
        }
        assert_eq!(Token::new(Kind::Recv, 0x0100_0001, 3).generation(), 1);
    }
}
