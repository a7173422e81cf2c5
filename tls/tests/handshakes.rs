//! Sessions of both sides in memory: handshakes cut everywhere, bytes both ways, ends, what is agreed on.
#![forbid(unsafe_code)]

mod support;

use ringway_tls::{Acceptor, Clients, Connector, Expected, Fault, Identity, Spoken, Version};
use support::{Authority, Failed, NOW, Two, acceptor, connector, demand, offer, tickets};

fn pair_of_sessions() -> Two {
    let authority = Authority::new("root");
    let acceptor = acceptor(&offer(vec![authority.server("a.example")]));
    Two::new(
        &acceptor,
        &connector(&demand(authority.trust())),
        "a.example",
    )
}

#[test]
fn both_sides_agree_and_bytes_go_both_ways() {
    let mut two = pair_of_sessions();
    assert!(two.server.is_handshaking() && two.client.is_handshaking());
    two.shake().expect("a handshake");
    for session in [&two.server, &two.client] {
        let facts = session.facts().expect("done");
        assert_eq!(facts.version, Version::Tls13);
        assert_eq!(facts.cipher, "TLS_AES_128_GCM_SHA256");
        assert_eq!(facts.alpn.as_deref(), Some(b"http/1.1".as_slice()));
        assert!(!facts.resumed);
    }
    let facts = two.server.facts().expect("done");
    assert_eq!(facts.server_name.as_deref(), Some("a.example"));
    assert_eq!(facts.peer, None);
    let peer = two.client.facts().and_then(|facts| facts.peer.clone());
    let identity = peer.expect("a server").identity;
    assert_eq!(identity, Identity::Dns("a.example".into()));

    let long: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    two.client
        .send(&[b"GET ", b"", b"/"], &mut two.to_server)
        .expect("sends");
    two.server
        .send(&[b"head", &long, b"tail"], &mut two.to_client)
        .expect("sends");
    two.talk(1_000).expect("bytes");
    assert_eq!(two.at_server, b"GET /");
    assert_eq!(two.at_client, [b"head", long.as_slice(), b"tail"].concat());
}

#[test]
fn a_head_and_its_body_are_one_record() {
    let mut two = pair_of_sessions();
    two.shake().expect("a handshake");
    let mut out = Vec::new();
    two.server
        .send(&[&[b'h'; 100], &[b'b'; 100]], &mut out)
        .expect("sends");
    // Header, content type and tag.
    assert_eq!(out.len(), 5 + 200 + 1 + 16);
}

#[test]
fn a_handshake_may_be_cut_at_every_byte() {
    for version in [Version::Tls12, Version::Tls13] {
        let authority = Authority::new("root");
        let mut offer = offer(vec![authority.server("a.example")]);
        offer.clients = Clients::Required(authority.trust());
        let mut demand = demand(authority.trust());
        demand.pair = Some(authority.workload("spiffe://a.b/c"));
        demand.min_version = version;
        let acceptor = acceptor(&offer);
        for piece in [1, 2, 3, 5, 7, 100, 1_000] {
            let mut two = Two::new(&acceptor, &connector(&demand), "a.example");
            two.talk(piece).expect("a handshake");
            two.client
                .send(&[b"hello"], &mut two.to_server)
                .expect("sends");
            two.talk(piece).expect("bytes");
            assert_eq!(two.at_server, b"hello");
        }
    }
}

#[test]
fn an_end_is_announced_or_noticed() {
    let mut two = pair_of_sessions();
    assert_eq!(two.server.end(), Err(Fault::Cut));
    two.shake().expect("a handshake");
    assert_eq!(two.client.end(), Err(Fault::Truncated));
    two.server
        .send(&[b"last"], &mut two.to_client)
        .expect("sends");
    two.server.close(&mut two.to_client);
    two.shake().expect("bytes");
    assert_eq!(two.at_client, b"last");
    assert!(two.client.has_peer_closed());
    assert_eq!(two.client.end(), Ok(()));
    // The other direction is still open.
    two.client
        .send(&[b"and I"], &mut two.to_server)
        .expect("sends");
    two.shake().expect("bytes");
    assert_eq!(two.at_server, b"and I");
    assert!(two.server.send(&[b"more"], &mut two.to_client).is_err());
    let mut again = Vec::new();
    two.server.close(&mut again);
    assert!(again.is_empty(), "one close_notify");
}

