//! The control loop with a fake proxy: what comes into force, what is refused, what is said, and how it ends.

use super::inbox::Inbox;
use super::scratch::Scratch;
use super::*;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the fake proxy was asked, and what it is to answer.
#[derive(Debug, Default)]
struct Script {
    calls: Vec<String>,
    refuse: Option<String>,
    notes: Vec<String>,
    /// In flight at each question, the last one for ever.
    in_flight: Vec<u64>,
    cut: Vec<String>,
    failed_worker: Option<String>,
    listeners: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default)]
struct Fake(Arc<Mutex<Script>>);

impl Fake {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        self.script().calls.clone()
    }
}

impl Proxy for Fake {
    fn apply(&mut self, config: &Config) -> Result<Vec<String>, Vec<String>> {
        let mut script = self.script();
        if let Some(why) = &script.refuse {
            return Err(vec![why.clone()]);
        }
        let names: Vec<_> = config.listeners.iter().map(|l| l.name.clone()).collect();
        script.calls.push(format!("apply {}", names.join(" ")));
        let bound = |name: &String| (name.clone(), "127.0.0.1:8080".to_owned());
        script.listeners = names.iter().map(bound).collect();
        Ok(script.notes.clone())
    }

    fn listeners(&self) -> Vec<(String, String)> {
        self.script().listeners.clone()
    }

    fn begin_drain(&mut self) {
        self.script().calls.push("begin_drain".into());
    }

    fn part(&mut self) {
        self.script().calls.push("part".into());
    }

    fn in_flight(&self) -> InFlight {
        let mut script = self.script();
        let connections = match script.in_flight.len() {
            0 => 0,
            1 => script.in_flight[0],
            _ => script.in_flight.remove(0),
        };
        InFlight {
            connections,
            exchanges: 0,
        }
    }

    fn stop(&mut self) -> Vec<String> {
        let mut script = self.script();
        script.calls.push("stop".into());
        script.cut.clone()
    }

    fn failed_worker(&self) -> Option<String> {
        self.script().failed_worker.clone()
    }
}

impl ReloadEvents for Fake {
    fn applied(&mut self) {
        self.script().calls.push("applied".into());
    }
    fn rejected(&mut self, errors: usize) {
        self.script().calls.push(format!("rejected {errors}"));
    }
    fn draining(&mut self) {
        self.script().calls.push("draining".into());
    }
    fn reopen_logs(&mut self) {
        self.script().calls.push("reopen_logs".into());
    }
}

struct Fixture {
    dir: Scratch,
    fake: Fake,
    inbox: Inbox,
    control: Control<Fake, Fake>,
    log: Log,
    _side: Side,
}

const BEAT: Beat = Beat {
    serving: Duration::from_millis(5),
    draining: Duration::from_millis(5),
};

impl Fixture {
    /// Begun with a good configuration.
    fn new() -> Fixture {
        let dir = Scratch::new();
        let main = dir.write("ringway.toml", &good(&dir, "web"));
        let side = Side::start().unwrap();
        let status = Status::default();
        let fake = Fake::default();
        let metrics: crate::admin::Metrics = Arc::new(String::new);
        let mut fixture = Fixture {
            inbox: Inbox::default(),
            control: Control {
                proxy: fake.clone(),
                files: ConfigFiles::new(main),
                status: status.clone(),
                admin: Admin::new(side.runtime().clone(), status, metrics),
                events: fake.clone(),
                notify: systemd::Notify::default(),
            },
            log: Log::default(),
            dir,
            fake,
            _side: side,
        };
        fixture.logged(|control| {
            let config = control.files.load().unwrap().accept().unwrap().0;
            control.begin(config).unwrap();
            control.ready();
        });
        fixture
    }

    fn write(&self, text: &str) {
        self.dir.write("ringway.toml", text);
    }

    /// Do something and collect what it logs.
    fn logged<T>(&mut self, act: impl FnOnce(&mut Control<Fake, Fake>) -> T) -> T {
        let subscriber = self.log.subscriber();
        let control = &mut self.control;
        tracing::subscriber::with_default(subscriber, || act(control))
    }

    fn reload(&mut self) -> Vec<String> {
        self.log.take();
        self.logged(|control| control.reload(false));
        self.log.take()
    }

