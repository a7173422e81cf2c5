//! The proxies that can be compared: where their programs are, how each is configured for a scenario, started and reloaded.
//!
//! Every one gets the same work; what that means is said in `bench/README.md`. One file for each has its configuration.

mod bare;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod ringway;
mod traefik;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::message;
use crate::scenario::{Protocol, Scenario};

/// What a configuration is written for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) scenario: &'a Scenario,
    /// Worker threads or processes.
    pub(crate) cores: usize,
    /// Which of two configurations that differ a little: reloads go to and fro.
    pub(crate) odd: bool,
    /// What begins with `BESIDE` goes to an origin of its own. (Only where hosts have no routes.)
    pub(crate) beside: bool,
}

/// The path of a request for the other origin.
pub(crate) const BESIDE: &str = "/beside";

impl Job<'_> {
    /// Client connections that must be possible, with room.
    fn connections(self) -> usize {
        self.scenario.load.connections + 1024
    }

    /// Hosts of the routes, if each route has one.
    fn hosts(self) -> impl Iterator<Item = String> {
        (0..self.scenario.proxy.routes).map(message::host_of)
    }
}

/// Stand for what is only known at the start, so that the same configuration has the same hash in every run.
const LISTEN: &str = "@LISTEN@";
const LISTEN_PORT: &str = "@LISTEN_PORT@";
const ORIGIN: &str = "@ORIGIN@";
const ORIGIN_PORT: &str = "@ORIGIN_PORT@";
const OTHER: &str = "@OTHER@";
const OTHER_PORT: &str = "@OTHER_PORT@";
const FOLDER: &str = "@FOLDER@";
const CERTIFICATES: &str = "@CERTIFICATES@";

/// A file to write: name and text, in which the words above are replaced.
type File = (&'static str, String);

/// How a proxy is told to read its configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// The file is written anew, and it notices.
    File,
    /// The file is written anew, and the first process gets this signal.
    Signal(Signal),
    /// It cannot, or not so; the reason.
    No(&'static str),
}

/// Where a proxy speaks HTTP/2, as far as there is a configuration for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Http2 {
    No,
    /// With its clients.
    Clients,
    /// With the origin too.
    Both,
    /// With both, and nothing else with any.
    Only,
}

/// What is known of one proxy.
struct Kind {
    name: &'static str,
    /// Program names to look for on PATH.
    programs: &'static [&'static str],
    install: &'static str,
    /// There is a configuration for scenarios of bytes.
    tcp: bool,
    /// And for HTTP/2.
    http2: Http2,
    /// And for TLS.
    tls: bool,
    version: &'static [&'static str],
    reload: Reload,
    files: fn(Job<'_>) -> Vec<File>,
    /// Arguments, with the folder's word in them.
    arguments: fn(Job<'_>) -> Vec<String>,
    environment: fn(Job<'_>) -> Vec<(&'static str, String)>,
}

const KINDS: [&Kind; 7] = [
    &ringway::KIND,
    &nginx::KIND,
    &haproxy::KIND,
    &envoy::KIND,
    &traefik::KIND,
    &caddy::KIND,
    &bare::KIND,
];

/// A proxy that takes part.
pub(crate) struct Subject {
    /// As the command line names it: `nginx`, `ringway`, or `ringway-WORD` for another build or driver of Ringway.
    pub(crate) name: String,
    program: PathBuf,
    kind: &'static Kind,
}

/// Ringway's ways to run that are compared with its own default.
const EPOLL: &str = "epoll";
const KERNEL: &str = "kernel";
const UNIX: &str = "unix";
const PLAIN: &str = "plain";

/// The origin's Unix socket, in the subject's folder.
pub(crate) const ORIGIN_SOCKET: &str = "origin.sock";

/// HAProxy that copies bytes even where it could splice them.
const HAPROXY_COPIES: &str = "haproxy-copy";
/// HAProxy that splices whatever comes, through pipes of its default size.
const HAPROXY_SPLICES: &str = "haproxy-splice";
/// The same, through pipes as large as Ringway's.
const HAPROXY_LARGE_PIPES: &str = "haproxy-splice-1m";

/// HAProxy that adds what Ringway adds to heads by default.
const HAPROXY_FORWARDS: &str = "haproxy-forwarding";

/// Is it Ringway run in another way, not another build?
pub(crate) fn is_same_program(name: &str) -> bool {
    let mut words = name.split('-');
    words.next() == Some(ringway::KIND.name)
        && words.all(|word| [EPOLL, KERNEL, UNIX, PLAIN].contains(&word))
}

/// All names that need no path.
pub(crate) fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// Find a proxy's program: as given, else beside this program (Ringway) or on PATH. `NotFound`: known, and not installed.
pub(crate) fn find(name: &str, given: Option<&Path>) -> io::Result<Subject> {
    let family = name.split_once('-').map_or(name, |(family, _)| family);
    let is_named = |kind: &&&Kind| kind.name == name || kind.name == family;
    let Some(kind) = KINDS.iter().find(is_named) else {
        return Err(io::Error::other(format!(
            "no proxy `{name}` is known; there are {}",
            names().join(", ")
        )));
    };
    let program = match given {
        Some(path) if path.exists() => Some(path.to_owned()),
        Some(path) => {
            return Err(io::Error::other(format!("no file {}", path.display())));
        }
        None if family == "ringway" => {
            let beside = std::env::current_exe()?.with_file_name("ringway");
            beside.exists().then_some(beside)
        }
        None if kind.name == bare::KIND.name => Some(std::env::current_exe()?),
        None => kind.programs.iter().find_map(|program| on_path(program)),
    };
    match program {
        Some(program) => Ok(Subject {
            name: name.to_owned(),
            program,
            kind,
        }),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "missing; install it with `{}`, or give --peer {name}=/path/to/it",
                kind.install
            ),
        )),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    // Where Debian puts servers, which is not on every user's PATH.
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

