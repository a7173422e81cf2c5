//! A checked configuration becomes a plan. The only place that maps the configuration's words to those of the balancer, the
//! protocols and the data path. Everything here may fail; nothing that runs is touched until [`Assembler::commit`].

mod resolve;
mod routes;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringway_balancer::{Algorithm, Endpoint, Endpoints, Gate, Load};
use ringway_config::{self as config, Address, Balance, Bind, Config, Intercept, SourceSent};
use ringway_protocols::http1::HeadLimits;
use socket2::SockAddr;

use crate::credentials::{Credentials, Material};
use crate::observe::Registry;
use crate::plan::{
    ActionPlan, ClusterPlan, DoorKey, ListenerPlan, Plan, RoutePlan, Speaks, Target, Timeouts,
    Trusted, UdpPlan,
};
use crate::policy::allow::AllowPlan;
use crate::route::{Router, TcpRouter};

/// Remembers what stays the same from plan to plan: endpoints with their load, limits with their holders.
#[derive(Debug)]
pub(crate) struct Assembler {
    metrics: Arc<Registry>,
    credentials: Credentials,
    targets: HashMap<TargetKey, Arc<Target>>,
    gates: HashMap<String, ClusterGates>,
    listener_gates: HashMap<String, Arc<Gate>>,
}

/// A plan, and what is kept of its making once it is in force.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) plan: Plan,
    pub(crate) material: Material,
}

/// Cluster, and address as written with what it resolved to.
type TargetKey = (String, String, SockAddr);

#[derive(Debug, Clone)]
struct ClusterGates {
    requests: Arc<Gate>,
    connections: Arc<Gate>,
}

impl Assembler {
    pub(crate) fn new(metrics: Arc<Registry>) -> Result<Assembler, String> {
        Ok(Assembler {
            metrics,
            credentials: Credentials::new(unix_seconds())?,
            targets: HashMap::new(),
            gates: HashMap::new(),
            listener_gates: HashMap::new(),
        })
    }

    /// Build the plan. Errors are lines for people, all at once.
    pub(crate) fn assemble(&self, config: &Config) -> Result<Assembled, Vec<String>> {
        let mut errors = Vec::new();
        let material = self.credentials.read(config, unix_seconds(), &mut errors);
        let mut ids = FreeIds::new(&self.targets);
        let clusters = config
            .clusters
            .iter()
            .enumerate()
            .map(|(index, cluster)| ClusterPlan {
                tls: material.connectors.get(&index).cloned(),
                ..self.cluster(cluster, &mut ids, &mut errors)
            })
            .collect();
        let router = Router::compile(config).map_err(|e| errors.extend(e)).ok();
        let mut allow = |allow: &Option<config::Allow>| {
            let allow = allow.as_ref();
            allow.map(|allow| AllowPlan::compile(allow, &mut errors))
        };
        let routes = config.routes.iter().map(|route| RoutePlan {
            allow: allow(&route.allow),
            ..self.route(route)
        });
        let mut routes: Vec<RoutePlan> = routes.collect();
        let listeners = config
            .listeners
            .iter()
            .enumerate()
            .map(|(index, listener)| ListenerPlan {
                allow: allow(&listener.allow),
                tls: material.acceptors.get(&index).cloned(),
                ..self.listener(listener, &config.default_timeouts, &mut routes)
            })
            .collect();
        match router {
            Some(router) if errors.is_empty() => Ok(Assembled {
                plan: Plan {
                    router,
                    listeners,
                    routes,
                    clusters,
                    certificates: material.certificates.clone(),
                    trusted: Trusted::new(&config.server.trusted_proxies),
                    // Both are known when the sockets are (`start`).
                    mark: 0,
                    own: Vec::new(),
                    via: config.server.name.clone(),
                    drain_ms: millis(config.server.drain),
                    unrouted: self.metrics.route("-"),
                },
                material,
            }),
            _ => Err(errors),
        }
    }

