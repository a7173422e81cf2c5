//! The harness against itself: its client and its origin talk to each other directly, its readers are shown known
//! attacks, its table is shown slips. What it would let through, no test could find.
#![forbid(unsafe_code)]

use ringway_tests::{
    Client, End, Framing, Gate, Lines, Load, LoadPlan, Metrics, Origin, PATIENCE, Pattern, Rows,
    Scratch, WireError, agree, ask, complete_requests, get, ok, until,
};
use std::time::Duration;

#[test]
fn client_and_origin_understand_each_other() {
    let origin = Origin::answering(|asked| {
        ok(&format!(
            "{} {} {}",
            asked.method,
            asked.target,
            asked.body.len()
        ))
    });
    let mut client = Client::connect(origin.address());
    assert_eq!(client.get("/one").text(), "GET /one 0");
    client.send("POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET /three HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "POST /two 3");
    assert_eq!(client.answer().text(), "GET /three 0");
    let asked = origin.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1].framing, Framing::Chunked);
    assert_eq!(asked[1].extensions, ["x=y"]);
    assert_eq!(asked[1].trailers[0].name, "T");
    assert_eq!(origin.connections(), 1);
    assert!(origin.records()[0].starts_with(b"GET /one HTTP/1.1\r\n"));
}

#[test]
fn the_client_reads_answers_strictly() {
    let malformed = [
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    ];
    let truncated = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nConte",
    ];
    let cases = malformed
        .map(|raw| (raw, "Malformed"))
        .into_iter()
        .chain(truncated.map(|raw| (raw, "Truncated")));
    for (raw, wanted) in cases.chain([("", "Closed")]) {
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send(raw);
        });
        let mut client = Client::connect(origin.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let read = client.try_answer("GET").expect_err(raw);
        assert!(read.to_string().starts_with(wanted), "{raw:?} gives {read}");
    }
}

#[test]
fn answers_without_a_body_are_known() {
    let origin = Origin::answering(|asked| match asked.target.as_str() {
        "/204" => b"HTTP/1.1 204 No\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n".to_vec(),
        "/103" => {
            b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny"
                .to_vec()
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
    });
    let mut client = Client::connect(origin.address());
    assert_eq!(client.get("/204").status, 204);
    assert_eq!(client.get("/304").status, 304);
    let answer = client.get("/103");
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("y", 1));
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").field("content-length"), Some("7"));
    assert_eq!(client.get("/204").status, 204);
}

#[test]
fn ends_are_told_apart() {
    let origin = Origin::taking(|mut visit| match visit.request() {
        Some(asked) if asked.target == "/reset" => visit.reset(),
        _ => {
            visit.send("bye");
        }
    });
    let mut client = Client::connect(origin.address());
    client.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.end(), End::Clean(b"bye".to_vec()));
    let mut client = Client::connect(origin.address());
    client.send("GET /reset HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.end(), End::Reset(Vec::new()));
    assert!(origin.await_end(0) && origin.await_end(1));
}

#[test]
fn an_origin_tells_what_broke_off() {
    let origin = Origin::saying("ok");
    let mut client = Client::connect(origin.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    client.half_close();
    client.expect_closed();
    assert_eq!(origin.asked().len(), 0);
    until("the fault to be told", PATIENCE, || {
        (origin.faults().len() == 1).then_some(())
    });
}

#[test]
fn an_origin_that_stopped_listening_refuses() {
    let mut origin = Origin::saying("ok");
    let mut client = Client::connect(origin.address());
    assert_eq!(client.get("/").status, 200);
    origin.stop_listening();
    assert!(Client::try_connect(origin.address()).is_err());
    assert_eq!(client.get("/").status, 200, "connections stay");
    origin.close_connections();
    client.expect_closed();
}

#[test]
fn a_gate_holds_until_it_is_opened() {
    let gate = Gate::new();
    let origin = Origin::holding(&gate, "held");
    let mut client = Client::connect(origin.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.await_arrivals(1);
    client.wire.set_timeout(Duration::from_millis(50));
    assert!(matches!(
        client.try_answer("GET"),
        Err(WireError::TimedOut(_))
    ));
    gate.open();
    client.wire.set_timeout(PATIENCE);
    assert_eq!(client.answer().text(), "held");
}

#[test]
fn readers_agree_on_sound_requests() {
    let sound = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\
        POST /y HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /z HTTP/1.1\r\nHost: a\r\n\r\n";
    let seen = agree(sound).expect("nothing to disagree about");
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|(_, end, _)| end.is_some()));
    assert_eq!(complete_requests(sound), 4);
}

