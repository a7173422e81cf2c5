//! HAProxy's configuration.

use rustix::process::Signal;

use super::{BESIDE, File, Http2, Job, Kind, Reload, no_environment};
use crate::scenario::Protocol;

pub(super) const KIND: Kind = Kind {
    name: "haproxy",
    programs: &["haproxy"],
    install: "apt-get install haproxy",
    tcp: true,
    http2: Http2::Both,
    tls: true,
    version: &["-v"],
    reload: Reload::Signal(Signal::USR2),
    files,
    arguments,
    environment: no_environment,
};

/// By its own judgement, which may be never.
pub(super) const SPLICE: &str = "  option splice-auto\n";
/// In any case.
pub(super) const ALWAYS_SPLICE: &str = "  option splice-request\n  option splice-response\n";
/// And through pipes of 1 MiB. (It takes a second section of global settings.)
pub(super) const LARGE_PIPES: &str = "global\n  tune.pipesize 1048576\n";

/// Where its rules begin.
pub(super) const FRONTEND: &str = "frontend web\n";
/// The fields that Ringway adds to requests and answers by default.
pub(super) const FORWARDS: &str = "  option forwardfor\n  unique-id-format %[uuid()]\n  unique-id-header X-Request-Id\n\
    \x20 http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n  http-request set-header X-Forwarded-Host %[req.hdr(host)]\n\
    \x20 http-request set-header X-Forwarded-Port %[dst_port]\n  http-request add-header Via \"%[req.ver] haproxy\"\n\
    \x20 http-response set-header X-Request-Id %[unique-id]\n  http-response add-header Via \"%[res.ver] haproxy\"\n";

fn arguments(job: Job<'_>) -> Vec<String> {
    // Only a master can be reloaded; without reloads it is one process, as in `-db`.
    let mode = if job.scenario.proxy.reload_every.is_some() {
        "-W"
    } else {
        "-db"
    };
    [mode, "-f", "@FOLDER@/haproxy.cfg"]
        .map(str::to_owned)
        .to_vec()
}

/// Bytes; `mod` puts in how they are spliced.
fn tcp(job: Job<'_>) -> Vec<File> {
    let text = format!(
        "global\n  no strict-limits\n  nbthread {}\n  maxconn {}\n\ndefaults\n  mode tcp\n  no log\n  timeout connect 5s\n\
         \x20 timeout client 10m\n  timeout server 10m\n{SPLICE}\nfrontend bytes\n  bind @LISTEN@ backlog 4096\n  default_backend origin\n\n\
         backend origin\n  server origin @ORIGIN@\n",
        job.cores,
        job.connections(),
    );
    vec![("haproxy.cfg", text)]
}

/// What `global`, `bind` and `server` have beside the rest.
#[derive(Default)]
struct Secured {
    global: &'static str,
    bind: String,
    server: &'static str,
}

impl Secured {
    fn of(job: Job<'_>) -> Secured {
        let Some(tls) = &job.scenario.tls else {
            return Secured::default();
        };
        let mut bind = format!(" ssl crt @CERTIFICATES@/server.both curves X25519{PINNED}");
        if !tls.resume {
            bind.push_str(" no-tls-tickets");
        }
        if tls.mutual {
            bind.push_str(" ca-file @CERTIFICATES@/authority.pem verify required");
        }
        Secured {
            global: NO_STORE,
            bind,
            server: if tls.mutual { SERVER } else { "" },
        }
    }
}

/// Then there is nothing but tickets to resume by.
const NO_STORE: &str = "  tune.ssl.cachesize 0\n";
const PINNED: &str = " ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256";
const SERVER: &str = " ssl crt @CERTIFICATES@/client.both ca-file @CERTIFICATES@/authority.pem verify required verifyhost bench.test \
    sni str(bench.test) ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256";

fn files(job: Job<'_>) -> Vec<File> {
    if job.scenario.protocol == Protocol::Tcp {
        return tcp(job);
    }
    let routed = job.scenario.proxy.routes > 0;
    let choose = match (routed, job.beside) {
        (true, _) => {
            "  use_backend %[req.hdr(host),lower,map(@FOLDER@/haproxy.map,none)]\n".to_owned()
        }
        (false, true) => {
            format!("  use_backend other if {{ path {BESIDE} }}\n  default_backend origin\n")
        }
        (false, false) => "  default_backend origin\n".to_owned(),
    };
    let none = if routed {
        "\nbackend none\n  http-request return status 404\n"
    } else {
        ""
    };
    let proto = |http2| if http2 { " proto h2" } else { "" };
    let clients = proto(job.scenario.load.streams > 0);
    let upstream = proto(job.scenario.origin.http2);
    let Secured {
        global,
        bind,
        server,
    } = Secured::of(job);
    // It wants two files for each connection that may be; where the system has fewer it shall go on with these. By default it keeps no
    // idle upstream connections once a fifth of the files are in use, which many clients alone are.
    let mut text = format!(
        "global\n  no strict-limits\n  tune.pool-low-fd-ratio 90\n  tune.pool-high-fd-ratio 95\n{global}  nbthread {}\n  maxconn {}\n\ndefaults\n  mode http\n  no log\n  option http-keep-alive\n\
         \x20 http-reuse always\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n\
         \x20 timeout http-keep-alive 10m\n  timeout http-request 10s\n\nfrontend web\n  bind @LISTEN@ backlog 4096{bind}{clients}\n{choose}\n\
         backend origin\n  server origin @ORIGIN@{server}{upstream}\n{none}",
        job.cores,
        job.connections(),
    );
    if job.beside {
        text.push_str(&format!(
            "\nbackend other\n  server other @OTHER@{upstream}\n"
        ));
    }
    let mut files = vec![("haproxy.cfg", text)];
    if routed {
        let map = job.hosts().map(|host| format!("{host} origin\n")).collect();
        files.push(("haproxy.map", map));
    }
    files
}
