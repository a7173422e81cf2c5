//! From a wish to chains of rules, as plain values. The kernel's two languages for them are in `nft` and `iptables`.

use super::wish::{Block, Deployment, Door, Interface, User, Way, Wish};

/// Rules in order; the first that ends is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    /// None: other chains jump to it.
    pub(super) hook: Option<Hook>,
    pub(super) rules: Vec<Rule>,
}

/// Where in the kernel a chain is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// What local processes send.
    Output,
    /// What arrives, before it is routed.
    Prerouting,
}

/// For TCP alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// All must hold. At most one of them is a list.
    pub(super) conditions: Vec<Condition>,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Mark(u32),
    /// The mark that the connection was given.
    ConnectionMark(u32),
    /// From who was connected to, to who connected.
    Reply,
    Users(Vec<User>),
    From(Vec<Interface>),
    Loopback,
    Sources(Vec<Block>),
    Destinations(Vec<Block>),
    /// Whether the destination is an address of this machine.
    ToUs(bool),
    Ports(Vec<u16>),
    /// A connected socket of ours that takes any address holds this connection.
    Transparent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave the chain.
    Return,
    Jump(&'static str),
    /// Bring it to this port, with another destination.
    Redirect(u16),
    /// Bring it to this port as it is.
    Tproxy {
        to: u16,
        mark: u32,
    },
    /// Mark the packet, so that it is delivered here, and end.
    MarkAndAccept(u32),
    /// The same, and leave the chain.
    MarkAndReturn(u32),
    /// Mark the connection, and leave the chain.
    MarkConnection(u32),
}

use Condition::{Loopback, Mark, Reply, ToUs, Transparent};
use Verdict::Return;

impl Wish {
    /// The mark of packets that are delivered here whatever their destination.
    pub(super) fn divert_mark(&self) -> u32 {
        self.mark.wrapping_add(1)
    }
}

/// All chains. Those that are jumped to come first.
pub(super) fn chains(wish: &Wish) -> Vec<Chain> {
    match wish.way {
        Way::Redirect => redirect(wish),
        Way::Tproxy => tproxy(wish),
    }
}

fn rule(conditions: impl Into<Vec<Condition>>, verdict: Verdict) -> Rule {
    Rule {
        conditions: conditions.into(),
        verdict,
    }
}

/// Which traffic of services passes, and whose it is.
fn exempt(wish: &Wish) -> Vec<Rule> {
    let mut rules = vec![rule([ToUs(true)], Return)];
    if !wish.exclude.is_empty() {
        rules.push(rule(
            [Condition::Destinations(wish.exclude.clone())],
            Return,
        ));
    }
    rules.extend(exempt_ports(&wish.exclude_ports));
    rules
}

fn exempt_ports(ports: &[u16]) -> Option<Rule> {
    (!ports.is_empty()).then(|| rule([Condition::Ports(ports.to_vec())], Return))
}

fn exempt_users(wish: &Wish) -> Option<Rule> {
    let users = &wish.users;
    (!users.is_empty()).then(|| rule([Condition::Users(users.clone())], Return))
}

/// Each port where it is brought to: the listed ones before the rest.
fn bring(doors: &[Door], conditions: &[Condition], verdict: impl Fn(u16) -> Verdict) -> Vec<Rule> {
    let (rest, listed): (Vec<&Door>, Vec<&Door>) = doors.iter().partition(|d| d.ports.is_empty());
    let all = listed.into_iter().chain(rest);
    all.map(|door| {
        let mut conditions = conditions.to_vec();
        if !door.ports.is_empty() {
            conditions.push(Condition::Ports(door.ports.clone()));
        }
        rule(conditions, verdict(door.to))
    })
    .collect()
}

/// Packets of services elsewhere that come through this machine.
fn forwarded(interfaces: &[Interface], sources: &[Block]) -> Vec<Rule> {
    let jump = Verdict::Jump("outbound");
    let mut rules = Vec::new();
    if !interfaces.is_empty() {
        rules.push(rule([Condition::From(interfaces.to_vec())], jump));
    }
    if !sources.is_empty() {
        rules.push(rule([Condition::Sources(sources.to_vec())], jump));
    }
    rules
}

