//! The name in a ClientHello (RFC 6066 section 3), and what a host name is.
//!
//! Not here: matching it with routes, and internationalised names in Unicode; on the wire they are `xn--` labels.

use std::fmt;
use std::net::Ipv6Addr;

use super::HelloFault;
use crate::cursor::Cursor;

const HOST_NAME: u8 = 0;
/// Of a name without the dot at its end (RFC 1035 section 2.3.4: 255 with the lengths of its labels).
const NAME: usize = 253;
const LABEL: usize = 63;

/// A host name in lower case, without a dot at its end: ready to be compared. Held in place, since lower case cannot be borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerName {
    // Behind `length` all are zero, so that equal names are equal.
    octets: [u8; NAME],
    length: u8,
}

impl ServerName {
    /// `a.example`.
    pub fn as_str(&self) -> &str {
        let used = self.octets.get(..usize::from(self.length));
        std::str::from_utf8(used.unwrap_or_default())
            .expect("only letters, digits, hyphens, underscores and dots are put in")
    }

    /// Labels of letters, digits, `-` and `_`. The underscore is no part of a host name by the letter (RFC 1123), but names of
    /// services have it and resolvers take it.
    fn new(name: &[u8]) -> Result<Self, HelloFault> {
        let mut octets = [0; NAME];
        let Some(place) = octets.get_mut(..name.len()) else {
            return Err(HelloFault::NameTooLong);
        };
        if is_ipv6(name) {
            return Err(HelloFault::NameIpAddress);
        }
        for (place, octet) in place.iter_mut().zip(name) {
            *place = match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => *octet,
                b'A'..=b'Z' => octet.to_ascii_lowercase(),
                _ => return Err(HelloFault::NameOctet),
            };
        }
        if name.len() > 1 && name.ends_with(b".") {
            return Err(HelloFault::NameTrailingDot);
        }
        let mut last: &[u8] = &[];
        for label in name.split(|&octet| octet == b'.') {
            let hyphens = label.starts_with(b"-") || label.ends_with(b"-");
            if label.is_empty() || label.len() > LABEL || hyphens {
                return Err(HelloFault::NameLabel);
            }
            last = label;
        }
        // `192.0.2.1`, and what some would read as an address: `3221225985`, `192.0.513`.
        if last.iter().all(u8::is_ascii_digit) {
            return Err(HelloFault::NameIpAddress);
        }
        Ok(ServerName {
            octets,
            length: name.len() as u8,
        })
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerName").field(&self.as_str()).finish()
    }
}

/// With or without the brackets that it has in a URI.
fn is_ipv6(name: &[u8]) -> bool {
    let bare = match name {
        [b'[', bare @ .., b']'] => bare,
        _ => name,
    };
    std::str::from_utf8(bare).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// `ServerNameList`: exactly one name, of the only type that there is. The form of other types is unknown, so that nobody could
/// say where they end.
pub(super) fn read(value: &[u8]) -> Result<ServerName, HelloFault> {
    let mut value = Cursor(value);
    let mut list = Cursor(value.long_field().ok_or(HelloFault::ServerNameList)?);
    let kind = list.u8().ok_or(HelloFault::ServerNameList)?;
    if kind != HOST_NAME {
        return Err(HelloFault::ServerNameType);
    }
    let name = list.long_field().ok_or(HelloFault::ServerNameList)?;
    if !value.is_empty() {
        return Err(HelloFault::ServerNameList);
    }
    if !list.is_empty() {
        return Err(HelloFault::ServerNameSeveral);
    }
    ServerName::new(name)
}
