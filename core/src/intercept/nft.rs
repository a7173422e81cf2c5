//! Chains in the language of nftables: one file that replaces our table as a whole, or not at all. Not how it is loaded.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::NAME;
use super::rules::{Chain, Condition, Hook, Rule, Verdict};
use super::wish::{Block, Way};

/// A file for `nft -f`. To declare the table before deleting it makes the deletion succeed where there is none.
pub(super) fn replace(chains: &[Chain], way: Way) -> String {
    let mut out = delete();
    let _ = writeln!(out, "table inet {NAME} {{");
    for (position, chain) in chains.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        put_chain(&mut out, chain, way);
    }
    out.push_str("}\n");
    out
}

/// The same for no table.
pub(super) fn delete() -> String {
    format!("table inet {NAME}\ndelete table inet {NAME}\n")
}

fn put_chain(out: &mut String, chain: &Chain, way: Way) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\tchain {} {{", chain.name);
    if let Some(hook) = chain.hook {
        let (kind, hook, priority) = match (way, hook) {
            (Way::Redirect, Hook::Output) => ("nat", "output", "-100"),
            (Way::Redirect, Hook::Prerouting) => ("nat", "prerouting", "dstnat"),
            // Routed anew when the mark changes.
            (Way::Tproxy, Hook::Output) => ("route", "output", "mangle"),
            (Way::Tproxy, Hook::Prerouting) => ("filter", "prerouting", "mangle"),
        };
        let _ = writeln!(
            out,
            "\t\ttype {kind} hook {hook} priority {priority}; policy accept;"
        );
        out.push_str("\t\tmeta l4proto != tcp return\n");
    }
    for rule in &chain.rules {
        put_rule(out, rule);
    }
    out.push_str("\t}\n");
}

/// Once, or once per family where it lists addresses.
fn put_rule(out: &mut String, rule: &Rule) {
    let families = rule
        .conditions
        .iter()
        .find_map(|condition| match condition {
            Condition::Sources(blocks) | Condition::Destinations(blocks) => Some(blocks),
            _ => None,
        });
    let Some(blocks) = families else {
        return put(out, rule, true);
    };
    for v4 in [true, false] {
        if blocks.iter().any(|block| block.address.is_ipv4() == v4) {
            put(out, rule, v4);
        }
    }
}

fn put(out: &mut String, rule: &Rule, v4: bool) {
    let mut words: Vec<String> = rule.conditions.iter().map(|c| condition(c, v4)).collect();
    words.push(verdict(rule.verdict));
    let _ = writeln!(out, "\t\t{}", words.join(" "));
}

fn condition(condition: &Condition, v4: bool) -> String {
    let family = if v4 { "ip" } else { "ip6" };
    let blocks = |blocks: &[Block]| {
        list(
            blocks
                .iter()
                .filter(|b| b.address.is_ipv4() == v4)
                .map(block),
        )
    };
    match condition {
        Condition::Mark(mark) => format!("meta mark {mark}"),
        Condition::ConnectionMark(mark) => format!("ct mark {mark}"),
        Condition::Reply => "ct direction reply".to_owned(),
        Condition::Users(users) => format!("meta skuid {}", list(users.iter().map(|u| &u.0))),
        Condition::From(from) => {
            format!(
                "iifname {}",
                list(from.iter().map(|i| format!("\"{}\"", i.0)))
            )
        }
        Condition::Loopback => "iifname \"lo\"".to_owned(),
        Condition::Sources(sources) => format!("{family} saddr {}", blocks(sources)),
        Condition::Destinations(to) => format!("{family} daddr {}", blocks(to)),
        Condition::ToUs(true) => "fib daddr type local".to_owned(),
        Condition::ToUs(false) => "fib daddr type != local".to_owned(),
        Condition::Ports(ports) => format!("tcp dport {}", list(ports)),
        // Not those that listen on all addresses: they hold no connection.
        Condition::Transparent => "socket wildcard 0 socket transparent 1".to_owned(),
    }
}

/// A whole address without its prefix, as nft lists it.
fn block(block: &Block) -> String {
    match (block.address, block.prefix) {
        (IpAddr::V4(ip), 32) => ip.to_string(),
        (IpAddr::V6(ip), 128) => ip.to_string(),
        _ => block.to_string(),
    }
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Redirect(port) => format!("meta l4proto tcp redirect to :{port}"),
        Verdict::Tproxy { to, mark } => {
            format!("meta l4proto tcp tproxy to :{to} meta mark set {mark} accept")
        }
        Verdict::MarkAndAccept(mark) => format!("meta mark set {mark} accept"),
        Verdict::MarkAndReturn(mark) => format!("meta mark set {mark} return"),
        Verdict::MarkConnection(mark) => format!("ct mark set {mark} return"),
    }
}
