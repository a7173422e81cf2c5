//! Ringway's configuration.

use super::{BESIDE, File, Http2, Job, Kind, Reload, no_environment};
use crate::scenario::Protocol;

pub(super) const KIND: Kind = Kind {
    name: "ringway",
    programs: &["ringway"],
    install: "cargo build --release -p ringway",
    tcp: true,
    http2: Http2::Both,
    tls: true,
    version: &["--version"],
    reload: Reload::File,
    files,
    arguments: |_| vec!["run".to_owned(), "@FOLDER@/ringway.toml".to_owned()],
    environment: no_environment,
};

fn tcp(job: Job<'_>) -> Vec<File> {
    let text = format!(
        "[server]\nworkers = {}\n\n[listeners.bytes]\nbind = \"@LISTEN@\"\ntcp = \"origin\"\ntimeouts = {{ idle = \"{}\" }}\n\n\
         [access_log]\nto = \"off\"\n\n[admin]\nbind = [\"unix:@FOLDER@/admin.sock\"]\n\n\
         [clusters.origin]\nendpoints = [\"@ORIGIN@\"]\n",
        job.cores,
        if job.odd { "11m" } else { "10m" },
    );
    vec![("ringway.toml", text)]
}

/// Keys of the listener and of the cluster, and the sections that they name.
#[derive(Default)]
struct Secured {
    listener: &'static str,
    cluster: &'static str,
    sections: &'static str,
}

impl Secured {
    fn of(job: Job<'_>) -> Secured {
        match &job.scenario.tls {
            None => Secured::default(),
            Some(tls) => Secured {
                listener: "tls = \"web\"\n",
                cluster: if tls.mutual { CLUSTER_TLS } else { "" },
                sections: if tls.mutual { MUTUAL } else { SERVER_TLS },
            },
        }
    }
}

/// How a route names its cluster.
pub(super) const TO_ORIGIN: &str = "to = \"origin\"\n";
/// What a route says so that nothing is added to heads.
pub(super) const PLAIN: &str = r#"headers = { remove = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id", "via"] }
response_headers = { remove = ["x-request-id", "via"] }
"#;

const CLUSTER_TLS: &str = "tls = { use = \"origin\", name = \"bench.test\" }\n";
const SERVER_TLS: &str = r#"
[tls.web]
certificates = [{ cert = "@CERTIFICATES@/server.pem", key = "@CERTIFICATES@/server.key" }]
min_version = "1.3"
"#;
const MUTUAL: &str = r#"
[tls.web]
certificates = [{ cert = "@CERTIFICATES@/server.pem", key = "@CERTIFICATES@/server.key" }]
min_version = "1.3"
client_cert = "required"
trust = ["@CERTIFICATES@/authority.pem"]

[tls.origin]
certificates = [{ cert = "@CERTIFICATES@/client.pem", key = "@CERTIFICATES@/client.key" }]
min_version = "1.3"
trust = ["@CERTIFICATES@/authority.pem"]
"#;

fn files(job: Job<'_>) -> Vec<File> {
    if job.scenario.protocol == Protocol::Tcp {
        return tcp(job);
    }
    let Secured {
        listener,
        cluster,
        sections,
    } = Secured::of(job);
    let upstream = match job.scenario.origin.http2 {
        true => "protocol = \"h2\"\n",
        false => "",
    };
    let mut text = format!(
        "[server]\nworkers = {}\n\n[listeners.web]\nbind = \"@LISTEN@\"\n{listener}timeouts = {{ idle = \"10m\" }}\n\n\
         [access_log]\nto = \"off\"\n\n[admin]\nbind = [\"unix:@FOLDER@/admin.sock\"]\n\n\
         [clusters.origin]\nendpoints = [\"@ORIGIN@\"]\n{upstream}{cluster}{sections}",
        job.cores,
    );
    if job.beside {
        text.push_str(&format!(
            "\n[clusters.other]\nendpoints = [\"@OTHER@\"]\n{upstream}\n[[routes]]\nmatch = {{ path = \"{BESIDE}\" }}\nto = \"other\"\n"
        ));
    }
    if job.odd {
        text.push_str(
            "\n[[routes]]\nname = \"odd\"\nmatch = { path = \"/odd/*\" }\nto = \"origin\"\n",
        );
    }
    if job.scenario.proxy.routes == 0 {
        text.push_str("\n[[routes]]\nto = \"origin\"\n");
    }
    for host in job.hosts() {
        text.push_str(&format!(
            "\n[[routes]]\nmatch = {{ host = \"{host}\" }}\nto = \"origin\"\n"
        ));
    }
    vec![("ringway.toml", text)]
}
