//! The table of requests. Keys of a row:
//!
//! - `rfc`: the section it relies on.
//! - `expect`: `forward` (it arrives, whole); `reject 400` (this status, closed, nothing arrives, and no byte behind it is
//!   a request); `answer 400` (this status, nothing arrives, the connection may go on); `close 400` (closed, with this
//!   status or without a word); `abort` (no back-end may see a whole request; closed); `forward-or-reject`.
//! - What arrives: `method`, `target`, `targets` (several requests), `body`, `has: Name: value`, `has-name`, `lacks`
//!   (name), `lacks-value` (text that no field value holds), `order`, `trailer`, `no-trailer`, `extensions: none`.
//! - `then: reject 400`: behind what is forwarded. `closes: yes`: the connection ends behind the answers.
//! - `half: yes`: the client closes its side. `probe: no`: no request is appended behind what must be refused.
//!
//! `body` and the values have the escapes of messages.

use crate::{in_order, name_and_value, report, statuses};
use ringway_tests::{
    Answer, Asked, Client, End, Io, Origin, Proxy, Row, Rows, WireError, agree, complete_requests,
    front, shown,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const FILES: [(&str, &str); 7] = [
    ("requests/line.txt", include_str!("requests/line.txt")),
    ("requests/target.txt", include_str!("requests/target.txt")),
    ("requests/host.txt", include_str!("requests/host.txt")),
    ("requests/fields.txt", include_str!("requests/fields.txt")),
    ("requests/framing.txt", include_str!("requests/framing.txt")),
    ("requests/chunked.txt", include_str!("requests/chunked.txt")),
    (
        "requests/connection.txt",
        include_str!("requests/connection.txt"),
    ),
];
const KEYS: [&str; 18] = [
    "rfc",
    "expect",
    "method",
    "target",
    "targets",
    "body",
    "has",
    "has-name",
    "lacks",
    "lacks-value",
    "order",
    "trailer",
    "no-trailer",
    "extensions",
    "then",
    "closes",
    "half",
    "probe",
];
/// Appended behind what must be refused: a proxy that reads on would take it for a request.
const PROBE: &str = "GET /behind-a-fault HTTP/1.1\r\nHost: behind\r\n\r\n";
/// An answer that has not come by now will not come; the rows are many.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn the_table_is_well_formed() {
    let rows = Rows::read(&FILES).0;
    assert!(rows.len() >= 220, "only {} rows", rows.len());
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
    let rows = Rows::read(&FILES).0;
    // Each request has an upstream connection of its own, so that what arrives late is held against its own row.
    let origin = Origin::answering(|asked| {
        let body = if asked.method == "HEAD" { "" } else { "ok" };
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{body}")
            .into_bytes()
    });
    let proxy = Proxy::start(io, &front(&origin, ""));
    let (mut failures, mut forwarded) = (Vec::new(), 0);
    for row in &rows {
        let start = Instant::now();
        let case = Case {
            row,
            address: proxy.web(),
            origin: &origin,
            mark: origin.mark(),
            asked: origin.asked().len(),
        };
        match case.check() {
            Ok(n) => forwarded += n,
            Err(why) => {
                failures.push(format!(
                    "{}: {} (RFC {})\n    {why}",
                    row.at,
                    row.name,
                    row.key("rfc").unwrap_or("?")
                ));
                // What came late must not be held against the next row.
                forwarded = origin.asked().len();
            }
        }
        if start.elapsed() > SOON * 2 {
            failures.push(format!("{}: took {:?}", row.at, start.elapsed()));
        }
    }
    report("requests", rows.len(), &failures);
    assert_eq!(
        origin.asked().len(),
        forwarded,
        "a request arrived at the origin after its row had been judged"
    );
    assert!(
        origin
            .asked()
            .iter()
            .all(|asked| !asked.target.starts_with("/behind")),
        "bytes behind a fault became a request"
    );
}

struct Case<'a> {
    row: &'a Row,
    address: SocketAddr,
    origin: &'a Origin,
    mark: Vec<usize>,
    asked: usize,
}

