//! The table of responses. Keys of a row:
//!
//! - `rfc`: the section it relies on.
//! - `ask`: `GET` (the default), `HEAD` or `GET 1.0`.
//! - `expect`: `relay`; `502` (or `502|503`), so that nothing of it was relayed; `abort`, so that the client sees that
//!   the answer is not whole; `502-or-abort`; `any` of the three, but not a hang.
//! - What the client gets: `status`, `body`, `has: Name: value`, `lacks`, `order`, `trailer`, `interim` (statuses).
//! - `then`: what the origin does behind these bytes: `close` (the default), `reset` or `keep`.
//!
//! Behind every row a good request is sent: whatever the origin said, the next client gets its own answer.

use crate::{in_order, name_and_value, report, statuses};
use ringway_tests::{
    Answer, Client, Framing, Io, Origin, Row, Rows, Setup, Visit, WireError, front, latin1, ok,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const FILES: [(&str, &str); 2] = [
    ("responses/sound.txt", include_str!("responses/sound.txt")),
    (
        "responses/hostile.txt",
        include_str!("responses/hostile.txt"),
    ),
];
const KEYS: [&str; 11] = [
    "rfc", "ask", "expect", "status", "body", "has", "lacks", "order", "trailer", "interim", "then",
];
const SOON: Duration = Duration::from_secs(5);

#[test]
fn the_table_is_well_formed() {
    let rows = Rows::read(&FILES).0;
    assert!(rows.len() >= 45, "only {} rows", rows.len());
    for row in &rows {
        assert_eq!(row.unknown_keys(&KEYS), Vec::<&str>::new(), "{}", row.at);
        assert!(
            row.key("rfc").is_some() && row.key("expect").is_some(),
            "{}: `rfc` and `expect` are needed",
            row.at
        );
    }
}

#[test]
fn on_io_uring() {
    run(Io::Uring);
}

#[test]
fn on_epoll() {
    run(Io::Epoll);
}

fn run(io: Io) {
    let rows = Arc::new(Rows::read(&FILES).0);
    let theirs = rows.clone();
    let origin = Origin::taking(move |visit| serve(visit, &theirs));
    // One worker, so that the good request behind a row meets the pool that the row has left.
    let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
    let mut failures = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if let Err(why) =
            check(row, index, proxy.web()).and_then(|()| still_sound(index, proxy.web()))
        {
            failures.push(format!(
                "{}: {} (RFC {})\n    {why}",
                row.at,
                row.name,
                row.key("rfc").unwrap_or("?")
            ));
        }
    }
    report("responses", rows.len(), &failures);
    drop(proxy);
}

