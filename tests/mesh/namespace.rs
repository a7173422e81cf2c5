//! Network namespaces and the cables between them; gone with the test, also when it fails. Not what runs in them.

use ringway_tests::{PATIENCE, until};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Why namespaces cannot be used here; None if they can.
fn lacks() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    for program in ["ip", "nft", "iptables", "ip6tables"] {
        if Command::new(program).arg("-V").output().is_err() {
            return Some(format!("`{program}` is not installed"));
        }
    }
    let probe = Namespace::named("probe");
    probe.run("nft list tables").err()
}

/// Whether a test can run; says why where it cannot.
pub(crate) fn can_run() -> bool {
    match lacks() {
        None => true,
        Some(why) => {
            eprintln!("skipped: {why}");
            false
        }
    }
}

/// One, by a name that no other test has.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new(what: &str) -> Namespace {
        let made = Namespace::named(what);
        made.must("ip link set lo up");
        // Nobody here has a twin; until the search for one is over, an interface asks for no neighbour's address.
        made.set("ipv6/conf/default/accept_dad", "0");
        made
    }

    fn named(what: &str) -> Namespace {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringway-{}-{number}-{what}", std::process::id());
        let done = run(&["ip", "netns", "add", &name]);
        if let Err(why) = done {
            eprintln!("{why}");
        }
        Namespace { name }
    }

    /// What a command begins with that is to run inside.
    pub(crate) fn words(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name]
            .map(str::to_owned)
            .to_vec()
    }

    fn run(&self, line: &str) -> Result<String, String> {
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(&[words, line.split_whitespace().collect()].concat())
    }

    /// Run a command inside that must succeed; what it printed.
    pub(crate) fn must(&self, line: &str) -> String {
        self.run(line).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Do something on a thread inside. Sockets and threads that are made there stay inside.
    pub(crate) fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("root may enter a namespace");
                inside()
            });
            done.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A cable to another one, with `eth` there being called so, an IPv4 and an IPv6 network (`10.77.N.0/24`, `fd77:N::/64`), of which this
    /// end has the first address and the other one the second.
    pub(crate) fn cable(&self, own: &str, other: &Namespace, eth: &str, network: u8) {
        let (a, b) = (&self.name, &other.name);
        let link = format!("ip link add {own} netns {a} type veth peer name {eth} netns {b}");
        let words: Vec<&str> = link.split_whitespace().collect();
        run(&words).unwrap_or_else(|why| panic!("{why}"));
        for (end, device, number) in [(self, own, 1), (other, eth, 2)] {
            end.must(&format!(
                "ip addr add 10.77.{network}.{number}/24 dev {device}"
            ));
            end.must(&format!(
                "ip addr add fd77:{network}::{number}/64 dev {device} nodad"
            ));
            end.must(&format!("ip link set {device} up"));
        }
        // The kernel takes up to a second to notice that both ends are up; what is sent before is lost.
        for (end, device) in [(self, own), (other, eth)] {
            until("the cable", PATIENCE, || {
                let shown = end.must(&format!("ip link show dev {device}"));
                shown.contains("state UP").then_some(())
            });
        }
    }

    /// All that this one does not know goes to the other end of its cable.
    pub(crate) fn gateway(&self, network: u8) {
        self.must(&format!("ip route add default via 10.77.{network}.1"));
        self.must(&format!("ip -6 route add default via fd77:{network}::1"));
    }

    /// It passes packets on.
    pub(crate) fn forwards(&self) {
        self.set("ipv4/ip_forward", "1");
        self.set("ipv6/conf/all/forwarding", "1");
    }

    fn set(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/net/{key}");
        self.enter(|| std::fs::write(&path, value).unwrap_or_else(|e| panic!("{path}: {e}")));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // One that is left is untidy, not a failure.
        let _ = run(&["ip", "netns", "del", &self.name]);
    }
}

fn run(words: &[&str]) -> Result<String, String> {
    let line = words.join(" ");
    let done = Command::new(words[0])
        .args(&words[1..])
        .output()
        .map_err(|e| format!("{line}: {e}"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(format!(
            "{line}: {}",
            String::from_utf8_lossy(&done.stderr).trim_end()
        ))
    }
}
