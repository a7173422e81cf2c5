//! Clusters: names that are unique, `like`, endpoints that can be used, and who names a cluster.
//! Not the text of an endpoint (`raw`).

use super::tls::TlsTables;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Cluster, Endpoint, Protocol, Target};
use crate::place::{At, Span};
use crate::raw::{self, Endpoints, To};
use crate::suggest::nearest;
use crate::units::quote;
use std::collections::{HashMap, HashSet};

/// A chain of `like` that is longer is no help to anybody.
const LONGEST_LIKE: usize = 16;

/// All clusters known so far, and which of them something is sent to.
pub(crate) struct Clusters {
    list: Vec<Cluster>,
    by_name: HashMap<String, usize>,
    /// Of the named ones, in the order of `list`.
    spans: Vec<Span>,
    used: Vec<bool>,
}

impl Clusters {
    pub(crate) fn read(
        all: &[raw::Cluster],
        tls: &mut TlsTables,
        findings: &mut Findings<'_>,
    ) -> Clusters {
        let mut clusters = Clusters {
            list: Vec::new(),
            by_name: HashMap::new(),
            spans: Vec::new(),
            used: Vec::new(),
        };
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for (position, cluster) in all.iter().enumerate() {
            let name = &cluster.name;
            if let Some(first) = positions.get(name.value.as_str()) {
                let place = findings.refer(name.span, all[*first].name.span);
                let message = format!(
                    "cluster {} is defined twice (first: {place})",
                    quote(&name.value)
                );
                findings.error(name.span, message);
                continue;
            }
            positions.insert(&name.value, position);
        }
        for (position, cluster) in all.iter().enumerate() {
            if positions.get(cluster.name.value.as_str()) != Some(&position) {
                continue;
            }
            let made = make(cluster, all, &positions, tls, findings);
            clusters
                .by_name
                .insert(made.name.clone(), clusters.list.len());
            clusters.spans.push(cluster.name.span);
            clusters.used.push(false);
            clusters.list.push(made);
        }
        clusters
    }

    /// The clusters that `to` means, with their weights; inline endpoints become a cluster named `owner`.
    pub(crate) fn targets(
        &mut self,
        to: &To,
        owner: String,
        findings: &mut Findings<'_>,
    ) -> Vec<Target> {
        match to {
            To::Cluster(name) => {
                let weight = defaults::WEIGHT;
                let found = self.find(name, findings);
                found
                    .map(|cluster| Target { cluster, weight })
                    .into_iter()
                    .collect()
            }
            To::Split(sides) => {
                let mut targets = Vec::new();
                for side in sides {
                    if let Some(cluster) = self.find(&side.cluster, findings) {
                        targets.push(Target {
                            cluster,
                            weight: side.weight,
                        });
                    }
                }
                if let Some(first) = sides.first()
                    && sides.iter().all(|side| side.weight == 0)
                {
                    findings.error(
                        first.cluster.span,
                        "all weights of this split are 0, so nothing could be sent",
                    );
                }
                targets
            }
            To::Endpoints(endpoints) => {
                check_endpoints(endpoints, findings);
                let cluster = self.list.len();
                self.used.push(true);
                self.list.push(Cluster {
                    name: owner,
                    at: findings.place(endpoints.span),
                    endpoints: values(endpoints),
                    original: endpoints.original,
                    ..built_in()
                });
                vec![Target {
                    cluster,
                    weight: defaults::WEIGHT,
                }]
            }
        }
    }

    /// The cluster at an index that came from here.
    pub(crate) fn get(&self, index: usize) -> Option<&Cluster> {
        self.list.get(index)
    }

