//! Addresses as text: what is listened on, what is connected to, which peers are meant.
//! No name is resolved here.

use crate::model::{Address, AdminBind, Cidr, Destination};
use crate::suggest::nearest;
use crate::units::{Fault, quote};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// `sun_path` has 108 bytes and ends with a zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Schemes of endpoints that come from elsewhere.
const DISCOVERY: [&str; 9] = [
    "dns", "dns+srv", "file", "consul", "k8s", "etcd", "xds", "nacos", "eureka",
];

/// An address to listen on: `":8080"` is `[::]:8080`, dual-stack.
pub(crate) fn bind(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let fault = Fault::new(format!("{} is not an address to listen on", quote(text)));
    if let Some(port) = text.strip_prefix(':') {
        return match decimal_port(port) {
            Some(port) => Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
            None => Err(fault.help("a port is a number from 0 to 65535, like \":8080\"")),
        };
    }
    if decimal_port(text).is_some() {
        return Err(fault.help(format!("did you mean \":{text}\"?")));
    }
    if let Some(port) = text
        .strip_prefix("*:")
        .filter(|p| decimal_port(p).is_some())
    {
        return Err(fault.help(format!("all addresses are \":{port}\"")));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let example = SocketAddr::new(ip, 8080);
        return Err(fault.help(format!("the port is missing, e.g. \"{example}\"")));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Err(fault.help(format!(
            "names are not resolved here: \"127.0.0.1:{}\"",
            port_or(port, "8080")
        )));
    }
    if text.starts_with(['/', '@']) {
        return Err(fault.help(format!("write {}", quote(&format!("unix:{text}")))));
    }
    Err(fault.help("e.g. \":8080\", \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/app.sock\""))
}

/// Digits only: `+80` is a number for Rust, but not a port for people.
fn decimal_port(text: &str) -> Option<u16> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn port_or<'p>(port: &'p str, otherwise: &'p str) -> &'p str {
    decimal_port(port).map_or(otherwise, |_| port)
}

/// Where to connect: `ip:port`, `name:port`, `unix:/path`.
pub(crate) fn endpoint(text: &str) -> Result<Address, Fault> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err(Fault::new(format!("{} has port 0", quote(text)))),
            _ => Ok(Address::Ip(address)),
        };
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(Address::Unix);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(not_an_url(text, scheme, rest));
    }
    let fault = Fault::new(format!("{} is not an endpoint", quote(text)));
    if text == "original" || text.starts_with("original:") {
        return Err(fault.help(format!(
            "it stands without a list: endpoints = {}",
            quote(text)
        )));
    }
    if text.parse::<IpAddr>().is_ok() || !text.contains(':') {
        let ip = text
            .parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, 80));
        let example = ip.map_or_else(|| format!("{text}:80"), |ip| ip.to_string());
        return Err(fault.help(format!("the port is missing, e.g. {}", quote(&example))));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(fault);
    };
    if host.is_empty() {
        return Err(fault.help(format!(
            "the host is missing, e.g. \"127.0.0.1:{}\"",
            port_or(port, "80")
        )));
    }
    let Some(port) = decimal_port(port).filter(|port| *port > 0) else {
        return Err(fault.help("a port is a number from 1 to 65535, like \"10.0.0.1:80\""));
    };
    if let Some(reason) = host_fault(host) {
        return Err(Fault::new(format!(
            "{} is not an endpoint: {reason}",
            quote(text)
        )));
    }
    Ok(Address::Name {
        host: host.to_ascii_lowercase(),
        port,
    })
}

fn not_an_url(text: &str, scheme: &str, rest: &str) -> Fault {
    if DISCOVERY.contains(&scheme) {
        return Fault::new(format!(
            "{}: endpoints from `{scheme}://` are not in this version yet",
            quote(text)
        ));
    }
    let fault = Fault::new(format!(
        "{} is a URL; an endpoint is an address",
        quote(text)
    ));
    let authority = rest.split('/').next().unwrap_or("");
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => {
            return match nearest(scheme, DISCOVERY) {
                Some(meant) => fault.help(format!("`{meant}://` is not in this version yet")),
                None => fault,
            };
        }
    };
    let example = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:{port}")
    };
    fault.help(format!("write {}", quote(&example)))
}

/// Why a text is not a host name (RFC 1123 §2.1, and the underscore that is found in practice).
pub(crate) fn host_fault(host: &str) -> Option<&'static str> {
    let label_is_fine = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let bare = host.strip_suffix('.').unwrap_or(host);
    if bare.len() > 253 {
        return Some("the name is longer than 253 bytes");
    }
    if !host.is_ascii() {
        return Some("write names in other scripts in their `xn--` form");
    }
    if !bare.split('.').all(label_is_fine) {
        return Some("a host name is letters, digits and `-` between dots");
    }
    let last = bare.rsplit('.').next().unwrap_or("");
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("it looks like an IPv4 address, but is none");
    }
    None
}

