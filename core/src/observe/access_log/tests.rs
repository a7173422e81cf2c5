//! The log as a whole: no line is lost while the destination keeps up, and every line that is lost is counted.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::*;

/// A record with something in every field.
pub(super) fn record() -> Record<'static> {
    Record {
        time_unix_us: 1_234_567_890_123_456,
        duration_us: 1_234,
        upstream_us: Some(900),
        connect_us: Some(80),
        client: "198.51.100.7",
        peer: "10.0.0.9:50000",
        identity: "spiffe://mycorp.com/edge",
        tls: "TLSv1.3",
        listener: "web",
        method: b"GET",
        authority: b"shop.mycorp.com",
        path: b"/products/7?x=1",
        protocol: "HTTP/1.1",
        status: 200,
        grpc_status: "OK",
        flag: Flag::None,
        reason: "via upstream",
        route: "products",
        cluster: "products-v1",
        destination: "10.0.1.9:80",
        endpoint: "10.0.1.1:8080",
        attempts: 1,
        reused: true,
        bytes_in: 120,
        bytes_out: 4_096,
        datagrams: Some((7, 8)),
        request_id: b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        user_agent: b"curl/8.5.0",
        worker: 3,
    }
}

fn numbered(worker: usize, n: u64) -> Record<'static> {
    Record {
        worker,
        bytes_in: n,
        ..record()
    }
}

/// Memory that a stream of the log writes into.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// `(worker, bytes_in)` of every line, in order; each must be whole.
    fn lines(&self) -> Vec<(u64, u64)> {
        parse(&self.0.lock().unwrap())
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Vec<(u64, u64)> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (
            value["worker"].as_u64().unwrap(),
            value["bytes_in"].as_u64().unwrap(),
        )
    };
    std::str::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(read)
        .collect()
}

/// Waits in every write until it is allowed.
struct Gated {
    allowed: Receiver<()>,
    arrived: Sender<()>,
    memory: Memory,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.arrived.send(());
        // When the test has dropped its end, everything is allowed.
        let _ = self.allowed.recv();
        self.memory.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated(workers: usize) -> (AccessLog, Arc<Registry>, Memory, Sender<()>, Receiver<()>) {
    let registry = Registry::new(workers);
    let memory = Memory::default();
    let ((allow, allowed), (arrived, arrivals)) = (channel(), channel());
    let to = Destination::stream(Gated {
        allowed,
        arrived,
        memory: memory.clone(),
    });
    let log = AccessLog::start_on(to, workers, registry.clone()).unwrap();
    (log, registry, memory, allow, arrivals)
}

fn dropped(registry: &Registry) -> u64 {
    registry.logs().sum(|c| c.dropped.get())
}

/// A place for the files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ringway-log-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn no_line_is_lost_while_the_log_keeps_up() {
    const LINES: u64 = 5_000;
    let registry = Registry::new(2);
    let memory = Memory::default();
    let log =
        AccessLog::start_on(Destination::stream(memory.clone()), 2, registry.clone()).unwrap();
    thread::scope(|scope| {
        for worker in 0..2 {
            let mut writer = log.writer(worker);
            scope.spawn(move || {
                for n in 0..LINES {
                    writer.line(&numbered(worker, n));
                    // Slow enough: go on when the log thread has taken what was handed over.
                    while !writer.shared.pipes[worker].full.is_empty() {
                        thread::yield_now();
                    }
                }
                assert!(writer.made <= 4, "buffers come back: {}", writer.made);
            });
        }
    });
    drop(log);
    assert_eq!(dropped(&registry), 0);
    assert_eq!(registry.logs().sum(|c| c.lines.get()), 2 * LINES);
    for worker in 0..2 {
        let of_worker = memory
            .lines()
            .into_iter()
            .filter(|l| l.0 == worker)
            .map(|l| l.1);
        assert!(
            of_worker.eq(0..LINES),
            "lines of a worker are whole, all there and in order"
        );
    }
}