/// Whether what this namespace's own processes send is meant.
fn is_local(wish: &Wish) -> bool {
    match &wish.deployment {
        Deployment::Sidecar { .. } => !wish.outbound.is_empty(),
        Deployment::Host { local, .. } => *local,
    }
}

fn redirect(wish: &Wish) -> Vec<Chain> {
    let mut outbound = exempt(wish);
    outbound.extend(bring(&wish.outbound, &[], Verdict::Redirect));
    let mut output = vec![rule([Mark(wish.mark)], Return)];
    output.extend(exempt_users(wish));
    output.push(rule([], Verdict::Jump("outbound")));
    let prerouting = match &wish.deployment {
        Deployment::Sidecar {
            inbound,
            exclude_inbound,
        } => {
            let mut rules = vec![rule([Loopback], Return), rule([ToUs(false)], Return)];
            rules.extend(exempt_ports(exclude_inbound));
            rules.extend(bring(inbound, &[], Verdict::Redirect));
            rules
        }
        Deployment::Host {
            interfaces,
            sources,
            ..
        } => forwarded(interfaces, sources),
    };
    assemble(outbound, is_local(wish).then_some(output), prerouting)
}

/// What local processes send is marked, which routes it back to ourselves, where it arrives as if from outside.
fn tproxy(wish: &Wish) -> Vec<Chain> {
    let divert = wish.divert_mark();
    let bring_to = |to| Verdict::Tproxy { to, mark: divert };
    let mut outbound = exempt(wish);
    outbound.extend(bring(&wish.outbound, &[], bring_to));

    // The connections that we make may have a client's address; answers to that would leave this machine. They are known by the
    // connection's mark.
    let mut output = vec![
        rule([Mark(wish.mark)], Verdict::MarkConnection(wish.mark)),
        rule(
            [Reply, Condition::ConnectionMark(wish.mark), ToUs(false)],
            Verdict::MarkAndReturn(divert),
        ),
        rule([Reply], Return),
    ];
    if is_local(wish) {
        output.extend(exempt_users(wish));
        output.extend(exempt(wish));
        output.extend(bring(&wish.outbound, &[], |_| {
            Verdict::MarkAndReturn(divert)
        }));
    }

    let mut prerouting = vec![
        rule([Mark(wish.mark)], Return),
        rule([Transparent], Verdict::MarkAndAccept(divert)),
        // Answers to connections of this machine; iptables' TPROXY would drop them.
        rule([Reply], Return),
    ];
    if is_local(wish) {
        prerouting.extend(bring(&wish.outbound, &[Loopback, Mark(divert)], bring_to));
    }
    prerouting.push(rule([Loopback], Return));
    match &wish.deployment {
        Deployment::Sidecar {
            inbound,
            exclude_inbound,
        } => {
            prerouting.push(rule([ToUs(false)], Return));
            prerouting.extend(exempt_ports(exclude_inbound));
            prerouting.extend(bring(inbound, &[], bring_to));
        }
        Deployment::Host {
            interfaces,
            sources,
            ..
        } => prerouting.extend(forwarded(interfaces, sources)),
    }
    assemble(outbound, Some(output), prerouting)
}

/// `outbound` only where somebody jumps there.
fn assemble(outbound: Vec<Rule>, output: Option<Vec<Rule>>, prerouting: Vec<Rule>) -> Vec<Chain> {
    let chain = |name, hook, rules| Chain { name, hook, rules };
    let jumps = |r: &Rule| matches!(r.verdict, Verdict::Jump(_));
    let is_used = output.iter().flatten().chain(&prerouting).any(jumps);
    let mut chains = Vec::new();
    if is_used {
        chains.push(chain("outbound", None, outbound));
    }
    if let Some(output) = output {
        chains.push(chain("output", Some(Hook::Output), output));
    }
    chains.push(chain("prerouting", Some(Hook::Prerouting), prerouting));
    chains
}
