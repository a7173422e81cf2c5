//! Listeners of bytes: `tcp = "cluster"`. How the bytes are moved is the runtime's affair (its own tests).

use ringway_tests::{
    Client, End, Gate, Io, Origin, PATIENCE, Pattern, Proxy, Setup, Visit, both_drivers, nobody,
    until,
};
use std::net::{SocketAddr, TcpStream};

/// A listener `db` on a free port for these endpoints; `own` are lines of the listener, `more` of the cluster.
fn db(endpoints: &[SocketAddr], own: &str, more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "[listeners.db]\nbind = \"127.0.0.1:0\"\ntcp = \"db\"\n{own}\n[clusters.db]\nendpoints = [{endpoints}]\n{more}\n"
    )
}

/// Something to serve while the listener of bytes is away.
const OTHER: &str = "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 200, body = \"ok\" }\n";

fn send_back(visit: &mut Visit) {
    loop {
        let waiting = visit.wire.waiting().len();
        if waiting > 0 {
            let Ok(bytes) = visit.wire.take(waiting) else {
                return;
            };
            if !visit.send(bytes) {
                return;
            }
        }
        if matches!(visit.wire.fill(), Ok(0) | Err(_)) {
            return;
        }
    }
}

/// Sends back each byte that comes.
fn echo() -> Origin {
    Origin::start(send_back)
}

/// A thousand, or as many as open files allow: each takes two of ours, and another driver's test runs beside.
fn tunnels() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find(|l| l.starts_with("Max open files"));
    let soft = line.and_then(|l| l.split_whitespace().nth(3)?.parse::<usize>().ok());
    soft.map_or(1000, |files| (files.saturating_sub(200) / 5).min(1000))
}

fn start(io: Io, text: &str) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(io, text);
    let address = proxy.address("db");
    (proxy, address)
}

fn says(client: &mut Client, text: &str) {
    client.send(text);
    assert_eq!(
        client.wire.take(text.len()).expect("the echo"),
        text.as_bytes()
    );
}

