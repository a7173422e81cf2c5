//! Route matching, by configurations as they would be typed.

use std::hint::black_box;

use ringway::route::{Ask, Captures, Fields, Router};
use ringway_config::{Source, check};

use super::{Piece, Work};

const LISTENER: &str = "[listeners.web]\nbind = \"127.0.0.1:8080\"\n";
const HOSTS: usize = 10_000;

pub(super) const PIECES: &[Piece] = &[
    Piece {
        name: "route-one",
        about: "find the only route, which has no conditions",
        work: Work::Step(|| find(one(), &["shop.example.com"])),
    },
    Piece {
        name: "route-10k-hosts",
        about: "find among 10,000 routes by host and path prefix",
        work: Work::Step(|| {
            find(
                by_host(),
                &["s0000.example", "s4711.example", "s9999.example"],
            )
        }),
    },
    Piece {
        name: "route-header-regex",
        about: "match a path prefix and a regex on a header field",
        work: Work::Step(|| find(by_regex(), &["shop.example.com"])),
    },
];

fn one() -> String {
    format!("{LISTENER}[[routes]]\nto = [\"127.0.0.1:9000\"]\n")
}

fn by_host() -> String {
    let mut text = LISTENER.to_owned();
    for n in 0..HOSTS {
        text.push_str(&format!(
            "[[routes]]\nname = \"r{n}\"\nmatch = {{ host = \"s{n:04}.example\", path = \"/products/*\" }}\nto = \"origin\"\n"
        ));
    }
    text.push_str("[clusters.origin]\nendpoints = [\"127.0.0.1:9000\"]\n");
    text
}

fn by_regex() -> String {
    format!(
        "{LISTENER}[[routes]]\nmatch = {{ path = \"/products/*\", headers = {{ user = '~(.+)@mycorp\\.com' }} }}\nto = [\"127.0.0.1:9000\"]\n"
    )
}

/// The fields of a request.
struct Head(&'static [(&'static [u8], &'static [u8])]);

impl Fields for Head {
    fn values(&self, name: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) {
        for (_, value) in self.0.iter().filter(|(n, _)| *n == name) {
            if each(value) {
                return;
            }
        }
    }
}

const HEAD: Head = Head(&[
    (b"host", b"shop.example.com"),
    (b"user", b"ann.example@mycorp.com"),
    (b"accept", b"*/*"),
]);

/// Each operation asks for one of `hosts`, in turn.
fn find(text: String, hosts: &'static [&'static str]) -> Box<dyn FnMut() -> usize> {
    let checked = check(&[Source {
        path: "ringway.toml".to_owned(),
        text,
    }]);
    let Some(config) = checked.config else {
        unreachable!("the configuration is valid: {:?}", checked.diagnostics);
    };
    let router = match Router::compile(&config) {
        Ok(router) => router,
        Err(faults) => unreachable!("a checked configuration compiles: {faults:?}"),
    };
    let mut captures = Captures::new();
    let mut turn = hosts.iter().cycle();
    Box::new(move || {
        let authority = turn.next().map_or("", |host| host);
        let ask = Ask {
            listener: 0,
            method: b"GET",
            authority: black_box(authority.as_bytes()),
            path: black_box(b"/products/17"),
            query: None,
            identity: None,
            fields: &HEAD,
        };
        match router.find(&ask, &mut captures) {
            Some(route) => route,
            None => unreachable!("every request has a route"),
        }
    })
}