#[test]
fn lines_without_a_buffer_are_dropped_and_counted_exactly() {
    const LINES: u64 = 10_000;
    let (log, registry, memory, allow, arrivals) = gated(1);
    let mut writer = log.writer(0);
    for n in 0..LINES {
        writer.line(&numbered(0, n));
    }
    arrivals.recv().unwrap();
    let lost = dropped(&registry);
    assert!(lost > 0 && lost < LINES, "{lost}");
    assert_eq!(writer.made, BUFFERS, "no more buffers than allowed");
    // Let one batch through: its buffer comes back and lines are taken again.
    allow.send(()).unwrap();
    arrivals.recv().unwrap();
    writer.line(&numbered(0, LINES));
    assert_eq!(dropped(&registry), lost);
    drop(allow);
    drop(writer);
    drop(log);
    let lines = memory.lines();
    assert_eq!(lines.len() as u64, LINES + 1 - lost);
    assert_eq!(registry.logs().sum(|c| c.lines.get()), LINES + 1 - lost);
    assert_eq!(lines.last(), Some(&(0, LINES)));
}

#[test]
fn with_a_racing_log_thread_lines_are_written_or_counted() {
    const LINES: u64 = 30_000;
    let (log, registry, memory, allow, arrivals) = gated(2);
    thread::scope(|scope| {
        for worker in 0..2 {
            let mut writer = log.writer(worker);
            scope.spawn(move || (0..LINES).for_each(|n| writer.line(&numbered(worker, n))));
        }
        scope.spawn(move || {
            for _ in 0..50 {
                allow.send(()).unwrap();
                arrivals.recv().unwrap();
            }
        });
    });
    drop(log);
    let lines = memory.lines();
    assert_eq!(lines.len() as u64 + dropped(&registry), 2 * LINES);
    assert_eq!(
        lines.iter().collect::<HashSet<_>>().len(),
        lines.len(),
        "no line twice"
    );
}

#[test]
fn lines_after_the_end_are_counted() {
    let registry = Registry::new(1);
    let memory = Memory::default();
    let log =
        AccessLog::start_on(Destination::stream(memory.clone()), 1, registry.clone()).unwrap();
    let mut writer = log.writer(0);
    (0..3).for_each(|n| writer.line(&numbered(0, n)));
    drop(log);
    assert!(!writer.enabled());
    drop(writer);
    assert_eq!((memory.lines().len(), dropped(&registry)), (0, 3));
}

#[test]
fn steady_state_makes_no_buffer_and_grows_none() {
    let registry = Registry::new(1);
    let log = AccessLog::start_on(Destination::stream(Memory::default()), 1, registry).unwrap();
    let mut writer = log.writer(0);
    let wild = "\u{1}".repeat(70_000);
    for n in 0..2_000 {
        let path = if n % 50 == 0 { wild.as_bytes() } else { b"/" };
        writer.line(&Record {
            path,
            ..numbered(0, n)
        });
        assert!([0, BUFFER].contains(&writer.buffer.capacity()));
        assert!(writer.spare.capacity() == BUFFERS && writer.made <= BUFFERS);
    }
}

#[test]
fn tick_makes_lines_visible() {
    let (log, registry, memory, allow, arrivals) = gated(1);
    let mut writer = log.writer(0);
    writer.tick();
    writer.line(&numbered(0, 7));
    assert!(memory.lines().is_empty());
    writer.tick();
    arrivals.recv().unwrap();
    drop(allow);
    drop((writer, log));
    assert_eq!((memory.lines(), dropped(&registry)), (vec![(0, 7)], 0));
}

#[test]
fn files_are_appended_to_changed_and_opened_again() {
    let folder = Folder::new("files");
    let (first, second, moved) = (
        folder.file("a.log"),
        folder.file("b.log"),
        folder.file("a.log.1"),
    );
    fs::write(&first, "{\"worker\":9,\"bytes_in\":9}\n").unwrap();
    let registry = Registry::new(1);
    let log = AccessLog::start(&LogTo::File(first.clone()), 1, registry.clone()).unwrap();
    let mut writer = log.writer(0);
    let mut say = |n| {
        writer.line(&numbered(0, n));
        writer.tick();
    };
    say(1);
    // Handed over before, so it goes to the old file.
    log.set(&LogTo::File(second.clone())).unwrap();
    say(2);
    log.set(&LogTo::File(first.clone())).unwrap();
    say(3);
    log.set(&LogTo::File(folder.file("no/such/folder")))
        .unwrap_err();
    say(4);
    log.set(&LogTo::File(second.clone())).unwrap();
    log.set(&LogTo::File(first.clone())).unwrap();
    fs::rename(&first, &moved).unwrap();
    log.reopen();
    say(5);
    log.set(&LogTo::Off).unwrap();
    say(6);
    drop(log);
    let read = |path: &PathBuf| parse(&fs::read(path).unwrap());
    assert_eq!(dropped(&registry), 0);
    let mut all = [read(&moved), read(&second), read(&first)].concat();
    all.sort_unstable();
    assert_eq!(all, [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (9, 9)]);
    assert!(read(&moved).starts_with(&[(9, 9), (0, 1)]));
    assert!(AccessLog::start(&LogTo::File(folder.file("no/such")), 1, registry).is_err());
}

