//! How a received piece of a body gets from the HTTP/2 library's hands into a send queue without a copy. The library shows a writer the octets and then
//! advances past what was written; here the writer asks for the piece itself, and the advance hands it over. Both happen within one call of the
//! library, so that one place per thread is enough. Not the piece (`octets`), not the writer (`face`).

use std::cell::Cell;

use ringway_io::Buf;

/// Shorter pieces are copied: that costs less than a place in the send queue.
const LEAST: usize = 2048;

enum Handing {
    Nothing,
    /// Octets that a writer may ask for: where they begin, and how many.
    Offered(usize, usize),
    /// The writer wants the first so many of those.
    Asked(usize, usize),
    Given(Buf),
}

thread_local! {
    static HANDING: Cell<Handing> = const { Cell::new(Handing::Nothing) };
}

/// This piece is being shown to somebody.
pub(super) fn offer(piece: &Buf) {
    if piece.len() >= LEAST {
        HANDING.set(Handing::Offered(piece.as_ptr().addr(), piece.len()));
    }
}

/// The writer: are these octets of the piece that was shown last? Then it is handed over, and need not be copied.
pub(super) fn ask(octets: &[u8]) -> bool {
    let at = octets.as_ptr().addr();
    let handing = HANDING.replace(Handing::Nothing);
    let is_offered = octets.len() >= LEAST
        && matches!(handing, Handing::Offered(from, len) if from == at && octets.len() <= len);
    if is_offered {
        HANDING.set(Handing::Asked(at, octets.len()));
    }
    is_offered
}

/// The first `n` octets of `piece` were written: out of it they go, to the writer if it asked for them.
pub(super) fn advance(piece: &mut Buf, n: usize) {
    match HANDING.replace(Handing::Nothing) {
        Handing::Asked(at, len) if (at, len) == (piece.as_ptr().addr(), n) => {
            HANDING.set(Handing::Given(piece.split_to(n)));
        }
        _ => piece.advance(n),
    }
}

/// The writer: what it asked for. None: the library has not advanced past it, and the octets are lost.
pub(super) fn given() -> Option<Buf> {
    match HANDING.replace(Handing::Nothing) {
        Handing::Given(piece) => Some(piece),
        Handing::Nothing | Handing::Offered(..) | Handing::Asked(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use bytes::Buf as _;
    use ringway_io::{Stream, WorkerOptions};

    use super::super::Octets;
    use super::*;

    /// A piece as it comes from a socket.
    async fn received(bytes: Vec<u8>) -> Buf {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let from = Stream::from_fd(listener.accept().unwrap().0.into()).unwrap();
        let to = Stream::from_fd(to.into()).unwrap();
        to.queue(bytes.leak() as &'static [u8]).unwrap();
        to.flush().await.unwrap();
        from.recv().await.unwrap().unwrap()
    }

    #[test]
    fn only_what_was_shown_and_advanced_past_is_handed_over() {
        ringway_io::run(WorkerOptions::default(), || async {
            let mut octets = Octets::Received(received(vec![7; 3000]).await);
            assert!(ask(&octets.chunk()[..2500]), "its first octets");
            octets.advance(2500);
            assert_eq!(given().as_deref(), Some(&[7; 2500][..]));
            assert_eq!(octets.remaining(), 500);
            assert!(!ask(octets.chunk()), "too short");

            let mut octets = Octets::Received(received(vec![8; 3000]).await);
            assert!(!ask(&[8; 3000]), "others' octets");
            assert!(!ask(&octets.chunk()[1..]), "not its first");
            assert!(ask(octets.chunk()));
            octets.advance(1);
            assert!(given().is_none(), "not what was asked for");
            let _ = octets.chunk();
            octets.advance(1);
            assert!(!ask(&[8; 2998]), "shown before an advance");
            assert_eq!(octets.remaining(), 2998);
        })
        .unwrap();
    }
}
