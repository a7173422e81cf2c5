//! HTTP/2 by TLS: what ALPN has agreed on is what is spoken.

use super::{World, secure};
use crate::http2_frames;
use ringway_tests::frames::{Frames, kind};
use ringway_tests::{Client, Origin, both_drivers, ok};

fn to(origin: &Origin) -> String {
    secure("public", "") + &format!("[[routes]]\nto = [\"{}\"]\n", origin.address())
}

both_drivers! {
    fn rules_of_frames_are_kept_by_tls(io) {
        let origin = Origin::answering(|_| ok("ok"));
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let connector = authority.connector_for(&["h2"], None);
        http2_frames::try_all(|| {
            let mut frames = Frames::bare_tls(proxy.web(), &connector);
            frames.begin(&[]);
            frames
        });
    }

    fn http1_is_not_understood_where_http2_was_agreed_on(io) {
        let origin = Origin::answering(|_| ok("ok"));
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let connector = authority.connector_for(&["h2", "http/1.1"], None);
        for begun in ["GET / HTTP/1.1\r\nHost: test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
            let mut frames = Frames::bare_tls(proxy.web(), &connector);
            frames.send_octets(begun.as_bytes());
            // Our first frames and a goodbye, if anything: an answer of HTTP/1.1 would be one of no kind that there is.
            let said = frames.rest();
            assert!(said.iter().all(|f| matches!(f.kind, kind::SETTINGS | kind::WINDOW_UPDATE | kind::GOAWAY)), "{begun:?}: {said:?}");
        }
        assert_eq!(origin.connections(), 0);
        assert_eq!(proxy.metrics().sum("ringway_listener_protocol_errors_total", &["error=\"h2_frames\""]), 2.0);
        // Who names HTTP/1.1 alone gets that, and so does who names nothing.
        for alpn in [&["http/1.1"][..], &[]] {
            let mut client = Client::connect_tls(proxy.web(), &authority.connector_for(alpn, None));
            assert_eq!(client.get("/").text(), "ok");
        }
    }
}
