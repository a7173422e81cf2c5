//! Unix sockets to listen on: files with their permissions, abstract names, reload, stop. Endpoints behind them are in `upstreams.rs`.

use ringway_tests::{
    Client, Origin, PATIENCE, Scratch, Setup, Socket, Wire, await_refused, both_drivers, until,
};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

/// The listener `web` at this `bind`, which answers with the client's address.
fn web(bind: &str) -> String {
    format!(
        "[listeners.web]\nbind = {bind}\n[[routes]]\nname = \"all\"\nrespond = {{ status = 200, body = \"ok\" }}\n"
    )
}

fn quoted(path: &Path) -> String {
    format!("\"unix:{}\"", path.display())
}

fn connect(path: &Path) -> Client {
    Client::try_connect_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("the socket's file").mode() & 0o7777
}

fn connect_to_name(name: &str) -> Client {
    let address = SocketAddr::from_abstract_name(name).expect("a short name");
    let stream = UnixStream::connect_addr(&address).expect("somebody listens on the name");
    Client {
        wire: Wire::new(Socket::Unix(stream)),
    }
}

both_drivers! {
    fn http_by_a_file(io) {
        let scratch = Scratch::new();
        let path = scratch.file("web.sock");
        let proxy = Setup::on(io).start_in(scratch, &web(&quoted(&path)));
        proxy.await_log(0, &format!("address=unix:{}", path.display()));
        assert_eq!(mode(&path), 0o660);
        // One socket for both workers; those that stay are evened out all the same.
        let mut clients: Vec<Client> = (0..16).map(|_| connect(&path)).collect();
        for client in &mut clients {
            for _ in 0..2 {
                assert_eq!(client.get("/x").text(), "ok");
            }
        }
        let of = |worker| proxy.metrics().sum("ringway_worker_connections", &[worker]);
        let (one, other) = (of("worker=\"0\""), of("worker=\"1\""));
        assert!(one + other == 16.0 && (one - other).abs() <= 2.0, "{one} and {other}");
        let line = proxy.await_access("of a request", |line| line["path"] == "/x");
        assert_eq!((&line["client"], &line["listener"]), (&"unix".into(), &"web".into()), "{line}");
    }

    fn who_comes_by_it_is_trusted_where_that_is_written(io) {
        for (trusted, told) in [("", "unix"), ("trusted_proxies = [\"unix\"]", "192.0.2.9, unix")] {
            let scratch = Scratch::new();
            let path = scratch.file("web.sock");
            let origin = Origin::saying("ok");
            let text = format!(
                "[listeners.web]\nbind = {}\n[[routes]]\nto = [\"{}\"]\n", quoted(&path), origin.address()
            );
            let _proxy = Setup::on(io).server(trusted).start_in(scratch, &text);
            let request = "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n";
            assert_eq!(connect(&path).ask(request).status, 200);
            assert_eq!(origin.last().field("x-forwarded-for"), Some(told));
            assert_eq!(origin.last().field("x-forwarded-port"), None);
        }
    }

    fn names_that_are_no_files(io) {
        let scratch = Scratch::new();
        let name = scratch.file("name").display().to_string();
        let text = format!(
            "[listeners.db]\nbind = \"unix:@{name}\"\ntcp = [\"unix:@{name}-web\"]\n{}",
            web(&format!("{{ unix = \"@{name}-web\" }}"))
        );
        let proxy = Setup::on(io).start_in(scratch, &text);
        assert_eq!(connect_to_name(&name).get("/").text(), "ok");
        let line = proxy.await_access("of the tunnel", |line| line["protocol"] == "TCP");
        assert_eq!((&line["client"], &line["endpoint"]), (&"unix".into(), &format!("unix:@{name}-web").into()), "{line}");
    }

    fn reload_keeps_adds_and_removes(io) {
        let scratch = Scratch::new();
        let (one, other) = (scratch.file("1.sock"), scratch.file("2.sock"));
        let proxy = Setup::on(io).start_in(scratch, &web(&quoted(&one)));
        let mut client = connect(&one);
        assert_eq!(client.get("/").text(), "ok");
        let inode = std::fs::metadata(&one).expect("the file").ino();
        let open = format!("[{{ unix = \"{}\", mode = \"0600\", owner = \"root:0\" }}, {}]", one.display(), quoted(&other));
        // Only root may give files away.
        let open = if std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0) { open } else { open.replace(", owner = \"root:0\"", "") };
        proxy.reload(&web(&open));
        assert_eq!(client.get("/").text(), "ok", "kept");
        assert_eq!((std::fs::metadata(&one).expect("the file").ino(), mode(&one)), (inode, 0o600));
        assert_eq!(connect(&one).get("/").text(), "ok");
        assert_eq!(connect(&other).get("/").text(), "ok");
        proxy.reload(&web(&quoted(&other)));
        assert!(!one.exists() && other.exists());
        client.expect_closed();
        assert_eq!(connect(&other).get("/").text(), "ok");
        // Closing a socket that all workers share is no error to be told.
        assert!(!proxy.log.all().iter().any(|line| line.contains("could not be accepted")), "{}", proxy.tail());
    }

    fn a_stop_removes_the_file_and_a_start_replaces_a_dead_one(io) {
        let scratch = Scratch::new();
        let path = scratch.file("web.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "its owner is dead");
        let mut proxy = Setup::on(io).start_in(scratch, &web(&quoted(&path)));
        assert_eq!(connect(&path).get("/").text(), "ok");
        proxy.terminate();
        assert!(proxy.exit(PATIENCE).success());
        assert!(!path.exists());
    }

    fn what_is_not_ours_stays(io) {
        let scratch = Scratch::new();
        let (living, file) = (scratch.file("living.sock"), scratch.write("file", "text"));
        let listener = UnixListener::bind(&living).expect("bound");
        let proxy = Setup::on(io).start_in(scratch, &web("\"127.0.0.1:0\""));
        let refused = proxy.reload_refused(&web(&quoted(&living))).join("\n");
        assert!(refused.contains("another process serves it"), "{refused}");
        let refused = proxy.reload_refused(&web(&quoted(&file))).join("\n");
        assert!(refused.contains("not a socket"), "{refused}");
        let refused = proxy.reload_refused(&web(&format!("{{ unix = \"{}\", owner = \"nobody-is-this\" }}", file.display()))).join("\n");
        assert!(refused.contains("nobody-is-this"), "{refused}");
        assert!(std::fs::metadata(&living).expect("it").file_type().is_socket());
        assert_eq!(std::fs::read_to_string(&file).expect("it"), "text");
        drop(listener);
        await_refused(|| UnixStream::connect(&living));
        proxy.reload(&web(&quoted(&living)));
        assert_eq!(connect(&living).get("/").text(), "ok");
    }

    fn a_proxy_header_names_the_client(io) {
        let scratch = Scratch::new();
        let path = scratch.file("web.sock");
        let own = format!("{}\nproxy_protocol = {{ from = [\"unix\"] }}", quoted(&path));
        let proxy = Setup::on(io).start_in(scratch, &web(&own));
        let mut client = connect(&path);
        client.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n");
        assert_eq!(client.get("/").text(), "ok");
        let line = proxy.await_access("of the request", |line| line["path"] == "/");
        assert_eq!(line["client"], "192.0.2.7", "{line}");
        until("the connection to be counted", PATIENCE, || {
            (proxy.metrics().sum("ringway_listener_connections_total", &["listener=\"web\""]) == 1.0).then_some(())
        });
    }
}