fn serve(mut visit: Visit, rows: &[Row]) {
    while let Some(asked) = visit.request() {
        let number = asked
            .target
            .strip_prefix("/row/")
            .and_then(|number| number.parse::<usize>().ok());
        let Some(row) = number.and_then(|number| rows.get(number)) else {
            visit.send(ok(&asked.target));
            continue;
        };
        let many = row.pieces.len() > 1;
        for piece in &row.pieces {
            visit.send(piece);
            if many {
                // So that pieces arrive as pieces; nothing is waited for.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        match row.key("then").unwrap_or("close") {
            "keep" => {}
            "reset" => {
                // The bytes must have left the proxy's socket buffer, which a reset would empty.
                std::thread::sleep(Duration::from_millis(20));
                return visit.reset();
            }
            _ => return,
        }
    }
}

/// A fresh client gets its own answer and nothing else.
fn still_sound(index: usize, address: SocketAddr) -> Result<(), String> {
    let mut client =
        Client::try_connect(address).map_err(|e| format!("cannot connect any more: {e}"))?;
    client.wire.set_timeout(SOON);
    for round in ["one", "two"] {
        let path = format!("/sound/{index}/{round}");
        let _ = client.try_send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        match client.try_answer("GET") {
            Ok(answer) if answer.status == 200 && answer.text() == path => {}
            Ok(answer) => {
                return Err(format!(
                    "the next request was answered {} {:?}",
                    answer.status,
                    answer.text()
                ));
            }
            Err(e) => return Err(format!("the next request was not answered: {e}")),
        }
    }
    Ok(())
}

fn check(row: &Row, index: usize, address: SocketAddr) -> Result<(), String> {
    let mut client = Client::try_connect(address).map_err(|e| format!("cannot connect: {e}"))?;
    client.wire.set_timeout(SOON);
    let (method, version) = row
        .key("ask")
        .unwrap_or("GET")
        .split_once(' ')
        .unwrap_or((row.key("ask").unwrap_or("GET"), "1.1"));
    let _ = client.try_send(format!(
        "{method} /row/{index} HTTP/{version}\r\nHost: a\r\n\r\n"
    ));
    let answer = client.try_answer(method);
    let expect = row.key("expect").unwrap_or_default();
    match expect {
        "relay" => relayed(
            row,
            &answer.map_err(|e| format!("no answer: {e}"))?,
            &mut client,
            version,
        ),
        "abort" => aborted(row, answer),
        "502-or-abort" => match answer {
            Ok(answer) if answer.status == 502 => Ok(()),
            other => aborted(row, other),
        },
        "any" => match answer {
            Ok(answer) if answer.status == 502 || answer.status == 200 => Ok(()),
            other => aborted(row, other),
        },
        wanted => match answer {
            Ok(answer) if statuses(wanted).contains(&answer.status) => interim(row, &answer),
            Ok(answer) => Err(format!("answered {} {:?}", answer.status, answer.text())),
            Err(e) => Err(format!("no answer: {e}")),
        },
    }
}

fn aborted(row: &Row, answer: Result<Answer, WireError>) -> Result<(), String> {
    match answer {
        Err(WireError::Truncated(_) | WireError::Reset | WireError::Closed) => Ok(()),
        Err(e) => Err(format!("neither whole nor broken off: {e}")),
        Ok(answer) => Err(format!(
            "{}: the client takes it for whole: {} {:?}",
            row.name,
            answer.status,
            answer.text()
        )),
    }
}

fn interim(row: &Row, answer: &Answer) -> Result<(), String> {
    let Some(wanted) = row.key("interim") else {
        return Ok(());
    };
    let have = answer
        .interim
        .iter()
        .map(|(status, _)| status.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    if have == wanted {
        Ok(())
    } else {
        Err(format!("interim responses `{have}` instead of `{wanted}`"))
    }
}

fn relayed(row: &Row, answer: &Answer, client: &mut Client, version: &str) -> Result<(), String> {
    if let Some(status) = row.key("status")
        && status != answer.status.to_string()
    {
        return Err(format!("status {} instead of {status}", answer.status));
    }
    if let Some(body) = row.bytes("body")
        && body != latin1(&answer.body)
    {
        return Err(format!("body {:?} instead of {body:?}", answer.text()));
    }
    interim(row, answer)?;
    for wanted in row.all("has") {
        let (name, value) = name_and_value(wanted);
        if !answer.head.all(name).contains(&value) {
            return Err(format!(
                "no field {name}: {value} in {:?}",
                answer.head.fields
            ));
        }
    }
    for name in row.all("lacks") {
        answer
            .head
            .get(name)
            .map_or(Ok(()), |value| Err(format!("field {name}: {value}")))?;
    }
    row.key("order")
        .map_or(Ok(()), |wanted| in_order(&answer.head.names(), wanted))?;
    for wanted in row.all("trailer") {
        let (name, value) = name_and_value(wanted);
        if !answer
            .trailers
            .iter()
            .any(|field| field.name == name && field.value == value)
        {
            return Err(format!("no trailer {wanted}: {:?}", answer.trailers));
        }
    }
    // Nothing may follow: what the origin said too much must not become the answer to the next request.
    if version == "1.1" && answer.framing != Framing::UntilClose && !answer.says_close() {
        let _ = client.try_send("GET /sound/same HTTP/1.1\r\nHost: a\r\n\r\n");
        match client.try_answer("GET") {
            Ok(next) if next.text() == "/sound/same" => {}
            Ok(next) => {
                return Err(format!(
                    "the next request on the connection got {} {:?}",
                    next.status,
                    next.text()
                ));
            }
            Err(e) => {
                return Err(format!(
                    "the next request on the connection got no answer: {e}"
                ));
            }
        }
    }
    Ok(())
}
