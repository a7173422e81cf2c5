//! PROXY headers that the proxy writes in front of its upstream connections, and who shares such a connection. Headers that clients
//! come with are in `proxied.rs`.

use crate::golden;
use crate::proxied::{V1, proxied};
use crate::{request, web};
use ringway_tests::{
    Client, Origin, PATIENCE, Proxy, Setup, Visit, both_drivers, front, latin1, ok, until,
};
use std::net::SocketAddr;

/// An origin that takes a header in front of each connection and answers with it.
fn expecting(header: fn(&mut Visit) -> Option<String>) -> Origin {
    Origin::start(move |visit| {
        let Some(said) = header(visit) else { return };
        while visit.request().is_some() {
            if !visit.send(ok(&said)) {
                break;
            }
        }
    })
}

/// Version 1 as text.
fn line(visit: &mut Visit) -> Option<String> {
    let line = latin1(&visit.wire.line().ok()?);
    line.starts_with("PROXY ").then_some(line)
}

/// Version 2 in hex, from the command on.
fn binary(visit: &mut Visit) -> Option<String> {
    let fixed = visit.wire.take(16).ok()?;
    let length = u16::from_be_bytes([fixed[14], fixed[15]]);
    let rest = visit.wire.take(length.into()).ok()?;
    fixed.starts_with(b"\r\n\r\n\0\r\nQUIT\n").then_some(())?;
    Some(hex(&[&fixed[12..], &rest].concat()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The line for a client that came without a header.
fn own_line(client: &Client, listener: SocketAddr) -> String {
    let ringway_tests::Socket::Tcp(socket) = client.wire.socket() else {
        panic!("these clients come by TCP");
    };
    let from = socket.local_addr().expect("it is connected");
    format!(
        "PROXY TCP4 127.0.0.1 127.0.0.1 {} {}",
        from.port(),
        listener.port()
    )
}

both_drivers! {
    fn version_1_names_the_client(io) {
        let origin = expecting(line);
        let proxy = Proxy::start(io, &front(&origin, "proxy_protocol = \"v1\""));
        let mut client = Client::connect(proxy.web());
        let wanted = own_line(&client, proxy.web());
        assert_eq!(client.get("/").text(), wanted);
        let body = "Content-Length: 5\r\n";
        assert_eq!(client.ask(request("POST", "/", body) + "hello").text(), wanted);
        assert_eq!(origin.connections(), 1, "its connection is used again");
    }

    fn whom_a_header_named_is_announced(io) {
        for (form, header, expected) in [
            ("v1", golden::bytes("\"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\" 0d0a"), "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443".to_owned()),
            ("v1", golden::bytes("v2 21 21 u16[ 2001:db8::7 2001:db8::1 :4711 :443 ]"), "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443".to_owned()),
            ("v2", V1.into(), hex(&golden::bytes("21 11 u16[ 192.0.2.7 198.51.100.1 :4711 :443 ]"))),
            (
                "v2",
                golden::bytes("v2 21 11 u16[ tcp4 ee u16[ \"private\" ] 05 u16[ \"id-1\" ] 02 u16[ \"shop.test\" ] ]"),
                hex(&golden::bytes("21 11 u16[ tcp4 02 u16[ \"shop.test\" ] 05 u16[ \"id-1\" ] ]")),
            ),
            ("v2_crc32c", golden::bytes("v2 21 11 u16[ tcp4 ]"), hex(&golden::bytes("v2 21 11 u16[ tcp4 crc ]")[12..])),
        ] {
            let origin = expecting(if form == "v1" { line } else { binary });
            let proxy = Proxy::start(io, &(proxied(&origin, "") + &format!("proxy_protocol = \"{form}\"\n")));
            let mut client = Client::connect(proxy.web());
            let answer = client.ask([&header, request("GET", "/", "").as_bytes()].concat());
            assert_eq!(answer.text(), expected, "{form} {}", latin1(&header));
        }
    }

    fn through_two_proxies(io) {
        let origin = Origin::saying("ok");
        let inner = Proxy::start(io, &proxied(&origin, ""));
        for form in ["v1", "v2", "v2_crc32c"] {
            let to = format!("[[routes]]\nto = \"inner\"\n[clusters.inner]\nendpoints = [\"{}\"]\nproxy_protocol = \"{form}\"\n", inner.web());
            let from = web("proxy_protocol = { from = [\"127.0.0.1\"] }");
            let outer = Proxy::start(io, &(from + &to));
            let mut client = Client::connect(outer.web());
            assert_eq!(client.ask(V1.to_owned() + &request("GET", &format!("/{form}"), "")).status, 200);
            let line = inner.await_access("of the inner proxy", |line| line["path"] == format!("/{form}"));
            assert_eq!(line["client"], "192.0.2.7", "{line}");
        }
    }

    fn a_connection_serves_only_whom_it_announced(io) {
        let origin = expecting(line);
        let proxy = Setup::on(io).workers(1).start(&front(&origin, "proxy_protocol = \"v1\"\npool = { idle = \"1h\" }"));
        let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(proxy.web())).collect();
        for round in 0..4 {
            for client in &mut clients {
                let wanted = own_line(client, proxy.web());
                assert_eq!(client.get("/").text(), wanted, "round {round}");
            }
        }
        assert_eq!(origin.connections(), 3, "one for each");
    }

    fn who_is_announced_by_the_same_octets_shares(io) {
        let origin = expecting(line);
        let proxy = Setup::on(io).workers(1).start(&(proxied(&origin, "") + "proxy_protocol = \"v1\"\npool = { idle = \"1h\" }\n"));
        for _ in 0..3 {
            let mut client = Client::connect(proxy.web());
            assert_eq!(client.ask(V1.to_owned() + &request("GET", "/", "")).status, 200);
        }
        assert_eq!(origin.connections(), 1);
    }

    fn idle_connections_of_others_make_room_at_the_limit(io) {
        let origin = expecting(line);
        let limit = "proxy_protocol = \"v1\"\npool = { idle = \"1h\" }\nlimits = { connections = 1 }";
        for workers in [1, 2] {
            let proxy = Setup::on(io).workers(workers).start(&front(&origin, limit));
            let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(proxy.web())).collect();
            for round in 0..3 {
                for client in &mut clients {
                    let wanted = own_line(client, proxy.web());
                    assert_eq!(client.get("/").text(), wanted, "round {round}, {workers} workers");
                }
            }
        }
    }

    fn switched_on_and_off_under_a_pool(io) {
        // Takes both: says what it was told first.
        let origin = Origin::start(|visit| {
            let first = match visit.wire.line() {
                Ok(line) if line.starts_with(b"PROXY ") => "announced",
                Ok(_) if visit.wire.head().is_ok() && visit.send(ok("plain")) => "plain",
                _ => return,
            };
            while visit.request().is_some() {
                if !visit.send(ok(first)) {
                    break;
                }
            }
        });
        let pool = "pool = { idle = \"1h\" }\n";
        let proxy = Setup::on(io).workers(1).start(&front(&origin, pool));
        let mut client = Client::connect(proxy.web());
        for (form, said) in [(None, "plain"), (Some("v1"), "announced"), (Some("off"), "plain")] {
            if let Some(form) = form {
                proxy.reload(&front(&origin, &format!("{pool}proxy_protocol = \"{form}\"\n")));
            }
            for _ in 0..3 {
                assert_eq!(client.get("/").text(), said, "{form:?}");
            }
        }
        assert_eq!(origin.connections(), 2, "a pooled connection is used only as what it is");
    }

    fn a_dead_connection_is_replaced_by_one_with_a_header(io) {
        let origin = expecting(line);
        let proxy = Setup::on(io).workers(1).start(&front(&origin, "proxy_protocol = \"v1\"\npool = { idle = \"1h\" }"));
        let mut client = Client::connect(proxy.web());
        let wanted = own_line(&client, proxy.web());
        assert_eq!(client.get("/").text(), wanted);
        origin.close_connections();
        until("an answer on a new connection", PATIENCE, || {
            let answer = client.get("/");
            assert_eq!((answer.status, answer.text()), (200, wanted.clone()));
            (origin.connections() == 2).then_some(())
        });
    }
}
