//! What a call of gRPC-Web is told by the proxy itself, what its endpoint sees of it, and what becomes of answers that are not right. Whole calls are in
//! `grpc_web.rs`.

use crate::web as listener;
use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use ringway_tests::grpc_web::{OpenCall, Told, Web, message, read as messages, read_text};
use ringway_tests::http2::{asking, put, read, wait_for};
use ringway_tests::{Client, End, Http2Client, Http2Origin, Io, Origin, Proxy, both_drivers};
use std::net::SocketAddr;

fn bridged(to: SocketAddr) -> String {
    listener("")
        + &format!(
            "[[routes]]\nto = \"peer\"\ngrpc_web = true\n[clusters.peer]\nendpoints = [\"{to}\"]\nprotocol = \"h2\"\n"
        )
}

/// The proxy in front of a server that says what the path asks for.
fn before(io: Io) -> (Http2Origin, Proxy) {
    let origin = Http2Origin::start(|request, respond| async move {
        let _ = say(request, respond).await;
    });
    let proxy = Proxy::start(io, &bridged(origin.address()));
    (origin, proxy)
}

fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers
}

async fn say(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let mut head = Response::builder().header("content-type", "application/grpc");
    for (name, value) in request.headers() {
        head = head.header(format!("x-{name}"), value);
    }
    let head = match path.as_str() {
        "/S/Early" => head.header("grpc-status", "0"),
        "/S/Measured" => head.header("content-length", "7"),
        "/S/MeasuredEmpty" => head.header("content-length", "0"),
        "/S/Page" => Response::builder()
            .status(418)
            .header("content-type", "text/html"),
        _ => head,
    };
    let mut stream = respond.send_response(head.body(()).expect("a head"), false)?;
    let two = [message(b"hi"), message(b"yo")].concat();
    match path.as_str() {
        "/S/Fine" => {
            put(&mut stream, &two, false).await?;
            stream.send_trailers(status("0"))
        }
        "/S/Empty" | "/S/MeasuredEmpty" => stream.send_trailers(status("3")),
        "/S/Early" => stream.send_data(Bytes::new(), true),
        "/S/Measured" => {
            put(&mut stream, &message(b"hi"), false).await?;
            stream.send_trailers(status("0"))
        }
        "/S/Page" => put(&mut stream, b"<p>", true).await,
        "/S/Silent" => put(&mut stream, &two, true).await,
        "/S/Within" => {
            put(&mut stream, &two[..9], false).await?;
            stream.send_trailers(status("0"))
        }
        // Once the client has them, and has ended its request.
        "/S/Broken" | "/S/BrokenWithin" => {
            let n = if path == "/S/Broken" { two.len() } else { 9 };
            put(&mut stream, &two[..n], false).await?;
            read(&mut request.into_body()).await?;
            stream.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        // Until it is reset.
        _ => {
            put(&mut stream, &two, false).await?;
            let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            Ok(())
        }
    }
}

/// Messages, and the status behind them.
fn outcome(told: &Told) -> (Vec<String>, Option<&str>) {
    (told.texts(), told.trailer("grpc-status"))
}

fn two(status: &str) -> (Vec<String>, Option<&str>) {
    (vec!["hi".to_owned(), "yo".to_owned()], Some(status))
}

/// The body of a call to an endpoint that breaks off behind so many octets of it; None where it is cut.
fn broken(web: Web, to: SocketAddr, path: &str, octets: usize) -> Option<Vec<u8>> {
    let mut call = OpenCall::begin(web, to, path, b"x");
    // Of text as many as are written for them.
    let mut body = call.octets(if web.text { octets / 3 * 4 } else { octets });
    call.finish();
    body.extend(call.rest().ok()?);
    Some(if web.text { read_text(&body) } else { body })
}

both_drivers! {
    fn failures_are_told_in_its_own_form(io) {
        let toml = listener("")
            + "[[routes]]\nname = \"method\"\nmatch = { grpc = \"shop.Orders/Get\" }\nrespond = { status = 503, body = \"of gRPC alone\" }\n\
               [[routes]]\nname = \"page\"\nmatch = { path = \"/shop.Orders/Get\" }\nrespond = { status = 401, body = \"who, \u{fc}?\" }\n\
               [[routes]]\nname = \"fine\"\nmatch = { path = \"/fine\" }\nrespond = { status = 200, body = \"as it is\" }\n\
               [[routes]]\nname = \"down\"\nmatch = { grpc = \"down.S/*\" }\nto = \"down\"\ngrpc_web = true\n\
               [clusters.down]\nendpoints = [\"127.0.0.1:1\"]\nprotocol = \"h2\"\n";
        let proxy = Proxy::start(io, &toml);
        for web in Web::ALL {
            let call = |path: &str| web.call(proxy.web(), path, &[], &[b"x"]);
            let cases = [
                ("/shop.Orders/Get", "16", "who, %C3%BC?", "UNAUTHENTICATED"),
                ("/down.S/M", "14", "503 Service Unavailable", "UNAVAILABLE"),
                ("/nobody.S/M", "12", "404 Not Found: no route matches host `test` and this path, method and headers", "UNIMPLEMENTED"),
            ];
            for (path, code, text, name) in cases {
                let told = call(path);
                assert_eq!((told.status, told.field("content-type")), (200, Some(web.content_type())), "{web:?} {path}");
                assert_eq!((told.field("grpc-status"), told.field("grpc-message")), (Some(code), Some(text)));
                assert!(told.messages.is_empty() && told.trailers.is_none(), "{told:?}");
                let protocol = if web.http2 { "HTTP/2" } else { "HTTP/1.1" };
                let line = proxy.await_access(path, |line| line["path"] == path && line["protocol"] == protocol);
                assert_eq!((line["status"].as_u64(), line["grpc_status"].as_str()), (Some(200), Some(name)), "{path}");
            }
            let told = call("/fine");
            assert_eq!((told.status, told.texts()), (200, vec!["as it is".to_owned()]));
        }
        assert_eq!(proxy.metrics().sum("ringway_route_grpc_total", &["down", "UNAVAILABLE"]), 4.0);
    }

    fn its_endpoint_sees_a_call_of_grpc(io) {
        let (_origin, proxy) = before(io);
        for web in Web::ALL {
            let told = web.call(proxy.web(), "/S/Fine", &[("x-mine", "1")], &[b"x"]);
            assert_eq!(outcome(&told), two("0"), "{web:?}");
            let suffix = if web.text { "" } else { "+proto" };
            let seen = format!("application/grpc{suffix}");
            assert_eq!((told.field("x-content-type"), told.field("x-te")), (Some(seen.as_str()), Some("trailers")));
            assert_eq!((told.field("x-content-length"), told.field("x-x-mine"), told.field("x-x-grpc-web")), (None, Some("1"), Some("1")));
            // The endpoint has named none.
            assert_eq!(told.field("content-type"), Some(web.content_type()));
        }
        // How the answer is written is asked for by itself.
        let text = Web { http2: false, text: true };
        let told = text.call(proxy.web(), "/S/Fine", &[], &[]);
        assert_eq!(told.field("content-type"), Some("application/grpc-web-text"));
        let binary = Web { http2: true, text: false };
        let told = binary.call(proxy.web(), "/S/Fine", &[("accept", "application/grpc-web-text+proto")], &[b"x"]);
        assert_eq!((told.field("content-type"), outcome(&told)), (Some("application/grpc-web-text+proto"), two("0")));
    }

    fn trailers_are_the_last_message_however_an_answer_ends(io) {
        let (_origin, proxy) = before(io);
        for web in Web::ALL {
            let call = |path: &str| web.call(proxy.web(), path, &[], &[b"x"]);
            for path in ["/S/Empty", "/S/MeasuredEmpty"] {
                let told = call(path);
                assert_eq!((told.field("grpc-status"), outcome(&told)), (None, (vec![], Some("3"))), "{web:?} {path}");
            }
            let told = call("/S/Measured");
            assert_eq!(outcome(&told), (vec!["hi".to_owned()], Some("0")), "{web:?}");
            // A status in the head is one.
            let told = call("/S/Early");
            assert_eq!((told.field("grpc-status"), outcome(&told)), (Some("0"), (vec![], None)), "{web:?}");
            // An end without any is no good end.
            let told = call("/S/Silent");
            assert_eq!((outcome(&told), told.trailer("grpc-message")), (two("2"), Some("the answer ended without a status")));
            let (messages, trailers) = messages(&broken(web, proxy.web(), "/S/Broken", 14).expect("a whole answer"));
            assert_eq!((messages.len(), trailers.expect("trailers")[0].1.as_str()), (2, "14"), "{web:?}");
            let told = web.call(proxy.web(), "/S/Endless", &[("grpc-timeout", "200m")], &[b"x"]);
            assert_eq!(outcome(&told), two("4"), "{web:?}");
            // Within a message nothing can be said.
            assert_eq!(broken(web, proxy.web(), "/S/BrokenWithin", 9), None, "{web:?}");
            let mut open = OpenCall::begin(web, proxy.web(), "/S/Within", b"x");
            assert!(open.rest().is_err(), "{web:?}");
            // What is no answer of gRPC passes as it is.
            let told = call("/S/Page");
            assert_eq!((told.status, told.field("content-type"), told.texts()), (418, Some("text/html"), vec!["<p>".to_owned()]));
        }
        let line = proxy.await_access("no status", |line| line["path"] == "/S/Silent");
        assert_eq!((line["grpc_status"].as_str(), line["flag"].as_str()), (Some("UNKNOWN"), Some("-")));
        let line = proxy.await_access("a cut message", |line| line["path"] == "/S/Within");
        assert_eq!((line["flag"].as_str(), line["reason"].as_str().is_some_and(|r| r.contains("within a message"))), (Some("UPE"), true), "{line}");
    }

    fn text_that_is_no_base64_is_refused(io) {
        let (_origin, proxy) = before(io);
        let labels = [("grpc_web_octet", "AAAA AAA"), ("grpc_web_padding", "A===AAAA"), ("grpc_web_cut", "AAAAAAA")];
        for http2 in [false, true] {
            let web = Web { http2, text: true };
            for (label, body) in labels {
                // In its answer's head, or behind what has come meanwhile.
                let told = web.ask(proxy.web(), "/S/Wait", &[], body.as_bytes());
                let code = told.field("grpc-status").or(told.trailer("grpc-status"));
                assert_eq!((told.status, code), (200, Some("13")), "{label}: {told:?}");
            }
        }
        for (label, _) in labels {
            assert_eq!(proxy.metrics().sum("ringway_listener_protocol_errors_total", &["web", label]), 2.0, "{label}");
        }
        let line = proxy.await_access("no base64", |line| line["path"] == "/S/Wait");
        assert_eq!((line["flag"].as_str(), line["grpc_status"].as_str()), (Some("DPE"), Some("INTERNAL")));
    }

    fn a_client_that_takes_little_gets_the_whole_end(io) {
        let (_origin, proxy) = before(io);
        let web = Web { http2: true, text: true };
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(5);
        let mut client = Http2Client::connect_with(proxy.web(), &settings);
        let mut call = client.begin(asking("POST", "/S/Endless", &web.fields()), false);
        call.send(b"AAAA", false);
        let (head, mut sending) = call.head();
        let mut body = head.into_body();
        let first = wait_for("a piece", body.data()).expect("some").expect("whole");
        // The rest of both messages waits for the window when the request turns out to be wrong.
        wait_for("room", put(&mut sending, b"!!!!", false)).expect("an open stream");
        proxy.await_access("the call", |line| line["path"] == "/S/Endless");
        body.flow_control().release_capacity(first.len()).expect("an open stream");
        let rest = wait_for("the rest", read(&mut body)).expect("whole");
        let (messages, trailers) = messages(&read_text(&[&first[..], &rest].concat()));
        assert_eq!(messages, [b"hi", b"yo"]);
        assert_eq!(trailers.expect("trailers")[0].1, "13");
    }

    fn without_the_key_calls_pass_as_they_are(io) {
        let origin = Origin::start(|visit| {
            while let Some(asked) = visit.request() {
                let kind = asked.head.get("content-type").unwrap_or_default().to_owned();
                let body = asked.body.clone();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nX-Te: {:?}\r\nContent-Length: {}\r\n\r\n", asked.head.get("te"), body.len());
                visit.send([head.as_bytes(), &body].concat());
            }
        });
        let proxy = Proxy::start(io, &(listener("") + &format!("[[routes]]\nto = [\"{}\"]\n", origin.address())));
        for web in Web::ALL {
            let told = web.call(proxy.web(), "/S/M", &[], &[b"there and back"]);
            assert_eq!((told.status, told.field("content-type"), told.field("x-te")), (200, Some(web.content_type()), Some("None")), "{web:?}");
            assert_eq!((told.texts(), told.trailers.is_none()), (vec!["there and back".to_owned()], true), "{web:?}");
        }
        // The preflight of a browser is a request like any.
        let asked = Client::connect(proxy.web()).ask("OPTIONS /S/M HTTP/1.1\r\nHost: test\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\r\n");
        assert_eq!(asked.status, 200);
    }

    fn an_old_client_gets_its_end_with_the_connection(io) {
        let (_origin, proxy) = before(io);
        for (path, first, code) in [("/S/Fine", "x", "0"), ("/S/Broken", "", "14")] {
            let mut client = Client::connect(proxy.web());
            client.send(format!("POST {path} HTTP/1.0\r\nHost: test\r\nContent-Type: application/grpc-web\r\nContent-Length: 1\r\n\r\n{first}"));
            let head = client.head();
            assert_eq!((head.get("content-type"), head.get("transfer-encoding")), (Some("application/grpc-web"), None));
            let two = client.wire.take(14).expect("two messages");
            if first.is_empty() {
                client.send("x");
            }
            let End::Clean(rest) = client.end() else {
                panic!("no clean end");
            };
            let (messages, trailers) = messages(&[two, rest].concat());
            assert_eq!((messages.len(), trailers.expect("trailers")[0].1.as_str()), (2, code));
        }
    }
}