impl Case<'_> {
    /// How many requests it forwarded, rightly.
    fn check(&self) -> Result<usize, String> {
        let expect = self.row.key("expect").unwrap_or_default();
        let (kind, status) = expect.split_once(' ').unwrap_or((expect, "400"));
        let mut client = self.send(kind)?;
        match kind {
            "forward" => self.forward(&mut client),
            "reject" => self
                .reject(&mut client, &statuses(status))
                .and_then(|()| self.nothing_arrived()),
            "answer" => self
                .answered(&mut client, &statuses(status))
                .and_then(|_| self.nothing_arrived()),
            "close" => self
                .close(&mut client, &statuses(status))
                .and_then(|()| self.nothing_arrived()),
            "abort" => self.abort(&mut client),
            "forward-or-reject" => match self.peek(&mut client)? {
                200 => self.forward(&mut client),
                _ => self.abort(&mut client),
            },
            other => Err(format!(
                "the table expects `{other}`, which is nothing we know"
            )),
        }
    }

    fn send(&self, kind: &str) -> Result<Client, String> {
        let mut client =
            Client::try_connect(self.address).map_err(|e| format!("cannot connect: {e}"))?;
        client.wire.set_timeout(SOON);
        let mut pieces = self.row.pieces.clone();
        let refused = matches!(kind, "reject" | "abort" | "close");
        if refused
            && self.row.key("probe") != Some("no")
            && let Some(last) = pieces.last_mut()
        {
            last.extend_from_slice(PROBE.as_bytes());
        }
        let many = pieces.len() > 1;
        for piece in pieces {
            // A proxy may close on the first fault that it sees.
            let _ = client.try_send(piece);
            if many {
                // So that pieces arrive as pieces; nothing is waited for.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if self.row.key("half") == Some("yes") {
            client.half_close();
        }
        Ok(client)
    }

    /// The status of the answer, which stays to be read.
    fn peek(&self, client: &mut Client) -> Result<u16, String> {
        while client.wire.waiting().len() < 12 {
            match client.wire.fill() {
                Ok(0) => return Ok(0),
                Ok(_) => {}
                Err(e) => return Err(format!("no answer: {e}")),
            }
        }
        let status = client.wire.waiting().get(9..12).map(ringway_tests::latin1);
        status
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| format!("no status in {}", shown(client.wire.waiting())))
    }

    fn answered(&self, client: &mut Client, statuses: &[u16]) -> Result<Answer, String> {
        let answer = client
            .try_answer("GET")
            .map_err(|e| format!("no answer {statuses:?}: {e}{}", self.arrived()))?;
        match statuses.contains(&answer.status) {
            true => Ok(answer),
            false => Err(format!(
                "answered {} instead of {statuses:?}{}",
                answer.status,
                self.arrived()
            )),
        }
    }

    fn reject(&self, client: &mut Client, statuses: &[u16]) -> Result<(), String> {
        let answer = self.answered(client, statuses)?;
        if !answer.says_close() {
            return Err("the answer does not say `Connection: close`".into());
        }
        self.closed(client)
    }

    fn closed(&self, client: &mut Client) -> Result<(), String> {
        match client.end() {
            End::Open(_) => Err("the connection stays open".into()),
            end if !end.leftover().is_empty() => Err(format!(
                "more came behind the last answer: {}",
                shown(end.leftover())
            )),
            _ => Ok(()),
        }
    }

    fn close(&self, client: &mut Client, statuses: &[u16]) -> Result<(), String> {
        match client.try_answer("GET") {
            Ok(answer) if statuses.contains(&answer.status) => self.closed(client),
            Ok(answer) => Err(format!("answered {}", answer.status)),
            Err(WireError::Closed | WireError::Reset) => Ok(()),
            Err(e) => Err(format!("neither closed nor answered: {e}")),
        }
    }

    fn arrived(&self) -> String {
        match self.origin.since(&self.mark).first() {
            Some((_, bytes)) => format!("; arrived: {}", shown(bytes)),
            None => String::new(),
        }
    }

    fn nothing_arrived(&self) -> Result<usize, String> {
        match self.origin.since(&self.mark).first() {
            Some((_, bytes)) => Err(format!("this was forwarded: {}", shown(bytes))),
            None => Ok(0),
        }
    }

    fn abort(&self, client: &mut Client) -> Result<usize, String> {
        match client.try_answer("GET") {
            Ok(answer) if (400..500).contains(&answer.status) => self.closed(client)?,
            Ok(answer) => return Err(format!("answered {}{}", answer.status, self.arrived())),
            Err(WireError::Closed | WireError::Reset) => {}
            Err(e) => {
                return Err(format!(
                    "neither closed nor answered: {e}{}",
                    self.arrived()
                ));
            }
        }
        self.origin.accept_all();
        for connection in self.mark.len()..self.origin.connections() {
            if !self.origin.await_end(connection) {
                return Err("the upstream connection of the aborted request stays open".into());
            }
        }
        for (_, bytes) in self.origin.since(&self.mark) {
            if complete_requests(&bytes) > 0 {
                return Err(format!(
                    "a back-end would see a whole request in {}",
                    shown(&bytes)
                ));
            }
        }
        Ok(0)
    }

    fn forward(&self, client: &mut Client) -> Result<usize, String> {
        let targets: Vec<&str> = self
            .row
            .key("targets")
            .map(|targets| targets.split(' ').collect())
            .unwrap_or_default();
        let count = targets.len().max(1);
        for n in 1..=count {
            let method = self.row.key("method").unwrap_or("GET");
            let answer = client
                .try_answer(method)
                .map_err(|e| format!("no answer to request {n}: {e}{}", self.arrived()))?;
            if answer.status != 200 {
                return Err(format!(
                    "request {n} was answered {}{}",
                    answer.status,
                    self.arrived()
                ));
            }
        }
        if let Some(then) = self.row.key("then") {
            self.reject(client, &statuses(then.trim_start_matches("reject")))?;
        }
        if self.row.key("closes") == Some("yes") {
            self.closed(client)?;
        }
        let mut complete = 0;
        for (_, bytes) in self.origin.since(&self.mark) {
            let seen = agree(&bytes)?;
            complete += seen.iter().filter(|(_, end, _)| end.is_some()).count();
            if seen.len() != seen.iter().filter(|(_, end, _)| end.is_some()).count() {
                return Err(format!("an incomplete request arrived: {}", shown(&bytes)));
            }
        }
        let asked = self.origin.asked().split_off(self.asked);
        if complete != count || asked.len() != count {
            return Err(format!(
                "{complete} requests arrived instead of {count}{}",
                self.arrived()
            ));
        }
        for (one, target) in asked.iter().zip(&targets) {
            if one.target != *target {
                return Err(format!("target {} arrived instead of {target}", one.target));
            }
        }
        self.arrived_as_expected(&asked[0])
            .map_err(|e| format!("{e}{}", self.arrived()))?;
        Ok(count)
    }

    fn arrived_as_expected(&self, asked: &Asked) -> Result<(), String> {
        let row = self.row;
        let same = |what: &str, have: &str, wanted: Option<String>| match wanted {
            Some(wanted) if wanted != have => {
                Err(format!("{what} {have:?} arrived instead of {wanted:?}"))
            }
            _ => Ok(()),
        };
        same(
            "method",
            &asked.method,
            row.key("method").map(str::to_owned),
        )?;
        same("target", &asked.target, row.bytes("target"))?;
        same(
            "body",
            &ringway_tests::latin1(&asked.body),
            row.bytes("body"),
        )?;
        same("version", &asked.version, Some("HTTP/1.1".into()))?;
        if asked.head.all("host").len() != 1 {
            return Err("not exactly one Host arrived (RFC 9112 3.2)".into());
        }
        for wanted in row.all("has") {
            let (name, value) = name_and_value(wanted);
            let value = row.unescape(value);
            if !asked.head.all(name).contains(&value.as_str()) {
                return Err(format!("no field {name}: {value:?}"));
            }
        }
        for name in row.all("has-name") {
            asked
                .head
                .get(name)
                .ok_or_else(|| format!("no field {name}"))?;
        }
        for name in row.all("lacks") {
            asked.head.get(name).map_or(Ok(()), |value| {
                Err(format!("field {name}: {value} arrived"))
            })?;
        }
        for text in row.all("lacks-value") {
            if let Some(field) = asked
                .head
                .fields
                .iter()
                .find(|field| field.value.contains(text))
            {
                return Err(format!("field {}: {} arrived", field.name, field.value));
            }
        }
        row.key("order")
            .map_or(Ok(()), |wanted| in_order(&asked.head.names(), wanted))?;
        for wanted in row.all("trailer") {
            let (name, value) = name_and_value(wanted);
            if !asked
                .trailers
                .iter()
                .any(|field| field.name == name && field.value == value)
            {
                return Err(format!("no trailer {wanted}"));
            }
        }
        for name in row.all("no-trailer") {
            if asked
                .trailers
                .iter()
                .any(|field| field.name.eq_ignore_ascii_case(name))
            {
                return Err(format!("trailer {name} arrived"));
            }
        }
        if row.key("extensions") == Some("none") && !asked.extensions.is_empty() {
            return Err(format!("chunk extensions arrived: {:?}", asked.extensions));
        }
        Ok(())
    }
}
