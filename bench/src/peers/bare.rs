//! The forwarder of `bare`, which is this program and has no configuration.

use super::{Http2, Job, Kind, Reload, no_environment};

pub(super) const KIND: Kind = Kind {
    name: "bare-h2",
    programs: &[],
    install: "cargo build --release -p ringway-bench",
    tcp: false,
    http2: Http2::Only,
    tls: false,
    version: &["--version"],
    reload: Reload::No("it has no configuration"),
    files: |_| Vec::new(),
    arguments,
    environment: no_environment,
};

fn arguments(job: Job<'_>) -> Vec<String> {
    let threads = job.cores.to_string();
    ["bare-h2", "@LISTEN@", "@ORIGIN@", threads.as_str()]
        .map(str::to_owned)
        .to_vec()
}
