//! Sockets of datagrams: who sent, which address was asked, what is cut, what is refused, and that nothing is left behind.

mod support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringway_io::{Datagrams, WorkerOptions, sleep, spawn, yield_now};
use socket2::SockAddr;
use support::*;

fn bound(address: &str) -> (Datagrams, SocketAddr) {
    let socket = UdpSocket::bind(address).expect("bind");
    let address = socket.local_addr().expect("address");
    (Datagrams::from_std(socket).expect("datagrams"), address)
}

fn connected(to: SocketAddr) -> Datagrams {
    Datagrams::connect(&SockAddr::from(to)).expect("connected")
}

/// A socket outside of the worker, which waits no longer than tests may take.
fn outside(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("bind");
    let limit = Some(Duration::from_secs(20));
    socket.set_read_timeout(limit).expect("a limit");
    socket
}

/// Send everything back, for as long as the task lives.
async fn echo_datagrams(socket: Datagrams) {
    while let Ok(datagram) = socket.recv().await {
        assert!(!datagram.truncated);
        let from = SockAddr::from(datagram.from.expect("a sender"));
        // What does not go out is lost, as on any network; the tests send little at once.
        let _ = socket.send_to(&datagram.payload, &from, datagram.to);
    }
}

#[test]
fn many_clients_get_their_own_answers() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let (socket, address) = bound("127.0.0.1:0");
                // So small and so few that the kernel's queue holds one of each.
                spawn(echo_datagrams(socket));
                all((0..100u8).map(|client| async move {
                    let socket = connected(address);
                    for round in 0..20u8 {
                        let sent = vec![client ^ round; usize::from(round) * 10];
                        socket.send(&sent).expect("sent");
                        let got = socket.recv().await.expect("the answer");
                        assert_eq!(got.payload[..], sent[..]);
                        assert_eq!(
                            (got.from, got.to, got.truncated),
                            (Some(address), None, false)
                        );
                    }
                }))
                .await;
            });
        }
    }
}

#[test]
fn empty_and_the_longest_datagrams_arrive_whole() {
    everywhere(|| async {
        for (address, longest) in [("127.0.0.1:0", 65_507), ("[::1]:0", 65_527)] {
            let (socket, address) = bound(address);
            let client = outside(if address.is_ipv4() {
                "127.0.0.1:0"
            } else {
                "[::1]:0"
            });
            for len in [0, 1, 0, 0, 1_472, 16_384, 16_385, longest, 0] {
                let sent: Vec<u8> = (0..len).map(|n| n as u8).collect();
                client.send_to(&sent, address).expect("sent");
                let got = socket.recv().await.expect("received");
                assert!(got.payload[..] == sent[..] && !got.truncated, "{len}");
                assert_eq!(got.from, client.local_addr().ok());
            }
        }
    });
}

#[test]
fn what_is_longer_than_what_is_received_is_cut_and_says_so() {
    for setup in SETUPS {
        let options = WorkerOptions {
            datagram_size: 100,
            ..options(setup)
        };
        worker(options, || async {
            let (socket, address) = bound("127.0.0.1:0");
            let client = outside("127.0.0.1:0");
            for (len, cut) in [(100, false), (101, true), (60_000, true), (99, false)] {
                client.send_to(&vec![7; len], address).expect("sent");
                let got = socket.recv().await.expect("received");
                assert_eq!(got.payload[..], vec![7; len.min(100)]);
                assert_eq!(got.truncated, cut, "{len}");
            }
        });
    }
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    everywhere(|| async {
        for (all, asked) in [
            ("0.0.0.0:0", ["127.0.0.1", "127.1.2.3"]),
            ("[::]:0", ["127.4.5.6", "::1"]),
        ] {
            let (socket, address) = bound(all);
            for asked in asked {
                let asked: IpAddr = asked.parse().expect("an address");
                let client = outside(if asked.is_ipv4() {
                    "127.0.0.1:0"
                } else {
                    "[::1]:0"
                });
                let to = SocketAddr::new(asked, address.port());
                // Connected, so that an answer from elsewhere is not heard.
                client.connect(to).expect("connected");
                client.send(b"who is there").expect("sent");
                let got = socket.recv().await.expect("received");
                assert_eq!(got.to.map(|ip| ip.to_canonical()), Some(asked));
                let from = SockAddr::from(got.from.expect("a sender"));
                socket.send_to(b"me", &from, got.to).expect("answered");
                let mut answer = [0; 8];
                let n = client.recv(&mut answer).expect("the answer");
                assert_eq!(&answer[..n], b"me");
            }
        }
    });
}

