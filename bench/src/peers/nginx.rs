//! nginx's configuration.

use rustix::process::Signal;

use super::{BESIDE, File, Http2, Job, Kind, Reload, no_environment};
use crate::scenario::Protocol;

pub(super) const KIND: Kind = Kind {
    name: "nginx",
    programs: &["nginx"],
    install: "apt-get install nginx-light",
    tcp: true,
    http2: Http2::Clients,
    tls: true,
    version: &["-v"],
    reload: Reload::Signal(Signal::HUP),
    files,
    arguments: |_| {
        [
            "-e",
            "stderr",
            "-p",
            "@FOLDER@",
            "-c",
            "@FOLDER@/nginx.conf",
        ]
        .map(str::to_owned)
        .to_vec()
    },
    environment: no_environment,
};

/// Names in the table of hosts, which has room for 512 by default.
const HASH_FROM: usize = 100;

/// Where Debian's package libnginx-mod-stream puts it.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

fn tcp(job: Job<'_>) -> Vec<File> {
    let connections = job.connections() * 2;
    let text = format!(
        "load_module {STREAM_MODULE};\ndaemon off;\nmaster_process on;\nworker_processes {};\npid @FOLDER@/nginx.pid;\n\
         error_log stderr warn;\nworker_rlimit_nofile {};\nevents {{ worker_connections {connections}; }}\nstream {{\n\
         \x20 access_log off;\n  tcp_nodelay on;\n  proxy_connect_timeout 5s;\n  proxy_timeout 10m;\n\
         \x20 upstream origin {{ server @ORIGIN@; }}\n  server {{ listen @LISTEN@ backlog=4096{}; proxy_pass origin; }}\n}}\n",
        job.cores,
        connections + 64,
        if job.cores > 1 { " reuseport" } else { "" },
    );
    vec![("nginx.conf", text)]
}

/// What the server has besides.
fn tls(job: Job<'_>) -> String {
    let Some(tls) = &job.scenario.tls else {
        return String::new();
    };
    // Without a store there is nothing but tickets to resume by; OpenSSL still sends some where they are off, unless it is told to send none.
    let mut text = format!(
        "    ssl_certificate @CERTIFICATES@/server.pem;\n    ssl_certificate_key @CERTIFICATES@/server.key;\n{PINNED}\
         \x20   ssl_session_cache off;\n    ssl_session_tickets {};\n",
        if tls.resume {
            "on"
        } else {
            "off;\n    ssl_conf_command NumTickets 0"
        }
    );
    if tls.mutual {
        text.push_str(MUTUAL);
    }
    text
}

const PINNED: &str = "    ssl_protocols TLSv1.3;\n    ssl_ecdh_curve X25519;\n    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n";
const MUTUAL: &str = "    ssl_client_certificate @CERTIFICATES@/authority.pem;\n    ssl_verify_client on;\n\
    \x20   proxy_ssl_certificate @CERTIFICATES@/client.pem;\n    proxy_ssl_certificate_key @CERTIFICATES@/client.key;\n\
    \x20   proxy_ssl_trusted_certificate @CERTIFICATES@/authority.pem;\n    proxy_ssl_verify on;\n\
    \x20   proxy_ssl_name bench.test;\n    proxy_ssl_server_name on;\n    proxy_ssl_protocols TLSv1.3;\n\
    \x20   proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n";

fn upstream(name: &str, server: &str) -> String {
    format!(
        "  upstream {name} {{ server {server}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 600s; }}\n"
    )
}

fn files(job: Job<'_>) -> Vec<File> {
    if job.scenario.protocol == Protocol::Tcp {
        return tcp(job);
    }
    let hosts: Vec<String> = job.hosts().collect();
    let hash = if hosts.len() > HASH_FROM {
        "  server_names_hash_max_size 65536;\n  server_names_hash_bucket_size 128;\n"
    } else {
        ""
    };
    // On a line of its own it is only known to nginx from 1.25 on.
    let http2 = if job.scenario.load.streams > 0 {
        " http2"
    } else {
        ""
    };
    let tls = tls(job);
    let ssl = if tls.is_empty() { "" } else { " ssl" };
    let scheme = match &job.scenario.tls {
        Some(tls) if tls.mutual => "https",
        _ => "http",
    };
    let other = match job.beside {
        true => format!("    location = {BESIDE} {{ proxy_pass http://other; }}\n"),
        false => String::new(),
    };
    let server = |name: &str| {
        // As the requests need it: no limit of requests per connection, bodies passed on as they come, no file ever.
        format!(
            "  server {{\n    listen @LISTEN@ backlog=4096{}{ssl}{http2};\n    server_name {name};\n{tls}{other}    location / {{ proxy_pass {scheme}://origin; }}\n  }}\n",
            if job.cores > 1 { " reuseport" } else { "" }
        )
    };
    let mut servers = if hosts.is_empty() {
        server("_")
    } else {
        String::new()
    };
    for (i, host) in hosts.iter().enumerate() {
        let one = server(host);
        // The options of a listening socket may be given once.
        servers.push_str(&if i == 0 {
            one
        } else {
            one.replace(" backlog=4096 reuseport", "")
                .replace(" backlog=4096", "")
        });
    }
    let connections = job.connections() * 2;
    let text = format!(
        "daemon off;\nmaster_process on;\nworker_processes {};\npid @FOLDER@/nginx.pid;\nerror_log stderr warn;\n\
         worker_rlimit_nofile {};\nevents {{ worker_connections {connections}; }}\nhttp {{\n  access_log off;\n\
         \x20 tcp_nodelay on;\n  keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  client_max_body_size 0;\n\
         \x20 client_body_temp_path @FOLDER@/nginx-body;\n  proxy_temp_path @FOLDER@/nginx-proxy;\n\
         \x20 fastcgi_temp_path @FOLDER@/nginx-fastcgi;\n  uwsgi_temp_path @FOLDER@/nginx-uwsgi;\n\
         \x20 scgi_temp_path @FOLDER@/nginx-scgi;\n{hash}\
         \x20 proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_set_header Host $host;\n\
         \x20 proxy_request_buffering off;\n  proxy_max_temp_file_size 0;\n\
         {}{}{servers}}}\n",
        job.cores,
        connections + 64,
        upstream("origin", "@ORIGIN@"),
        match job.beside {
            true => upstream("other", "@OTHER@"),
            false => String::new(),
        },
    );
    vec![("nginx.conf", text)]
}
