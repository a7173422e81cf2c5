//! TLS that is not opened: `tcp` entries with `sni` and `alpn`. The hellos are made by hand and no server answers them; what real
//! clients and servers make of it is in `clients.rs`, what each malformed hello is called in the table beside the parser.

use crate::golden;
use ringway_tests::{Client, End, Io, Origin, PATIENCE, Proxy, Visit, both_drivers, until};
use std::net::SocketAddr;

/// Sends back all that it gets, with its name in front.
fn echo(name: &'static str) -> Origin {
    Origin::start(move |visit: &mut Visit| {
        visit.send(name);
        while matches!(visit.wire.fill(), Ok(n) if n > 0) {
            let waiting = visit.wire.waiting().len();
            let Ok(bytes) = visit.wire.take(waiting) else {
                return;
            };
            if !visit.send(bytes) {
                return;
            }
        }
    })
}

/// The listener `tls` with these entries: `(conditions, origin)`; `own` are more lines of it, `more` of each cluster.
fn tls(entries: &[(&str, &Origin)], own: &str, more: &str) -> String {
    let (mut list, mut clusters) = (Vec::new(), String::new());
    for (position, (conditions, origin)) in entries.iter().enumerate() {
        list.push(format!("{{ {conditions} to = \"c{position}\" }}"));
        clusters += &format!(
            "[clusters.c{position}]\nendpoints = [\"{}\"]\n{more}\n",
            origin.address()
        );
    }
    let list = list.join(", ");
    format!("[listeners.tls]\nbind = \"127.0.0.1:0\"\ntcp = [{list}]\n{own}\n{clusters}")
}

fn start(io: Io, text: &str) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(io, text);
    let address = proxy.address("tls");
    (proxy, address)
}

/// What comes back: who answered, and the same bytes.
fn answered(client: &mut Client, name: &str, sent: &[u8]) {
    let wanted = [name.as_bytes(), sent].concat();
    let got = client.wire.take(wanted.len()).expect("the answer");
    assert!(
        got == wanted,
        "from {name}: all of it, unchanged, and first"
    );
}

fn await_count(proxy: &Proxy, metric: &str, label: &str, wanted: f64) {
    let name = format!("ringway_listener_{metric}");
    until(&format!("{name} {label} = {wanted}"), PATIENCE, || {
        (proxy.metrics().sum(&name, &["listener=\"tls\"", label]) == wanted).then_some(())
    });
}