    fn find(&mut self, name: &At<String>, findings: &mut Findings<'_>) -> Option<usize> {
        if let Some(found) = self.by_name.get(&name.value) {
            self.used[*found] = true;
            return Some(*found);
        }
        let message = format!("no cluster named {}", quote(&name.value));
        if findings.is_crowded() {
            findings.error(name.span, message);
            return None;
        }
        let names = self.list.iter().take(self.spans.len());
        if let Some(meant) = nearest(&name.value, names.map(|cluster| cluster.name.as_str())) {
            let place = self
                .by_name
                .get(meant)
                .and_then(|found| self.spans.get(*found))
                .map(|span| findings.refer(name.span, *span))
                .unwrap_or_default();
            findings.error_help(
                name.span,
                message,
                format!("there is \"{meant}\" ({place})"),
            );
        } else if raw::parse_endpoint(&name.value).is_ok() {
            let help = format!("endpoints stand in a list: to = [{}]", quote(&name.value));
            findings.error_help(name.span, message, help);
        } else {
            let help = format!("clusters are tables: [clusters.{}]", name.value);
            findings.error_help(name.span, message, help);
        }
        None
    }

    /// The named clusters that nothing is sent to.
    pub(crate) fn warn_unused(&self, findings: &mut Findings<'_>) {
        for ((cluster, span), used) in self.list.iter().zip(&self.spans).zip(&self.used) {
            if !used {
                let message = format!("cluster \"{}\" is not used by any route", cluster.name);
                findings.warn(*span, message, None);
            }
        }
    }

    /// Whether it sends connections to where they were going.
    pub(crate) fn is_original(&self, cluster: usize) -> bool {
        self.list
            .get(cluster)
            .is_some_and(|cluster| cluster.original.is_some())
    }

    /// As it is to be named to people.
    pub(crate) fn name(&self, cluster: usize) -> &str {
        self.list.get(cluster).map_or("", |c| c.name.as_str())
    }

    pub(crate) fn into_list(self) -> Vec<Cluster> {
        self.list
    }
}

fn built_in() -> Cluster {
    Cluster {
        name: String::new(),
        at: crate::Place::default(),
        endpoints: Vec::new(),
        original: None,
        balance: defaults::BALANCE,
        limits: defaults::CLUSTER_LIMITS,
        host: defaults::HOST,
        pool_idle: defaults::POOL_IDLE,
        source: defaults::SOURCE_SENT,
        proxy_protocol: defaults::PROXY_SENT,
        protocol: defaults::PROTOCOL,
        tls: None,
    }
}

/// One named cluster: its own keys, then those of the cluster it is like, then the built-in ones.
fn make(
    cluster: &raw::Cluster,
    all: &[raw::Cluster],
    positions: &HashMap<&str, usize>,
    tls: &mut TlsTables,
    findings: &mut Findings<'_>,
) -> Cluster {
    let before = findings.errors();
    let chain = chain(cluster, all, positions, findings);
    if let Some(own) = &cluster.endpoints {
        check_endpoints(own, findings);
    }
    let endpoints = chain.iter().find_map(|link| link.endpoints.as_ref());
    if endpoints.is_none() && !cluster.endpoints_meant && findings.errors() == before {
        let message = format!("cluster {} has no `endpoints`", quote(&cluster.name.value));
        findings.error_help(
            cluster.name.span,
            message,
            "e.g. endpoints = [\"10.0.0.1:80\"]",
        );
    }
    let original = endpoints.and_then(|e| e.original);
    let endpoints = endpoints.map(values).unwrap_or_default();
    let typed_tls = chain.iter().find_map(|link| link.tls.as_ref());
    let protocol = chain.iter().find_map(|link| link.protocol.as_ref());
    if let (Some(protocol), None) = (protocol, typed_tls)
        && protocol.value == Protocol::Auto
        // Of a cluster that it is like: said there, but for a `tls` that came and went.
        && cluster.protocol.is_some()
    {
        let message = "protocol = \"auto\" needs `tls`: an endpoint says in its handshake (ALPN) which HTTP it speaks";
        let help = "without TLS write what it speaks: \"h1\" or \"h2\"";
        findings.error_help(protocol.span, message, help);
    }
    let tls = typed_tls.and_then(|own| tls.of_cluster(own, &endpoints, findings));
    let built_in = built_in();
    Cluster {
        name: cluster.name.value.clone(),
        at: findings.place(cluster.name.span),
        endpoints,
        original,
        balance: first(&chain, |link| link.balance).unwrap_or(built_in.balance),
        limits: first(&chain, |link| link.limits).unwrap_or(built_in.limits),
        host: first(&chain, |link| link.host.clone()).unwrap_or(built_in.host),
        pool_idle: first(&chain, |link| link.pool_idle).unwrap_or(built_in.pool_idle),
        source: first(&chain, |link| link.source).unwrap_or(built_in.source),
        proxy_protocol: first(&chain, |link| link.proxy_protocol)
            .unwrap_or(built_in.proxy_protocol),
        protocol: protocol.map_or(built_in.protocol, |protocol| protocol.value),
        tls,
    }
}

