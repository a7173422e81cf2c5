//! Connections that carry bytes without end: the origin pours, and where the scenario says so the client does as well.

use std::rc::Rc;

use ringway_io::{Stream, sleep, spawn};

use super::lane::Lane;
use super::verify::Fault;
use crate::endless::Row;

/// How often the main task looks whether it is over.
const LOOK_EVERY_MS: u32 = 20;

/// Until the stage is over.
pub(super) async fn run(lane: Rc<Lane>) {
    let row = Row::new();
    for _ in 0..lane.share.of(lane.load.connections) {
        let lane = lane.clone();
        spawn(async move {
            if let Err(fault) = one(&lane, row).await {
                lane.fail(&fault);
            }
        });
    }
    while !lane.is_over() {
        sleep(LOOK_EVERY_MS).await;
    }
}

async fn one(lane: &Rc<Lane>, row: Row) -> Result<(), Fault> {
    let stream = Rc::new(lane.dial().await?);
    if lane.load.both {
        let (lane, stream) = (lane.clone(), stream.clone());
        spawn(async move { up(&lane, &stream, row).await });
    }
    let mut first = true;
    let right = row.check(&stream, |n| {
        if std::mem::take(&mut first) {
            lane.stage.connected();
        }
        lane.moved(n);
        lane.is_over()
    });
    match right.await {
        Ok(true) if lane.is_over() => Ok(()),
        Ok(true) => Err(Fault::Wrong("the row has ended".to_owned())),
        Ok(false) => Err(Fault::Wrong("the row has a wrong byte".to_owned())),
        Err(e) => Err(Fault::Wrong(format!("the row is cut: {e}"))),
    }
}

async fn up(lane: &Lane, stream: &Stream, row: Row) {
    let poured = row.pour(stream, |n| {
        lane.moved(n);
        lane.is_over()
    });
    if let Err(e) = poured.await {
        lane.fail(&Fault::Wrong(format!("pouring has failed: {e}")));
    }
}
