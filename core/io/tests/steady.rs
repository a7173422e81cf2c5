//! What steady state costs in memory: nothing. Counted by an allocator of this test's own, hence a file with one test.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ringway_io::{OutBuf, SLOT_SIZE, pooled, spawn, tunnel, yield_now};
use support::*;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: passes everything on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u32 = 10_000;

#[test]
fn steady_state_allocates_nothing() {
    println!("slot: {SLOT_SIZE} bytes");
    assert!((100..=256).contains(&SLOT_SIZE));
    for setup in SETUPS {
        worker(options(setup), || async {
            // Echo through a tunnel: client <-> a | b <-> server.
            let (client, a) = streams();
            let (b, server) = streams();
            spawn(echo(server));
            spawn(async move {
                let (up, down) = Default::default();
                tunnel(&a, &b, 60_000, &up, &down)
                    .await
                    .expect("both ended");
            });
            let mut before = 0;
            for round in 0..ROUNDS + 100 {
                if round == 100 {
                    before = ALLOCATIONS.load(Relaxed);
                }
                client.set_deadline(1_000 + round % 500);
                let mut head = OutBuf::take();
                head.extend_from_slice(b"head ");
                client.queue(head).expect("room");
                client.queue(&b"body"[..]).expect("room");
                client.flush().await.expect("sent");
                let mut left = 9;
                while left > 0 {
                    left -= client.recv().await.expect("bytes").expect("no end").len();
                }
                // Tasks and pooled futures are made of used memory too.
                spawn(yield_now());
                pooled(async {
                    let block = [round; 64];
                    yield_now().await;
                    assert_eq!(block[63], round);
                })
                .await;
            }
            assert_eq!(
                ALLOCATIONS.load(Relaxed) - before,
                0,
                "allocations in {ROUNDS} rounds"
            );
        });
    }
}
