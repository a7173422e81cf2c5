//! HTTP/2 with clients, over origins of both versions: heads, bodies, trailers, interim answers, answers of our own. What a malformed frame does is in
//! `http2_frames`, connections to origins in `http2_upstreams`.

use crate::web;
use bytes::Bytes;
use http::{HeaderMap, Response};
use ringway_tests::http2::{asking, get, put};
use ringway_tests::{Client, Http2Client, Http2Origin, Io, Origin, Pattern, Proxy, both_drivers};

/// An origin of HTTP/1.1 that sends back what it gets, as `Http2Origin::echoing` does.
fn echoing() -> Origin {
    Origin::answering(|asked| {
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nX-Method: {}\r\nX-Path: {}\r\nX-Authority: {}\r\n",
            asked.method,
            asked.path(),
            asked.field("host").unwrap_or_default()
        );
        for field in &asked.head.fields {
            head += &format!("X-{}: {}\r\n", field.name, field.value);
        }
        if asked.trailers.is_empty() {
            head += &format!("Content-Length: {}\r\n\r\n", asked.body.len());
            return [head.as_bytes(), &asked.body].concat();
        }
        head += &format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            asked.body.len()
        );
        let mut end = "\r\n0\r\n".to_owned();
        for field in &asked.trailers {
            end += &format!("{}: {}\r\n", field.name, field.value);
        }
        [head.as_bytes(), &asked.body, end.as_bytes(), b"\r\n"].concat()
    })
}

/// Routes `/1/*` to an origin of HTTP/1.1 and `/2/*` to one of HTTP/2.
fn both(one: &Origin, two: &Http2Origin) -> String {
    web("")
        + &format!(
            "[[routes]]\nmatch = {{ path = \"/1/*\" }}\nto = \"one\"\n\
             [[routes]]\nmatch = {{ path = \"/2/*\" }}\nto = \"two\"\n\
             [[routes]]\nmatch = {{ path = \"/here\" }}\nrespond = {{ status = 200, body = \"from here\" }}\n\
             [clusters.one]\nendpoints = [\"{}\"]\n\
             [clusters.two]\nendpoints = [\"{}\"]\nprotocol = \"h2\"\n",
            one.address(),
            two.address()
        )
}

struct Pair {
    proxy: Proxy,
    _one: Origin,
    _two: Http2Origin,
}

fn echo_pair(io: Io) -> Pair {
    let (one, two) = (echoing(), Http2Origin::echoing());
    let proxy = Proxy::start(io, &both(&one, &two));
    Pair {
        proxy,
        _one: one,
        _two: two,
    }
}

