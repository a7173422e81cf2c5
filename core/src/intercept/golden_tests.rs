//! Golden scripts: a wish, and the commands that make it so (`golden/NAME.sh`). After a wanted change, run with `BLESS=1` and read the
//! difference.

use super::super::wish::{Deployment, Way, Wish};
use super::*;

const ALL: Machine = Machine {
    nft: true,
    iptables: true,
    ipv6: true,
};

fn sidecar(way: Way) -> Wish {
    Wish {
        deployment: Deployment::Sidecar {
            inbound: vec!["15006".parse().unwrap()],
            exclude_inbound: vec![22],
        },
        way,
        outbound: vec!["15001".parse().unwrap(), "5432,6379=15002".parse().unwrap()],
        mark: 1337,
        users: vec!["ringway".parse().unwrap(), "1001".parse().unwrap()],
        exclude: vec![
            "169.254.169.254".parse().unwrap(),
            "10.96.0.0/12".parse().unwrap(),
            "fd00:96::/112".parse().unwrap(),
        ],
        exclude_ports: vec![53, 22],
    }
}

fn host(way: Way, local: bool) -> Wish {
    Wish {
        deployment: Deployment::Host {
            interfaces: vec!["br0".parse().unwrap(), "veth*".parse().unwrap()],
            sources: vec![
                "10.244.0.0/16".parse().unwrap(),
                "fd00:244::/64".parse().unwrap(),
            ],
            local,
        },
        way,
        outbound: vec!["15001".parse().unwrap()],
        mark: 1337,
        users: Vec::new(),
        exclude: Vec::new(),
        exclude_ports: (1..=16).collect(),
    }
}

/// Nothing but what somebody sends to the service.
fn inbound_only() -> Wish {
    Wish {
        outbound: Vec::new(),
        users: Vec::new(),
        exclude: Vec::new(),
        exclude_ports: Vec::new(),
        ..sidecar(Way::Redirect)
    }
}

fn script(steps: &[Step]) -> String {
    steps.iter().map(Step::to_string).collect()
}

#[test]
fn every_wish_has_its_script() {
    let without_iptables = Machine {
        iptables: false,
        ..ALL
    };
    let without_nft = Machine { nft: false, ..ALL };
    let old = Machine {
        ipv6: false,
        ..without_nft
    };
    let rows = [
        (
            "sidecar-redirect",
            apply(&sidecar(Way::Redirect), true, without_iptables),
        ),
        (
            "sidecar-tproxy",
            apply(&sidecar(Way::Tproxy), true, without_iptables),
        ),
        ("sidecar-inbound-only", apply(&inbound_only(), true, ALL)),
        (
            "host-redirect",
            apply(&host(Way::Redirect, true), true, without_iptables),
        ),
        (
            "host-tproxy",
            apply(&host(Way::Tproxy, false), true, without_iptables),
        ),
        (
            "iptables-sidecar-redirect",
            apply(&sidecar(Way::Redirect), false, without_nft),
        ),
        (
            "iptables-host-tproxy",
            apply(&host(Way::Tproxy, true), false, old),
        ),
        ("remove", remove(ALL)),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/intercept/golden");
    for (name, steps) in rows {
        let file = folder.join(format!("{name}.sh"));
        let got = script(&steps);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(got, expected, "{name}");
    }
}
