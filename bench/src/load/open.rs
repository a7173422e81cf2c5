//! Open loop: requests start at a fixed rate, whatever the answers do.
//!
//! A thread of its own keeps the time, since the worker's wheel is too coarse for it, and sends each intended start into the worker. A
//! start that finds no free connection waits for one, and its latency counts from when it was to start: no coordinated omission.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use ringway_io::{Receiver, Sender, mailbox, spawn};

use super::lane::Lane;
use super::verify::Fault;
use super::{OVER, Stage};

/// Starts that may be under way to the worker: seconds of it, so that only a stuck worker loses any.
const MAILBOX: usize = 1 << 17;

/// Starts that are due, and connections that wait for one.
#[derive(Default)]
struct Due {
    starts: VecDeque<Instant>,
    idle: Vec<Waker>,
}

/// Until the stage is over.
pub(super) async fn run(lane: Rc<Lane>) {
    let due = Rc::new(RefCell::new(Due::default()));
    for _ in 0..lane.share.of(lane.load.connections) {
        let (lane, due) = (lane.clone(), due.clone());
        spawn(async move {
            if let Err(fault) = answer_starts(&lane, &due).await {
                lane.fail(&fault);
            }
        });
    }
    let rate = lane.load.rate.unwrap_or(1.0) / lane.share.count as f64;
    let (sender, receiver) = mailbox(MAILBOX);
    let stage = lane.stage.clone();
    std::thread::spawn(move || keep_time(&stage, rate, &sender));
    hand_out(&due, receiver).await;
}

async fn hand_out(due: &RefCell<Due>, mut receiver: Receiver<Instant>) {
    while let Some(start) = receiver.recv().await {
        let mut due = due.borrow_mut();
        due.starts.push_back(start);
        if let Some(idle) = due.idle.pop() {
            idle.wake();
        }
    }
}

async fn answer_starts(lane: &Lane, due: &RefCell<Due>) -> Result<(), Fault> {
    let stream = lane.connect().await?;
    lane.ask(&stream).await?;
    lane.stage.connected();
    loop {
        let start = poll_fn(|cx| {
            let mut due = due.borrow_mut();
            match due.starts.pop_front() {
                Some(start) => Poll::Ready(start),
                None => {
                    due.idle.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        // Between requests there is no answer to wait for.
        lane.ask(&stream).await?;
        lane.count(start);
    }
}

/// Ends by itself when the stage is over; the worker ends with its sender.
fn keep_time(stage: &Arc<Stage>, rate: f64, sender: &Sender<Instant>) {
    // Fifty microseconds of slack are the default, half of the distance between two starts at 10,000 per second.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let begun = Instant::now();
    let mut sent = 0u64;
    while stage.phase() != OVER {
        let now = Instant::now();
        let at = |n: u64| begun + Duration::from_secs_f64(n as f64 / rate);
        while at(sent) <= now {
            if sender.send(at(sent)).is_err() {
                return stage.fail("the load worker does not keep up with the rate".to_owned());
            }
            sent += 1;
        }
        std::thread::sleep(at(sent).saturating_duration_since(Instant::now()));
    }
}