/// An absolute path of a socket without its `unix:`, or `@` and an abstract name.
pub(super) fn socket_path(path: &str) -> Result<PathBuf, Fault> {
    if let Some(name) = path.strip_prefix('@') {
        return match name.len() {
            0 => Err(Fault::new("an abstract socket without a name").help("e.g. \"unix:@app\"")),
            // In `sun_path` it stands behind a zero, and needs none at its end.
            1..=LONGEST_SOCKET_PATH => Ok(PathBuf::from(path)),
            _ => Err(too_long(path)),
        };
    }
    if !path.starts_with('/') {
        return Err(
            Fault::new(format!("{} is not an absolute path", quote(path)))
                .help("e.g. \"unix:/run/app.sock\""),
        );
    }
    if path.len() > LONGEST_SOCKET_PATH {
        return Err(too_long(path));
    }
    if path.ends_with('/') {
        return Err(Fault::new(format!(
            "{} is a folder, not a socket",
            quote(path)
        )));
    }
    Ok(PathBuf::from(path))
}

fn too_long(path: &str) -> Fault {
    Fault::new(format!(
        "{} is longer than the {LONGEST_SOCKET_PATH} bytes that a socket's path may have",
        quote(path)
    ))
}

/// `unix:/path` or `ip:port`; never all addresses by a short form.
pub(crate) fn admin(text: &str) -> Result<AdminBind, Fault> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.starts_with('@') {
            return Err(
                Fault::new("the admin socket is guarded by its file, so it must be one")
                    .help("e.g. \"unix:/run/ringway/admin.sock\""),
            );
        }
        return socket_path(path).map(AdminBind::Unix);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(AdminBind::Tcp(address));
    }
    let fault = Fault::new(format!("{} is not an address for [admin]", quote(text)));
    if text.starts_with('/') {
        return Err(fault.help(format!("write {}", quote(&format!("unix:{text}")))));
    }
    let port = text
        .strip_prefix("localhost:")
        .or(text.strip_prefix(':'))
        .unwrap_or(text);
    if decimal_port(port).is_some() {
        return Err(fault.help(format!(
            "say which address, e.g. \"127.0.0.1:{port}\" for this machine only"
        )));
    }
    Err(fault.help("e.g. \"unix:/run/ringway/admin.sock\" or \"127.0.0.1:9901\""))
}

/// `10.0.0.0/8`, `fd00::/8`, or one address.
pub(crate) fn cidr(text: &str) -> Result<Cidr, Fault> {
    let wrong = || {
        Fault::new(format!("{} is not an address block", quote(text)))
            .help("e.g. \"10.0.0.0/8\", \"192.168.1.7\" or \"fd00::/8\"")
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let addr: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits: u8 = if addr.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits,
        Some(prefix) => decimal_port(prefix)
            .and_then(|prefix| u8::try_from(prefix).ok())
            .filter(|prefix| *prefix <= bits)
            .ok_or_else(|| {
                Fault::new(format!(
                    "{}: the prefix must be from 0 to {bits}",
                    quote(text)
                ))
            })?,
    };
    let first = first_of(addr, prefix);
    if first != addr {
        return Err(
            Fault::new(format!("{} has bits set behind its prefix", quote(text)))
                .help(format!("did you mean \"{first}/{prefix}\"?")),
        );
    }
    Ok(Cidr { addr, prefix })
}

/// `10.0.0.0/8:5432`, `10.0.0.0/8`, `:5432`, `[fd00::/8]:5432`.
pub(crate) fn destination(text: &str) -> Result<Destination, Fault> {
    let (block, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((block, "")) => (block, None),
        Some((block, rest)) => (block, Some(rest.strip_prefix(':').unwrap_or(rest))),
        // Several colons are an IPv6 address.
        None => match text.split_once(':') {
            Some((block, port)) if !port.contains(':') => (block, Some(port)),
            _ => (text, None),
        },
    };
    let port = match port {
        None => None,
        Some(port) => match decimal_port(port).filter(|port| *port > 0) {
            Some(port) => Some(port),
            None => {
                let fault = Fault::new(format!("{} is not a destination", quote(text)));
                return Err(
                    fault.help("e.g. \"10.0.0.0/8:5432\", \":5432\" or \"[fd00::/8]:5432\"")
                );
            }
        },
    };
    let block = match block {
        "" if port.is_some() => None,
        block => Some(cidr(block)?),
    };
    Ok(Destination { block, port })
}

fn first_of(addr: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match addr {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::from((v4.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::from((v6.to_bits() & mask).to_be_bytes())
        }
    }
}
