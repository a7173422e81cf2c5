//! Connections that stay open after one request each.

use std::cell::RefCell;
use std::rc::Rc;

use ringway_io::{sleep, spawn};

use super::lane::Lane;
use super::verify::Fault;
use super::{COUNTING, WARMING};
use crate::secured::Wire;

/// Connections before the first reading, so that what is allocated once is not counted for each.
pub(super) const WARM: usize = 200;
/// Connections that are being made at a time.
const AT_ONCE: usize = 16;
const LOOK_EVERY_MS: u32 = 20;

/// Until the stage is over; the connections are held till then.
pub(super) async fn run(lane: Rc<Lane>) {
    let open = Rc::new(RefCell::new(Vec::new()));
    begin(&lane, lane.share.of(WARM), &open);
    while lane.stage.phase() == WARMING {
        sleep(LOOK_EVERY_MS).await;
    }
    if lane.stage.phase() == COUNTING {
        begin(&lane, lane.share.of(lane.load.connections), &open);
    }
    while !lane.is_over() {
        sleep(LOOK_EVERY_MS).await;
    }
}

fn begin(lane: &Rc<Lane>, count: usize, open: &Rc<RefCell<Vec<Wire>>>) {
    for i in 0..AT_ONCE {
        let own = count / AT_ONCE + usize::from(i < count % AT_ONCE);
        let (lane, open) = (lane.clone(), open.clone());
        spawn(async move {
            for _ in 0..own {
                match one(&lane).await {
                    Ok(stream) => open.borrow_mut().push(stream),
                    Err(fault) => return lane.fail(&fault),
                }
                lane.stage.connected();
            }
        });
    }
}

async fn one(lane: &Lane) -> Result<Wire, Fault> {
    let stream = lane.connect().await?;
    lane.ask(&stream).await?;
    stream.clear_deadline();
    Ok(stream)
}
