//! The table of bad certificates, on either side: who refuses, by which label, in which words, and what the other side hears.
#![forbid(unsafe_code)]

mod support;

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use ringway_tls::{Clients, Expected, Fault, Offer, Trust, Version};
use support::{Authority, Failed, Leaf, Made, NOW, Two, acceptor, connector, demand, offer};

/// A client that knows `trust` and wants `a.example` meets a server with this certificate.
fn server_with(made: &Made, trust: Trust) -> (Result<(), Failed>, Option<Fault>) {
    let mut two = Two::new(
        &acceptor(&offer(vec![made.pair()])),
        &connector(&demand(trust)),
        "a.example",
    );
    (two.shake(), two.told)
}

/// A server that knows `trust` and wants a certificate meets a client with this one.
fn client_with(made: Option<&Made>, trust: Trust) -> (Result<(), Failed>, Option<Fault>) {
    let of_server = Authority::new("of the server");
    let offer = Offer {
        clients: Clients::Required(trust),
        ..offer(vec![of_server.server("a.example")])
    };
    let mut demand = demand(of_server.trust());
    demand.pair = made.map(Made::pair);
    let mut two = Two::new(&acceptor(&offer), &connector(&demand), "a.example");
    (two.shake(), two.told)
}

#[track_caller]
fn assert_refused(
    by_client: bool,
    (done, told): (Result<(), Failed>, Option<Fault>),
    label: &str,
    sentence: &str,
    heard: &str,
) {
    let fault = match done.expect_err("it must be refused") {
        Failed::Client(fault) if by_client => fault,
        Failed::Server(fault) if !by_client => fault,
        other => panic!("the wrong side refuses: {other:?}"),
    };
    assert_eq!(fault.label(), label, "{fault}");
    assert_eq!(fault.to_string(), sentence);
    assert_eq!(told.map(|fault| fault.to_string()).as_deref(), Some(heard));
}

/// Bad in ways that do not depend on the side: certificate, trust, label, sentence, what the other side hears.
fn table(authority: &Authority) -> Vec<(Made, Trust, &'static str, &'static str, &'static str)> {
    let leaf = || Leaf::of(&["a.example"], &[]);
    let issue = |leaf: Leaf| authority.issue(&leaf);
    let revoked = issue(leaf());
    let list = authority.trust_but(&[&revoked]);
    vec![
        (
            issue(leaf().in_year(2025)),
            authority.trust(),
            "expired",
            "the peer's certificate expired on 2026-01-01 00:00 UTC",
            "the peer refused: our certificate has expired, or is not valid yet",
        ),
        (
            issue(leaf().in_year(2027)),
            authority.trust(),
            "not_yet_valid",
            "the peer's certificate is not valid before 2027-01-01 00:00 UTC",
            "the peer refused: our certificate has expired, or is not valid yet",
        ),
        (
            issue(leaf()),
            Authority::new("another").trust(),
            "unknown_issuer",
            "the peer's certificate was not issued by an authority that is trusted here",
            "the peer refused: it does not know the authority that issued our certificate",
        ),
        (
            // The name is right, the signature is another's.
            Authority::new("root").issue(&leaf()),
            authority.trust(),
            "bad_signature",
            "a signature of the peer, or of its certificate, is wrong",
            "the peer refused: a signature of ours could not be verified",
        ),
        (
            revoked,
            list,
            "revoked",
            "the peer's certificate is revoked",
            "the peer refused: our certificate is revoked",
        ),
    ]
}

#[test]
fn clients_refuse_bad_servers() {
    let authority = Authority::new("root");
    for (made, trust, label, sentence, heard) in table(&authority) {
        assert_refused(true, server_with(&made, trust), label, sentence, heard);
    }
    let of_client = authority.issue(&Leaf::of(&["a.example"], &[]).only_for(ClientAuth));
    assert_refused(
        true,
        server_with(&of_client, authority.trust()),
        "wrong_usage",
        "the peer's certificate may not be used by a server",
        "the peer refused: our certificate is of a type that it does not know",
    );
    let names = ["b.example", "*.c.example"];
    assert_refused(
        true,
        server_with(&authority.issue(&Leaf::of(&names, &[])), authority.trust()),
        "wrong_name",
        "the peer's certificate is not for `a.example`, but for `b.example` or `*.c.example`",
        "the peer refused: our certificate is broken for it",
    );
    assert_refused(
        true,
        server_with(&authority.issue(&Leaf::of(&[], &[])), authority.trust()),
        "wrong_name",
        "the peer's certificate has no name that can be compared with `a.example`",
        "the peer refused: our certificate is broken for it",
    );
}

