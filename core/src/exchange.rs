//! One exchange: a request, what was decided about it, and how it ended. Every exchange that began ends with an outcome that
//! the log and the metrics see, also when its task is dropped. It decides nothing itself.

use std::fmt::Write;
use std::net::IpAddr;
use std::rc::Rc;

use ringway_io as io;
use ringway_protocols::http1::{Request, Version};

use crate::accept::Client;
use crate::caller::{Caller, Who};
use crate::facts::{Facts, Id};
use crate::http2::heads;
use crate::lane::{Lane, LanePlan, add};
use crate::observe::Record;
use crate::outcome::Flag;
use crate::plan::{ListenerPlan, RoutePlan};

/// What stands for the address of a client that came by a Unix socket, in the log and in X-Forwarded-For.
pub(crate) const UNIX_PEER: &str = "unix";

/// A running exchange.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) lane: &'a Rc<Lane>,
    pub(crate) client: &'a Client,
    pub(crate) caller: &'a Caller,
    /// The snapshot that it began with; a reload does not change it.
    pub(crate) plan: Rc<LanePlan>,
    pub(crate) listener: usize,
    /// Some until the exchange has ended.
    facts: Option<Box<Facts>>,
}

impl<'a> Exchange<'a> {
    /// Begin. Nothing was received yet.
    pub(crate) fn begin(
        client: &'a Client,
        caller: &'a Caller,
        lane: &'a Rc<Lane>,
    ) -> Exchange<'a> {
        let (plan, listener) = client.door.plan();
        let mut facts = lane.borrow_facts();
        facts.started_us = io::now_us();
        add(&lane.shared.gauge.exchanges, 1);
        Exchange {
            lane,
            client,
            caller,
            plan,
            listener,
            facts: Some(facts),
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        self.facts
            .as_ref()
            .expect("the facts stay until the exchange has ended")
    }

    pub(crate) fn facts_mut(&mut self) -> &mut Facts {
        self.facts
            .as_mut()
            .expect("the facts stay until the exchange has ended")
    }

