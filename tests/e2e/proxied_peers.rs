//! PROXY headers with HAProxy and curl at the other end, where they are installed. What a header does is in `proxied.rs` and `announced.rs`.

use crate::programs::{Peer, free_port, is_installed};
use crate::proxied::proxied;
use crate::web;
use ringway_tests::{Client, Origin, PATIENCE, Proxy, Scratch, both_drivers, until};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// Run HAProxy with this configuration behind the defaults, until it listens on `port`.
fn haproxy(scratch: &Scratch, port: u16, text: &str) -> (Peer, SocketAddr) {
    let defaults = "global\n  no strict-limits\n  maxconn 100\ndefaults\n  mode http\n  no log\n\
         \x20 timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n";
    let file = scratch.write("haproxy.cfg", &format!("{defaults}{text}\n"));
    let child = Command::new("haproxy")
        .arg("-db")
        .arg("-f")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let peer = Peer::new(child.expect("it has said its version"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("HAProxy to listen", PATIENCE, || {
        TcpStream::connect(address).ok()
    });
    (peer, address)
}

both_drivers! {
    fn haproxy_in_front(io) {
        if !is_installed("haproxy", "-v") {
            return;
        }
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        for (form, options) in [
            ("v1", "send-proxy"),
            ("v2", "send-proxy-v2"),
            ("crc", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
        ] {
            let scratch = Scratch::new();
            let port = free_port();
            let (_peer, address) = haproxy(&scratch, port, &format!(
                "frontend web\n  bind 127.0.0.1:{port}\n  unique-id-format %Ts-%rt\n  http-request set-src hdr(x-who)\n  default_backend ringway\n\
                 backend ringway\n  server ringway {} {options}\n", proxy.web()
            ));
            let mut client = Client::connect(address);
            let request = format!("GET /{form} HTTP/1.1\r\nHost: test\r\nX-Who: 192.0.2.7\r\n\r\n");
            assert_eq!(client.ask(request).status, 200, "{form}");
            let line = proxy.await_access("of HAProxy's client", |line| line["path"] == format!("/{form}"));
            assert_eq!(line["client"], "192.0.2.7", "{line}");
        }
    }

    fn haproxy_behind(io) {
        if !is_installed("haproxy", "-v") {
            return;
        }
        let scratch = Scratch::new();
        let port = free_port();
        let (_peer, address) = haproxy(&scratch, port, &format!(
            "frontend web\n  bind 127.0.0.1:{port} accept-proxy\n\
             \x20 http-request return status 200 content-type text/plain lf-string \"%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]\"\n"
        ));
        let v2 = crate::golden::bytes("v2 21 11 u16[ tcp4 02 u16[ \"shop.test\" ] 05 u16[ \"id-1\" ] ]");
        let ends = "192.0.2.1 4711 198.51.100.7 443";
        for (form, told) in [("v1", format!("{ends}  ")), ("v2", format!("{ends} shop.test id-1")), ("v2_crc32c", format!("{ends} shop.test id-1"))] {
            let to = format!("[[routes]]\nto = \"peer\"\n[clusters.peer]\nendpoints = [\"{address}\"]\nproxy_protocol = \"{form}\"\n");
            let proxy = Proxy::start(io, &(web("proxy_protocol = { from = [\"127.0.0.1\"] }") + &to));
            let mut client = Client::connect(proxy.web());
            client.send(&v2);
            for _ in 0..2 {
                let answer = client.get("/");
                assert_eq!((answer.status, answer.text()), (200, told.clone()), "{form}");
            }
            assert_eq!(get_bare(&proxy), 200, "{form}: LOCAL");
        }
    }

    fn curl_in_front(io) {
        if !is_installed("curl", "--version") {
            return;
        }
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &proxied(&origin, ""));
        let url = format!("http://{}/by-curl", proxy.web());
        let asked = Command::new("curl").args(["-sS", "--noproxy", "*", "--haproxy-protocol", &url]).output().expect("it has said its version");
        assert_eq!(String::from_utf8_lossy(&asked.stdout), "ok", "{asked:?}");
        assert_eq!(origin.last().field("x-forwarded-for"), Some("127.0.0.1"));
    }
}

/// Without a client that the header names, as a balancer's own check does.
fn get_bare(proxy: &Proxy) -> u16 {
    let mut client = Client::connect(proxy.web());
    client.send(crate::golden::bytes("v2 20 00 u16[ ]"));
    client.get("/").status
}