    /// The plan has been published: remember what it uses, forget the rest, and let new limits hold.
    pub(crate) fn commit(&mut self, config: &Config, plan: &Plan, material: Material) {
        self.credentials.keep(config, material);
        self.targets = HashMap::new();
        self.gates = HashMap::new();
        for (cluster, built) in config.clusters.iter().zip(&plan.clusters) {
            for target in &built.targets {
                let key = (
                    cluster.name.clone(),
                    target.text.clone(),
                    target.address.clone(),
                );
                self.targets.insert(key, target.clone());
            }
            let gates = ClusterGates {
                requests: built.requests.clone(),
                connections: built.connections.clone(),
            };
            gates
                .requests
                .resize(cluster.limits.requests, cluster.limits.queue);
            gates
                .connections
                .resize(cluster.limits.connections, cluster.limits.queue);
            self.gates.insert(cluster.name.clone(), gates);
        }
        self.listener_gates = HashMap::new();
        for (listener, built) in config.listeners.iter().zip(&plan.listeners) {
            if let (Some(limit), Some(gate)) = (listener.limits.connections, &built.connections) {
                gate.resize(limit, 0);
                self.listener_gates
                    .insert(listener.name.clone(), gate.clone());
            }
        }
    }

    fn cluster(
        &self,
        cluster: &config::Cluster,
        ids: &mut FreeIds,
        errors: &mut Vec<String>,
    ) -> ClusterPlan {
        let mut endpoints = Vec::new();
        let mut targets = Vec::new();
        if let Some(original) = cluster.original {
            let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
            let target = self.target(
                cluster,
                original.to_string(),
                String::new(),
                nowhere.into(),
                ids,
            );
            endpoints.push(Endpoint {
                weight: 1,
                backup: false,
                load: target.load.clone(),
            });
            targets.push(target);
        }
        for endpoint in &cluster.endpoints {
            let text = address_text(&endpoint.address);
            let addresses = match resolve::addresses(&endpoint.address) {
                Ok(addresses) => addresses,
                Err(error) => {
                    errors.push(format!(
                        "{}:{}: cluster `{}`: endpoint {text}: {error}",
                        cluster.at.path, cluster.at.line, cluster.name
                    ));
                    continue;
                }
            };
            for address in addresses {
                let target =
                    self.target(cluster, text.clone(), host(&endpoint.address), address, ids);
                endpoints.push(Endpoint {
                    weight: endpoint.weight,
                    backup: endpoint.backup,
                    load: target.load.clone(),
                });
                targets.push(target);
            }
        }
        let limits = &cluster.limits;
        let gates = self
            .gates
            .get(&cluster.name)
            .cloned()
            .unwrap_or_else(|| ClusterGates {
                requests: Gate::new(limits.requests, limits.queue),
                connections: Gate::new(limits.connections, limits.queue),
            });
        ClusterPlan {
            name: cluster.name.clone(),
            endpoints: Endpoints::new(algorithm(cluster.balance), endpoints),
            targets,
            requests: gates.requests,
            connections: gates.connections,
            queue_for_ms: millis(limits.queue_for),
            original: cluster.original,
            as_client: cluster.source == SourceSent::Client,
            host: cluster.host.clone(),
            pool_idle_ms: millis(cluster.pool_idle),
            proxy_sent: cluster.proxy_protocol,
            protocol: cluster.protocol,
            tls: None,
            cells: self.metrics.cluster(&cluster.name),
        }
    }

    /// The one of before, if there is one.
    fn target(
        &self,
        cluster: &config::Cluster,
        text: String,
        host: String,
        address: SockAddr,
        ids: &mut FreeIds,
    ) -> Arc<Target> {
        let key = (cluster.name.clone(), text, address);
        self.targets.get(&key).cloned().unwrap_or_else(|| {
            let (_, text, address) = key;
            Arc::new(Target {
                id: ids.take(),
                text,
                host,
                address,
                source: None,
                aimed: false,
                load: Arc::new(Load::default()),
            })
        })
    }

    /// A route for each entry of `tcp`, and the matcher that finds it.
    fn tcp(
        &self,
        listener: &str,
        tcp: &config::Tcp,
        defaults: &config::RouteTimeouts,
        routes: &mut Vec<RoutePlan>,
    ) -> TcpRouter {
        let first = routes.len();
        for (position, route) in tcp.routes.iter().enumerate() {
            let name = match tcp.routes.len() {
                1 => format!("listener:{listener}"),
                _ => format!("listener:{listener}:{}", position + 1),
            };
            let timeouts = Timeouts {
                connect: millis(tcp.connect),
                tunnel_idle: millis(tcp.idle),
                ..timeouts(defaults)
            };
            routes.push(self.whole(name, &route.targets, timeouts));
        }
        TcpRouter::compile(&tcp.routes, first)
    }

