//! The access log: one JSON line for each exchange. Which flag means what is asserted beside what causes it.

use crate::{request, web};
use ringway_tests::{Client, Origin, PATIENCE, Proxy, Setup, both_drivers, front, get, ok, until};

both_drivers! {
    fn a_line_tells_the_exchange(io) {
        let origin = Origin::answering(|_| ok("hello"));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let answer = client.ask(request("POST", "/a/b?q=1", "User-Agent: tester/1\r\nContent-Length: 3\r\n") + "abc");
        let line = proxy.await_access("of the request", |line| line["path"] == "/a/b?q=1");
        for (key, value) in [
            ("method", "POST"), ("authority", "test"), ("protocol", "HTTP/1.1"), ("flag", "-"), ("route", "all"),
            ("cluster", "origin"), ("client", "127.0.0.1"), ("listener", "web"), ("user_agent", "tester/1"),
        ] {
            assert_eq!(line[key], value, "{key} in {line}");
        }
        assert_eq!(line["status"], 200);
        assert_eq!(line["endpoint"], origin.address().to_string());
        assert_eq!(line["attempts"], 1);
        assert_eq!(line["reused"], false);
        assert_eq!(line["request_id"].as_str(), answer.field("x-request-id"));
        assert!(line["bytes_in"].as_u64() >= Some(3) && line["bytes_out"].as_u64() >= Some(5), "{line}");
        assert!(line["duration_us"].as_u64() > Some(0), "{line}");
        assert!(line["upstream_us"].as_u64() <= line["duration_us"].as_u64(), "{line}");
        assert!(line["connect_us"].is_u64(), "a connection was made: {line}");
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.contains('T')), "{line}");
        client.get("/second");
        let line = proxy.await_access("of the second request", |line| line["path"] == "/second");
        assert_eq!(line["reused"], true, "{line}");
    }

    fn one_line_for_each_exchange(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(proxy.web())).collect();
        for n in 0..500 {
            clients[n % 5].get(&format!("/{n}"));
        }
        drop(clients);
        until("500 lines", PATIENCE, || (proxy.access.len() >= 500).then_some(()));
        let mut paths: Vec<u32> = proxy.access.all().iter().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            line["path"].as_str().and_then(|path| path[1..].parse().ok()).expect("its path is a number here")
        }).collect();
        paths.sort_unstable();
        assert_eq!(paths, (0..500).collect::<Vec<u32>>());
    }

    fn hostile_bytes_stay_within_their_line(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(b"GET /hostile?\"},{'<> HTTP/1.1\r\nHost: test\r\nUser-Agent: \"\\\xff\xc3\t\xe2\x80\xa8\"\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        let line = proxy.await_access("of the hostile request", |line| {
            line["path"].as_str().is_some_and(|path| path.starts_with("/hostile"))
        });
        assert!(line["user_agent"].as_str().is_some_and(|agent| agent.starts_with("\"\\")), "{line}");
    }

    fn refused_requests_have_a_line(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        assert_eq!(Client::connect(proxy.web()).ask("GET / HTTP/1.1\r\nHost : a\r\n\r\n").status, 400);
        let line = proxy.await_access("of the refused request", |line| line["status"] == 400);
        assert_eq!(line["flag"], "DPE", "{line}");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.len() > 5), "a reason in plain English: {line}");
    }

    fn off_is_off(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "") + "\n[access_log]\nto = \"off\"\n";
        let mut proxy = Setup::on(io).start(&text);
        for _ in 0..20 {
            assert_eq!(get(proxy.web(), "/").status, 200);
        }
        proxy.terminate();
        assert!(proxy.exit(PATIENCE).success());
        assert_eq!(proxy.access.all(), Vec::<String>::new());
    }

    fn to_a_file_and_changed_live(io) {
        let origin = Origin::saying("ok");
        let scratch = ringway_tests::Scratch::new();
        let file = scratch.file("access.log");
        let text = |to: &str| front(&origin, "") + &format!("\n[access_log]\nto = \"{to}\"\n");
        let proxy = Proxy::start(io, &text(&format!("file:{}", file.display())));
        get(proxy.web(), "/in-the-file");
        let holds = |path: &str| std::fs::read_to_string(&file).unwrap_or_default().contains(path);
        until("the line in the file", PATIENCE, || holds("/in-the-file").then_some(()));
        proxy.reload(&text("stdout"));
        get(proxy.web(), "/on-stdout");
        proxy.await_access("on stdout", |line| line["path"] == "/on-stdout");
        assert!(!holds("/on-stdout"));
    }

    fn nothing_is_lost_at_the_end(io) {
        let origin = Origin::saying("ok");
        let mut proxy = Proxy::start(io, &(web("") + &format!("[[routes]]\nto = [\"{}\"]\n", origin.address())));
        let mut client = Client::connect(proxy.web());
        for n in 0..50 {
            client.get(&format!("/{n}"));
        }
        drop(client);
        proxy.terminate();
        assert!(proxy.exit(PATIENCE).success());
        until("all 50 lines", PATIENCE, || (proxy.access.len() == 50).then_some(()));
    }
}
