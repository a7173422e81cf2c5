//! Bytes that are received and kept waiting must not starve others: with many times more of them than there are buffers, everyone
//! still receives. Not speed.

mod support;

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpListener;
use std::rc::Rc;

use ringway_io::{Buf, FreshBuf, Listener, dial};
use socket2::SockAddr;
use support::*;

/// Connections that keep what they received; the tiny pool has four buffers.
const HOLDERS: usize = 40;

#[test]
fn held_bytes_do_not_starve_others() {
    for setup in SETUPS {
        worker(tiny(setup), || async {
            let held: Rc<RefCell<Vec<Buf>>> = Rc::default();
            let mut open = Vec::new();
            for i in 0..HOLDERS {
                let (ours, mut theirs) = tcp_pair();
                let ours = stream(ours);
                theirs.write_all(&[i as u8; 20]).expect("sent");
                let buf = ours.recv().await.expect("received").expect("bytes");
                held.borrow_mut().push(buf);
                open.push((ours, theirs));
            }
            // Views of all kinds: split, advanced, cloned, after the holders' connections are gone.
            drop(open);
            for (i, buf) in held.borrow_mut().iter_mut().enumerate() {
                assert!(!buf.is_empty() && buf.iter().all(|b| *b == i as u8));
                let twin = buf.clone();
                let head = buf.split_to(1);
                assert_eq!((head.len() + buf.len(), twin[0]), (twin.len(), i as u8));
                buf.advance(buf.len());
                assert!(buf.is_empty() && head[0] == i as u8);
            }
            let std = TcpListener::bind("127.0.0.1:0").expect("bind");
            let address = SockAddr::from(std.local_addr().expect("address"));
            let listener = Listener::from_std(std).expect("listener");
            ringway_io::spawn(async move {
                while let Ok(s) = listener.accept().await {
                    ringway_io::spawn(echo(s));
                }
            });
            let s = dial(&address, 20_000).await.expect("connected");
            for round in 0..50u8 {
                send_all(&s, &[round; 300]).await.expect("sent");
                assert_eq!(recv_exactly(&s, 300).await, [round; 300]);
            }
        });
    }
}

#[test]
fn a_copy_outlives_its_worker() {
    let kept: Rc<RefCell<Vec<Buf>>> = Rc::default();
    for setup in SETUPS {
        let kept = kept.clone();
        // Not by `worker`, which wants every buffer back at the end.
        let ran = ringway_io::run(tiny(setup), move || async move {
            for _ in 0..10 {
                let (ours, mut theirs) = tcp_pair();
                theirs.write_all(b"kept").expect("sent");
                let got = stream(ours).recv().await.expect("received");
                kept.borrow_mut().push(got.expect("bytes"));
            }
        });
        ran.expect("the worker ran");
    }
    let kept = kept.borrow();
    assert_eq!(kept.len(), 30);
    assert!(kept.iter().all(|buf| &buf[..] == b"kept"));
    let clones: Vec<Buf> = kept.iter().cloned().collect();
    assert!(clones.iter().all(|buf| buf.len() == 4));
}

#[test]
fn buffers_that_we_write_come_from_the_pool_while_it_has_some() {
    for setup in SETUPS {
        worker(tiny(setup), move || async move {
            // Four buffers of 64 bytes. What would hold the last of them is copied out of it, so that it can be written again.
            let mut written = Vec::new();
            for i in 0..8u8 {
                let mut fresh = FreshBuf::take();
                assert_eq!(fresh.put(&[i; 40]), 40);
                let rest = fresh.put(&[i; 40]);
                let buf = fresh.finish().expect("bytes");
                assert_eq!(buf.len(), 40 + rest);
                assert!(buf.iter().all(|b| *b == i));
                written.push(buf);
            }
            let whole = written.iter().filter(|buf| buf.len() == 64).count();
            if setup == Setup::Epoll {
                assert_eq!(whole, 8, "a buffer stays free however many are held");
            }
            drop(written);
            // Dropped unwritten or empty they go back too.
            for _ in 0..100 {
                drop(FreshBuf::take());
                assert!(FreshBuf::take().finish().is_none());
            }
        });
    }
}

#[test]
fn a_buffer_that_outlives_its_worker_is_harmless() {
    let kept: Rc<RefCell<Option<FreshBuf>>> = Rc::default();
    let keep = kept.clone();
    worker(options(Setup::Epoll), move || async move {
        let mut fresh = FreshBuf::take();
        fresh.put(b"old");
        keep.replace(Some(fresh));
    });
    worker(options(Setup::Epoll), move || async move {
        let mut fresh = kept.take().expect("kept");
        assert_eq!(fresh.put(b"new"), 0, "its buffer is gone");
        assert!(fresh.finish().is_none());
    });
}
