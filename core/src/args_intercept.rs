//! The words of `ringway intercept`, and the wish that they are.
//!
//! Not here: what comes of it (`ringway::intercept`).

use clap::{Args, Subcommand, ValueEnum};
use ringway::intercept::{
    Backend, Block, Deployment, Door, INBOUND, Interface, OUTBOUND, User, Way, Wish,
};
use ringway_config::MARK;

const HELP: &str = "\
Examples:
  ringway intercept apply sidecar --uid ringway --exclude-inbound-ports 22
  ringway intercept apply host --interface br0 --way tproxy
  ringway intercept apply sidecar --dry-run       print the commands, change nothing
  ringway intercept show
  ringway intercept remove";

const APPLY_HELP: &str = "\
The rules replace those of an earlier `apply` as a whole: to apply twice is to apply once. They are a table `ringway` of nftables (chains \
RINGWAY_* where only iptables is installed). TCP alone is intercepted. Connections that carry the proxy's mark (server.mark), those of \
--uid, and those to addresses of this machine itself are left alone. Rules concern the network namespace that they are written in, and \
are gone after a restart of the machine.

`redirect` needs no privilege of the proxy; without CAP_NET_ADMIN it cannot mark its own connections, so give it a user of its own and \
name it with --uid. `tproxy` keeps the source address and needs CAP_NET_ADMIN.

Examples:
  # A sidecar: what the service sends goes to :15001, what is sent to it to :15006.
  ringway intercept apply sidecar --uid ringway

  # The service's databases go to a listener of their own; a network is left alone.
  ringway intercept apply sidecar --outbound 15001 --outbound 5432,6379=15002 --exclude 10.96.0.0/12

  # One proxy on a host for all containers behind a bridge (traffic within the bridge does not come by).
  ringway intercept apply host --interface br0 --source fd00:244::/64 --way tproxy";