    /// A listener with `to` or `udp` gets a route of its own behind those of the file, one with `tcp` those of its entries.
    fn listener(
        &self,
        listener: &config::Listener,
        defaults: &config::RouteTimeouts,
        routes: &mut Vec<RoutePlan>,
    ) -> ListenerPlan {
        let tcp = listener
            .tcp
            .as_ref()
            .map(|tcp| self.tcp(&listener.name, tcp, defaults, routes));
        let name = || format!("listener:{}", listener.name);
        let udp = listener.udp.as_ref();
        let whole = listener.to.or(udp.map(|udp| udp.cluster));
        let only_route = if let Some(cluster) = whole {
            let targets = [config::Target { cluster, weight: 1 }];
            Some(self.whole(name(), &targets, timeouts(defaults)))
        } else {
            listener.redirect_https.map(|port| RoutePlan {
                action: ActionPlan::ToHttps { port },
                ..self.whole(name(), &[], timeouts(defaults))
            })
        };
        let only_route = only_route.map(|route| {
            routes.push(route);
            routes.len() - 1
        });
        let limits = &listener.limits;
        let gate = |limit| {
            self.listener_gates
                .get(&listener.name)
                .cloned()
                .unwrap_or_else(|| Gate::new(limit, 0))
        };
        ListenerPlan {
            name: listener.name.clone(),
            doors: listener
                .bind
                .iter()
                .map(|address| door_key(listener, address))
                .collect(),
            allow: None,
            tls: None,
            headers_ms: millis(listener.timeouts.headers),
            idle_ms: millis(listener.timeouts.idle),
            body_ms: millis(listener.timeouts.body),
            handshake_ms: millis(listener.timeouts.handshake),
            detect_ms: millis(listener.timeouts.detect),
            max_age_ms: listener.timeouts.max_age.map(millis),
            max_requests: limits.max_requests,
            limits: HeadLimits {
                head_bytes: limits.header_bytes,
                fields: limits.headers,
                target_bytes: limits.target_bytes,
            },
            body_limit: limits.body,
            connections: limits.connections.map(gate),
            proxied_from: listener.proxy_protocol.as_deref().map(Trusted::new),
            intercept: listener.intercept,
            cells: self.metrics.listener(&listener.name),
            only_route,
            speaks: match (&tcp, listener.detect) {
                (None, _) => Speaks::Http,
                (Some(_), false) => Speaks::Bytes,
                (Some(_), true) => Speaks::Either,
            },
            tcp,
            udp: udp.map(|udp| UdpPlan {
                cluster: udp.cluster,
                idle_ms: millis(udp.idle),
                responses: udp.responses,
            }),
        }
    }
}

/// Ids that no endpoint has, smallest first, so that the pools' tables stay dense over any number of reloads.
struct FreeIds {
    used: Vec<bool>,
    next: usize,
}

impl FreeIds {
    fn new(targets: &HashMap<TargetKey, Arc<Target>>) -> FreeIds {
        let mut used = vec![
            false;
            targets
                .values()
                .map(|t| t.id as usize + 1)
                .max()
                .unwrap_or(0)
        ];
        targets.values().for_each(|t| used[t.id as usize] = true);
        FreeIds { used, next: 0 }
    }

    fn take(&mut self) -> u32 {
        while self.used.get(self.next) == Some(&true) {
            self.next += 1;
        }
        self.next += 1;
        (self.next - 1) as u32
    }
}

/// How a listening socket is known over reloads. The same port of TCP and of UDP are two.
pub(crate) fn door_key(listener: &config::Listener, bind: &Bind) -> DoorKey {
    let udp = if listener.udp.is_some() { "udp " } else { "" };
    // Whether a socket takes any address is said before it is bound.
    let kind = match listener.intercept {
        Intercept::Tproxy => " tproxy",
        Intercept::Off | Intercept::Redirect => "",
    };
    match bind {
        Bind::Tcp(address) if address.port() == 0 => {
            format!("{udp}{} {address}{kind}", listener.name)
        }
        bind => format!("{udp}{bind}{kind}"),
    }
}

fn address_text(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// What a certificate is compared with.
fn host(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Name { host, .. } => host.clone(),
        Address::Unix(_) => String::new(),
    }
}

fn algorithm(balance: Balance) -> Algorithm {
    match balance {
        Balance::P2c => Algorithm::P2c,
        Balance::RoundRobin => Algorithm::RoundRobin,
        Balance::Random => Algorithm::Random,
    }
}

fn timeouts(timeouts: &config::RouteTimeouts) -> Timeouts {
    Timeouts {
        connect: millis(timeouts.connect),
        first_byte: millis(timeouts.first_byte),
        idle: millis(timeouts.idle),
        tunnel_idle: millis(timeouts.tunnel_idle),
        total: timeouts.total.map(millis),
    }
}

fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}
