//! Chains in the language of iptables, for machines without nftables: one text for `iptables-restore --noflush` per family, which replaces
//! our chains as a whole. Not the rules that lead into them (`steps`).

use std::fmt::Write;

use super::NAME;
use super::rules::{Chain, Condition, Rule, Verdict};
use super::wish::{Block, Way};

/// multiport takes no more.
const PORTS: usize = 15;

/// The table that our chains are in.
pub(super) fn table(way: Way) -> &'static str {
    match way {
        Way::Redirect => "nat",
        Way::Tproxy => "mangle",
    }
}

/// Our name of a chain.
pub(super) fn chain_name(name: &str) -> String {
    format!("{NAME}_{name}").to_uppercase()
}

/// A text for `iptables-restore --noflush`: to declare a chain empties it first.
pub(super) fn restore(chains: &[Chain], way: Way, v4: bool) -> String {
    let mut out = format!("*{}\n", table(way));
    for chain in chains {
        // Writing to a String cannot fail.
        let _ = writeln!(out, ":{} - [0:0]", chain_name(chain.name));
    }
    for chain in chains {
        let name = chain_name(chain.name);
        for rule in &chain.rules {
            put(&mut out, &name, rule, v4);
        }
    }
    out.push_str("COMMIT\n");
    out
}

/// A rule becomes as many as its lists and its verdict need.
fn put(out: &mut String, chain: &str, rule: &Rule, v4: bool) {
    let mut lines = vec!["-p tcp".to_owned()];
    for condition in &rule.conditions {
        let forms = forms(condition, v4);
        lines = lines
            .iter()
            .flat_map(|line| forms.iter().map(move |form| format!("{line} {form}")))
            .collect();
    }
    for line in &lines {
        for verdict in verdicts(rule.verdict) {
            let _ = writeln!(out, "-A {chain} {line} {verdict}");
        }
    }
}

fn forms(condition: &Condition, v4: bool) -> Vec<String> {
    let blocks = |option: &str, blocks: &[Block]| {
        let of_family = blocks.iter().filter(|b| b.address.is_ipv4() == v4);
        of_family.map(|block| format!("{option} {block}")).collect()
    };
    let one = |text: String| vec![text];
    match condition {
        Condition::Mark(mark) => one(format!("-m mark --mark {mark}")),
        Condition::ConnectionMark(mark) => one(format!("-m connmark --mark {mark}")),
        Condition::Reply => one("-m conntrack --ctdir REPLY".to_owned()),
        Condition::Users(users) => {
            let user = users
                .iter()
                .map(|user| format!("-m owner --uid-owner {}", user.0));
            user.collect()
        }
        Condition::From(from) => from
            .iter()
            .map(|i| format!("-i {}", i.0.replace('*', "+")))
            .collect(),
        Condition::Loopback => one("-i lo".to_owned()),
        Condition::Sources(sources) => blocks("-s", sources),
        Condition::Destinations(to) => blocks("-d", to),
        Condition::ToUs(true) => one("-m addrtype --dst-type LOCAL".to_owned()),
        Condition::ToUs(false) => one("-m addrtype ! --dst-type LOCAL".to_owned()),
        Condition::Ports(ports) => ports
            .chunks(PORTS)
            .map(|some| {
                let some: Vec<String> = some.iter().map(u16::to_string).collect();
                format!("-m multiport --dports {}", some.join(","))
            })
            .collect(),
        Condition::Transparent => one("-m socket --transparent".to_owned()),
    }
}

/// What two statements say in nftables takes two rules, of which the first changes nothing that the second asks.
fn verdicts(verdict: Verdict) -> Vec<String> {
    let mark = |mark: u32| format!("-j MARK --set-mark {mark}");
    let end = |target: &str| format!("-j {target}");
    match verdict {
        Verdict::Return => vec![end("RETURN")],
        Verdict::Jump(chain) => vec![end(&chain_name(chain))],
        Verdict::Redirect(port) => vec![format!("-j REDIRECT --to-ports {port}")],
        Verdict::Tproxy { to, mark } => {
            vec![format!("-j TPROXY --on-port {to} --tproxy-mark {mark}")]
        }
        Verdict::MarkAndAccept(m) => vec![mark(m), end("ACCEPT")],
        Verdict::MarkAndReturn(m) => vec![mark(m), end("RETURN")],
        Verdict::MarkConnection(m) => vec![format!("-j CONNMARK --set-mark {m}"), end("RETURN")],
    }
}