#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub(crate) enum InterceptCommand {
    /// Write the rules, in place of those of an earlier `apply`
    #[command(after_long_help = APPLY_HELP)]
    Apply(Box<Apply>),
    /// Remove the rules
    Remove {
        /// Print the commands, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the rules that are in force
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Whom the proxy serves
    deployment: For,
    /// Rewrite the destination, or keep packets as they are (needs CAP_NET_ADMIN)
    #[arg(long, value_enum, default_value_t = How::Redirect)]
    way: How,
    /// Where connections of services are brought: PORT, or PORTS=PORT for some ports; may be repeated [default: 15001]
    #[arg(long, value_name = "[PORTS=]PORT")]
    outbound: Vec<Door>,
    /// Bring nothing that the service sends anywhere (sidecar)
    #[arg(long, conflicts_with = "outbound")]
    no_outbound: bool,
    /// Where connections to the service are brought (sidecar); may be repeated [default: 15006]
    #[arg(long, value_name = "[PORTS=]PORT")]
    inbound: Vec<Door>,
    /// Bring nothing that is sent to the service anywhere (sidecar)
    #[arg(long, conflicts_with_all = ["inbound", "no_outbound"])]
    no_inbound: bool,
    /// Services whose packets come in by this interface, e.g. br0 or veth* (host); may be repeated
    #[arg(long, value_name = "NAME")]
    interface: Vec<Interface>,
    /// Services with these addresses (host); may be repeated
    #[arg(long, value_name = "BLOCK")]
    source: Vec<Block>,
    /// Services in this network namespace itself (host)
    #[arg(long)]
    local: bool,
    /// A user whose connections are left alone, by number or name; may be repeated
    #[arg(long, value_name = "USER")]
    uid: Vec<User>,
    /// The mark of connections that are left alone: server.mark of the proxy
    #[arg(long, value_name = "N", default_value_t = MARK, value_parser = clap::value_parser!(u32).range(1..i64::from(u32::MAX)))]
    mark: u32,
    /// Destinations that are left alone; may be repeated
    #[arg(long, value_name = "BLOCK")]
    exclude: Vec<Block>,
    /// Ports of destinations that are left alone
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    exclude_ports: Vec<u16>,
    /// Ports of the service that are left alone (sidecar)
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    exclude_inbound_ports: Vec<u16>,
    /// What writes the rules
    #[arg(long, value_enum, default_value_t = With::Auto)]
    with: With,
    /// Print the commands, change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    /// The service in this network namespace, in both directions
    Sidecar,
    /// Services whose packets come by
    Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    Redirect,
    Tproxy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum With {
    /// nft where it is installed, else iptables
    Auto,
    Nft,
    Iptables,
}

impl Apply {
    pub(crate) fn dry_run(&self) -> bool {
        self.dry_run
    }

    pub(crate) fn backend(&self) -> Backend {
        match self.with {
            With::Auto => Backend::Auto,
            With::Nft => Backend::Nft,
            With::Iptables => Backend::Iptables,
        }
    }

    /// What clap does not see: which words mean something together.
    pub(crate) fn wish(self) -> Result<Wish, &'static str> {
        let of_sidecar = self.no_inbound
            || self.no_outbound
            || !self.inbound.is_empty()
            || !self.exclude_inbound_ports.is_empty();
        let of_host = self.local || !self.interface.is_empty() || !self.source.is_empty();
        let deployment = match self.deployment {
            For::Sidecar if of_host => {
                return Err("--interface, --source and --local are for `host`");
            }
            For::Host if of_sidecar => {
                return Err(
                    "--inbound, --no-inbound, --no-outbound and --exclude-inbound-ports are for `sidecar`",
                );
            }
            For::Host if !of_host => {
                return Err("whose connections? --interface, --source or --local says so");
            }
            For::Sidecar => Deployment::Sidecar {
                inbound: doors(self.inbound, INBOUND, self.no_inbound),
                exclude_inbound: self.exclude_inbound_ports,
            },
            For::Host => Deployment::Host {
                interfaces: self.interface,
                sources: self.source,
                local: self.local,
            },
        };
        Ok(Wish {
            deployment,
            way: match self.way {
                How::Redirect => Way::Redirect,
                How::Tproxy => Way::Tproxy,
            },
            outbound: doors(self.outbound, OUTBOUND, self.no_outbound),
            mark: self.mark,
            users: self.uid,
            exclude: self.exclude,
            exclude_ports: self.exclude_ports,
        })
    }
}

fn doors(given: Vec<Door>, built_in: u16, none: bool) -> Vec<Door> {
    if none || !given.is_empty() {
        return given;
    }
    vec![Door {
        ports: Vec::new(),
        to: built_in,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        apply: Apply,
    }

    fn wish(line: &str) -> Result<Wish, &'static str> {
        let words = std::iter::once("apply").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|_| "not understood")?;
        line.apply.wish()
    }

    #[test]
    fn what_goes_together_and_what_does_not() {
        for (line, good) in [
            ("sidecar", true),
            ("sidecar --no-inbound", true),
            ("sidecar --no-inbound --no-outbound", false),
            ("sidecar --local", false),
            (
                "sidecar --outbound 15001 --outbound 5432=15002 --uid 1000 --exclude 10.0.0.0/8",
                true,
            ),
            ("sidecar --exclude 10.0.0.0/40", false),
            ("sidecar --mark 0", false),
            ("sidecar --mark 4294967295", false),
            ("host", false),
            ("host --local --way tproxy", true),
            ("host --interface br0 --source fd00::/64", true),
            ("host --interface br0 --inbound 15006", false),
            ("edge", false),
        ] {
            assert_eq!(wish(line).is_ok(), good, "{line}");
        }
    }

    #[test]
    fn a_sidecar_has_ports_without_being_told() {
        let wish = wish("sidecar").expect("a wish");
        assert_eq!(wish.outbound, ["15001".parse().expect("a door")]);
        let Deployment::Sidecar { inbound, .. } = wish.deployment else {
            panic!("{:?}", wish.deployment);
        };
        assert_eq!(inbound, ["15006".parse().expect("a door")]);
        assert_eq!(wish.mark, 1337);
    }
}
