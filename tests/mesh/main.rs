//! Interception with the kernel's real rules, in network namespaces of the tests' own: services that know nothing of the proxy, a proxy for
//! each of them or one for a host. Needs root, iproute2, nftables and iptables; elsewhere each test says what is missing and ends.
#![forbid(unsafe_code)]

mod host;
mod mutual;
mod namespace;
mod rules;
mod service;
mod sidecars;

use namespace::Namespace;
use ringway_tests::binary;
use std::process::{Command, Output};

/// `ringway intercept ...` in a namespace.
pub(crate) fn intercept(inside: &Namespace, line: &str) -> Output {
    let mut words = inside.words();
    words.push(binary().display().to_string());
    words.push("intercept".to_owned());
    words.extend(line.split_whitespace().map(str::to_owned));
    Command::new(&words[0])
        .args(&words[1..])
        .output()
        .expect("the binary runs")
}

/// The same, which must succeed; what it printed.
pub(crate) fn intercepted(inside: &Namespace, line: &str) -> String {
    let done = intercept(inside, line);
    assert!(
        done.status.success(),
        "ringway intercept {line}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}