    fn serve(&mut self) -> ExitCode {
        self.log.take();
        let inbox = self.inbox.clone();
        self.logged(|control| control.serve(&inbox, BEAT))
    }

    fn phase(&self) -> Phase {
        self.control.status.facts().phase
    }
}

fn good(dir: &Path, listener: &str) -> String {
    format!(
        "[listeners.{listener}]\nbind = \"127.0.0.1:0\"\n[[routes]]\nto = [\"127.0.0.1:1\"]\n\
         [admin]\nbind = [\"unix:{}/admin.sock\"]\n",
        dir.display()
    )
}

/// Log lines without time, as `LEVEL message key=value`.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.clone();
        tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish()
    }

    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

/// Exit codes have no equality.
fn same(a: ExitCode, b: ExitCode) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn the_start_is_told() {
    let fixture = Fixture::new();
    assert_eq!(fixture.fake.calls(), ["apply web", "applied"]);
    let lines = fixture.log.take();
    let position = |part: &str| lines.iter().position(|l| l.contains(part));
    let listening = position("listening listener=web address=127.0.0.1:8080");
    assert!(listening.is_some(), "{lines:#?}");
    assert!(listening < position("ready"), "{lines:#?}");
    assert!(has(&lines, "admin address=unix:"), "{lines:#?}");
    assert_eq!(fixture.phase(), Phase::Ready);
}

#[test]
fn a_good_file_comes_into_force() {
    let mut fixture = Fixture::new();
    fixture.fake.script().notes = vec!["server.workers needs a restart".into()];
    let both = good(&fixture.dir, "web") + "[listeners.other]\nbind = \"127.0.0.1:8081\"\n";
    fixture.write(&both);
    let lines = fixture.reload();
    assert_eq!(fixture.fake.calls()[2..], ["apply web other", "applied"]);
    assert!(has(&lines, "+ listener other"), "{lines:#?}");
    assert!(has(&lines, "WARN server.workers needs a restart"));
    assert!(has(&lines, "listening listener=other"), "{lines:#?}");
    assert!(!has(&lines, "listening listener=web"), "only new ones");
    assert!(lines.last().unwrap().contains("reloaded"), "{lines:#?}");
    assert_eq!(fixture.control.status.facts().listeners.len(), 2);
}

#[test]
fn the_same_content_is_no_reload_unless_it_is_asked_for() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.reload(), Vec::<String>::new());
    assert_eq!(fixture.fake.calls().len(), 2);
    fixture.logged(|control| control.reload(true));
    assert_eq!(fixture.fake.calls()[2..], ["apply web", "applied"]);
    assert!(has(&fixture.log.take(), "reloaded"));
}

#[test]
fn a_bad_file_is_refused_and_repaired() {
    let mut fixture = Fixture::new();
    let running = good(&fixture.dir, "web");
    fixture.write(&running.replace("[[routes]]\nto", "[[routes]]\ntoo"));
    let lines = fixture.reload();
    assert_eq!(fixture.fake.calls().len(), 3, "no apply");
    assert!(fixture.fake.calls()[2].starts_with("rejected "));
    assert!(has(&lines, "ERROR"), "{lines:#?}");
    assert!(has(&lines, "ringway.toml:4:1"), "{lines:#?}");
    assert!(
        lines.last().unwrap().contains("reload refused"),
        "{lines:#?}"
    );
    let facts = fixture.control.status.facts();
    assert!(has(&facts.rejected.unwrap().lines, "too"));
    assert_eq!(facts.running.unwrap().sources[0].text, running);
    assert_eq!(facts.phase, Phase::Ready, "what runs goes on");
    // As it runs: nothing to apply, and no longer rejected.
    fixture.write(&running);
    assert!(has(&fixture.reload(), "again as they run"));
    assert!(fixture.control.status.facts().rejected.is_none());
    assert_eq!(fixture.fake.calls().len(), 3);
}

#[test]
fn a_missing_file_is_refused() {
    let mut fixture = Fixture::new();
    std::fs::remove_file(fixture.dir.join("ringway.toml")).unwrap();
    let lines = fixture.reload();
    assert!(has(&lines, "no such file"), "{lines:#?}");
    assert!(has(&lines, "reload refused"), "{lines:#?}");
    assert_eq!(fixture.fake.calls()[2..], ["rejected 1"]);
}

