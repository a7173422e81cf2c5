//! How long a client's connection serves: `timeouts.max_age` and `limits.max_requests`, over both versions of HTTP.

use crate::{request, web};
use ringway_tests::frames::{END_STREAM, Frames, code, kind};
use ringway_tests::http2::get;
use ringway_tests::{
    Client, End, Gate, Http2Client, Io, Origin, PATIENCE, Proxy, both_drivers, until,
};
use std::time::{Duration, Instant};

fn proxy(io: Io, keys: &str, origin: &Origin) -> Proxy {
    let text = web(keys)
        + &format!(
            "[[routes]]\nmatch = {{ path = \"/ours\" }}\nrespond = {{ status = 200, body = \"ours\" }}\n\
             [[routes]]\nto = [\"{}\"]\n",
            origin.address()
        );
    Proxy::start(io, &text)
}

fn retired(proxy: &Proxy, by: &str) -> f64 {
    let by = format!("by=\"{by}\"");
    let name = "ringway_listener_connections_retired_total";
    proxy.metrics().sum(name, &[&by])
}

/// Answers up to the one that says `Connection: close`.
fn answers(client: &mut Client, path: &str) -> usize {
    for n in 1..100 {
        let answer = client.get(path);
        assert_eq!(answer.status, 200);
        if answer.field("connection") == Some("close") {
            assert_eq!(client.end(), End::Clean(Vec::new()));
            return n;
        }
    }
    panic!("the connection does not end");
}

both_drivers! {
    fn a_connection_has_so_many_requests(io) {
        let origin = Origin::saying("ok");
        // Below ten there is nothing to take off.
        let server = proxy(io, "limits = { max_requests = 3 }", &origin);
        for path in ["/", "/ours"] {
            assert_eq!(answers(&mut Client::connect(server.web()), path), 3, "{path}");
        }
        assert_eq!(retired(&server, "requests"), 2.0);
        // What was sent together with the last one is not answered, as the close says.
        let mut client = Client::connect(server.web());
        client.send(request("GET", "/", "").repeat(4));
        for _ in 0..3 {
            assert_eq!(client.answer().status, 200);
        }
        assert_eq!(client.end(), End::Clean(Vec::new()));
        // One that wants to leave anyway is not told to.
        let mut client = Client::connect(server.web());
        assert_eq!(client.ask(request("GET", "/", "Connection: close\r\n")).status, 200);
        assert_eq!(retired(&server, "requests"), 3.0);
    }

    fn not_all_of_them_end_at_the_same_request(io) {
        let origin = Origin::saying("ok");
        let server = proxy(io, "limits = { max_requests = 40 }", &origin);
        let ends: Vec<usize> = (0..30).map(|_| answers(&mut Client::connect(server.web()), "/ours")).collect();
        assert!(ends.iter().all(|n| (36..=40).contains(n)), "{ends:?}");
        assert!(ends.iter().any(|n| *n != ends[0]), "{ends:?}");
    }

    fn a_connection_of_http2_is_told_to_go(io) {
        let origin = Origin::saying("ok");
        let server = proxy(io, "limits = { max_requests = 3 }", &origin);
        let mut frames = Frames::connect(server.web(), &[]);
        for stream in [1, 3] {
            frames.get(stream, "/");
            let answer = frames.until("an answer", |f| f.kind == kind::GOAWAY || f.flags & END_STREAM != 0 && f.stream == stream);
            assert_ne!(answer.kind, kind::GOAWAY, "{answer:?}");
        }
        frames.get(5, "/");
        // First without a last stream, so that what is on its way is not lost, and when that was heard with one (RFC 9113 section 6.8).
        let first = frames.until("a GOAWAY", |f| f.kind == kind::GOAWAY);
        assert_eq!((first.code(), &first.payload[..4]), (Some(code::NO_ERROR), &[0x7f, 0xff, 0xff, 0xff][..]));
        frames.get(7, "/");
        // The answer to its PING says that it was heard.
        let ping = frames.until("a PING", |f| f.kind == kind::PING && f.flags == 0);
        frames.send(kind::PING, 1, 0, &ping.payload);
        let (mut answered, mut last) = (Vec::new(), None);
        for frame in frames.rest() {
            if frame.flags & END_STREAM != 0 && matches!(frame.kind, kind::DATA | kind::HEADERS) {
                answered.push(frame.stream);
            }
            if frame.kind == kind::GOAWAY {
                last = Some((frame.code(), frame.payload[3]));
            }
        }
        assert!(answered.contains(&7), "{answered:?}");
        assert_eq!(last, Some((Some(code::NO_ERROR), 7)));
        assert_eq!(retired(&server, "requests"), 1.0);
    }

    fn a_connection_has_its_time(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "late");
        let server = proxy(io, "timeouts = { max_age = \"4s\" }", &origin);
        // Idle ones end, those with a request when it is answered.
        let mut idle = Client::connect(server.web());
        assert_eq!(idle.get("/ours").status, 200);
        let mut busy = Client::connect(server.web());
        busy.send(request("GET", "/", ""));
        let mut streams = Http2Client::connect(server.web());
        let asking = streams.begin(get("/"), true);
        let idle_streams = Http2Client::connect(server.web());
        gate.await_arrivals(2);
        // All of them have been accepted, so that all are old by then.
        let old = Instant::now() + Duration::from_secs(4);
        assert_eq!(idle.end(), End::Clean(Vec::new()));
        let end = until("the end of an idle connection of HTTP/2", PATIENCE, || idle_streams.ended());
        assert_eq!(end, Ok(()));
        until("three that were told", PATIENCE, || (retired(&server, "age") >= 3.0).then_some(()));
        until("the age of a connection that is busy", PATIENCE, || (Instant::now() > old).then_some(()));
        gate.open();
        let answer = busy.answer();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert_eq!(busy.end(), End::Clean(Vec::new()));
        assert_eq!(asking.answer().status, 200);
        assert_eq!(until("the end", PATIENCE, || streams.ended()), Ok(()));
        assert_eq!(retired(&server, "age"), 4.0);
    }
}
