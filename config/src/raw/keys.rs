//! Which keys each table has, and which it will have one day.
//! Not what their values mean.

use crate::suggest::{either, nearest};

/// The keys of one kind of table.
pub(crate) struct Keys {
    /// How help names this kind of table.
    pub(crate) place: &'static str,
    /// Keys that are read.
    pub(crate) here: &'static [&'static str],
    /// Keys of the format that no code stands behind yet.
    pub(crate) later: &'static [&'static str],
}

macro_rules! tables {
    ($($name:ident: $place:literal, [$($here:literal),*], [$($later:literal),*];)*) => {
        $(pub(crate) static $name: Keys = Keys { place: $place, here: &[$($here),*], later: &[$($later),*] };)*
        /// All of them, for "a key in the wrong table".
        static ALL: &[&Keys] = &[$(&$name),*];
    };
}

tables! {
    ROOT: "the top level",
        ["version", "include", "server", "listeners", "routes", "defaults", "clusters", "admin", "access_log", "tls", "policies"],
        ["discovery", "tracing", "tests"];
    SERVER: "[server]", ["workers", "io", "drain", "trusted_proxies", "name", "mark"], [];
    LISTENER: "[listeners.x]", ["bind", "timeouts", "limits", "to", "tcp", "detect", "udp", "responses", "proxy_protocol", "intercept", "tls", "redirect", "policies"],
        ["protocol"];
    UNIX_BIND: "`bind` of [listeners.x]", ["unix", "mode", "owner"], [];
    LISTENER_TIMEOUTS: "`timeouts` of [listeners.x]", ["headers", "idle", "body", "connect", "handshake", "detect", "max_age"], [];
    LISTENER_LIMITS: "`limits` of [listeners.x]",
        ["connections", "header_bytes", "headers", "target_bytes", "body", "max_requests"], ["per_ip"];
    ROUTE: "[[routes]]",
        ["name", "match", "to", "split_by", "redirect", "respond", "headers", "response_headers", "rewrite", "timeouts", "limits", "policies", "allow", "enforce", "grpc_web"],
        ["retry", "rate_limit", "compress", "jwt", "hedge", "mirror"];
    MATCH: "`match` of [[routes]]", ["listener", "host", "path", "method", "headers", "query", "identity", "grpc"], [];
    TCP_ROUTE: "an entry of `tcp`", ["sni", "alpn", "destination", "to"], [];
    TARGET: "`to` of [[routes]]", ["cluster", "weight"], [];
    ENDPOINT: "`endpoints` of [clusters.x]", ["address", "weight", "backup"], ["zone"];
    EDITS: "`headers` of [[routes]]", ["set", "add", "remove"], [];
    REDIRECT: "`redirect` of [[routes]]", ["status", "to"], [];
    RESPOND: "`respond` of [[routes]]", ["status", "body", "content_type"], [];
    REWRITE: "`rewrite` of [[routes]]", ["prefix", "path"], [];
    ROUTE_TIMEOUTS: "`timeouts` of [[routes]] or [defaults]",
        ["connect", "first_byte", "idle", "tunnel_idle", "total"], [];
    BODY_LIMITS: "`limits` of [[routes]] or [defaults]", ["body"], [];
    DEFAULTS: "[defaults]", ["timeouts", "limits", "allow", "enforce"],
        ["retry", "rate_limit", "compress", "jwt", "hedge"];
    POLICY: "[policies.x]", ["allow", "enforce"],
        ["retry", "rate_limit", "compress", "jwt", "hedge", "mirror"];
    ALLOW: "a rule of `allow`", ["identity", "method", "path", "headers", "address"], ["claim"];
    CLUSTER: "[clusters.x]", ["endpoints", "balance", "limits", "like", "host", "pool", "proxy_protocol", "source", "protocol", "tls"],
        ["health", "outlier", "panic", "slow_start", "retry", "bounded"];
    CLUSTER_LIMITS: "`limits` of [clusters.x]", ["connections", "requests", "queue", "queue_for"], [];
    PROXY_FROM: "`proxy_protocol` of [listeners.x]", ["from"], [];
    TLS: "[tls.x]", ["certificates", "trust", "crl", "client_cert", "min_version"], ["acme", "spire"];
    CERTIFICATE: "`certificates` of [tls.x]", ["cert", "key", "ocsp"], [];
    CLUSTER_TLS: "`tls` of [clusters.x]", ["use", "name", "identity", "insecure"], [];
    POOL: "`pool` of [clusters.x]", ["idle"], [];
    ADMIN: "[admin]", ["bind", "token"], ["ui"];
    SECRET: "a secret", ["file", "env"], [];
    ACCESS_LOG: "[access_log]", ["to"], ["format", "sample"];
}

impl Keys {
    /// What to write instead of a key that is not one of these.
    pub(crate) fn instead_of(&'static self, wrong: &str) -> String {
        let own = self.here.iter().chain(self.later).copied();
        if let Some(key) = nearest(wrong, own) {
            return if self.later.contains(&key) {
                format!("did you mean `{key}`? It is not in this version yet")
            } else {
                format!("did you mean `{key}`?")
            };
        }
        let others = || ALL.iter().filter(|keys| !std::ptr::eq(**keys, self));
        let owners: Vec<&str> = others()
            .filter(|keys| keys.here.contains(&wrong))
            .map(|keys| keys.place)
            .collect();
        if !owners.is_empty() {
            // Three places say where to look; a list of all is no help.
            return format!(
                "`{wrong}` belongs in {}",
                either(&owners[..owners.len().min(3)])
            );
        }
        if let Some(key) = nearest(wrong, others().flat_map(|keys| keys.here).copied())
            && let Some(owner) = others().find(|keys| keys.here.contains(&key))
        {
            return format!("did you mean `{key}`, which belongs in {}?", owner.place);
        }
        format!("the keys here are {}", self.here.join(", "))
    }
}