#[test]
fn off_takes_no_lines_and_stragglers_are_written() {
    let registry = Registry::new(1);
    let memory = Memory::default();
    let log =
        AccessLog::start_on(Destination::stream(memory.clone()), 1, registry.clone()).unwrap();
    let mut writer = log.writer(0);
    writer.line(&numbered(0, 1));
    log.set(&LogTo::Off).unwrap();
    assert!(!writer.enabled());
    writer.line(&numbered(0, 2));
    writer.tick();
    log.switch(Destination::stream(memory.clone()));
    writer.line(&numbered(0, 3));
    drop((writer, log));
    assert_eq!(memory.lines(), [(0, 1), (0, 3)]);
    assert_eq!(registry.logs().sum(|c| c.lines.get()), 2);
}

/// Takes half of the first write, fails at the second, is interrupted at the third, then works.
struct Flaky {
    memory: Memory,
    calls: u32,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls {
            1 => self.memory.write(&bytes[..bytes.len() / 2]),
            2 => Err(io::ErrorKind::StorageFull.into()),
            3 => Err(io::ErrorKind::Interrupted.into()),
            _ => self.memory.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn failed_writes_are_counted_and_do_not_tear_the_next_line() {
    let registry = Registry::new(1);
    let memory = Memory::default();
    let to = Destination::stream(Flaky {
        memory: memory.clone(),
        calls: 0,
    });
    let log = AccessLog::start_on(to, 1, registry.clone()).unwrap();
    let mut writer = log.writer(0);
    for n in 0..2 {
        writer.line(&numbered(0, n));
        writer.tick();
    }
    drop((writer, log));
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        serde_json::from_str::<Value>(lines[0]).is_err(),
        "the first was cut"
    );
    assert_eq!(
        serde_json::from_str::<Value>(lines[1]).unwrap()["bytes_in"],
        1,
        "the second is whole"
    );
    let page = registry.render(&crate::observe::NoGauges);
    assert!(
        page.contains("dropped_total{reason=\"write_failed\"} 1\n"),
        "{page}"
    );
}

#[test]
fn of_a_batch_cut_in_two_only_the_lines_behind_the_cut_are_lost() {
    let registry = Registry::new(1);
    let memory = Memory::default();
    let to = Destination::stream(Flaky {
        memory: memory.clone(),
        calls: 0,
    });
    let log = AccessLog::start_on(to, 1, registry.clone()).unwrap();
    let mut writer = log.writer(0);
    (0..5).for_each(|n| writer.line(&numbered(0, n)));
    drop((writer, log));
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let (whole, cut) = text.rsplit_once('\n').unwrap();
    assert_eq!(parse(whole.as_bytes()), [(0, 0), (0, 1)]);
    assert!(!cut.is_empty());
    let page = registry.render(&crate::observe::NoGauges);
    assert!(
        page.contains("dropped_total{reason=\"write_failed\"} 3\n"),
        "{page}"
    );
}

#[test]
fn a_named_pipe_without_a_reader_is_an_error() {
    let folder = Folder::new("fifo");
    let path = folder.file("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let error = AccessLog::start(&LogTo::File(path), 1, Registry::new(1)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
}

#[test]
fn sides_may_move_to_their_threads() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<LogWriter>();
    moves::<AccessLog>();
    moves::<Destination>();
    is_shared::<Registry>();
    is_shared::<crate::observe::RouteCells>();
}
