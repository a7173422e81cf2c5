//! Files as bytes: what becomes a pair or a bundle, and in which words the rest is refused.
#![forbid(unsafe_code)]

mod support;

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use ringway_tls::{Acceptor, Certificate, Identity, Pair, Part, Trust};
use support::{Authority, Leaf, Made, NOW, Two, connector, demand, offer, tickets};

fn pem_of(der: &[u8], kind: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {kind}-----\n");
    for three in der.chunks(3) {
        let bits = three
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at > three.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text + &format!("\n-----END {kind}-----\n")
}

#[test]
fn pairs_are_read_from_pem_and_der_and_judged() {
    let authority = Authority::new("root");
    let made = authority.issue(&Leaf::of(&["a.example", "*.b.example"], &[]));
    let key_der = KeyPair::from_pem(&made.key).expect("a key").serialize_der();
    let pair = Pair::read(&made.der, &key_der, Some(&[0x30, 0])).expect("a pair");
    assert_eq!(pair.leaf().dns, ["a.example", "*.b.example"]);
    assert_eq!(pair.leaf().issuer, "CN=root");
    assert_eq!(pair.not_after(), 1_798_761_600);
    assert_eq!(pair.judge(NOW), Ok(()));
    assert_eq!(pair.warnings(NOW), Vec::<String>::new());
    let said = |now| pair.judge(now).expect_err("out of its time").to_string();
    assert_eq!(
        said(1_798_761_601),
        "holds a certificate that expired on 2027-01-01 00:00 UTC"
    );
    assert_eq!(
        said(1),
        "holds a certificate that is not valid before 2026-01-01 00:00 UTC"
    );
    let shown = format!("{pair:?}");
    assert!(
        shown.contains("a.example") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    let secret = &key_der[40..48];
    let as_list = format!("{secret:?}");
    assert!(!shown.contains(as_list.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn what_is_no_pair_is_refused_in_words() {
    let authority = Authority::new("root");
    let made = authority.issue(&Leaf::of(&["a.example"], &[]));
    let other = authority.issue(&Leaf::of(&["a.example"], &[]));
    let authority_key = authority.0.key().serialize_pem();
    let cut = &made.pem[..made.pem.len() / 2];
    let garbage = pem_of(b"0 is not a certificate", "CERTIFICATE");
    let encrypted = pem_of(&[0x30, 0], "ENCRYPTED PRIVATE KEY");
    let old_encrypted = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAA=\n-----END EC PRIVATE KEY-----\n";
    let (pem, key) = (made.pem.as_str(), made.key.as_str());
    let rows: [(&str, &str, Part, &str); 9] = [
        ("", key, Part::Chain, "holds no certificate"),
        (key, key, Part::Chain, "holds no certificate"),
        (cut, key, Part::Chain, "is broken PEM: a section has no end"),
        (
            &garbage,
            key,
            Part::Chain,
            "holds a certificate that cannot be read",
        ),
        (
            &authority.pem(),
            &authority_key,
            Part::Chain,
            "holds the certificate of an authority, which peers refuse from a server or a client",
        ),
        (pem, pem, Part::Key, "holds no private key"),
        (
            pem,
            &other.key,
            Part::Key,
            "holds a private key that is not that of the certificate",
        ),
        (
            pem,
            &encrypted,
            Part::Key,
            "holds a private key that needs a passphrase; write it without one",
        ),
        (pem, old_encrypted, Part::Key, ""),
    ];
    for (chain, key, part, words) in rows {
        let (blamed, why) =
            Pair::read(chain.as_bytes(), key.as_bytes(), None).expect_err("no pair");
        assert_eq!(blamed, part, "{why}");
        if !words.is_empty() {
            assert_eq!(why.to_string(), words);
        }
    }
    let ocsp = Pair::read(pem.as_bytes(), key.as_bytes(), Some(b"-----BEGIN"));
    assert_eq!(ocsp.expect_err("no response").0, Part::Ocsp);
}

#[test]
fn chains_that_clients_refuse_are_warned_of() {
    let authority = Authority::new("root");
    let other = Authority::new("root");
    let made = authority.issue(&Leaf::of(&["a.example"], &[]));
    let chain = |upper: &str| {
        let text = [made.pem.as_str(), upper].concat();
        let pair = Pair::read(text.as_bytes(), made.key.as_bytes(), None).expect("a pair");
        pair.warnings(NOW).join("; ")
    };
    assert_eq!(chain(&authority.pem()), "");
    assert_eq!(
        chain(&Authority::new("elsewhere").pem()),
        "has a chain out of order: certificate 1 was issued by `CN=root`, but the next is `CN=elsewhere`"
    );
    assert_eq!(
        chain(&other.pem()),
        "has a chain that clients refuse: a signature of the peer, or of its certificate, is wrong"
    );
    let nameless = authority.issue(&Leaf::of(&[], &[])).pair();
    assert_eq!(
        nameless.warnings(NOW),
        ["has no subject alternative name; clients do not look at the subject"]
    );
}

#[test]
fn bundles_say_which_file_is_to_blame() {
    let one = Authority::new("one");
    let files = [
        one.pem(),
        Authority::new("two").pem() + &Authority::new("three").pem(),
    ];
    let bytes: Vec<&[u8]> = files.iter().map(String::as_bytes).collect();
    let trust = Trust::read(&bytes, &[]).expect("a bundle");
    assert_eq!(trust.roots(), 3);
    assert_eq!(trust.not_after(), Some(1_798_761_600));
    assert_ne!(
        trust.digest(),
        Trust::read(&bytes[..1], &[]).expect("a bundle").digest()
    );
    let (at, why) = Trust::read(&[bytes[0], b"nothing"], &[]).expect_err("no bundle");
    assert_eq!((at, why.to_string().as_str()), (1, "holds no certificate"));
    let (at, why) = Trust::read(&bytes, &[one.pem().as_bytes()]).expect_err("no list");
    assert_eq!(at, 2);
    assert_eq!(
        why.to_string(),
        "holds a revocation list that cannot be read: there is none in it"
    );
    let lenient = Trust::of_system([one.0.der().as_ref(), b"rubbish".as_slice()]);
    assert_eq!(lenient.roots(), 1);
}

/// Which key a client of `name` gets, by the algorithm of the certificate's key.
fn served(acceptor: &Acceptor, authority: &Authority, name: &str) -> [u8; 32] {
    let mut any = demand(authority.trust());
    any.verify = ringway_tls::Verify::By(authority.trust());
    any.name = None;
    let mut two = Two::new(acceptor, &connector(&any), name);
    two.shake().expect("a handshake");
    let facts = two.client.facts().expect("done");
    facts.peer.as_ref().expect("a server").sha256
}

#[test]
fn certificates_are_chosen_by_name_and_by_what_the_client_can() {
    let authority = Authority::new("root");
    let leaf = |names: &[&str]| Leaf::of(names, &[]);
    let with = |names: &[&str], kind| {
        let key = KeyPair::generate_for(kind).expect("a key");
        authority.issue_with(&leaf(names), key).pair()
    };
    let rsa = with(&["both.example"], &PKCS_RSA_SHA256);
    let ecdsa = with(&["both.example"], &PKCS_ECDSA_P384_SHA384);
    let wild = with(&["*.wild.example"], &PKCS_ED25519);
    let exact = authority.issue(&leaf(&["EXACT.wild.example"])).pair();
    let pairs = [&rsa, &ecdsa, &wild, &exact].map(Clone::clone).to_vec();
    let acceptor = Acceptor::new(&offer(pairs), &tickets()).expect("an acceptor");
    for (name, expected) in [
        ("both.example", &ecdsa),
        ("a.wild.example", &wild),
        ("exact.wild.example", &exact),
        ("Exact.Wild.Example", &exact),
    ] {
        assert_eq!(
            &served(&acceptor, &authority, name),
            expected.sha256(),
            "{name}"
        );
    }
    // A name that nobody has: the first, in the kind that is cheaper.
    let mut two = Two::new(
        &acceptor,
        &connector(&demand(authority.trust())),
        "none.example",
    );
    let refused = two.shake().expect_err("the name is not there");
    assert!(
        format!("{refused:?}").contains("both.example"),
        "{refused:?}"
    );
}

#[test]
fn subjects_are_written_as_rfc_4514_does_and_cannot_forge_a_line() {
    let authority = Authority::new("root");
    let mut leaf = Leaf::of(&[], &[]);
    leaf.params.distinguished_name = rcgen::DistinguishedName::new();
    leaf.params
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "A, B + \"C\"");
    leaf.params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "#x\ny\u{1b}[31m");
    let Made { der, .. } = authority.issue(&leaf);
    let read = Certificate::read(&der).expect("reads");
    assert_eq!(read.subject, r#"CN=\#x\0Ay\1B[31m,O=A\, B \+ \"C\""#);
    assert_eq!(Identity::of(&read).as_str(), read.subject);
}
