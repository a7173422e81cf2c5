//! One request by HTTP/2, to find out whether a proxy answers yet. Not part of what is measured.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::library::{client, octets, request};
use super::{Head, Wanted, body};
use crate::scenario::Scenario;

/// A proxy that listens answers within this.
const WITHIN: Duration = Duration::from_secs(5);

/// A good head of an answer comes from `address`.
pub(crate) fn first_answer(address: SocketAddr, scenario: &Scenario) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match tokio::time::timeout(WITHIN, ask(address, scenario)).await {
            Ok(answered) => answered,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    })
}

async fn ask(address: SocketAddr, scenario: &Scenario) -> io::Result<()> {
    let grpc = scenario.origin.grpc;
    let upload = body(scenario.load.body, grpc);
    let stream = tokio::net::TcpStream::connect(address).await?;
    let shaken = client().handshake(stream).await;
    let (asks, connection) = shaken.map_err(io::Error::other)?;
    let asking = async {
        let mut asks = asks.ready().await?;
        let head = Head::request(&scenario.load, grpc);
        let request = request(&head).map_err(|_| h2::Reason::INTERNAL_ERROR)?;
        let (answer, mut stream) = asks.send_request(request, upload.is_empty())?;
        if !upload.is_empty() {
            stream.send_data(octets(upload), true)?;
        }
        answer.await
    };
    let answer = tokio::select! {
        answer = asking => answer.map_err(io::Error::other)?,
        ended = connection => {
            return Err(io::Error::other(format!("it ended the connection: {ended:?}")));
        }
    };
    let wanted = Wanted {
        length: body(scenario.origin.body, grpc).len(),
        grpc,
    };
    let field = |name: &str| answer.headers().get(name).map(|value| value.as_bytes());
    match wanted.fault_of(answer.status().as_u16(), field) {
        None => Ok(()),
        Some(fault) => Err(io::Error::other(format!("{fault}: {answer:?}"))),
    }
}
