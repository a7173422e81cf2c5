//! Who of several gets a request: weighted splits over clusters, balancing over endpoints. Not failing endpoints.

use crate::{request, web};
use ringway_tests::{Client, Origin, Proxy, Setup, both_drivers};
use std::collections::BTreeMap;

/// Two origins behind one weighted route.
fn split(weights: (u32, u32), more: &str) -> (Origin, Origin, String) {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let text = web("")
        + &format!(
            "[[routes]]\nname = \"split\"\nto = [{{ cluster = \"one\", weight = {} }}, {{ cluster = \"two\", weight = {} }}]\n{more}\n\
         [clusters.one]\nendpoints = [\"{}\"]\n[clusters.two]\nendpoints = [\"{}\"]\n",
            weights.0,
            weights.1,
            one.address(),
            two.address()
        );
    (one, two, text)
}

/// Which body each key gets, over fresh connections to both workers; panics if one key gets both.
fn sides(proxy: &Proxy, field: impl Fn(usize) -> String) -> BTreeMap<String, usize> {
    let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(proxy.web())).collect();
    let mut count = BTreeMap::new();
    for key in 0..200 {
        let wanted = request("GET", "/", &field(key));
        let side = clients[key % 6].ask(&wanted).text();
        for n in 1..4 {
            assert_eq!(
                clients[(key + n) % 6].ask(&wanted).text(),
                side,
                "key {key} changes sides"
            );
        }
        *count.entry(side).or_default() += 1;
    }
    count
}

both_drivers! {
    fn a_split_by_chance_keeps_its_weights(io) {
        let (_one, _two, text) = split((80, 20), "");
        let proxy = Proxy::start(io, &text);
        let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(proxy.web())).collect();
        let two = (0..2000).filter(|n| clients[n % 4].get("/").text() == "two").count();
        // 400 expected with a deviation of 18; six of them happen once in 500 million runs.
        assert!((293..=507).contains(&two), "{two} of 2000 requests went to the side of weight 20 %");
    }

    fn a_weight_of_zero_gets_nothing(io) {
        let (_one, two, text) = split((1, 0), "");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for _ in 0..200 {
            assert_eq!(client.get("/").text(), "one");
        }
        assert_eq!(two.asked().len(), 0);
    }

    fn a_split_by_header_is_sticky(io) {
        let (_one, _two, text) = split((50, 50), "split_by = \"header:x-user\"");
        let proxy = Proxy::start(io, &text);
        let count = sides(&proxy, |key| format!("X-User: user-{key}\r\n"));
        // 100 expected with a deviation of 7.
        assert!((57..=143).contains(&count["one"]), "{count:?}");
    }

    fn a_split_by_cookie_is_sticky(io) {
        let (_one, _two, text) = split((50, 50), "split_by = \"cookie:sid\"");
        let proxy = Proxy::start(io, &text);
        let count = sides(&proxy, |key| format!("Cookie: theme=dark; sid=s{key}; lang=de\r\n"));
        assert!((57..=143).contains(&count["one"]), "{count:?}");
    }

    fn a_split_by_client_is_sticky(io) {
        let (one, two, text) = split((50, 50), "split_by = \"client_ip\"");
        let proxy = Proxy::start(io, &text);
        for _ in 0..30 {
            Client::connect(proxy.web()).get("/");
        }
        let both = (one.asked().len(), two.asked().len());
        assert!(both == (30, 0) || both == (0, 30), "one address went to both sides: {both:?}");
    }

    fn a_split_by_client_counts_the_client_behind_a_trusted_proxy(io) {
        let (_one, _two, text) = split((50, 50), "split_by = \"client_ip\"");
        let proxy = Setup::on(io).server("trusted_proxies = [\"127.0.0.1\"]").start(&text);
        let count = sides(&proxy, |key| format!("X-Forwarded-For: 10.0.{}.{}\r\n", key / 10, key % 10));
        assert!((57..=143).contains(&count.get("one").copied().unwrap_or(0)), "{count:?}");
    }

    fn every_way_to_balance_uses_every_endpoint(io) {
        let origins: Vec<Origin> = ["a", "b", "c"].into_iter().map(Origin::saying).collect();
        let endpoints: Vec<String> = origins.iter().map(|origin| format!("\"{}\"", origin.address())).collect();
        let mut text = web("");
        for balance in ["p2c", "round_robin", "random"] {
            text += &format!("[[routes]]\nmatch = {{ path = \"/{balance}\" }}\nto = \"{balance}\"\n");
        }
        for balance in ["p2c", "round_robin", "random"] {
            text += &format!("[clusters.{balance}]\nbalance = \"{balance}\"\nendpoints = [{}]\n", endpoints.join(", "));
        }
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for balance in ["p2c", "round_robin", "random"] {
            let mut count = BTreeMap::<String, u32>::new();
            for _ in 0..300 {
                *count.entry(client.get(&format!("/{balance}")).text()).or_default() += 1;
            }
            for name in ["a", "b", "c"] {
                let n = count.get(name).copied().unwrap_or(0);
                let fair = if balance == "round_robin" { 99..=101 } else { 50..=150 };
                assert!(fair.contains(&n), "{balance}: {count:?}");
            }
        }
    }

    fn weights_of_endpoints_count(io) {
        let (one, two) = (Origin::saying("one"), Origin::saying("two"));
        let text = web("") + &format!(
            "[[routes]]\nto = \"both\"\n[clusters.both]\nbalance = \"round_robin\"\n\
             endpoints = [{{ address = \"{}\", weight = 3 }}, {{ address = \"{}\", weight = 1 }}]\n",
            one.address(), two.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for _ in 0..400 {
            client.get("/");
        }
        let heavy = one.asked().len();
        assert!((290..=310).contains(&heavy), "{heavy} of 400 went to the endpoint of weight 3 of 4");
    }
}
