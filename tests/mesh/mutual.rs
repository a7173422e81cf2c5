//! Two services that speak plainly to their own sidecars, and mutual TLS between these: on the cable nobody reads along, and who has not the
//! right identity gets no answer.

use crate::namespace::{Namespace, can_run};
use crate::service::{Service, ask};
use ringway_tests::{
    Authority, Client, Io, Leaf, PATIENCE, Proxy, Scratch, Setup, both_drivers, until,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRET: &str = "the-name-of-the-shop";

/// A sidecar with this identity: its own service is on port 8080, and what it is asked on port 15001 goes to B's sidecar.
fn sidecar(io: Io, inside: &Namespace, authority: &Authority, id: &str) -> Proxy {
    let scratch = Scratch::new();
    scratch.write("bundle.pem", &authority.pem());
    authority.issue(&Leaf::of(&[id])).write(&scratch, "svid");
    let toml = "[listeners.out]\nbind = \"127.0.0.1:15001\"\nto = \"b\"\n\
         [listeners.in]\nbind = \":15006\"\ntls = \"mesh\"\npolicies = [\"callers\"]\nto = \"app\"\n\
         [clusters.app]\nendpoints = [\"127.0.0.1:8080\"]\n\
         [clusters.b]\nendpoints = [\"10.77.1.2:15006\"]\ntls = { use = \"mesh\", identity = \"spiffe://example.org/b\" }\n\
         [tls.mesh]\ncertificates = [{ cert = \"svid.pem\", key = \"svid.key\" }]\ntrust = [\"bundle.pem\"]\nclient_cert = \"required\"\n\
         [policies.callers]\nallow = [{ identity = \"spiffe://example.org/a\" }]\n";
    let setup = Setup::on(io).through(inside.words());
    setup.start_in(scratch, toml)
}

/// Everything that leaves or enters a namespace, as it is on the wire.
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    fn start(inside: &Namespace) -> Capture {
        /// Every protocol, as the kernel names it (ETH_P_ALL).
        const ALL: u16 = 0x0003;
        let protocol = Protocol::from(i32::from(ALL.to_be()));
        let opened = inside.enter(|| Socket::new(Domain::PACKET, Type::RAW, Some(protocol)));
        let mut socket = opened.expect("root may look at packets");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time for reads");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::downgrade(&seen);
        std::thread::spawn(move || {
            let mut frame = vec![0; 64 * 1024];
            // Ends with whoever looks at it.
            while let Some(seen) = theirs.upgrade() {
                // On a loopback both addresses of a frame are zero.
                if let Ok(n @ 12..) = socket.read(&mut frame)
                    && frame[..12] != [0; 12]
                {
                    let mut seen = seen.lock().expect("nobody panics with it");
                    seen.extend_from_slice(&frame[..n]);
                }
            }
        });
        Capture(seen)
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let seen = self.0.lock().expect("nobody panics with it");
        seen.windows(bytes.len()).any(|window| window == bytes)
    }
}

both_drivers! {
    fn two_sidecars_keep_what_they_say_to_themselves(io) {
        if !can_run() {
            return;
        }
        let (a, b) = (Namespace::new("a"), Namespace::new("b"));
        a.cable("eth0", &b, "eth0", 1);
        let authority = Authority::new("the mesh");
        let _b = Service::http(&b, 8080);
        let at_b = sidecar(io, &b, &authority, "spiffe://example.org/b");
        let of_a = sidecar(io, &a, &authority, "spiffe://example.org/a");
        let wire = Capture::start(&a);
        let answer = ask(&a, "127.0.0.1:15001", SECRET);
        assert_eq!(answer.status, 200, "{}", of_a.tail());
        assert!(answer.text().contains(SECRET), "{}", answer.text());
        let line = at_b.await_access("of the request", |line| line["status"] == 200);
        assert_eq!(line["identity"], "spiffe://example.org/a", "{line}");

        until("records of TLS on the wire", PATIENCE, || wire.has(b"\x17\x03\x03").then_some(()));
        assert!(!wire.has(SECRET.as_bytes()), "it can be read on the wire");

        // Who is somebody else may not ask.
        drop(of_a);
        let of_c = sidecar(io, &a, &authority, "spiffe://example.org/c");
        assert_eq!(ask(&a, "127.0.0.1:15001", SECRET).status, 403);
        let line = at_b.await_access("of the denial", |line| line["flag"] == "DENY");
        assert_eq!(line["identity"], "spiffe://example.org/c", "{line}");
        drop(of_c);

        // Who is nobody has no connection at all, and who speaks plainly is told so.
        let nobody = authority.connector(None);
        let refused = a.enter(|| {
            let address = "10.77.1.2:15006".parse().expect("an address");
            let client = Client::try_connect_tls(address, &nobody, "localhost");
            client.and_then(|mut client| {
                client.try_send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
                client.try_answer("GET").map_err(|e| std::io::Error::other(e.to_string()))
            })
        });
        refused.expect_err("no answer without a certificate");
        assert_eq!(ask(&a, "10.77.1.2:15006", SECRET).status, 400);
        until("what was said plainly", PATIENCE, || wire.has(SECRET.as_bytes()).then_some(()));
        // And a stranger's service is not believed.
        let stranger = Authority::new("another mesh");
        let _stranger = sidecar(io, &a, &stranger, "spiffe://example.org/a");
        assert_eq!(ask(&a, "127.0.0.1:15001", SECRET).status, 503);
    }
}
