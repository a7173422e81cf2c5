//! Live reload: what changes, what stays. How a file may be saved is in `reload_files.rs`.

use crate::upgrade::{echoing, upgraded};
use crate::{request, web};
use ringway_tests::{
    Client, End, Gate, Origin, PATIENCE, Proxy, Setup, both_drivers, front, get, nobody, until,
};
use std::net::{SocketAddr, TcpStream};

/// One route for everything that answers with this text.
fn says(text: &str) -> String {
    format!("[[routes]]\nname = \"all\"\nrespond = {{ status = 200, body = \"{text}\" }}\n")
}

both_drivers! {
    fn a_changed_route_is_seen_and_the_connection_kept(io) {
        let proxy = Proxy::start(io, &(web("") + &says("old")));
        let address = proxy.web();
        let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(address)).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "old");
        }
        proxy.reload(&(web("") + &says("new")));
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "new", "on every worker, on a kept connection");
        }
        assert_eq!(get(address, "/").text(), "new", "the listener stays where it is");
    }

    fn reloaded_means_that_every_worker_follows(io) {
        let proxy = Proxy::start(io, &(web("") + &says("round 0")));
        let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(proxy.web())).collect();
        for round in 1..=15 {
            let text = format!("round {round}");
            proxy.reload(&(web("") + &says(&text)));
            for client in &mut clients {
                assert_eq!(client.get("/").text(), text, "the log says that it is done");
            }
        }
    }

    fn an_exchange_keeps_the_configuration_that_it_began_with(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let text = |value: &str| web("") + &format!(
            "[[routes]]\nto = \"origin\"\nresponse_headers = {{ set = {{ x-version = \"{value}\" }} }}\n\
             [clusters.origin]\nendpoints = [\"{}\"]\n", origin.address()
        );
        let proxy = Proxy::start(io, &text("old"));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        gate.await_arrivals(1);
        proxy.reload(&text("new"));
        gate.open();
        assert_eq!(client.answer().field("x-version"), Some("old"));
        assert_eq!(client.get("/").field("x-version"), Some("new"));
    }

    fn an_exchange_outlives_its_cluster(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "still here");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        gate.await_arrivals(1);
        proxy.reload(&(web("") + &says("without cluster")));
        gate.open();
        assert_eq!(client.answer().text(), "still here");
        assert_eq!(client.get("/").text(), "without cluster");
        assert!(origin.await_end(0), "the pool of a cluster that is gone is closed");
    }

    fn pools_that_nobody_touched_stay(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for round in 0..5 {
            assert_eq!(client.get("/").status, 200);
            proxy.reload(&(front(&origin, "") + &format!("# round {round}\n[clusters.spare{round}]\nendpoints = [\"127.0.0.1:9\"]\n")));
        }
        assert_eq!(client.get("/").status, 200);
        assert_eq!(origin.connections(), 1, "the idle connection survives reloads that do not touch its cluster");
        until("all six requests in the counters, which survive as well", PATIENCE, || {
            let counted = proxy.metrics().sum("ringway_route_requests_total", &["route=\"all\"", "code=\"2xx\""]);
            (counted == 6.0).then_some(())
        });
    }

    fn new_endpoints_are_used(io) {
        let (one, two) = (Origin::saying("one"), Origin::saying("two"));
        let proxy = Proxy::start(io, &front(&one, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").text(), "one");
        proxy.reload(&front(&two, ""));
        for _ in 0..5 {
            assert_eq!(client.get("/").text(), "two");
        }
        assert!(one.await_end(0), "connections to an endpoint that is gone are closed");
    }

    fn listeners_come_and_go(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "held");
        let base = front(&origin, "");
        let second = "[listeners.second]\nbind = \"127.0.0.1:0\"\n";
        let proxy = Proxy::start(io, &base);
        let from = proxy.log.len();
        proxy.reload(&format!("{base}\n{second}"));
        let address = proxy.await_address("second", from);
        let mut inside = Client::connect(address);
        inside.send(request("GET", "/", ""));
        let mut idle = Client::connect(address);
        gate.await_arrivals(1);
        proxy.reload(&base);
        until("the removed listener to refuse", PATIENCE, || TcpStream::connect(address).is_err().then_some(()));
        gate.open();
        let answer = inside.answer();
        assert_eq!(answer.text(), "held", "what runs on a removed listener ends well");
        assert!(answer.says_close());
        inside.expect_closed();
        idle.expect_closed();
        assert_eq!(get(proxy.web(), "/").text(), "held", "the other listener does not notice");
    }

    fn a_bad_file_changes_nothing(io) {
        let proxy = Proxy::start(io, &(web("") + &says("good")));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").text(), "good");
        let bad = web("") + "[[routes]]\nname = \"all\"\nto = \"prodcts\"\nretrys = 3\n[clusters.products]\nendpoints = [\"127.0.0.1:1\"]\n";
        let log = proxy.reload_refused(&bad).join("\n");
        assert!(log.contains("prodcts") && log.contains("products"), "an unknown name, with the nearest one:\n{log}");
        assert!(log.contains("retrys"), "all errors at once:\n{log}");
        assert!(log.contains("ringway.toml:"), "with the file and the line:\n{log}");
        assert_eq!(client.get("/").text(), "good");
        let ready = proxy.admin("/readyz");
        assert_eq!(ready.status, 200, "it still serves");
        assert!(ready.text().contains("rejected"), "{}", ready.text());
        let metrics = proxy.metrics();
        assert_eq!(metrics.sum("ringway_config_last_reload_successful", &[]), 0.0);
        assert_eq!(metrics.sum("ringway_config_reloads_total", &["rejected"]), 1.0);
        assert!(metrics.sum("ringway_config_errors", &[]) >= 2.0);
        proxy.reload(&(web("") + &says("better")));
        assert_eq!(client.get("/").text(), "better");
        assert!(!proxy.admin("/readyz").text().contains("rejected"));
        assert_eq!(proxy.metrics().sum("ringway_config_last_reload_successful", &[]), 1.0);
    }

    fn a_listener_that_cannot_be_bound_changes_nothing(io) {
        let taken = Origin::saying("taken");
        let base = web("") + &says("good");
        let proxy = Proxy::start(io, &base);
        let text = format!("{}\n[listeners.second]\nbind = \"{}\"\n", web("") + &says("worse"), taken.address());
        proxy.reload_refused(&text);
        assert_eq!(get(proxy.web(), "/").text(), "good", "all or nothing");
        proxy.reload(&(web("") + &says("better")));
        assert_eq!(get(proxy.web(), "/").text(), "better");
    }

    fn the_log_says_what_changed(io) {
        let proxy = Proxy::start(io, &(web("") + &says("old")));
        let from = proxy.log.len();
        proxy.reload(&(web("") + "[[routes]]\nname = \"extra\"\nmatch = { path = \"/extra\" }\nrespond = { status = 204 }\n" + &says("old")));
        proxy.await_log(from, "extra");
    }

    fn a_tunnel_survives_a_reload(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        proxy.reload(&(web("") + &says("all gone")));
        for text in ["still", "here"] {
            client.send(text);
            assert_eq!(client.wire.take(text.len()).expect("the echo"), text.as_bytes());
        }
        assert_eq!(get(proxy.web(), "/").text(), "all gone");
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
    }

    fn a_key_that_needs_a_restart_is_said_and_the_rest_goes_on(io) {
        let proxy = Setup::on(io).workers(1).start(&(web("") + &says("old")));
        let from = proxy.log.len();
        let text = proxy.text(&(web("") + &says("new"))).replace("workers = 1", "workers = 2");
        proxy.scratch.replace("ringway.toml", &text);
        proxy.await_reloaded(from);
        assert_eq!(get(proxy.web(), "/").text(), "new");
        let log = proxy.log.all().split_off(from).join("\n");
        assert!(log.contains("workers") && log.contains("restart"), "{log}");
    }

    fn an_address_may_become_the_unspecified_one(io) {
        let free = nobody();
        let text = |ip: &str, body: &str| format!("[listeners.web]\nbind = \"{ip}:{}\"\n", free.port()) + &says(body);
        let proxy = Proxy::start(io, &text("127.0.0.1", "loopback"));
        assert_eq!(get(free, "/").text(), "loopback");
        let other = SocketAddr::from(([127, 0, 0, 2], free.port()));
        assert!(TcpStream::connect(other).is_err());
        proxy.reload(&text("0.0.0.0", "everywhere"));
        assert_eq!(get(free, "/").text(), "everywhere");
        assert_eq!(get(other, "/").text(), "everywhere");
        proxy.reload(&text("127.0.0.1", "loopback again"));
        assert_eq!(get(free, "/").text(), "loopback again");
        until("the other address to be refused", PATIENCE, || TcpStream::connect(other).is_err().then_some(()));
    }
}
