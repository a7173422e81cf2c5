//! Addresses of Unix sockets as version 2 carries them: 108 bytes, as in `sockaddr_un`.
//!
//! Not here: opening them.

/// What the 108 bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnixAddress<'a> {
    /// All NUL: a client that did not bind its socket.
    Unnamed,
    /// A path, up to the first NUL.
    Path(&'a [u8]),
    /// A name in Linux' abstract space, without the NUL in front. NULs at its end cannot be told from the filling, and are left out.
    Abstract(&'a [u8]),
}

pub(super) const BYTES: usize = 108;

impl<'a> UnixAddress<'a> {
    pub(super) fn read(block: &'a [u8]) -> Self {
        let filling = block.iter().rev().take_while(|&&octet| octet == 0).count();
        let used = block
            .split_at_checked(block.len() - filling)
            .map_or(block, |(used, _)| used);
        match used {
            [] => UnixAddress::Unnamed,
            [0, name @ ..] => UnixAddress::Abstract(name),
            _ => {
                let path = used.split(|&octet| octet == 0).next();
                UnixAddress::Path(path.unwrap_or_default())
            }
        }
    }

    /// `None` where the bytes could not be read back as this address.
    pub(super) fn block(self) -> Option<[u8; BYTES]> {
        let mut block = [0; BYTES];
        let (start, name) = match self {
            UnixAddress::Unnamed => return Some(block),
            UnixAddress::Path(path) if path.is_empty() || path.contains(&0) => return None,
            UnixAddress::Path(path) => (0, path),
            UnixAddress::Abstract(name) => (1, name),
        };
        block
            .get_mut(start..start + name.len())?
            .copy_from_slice(name);
        Some(block)
    }
}