both_drivers! {
    fn heads_pass_from_a_client_of_http2(io) {
        let pair = echo_pair(io);
        let mut client = Http2Client::connect(pair.proxy.web());
        for path in ["/1/a?b=c", "/2/a?b=c"] {
            let answer = client.ask(asking("GET", path, &[
                ("accept", "text/html"), ("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-empty", ""),
            ]));
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.field("x-method"), Some("GET"));
            assert_eq!(answer.field("x-path"), Some(path.split('?').next().unwrap_or_default()));
            assert_eq!(answer.field("x-authority"), Some("test"));
            assert_eq!(answer.field("x-accept"), Some("text/html"));
            assert_eq!(answer.field("x-cookie"), Some("a=1; b=2"));
            assert_eq!(answer.field("x-te"), Some("trailers"));
            assert_eq!(answer.field("x-x-empty"), Some(""));
            assert_eq!(answer.field("x-via"), Some("2.0 ringway"));
            assert_eq!(answer.field("x-x-forwarded-for"), Some("127.0.0.1"));
            assert_eq!(answer.field("x-x-forwarded-host"), Some("test"));
            assert_eq!(answer.fields.get_all("x-x-request-id").iter().count(), 1);
            for name in ["connection", "transfer-encoding", "keep-alive", "x-transfer-encoding"] {
                assert_eq!(answer.field(name), None, "{path} {name}");
            }
        }
        let line = pair.proxy.await_access("of HTTP/2", |line| line["protocol"] == "HTTP/2");
        assert_eq!((line["status"].as_u64(), line["flag"].as_str()), (Some(200), Some("-")));
    }

    fn heads_pass_from_a_client_of_http1_to_http2(io) {
        let pair = echo_pair(io);
        let mut client = Client::connect(pair.proxy.web());
        let answer = client.ask("GET /2/a HTTP/1.1\r\nHost: Test:81\r\nX-Mixed: Case\r\nConnection: x-mine\r\nX-Mine: 1\r\nTE: trailers\r\n\r\n");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("x-authority"), Some("Test:81"));
        assert_eq!(answer.field("x-x-mixed"), Some("Case"));
        assert_eq!(answer.field("x-x-mine"), None, "a field of the connection");
        assert_eq!(answer.field("via"), Some("2.0 ringway"));
        // The connection goes on.
        assert_eq!(client.get("/2/b").field("x-path"), Some("/2/b"));
    }

    fn bodies_and_trailers_pass_in_all_pairings(io) {
        let pair = echo_pair(io);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "abc".parse().expect("a value"));
        trailers.insert("content-length", "1".parse().expect("a value"));
        for path in ["/1/echo", "/2/echo"] {
            let mut client = Http2Client::connect(pair.proxy.web());
            let mut asking = client.begin(asking("POST", path, &[]), false);
            asking.send(b"some ", false);
            asking.send(b"body", false);
            asking.body.send_trailers(trailers.clone()).expect("an open stream");
            let answer = asking.answer();
            assert_eq!((answer.status, answer.text()), (200, "some body".to_owned()), "{path}");
            assert_eq!(answer.trailer("x-sum"), Some("abc"), "{path}");
            assert_eq!(answer.trailer("content-length"), None, "{path}");

            let mut client = Client::connect(pair.proxy.web());
            let answer = client.ask(format!("POST {path} HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsome \r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\n\r\n"));
            assert_eq!((answer.status, answer.text()), (200, "some body".to_owned()), "{path}");
            assert!(answer.trailers.iter().any(|f| f.name.eq_ignore_ascii_case("x-sum") && f.value == "abc"), "{path}");
        }
    }

    fn trailers_pass_behind_a_body_of_no_octets(io) {
        let pair = echo_pair(io);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "none".parse().expect("a value"));
        for (path, told) in [("/1/echo", None), ("/2/echo", Some("none"))] {
            let mut client = Http2Client::connect(pair.proxy.web());
            let mut asking = client.begin(asking("POST", path, &[("content-length", "0")]), false);
            asking.body.send_trailers(trailers.clone()).expect("an open stream");
            let answer = asking.answer();
            assert_eq!((answer.status, answer.text()), (200, String::new()), "{path}");
            // HTTP/1.1 has no place for them behind a length.
            assert_eq!(answer.trailer("x-sum"), told, "{path}");
        }
    }

    fn large_bodies_pass_both_ways_whole(io) {
        let pair = echo_pair(io);
        for path in ["/1/echo", "/2/echo"] {
            let mut client = Http2Client::connect(pair.proxy.web());
            let mut body = Vec::new();
            let mut pattern = Pattern::new();
            while body.len() < 3 << 20 {
                body.extend_from_slice(pattern.next(1 << 16));
            }
            let length = body.len().to_string();
            let asking = client.begin(asking("POST", path, &[("content-length", &length)]), false);
            let (mut stream, answer) = asking.split();
            let sent = body.clone();
            // Both directions at once: an echo begins before the request has ended.
            let writer = std::thread::spawn(move || {
                ringway_tests::http2::wait_for("the windows", put(&mut stream, &sent, true)).expect("an open stream");
            });
            let answer = answer.read();
            writer.join().expect("the writer");
            assert_eq!(answer.status, 200, "{path}");
            Pattern::new().check(&answer.body).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(answer.body.len(), body.len(), "{path}");
        }
    }

    fn heads_without_bodies_have_none(io) {
        let one = Origin::answering(|asked| match asked.path() {
            "/1/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n".to_vec(),
            "/1/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            _ if asked.method == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        });
        let two = Http2Origin::start(|request, mut respond| async move {
            let status = match request.uri().path() {
                "/2/304" => 304,
                "/2/204" => 204,
                _ => 200,
            };
            let mut answer = Response::builder().status(status);
            if status == 304 || request.method() == "HEAD" {
                answer = answer.header("content-length", "7");
            }
            let _ = respond.send_response(answer.body(()).expect("a head"), true);
        });
        let proxy = Proxy::start(io, &both(&one, &two));
        let mut client = Http2Client::connect(proxy.web());
        let mut old = Client::connect(proxy.web());
        for n in ["1", "2"] {
            for (method, what, status, length) in [
                ("HEAD", "head", 200, Some("7")), ("GET", "304", 304, Some("7")), ("GET", "204", 204, None),
            ] {
                let path = format!("/{n}/{what}");
                let answer = client.ask(asking(method, &path, &[]));
                assert_eq!((answer.status, answer.field("content-length"), answer.body.len()), (status, length, 0), "{path}");
                old.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
                let answer = old.answer_to(method);
                assert_eq!((answer.status, answer.field("content-length")), (status, length), "{path}");
            }
            // And the connections are still in step.
            assert_eq!(client.ask(get(&format!("/{n}/empty"))).body.len(), 0);
            assert_eq!(old.get(&format!("/{n}/empty")).field("content-length"), Some("0"));
        }
    }

    fn interim_answers_pass(io) {
        let one = Origin::start(|visit| {
            while visit.request().is_some() {
                visit.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let two = Http2Origin::start(|_, mut respond| async move {
            let hint = Response::builder().status(103).header("link", "</a>").body(()).expect("a head");
            let _ = respond.send_informational(hint);
            if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                let _ = stream.send_data(Bytes::from_static(b"ok"), true);
            }
        });
        let proxy = Proxy::start(io, &both(&one, &two));
        let mut client = Http2Client::connect(proxy.web());
        let mut old = Client::connect(proxy.web());
        for path in ["/1/x", "/2/x"] {
            let answer = client.ask(get(path));
            assert_eq!((answer.interim.as_slice(), answer.text().as_str()), ([103].as_slice(), "ok"), "{path}");
            let answer = old.get(path);
            assert_eq!(answer.interim.len(), 1, "{path}");
            assert_eq!(answer.text(), "ok", "{path}");
        }
    }

    fn answers_of_our_own_go_out_by_http2(io) {
        let pair = echo_pair(io);
        let mut client = Http2Client::connect(pair.proxy.web());
        let answer = client.ask(get("/here"));
        assert_eq!((answer.status, answer.text()), (200, "from here".to_owned()));
        assert_eq!(answer.field("content-length"), Some("9"));
        assert_eq!(client.ask(get("/nowhere")).status, 404);
        assert_eq!(client.ask(asking("HEAD", "/here", &[])).body.len(), 0);
        // Also where a body comes that nobody reads, and the connection goes on.
        let mut begun = client.begin(asking("POST", "/nowhere", &[]), false);
        begun.send(&[7; 30_000], false);
        assert_eq!(begun.answer().status, 404);
        assert_eq!(client.ask(get("/here")).status, 200);
        pair.proxy.await_access("without a route", |line| line["flag"] == "NR" && line["protocol"] == "HTTP/2");
    }

    fn a_preface_in_pieces_is_known(io) {
        let pair = echo_pair(io);
        let mut client = Client::connect(pair.proxy.web());
        // Pieces of any size: each is a segment of its own.
        for piece in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".chunks(5) {
            client.send(piece);
        }
        let head = client.wire.take(9).expect("a frame's head");
        assert_eq!(head[3], 4, "a SETTINGS frame: {head:?}");
    }
}
