//! One port for HTTP and for all else: `detect = true`. What is found in which bytes is asserted beside the detector.

use crate::golden;
use ringway_tests::{Client, End, Io, Origin, PATIENCE, Proxy, both_drivers, until};
use std::net::SocketAddr;

/// A listener `any`: HTTP to `web`, TLS for `tls.example` to `tls`, the rest to `rest`; `own` are more lines of it.
fn any(web: &Origin, tls: &Origin, rest: &Origin, own: &str) -> String {
    let (web, tls, rest) = (web.address(), tls.address(), rest.address());
    format!(
        "[listeners.any]\nbind = \"127.0.0.1:0\"\ndetect = true\n\
         tcp = [{{ sni = \"tls.example\", to = [\"{tls}\"] }}, {{ to = [\"{rest}\"] }}]\n{own}\n\
         [[routes]]\nname = \"web\"\nto = [\"{web}\"]\n"
    )
}

/// Says its name, then reads to the end.
fn naming(name: &'static str) -> Origin {
    Origin::start(move |visit| {
        visit.send(name);
        visit.until_closed();
    })
}

fn start(io: Io, text: &str) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(io, text);
    let address = proxy.address("any");
    (proxy, address)
}

fn await_guesses(proxy: &Proxy, guess: &str, wanted: f64) {
    until(&format!("{wanted} of {guess}"), PATIENCE, || {
        let labels = ["listener=\"any\"", &format!("guess=\"{guess}\"")];
        let counted = proxy
            .metrics()
            .sum("ringway_listener_detected_total", &labels);
        (counted == wanted).then_some(())
    });
}

both_drivers! {
    fn each_goes_its_way(io) {
        let (web, tls, rest) = (Origin::saying("page"), naming("tls"), naming("rest"));
        let (proxy, address) = start(io, &any(&web, &tls, &rest, ""));
        let mut client = Client::connect(address);
        for _ in 0..2 {
            assert_eq!(client.get("/x").text(), "page", "and the connection is kept");
        }
        for (words, name) in [
            ("hello[ sni[\"tls.example\"] ]", "tls"),
            ("hello[ sni[\"other.example\"] ]", "rest"),
            ("\"SSH-2.0-OpenSSH_9.2\" 0d0a", "rest"),
            ("\"*1\" 0d0a \"$4\" 0d0a \"PING\" 0d0a", "rest"),
            ("00", "rest"),
        ] {
            let bytes = golden::bytes(words);
            let mut client = Client::connect(address);
            client.send(&bytes);
            assert_eq!(client.wire.take(name.len()).expect("a name"), name.as_bytes(), "{words}");
            client.half_close();
            assert_eq!(client.end(), End::Clean(Vec::new()), "{words}");
        }
        until("all bytes of all three", PATIENCE, || (rest.records().len() == 4).then_some(()));
        assert!(rest.records().contains(&b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "unchanged");
        for (guess, wanted) in [("http1", 1.0), ("tls", 2.0), ("opaque", 3.0), ("silent", 0.0)] {
            await_guesses(&proxy, guess, wanted);
        }
        let line = proxy.await_access("of a request", |line| line["path"] == "/x");
        assert_eq!((&line["protocol"], &line["route"]), (&"HTTP/1.1".into(), &"web".into()), "{line}");
        proxy.await_access("of bytes", |line| line["protocol"] == "TCP" && line["authority"] == "tls.example");
    }

    fn a_request_in_pieces_is_http(io) {
        let (web, other) = (Origin::saying("page"), naming("other"));
        let (_proxy, address) = start(io, &any(&web, &other, &other, "timeouts = { detect = \"20s\" }"));
        let mut client = Client::connect(address);
        let request = "DELETE /x HTTP/1.1\r\nHost: test\r\n\r\n";
        request.as_bytes().chunks(1).for_each(|octet| client.send(octet));
        assert_eq!(client.answer().text(), "page");
    }

    fn servers_may_speak_first(io) {
        let (web, other) = (Origin::saying("page"), naming("220 ready"));
        let (proxy, address) = start(io, &any(&web, &other, &other, "timeouts = { detect = \"100ms\" }"));
        for begun in ["", "GE"] {
            let mut client = Client::connect(address);
            client.send(begun);
            assert_eq!(client.wire.take(9).expect("the greeting"), b"220 ready");
            client.send("T / HTTP/1.1\r\n");
            client.half_close();
            assert_eq!(client.end(), End::Clean(Vec::new()));
        }
        until("what was held goes first", PATIENCE, || {
            other.records().contains(&b"GET / HTTP/1.1\r\n".to_vec()).then_some(())
        });
        await_guesses(&proxy, "silent", 2.0);
        drop(Client::connect(address));
        assert_eq!(other.connections(), 2);
    }
}