#[test]
fn what_is_not_tls_is_told_apart() {
    let authority = Authority::new("root");
    let acceptor = acceptor(&offer(vec![authority.server("a.example")]));
    let hear = |bytes: &[u8]| {
        let mut session = acceptor.session(NOW).expect("a session");
        let heard = session.receive(bytes, NOW, &mut Vec::new());
        (heard, session.has_output())
    };
    assert_eq!(hear(b"GET / HTTP/1.1\r\n"), (Err(Fault::PlainHttp), false));
    assert_eq!(hear(b"P"), (Err(Fault::PlainHttp), false));
    assert_eq!(hear(b"\0\0\0"), (Err(Fault::NotTls), false));
    let (heard, has_alert) = hear(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff");
    assert!(matches!(heard, Err(Fault::Malformed(_))), "{heard:?}");
    assert!(has_alert);
    let connector = connector(&demand(authority.trust()));
    let mut client = connector.session("a.example", NOW).expect("a session");
    let heard = client.receive(b"HTTP/1.1 400 Bad Request\r\n", NOW, &mut Vec::new());
    assert_eq!(heard, Err(Fault::NotTls));
}

#[test]
fn versions_and_protocols_have_to_meet() {
    let authority = Authority::new("root");
    let mut strict = offer(vec![authority.server("a.example")]);
    strict.alpn = vec![b"h2".to_vec()];
    let mut two = Two::new(
        &acceptor(&strict),
        &connector(&demand(authority.trust())),
        "a.example",
    );
    assert_eq!(two.shake(), Err(Failed::Server(Fault::NoSharedProtocol)));
    assert_eq!(
        two.told.map(|fault| fault.to_string()).as_deref(),
        Some("the peer refused: no protocol of ALPN suits both sides")
    );
}

#[test]
fn a_client_names_itself_and_the_server_believes_its_authority() {
    let authority = Authority::new("root");
    let mut offer = offer(vec![authority.workload("spiffe://corp/server")]);
    offer.clients = Clients::Optional(authority.trust());
    let acceptor = acceptor(&offer);
    let mut demand = demand(authority.trust());
    demand.identities = vec![Expected::read("spiffe://corp/server").expect("reads")];
    let mut nobody = Two::new(&acceptor, &connector(&demand), "10.0.0.1");
    nobody.shake().expect("a handshake");
    assert_eq!(nobody.server.facts().expect("done").peer, None);

    demand.pair = Some(authority.workload("spiffe://corp/client"));
    let mut somebody = Two::new(&acceptor, &connector(&demand), "10.0.0.1");
    somebody.shake().expect("a handshake");
    let peer = somebody.server.facts().and_then(|facts| facts.peer.clone());
    let peer = peer.expect("a client");
    assert_eq!(
        peer.identity,
        Identity::Spiffe("spiffe://corp/client".into())
    );
    assert_eq!(peer.certificate.subject, "CN=leaf");
    assert_eq!(peer.certificate.serial, "12345678");
    assert_ne!(peer.sha256, [0; 32]);
}

#[test]
fn who_speaks_the_least_offers_no_more() {
    let authority = Authority::new("root");
    let demand = demand(authority.trust());
    let offer = offer(vec![authority.server("a.example")]);
    let least = Connector::speaking(Spoken::Least, &demand).expect("a connector");
    let hello = |connector: &Connector| {
        let mut bytes = Vec::new();
        let session = connector.session("a.example", NOW);
        session.expect("a session").output(&mut bytes);
        bytes
    };
    // A share of ML-KEM alone has 1,184 bytes.
    assert!(hello(&connector(&demand)).len() > 1_184);
    assert!(hello(&least).len() < 400);
    assert_ne!(least.digest(), connector(&demand).digest());

    let acceptor = Acceptor::speaking(Spoken::Least, &offer, &tickets()).expect("an acceptor");
    // The whole meets the least on either side.
    for (acceptor, connector) in [
        (&acceptor, &connector(&demand)),
        (&support::acceptor(&offer), &least),
    ] {
        let mut two = Two::new(acceptor, connector, "a.example");
        two.shake().expect("a handshake");
        let facts = two.client.facts().expect("done");
        let agreed = (facts.version, facts.cipher);
        assert_eq!(agreed, (Version::Tls13, "TLS_AES_128_GCM_SHA256"));
    }
}
