//! What one load worker owns: the request's bytes, the tally, and how one request is made.
//!
//! Not when requests are made: that is the affair of the loops.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringway_io::{Stream, dial};
use socket2::SockAddr;

use super::verify::{self, Expect, Fault};
use super::{COUNTING, OVER, Report, Share, Spec, Stage};
use crate::http2;
use crate::message::{self, Dice};
use crate::scenario::{Load, Protocol};
use crate::secured::{Client, Wire};

/// A request without an answer for so long has failed.
pub(super) const PATIENCE_MS: u32 = 10_000;
/// Every so many answers, the whole body is compared.
const SAMPLE: u64 = 64;

/// One load worker's belongings.
pub(crate) struct Lane {
    pub(crate) load: Load,
    pub(crate) share: Share,
    pub(crate) stage: Arc<Stage>,
    pub(crate) tally: RefCell<Tally>,
    address: SockAddr,
    /// Of connections by TLS that share a memory of sessions.
    client: Option<Client>,
    protocol: Protocol,
    heads: Vec<&'static [u8]>,
    /// Bodies are messages of gRPC.
    pub(super) grpc: bool,
    pub(super) upload: &'static [u8],
    pub(super) expect: Expect,
    dice: RefCell<Dice>,
    asked: Cell<u64>,
}

impl Lane {
    pub(crate) fn new(
        spec: &Spec,
        stage: Arc<Stage>,
        share: Share,
        client: Option<Client>,
    ) -> Rc<Lane> {
        let load = spec.scenario.load.clone();
        let grpc = spec.scenario.origin.grpc;
        Rc::new(Lane {
            grpc,
            heads: message::request_heads(&load),
            upload: http2::body(load.body, grpc),
            expect: Expect {
                body: match spec.scenario.protocol {
                    Protocol::Http => http2::body(spec.scenario.origin.body, grpc),
                    Protocol::Tcp => message::body(load.body),
                },
            },
            protocol: spec.scenario.protocol,
            address: spec.address.into(),
            client,
            dice: RefCell::new(Dice::new(share.index as u64 * 2 + 1)),
            asked: Cell::new(0),
            tally: RefCell::default(),
            load,
            share,
            stage,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage.phase() == OVER
    }

    /// A fresh connection.
    pub(crate) async fn connect(&self) -> Result<Wire, Fault> {
        self.connect_as(self.client.as_ref()).await
    }

    /// The same of somebody who remembers its own sessions.
    pub(crate) async fn connect_as(&self, client: Option<&Client>) -> Result<Wire, Fault> {
        let stream = self.dial().await?;
        let Some(client) = client else {
            return Ok(stream.into());
        };
        stream.set_deadline(PATIENCE_MS);
        let secured = client.secure(stream).await;
        secured.map_err(|e| Fault::Wrong(format!("no TLS: {e}")))
    }

    /// Another client, where there is TLS.
    pub(crate) fn another_client(&self) -> Result<Option<Client>, Fault> {
        let another = self.client.as_ref().map(Client::another).transpose();
        another.map_err(|e| Fault::Wrong(e.to_string()))
    }

    /// A fresh connection for bytes as they are.
    pub(super) async fn dial(&self) -> Result<Stream, Fault> {
        dial(&self.address, PATIENCE_MS)
            .await
            .map_err(|e| Fault::Wrong(format!("cannot connect: {e}")))
    }

    /// One request and its answer on this connection; over TCP: a message, and the same back.
    pub(crate) async fn ask(&self, wire: &Wire) -> Result<(), Fault> {
        wire.set_deadline(PATIENCE_MS);
        let gone = |e: std::io::Error| Fault::Closed(e.to_string());
        if self.protocol == Protocol::Tcp {
            wire.send(&[self.upload]).await.map_err(gone)?;
            return verify::echo(wire, self.expect).await;
        }
        let head = match self.heads.len() {
            1 => self.heads[0],
            n => self.heads[self.dice.borrow_mut().below(n)],
        };
        let whole = self.is_sample();
        wire.send(&[head, self.upload]).await.map_err(gone)?;
        verify::answer(wire, self.expect, whole).await
    }

    /// Is the next answer's body to be compared whole?
    pub(super) fn is_sample(&self) -> bool {
        let asked = self.asked.get();
        self.asked.set(asked + 1);
        asked.is_multiple_of(SAMPLE)
    }

    /// An answer is in whose request was to start then.
    pub(crate) fn count(&self, started: Instant) {
        self.count_at(started, Instant::now());
    }

    /// The same of one that was in at this time.
    pub(super) fn count_at(&self, started: Instant, now: Instant) {
        if self.stage.phase() == COUNTING {
            let mut tally = self.tally.borrow_mut();
            tally.requests += 1;
            tally.body_bytes += (self.upload.len() + self.expect.body.len()) as u64;
            tally.record(now.saturating_duration_since(started));
        }
    }

    /// Bytes of an endless row have passed.
    pub(crate) fn moved(&self, n: usize) {
        if self.stage.phase() == COUNTING {
            let mut tally = self.tally.borrow_mut();
            tally.body_bytes += n as u64;
            tally.requests = tally.body_bytes >> 20;
        }
    }

    /// The end of a connection that had its answer. Over TCP it is the client's affair, and the origin answers it: so both are passed on.
    /// With TLS the proxy announces it: a close with that unread would be a reset.
    pub(crate) async fn end(&self, wire: Wire) -> Result<(), Fault> {
        if self.protocol == Protocol::Tcp {
            wire.shutdown_write();
        }
        if self.protocol == Protocol::Tcp || wire.is_secured() {
            verify::end(&wire).await?;
        }
        Ok(())
    }

    /// A connection that was closed between two requests: is that borne?
    pub(crate) fn bears(&self, fault: &Fault, had_answers: bool) -> bool {
        let borne = self.load.survive_close && had_answers && matches!(fault, Fault::Closed(_));
        if borne {
            self.tally.borrow_mut().reconnects += 1;
        }
        borne
    }

    pub(crate) fn fail(&self, fault: &Fault) {
        if !self.is_over() {
            self.stage.fail(fault.to_string());
        }
    }
}

/// What one load worker counts.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
    pub(crate) reconnects: u64,
    /// Nanoseconds, three digits, up to a minute.
    latency: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(100, 60_000_000_000, 3);
        Tally {
            requests: 0,
            body_bytes: 0,
            reconnects: 0,
            latency: latency.expect("constant bounds that the histogram allows"),
        }
    }
}

