//! The commands that write and remove rules, in order, as values; shown they are a shell script that does the same. Not their running.

use std::fmt;

use super::ROUTES;
use super::iptables;
use super::nft;
use super::rules::{Hook, chains};
use super::wish::{Way, Wish};

/// All that there may be; who jumps comes before whom.
const CHAINS: [&str; 3] = ["output", "prerouting", "outbound"];

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) when: When,
    pub(super) words: Vec<String>,
    /// What it reads.
    pub(super) input: Option<String>,
}

/// Whether a command is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// If this command succeeds.
    If(Vec<String>),
    /// If this command fails.
    Unless(Vec<String>),
    /// If this command prints something.
    IfPrints(Vec<String>),
    /// If this command prints nothing.
    UnlessPrints(Vec<String>),
}

/// What there is on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) nft: bool,
    pub(super) iptables: bool,
    pub(super) ipv6: bool,
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn step(when: When, line: &str) -> Step {
    Step {
        when,
        words: words(line),
        input: None,
    }
}

/// Write the rules, in place of those that are there. The routes come first, so that nothing is marked that has no way.
pub(super) fn apply(wish: &Wish, with_nft: bool, machine: Machine) -> Vec<Step> {
    let chains = chains(wish);
    let mut steps = Vec::new();
    if wish.way == Way::Tproxy {
        steps.extend(routes(wish.divert_mark(), machine));
    }
    if with_nft {
        steps.push(Step {
            when: When::Always,
            words: words("nft -f -"),
            input: Some(nft::replace(&chains, wish.way)),
        });
    } else {
        let table = iptables::table(wish.way);
        for program in programs(machine) {
            steps.push(Step {
                when: When::Always,
                words: words(&format!("{program}-restore --wait --noflush")),
                input: Some(iptables::restore(&chains, wish.way, *program == "iptables")),
            });
            for chain in chains.iter().filter(|chain| chain.hook.is_some()) {
                let rule = jump(chain.name);
                steps.push(step(
                    When::Unless(words(&format!("{program} -w -t {table} -C {rule}"))),
                    &format!("{program} -w -t {table} -A {rule}"),
                ));
            }
            // A chain that this wish has not, but one before had.
            let gone = CHAINS
                .into_iter()
                .filter(|name| !chains.iter().any(|chain| chain.name == *name));
            steps.extend(gone.flat_map(|name| remove_chain(program, table, name)));
        }
    }
    steps.extend(remove_rest(wish.way, with_nft, machine));
    steps
}

/// What an earlier wish of another kind may have left.
fn remove_rest(way: Way, with_nft: bool, machine: Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    if !with_nft && machine.nft {
        steps.push(delete_table());
    }
    let other = match way {
        Way::Redirect => Way::Tproxy,
        Way::Tproxy => Way::Redirect,
    };
    if machine.iptables {
        let mut tables = vec![iptables::table(other)];
        if with_nft {
            tables.push(iptables::table(way));
        }
        steps.extend(
            tables
                .iter()
                .flat_map(|table| remove_chains(table, machine)),
        );
    }
    if way == Way::Redirect {
        steps.extend(remove_routes(machine));
    }
    steps
}

/// Remove everything of ours, whatever wrote it.
pub(super) fn remove(machine: Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    if machine.nft {
        steps.push(delete_table());
    }
    if machine.iptables {
        for way in [Way::Redirect, Way::Tproxy] {
            steps.extend(remove_chains(iptables::table(way), machine));
        }
    }
    steps.extend(remove_routes(machine));
    steps
}

fn delete_table() -> Step {
    Step {
        when: When::Always,
        words: words("nft -f -"),
        input: Some(nft::delete()),
    }
}

fn programs(machine: Machine) -> &'static [&'static str] {
    if machine.ipv6 {
        &["iptables", "ip6tables"]
    } else {
        &["iptables"]
    }
}

fn families(machine: Machine) -> &'static [(&'static str, &'static str)] {
    if machine.ipv6 {
        &[("-4", "0.0.0.0/0"), ("-6", "::/0")]
    } else {
        &[("-4", "0.0.0.0/0")]
    }
}

fn jump(chain: &str) -> String {
    let hook = match chain {
        "output" => Hook::Output,
        _ => Hook::Prerouting,
    };
    let from = match hook {
        Hook::Output => "OUTPUT",
        Hook::Prerouting => "PREROUTING",
    };
    format!("{from} -p tcp -j {}", iptables::chain_name(chain))
}

fn remove_chains(table: &str, machine: Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    for program in programs(machine) {
        for chain in CHAINS {
            steps.extend(remove_chain(program, table, chain));
        }
    }
    steps
}

/// Nobody leads into it any more, then it is emptied, then it is gone.
fn remove_chain(program: &str, table: &str, chain: &str) -> Vec<Step> {
    let name = iptables::chain_name(chain);
    let run = format!("{program} -w -t {table}");
    let there = When::If(words(&format!("{run} -S {name}")));
    let mut steps = Vec::new();
    if chain != "outbound" {
        let rule = jump(chain);
        steps.push(step(
            When::If(words(&format!("{run} -C {rule}"))),
            &format!("{run} -D {rule}"),
        ));
    }
    steps.push(step(there.clone(), &format!("{run} -F {name}")));
    steps.push(step(there, &format!("{run} -X {name}")));
    steps
}

/// What is marked is delivered here, whatever its destination.
fn routes(mark: u32, machine: Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    for (family, all) in families(machine) {
        steps.push(step(
            When::Always,
            &format!("ip {family} route replace local {all} dev lo table {ROUTES}"),
        ));
        let rule = format!("fwmark {mark} lookup {ROUTES}");
        steps.push(step(
            When::UnlessPrints(words(&format!(
                "ip {family} rule show priority {ROUTES} {rule}"
            ))),
            &format!("ip {family} rule add priority {ROUTES} {rule}"),
        ));
    }
    steps
}

fn remove_routes(machine: Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    for (family, _) in families(machine) {
        let there = When::IfPrints(words(&format!("ip {family} rule show priority {ROUTES}")));
        steps.push(step(
            there.clone(),
            &format!("ip {family} route flush table {ROUTES}"),
        ));
        steps.push(step(
            there,
            &format!("ip {family} rule del priority {ROUTES}"),
        ));
    }
    steps
}

/// As a line of a shell script. No word of ours needs a quote: what may stand in one is checked (`wish`).
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Always => {}
            When::If(words) => write!(f, "! {} >/dev/null 2>&1 || ", words.join(" "))?,
            When::Unless(words) => write!(f, "{} >/dev/null 2>&1 || ", words.join(" "))?,
            When::IfPrints(words) => write!(f, "[ -z \"$({})\" ] || ", words.join(" "))?,
            When::UnlessPrints(words) => write!(f, "[ -n \"$({})\" ] || ", words.join(" "))?,
        }
        write!(f, "{}", self.words.join(" "))?;
        match &self.input {
            Some(input) => write!(f, " <<'END'\n{input}END\n"),
            None => writeln!(f),
        }
    }
}

#[cfg(test)]
#[path = "golden_tests.rs"]
mod tests;