#[test]
fn what_the_proxy_refuses_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.fake.script().refuse = Some("0.0.0.0:80: permission denied".into());
    let admin = fixture.dir.join("second.sock");
    let text = good(&fixture.dir, "edge").replace("admin.sock", "second.sock");
    fixture.write(&text);
    let lines = fixture.reload();
    assert!(has(&lines, "ERROR 0.0.0.0:80: permission denied"));
    assert!(!admin.exists(), "bound for it, and given back");
    assert!(fixture.dir.join("admin.sock").exists());
    // The reason went away, the file did not change: SIGHUP tries again.
    fixture.fake.script().refuse = None;
    fixture.logged(|control| control.reload(true));
    assert!(admin.exists());
    assert!(!fixture.dir.join("admin.sock").exists());
    assert_eq!(fixture.fake.calls()[3..], ["apply edge", "applied"]);
}

#[test]
fn an_admin_address_that_cannot_be_had_refuses_before_the_proxy_is_asked() {
    let mut fixture = Fixture::new();
    let text = good(&fixture.dir, "web").replace("admin.sock", "ringway.toml");
    fixture.write(&text);
    let lines = fixture.reload();
    assert!(has(&lines, "admin.bind: "), "{lines:#?}");
    assert_eq!(fixture.fake.calls()[2..], ["rejected 1"]);
}

#[test]
fn a_secret_is_followed_in_its_file() {
    let mut fixture = Fixture::new();
    let text = good(&fixture.dir, "web") + "token = { file = \"token\" }\n";
    fixture.write(&text);
    let lines = fixture.reload();
    assert!(has(&lines, "admin.token: "), "{lines:#?}");
    for token in ["first", "second"] {
        fixture.dir.write("token", &format!("{token}\n"));
        assert!(has(&fixture.reload(), "reloaded"));
        let facts = fixture.control.status.facts();
        assert_eq!(facts.token.as_deref(), Some(token));
    }
    let places = &fixture.control.files.last().unwrap().places;
    let token = Names::One("token".into());
    assert!(places.iter().any(|place| place.names == token));
}

#[test]
fn a_stop_waits_for_what_is_in_flight() {
    let mut fixture = Fixture::new();
    fixture.fake.script().in_flight = vec![3, 3, 1, 0];
    fixture.inbox.ask(|calls| calls.stop = Some("SIGTERM"));
    let code = fixture.serve();
    assert!(same(code, ExitCode::SUCCESS));
    let calls = fixture.fake.calls();
    assert_eq!(calls[2..], ["draining", "begin_drain", "stop"]);
    assert_eq!(fixture.fake.script().in_flight, [0], "waited to the end");
    assert_eq!(fixture.phase(), Phase::Draining);
    let lines = fixture.log.take();
    assert!(
        has(&lines, "draining asked_by=\"SIGTERM\" connections=3"),
        "{lines:#?}"
    );
    assert!(has(&lines, "stopped cut=0"), "{lines:#?}");
}

#[test]
fn the_drain_time_ends_it_and_what_was_cut_is_said() {
    let mut fixture = Fixture::new();
    let text = good(&fixture.dir, "web") + "[server]\ndrain = \"30ms\"\n";
    fixture.write(&text);
    fixture.reload();
    fixture.fake.script().in_flight = vec![1];
    fixture.fake.script().cut = vec!["10.0.0.1 GET /slow".into()];
    fixture.inbox.ask(|calls| calls.stop = Some("SIGINT"));
    let begun = Instant::now();
    assert!(same(fixture.serve(), ExitCode::SUCCESS));
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let calls = fixture.fake.calls();
    assert!(
        calls.ends_with(&["part".to_owned(), "stop".to_owned()]),
        "{calls:?}"
    );
    let lines = fixture.log.take();
    assert!(has(&lines, "WARN cut: 10.0.0.1 GET /slow"), "{lines:#?}");
    assert!(has(&lines, "stopped cut=1"), "{lines:#?}");
}

