//! PROXY headers that clients come with: whom they name, from whom they are taken, what becomes of a bad one. Those that the proxy
//! writes are in `announced.rs`, HAProxy and curl at the other end in `proxied_peers.rs`.

use crate::golden::{self, Refused};
use crate::{request, web};
use ringway_tests::{Client, Origin, PATIENCE, Proxy, Setup, Socket, Wire, both_drivers, until};
use socket2::{Domain, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

/// The listener `web` that takes headers from loopback, and everything to the origin.
pub(crate) fn proxied(origin: &Origin, more: &str) -> String {
    let from = "proxy_protocol = { from = [\"127.0.0.0/8\"] }\n";
    web(&format!("{from}{more}")) + &all_to(origin)
}

fn all_to(origin: &Origin) -> String {
    let address = origin.address();
    format!(
        "[[routes]]\nname = \"all\"\nto = \"origin\"\n[clusters.origin]\nendpoints = [\"{address}\"]\n"
    )
}

/// Who the origin is told that the client of its last request is.
fn named(origin: &Origin) -> String {
    let asked = origin.last();
    asked.field("x-forwarded-for").unwrap_or("-").to_owned()
}

fn ask_behind(address: SocketAddr, header: &[u8]) -> u16 {
    let mut client = Client::connect(address);
    client
        .ask([header, request("GET", "/", "").as_bytes()].concat())
        .status
}

/// A connection whose client has another address.
fn connect_from(source: &str, to: SocketAddr) -> Client {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    socket
        .bind(&source.into())
        .expect("all of 127.0.0.0/8 is loopback");
    socket.connect(&to.into()).expect("the proxy listens");
    Client {
        wire: Wire::new(Socket::Tcp(TcpStream::from(socket))),
    }
}

/// Wait for a counter of the listener `web`.
fn await_count(proxy: &Proxy, name: &str, label: &str, wanted: f64) {
    let name = format!("ringway_listener_{name}");
    until(&format!("{name} {label} = {wanted}"), PATIENCE, || {
        let labels = ["listener=\"web\"", label];
        let labels = if label.is_empty() {
            &labels[..1]
        } else {
            &labels[..]
        };
        (proxy.metrics().sum(&name, labels) == wanted).then_some(())
    });
}

both_drivers! {
    fn a_header_names_the_client(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.ask(V1.to_owned() + &request("GET", "/first", "")).status, 200);
        assert_eq!(named(&origin), "192.0.2.7");
        assert_eq!(client.get("/second").status, 200);
        assert_eq!(named(&origin), "192.0.2.7", "for the whole connection");
        let line = proxy.await_access("of the second request", |line| line["path"] == "/second");
        assert_eq!(line["client"], "192.0.2.7", "{line}");
    }

    fn each_form_of_a_header(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        for (words, client) in [
            ("\"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\" 0d0a", "2001:db8::7"),
            ("\"PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.1 4711 443\" 0d0a", "192.0.2.9"),
            ("\"PROXY UNKNOWN\" 0d0a", "127.0.0.1"),
            ("v2 21 11 u16[ tcp4 ]", "192.0.2.1"),
            ("v2 21 11 u16[ tcp4 02 u16[ \"shop.test\" ] 05 u16[ \"id-1\" ] crc ]", "192.0.2.1"),
            ("v2 21 21 u16[ 2001:db8::7 2001:db8::1 :4711 :443 ]", "2001:db8::7"),
            ("v2 21 21 u16[ ::ffff:c000:209 ::ffff:c000:201 :4711 :443 ]", "192.0.2.9"),
            ("v2 21 31 u16[ 00*108 \"/run/app.sock\" 00*95 ]", "127.0.0.1"),
            ("v2 20 00 u16[ ]", "127.0.0.1"),
            ("v2 20 11 u16[ tcp4 ]", "127.0.0.1"),
        ] {
            assert_eq!(ask_behind(proxy.web(), &golden::bytes(words)), 200, "{words}");
            assert_eq!(named(&origin), client, "{words}");
        }
    }

    fn a_header_in_pieces(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        let long = golden::bytes("v2 21 11 u16[ tcp4 ee u16[ 61*4000 ] crc ]");
        for header in [V1.as_bytes(), &long] {
            let mut client = Client::connect(proxy.web());
            header.chunks(header.len().div_ceil(60)).for_each(|piece| client.send(piece));
            assert_eq!(client.get("/").status, 200);
            assert!(named(&origin).starts_with("192.0.2."), "{}", named(&origin));
        }
        let mut client = Client::connect(proxy.web());
        let all = V1.to_owned() + &request("GET", "/", "");
        all.as_bytes().chunks(7).for_each(|piece| client.send(piece));
        assert_eq!(client.answer().status, 200, "cut anywhere");
    }

    fn requests_pipelined_behind_it(io) {
        let origin = Origin::answering(|asked| ringway_tests::ok(asked.path()));
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let requests: String = ["/1", "/2", "/3"].map(|path| request("GET", path, "")).concat();
        client.send(V1.to_owned() + &requests);
        for path in ["/1", "/2", "/3"] {
            assert_eq!(client.answer().text(), path);
        }
    }

    fn a_slow_header_is_not_waited_for(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, "timeouts = { headers = \"300ms\" }"));
        let mut silent = Client::connect(proxy.web());
        let mut half = Client::connect(proxy.web());
        half.send(&V1[..20]);
        half.expect_closed();
        silent.expect_closed();
        await_count(&proxy, "timeouts_total", "kind=\"headers\"", 2.0);
        let line = proxy.await_access("of the half header", |line| line["flag"] == "DT");
        assert!(line["reason"].as_str().is_some_and(|why| why.contains("PROXY header")), "{line}");
        assert_eq!(proxy.access.len(), 1, "nobody is told of a connection without a byte");
    }

    fn dripping_does_not_help(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, "timeouts = { headers = \"300ms\" }"));
        let mut client = Client::connect(proxy.web());
        client.wire.set_timeout(Duration::from_millis(30));
        let start = Instant::now();
        // At this pace it would take two minutes.
        for octet in golden::bytes("v2 21 11 u16[ tcp4 ee u16[ 61*4000 ] ]") {
            let closed = client.try_send([octet]).is_err()
                || !matches!(client.wire.fill(), Err(ringway_tests::WireError::TimedOut(_)));
            if closed {
                break;
            }
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        await_count(&proxy, "timeouts_total", "kind=\"headers\"", 1.0);
    }

    fn each_fault_is_refused_and_counted(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        let faults = golden::faults();
        assert!(faults.len() >= 25, "only {}", faults.len());
        for Refused { fault, raw, name } in &faults {
            let mut client = Client::connect(proxy.web());
            // It may be refused before all of it is sent.
            let _ = client.try_send(raw);
            client.expect_closed();
            let line = proxy.await_access(name, |line| line["flag"] == "DPE");
            assert_eq!(line["client"], "127.0.0.1", "{line}");
            await_count(&proxy, "protocol_errors_total", &format!("error=\"{fault}\""), 1.0);
        }
        until("a line for each", PATIENCE, || (proxy.access.len() == faults.len()).then_some(()));
        let mut cut = Client::connect(proxy.web());
        cut.send(&V1[..20]);
        cut.half_close();
        cut.expect_closed();
        await_count(&proxy, "protocol_errors_total", "error=\"incomplete\"", 1.0);
        assert_eq!(origin.connections(), 0, "nothing of it reaches a service");
    }

    fn a_source_that_is_not_listed_is_refused(io) {
        let origin = Origin::saying("ok");
        let from = "proxy_protocol = { from = [\"127.0.0.2\", \"10.0.0.0/8\"] }";
        let proxy = Proxy::start(io, &(web(from) + &all_to(&origin)));
        let mut stranger = Client::connect(proxy.web());
        let _ = stranger.try_send(V1.to_owned() + &request("GET", "/", ""));
        stranger.expect_closed();
        Client::connect(proxy.web()).expect_closed();
        await_count(&proxy, "protocol_errors_total", "error=\"proxy_source\"", 2.0);
        let line = proxy.await_access("of the stranger", |line| line["flag"] == "DPE");
        assert_eq!(line["client"], "127.0.0.1", "not whom it names: {line}");
        let mut known = connect_from("127.0.0.2", proxy.web());
        assert_eq!(known.ask(V1.to_owned() + &request("GET", "/", "")).status, 200);
        assert_eq!(named(&origin), "192.0.2.7");
    }

    fn trust_is_in_whom_the_header_names(io) {
        let origin = Origin::saying("ok");
        let setup = Setup::on(io).server("trusted_proxies = [\"192.0.2.0/24\", \"127.0.0.1\"]");
        let proxy = setup.start(&proxied(&origin, ""));
        let forwarded = request("GET", "/", "X-Forwarded-For: 203.0.113.9\r\n");
        for (header, told) in [
            (V1, "203.0.113.9, 192.0.2.7"),
            ("PROXY TCP4 198.51.100.7 198.51.100.1 4711 443\r\n", "198.51.100.7"),
        ] {
            assert_eq!(Client::connect(proxy.web()).ask(header.to_owned() + &forwarded).status, 200);
            assert_eq!(named(&origin), told, "{header}");
        }
    }

    fn who_waits_with_its_header_has_a_place_in_the_limit(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, "limits = { connections = 2 }"));
        let mut first = Client::connect(proxy.web());
        let mut second = Client::connect(proxy.web());
        await_count(&proxy, "connections", "", 2.0);
        Client::connect(proxy.web()).expect_closed();
        await_count(&proxy, "connections_refused_total", "", 1.0);
        for client in [&mut first, &mut second] {
            assert_eq!(client.ask(V1.to_owned() + &request("GET", "/", "")).status, 200);
        }
    }

    fn a_stop_does_not_wait_for_headers(io) {
        let origin = Origin::saying("ok");
        let setup = Setup::on(io).server("drain = \"1h\"");
        let mut proxy = setup.start(&proxied(&origin, "timeouts = { headers = \"1h\" }"));
        let mut half = Client::connect(proxy.web());
        half.send(&V1[..20]);
        let _silent = Client::connect(proxy.web());
        await_count(&proxy, "connections", "", 2.0);
        proxy.terminate();
        assert!(proxy.exit(PATIENCE).success());
    }

    fn switched_on_and_off_by_reload(io) {
        let origin = Origin::saying("ok");
        let plain = web("") + &all_to(&origin);
        let proxy = Proxy::start(io, &plain);
        let address = proxy.web();
        let mut before = Client::connect(address);
        assert_eq!(before.get("/").status, 200);
        proxy.reload(&proxied(&origin, ""));
        assert_eq!(before.get("/").status, 200, "a connection that is in use stays what it is");
        assert_eq!(named(&origin), "127.0.0.1");
        assert_eq!(ask_behind(address, V1.as_bytes()), 200);
        assert_eq!(named(&origin), "192.0.2.7");
        let mut bare = Client::connect(address);
        let _ = bare.try_send(request("GET", "/", ""));
        bare.expect_closed();
        proxy.reload(&plain);
        assert_eq!(Client::connect(address).get("/").status, 200);
        assert_eq!(ask_behind(address, V1.as_bytes()), 400, "a header is no request");
    }
}
