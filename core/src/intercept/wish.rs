//! What is to be intercepted, as asked for on the command line. Everything that goes into a rule's text is checked here, so that no text
//! can become a rule of its own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whom the proxy serves.
    pub deployment: Deployment,
    /// How.
    pub way: Way,
    /// Where connections of services are brought; none are if it is empty.
    pub outbound: Vec<Door>,
    /// The mark of our own connections.
    pub mark: u32,
    /// Users whose connections are left alone.
    pub users: Vec<User>,
    /// Destinations that are left alone.
    pub exclude: Vec<Block>,
    /// Ports of destinations that are left alone.
    pub exclude_ports: Vec<u16>,
}

/// Whom the proxy serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deployment {
    /// The service in this network namespace, in both directions.
    Sidecar {
        /// Where connections to the service are brought; none are if it is empty.
        inbound: Vec<Door>,
        /// Ports of the service that are left alone.
        exclude_inbound: Vec<u16>,
    },
    /// The services whose packets come from these interfaces or addresses.
    Host {
        /// By which packets come in.
        interfaces: Vec<Interface>,
        /// Where packets come from.
        sources: Vec<Block>,
        /// And those of this namespace.
        local: bool,
    },
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The destination is rewritten; the kernel remembers it.
    Redirect,
    /// Packets stay as they are; sockets of ours take any address.
    Tproxy,
}

/// A listener's port, for connections to these ports: `15001`, or `5432,6379=15002`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Empty: all others.
    pub ports: Vec<u16>,
    /// The port of a listener.
    pub to: u16,
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Door, String> {
        let port = |text: &str| match text.trim().parse() {
            Ok(0) | Err(_) => Err(format!("`{}` is not a port", text.trim())),
            Ok(port) => Ok(port),
        };
        let (ports, to) = match text.split_once('=') {
            None => (Vec::new(), text),
            Some((ports, to)) => (
                ports
                    .split(',')
                    .map(port)
                    .collect::<Result<Vec<u16>, _>>()?,
                to,
            ),
        };
        Ok(Door {
            ports,
            to: port(to)?,
        })
    }
}

/// An address block, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// One of the block.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Block, String> {
        let wrong = || format!("`{text}` is not an address block, e.g. 10.0.0.0/8 or fd00::1");
        let (address, prefix) = text.split_once('/').unzip();
        let address: IpAddr = address.unwrap_or(text).parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
        };
        if prefix > most {
            return Err(wrong());
        }
        Ok(Block { address, prefix })
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The name of a network interface; `veth*` is all that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface(pub(super) String);

impl FromStr for Interface {
    type Err = String;

    /// Names have at most 15 bytes (IFNAMSIZ).
    fn from_str(text: &str) -> Result<Interface, String> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        if is_word(stem, ".@") && text.len() <= 15 {
            Ok(Interface(text.to_owned()))
        } else {
            Err(format!("`{text}` is not the name of an interface"))
        }
    }
}

/// A user, by number or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(pub(super) String);

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<User, String> {
        if is_word(text, ".") && text.len() <= 32 {
            Ok(User(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is neither the number nor the name of a user"
            ))
        }
    }
}

/// Letters, digits, `-`, `_` and `more`, and no option.
fn is_word(text: &str, more: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || more.contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stand_in_a_rule() {
        let door = |text: &str| text.parse::<Door>().ok().map(|d| (d.ports, d.to));
        assert_eq!(door("15001"), Some((vec![], 15001)));
        assert_eq!(door("5432, 6379=15002"), Some((vec![5432, 6379], 15002)));
        for wrong in ["", "0", "65536", "=1", "1=", "a=1", "1;2"] {
            assert_eq!(door(wrong), None, "{wrong}");
        }
        for (text, shown) in [("10.0.0.0/8", "10.0.0.0/8"), ("fd00::1", "fd00::1/128")] {
            assert_eq!(
                text.parse::<Block>().map(|b| b.to_string()).as_deref(),
                Ok(shown)
            );
        }
        for wrong in ["10.0.0.0/33", "10.0.0", "fd00::/129", "10.0.0.0/8 accept"] {
            assert!(wrong.parse::<Block>().is_err(), "{wrong}");
        }
        for (text, good) in [
            ("eth0", true),
            ("veth*", true),
            ("br-lan.7", true),
            ("a\" accept", false),
            ("-i", false),
            ("*", false),
            ("sixteen-bytes-xx", false),
        ] {
            assert_eq!(text.parse::<Interface>().is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("1000", true),
            ("ringway", true),
            ("a b", false),
            ("-x", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<User>().is_ok(), good, "{text}");
        }
    }
}