#[test]
fn logs_are_reopened_while_serving_and_while_draining() {
    let mut fixture = Fixture::new();
    fixture.inbox.ask(|calls| {
        calls.reopen_logs = true;
        calls.stop = Some("SIGTERM");
    });
    fixture.serve();
    assert_eq!(fixture.fake.calls()[2..4], ["reopen_logs", "draining"]);
}

#[test]
fn a_dead_worker_ends_the_process() {
    let mut fixture = Fixture::new();
    fixture.fake.script().failed_worker = Some("worker 1 panicked".into());
    assert!(same(fixture.serve(), ExitCode::FAILURE));
    assert!(has(&fixture.log.take(), "worker 1 panicked"));
    assert_eq!(fixture.fake.calls().len(), 2, "nobody waits for it");
    // While draining too.
    fixture.fake.script().in_flight = vec![1];
    fixture.inbox.ask(|calls| calls.stop = Some("SIGTERM"));
    assert!(same(fixture.serve(), ExitCode::FAILURE));
}

/// Signals belong to the process: tests that send some take turns.
static SIGNALS: Mutex<()> = Mutex::new(());

fn send(signal: &str) {
    let line = format!("kill -{signal} {}", std::process::id());
    let sent = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn signals_arrive_and_the_second_stop_is_at_once() {
    static CODE: AtomicI32 = AtomicI32::new(0);
    let _turn = SIGNALS.lock().unwrap_or_else(PoisonError::into_inner);
    let side = Side::start().unwrap();
    let inbox = Inbox::default();
    let at_once = |code| CODE.store(code, Ordering::SeqCst);
    side.hear(inbox.clone(), at_once).unwrap();
    let patience = Duration::from_secs(20);
    send("HUP");
    let calls = inbox.wait(patience);
    assert!(calls.reload && calls.reopen_logs, "{calls:?}");
    send("USR1");
    let calls = inbox.wait(patience);
    assert!(!calls.reload && calls.reopen_logs, "{calls:?}");
    send("INT");
    assert_eq!(inbox.wait(patience).stop, Some("SIGINT"));
    assert_eq!(CODE.load(Ordering::SeqCst), 0);
    send("TERM");
    assert_eq!(inbox.wait(patience).stop, Some("SIGTERM"));
    assert_eq!(CODE.load(Ordering::SeqCst), 128 + 15);
}

/// Ask the admin listener, until the answer has `part`.
fn wait_for(socket: &Path, path: &str, part: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    loop {
        let answer = ask();
        if answer.as_ref().is_ok_and(|answer| answer.contains(part)) {
            return;
        }
        assert!(Instant::now() < end, "{path}: {answer:?}, not {part:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_whole_life() {
    let _turn = SIGNALS.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Scratch::new();
    let main = dir.write("ringway.toml", &good(&dir, "web"));
    let socket = dir.join("admin.sock");
    let fake = Fake::default();
    let (proxy, events) = (fake.clone(), fake.clone());
    let life = std::thread::spawn(move || {
        let mut files = ConfigFiles::new(main);
        let (config, _) = files.load().unwrap().accept().unwrap();
        let metrics = Box::new(|| "ringway_up 1\n".to_owned());
        run(proxy, files, config, metrics, events)
    });
    wait_for(&socket, "/readyz", "\"ready\": true");
    wait_for(&socket, "/metrics", "ringway_up 1");
    dir.write("ringway.toml", &good(&dir, "edge"));
    wait_for(&socket, "/listeners", "\"edge\"");
    dir.write("ringway.toml", "nonsense");
    wait_for(&socket, "/readyz", "\"config\": \"rejected\"");
    wait_for(&socket, "/config", "listeners.edge");
    dir.write("ringway.toml", &good(&dir, "edge"));
    wait_for(&socket, "/readyz", "\"config\": \"running\"");
    fake.script().in_flight = vec![1];
    send("TERM");
    wait_for(&socket, "/readyz", "HTTP/1.1 503");
    fake.script().in_flight = vec![0];
    assert!(same(life.join().unwrap(), ExitCode::SUCCESS));
    assert!(!socket.exists());
    let calls = fake.calls();
    assert_eq!(
        calls[..4],
        ["apply web", "applied", "apply edge", "applied"]
    );
    assert_eq!(calls.last().unwrap(), "stop");
}
