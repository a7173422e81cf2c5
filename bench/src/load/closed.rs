//! Closed loop: a connection asks again when it has its answer.

use std::rc::Rc;
use std::time::Instant;

use ringway_io::{sleep, spawn};

use super::lane::Lane;
use super::verify::Fault;
use crate::secured::Wire;

/// How often the main task looks whether it is over.
const LOOK_EVERY_MS: u32 = 20;

/// Until the stage is over.
pub(super) async fn run(lane: Rc<Lane>) {
    let connections = lane.share.of(lane.load.connections);
    let active = lane
        .share
        .of(lane.load.active.unwrap_or(lane.load.connections))
        .min(connections);
    for i in 0..active {
        // Each asks on its part of the connections in turn.
        let own = connections / active + usize::from(i < connections % active);
        let lane = lane.clone();
        spawn(async move {
            let done = if lane.load.close {
                close_each(&lane).await
            } else {
                keep(&lane, own).await
            };
            if let Err(fault) = done {
                lane.fail(&fault);
            }
        });
    }
    while !lane.is_over() {
        sleep(LOOK_EVERY_MS).await;
    }
}

async fn keep(lane: &Lane, count: usize) -> Result<(), Fault> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = lane.connect().await?;
        lane.ask(&stream).await?;
        lane.stage.connected();
        streams.push(stream);
    }
    let mut next = 0;
    while !lane.is_over() {
        let started = Instant::now();
        if let Err(fault) = lane.ask(&streams[next]).await {
            if !lane.bears(&fault, true) {
                return Err(fault);
            }
            streams[next] = again(lane).await?;
        }
        lane.count(started);
        next = (next + 1) % count;
    }
    Ok(())
}

/// The request once more on a fresh connection. A proxy that is being reloaded may close that one too before it has an answer.
async fn again(lane: &Lane) -> Result<Wire, Fault> {
    /// As often as a person would find it funny.
    const TIMES: u32 = 3;
    let mut left = TIMES;
    loop {
        let stream = lane.connect().await?;
        match lane.ask(&stream).await {
            Ok(()) => return Ok(stream),
            Err(fault) if left == 0 || !lane.bears(&fault, true) => return Err(fault),
            Err(_) => left -= 1,
        }
    }
}

async fn close_each(lane: &Lane) -> Result<(), Fault> {
    let client = lane.another_client()?;
    let mut first = true;
    while !lane.is_over() {
        let started = Instant::now();
        let stream = lane.connect_as(client.as_ref()).await?;
        lane.ask(&stream).await?;
        lane.end(stream).await?;
        lane.count(started);
        if std::mem::take(&mut first) {
            lane.stage.connected();
        }
    }
    Ok(())
}