impl Kind {
    /// Why there is no configuration for this, if so.
    fn lacks(&self, scenario: &Scenario) -> Option<&'static str> {
        let clients = scenario.load.streams > 0;
        if scenario.tls.is_some() && !self.tls {
            return Some("there is no configuration of it for TLS");
        }
        match self.http2 {
            _ if scenario.protocol == Protocol::Tcp => {
                (!self.tcp).then_some("there is no configuration of it for TCP")
            }
            Http2::No if clients || scenario.origin.http2 => {
                Some("there is no configuration of it for HTTP/2")
            }
            Http2::Clients if scenario.origin.http2 => {
                Some("there is no configuration of it for HTTP/2 to the origin")
            }
            Http2::Only if !(clients && scenario.origin.http2) => {
                Some("it forwards HTTP/2 to HTTP/2 and nothing else")
            }
            Http2::No | Http2::Clients | Http2::Both | Http2::Only => None,
        }
    }
}

impl Subject {
    /// The first line of what it says about its version that has a digit in it.
    pub(crate) fn version(&self) -> String {
        let said = Command::new(&self.program).args(self.kind.version).output();
        let Ok(said) = said else {
            return String::new();
        };
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|l| l.chars().any(|c| c.is_ascii_digit()));
        // Some say where they lie: a machine's folders do not belong into results.
        line.unwrap_or_default()
            .split_whitespace()
            .filter(|word| !word.starts_with('/'))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Ringway, in this way?
    fn runs(&self, way: &str) -> bool {
        is_same_program(&self.name) && self.name.split('-').any(|word| word == way)
    }

    /// Why it cannot take part, if so.
    pub(crate) fn lacks(&self, scenario: &Scenario) -> Option<&'static str> {
        self.kind.lacks(scenario)
    }

    /// Does it reach the origin by its Unix socket?
    pub(crate) fn asks_unix(&self) -> bool {
        self.runs(UNIX)
    }

    pub(crate) fn reload(&self) -> Reload {
        self.kind.reload
    }

    /// SHA-256 of its configuration before addresses are filled in.
    pub(crate) fn config_hash(&self, job: Job<'_>) -> String {
        let mut hash = Sha256::new();
        for (_, text) in self.files(job) {
            hash.update(text);
        }
        let hash = hash.finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn files(&self, job: Job<'_>) -> Vec<File> {
        let mut files = (self.kind.files)(job);
        let splicing = match self.name.as_str() {
            HAPROXY_COPIES => [""; 2],
            HAPROXY_SPLICES => [haproxy::ALWAYS_SPLICE, ""],
            HAPROXY_LARGE_PIPES => [haproxy::ALWAYS_SPLICE, haproxy::LARGE_PIPES],
            _ => [haproxy::SPLICE, ""],
        }
        .concat();
        let mut replace = |word: &str, with: &str| {
            for (_, text) in &mut files {
                *text = text.replace(word, with);
            }
        };
        replace(haproxy::SPLICE, &splicing);
        if self.name == HAPROXY_FORWARDS {
            let begun = [haproxy::FRONTEND, haproxy::FORWARDS].concat();
            replace(haproxy::FRONTEND, &begun);
        }
        if self.runs(EPOLL) {
            replace("[server]\n", "[server]\nio = \"epoll\"\n");
        }
        if self.runs(PLAIN) {
            let plain = [ringway::TO_ORIGIN, ringway::PLAIN].concat();
            replace(ringway::TO_ORIGIN, &plain);
        }
        if self.runs(UNIX) {
            replace(ORIGIN, &format!("unix:{FOLDER}/{ORIGIN_SOCKET}"));
        }
        files
    }

    /// Write its files for these addresses.
    pub(crate) fn write(&self, job: Job<'_>, at: Place<'_>) -> io::Result<()> {
        for (name, text) in self.files(job) {
            // By a rename, so that a proxy that watches the file never sees half of it.
            let new = at.folder.join(format!(".{name}.new"));
            std::fs::write(&new, at.fill(&text))?;
            std::fs::rename(new, at.folder.join(name))?;
        }
        Ok(())
    }

    /// How it is started, once its files are there.
    pub(crate) fn command(&self, job: Job<'_>, at: Place<'_>) -> Command {
        let mut command = Command::new(&self.program);
        let arguments = (self.kind.arguments)(job);
        command.args(arguments.iter().map(|argument| at.fill(argument)));
        if self.runs(KERNEL) {
            command.arg("--kernel-spread");
        }
        command.envs((self.kind.environment)(job));
        command
    }
}