#[test]
fn readers_disagree_on_known_attacks() {
    let attacks: [(&str, &[u8]); 9] = [
        ("CL.TE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        ("TE.TE by a list", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("TE with a control byte", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        ("TE with a space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello"),
        ("a length with a plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
        ("a bare LF in a head", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a chunk size with 0x", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    ];
    for (name, raw) in attacks {
        assert!(agree(raw).is_err(), "{name}: nobody disagrees");
    }
}

#[test]
fn a_request_that_broke_off_is_not_complete() {
    for raw in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
    ] {
        assert_eq!(complete_requests(raw.as_bytes()), 0, "{raw:?}");
    }
}

#[test]
fn a_table_is_read_as_it_is_written() {
    let text = "# note\n=== one\nrfc: 1\nhas: A: b\\x41\n---\nGET / HTTP/1.1\nX: \\t\\0\\x7f\\\\\n\\{a%*3}\n\nbody\\|more\\\n---\n";
    let row = &Rows::read(&[("t", text)]).0[0];
    assert_eq!(
        (row.name.as_str(), row.at.as_str(), row.key("rfc")),
        ("one", "t:2", Some("1"))
    );
    assert_eq!(row.bytes("has").as_deref(), Some("A: bA"));
    assert_eq!(
        row.pieces,
        [
            b"GET / HTTP/1.1\r\nX: \t\0\x7f\\\r\na1a2a3\r\n\r\nbody".to_vec(),
            b"more".to_vec()
        ]
    );
    assert_eq!(row.unknown_keys(&["rfc"]), ["has"]);
}

#[test]
fn a_table_with_a_slip_is_refused() {
    for text in [
        "one\n",
        "=== one\nrfc 1\n---\n---\n",
        "=== one\n---\nGET\n",
        "=== one\n---\n\\q\n---\n",
        "=== a\n---\n---\n=== a\n---\n---\n",
    ] {
        assert!(
            std::panic::catch_unwind(|| Rows::read(&[("t", text)])).is_err(),
            "{text:?}"
        );
    }
}

#[test]
fn a_pattern_finds_what_is_wrong() {
    let mut made = Pattern::new();
    let bytes: Vec<u8> = (0..5).flat_map(|_| made.next(30_000).to_vec()).collect();
    assert_eq!(made.position(), bytes.len());
    assert!(Pattern::new().check(&bytes).is_ok());
    let mut pieces = Pattern::new();
    assert!(bytes.chunks(777).all(|piece| pieces.check(piece).is_ok()));
    let lost = [&bytes[..70_000], &bytes[70_001..]].concat();
    assert!(Pattern::new().check(&lost).is_err());
    let swapped = [&bytes[1000..2000], &bytes[..1000], &bytes[2000..]].concat();
    assert!(Pattern::new().check(&swapped).is_err());
}

#[test]
fn metrics_are_summed_by_name_and_labels() {
    let metrics = Metrics::read(
        "# HELP a x\n# TYPE a counter\na{r=\"1\",c=\"2xx\"} 3\na{r=\"2\",c=\"2xx\"} 4\nab 9\nb 1.5\n",
    );
    assert_eq!(metrics.sum("a", &[]), 7.0);
    assert_eq!(metrics.sum("a", &["r=\"1\""]), 3.0);
    assert_eq!(metrics.sum("b", &[]), 1.5);
    assert!(metrics.has("a") && !metrics.has("c"));
    assert!(
        std::panic::catch_unwind(|| Metrics::read("a 1\na 2\n")).is_err(),
        "a series twice"
    );
}

#[test]
fn a_load_counts_what_became_of_it() {
    let origin = Origin::answering(|asked| match asked.connection {
        0 => b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => ok("ok"),
    });
    let load = Load::start(&LoadPlan {
        address: origin.address(),
        connections: 3,
        target: "/".into(),
        patience: PATIENCE,
    });
    until("some answers", PATIENCE, || {
        (load.good() > 50).then_some(())
    });
    let report = load.stop();
    assert!(report.good() > 50);
    assert_eq!(report.bad(), report.answers[&503]);
    drop(origin);
}

#[test]
fn a_scratch_directory_is_removed() {
    let scratch = Scratch::new();
    let path = scratch.path().to_owned();
    let file = scratch.replace("a.toml", "text");
    assert_eq!(
        std::fs::read_to_string(file).expect("the file is there"),
        "text"
    );
    assert_eq!(
        std::fs::read_dir(&path).expect("it is a directory").count(),
        1,
        "no file is left beside"
    );
    drop(scratch);
    assert!(!path.exists());
}

#[test]
fn lines_that_never_come_are_not_waited_for_for_ever() {
    let lines = Lines::default();
    assert_eq!(lines.wait(0, Duration::from_millis(10), |_| Some(())), None);
    assert!(lines.is_empty());
}

#[test]
fn one_shot_requests() {
    let origin = Origin::saying("ok");
    assert_eq!(get(origin.address(), "/").text(), "ok");
    assert_eq!(ask(origin.address(), "GET / HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(origin.last().version, "HTTP/1.0");
}