both_drivers! {
    fn bytes_pass_both_ways_and_the_log_says_so(io) {
        let origin = echo();
        let (proxy, address) = start(io, &db(&[origin.address()], "", ""));
        let mut client = Client::connect(address);
        for text in ["\x00\x01hello", "GET / HTTP/1.1\r\n\r\n", "\r\n"] {
            says(&mut client, text);
        }
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        let line = proxy.await_access("of the connection", |line| line["listener"] == "db");
        for (key, value) in [("protocol", "TCP"), ("cluster", "db"), ("flag", "-"), ("client", "127.0.0.1"), ("route", "listener:db")] {
            assert_eq!(line[key], value, "{key} in {line}");
        }
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&27.into(), &27.into()), "{line}");
        assert_eq!(line["endpoint"], origin.address().to_string(), "{line}");
        assert_eq!(line["attempts"], 1, "{line}");
        assert!(line["duration_us"].as_u64().is_some_and(|us| us > 0), "{line}");
        until("the connection in the counters", PATIENCE, || {
            let metrics = proxy.metrics();
            let ended = metrics.sum("ringway_route_requests_total", &["route=\"listener:db\""]);
            (ended == 1.0).then_some(())
        });
    }

    fn a_proxy_header_names_the_client_and_is_passed_on(io) {
        let own = "proxy_protocol = { from = [\"127.0.0.1\"] }";
        let origin = echo();
        let (proxy, address) = start(io, &db(&[origin.address()], own, "proxy_protocol = \"v1\""));
        let header = "PROXY TCP4 203.0.113.7 198.51.100.1 4711 5432\r\n";
        let mut client = Client::connect(address);
        client.send(format!("{header}hello"));
        // The header that we write stands in front of the bytes, and is what the origin sends back first.
        let both = format!("{header}hello");
        assert_eq!(client.wire.take(both.len()).expect("the echo"), both.as_bytes());
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        let line = proxy.await_access("of the connection", |line| line["listener"] == "db");
        assert_eq!(line["client"], "203.0.113.7", "{line}");
        assert_eq!(line["bytes_in"], 5, "{line}");
        let mut stranger = Client::connect(address);
        stranger.send("no header at all, and long enough to be sure of it\r\n");
        assert!(matches!(stranger.end(), End::Clean(_) | End::Reset(_)));
    }

    fn much_passes_both_ways(io) {
        let origin = echo();
        let (_proxy, address) = start(io, &db(&[origin.address()], "", ""));
        let mut client = Client::connect(address);
        let (mut there, mut back) = (Pattern::new(), Pattern::new());
        for _ in 0..100 {
            let piece = there.next(100_000).to_vec();
            client.send(&piece);
            back.check(&client.wire.take(piece.len()).expect("the echo")).expect("the echo is what was sent");
        }
    }

    fn who_speaks_first_does_not_matter(io) {
        let origin = Origin::start(|visit| {
            visit.send("220 ready\r\n");
            send_back(visit);
        });
        let (_proxy, address) = start(io, &db(&[origin.address()], "", ""));
        let mut client = Client::connect(address);
        assert_eq!(client.wire.take(11).expect("the greeting"), b"220 ready\r\n");
        says(&mut client, "EHLO");
    }

    fn half_close_passes_both_ways(io) {
        let origin = Origin::start(|visit| {
            visit.until_closed();
            visit.send("goodbye");
        });
        let (_proxy, address) = start(io, &db(&[origin.address()], "", ""));
        let mut client = Client::connect(address);
        client.send("all of it");
        client.half_close();
        assert_eq!(client.end(), End::Clean(b"goodbye".to_vec()));
        assert!(origin.await_end(0));
        assert_eq!(origin.records(), [b"all of it"]);
    }

    fn another_endpoint_is_tried(io) {
        let origin = echo();
        let (proxy, address) = start(io, &db(&[nobody(), nobody(), origin.address()], "", "balance = \"round_robin\""));
        for _ in 0..6 {
            says(&mut Client::connect(address), "hello");
        }
        let line = proxy.await_access("of a connection that was tried thrice", |line| line["attempts"] == 3);
        assert_eq!(line["flag"], "-", "{line}");
    }

    fn a_list_may_split_by_weight(io) {
        let (one, other) = (echo(), echo());
        let text = format!(
            "[listeners.db]\nbind = \"127.0.0.1:0\"\ntcp = [{{ to = [{{ cluster = \"a\", weight = 0 }}, {{ cluster = \"b\" }}] }}]\n\
             [clusters.a]\nendpoints = [\"{}\"]\n[clusters.b]\nendpoints = [\"{}\"]\n",
            one.address(), other.address()
        );
        let (proxy, address) = start(io, &text);
        for _ in 0..4 {
            says(&mut Client::connect(address), "hello");
        }
        assert_eq!((one.connections(), other.connections()), (0, 4));
        let line = proxy.await_access("of a connection", |line| line["listener"] == "db");
        assert_eq!((&line["route"], &line["cluster"]), (&"listener:db".into(), &"b".into()), "{line}");
    }

    fn where_nobody_listens_the_client_is_reset(io) {
        let (proxy, address) = start(io, &db(&[nobody()], "", ""));
        let end = Client::end_of_connecting(address);
        assert!(matches!(end, End::Reset(_)), "as the endpoint itself would have refused it");
        let line = proxy.await_access("of the connection", |line| line["flag"] == "UF");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("could not be reached")), "{line}");
    }

    fn an_endpoint_that_does_not_answer_is_given_up(io) {
        // A backlog that is full drops what comes: 192.0.2.0/24 would do too where packets are not refused, but tests stay on loopback.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        full.bind(&"127.0.0.1:0".parse::<SocketAddr>().expect("an address").into()).expect("bound");
        full.listen(0).expect("listening");
        let silent = full.local_addr().expect("its address").as_socket().expect("of IP");
        let _fills: Vec<_> = (0..4).map(|_| TcpStream::connect_timeout(&silent, std::time::Duration::from_millis(50))).collect();
        let (proxy, address) = start(io, &db(&[silent], "timeouts = { connect = \"200ms\" }", ""));
        let mut client = Client::connect(address);
        assert!(matches!(client.end(), End::Reset(_)));
        let line = proxy.await_access("of the connection", |line| line["flag"] == "UF");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("did not accept in time")), "{line}");
    }

    fn an_idle_tunnel_is_closed(io) {
        let origin = echo();
        let (proxy, address) = start(io, &db(&[origin.address()], "timeouts = { idle = \"300ms\" }", ""));
        let mut client = Client::connect(address);
        says(&mut client, "x");
        client.expect_closed();
        assert!(origin.await_end(0));
        proxy.await_access("of the idle tunnel", |line| line["flag"] == "SI");
    }

    fn a_reset_is_passed_on(io) {
        let origin = Origin::taking(|mut visit| {
            if visit.wire.take(2).is_ok() {
                visit.reset();
            }
        });
        let (proxy, address) = start(io, &db(&[origin.address()], "", ""));
        let mut client = Client::connect(address);
        client.send("ab");
        assert!(matches!(client.end(), End::Reset(_)));
        let line = proxy.await_access("of the connection", |line| line["flag"] == "UR");
        assert_eq!(line["bytes_in"], 2, "{line}");
    }

    fn connections_wait_for_a_place_and_then_not(io) {
        let origin = echo();
        let text = db(&[origin.address()], "", "limits = { connections = 1, queue = 1, queue_for = \"300ms\" }");
        let (proxy, address) = start(io, &text);
        let mut first = Client::connect(address);
        says(&mut first, "first");
        // Nobody goes: the second is given up after its time in the queue.
        assert!(matches!(Client::end_of_connecting(address), End::Reset(_)));
        proxy.await_access("of who found no place", |line| line["flag"] == "UO");
        first.half_close();
        assert_eq!(first.end(), End::Clean(Vec::new()));
        says(&mut Client::connect(address), "third");
    }

    fn reload_leaves_tunnels_open_and_removal_drains_them(io) {
        let origin = echo();
        let text = db(&[origin.address()], "", "");
        let proxy = Setup::on(io).server("drain = \"400ms\"").start(&(OTHER.to_owned() + &text));
        let address = proxy.address("db");
        let mut clients: Vec<Client> = (0..tunnels()).map(|_| Client::connect(address)).collect();
        for client in &mut clients {
            says(client, "before");
        }
        // Another endpoint: open tunnels stay where they are.
        let other = echo();
        proxy.reload(&(OTHER.to_owned() + &db(&[other.address()], "", "")));
        for client in &mut clients {
            says(client, "after");
        }
        assert_eq!(other.connections(), 0);
        says(&mut Client::connect(address), "new");
        assert_eq!(other.connections(), 1, "new ones follow the new plan");
        proxy.reload(OTHER);
        until("the removed listener to refuse", PATIENCE, || TcpStream::connect(address).is_err().then_some(()));
        for client in &mut clients {
            assert!(matches!(client.end(), End::Reset(_)), "cut when its time is over");
        }
        proxy.await_access("of a tunnel that was cut", |line| line["flag"] == "LR");
    }

    fn a_tunnel_ends_by_itself_while_its_listener_drains(io) {
        let origin = echo();
        let proxy = Setup::on(io).server("drain = \"30s\"").start(&(OTHER.to_owned() + &db(&[origin.address()], "", "")));
        let mut client = Client::connect(proxy.address("db"));
        says(&mut client, "before");
        proxy.reload(OTHER);
        says(&mut client, "still");
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        proxy.await_access("of the tunnel", |line| line["protocol"] == "TCP" && line["flag"] == "-");
    }

    fn a_stop_cuts_what_does_not_end(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.send("hello");
            theirs.wait();
        });
        let mut proxy = Setup::on(io).server("drain = \"300ms\"").start(&db(&[origin.address()], "", ""));
        let mut client = Client::connect(proxy.address("db"));
        assert_eq!(client.wire.take(5).expect("the greeting"), b"hello");
        proxy.terminate();
        proxy.exit(PATIENCE);
        let line = proxy.await_access("of what was cut", |line| line["flag"] == "LR");
        assert_eq!(line["bytes_out"], 5, "{line}");
        gate.open();
    }
}