impl Tally {
    fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos);
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.body_bytes += other.body_bytes;
        self.reconnects += other.reconnects;
        // Same bounds, so that it cannot fail.
        let _ = self.latency.add(&other.latency);
    }

    /// Quantiles of the curve: ten for each nine.
    pub(crate) fn fill(&self, report: &mut Report) {
        report.requests = self.requests;
        report.body_bytes = self.body_bytes;
        report.reconnects = self.reconnects;
        if self.latency.is_empty() {
            return;
        }
        let us = |q: f64| (self.latency.value_at_quantile(q) as f64 / 100.0).round() / 10.0;
        let steps = (0..=50).map(|i| 1.0 - 10f64.powf(-f64::from(i) / 10.0));
        let mut quantiles: Vec<f64> = steps
            .chain([0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 0.9999, 1.0])
            .map(|q| (q * 1e7).round() / 1e7)
            .collect();
        quantiles.sort_by(f64::total_cmp);
        quantiles.dedup();
        report.latency = quantiles.into_iter().map(|q| (q, us(q))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_the_percentiles_that_are_told() {
        let mut tally = Tally::default();
        for us in 1..=10_000u64 {
            tally.record(Duration::from_micros(us));
        }
        let mut report = Report::default();
        tally.fill(&mut report);
        for (q, us) in [
            (0.5, 5_000.0),
            (0.99, 9_900.0),
            (0.999, 9_990.0),
            (1.0, 10_000.0),
        ] {
            let found = report.latency.iter().find(|(at, _)| *at == q);
            let (_, got) = found.unwrap_or_else(|| panic!("no quantile {q}"));
            assert!((got / us - 1.0).abs() < 0.002, "{q}: {got}");
        }
        assert!(
            report
                .latency
                .windows(2)
                .all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1)
        );
    }
}