    /// The request. Only after its head was received.
    pub(crate) fn request(&self) -> Request<'_> {
        let facts = self.facts();
        facts.head.view(&facts.bytes)
    }

    pub(crate) fn who(&self) -> Who<'a> {
        Who {
            client: self.client,
            caller: self.caller,
        }
    }

    pub(crate) fn listener(&self) -> &ListenerPlan {
        &self.plan.plan.listeners[self.listener]
    }

    pub(crate) fn route(&self, index: usize) -> &RoutePlan {
        &self.plan.plan.routes[index]
    }

    /// Note why it ends as it does. The first flag stays: what follows from it is not news.
    pub(crate) fn note(&mut self, flag: Flag, reason: std::fmt::Arguments<'_>) {
        let facts = self.facts_mut();
        if facts.flag.is_none() {
            facts.flag = Some(flag);
            facts.reason.clear();
            // Writing to a String cannot fail.
            let _ = facts.reason.write_fmt(reason);
        }
    }

    /// A retry is under way: what went wrong before is not how it ends.
    pub(crate) fn forgive(&mut self) {
        let facts = self.facts_mut();
        facts.flag = None;
        facts.reason.clear();
        facts.first_byte_us = None;
    }

    /// When the exchange must be over, on the worker's clock: by the route's total time, or earlier by a call's own.
    pub(crate) fn ends_us(&self) -> Option<u64> {
        let facts = self.facts();
        let total = facts.route.and_then(|r| self.route(r).timeouts.total);
        let total = total.map(|ms| facts.started_us + u64::from(ms) * 1000);
        let own = facts.grpc.and_then(|call| call.ends_us);
        total.into_iter().chain(own).min()
    }

    /// A wait of `ms`, cut to what is left of the total.
    pub(crate) fn patience(&self, ms: u32) -> u32 {
        clamp(ms, self.ends_us())
    }

    /// Whether another attempt makes sense within the total.
    pub(crate) fn time_left(&self) -> bool {
        self.ends_us().is_none_or(|end| io::now_us() < end)
    }

    /// If the total is over, note that as the reason. True if so.
    pub(crate) fn note_total(&mut self) -> bool {
        if self.time_left() {
            return false;
        }
        let own = self.facts().grpc.and_then(|call| call.ends_us);
        if own.is_some() && own == self.ends_us() {
            self.note(
                Flag::TotalTimeout,
                format_args!("the call took longer than its client allows (grpc-timeout)"),
            );
            return true;
        }
        let total = self
            .facts()
            .route
            .and_then(|r| self.route(r).timeouts.total)
            .unwrap_or(0);
        self.note(
            Flag::TotalTimeout,
            format_args!("the exchange took longer than {total} ms (route's timeouts.total)"),
        );
        true
    }

    /// Note who the client is: the peer, or whom a trusted peer names (semantics 39).
    pub(crate) fn note_client(&mut self) {
        let peer = self.client.peer;
        let trusted = self.plan.plan.trusted.takes(peer);
        let named = if trusted { self.named_client() } else { None };
        let facts = self.facts_mut();
        facts.peer_trusted = trusted;
        put_peer(&mut facts.peer_text, peer);
        match named {
            Some(named) => put_ip(&mut facts.client_ip, named),
            None => facts.client_ip.push_str(&facts.peer_text),
        }
    }

    /// The same where no head could be read: the peer is all that is known.
    pub(crate) fn note_peer(&mut self) {
        let peer = self.client.peer;
        let facts = self.facts_mut();
        put_peer(&mut facts.peer_text, peer);
        facts.client_ip.push_str(&facts.peer_text);
    }

    /// The first address from the right of X-Forwarded-For that is not a trusted proxy's.
    fn named_client(&self) -> Option<IpAddr> {
        let mut first = None;
        let mut found = None;
        // Field values come left to right; the search goes from the right, so the last candidate wins.
        for value in self.request().values(b"x-forwarded-for") {
            for part in value.split(|b| *b == b',') {
                let part = part.trim_ascii();
                match std::str::from_utf8(part)
                    .ok()
                    .and_then(|t| t.trim_matches(['[', ']']).parse::<IpAddr>().ok())
                {
                    Some(ip) => {
                        first.get_or_insert(ip);
                        if !self.plan.plan.trusted.contains(ip) {
                            found = Some(ip);
                        }
                    }
                    // Not an address (an obfuscated name, nonsense): what stands left of it cannot be believed either.
                    None => (found, first) = (None, None),
                }
            }
        }
        found.or(first)
    }

    /// Note the exchange's id: a trusted peer's is kept, else a new one is made (semantics 41).
    pub(crate) fn note_id(&mut self) {
        let kept = self.facts().peer_trusted
            && self
                .request()
                .known(ringway_protocols::http1::Known::XRequestId)
                .is_some();
        let lane = self.lane;
        let facts = self.facts_mut();
        facts.id_kept = kept;
        if !kept {
            facts.id = Id(lane.request_id());
        }
    }

    /// The id in use.
    pub(crate) fn id(&self) -> &[u8] {
        let facts = self.facts();
        if facts.id_kept
            && let Some(id) = facts
                .head
                .view(&facts.bytes)
                .known(ringway_protocols::http1::Known::XRequestId)
        {
            return id;
        }
        &facts.id.0
    }

    /// Forget it: the client went before the exchange had begun (nothing of a request came).
    pub(crate) fn forget(mut self) {
        if let Some(facts) = self.facts.take() {
            self.lane.return_facts(facts);
        }
    }

    fn record(&self, facts: &Facts) {
        let plan = &self.plan.plan;
        let flag = match facts.flag {
            None | Some(Flag::None) if facts.would_deny => Flag::WouldDeny,
            flag => flag.unwrap_or(Flag::None),
        };
        let now = io::now_us();
        let duration_us = now.saturating_sub(facts.started_us);
        let worker = self.lane.index;
        let route = facts.route.map(|r| &plan.routes[r]);
        let cells = route.map_or(&plan.unrouted, |r| &r.cells);
        cells.of(worker).exchange(
            facts.status,
            flag,
            duration_us,
            self.caller.received.get(),
            self.caller.sent.get(),
        );
        let grpc_status = facts.grpc.and_then(|call| call.status);
        if let Some(status) = grpc_status {
            cells.of(worker).grpc(status);
        }
        let cluster = facts.cluster.map(|c| &plan.clusters[c]);
        if let Some(cluster) = cluster {
            let upstream_us = facts.first_byte_us.unwrap_or(0);
            cluster
                .cells
                .of(worker)
                .exchange(facts.upstream_status, flag, upstream_us);
        }
        let mut log = self.lane.log.borrow_mut();
        if !log.enabled() {
            return;
        }
        let request = facts.parsed.then(|| facts.head.view(&facts.bytes));
        log.line(&Record {
            time_unix_us: self.lane.unix_us() - duration_us,
            duration_us,
            upstream_us: facts.first_byte_us,
            connect_us: facts.connect_us,
            client: &facts.client_ip,
            identity: self.client.stream.identity().unwrap_or(""),
            tls: self.client.stream.tls().map_or("", |f| f.version.name()),
            peer: &facts.peer_text,
            listener: &plan.listeners[self.listener].name,
            method: request.map_or(b"", |r| r.method()),
            authority: request.map_or(facts.server_name.as_bytes(), |r| r.authority()),
            path: request.map_or(b"", |r| r.target()),
            protocol: if facts.is_bytes {
                "TCP"
            } else if let Some(request) = request {
                heads::version_text(request.version())
            } else if self.caller.call().is_some() {
                heads::version_text(Version::Http2)
            } else {
                heads::version_text(Version::Http11)
            },
            status: facts.status,
            grpc_status: grpc_status.map_or("", |status| status.name()),
            flag,
            reason: &facts.reason,
            route: route.map_or("", |r| &r.name),
            cluster: cluster.map_or("", |c| &c.name),
            destination: self.client.original_text(),
            endpoint: match (cluster, facts.endpoint) {
                (Some(_), Some(_)) if !facts.endpoint_text.is_empty() => &facts.endpoint_text,
                (Some(cluster), Some(endpoint)) => &cluster.targets[endpoint].text,
                _ => "",
            },
            attempts: facts.attempts,
            reused: facts.reused,
            bytes_in: self.caller.received.get(),
            bytes_out: self.caller.sent.get(),
            datagrams: None,
            request_id: if facts.parsed { self.id() } else { b"" },
            user_agent: request
                .and_then(|r| r.known(ringway_protocols::http1::Known::UserAgent))
                .unwrap_or(b""),
            worker,
        });
    }

    /// What the end of the process cuts is said in its log.
    fn report_cut(&self, facts: &Facts) {
        self.lane.report_cut(|| {
            let request = facts.parsed.then(|| facts.head.view(&facts.bytes));
            let text =
                |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
            let route = facts
                .route
                .map_or("none", |r| &self.plan.plan.routes[r].name);
            let seconds = io::now_us().saturating_sub(facts.started_us) as f64 / 1e6;
            match request {
                Some(r) => format!(
                    "{} {}{} after {seconds:.1} s (route {route})",
                    text(r.method()),
                    text(r.authority()),
                    text(r.target())
                ),
                None if facts.is_bytes => {
                    format!("a TCP connection after {seconds:.1} s (route {route})")
                }
                None => format!("an unfinished request head after {seconds:.1} s"),
            }
        });
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        add(&self.lane.shared.gauge.exchanges, -1);
        if self.facts.is_none() {
            return;
        }
        if self.lane.is_stopping() {
            self.note(
                Flag::Cut,
                format_args!("the proxy stopped before it was done"),
            );
            self.report_cut(self.facts());
        }
        self.record(self.facts());
        if let Some(facts) = self.facts.take() {
            self.lane.return_facts(facts);
        }
    }
}