#[test]
fn servers_refuse_bad_clients() {
    let authority = Authority::new("root");
    for (made, trust, label, sentence, heard) in table(&authority) {
        assert_refused(
            false,
            client_with(Some(&made), trust),
            label,
            sentence,
            heard,
        );
    }
    let of_server = authority.issue(&Leaf::of(&["a.example"], &[]).only_for(ServerAuth));
    assert_refused(
        false,
        client_with(Some(&of_server), authority.trust()),
        "wrong_usage",
        "the peer's certificate may not be used by a client",
        "the peer refused: our certificate is of a type that it does not know",
    );
    assert_refused(
        false,
        client_with(None, authority.trust()),
        "no_certificate",
        "the peer sent no certificate, and one is required",
        "the peer refused: it wants a certificate from us",
    );
}

#[test]
fn who_is_not_who_was_expected_is_refused() {
    let authority = Authority::new("root");
    let mut of_mesh = demand(authority.trust());
    of_mesh.identities = ["spiffe://corp/web", "spiffe://corp/batch/*"]
        .map(|id| Expected::read(id).expect("reads"))
        .to_vec();
    let connector = connector(&of_mesh);
    let meet = |leaf: Leaf| {
        let server = acceptor(&offer(vec![authority.issue(&leaf).pair()]));
        let mut two = Two::new(&server, &connector, "10.0.0.1");
        (two.shake(), two.told)
    };
    for good in ["spiffe://corp/web", "spiffe://corp/batch/7"] {
        meet(Leaf::of(&[], &[good])).0.expect("it is expected");
    }
    let heard = "the peer refused: our certificate is not accepted";
    for (dns, uris, who) in [
        (&[][..], &["spiffe://corp/db"][..], "spiffe://corp/db"),
        (&[], &["spiffe://evil/web"], "spiffe://evil/web"),
        // Several URIs are no identity, also if the right one is among them.
        (&["web"], &["spiffe://corp/web", "https://corp/"], "web"),
        (&["web.corp"], &[], "web.corp"),
        (&[], &[], "CN=leaf"),
    ] {
        let sentence = format!(
            "the peer is `{who}`, but must be `spiffe://corp/web` or `spiffe://corp/batch/*`"
        );
        assert_refused(
            true,
            meet(Leaf::of(dns, uris)),
            "wrong_identity",
            &sentence,
            heard,
        );
    }
}

#[test]
fn a_pinned_name_is_asked_for_and_compared_instead_of_the_host() {
    let authority = Authority::new("root");
    let mut pinned = demand(authority.trust());
    pinned.name = Some("Products.internal".into());
    let server = acceptor(&offer(vec![authority.server("products.internal")]));
    let mut two = Two::new(&server, &connector(&pinned), "10.0.0.1");
    two.shake().expect("the name fits");
    let facts = two.server.facts().expect("done");
    assert_eq!(facts.server_name.as_deref(), Some("products.internal"));
    pinned.name = Some("orders.internal".into());
    let mut two = Two::new(&server, &connector(&pinned), "products.internal");
    assert!(matches!(
        two.shake(),
        Err(Failed::Client(Fault::WrongName { .. }))
    ));
}

#[test]
fn without_verification_anyone_is_believed_and_nobody_is_named() {
    let stranger = Authority::new("stranger").issue(&Leaf::of(&["x"], &[]).in_year(2020));
    let mut trusting = demand(Authority::new("root").trust());
    trusting.verify = ringway_tls::Verify::Nothing;
    let server = acceptor(&offer(vec![stranger.pair()]));
    let mut two = Two::new(&server, &connector(&trusting), "a.example");
    two.shake().expect("believed");
    assert_eq!(two.client.facts().expect("done").peer, None);
    trusting.identities = vec![Expected::read("spiffe://corp/*").expect("reads")];
    assert!(ringway_tls::Connector::new(&trusting).is_err());
}

#[test]
fn a_bundle_holds_several_roots_and_a_root_without_a_list_revokes_nothing() {
    let (old, new) = (Authority::new("old root"), Authority::new("new root"));
    let revoked = old.issue(&Leaf::of(&["a.example"], &[]));
    let serial = ringway_tls::Certificate::read(&revoked.der)
        .expect("reads")
        .serial;
    assert_eq!(serial, "12345678");
    let both = [old.pem(), new.pem()].concat();
    let trust = Trust::read(&[both.as_bytes()], &[]).expect("a bundle");
    assert_eq!(trust.roots(), 2);
    for authority in [&old, &new] {
        let made = authority.issue(&Leaf::of(&["a.example"], &[]));
        server_with(&made, trust.clone())
            .0
            .expect("either is trusted");
    }
}

#[test]
fn a_version_below_the_lowest_is_refused() {
    let authority = Authority::new("root");
    let mut strict = offer(vec![authority.server("a.example")]);
    strict.min_version = Version::Tls13;
    // A ClientHello of TLS 1.2, as OpenSSL 1.0 sends it: no supported_versions.
    let mut session = acceptor(&strict).session(NOW).expect("a session");
    let heard = session.receive(&hello_of_tls12(), NOW, &mut Vec::new());
    assert_eq!(heard, Err(Fault::NoSharedVersion));
    assert!(session.has_output(), "an alert says so");
}

fn hello_of_tls12() -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: P-256
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ECDSA with P-256
        0, 23, 0, 0, // extended_master_secret
    ];
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}
