//! TLS: what clients and upstreams get, who is refused and why, and what of it lives on over reloads.

mod chosen;
mod clients;
mod hostile;
mod http2;
mod identity;
mod live;
mod peers;
mod upstreams;

use ringway_tests::{Authority, Io, Leaf, Proxy, Scratch, Setup};

/// The SPIFFE id that the tests' proxies have.
const PROXY: &str = "spiffe://example.org/proxy";

/// A directory with `ca.pem`, and with `proxy.pem` and its key for `localhost`, 127.0.0.1 and [`PROXY`].
pub(crate) struct World {
    authority: Authority,
    scratch: Scratch,
}

impl World {
    pub(crate) fn new() -> World {
        let world = World {
            authority: Authority::new("test authority"),
            scratch: Scratch::new(),
        };
        world.scratch.write("ca.pem", &world.authority.pem());
        let nobody = world.authority.revocations(&[]);
        world.scratch.write("ca.crl", &nobody);
        let names = ["localhost", "127.0.0.1", PROXY];
        world
            .authority
            .issue(&Leaf::of(&names))
            .write(&world.scratch, "proxy");
        world
    }

    /// Start a proxy in it; `[tls.public]` has its certificate, `[tls.mesh]` asks for those of others as well.
    pub(crate) fn start(self, io: Io, toml: &str) -> (Authority, Proxy) {
        let World { authority, scratch } = self;
        let proxy = Setup::on(io).start_in(scratch, &with_tls(toml));
        (authority, proxy)
    }
}

fn with_tls(toml: &str) -> String {
    let ours = "certificates = [{ cert = \"proxy.pem\", key = \"proxy.key\" }]";
    format!(
        "{toml}\n[tls.public]\n{ours}\n[tls.mesh]\n{ours}\ntrust = [\"ca.pem\"]\nclient_cert = \"required\"\n"
    )
}

/// A listener `web` with TLS of this name and more lines of its own.
fn secure(tls: &str, more: &str) -> String {
    crate::web(&format!("tls = \"{tls}\"\n{more}"))
}
