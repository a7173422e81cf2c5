//! Ringway's configuration.

use super::{File, Http2, Job, Kind, Reload, no_environment};
use crate::scenario::Protocol;

pub(super) const KIND: Kind = Kind {
    name: "ringway",
    programs: &["ringway"],
    install: "cargo build --release -p ringway",
    tcp: true,
    http2: Http2::Both,
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

fn files(job: Job<'_>) -> Vec<File> {
    if job.scenario.protocol == Protocol::Tcp {
        return tcp(job);
    }
    let mut text = format!(
        "[server]\nworkers = {}\n\n[listeners.web]\nbind = \"@LISTEN@\"\ntimeouts = {{ idle = \"10m\" }}\n\n\
         [access_log]\nto = \"off\"\n\n[admin]\nbind = [\"unix:@FOLDER@/admin.sock\"]\n\n\
         [clusters.origin]\nendpoints = [\"@ORIGIN@\"]\n{}",
        job.cores,
        if job.scenario.origin.http2 {
            "protocol = \"h2\"\n"
        } else {
            ""
        },
    );
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
