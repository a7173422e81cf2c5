//! `ringway intercept` itself: rules as they are in the kernel after it, whatever was there before. What they do is elsewhere.

use crate::intercepted;
use crate::namespace::{Namespace, can_run};
use std::io::Write;
use std::process::{Command, Stdio};

const WISHES: [&str; 4] = [
    "sidecar --uid 1000 --exclude 10.96.0.0/12 --exclude fd00::/8 --exclude-ports 22,53 --exclude-inbound-ports 22",
    "sidecar --way tproxy --outbound 15001 --outbound 5432,6379=15002",
    "host --interface br0 --interface veth* --source fd77::/16 --local",
    "host --interface br0 --way tproxy",
];

/// All rules of a namespace, without the counters that iptables-save prints.
fn rules(inside: &Namespace) -> String {
    let mut text = inside.must("nft list ruleset");
    for family in ["-4", "-6"] {
        text += &inside.must(&format!("ip {family} rule show"));
        text += &inside.must(&format!("ip {family} route show table all"));
    }
    text
}

fn script(inside: &Namespace, text: &str) {
    let mut words = inside.words();
    words.push("sh".to_owned());
    words.push("-e".to_owned());
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(text.as_bytes())
        .expect("the script is read");
    drop(stdin);
    assert!(child.wait().expect("its end").success(), "{text}");
}

#[test]
fn applied_twice_is_applied_once_and_removed_is_gone() {
    if !can_run() {
        return;
    }
    for with in ["nft", "iptables"] {
        let inside = Namespace::new("rules");
        // What iptables leaves when it has made a table is not ours.
        intercepted(&inside, &format!("apply {} --with {with}", WISHES[1]));
        intercepted(&inside, &format!("apply {} --with {with}", WISHES[0]));
        intercepted(&inside, "remove");
        let before = rules(&inside);
        assert_eq!(intercepted(&inside, "show"), "nothing is intercepted\n");
        for wish in WISHES {
            let line = format!("apply {wish} --with {with}");
            assert_eq!(intercepted(&inside, &line), "intercepting\n");
            let once = rules(&inside);
            assert_ne!(once, before, "{line}");
            intercepted(&inside, &line);
            assert_eq!(rules(&inside), once, "{line}");
            let shown = intercepted(&inside, "show");
            assert!(shown.to_lowercase().contains("15001"), "{shown}");
        }
        intercepted(&inside, "remove");
        assert_eq!(rules(&inside), before, "{with}");
        intercepted(&inside, "remove");
        assert_eq!(rules(&inside), before, "{with}");
    }
}

#[test]
fn what_a_dry_run_prints_is_what_is_applied() {
    if !can_run() {
        return;
    }
    for with in ["nft", "iptables"] {
        for wish in WISHES {
            let line = format!("apply {wish} --with {with}");
            let (applied, by_script) = (Namespace::new("applied"), Namespace::new("script"));
            let empty = rules(&by_script);
            intercepted(&applied, &line);
            let text = intercepted(&by_script, &format!("{line} --dry-run"));
            assert_eq!(rules(&by_script), empty, "a dry run changes nothing");
            script(&by_script, &text);
            assert_eq!(rules(&by_script), rules(&applied), "{text}");
        }
    }
}

/// One program's rules do not stay behind another's.
#[test]
fn one_program_replaces_the_other() {
    if !can_run() {
        return;
    }
    let inside = Namespace::new("both");
    intercepted(&inside, "apply sidecar --with iptables");
    intercepted(&inside, "apply sidecar --with nft");
    let shown = intercepted(&inside, "show");
    assert!(
        shown.contains("table inet ringway") && !shown.contains("RINGWAY_"),
        "{shown}"
    );
    intercepted(&inside, "apply sidecar --with iptables");
    let shown = intercepted(&inside, "show");
    assert!(
        !shown.contains("table inet ringway") && shown.contains("RINGWAY_"),
        "{shown}"
    );
}
