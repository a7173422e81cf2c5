//! Where frames of a WebSocket end in a run of its bytes (RFC 6455 section 5.2), and the one frame that we write: a Close. What frames carry is
//! nobody's business here, nor whether they are right.

/// The opcode of a Close frame.
const CLOSE: u8 = 0x8;
/// "Going away" (RFC 6455 section 7.4.1).
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// One direction, followed from its first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frames {
    at: At,
    /// A Close frame has begun: behind it nothing may be sent.
    closed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum At {
    /// Between two frames.
    #[default]
    Boundary,
    /// Behind the first octet of a frame.
    Second,
    /// In a length that is still to come in so many octets.
    Length { left: u8, so_far: u64, masked: bool },
    /// So many octets in front of the next boundary: the mask and the payload.
    Rest(u64),
    /// Nobody knows.
    Lost,
}

impl Frames {
    /// At the beginning of a WebSocket.
    pub fn new() -> Frames {
        Frames::default()
    }

    /// A frame of ours may stand here.
    pub fn is_open_here(&self) -> bool {
        self.at == At::Boundary && !self.closed
    }

    /// It never will again.
    pub fn is_hopeless(&self) -> bool {
        self.closed || self.at == At::Lost
    }

    /// These bytes have passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.at != At::Lost {
            let used = self.step(bytes);
            bytes = &bytes[used..];
        }
    }

    /// So many bytes have passed that nobody has seen. Within a frame they change nothing; beyond it the boundaries are lost.
    pub fn pass_unseen(&mut self, n: u64) {
        self.at = match self.at {
            At::Rest(left) if n < left => At::Rest(left - n),
            At::Rest(left) if n == left => At::Boundary,
            _ if n == 0 => return,
            _ => At::Lost,
        };
    }

    /// Pass as many of these bytes as stand in front of the next boundary, and say how many; all of them, if it is not among them.
    pub fn pass_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.at != At::Boundary {
            match self.at {
                At::Lost => return bytes.len(),
                _ => used += self.step(&bytes[used..]),
            }
        }
        used
    }

    /// Take at least one of `bytes`, which are some.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let octet = bytes[0];
        self.at = match self.at {
            At::Boundary => {
                self.closed |= octet & 0xf == CLOSE;
                At::Second
            }
            At::Second => {
                let masked = octet & 0x80 != 0;
                match octet & 0x7f {
                    126 => At::length(2, masked),
                    127 => At::length(8, masked),
                    short => At::rest(u64::from(short), masked),
                }
            }
            At::Length {
                left,
                so_far,
                masked,
            } => {
                let so_far = so_far << 8 | u64::from(octet);
                match left {
                    1 => At::rest(so_far, masked),
                    _ => At::Length {
                        left: left - 1,
                        so_far,
                        masked,
                    },
                }
            }
            At::Rest(left) => {
                let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.at = At::rest(left - n as u64, false);
                return n;
            }
            At::Lost => return bytes.len(),
        };
        1
    }
}

impl At {
    fn length(octets: u8, masked: bool) -> At {
        At::Length {
            left: octets,
            so_far: 0,
            masked,
        }
    }

    /// In front of a payload. Its most significant bit must be 0, so that adding to it does not overflow.
    fn rest(payload: u64, masked: bool) -> At {
        let mask = if masked { 4 } else { 0 };
        match payload {
            0 if !masked => At::Boundary,
            short if short >> 63 == 0 => At::Rest(short + mask),
            _ => At::Lost,
        }
    }
}

/// A Close frame that says 1001, as a server sends it.
pub fn going_away() -> [u8; 4] {
    [0x80 | CLOSE, 2, GOING_AWAY[0], GOING_AWAY[1]]
}

/// The same as a client sends it, who has to mask (RFC 6455 section 5.3) with what nobody can foresee.
pub fn going_away_masked(mask: [u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = mask;
    let [high, low] = GOING_AWAY;
    [0x80 | CLOSE, 0x80 | 2, a, b, c, d, high ^ a, low ^ b]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with their heads, and where each of them ends.
    fn some() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for (head, rest) in [
            (vec![0x81, 0], 0),
            (vec![0x81, 5], 5),
            (vec![0x01, 0x80 | 3], 7),
            (vec![0x89, 0x80], 4),
            (vec![0x82, 126, 1, 0], 256),
            (vec![0x82, 0x80 | 126, 0, 1], 5),
            (vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1], 65_537),
            (vec![0x82, 126, 0, 0], 0),
            (vec![0x80, 2], 2),
        ] {
            bytes.extend(head);
            // Octets that would be heads.
            bytes.extend(std::iter::repeat_n(0x88, rest));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn boundaries_are_where_frames_end_however_the_bytes_come() {
        let (bytes, ends) = some();
        let mut octets = Frames::new();
        for (n, octet) in bytes.iter().enumerate() {
            assert_eq!(octets.is_open_here(), ends.contains(&n), "{n}");
            octets.pass(&[*octet]);
        }
        assert!(octets.is_open_here());
        for piece in [2, 3, 7, 1000, 1 << 20] {
            let mut frames = Frames::new();
            for piece in bytes.chunks(piece) {
                frames.pass(piece);
            }
            assert_eq!(frames, octets, "{piece}");
        }
    }

    #[test]
    fn the_next_boundary_is_found_in_a_run() {
        let (bytes, ends) = some();
        for from in [1, 3, 4, 9, 300, 600] {
            let mut frames = Frames::new();
            frames.pass(&bytes[..from]);
            let next = ends.iter().find(|end| **end >= from).unwrap();
            assert_eq!(from + frames.pass_to_boundary(&bytes[from..]), *next);
            assert!(frames.is_open_here());
            assert_eq!(frames.pass_to_boundary(&bytes[*next..]), 0);
        }
        let mut frames = Frames::new();
        frames.pass(&[0x82, 10]);
        assert_eq!(frames.pass_to_boundary(b"12345"), 5);
        assert!(!frames.is_open_here());
    }

    #[test]
    fn what_nobody_saw_is_forgiven_within_a_frame() {
        let mut frames = Frames::new();
        frames.pass(&[0x82, 126, 1, 0, 1, 2, 3]);
        frames.pass_unseen(0);
        frames.pass_unseen(252);
        assert!(!frames.is_open_here());
        frames.pass_unseen(1);
        assert!(frames.is_open_here());
        frames.pass_unseen(1);
        assert!(frames.is_hopeless());
        frames.pass(&[0x81, 0]);
        assert!(!frames.is_open_here());
        assert_eq!(frames.pass_to_boundary(&[1, 2, 3]), 3);
    }

    #[test]
    fn behind_a_close_and_behind_nonsense_nothing_may_be_said() {
        let mut frames = Frames::new();
        frames.pass(&going_away());
        assert!(!frames.is_open_here() && frames.is_hopeless());
        let mut frames = Frames::new();
        frames.pass(&going_away_masked([1, 2, 3, 4]));
        assert!(frames.is_hopeless());
        let mut frames = Frames::new();
        frames.pass(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(frames.is_hopeless());
    }

    #[test]
    fn a_masked_close_says_the_same() {
        let frame = going_away_masked([0xaa, 0x55, 1, 2]);
        assert_eq!([frame[6] ^ frame[2], frame[7] ^ frame[3]], [0x03, 0xe9]);
        assert_eq!(going_away(), [0x88, 0x02, 0x03, 0xe9]);
    }
}