fn first<T>(chain: &[&raw::Cluster], of: impl Fn(&raw::Cluster) -> Option<T>) -> Option<T> {
    chain.iter().find_map(|link| of(link))
}

/// The cluster and those it is like, nearest first.
fn chain<'r>(
    cluster: &'r raw::Cluster,
    all: &'r [raw::Cluster],
    positions: &HashMap<&str, usize>,
    findings: &mut Findings<'_>,
) -> Vec<&'r raw::Cluster> {
    let mut chain = vec![cluster];
    let mut link = cluster;
    while let Some(like) = &link.like {
        let Some(next) = positions.get(like.value.as_str()).map(|at| &all[*at]) else {
            // Said once, by the cluster that has the key.
            if std::ptr::eq(link, cluster) {
                unknown_like(like, all, findings);
            }
            break;
        };
        if chain.iter().any(|known| std::ptr::eq(*known, next)) || chain.len() >= LONGEST_LIKE {
            if let Some(own) = &cluster.like {
                let message = if chain.len() >= LONGEST_LIKE {
                    format!("`like` leads through more than {LONGEST_LIKE} clusters")
                } else {
                    format!("`like` goes in a circle: {}", circle(&chain, next))
                };
                findings.error(own.span, message);
            }
            break;
        }
        chain.push(next);
        link = next;
    }
    chain
}

fn unknown_like(like: &At<String>, all: &[raw::Cluster], findings: &mut Findings<'_>) {
    let message = format!("no cluster named {}", quote(&like.value));
    let names = all.iter().map(|cluster| cluster.name.value.as_str());
    if !findings.is_crowded()
        && let Some(meant) = nearest(&like.value, names)
    {
        findings.error_help(like.span, message, format!("did you mean \"{meant}\"?"));
    } else {
        findings.error(like.span, message);
    }
}

fn circle(chain: &[&raw::Cluster], end: &raw::Cluster) -> String {
    let names = chain.iter().map(|link| link.name.value.as_str());
    let all: Vec<&str> = names.chain([end.name.value.as_str()]).collect();
    all.join(" -> ")
}

fn values(endpoints: &Endpoints) -> Vec<Endpoint> {
    endpoints.list.iter().map(|e| e.value.clone()).collect()
}

fn check_endpoints(endpoints: &Endpoints, findings: &mut Findings<'_>) {
    if endpoints.torn || endpoints.list.is_empty() {
        return;
    }
    if endpoints.list.iter().all(|e| e.value.weight == 0) {
        findings.error(
            endpoints.span,
            "all weights are 0, so no endpoint could be picked",
        );
    }
    let mut seen = HashSet::new();
    for endpoint in &endpoints.list {
        if !seen.insert(&endpoint.value.address) {
            let message = format!("endpoint \"{}\" is listed twice", endpoint.value.address);
            findings.warn(
                endpoint.span,
                message,
                Some("`weight` gives it a larger share".to_owned()),
            );
        }
    }
}