/// Where a proxy listens, asks and has its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) origin: SocketAddr,
    /// The other origin, where there is one.
    pub(crate) beside: SocketAddr,
    pub(crate) folder: &'a Path,
    /// `secured` says what lies there.
    pub(crate) certificates: &'a Path,
}

impl Place<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace(LISTEN, &self.listen.to_string())
            .replace(LISTEN_PORT, &self.listen.port().to_string())
            .replace(ORIGIN, &self.origin.to_string())
            .replace(ORIGIN_PORT, &self.origin.port().to_string())
            .replace(OTHER, &self.beside.to_string())
            .replace(OTHER_PORT, &self.beside.port().to_string())
            .replace(FOLDER, &self.folder.display().to_string())
            .replace(CERTIFICATES, &self.certificates.display().to_string())
    }
}

fn no_environment(_: Job<'_>) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// Programs in Go take their number of threads from there.
fn go_threads(job: Job<'_>) -> Vec<(&'static str, String)> {
    vec![("GOMAXPROCS", job.cores.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every configuration for every scenario: nothing is left to fill in, and the two that reloads alternate between differ where a
    /// proxy may skip a reload that changes nothing.
    #[test]
    fn configurations_are_complete() {
        let at = Place {
            listen: ([127, 0, 0, 1], 1).into(),
            origin: ([127, 0, 0, 1], 2).into(),
            beside: ([127, 0, 0, 1], 3).into(),
            folder: Path::new("folder"),
            certificates: Path::new("certificates"),
        };
        for kind in KINDS {
            for name in Scenario::names() {
                let scenario = &Scenario::find(name).unwrap();
                if kind.lacks(scenario).is_some() {
                    continue;
                }
                let job = |odd| Job {
                    scenario,
                    cores: 3,
                    odd,
                    beside: false,
                };
                let all = |odd| -> String {
                    (kind.files)(job(odd))
                        .iter()
                        .map(|(_, t)| at.fill(t))
                        .collect()
                };
                let text = all(false);
                // Envoy's own word for the type of a message.
                let left = text.replace("@type", "");
                assert!(!left.contains('@'), "{}: {name}: {left}", kind.name);
                let has_none = kind.name == bare::KIND.name;
                assert!(
                    has_none || text.contains("127.0.0.1:1") || text.contains("port_value: 1"),
                    "{}",
                    kind.name
                );
                if kind.reload == Reload::File {
                    assert_ne!(text, all(true), "{}", kind.name);
                }
                assert_eq!(
                    scenario.tls.is_some(),
                    text.contains("certificates/server."),
                    "{}: {name}",
                    kind.name
                );
                if scenario.proxy.routes > 0 {
                    assert!(
                        text.contains(&message::host_of(scenario.proxy.routes - 1)),
                        "{}",
                        kind.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_way_to_run_is_in_the_configuration() {
        let scenario = &Scenario::find("h1-small").unwrap();
        let job = Job {
            scenario,
            cores: 1,
            odd: false,
            beside: false,
        };
        for (name, kind, said) in [
            (HAPROXY_FORWARDS, &haproxy::KIND, "option forwardfor"),
            ("ringway-epoll", &ringway::KIND, "io = \"epoll\""),
            ("ringway-unix", &ringway::KIND, ORIGIN_SOCKET),
            ("ringway-plain", &ringway::KIND, "\"x-request-id\""),
        ] {
            let says = |name: &str| {
                let subject = Subject {
                    name: name.to_owned(),
                    program: PathBuf::new(),
                    kind,
                };
                let files = subject.files(job);
                files.iter().any(|(_, text)| text.contains(said))
            };
            assert!(says(name), "{name}");
            assert!(!says(kind.name), "{name}");
        }
    }

    #[test]
    fn what_is_not_known_or_not_there_is_told() {
        let told = |name: &str| {
            find(name, Some(Path::new("not/there")))
                .err()
                .unwrap()
                .to_string()
        };
        assert!(told("apache").contains("nginx, haproxy"));
        assert!(told("envoy").contains("not/there"));
    }
}
