//! Taking a ClientHello apart (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).
//!
//! Not here: extensions other than `server_name` and ALPN. They are skipped, whatever they say.

use super::server_name;
use super::{HelloFault, ServerName};
use crate::cursor::Cursor;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const RANDOM: usize = 32;
const SESSION_ID: usize = 32;

/// What of a ClientHello decides where the connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The host that the client wants, if it says so.
    pub server_name: Option<ServerName>,
    alpn: Cursor<'a>,
}

impl<'a> ClientHello<'a> {
    /// The protocols that the client offers, the preferred one first; none without ALPN. Names are bytes: `h2`, `http/1.1`, and
    /// meaningless ones of two octets that browsers mix in (RFC 8701).
    pub fn alpn(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.alpn;
        std::iter::from_fn(move || rest.short_field())
    }

    /// The client offers this protocol.
    pub fn offers(&self, protocol: &[u8]) -> bool {
        self.alpn().any(|offered| offered == protocol)
    }
}

/// `message` is the whole of it, with its header of four octets.
pub(super) fn read(message: &[u8]) -> Result<ClientHello<'_>, HelloFault> {
    let mut rest = Cursor(message.get(4..).unwrap_or_default());
    read_fixed(&mut rest)?;
    let mut hello = ClientHello {
        server_name: None,
        alpn: Cursor(&[]),
    };
    // Without extensions it ends here (RFC 5246 section 7.4.1.2).
    if rest.is_empty() {
        return Ok(hello);
    }
    let extensions = rest.long_field().ok_or(HelloFault::Cut)?;
    if !rest.is_empty() {
        return Err(HelloFault::BytesBehind);
    }
    read_extensions(Cursor(extensions), &mut hello)?;
    Ok(hello)
}

/// All that stands before the extensions.
fn read_fixed(rest: &mut Cursor<'_>) -> Result<(), HelloFault> {
    let [major, _minor] = rest.array().ok_or(HelloFault::Cut)?;
    if major != 3 {
        return Err(HelloFault::Version);
    }
    rest.take(RANDOM).ok_or(HelloFault::Cut)?;
    if rest.short_field().ok_or(HelloFault::Cut)?.len() > SESSION_ID {
        return Err(HelloFault::SessionId);
    }
    let suites = rest.long_field().ok_or(HelloFault::Cut)?;
    if suites.is_empty() || suites.len() % 2 == 1 {
        return Err(HelloFault::CipherSuites);
    }
    match rest.short_field() {
        None => Err(HelloFault::Cut),
        Some([]) => Err(HelloFault::CompressionMethods),
        Some(_) => Ok(()),
    }
}

fn read_extensions<'a>(
    mut rest: Cursor<'a>,
    hello: &mut ClientHello<'a>,
) -> Result<(), HelloFault> {
    let (mut names, mut protocols) = (None, None);
    while !rest.is_empty() {
        let (Some(kind), Some(value)) = (rest.u16(), rest.long_field()) else {
            return Err(HelloFault::ExtensionCut);
        };
        let place = match kind {
            SERVER_NAME => &mut names,
            ALPN => &mut protocols,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(HelloFault::ExtensionRepeated);
        }
    }
    if let Some(value) = names {
        hello.server_name = Some(server_name::read(value)?);
    }
    if let Some(value) = protocols {
        hello.alpn = read_alpn(value)?;
    }
    Ok(())
}

/// `ProtocolNameList` (RFC 7301 section 3.1): checked here, so that reading it later needs no faults.
fn read_alpn(value: &[u8]) -> Result<Cursor<'_>, HelloFault> {
    let mut value = Cursor(value);
    let list = Cursor(value.long_field().ok_or(HelloFault::AlpnList)?);
    if !value.is_empty() || list.is_empty() {
        return Err(HelloFault::AlpnList);
    }
    let mut rest = list;
    while !rest.is_empty() {
        match rest.short_field() {
            None => return Err(HelloFault::AlpnList),
            Some([]) => return Err(HelloFault::AlpnEmptyName),
            Some(_) => {}
        }
    }
    Ok(list)
}