/// An address in text, or that there is none.
fn put_peer(text: &mut String, peer: Option<IpAddr>) {
    match peer {
        Some(ip) => put_ip(text, ip),
        None => text.push_str(UNIX_PEER),
    }
}

/// An address in text. IPv4 by hand: the formatting machinery costs a thousand instructions, a twentieth of a small exchange.
pub(crate) fn put_ip(text: &mut String, ip: IpAddr) {
    let IpAddr::V4(ip) = ip else {
        // Writing to a String cannot fail.
        let _ = write!(text, "{ip}");
        return;
    };
    for (at, octet) in ip.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        if octet >= 100 {
            text.push((b'0' + octet / 100) as char);
        }
        if octet >= 10 {
            text.push((b'0' + octet / 10 % 10) as char);
        }
        text.push((b'0' + octet % 10) as char);
    }
}

/// A wait of `ms`, cut to what is left until `ends_us`.
pub(crate) fn clamp(ms: u32, ends_us: Option<u64>) -> u32 {
    match ends_us {
        None => ms,
        Some(end) => {
            // Rounded up twice (the microseconds here, those of the deadline's clock), so that the end is never early.
            let left = end.saturating_sub(io::now_us()) / 1000 + 2;
            u32::try_from(left).map_or(ms, |left| left.min(ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_std_does() {
        for n in 0..=255u8 {
            for ip in [[n, 0, 255, 10], [1, n, 100, 99], [0, 9, n, n]] {
                let mut text = String::new();
                put_ip(&mut text, ip.into());
                assert_eq!(text, IpAddr::from(ip).to_string());
            }
        }
        let mut text = String::new();
        put_ip(&mut text, "2001:db8::7".parse().unwrap());
        assert_eq!(text, "2001:db8::7");
    }
}
