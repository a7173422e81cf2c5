//! Out of descriptors: accepting pauses, is counted, and goes on by itself. Lowers the process's limit, hence a file with one test.

mod support;

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;

use ringway_io::Listener;
use support::*;

/// Set the soft limit of descriptors; returns the old one.
fn limit(soft: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: one limit is read and one is written, both ours.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let old = std::mem::replace(&mut limit.rlim_cur, soft);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        old
    }
}

#[test]
fn accepting_goes_on_when_descriptors_come_back() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        worker(options, || async move {
            let std = TcpListener::bind("127.0.0.1:0").expect("bind");
            let address = std.local_addr().expect("address");
            let listener = Listener::from_std(std).expect("listener");
            // The client takes the last descriptor there is. (A multishot accept keeps the limit of when it was armed, so this comes
            // before it is.)
            let next = std::fs::File::open("/dev/null")
                .expect("opened")
                .as_raw_fd() as u64;
            let old = limit(next + 1);
            let client = TcpStream::connect(address).expect("connected");
            let early = within(120, listener.accept()).await;
            assert!(early.is_none(), "{setup:?}, no descriptor: {early:?}");
            let errors = counters.accept_errors.load(Relaxed);
            assert!((1..=6).contains(&errors), "{errors} tries in 120 ms");
            limit(old);
            listener.accept().await.expect("goes on by itself");
            drop(client);
        });
    }
}
