//! The targets that read certificates and handshakes, as plain functions, so that a test on the stable toolchain can replay them.
//!
//! Not here: expectations about single inputs. These hold for every input there is: nothing panics, nothing is decrypted that nobody sent,
//! what is said of a certificate fits on a line.

use std::sync::OnceLock;

use ringway_tls::{
    Acceptor, Certificate, Clients, Connector, Demand, Identity, Offer, Pair, Session, Tickets,
    Trust, Verify, Version,
};

/// A second at which the certificate below is valid.
const NOW: u64 = 1_781_481_600;

/// Any bytes as a certificate, a key, a bundle and a revocation list.
pub fn certificate(input: &[u8]) {
    if let Some(read) = Certificate::read(input) {
        let identity = Identity::of(&read);
        let texts = [identity.as_str(), &read.subject, &read.issuer, &read.serial];
        let is_line = |text: &str| !text.contains(|c: char| c.is_control());
        assert!(texts.into_iter().all(is_line), "{texts:?}");
        assert!(
            read.dns
                .iter()
                .chain(&read.uris)
                .all(|name| name.is_ascii())
        );
        // One byte less is no certificate any more.
        assert_eq!(Certificate::read(&input[..input.len() - 1]), None);
    }
    let _ = Pair::read(input, input, Some(input));
    let _ = Trust::read(&[input], &[input]);
    Trust::of_system([input]);
}

/// Any bytes as what a client, or a server, says first; the first byte says in which pieces they come.
pub fn handshake(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let (acceptor, connector) = sides();
    let client = connector.session("a.example", NOW).expect("a session");
    let server = acceptor.session(NOW).expect("a session");
    for mut session in [server, client] {
        hear(&mut session, rest, usize::from(*first) + 1);
    }
}

fn hear(session: &mut Session, bytes: &[u8], piece: usize) {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    for part in bytes.chunks(piece) {
        let heard = session.receive(part, NOW, &mut plain);
        session.output(&mut out);
        if let Err(fault) = heard {
            assert!(!fault.to_string().is_empty());
            assert!(
                session.receive(part, NOW, &mut plain).is_err(),
                "it stays so"
            );
            break;
        }
    }
    // Nobody made a handshake of random bytes.
    assert!(plain.is_empty() && session.facts().is_none());
    assert!(session.end().is_err());
    assert!(out.len() < 20_000, "{} bytes of answer", out.len());
}

fn sides() -> &'static (Acceptor, Connector) {
    static SIDES: OnceLock<(Acceptor, Connector)> = OnceLock::new();
    SIDES.get_or_init(|| {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        let pair = Pair::read(made.der(), &key.serialize_der(), None).expect("a pair");
        let trust = Trust::read(&[made.der()], &[]).expect("a bundle");
        let offer = Offer {
            pairs: vec![pair],
            min_version: Version::Tls12,
            alpn: vec![b"http/1.1".to_vec()],
            clients: Clients::Optional(trust.clone()),
        };
        let demand = Demand {
            verify: Verify::By(trust),
            name: None,
            identities: Vec::new(),
            pair: None,
            min_version: Version::Tls12,
            alpn: Vec::new(),
        };
        let tickets = Tickets::new(NOW).expect("keys");
        (
            Acceptor::new(&offer, &tickets).expect("an acceptor"),
            Connector::new(&demand).expect("a connector"),
        )
    })
}
