//! Listeners of datagrams: `udp = "cluster"`. How a datagram is received and sent is the runtime's affair (its own tests).

use ringway_tests::{Io, PATIENCE, Proxy, Setup, both_drivers, until};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers each datagram with what a function makes of it, until dropped.
struct Responder {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    fn start(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Responder {
        Responder::at("127.0.0.1:0".parse().expect("an address"), answers)
    }

    fn at(
        address: SocketAddr,
        answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Responder {
        let socket = UdpSocket::bind(address).expect("a free port");
        let address = socket.local_addr().expect("its address");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a limit");
        let (asked, ends) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (theirs, their_end) = (asked.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while !their_end.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut bytes) else {
                    continue;
                };
                theirs.fetch_add(1, Ordering::Relaxed);
                for answer in answers(&bytes[..n]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Responder {
            address,
            asked,
            ends,
            thread: Some(thread),
        }
    }

    fn echo() -> Responder {
        Responder::start(|bytes| vec![bytes.to_vec()])
    }

    /// Says who it is before what it was sent.
    fn named(name: u8) -> Responder {
        Responder::start(move |bytes| vec![[&[name], bytes].concat()])
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client of its own address.
struct Client(UdpSocket);

impl Client {
    fn of(address: SocketAddr) -> Client {
        let own = if address.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        Client::from(own.parse().expect("an address"), address)
    }

    fn from(own: SocketAddr, address: SocketAddr) -> Client {
        let socket = UdpSocket::bind(own).expect("a free port");
        // Connected: an answer from another address is not heard.
        socket.connect(address).expect("an address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Client(socket)
    }

    fn send(&self, bytes: &[u8]) {
        // An error is one of an earlier datagram (refused), and this one is not sent then.
        while self.0.send(bytes).is_err() {}
    }

    fn recv(&self) -> Vec<u8> {
        let mut bytes = vec![0; 65_536];
        let n = self.0.recv(&mut bytes).expect("an answer");
        bytes.truncate(n);
        bytes
    }

    fn asks(&self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        self.recv()
    }

    /// Ask again and again until something comes; for what may be lost on its way.
    fn insists(&self, bytes: &[u8]) -> Vec<u8> {
        self.0
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a limit");
        let mut answer = vec![0; 65_536];
        let n = until("an answer", PATIENCE, || {
            let _ = self.0.send(bytes);
            self.0.recv(&mut answer).ok()
        });
        answer.truncate(n);
        answer
    }
}

/// A listener `dns` for these endpoints; `own` are lines of the listener, `more` of the cluster.
fn dns(bind: &str, endpoints: &[SocketAddr], own: &str, more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "[listeners.dns]\nbind = \"{bind}\"\nudp = \"dns\"\n{own}\n[clusters.dns]\nendpoints = [{endpoints}]\n{more}\n"
    )
}

const LOOPBACK: &str = "127.0.0.1:0";

/// Something to serve while the listener of datagrams is away.
const OTHER: &str = "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 200, body = \"ok\" }\n";

fn start(io: Io, text: &str) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(io, text);
    let address = proxy.address("dns");
    (proxy, address)
}

/// An address on which nobody listens.
fn nobody() -> SocketAddr {
    let gone = UdpSocket::bind(LOOPBACK).expect("a free port");
    let address = gone.local_addr().expect("its address");
    drop(gone);
    await_nobody(address);
    address
}

/// Wait until nobody listens there any more. A socket that was closed here lives on in a process that another test is just starting, from its fork to
/// its exec, and takes datagrams of which nobody hears until then.
fn await_nobody(address: SocketAddr) {
    let probe = Client::of(address);
    until("nobody to listen", PATIENCE, || {
        // Of what an earlier one met, loopback has told by the time that it is sent.
        let refused = |sent: std::io::Result<usize>| {
            sent.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
        };
        refused(probe.0.send(b"anybody?")).then_some(())
    });
}

fn await_dropped(proxy: &Proxy, reason: &str, at_least: f64) {
    let label = format!("reason=\"{reason}\"");
    until(&format!("datagrams dropped for {reason}"), PATIENCE, || {
        let metrics = proxy.metrics();
        let n = metrics.sum("ringway_listener_datagrams_dropped_total", &[&label]);
        (n >= at_least).then_some(())
    });
}

fn await_sessions(proxy: &Proxy, wanted: f64) {
    until(&format!("{wanted} sessions"), PATIENCE, || {
        let open = proxy
            .metrics()
            .sum("ringway_listener_connections", &["listener=\"dns\""]);
        (open == wanted).then_some(())
    });
}

both_drivers! {
    fn datagrams_pass_both_ways_and_the_log_says_so(io) {
        let origin = Responder::echo();
        let own = "timeouts = { idle = \"300ms\" }";
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], own, ""));
        let client = Client::of(address);
        for text in [&b"hello"[..], b"", b"\x00\xff", &[7; 1400]] {
            assert_eq!(client.asks(text), text);
        }
        let line = proxy.await_access("of the session", |line| line["listener"] == "dns");
        for (key, value) in [("protocol", "UDP"), ("cluster", "dns"), ("flag", "-"), ("client", "127.0.0.1"), ("route", "listener:dns")] {
            assert_eq!(line[key], value, "{key} in {line}");
        }
        for (key, value) in [("bytes_in", 1407), ("bytes_out", 1407), ("datagrams_in", 4), ("datagrams_out", 4), ("attempts", 1)] {
            assert_eq!(line[key], value, "{key} in {line}");
        }
        assert_eq!(line["endpoint"], origin.address.to_string(), "{line}");
        let took = line["duration_us"].as_u64().expect("a duration");
        // Deadlines are counted in milliseconds that have begun.
        assert!(took >= 298_000, "silence ends it: {line}");
        assert!(line["upstream_us"].as_u64().is_some_and(|us| us < took), "{line}");
        let metrics = proxy.metrics();
        for direction in ["direction=\"in\"", "direction=\"out\""] {
            assert_eq!(metrics.sum("ringway_listener_datagrams_total", &["listener=\"dns\"", direction]), 4.0);
        }
        assert_eq!(metrics.sum("ringway_route_requests_total", &["route=\"listener:dns\""]), 1.0);
        assert_eq!(metrics.sum("ringway_listener_datagrams_dropped_total", &[]), 0.0);
        await_sessions(&proxy, 0.0);
        assert_eq!(proxy.metrics().sum("ringway_endpoint_active_requests", &[]), 0.0);
    }

    fn each_client_gets_its_own_answers(io) {
        let origin = Responder::echo();
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], "", ""));
        let clients: Vec<Client> = (0..200).map(|_| Client::of(address)).collect();
        for round in 0..3u8 {
            for (n, client) in clients.iter().enumerate() {
                client.send(&[n as u8, round]);
            }
            for (n, client) in clients.iter().enumerate() {
                assert_eq!(client.recv(), [n as u8, round]);
            }
        }
        // One socket for each, and none for each datagram.
        await_sessions(&proxy, 200.0);
        let workers = proxy.metrics().sum("ringway_worker_connections", &[]);
        assert_eq!(workers, 200.0);
    }

    fn a_session_stays_with_its_endpoint_and_sessions_are_balanced(io) {
        let origins = [Responder::named(b'a'), Responder::named(b'b')];
        let endpoints = origins.each_ref().map(|o| o.address);
        let text = dns(LOOPBACK, &endpoints, "", "balance = \"round_robin\"");
        let proxy = Setup::on(io).workers(1).start(&text);
        let address = proxy.address("dns");
        let mut counts = [0, 0];
        for _ in 0..10 {
            let client = Client::of(address);
            let first = client.asks(b"x")[0];
            counts[usize::from(first - b'a')] += 1;
            for _ in 0..5 {
                assert_eq!(client.asks(b"y"), [first, b'y']);
            }
        }
        assert_eq!(counts, [5, 5]);
    }

    fn long_datagrams_pass(io) {
        let origin = Responder::echo();
        let (_proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], "", ""));
        let client = Client::of(address);
        for len in [1_472, 1_473, 9_000, 16_384, 16_385, 65_507] {
            let sent: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            assert!(client.insists(&sent) == sent, "{len}");
        }
    }

    fn nobody_there_is_noticed_and_another_endpoint_gets_it(io) {
        let origin = Responder::echo();
        let endpoints = [nobody(), nobody(), origin.address];
        let own = "timeouts = { idle = \"300ms\" }";
        let text = dns(LOOPBACK, &endpoints, own, "balance = \"round_robin\"");
        let (proxy, address) = start(io, &text);
        for _ in 0..6 {
            assert_eq!(Client::of(address).asks(b"hello"), b"hello");
        }
        let line = proxy.await_access("of a session that was tried thrice", |line| line["attempts"] == 3);
        assert_eq!((&line["flag"], &line["datagrams_in"]), (&"-".into(), &1.into()), "{line}");
        assert_eq!(line["endpoint"], origin.address.to_string(), "{line}");
    }

    fn where_nobody_is_the_session_ends_and_says_so(io) {
        let gone = nobody();
        let (proxy, address) = start(io, &dns(LOOPBACK, &[gone], "", ""));
        let client = Client::of(address);
        client.send(b"hello");
        let line = proxy.await_access("of the session", |line| line["flag"] == "UF");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("cannot be reached")), "{line}");
        await_dropped(&proxy, "send_failed", 1.0);
        // Somebody comes: the client's next datagram is another session.
        let _origin = Responder::at(gone, |bytes| vec![bytes.to_vec()]);
        assert_eq!(client.insists(b"again"), b"again");
    }

    fn an_endpoint_that_goes_away_ends_its_sessions(io) {
        let origin = Responder::echo();
        let place = origin.address;
        let (proxy, address) = start(io, &dns(LOOPBACK, &[place], "", ""));
        let client = Client::of(address);
        assert_eq!(client.asks(b"one"), b"one");
        drop(origin);
        await_nobody(place);
        client.send(b"two");
        proxy.await_access("of the session", |line| line["flag"] == "UR");
        let _back = Responder::at(place, |bytes| vec![bytes.to_vec()]);
        assert_eq!(client.insists(b"three"), b"three");
    }

    fn a_session_with_responses_ends_with_its_answers(io) {
        let origin = Responder::start(|bytes| match bytes {
            b"silent" => vec![],
            _ => vec![bytes.to_vec(), b"and more".to_vec()],
        });
        let own = "responses = 2\ntimeouts = { idle = \"500ms\" }";
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], own, ""));
        let client = Client::of(address);
        client.send(b"q");
        assert_eq!((client.recv(), client.recv()), (b"q".to_vec(), b"and more".to_vec()));
        let line = proxy.await_access("of the session", |line| line["datagrams_out"] == 2);
        assert_eq!(line["flag"], "-", "{line}");
        await_sessions(&proxy, 0.0);
        // The same client again is another session, and an answer that is missing is said.
        client.send(b"silent");
        let line = proxy.await_access("of the unanswered one", |line| line["flag"] == "UT");
        assert!(line["reason"].as_str().is_some_and(|r| r.contains("0 answers to 1 datagrams")), "{line}");
    }

    fn both_families_and_the_asked_address_on_all_addresses(io) {
        let origin = Responder::at("[::1]:0".parse().expect("an address"), |bytes| vec![bytes.to_vec()]);
        let (proxy, address) = start(io, &dns(":0", &[origin.address], "timeouts = { idle = \"300ms\" }", ""));
        for ip in ["127.0.0.1", "127.9.8.7", "::1"] {
            let ip: IpAddr = ip.parse().expect("an address");
            // A client that is connected hears the address that it asked alone.
            let client = Client::of(SocketAddr::new(ip, address.port()));
            assert_eq!(client.asks(b"hello"), b"hello", "{ip}");
        }
        proxy.await_access("of IPv6", |line| line["client"] == "::1");
        proxy.await_access("of IPv4, in its own form", |line| line["client"] == "127.0.0.1");
    }

    fn one_port_number_serves_tcp_and_udp(io) {
        let origin = Responder::echo();
        let port = ringway_tests::nobody();
        let text = dns(&port.to_string(), &[origin.address], "", "");
        let with_tcp = format!("{}{text}", OTHER.replace("127.0.0.1:0", &port.to_string()));
        let (proxy, address) = start(io, &with_tcp);
        assert_eq!(address, port);
        assert_eq!(Client::of(port).asks(b"udp"), b"udp");
        assert_eq!(ringway_tests::get(port, "/").status, 200);
        // Each comes and goes by itself.
        proxy.reload(&text);
        assert_eq!(Client::of(port).asks(b"udp"), b"udp");
        proxy.reload(&with_tcp);
        assert_eq!(ringway_tests::get(port, "/").status, 200);
        proxy.reload(&OTHER.replace("127.0.0.1:0", &port.to_string()));
        assert_eq!(ringway_tests::get(port, "/").status, 200);
    }

    fn sessions_are_bounded_and_those_that_are_there_go_on(io) {
        let origin = Responder::echo();
        let own = "limits = { connections = 50 }\ntimeouts = { idle = \"60s\" }";
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], own, ""));
        let inside: Vec<Client> = (0..50).map(|_| Client::of(address)).collect();
        for client in &inside {
            assert_eq!(client.asks(b"in"), b"in");
        }
        let outside: Vec<Client> = (0..1000).map(|_| Client::of(address)).collect();
        outside.iter().for_each(|client| client.send(b"out"));
        for client in &inside {
            assert_eq!(client.insists(b"still"), b"still");
        }
        await_dropped(&proxy, "sessions", 1.0);
        await_sessions(&proxy, 50.0);
        let metrics = proxy.metrics();
        let dropped = metrics.sum("ringway_listener_datagrams_dropped_total", &["listener=\"dns\""]);
        assert_eq!(dropped, 1000.0, "each is counted, wherever it was dropped");
        assert!(outside.iter().all(|client| {
            client.0.set_nonblocking(true).expect("a flag");
            client.0.recv(&mut [0; 8]).is_err()
        }));
    }

    fn thousands_of_sessions_end_by_silence(io) {
        let origin = Responder::echo();
        let own = "timeouts = { idle = \"1s\" }\nlimits = { connections = 3000 }";
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], own, ""));
        for n in 0..2000u16 {
            // Of an address of its own: a port that was given back may be given again.
            let [high, low] = n.to_be_bytes();
            let client = Client::from(SocketAddr::from(([127, 1, high, low], 0)), address);
            assert_eq!(client.insists(b"hello"), b"hello");
        }
        await_sessions(&proxy, 0.0);
        let metrics = proxy.metrics();
        assert_eq!(metrics.sum("ringway_listener_connections_total", &["listener=\"dns\""]), 2000.0);
        assert_eq!(metrics.sum("ringway_cluster_connections", &["cluster=\"dns\""]), 0.0);
        assert_eq!(metrics.sum("ringway_cluster_in_use", &["cluster=\"dns\""]), 0.0);
    }

    fn the_limit_of_a_cluster_holds_for_sessions(io) {
        let origin = Responder::echo();
        let text = dns(LOOPBACK, &[origin.address], "", "limits = { connections = 1 }");
        let (proxy, address) = start(io, &text);
        let first = Client::of(address);
        assert_eq!(first.asks(b"x"), b"x");
        Client::of(address).send(b"y");
        await_dropped(&proxy, "cluster_limit", 1.0);
        assert_eq!(first.asks(b"x"), b"x");
    }

    fn a_reload_leaves_sessions_where_they_are(io) {
        let (before, after) = (Responder::named(b'a'), Responder::named(b'b'));
        let (proxy, address) = start(io, &dns(LOOPBACK, &[before.address], "", ""));
        let clients: Vec<Client> = (0..20).map(|_| Client::of(address)).collect();
        for client in &clients {
            assert_eq!(client.asks(b"x"), b"ax");
        }
        proxy.reload(&dns(LOOPBACK, &[after.address], "", ""));
        for client in &clients {
            assert_eq!(client.asks(b"y"), b"ay", "its session goes on with its endpoint");
        }
        assert_eq!(after.asked(), 0);
        assert_eq!(Client::of(address).asks(b"z"), b"bz", "new ones follow the new plan");
    }

    fn a_listener_that_is_removed_serves_its_sessions_until_they_are_quiet(io) {
        let origin = Responder::echo();
        let text = dns(LOOPBACK, &[origin.address], "", "");
        let proxy = Setup::on(io).server("drain = \"30s\"").start(&(OTHER.to_owned() + &text));
        let address = proxy.address("dns");
        let client = Client::of(address);
        assert_eq!(client.asks(b"before"), b"before");
        proxy.reload(OTHER);
        assert_eq!(client.asks(b"still"), b"still");
        let stranger = Client::of(address);
        let _ = stranger.0.send(b"hello");
        // Quiet for two seconds, though its idle time is a minute: then the port is free.
        let line = proxy.await_access("of the session", |line| line["protocol"] == "UDP");
        assert_eq!((&line["flag"], &line["datagrams_out"]), (&"-".into(), &2.into()), "{line}");
        until("the port to be free", PATIENCE, || UdpSocket::bind(address).ok());
    }

    fn a_session_that_does_not_end_is_cut_after_the_drain(io) {
        let origin = Responder::echo();
        let text = dns(LOOPBACK, &[origin.address], "", "");
        let proxy = Setup::on(io).server("drain = \"500ms\"").start(&(OTHER.to_owned() + &text));
        let client = Client::of(proxy.address("dns"));
        assert_eq!(client.asks(b"before"), b"before");
        proxy.reload(OTHER);
        proxy.await_access("of what was cut", |line| {
            let _ = client.0.send(b"still here");
            line["flag"] == "LR"
        });
    }

    fn a_port_that_is_taken_over_has_new_sessions_at_once(io) {
        let (old, new) = (Responder::named(b'a'), Responder::named(b'b'));
        let first = dns(LOOPBACK, &[old.address], "", "");
        let (proxy, address) = start(io, &first);
        let client = Client::of(address);
        assert_eq!(client.asks(b"x"), b"ax");
        // From one address of the port to all of them: other sockets, under the old sessions' feet.
        let everywhere = format!(":{}", address.port());
        proxy.reload(&dns(&everywhere, &[new.address], "", ""));
        for _ in 0..20 {
            assert_eq!(Client::of(address).insists(b"y"), b"by");
        }
        assert_eq!(client.insists(b"z"), b"bz");
    }

    fn a_stop_waits_for_what_moves_and_not_for_what_is_quiet(io) {
        let origin = Responder::echo();
        let mut proxy = Setup::on(io).server("drain = \"20s\"").start(&dns(LOOPBACK, &[origin.address], "", ""));
        let client = Client::of(proxy.address("dns"));
        assert_eq!(client.asks(b"before"), b"before");
        let from = proxy.log.len();
        proxy.terminate();
        proxy.await_log(from, "draining");
        assert_eq!(client.asks(b"still"), b"still");
        let start = std::time::Instant::now();
        assert!(proxy.exit(PATIENCE).success());
        assert!(start.elapsed() < Duration::from_secs(15), "its idle time is a minute, the drain 20 s");
        let line = proxy.await_access("of the session", |line| line["protocol"] == "UDP");
        assert_eq!(line["flag"], "-", "{line}");
    }

    fn a_stop_cuts_what_does_not_end(io) {
        let origin = Responder::echo();
        let mut proxy = Setup::on(io).server("drain = \"300ms\"").start(&dns(LOOPBACK, &[origin.address], "", ""));
        let client = Client::of(proxy.address("dns"));
        assert_eq!(client.asks(b"before"), b"before");
        proxy.terminate();
        proxy.exit(PATIENCE);
        let line = proxy.await_access("of what was cut", |line| line["flag"] == "LR");
        assert_eq!(line["datagrams_out"], 1, "{line}");
    }

    fn a_port_of_somebody_else_is_refused(io) {
        let taken = UdpSocket::bind(LOOPBACK).expect("a free port");
        let address = taken.local_addr().expect("its address");
        let proxy = Proxy::start(io, OTHER);
        let origin = nobody();
        let lines = proxy.reload_refused(&(OTHER.to_owned() + &dns(&address.to_string(), &[origin], "", "")));
        assert!(lines.iter().any(|l| l.contains("cannot listen on")), "{lines:?}");
    }

    /// What looks like QUIC passes as anything else: a session is an address, its connection ids are not read.
    fn quic_passes_by_address(io) {
        let origins = [Responder::named(b'a'), Responder::named(b'b')];
        let endpoints = origins.each_ref().map(|o| o.address);
        let (_proxy, address) = start(io, &dns(LOOPBACK, &endpoints, "", "balance = \"round_robin\""));
        let client = Client::of(address);
        // A long header (Initial, version 1, an id of eight bytes) padded to 1200 bytes, then short headers of the same id.
        let mut initial = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        initial.resize(1200, 0);
        let first = client.asks(&initial);
        assert!(first[1..] == initial[..]);
        for n in 0..50u8 {
            let short = [&[0x43, 1, 2, 3, 4, 5, 6, 7, 8][..], &[n; 40]].concat();
            assert_eq!(client.asks(&short), [&first[..1], &short].concat(), "the same endpoint");
        }
        // Another address with the same id: another session, which the endpoint may answer or not.
        assert_eq!(Client::of(address).asks(&initial)[1..], initial[..]);
    }

    /// A question of `dig`, answered by a name server that knows one answer.
    fn a_name_is_resolved_by_dig(io) {
        if Command::new("dig").arg("-v").output().is_err() {
            eprintln!("skipped: dig is not installed (Debian: bind9-dnsutils)");
            return;
        }
        let origin = Responder::start(|question| vec![name_server(question)]);
        let (proxy, address) = start(io, &dns(LOOPBACK, &[origin.address], "responses = 1", ""));
        let port = address.port().to_string();
        let done = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+short", "+noedns", "+tries=3", "+time=5", "www.example.com", "A"])
            .output()
            .expect("dig runs");
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "192.0.2.53", "{done:?}");
        let line = proxy.await_access("of the question", |line| line["protocol"] == "UDP");
        assert_eq!((&line["flag"], &line["datagrams_out"]), (&"-".into(), &1.into()), "{line}");
        await_sessions(&proxy, 0.0);
    }
}

/// The question back with one answer: `192.0.2.53`, for a minute (RFC 1035 section 4.1).
fn name_server(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    if answer.len() < 12 {
        return answer;
    }
    // A response without error that was asked for recursion and has it; one question, one answer.
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
    // The name by reference to the question's, type A, class IN, 60 s, four bytes.
    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53]);
    answer
}
