//! The buffer ring and the paths around it: 100 bytes to and fro between two streams of one worker, over a socket pair.
//! One operation is two receives, two sends, and what wakes whom; what the kernel does is in the time, not in the instructions.

use std::io;
use std::os::unix::net::UnixStream;

use ringway_io::{DriverChoice, Stream, WorkerOptions, run, spawn};

use super::{Piece, Work};

const MESSAGE: &[u8] = &[b'm'; 100];

pub(super) const PIECES: &[Piece] = &[
    Piece {
        name: "echo-uring",
        about: "100 bytes to and fro on the io_uring driver",
        work: Work::Worker(|times| echo(DriverChoice::Uring, times)),
    },
    Piece {
        name: "echo-epoll",
        about: "100 bytes to and fro on the epoll driver",
        work: Work::Worker(|times| echo(DriverChoice::Epoll, times)),
    },
];

fn echo(driver: DriverChoice, times: u64) -> io::Result<()> {
    let (here, there) = UnixStream::pair()?;
    let options = WorkerOptions {
        driver,
        // Two streams need few.
        buffers: 64,
        ..WorkerOptions::default()
    };
    let (said, heard) = std::sync::mpsc::channel();
    run(options, move || async move {
        let result = to_and_fro(here, there, times).await;
        // The receiver is held by our caller.
        let _ = said.send(result);
    })?;
    heard
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the worker ended early")))
}

async fn to_and_fro(here: UnixStream, there: UnixStream, times: u64) -> io::Result<()> {
    let here = Stream::from_fd(here.into())?;
    let there = Stream::from_fd(there.into())?;
    spawn(async move {
        while let Ok(Some(buf)) = there.recv().await {
            let _ = there.queue(buf);
            there.submit();
        }
    });
    for _ in 0..times {
        let _ = here.queue(MESSAGE);
        here.submit();
        let mut got = 0;
        while got < MESSAGE.len() {
            let buf = here.recv().await?;
            got += buf.ok_or(io::ErrorKind::UnexpectedEof)?.len();
        }
    }
    Ok(())
}
