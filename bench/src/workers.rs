//! What each of Ringway's workers did, by its own metrics and its thread's account of the scheduler.
//!
//! Only Ringway can be asked so.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One worker: at a moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// Client connections that it serves (at the earlier moment).
    pub(crate) connections: f64,
    /// Connections that the kernel gave it, since its start.
    pub(crate) accepted: f64,
    /// Of these, handed to another worker.
    pub(crate) handed: f64,
    /// Bytes sent to clients and upstreams: where all requests are alike, its part of them.
    pub(crate) sent: f64,
    /// CPU time of its thread.
    pub(crate) cpu_us: f64,
}

/// Every worker of the process `pid`, whose admin socket lies in `folder`, in order.
pub(crate) fn ask(folder: &Path, pid: u32) -> io::Result<Vec<Worker>> {
    let mut stream = UnixStream::connect(folder.join("admin.sock"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    let mut workers = read(&page);
    for entry in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let of = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let name = of("comm");
        let index = name.trim().strip_prefix("ringway-");
        if let Some(worker) = index.and_then(|i| workers.get_mut(i.parse::<usize>().ok()?)) {
            let schedule = of("schedstat");
            let run_ns = schedule
                .split(' ')
                .next()
                .and_then(|n| n.parse::<f64>().ok());
            worker.cpu_us = run_ns.unwrap_or(0.0) / 1000.0;
        }
    }
    Ok(workers)
}

/// The numbers of each worker on a page of metrics.
fn read(page: &str) -> Vec<Worker> {
    let mut workers = Vec::new();
    for line in page.lines() {
        let Some((name, rest)) = line.split_once("{worker=\"") else {
            continue;
        };
        let Some((index, value)) = rest.split_once("\"} ") else {
            continue;
        };
        let (Ok(index), Ok(value)) = (index.parse::<usize>(), value.parse::<f64>()) else {
            continue;
        };
        if workers.len() <= index {
            workers.resize(index + 1, Worker::default());
        }
        let worker: &mut Worker = &mut workers[index];
        match name {
            "ringway_worker_connections" => worker.connections = value,
            "ringway_worker_accepted_total" => worker.accepted = value,
            "ringway_worker_connections_handed_total" => worker.handed = value,
            "ringway_worker_sent_bytes_total" => worker.sent = value,
            _ => {}
        }
    }
    workers
}

/// What they did between two moments. Connections are those of the earlier one, since at the later one the load has ended; what was
/// accepted and handed counts from the start, since connections are made before counting begins.
pub(crate) fn between(before: &[Worker], after: &[Worker]) -> Vec<Worker> {
    let pairs = before.iter().zip(after);
    let used = pairs.map(|(before, after)| Worker {
        sent: after.sent - before.sent,
        cpu_us: after.cpu_us - before.cpu_us,
        connections: before.connections,
        ..*after
    });
    used.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_its_numbers() {
        let page = "# TYPE x counter\nringway_worker_info{worker=\"0\",driver=\"epoll\"} 1\n\
                    ringway_worker_connections{worker=\"1\"} 7\nringway_worker_sent_bytes_total{worker=\"0\"} 50\n\
                    ringway_worker_connections_handed_total{worker=\"1\"} 2\nringway_worker_accepted_total{worker=\"1\"} 9\n";
        let workers = read(page);
        let wanted = [
            Worker {
                sent: 50.0,
                ..Worker::default()
            },
            Worker {
                connections: 7.0,
                accepted: 9.0,
                handed: 2.0,
                ..Worker::default()
            },
        ];
        assert_eq!(workers, wanted);
        let later = [
            Worker {
                sent: 80.0,
                ..workers[0]
            },
            Worker {
                connections: 5.0,
                ..workers[1]
            },
        ];
        let used = between(&workers, &later);
        assert_eq!(
            (used[0].sent, used[1].connections, used[1].accepted),
            (30.0, 7.0, 9.0)
        );
    }
}