both_drivers! {
    fn by_name_and_protocol(io) {
        let (db, web, rest) = (echo("db:"), echo("web:"), echo("rest:"));
        let entries = [
            ("sni = \"DB.example\",", &db),
            ("sni = [\"*.example\", \"example\"], alpn = \"h2\",", &web),
            ("", &rest),
        ];
        let (proxy, address) = start(io, &tls(&entries, "", ""));
        for (words, name) in [
            ("hello[ sni[\"db.example\"] ]", "db:"),
            ("hello[ sni[\"Db.Example\"] alpn[\"h2\"] ]", "db:"),
            ("hello[ sni[\"a.b.example\"] alpn[\"http/1.1\" \"h2\"] ]", "web:"),
            ("hello[ sni[\"example\"] alpn[\"h2\"] ]", "web:"),
            ("hello[ sni[\"a.example\"] alpn[\"http/1.1\"] ]", "rest:"),
            ("hello[ sni[\"other\"] alpn[\"h2\"] ]", "rest:"),
            ("hello[ ]", "rest:"),
            // Not TLS at all.
            ("\"GET / HTTP/1.1\" 0d0a0d0a", "rest:"),
            ("80", "rest:"),
            // Early data stands behind it.
            ("hello[ sni[\"db.example\"] ] 14030300 0101 17030300 05 \"early\"", "db:"),
        ] {
            let bytes = golden::bytes(words);
            let mut client = Client::connect(address);
            client.send(&bytes);
            answered(&mut client, name, &bytes);
            client.send("more");
            answered(&mut client, "", b"more");
        }
        let line = proxy.await_access("of the name", |line| line["authority"] == "a.b.example");
        assert_eq!((&line["route"], &line["protocol"]), (&"listener:tls:2".into(), &"TCP".into()), "{line}");
    }

    fn a_hello_in_pieces(io) {
        let db = echo("db:");
        let (_proxy, address) = start(io, &tls(&[("sni = \"db.example\",", &db)], "", ""));
        let long = "message[ 0029 u16[ 61*12000 ] sni[\"db.example\"] ]";
        for words in [
            "hello[ sni[\"db.example\"] ]".to_owned(),
            "cut9[ message[ sni[\"db.example\"] ] ]".to_owned(),
            format!("record[ {long} ]"),
            format!("cut2000[ {long} ]"),
        ] {
            let bytes = golden::bytes(&words);
            for size in [1, 7, 1000] {
                let mut client = Client::connect(address);
                bytes.chunks(size.max(bytes.len() / 300)).for_each(|piece| client.send(piece));
                answered(&mut client, "db:", &bytes);
            }
        }
    }

    fn what_no_entry_takes_is_reset(io) {
        let db = echo("db:");
        let (proxy, address) = start(io, &tls(&[("sni = \"db.example\",", &db)], "", ""));
        for words in ["hello[ sni[\"other.example\"] ]", "hello[ ]", "\"SSH-2.0-x\""] {
            let mut client = Client::connect(address);
            client.send(golden::bytes(words));
            assert!(matches!(client.end(), End::Reset(_)), "{words}");
        }
        let line = proxy.await_access("of the name", |line| line["authority"] == "other.example");
        assert_eq!(line["flag"], "NR", "{line}");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("`other.example`")), "{line}");
        assert_eq!(db.connections(), 0);
        until("three in the counter", PATIENCE, || {
            let labels = ["route=\"-\"", "flag=\"NR\""];
            (proxy.metrics().sum("ringway_route_flags_total", &labels) == 3.0).then_some(())
        });
    }

    fn each_fault_is_refused_and_counted(io) {
        let rest = echo("rest:");
        let (proxy, address) = start(io, &tls(&[("sni = \"db.example\",", &rest), ("", &rest)], "", ""));
        let faults = golden::hello_faults();
        assert!(faults.len() >= 25, "{}", faults.len());
        for refused in &faults {
            let mut client = Client::connect(address);
            client.send(&refused.raw);
            assert!(matches!(client.end(), End::Reset(_)), "{}", refused.name);
            await_count(&proxy, "protocol_errors_total", &format!("error=\"{}\"", refused.fault), 1.0);
        }
        proxy.await_access("of a fault", |line| line["flag"] == "DPE" && line["reason"] != "");
        assert_eq!(rest.connections(), 0);
    }

    fn who_does_not_finish_is_closed(io) {
        let db = echo("db:");
        let text = tls(&[("sni = \"db.example\",", &db), ("", &db)], "timeouts = { handshake = \"300ms\" }", "");
        let (proxy, address) = start(io, &text);
        let hello = golden::bytes("hello[ sni[\"db.example\"] ]");
        let mut half = Client::connect(address);
        half.send(&hello[..hello.len() - 1]);
        let mut silent = Client::connect(address);
        assert!(matches!(half.end(), End::Reset(_)));
        assert_eq!(silent.end(), End::Clean(Vec::new()));
        await_count(&proxy, "timeouts_total", "kind=\"handshake\"", 2.0);
        let line = proxy.await_access("of half a hello", |line| line["flag"] == "DT");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("timeouts.handshake")), "{line}");
        // The limit is over once the hello is there.
        let mut slow = Client::connect(address);
        slow.send(&hello);
        answered(&mut slow, "db:", &hello);
        std::thread::sleep(std::time::Duration::from_millis(400));
        slow.send("late");
        answered(&mut slow, "", b"late");
    }

    fn the_name_goes_on_in_a_proxy_header(io) {
        let origin = Origin::start(|visit| {
            let Ok(fixed) = visit.wire.take(16) else { return };
            let length = u16::from_be_bytes([fixed[14], fixed[15]]);
            let Ok(rest) = visit.wire.take(length.into()) else { return };
            visit.send(rest);
            visit.until_closed();
        });
        let text = tls(&[("sni = \"db.example\",", &origin)], "", "proxy_protocol = \"v2\"");
        let (_proxy, address) = start(io, &text);
        let mut client = Client::connect(address);
        client.send(golden::bytes("hello[ sni[\"db.example\"] ]"));
        let behind = client.wire.take(12 + 3 + 10).expect("what stands in the header");
        assert_eq!(&behind[12..], b"\x02\x00\x0adb.example");
    }
}