#[test]
fn a_refusal_is_told_once_and_the_socket_goes_on() {
    everywhere(|| async {
        let gone = outside("127.0.0.1:0");
        let address = gone.local_addr().expect("address");
        drop(gone);
        let socket = connected(address);
        socket.send(b"anybody?").expect("sent");
        let refused = socket.recv().await.expect_err("nobody listens");
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
        // The kernel may tell the next sender instead: whoever receives hears of it all the same.
        socket.send(b"again").expect("sent");
        while socket.send(b"and again").is_ok() {
            yield_now().await;
        }
        let refused = socket.recv().await.expect_err("nobody listens");
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
        let back = UdpSocket::bind(address).expect("the port is free");
        while socket.send(b"now?").is_err() {
            yield_now().await;
        }
        let (mut bytes, limit) = ([0; 8], Some(Duration::from_secs(20)));
        back.set_read_timeout(limit).expect("a limit");
        let (n, from) = back.recv_from(&mut bytes).expect("received");
        back.send_to(&bytes[..n], from).expect("answered");
        let answer = loop {
            if let Ok(answer) = socket.recv().await {
                break answer;
            }
        };
        assert_eq!(answer.payload[..], *b"now?");
    });
}

#[test]
fn a_deadline_ends_a_wait_and_what_is_here_comes_first() {
    everywhere(|| async {
        let (socket, address) = bound("127.0.0.1:0");
        socket.set_deadline(1);
        let late = socket.recv().await.expect_err("nothing comes");
        assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
        socket.set_deadline(20_000);
        outside("127.0.0.1:0").send_to(b"x", address).expect("sent");
        assert_eq!(socket.recv().await.expect("received").payload[..], *b"x");
    });
}

#[test]
fn a_task_that_does_not_keep_up_loses_datagrams_and_they_are_counted() {
    for setup in [Setup::Uring, Setup::UringWithoutCredit] {
        let counters = worker(options(setup), || async {
            let (socket, address) = bound("127.0.0.1:0");
            let client = outside("127.0.0.1:0");
            // Armed, and never asked again meanwhile.
            assert!(within(1, socket.recv()).await.is_none());
            for n in 0..600u32 {
                client.send_to(&n.to_be_bytes(), address).expect("sent");
                // Not more than the kernel's queue holds before the worker takes them.
                if n % 50 == 49 {
                    sleep(1).await;
                }
            }
            for n in 0..512u32 {
                let got = socket.recv().await.expect("what came first is kept");
                assert_eq!(got.payload[..], n.to_be_bytes());
            }
        });
        let dropped = counters.datagrams_dropped.load(Relaxed);
        assert!((1..=88).contains(&dropped), "{dropped}");
    }
}

#[test]
fn who_leaves_a_port_hears_nothing_there_and_can_still_send() {
    everywhere(|| async {
        for all in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let one = socket2::Socket::new(
                socket2::Domain::for_address(all.parse().expect("an address")),
                socket2::Type::DGRAM,
                None,
            )
            .expect("a socket");
            one.set_reuse_port(true).expect("shared");
            let two = one
                .domain()
                .and_then(|d| socket2::Socket::new(d, socket2::Type::DGRAM, None))
                .expect("another");
            two.set_reuse_port(true).expect("shared");
            one.bind(&all.parse::<SocketAddr>().expect("an address").into())
                .expect("bound");
            let address = one
                .local_addr()
                .expect("address")
                .as_socket()
                .expect("of IP");
            let old = Datagrams::from_std(one.into()).expect("datagrams");
            let asked = SocketAddr::from(([127, 0, 0, 1], address.port()));
            let client = outside("127.0.0.1:0");
            client.connect(asked).expect("connected");
            client.send(b"one").expect("sent");
            let first = old.recv().await.expect("received");
            old.leave_port().expect("left");
            two.bind(&address.into()).expect("bound as well");
            let new = Datagrams::from_std(two.into()).expect("datagrams");
            for _ in 0..20 {
                client.send(b"two").expect("sent");
                assert_eq!(new.recv().await.expect("received").payload[..], *b"two");
            }
            let from = SockAddr::from(first.from.expect("a sender"));
            old.send_to(b"late", &from, first.to).expect("sent");
            let mut answer = [0; 8];
            let n = client.recv(&mut answer).expect("the answer to the first");
            assert_eq!(&answer[..n], b"late");
        }
    });
}

#[test]
fn a_worker_may_end_with_everything_armed() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                for _ in 0..50 {
                    let (socket, address) = bound("127.0.0.1:0");
                    let client = connected(address);
                    client.send(b"x").expect("sent");
                    spawn(async move {
                        let _both = (socket.recv().await, client.recv().await);
                        unreachable!("nobody answers");
                    });
                }
                yield_now().await;
            });
        }
    }
}

#[test]
fn sockets_dropped_while_datagrams_come_leave_nothing() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let client = outside("127.0.0.1:0");
                for round in 0..100 {
                    let (socket, address) = bound("127.0.0.1:0");
                    for _ in 0..round % 20 {
                        let _ = client.send_to(&[1; 100], address);
                    }
                    let _ = within(round % 3, socket.recv()).await;
                    drop(socket);
                }
            });
        }
    }
}
