//! Authorities and certificates made for a test, and two sessions that talk to each other in memory.
//!
//! Not a test.
#![allow(dead_code, unreachable_pub)]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use ringway_tls::{
    Acceptor, Clients, Connector, Demand, Fault, Offer, Pair, Session, Tickets, Trust, Verify,
    Version,
};
use std::sync::Arc;

/// 2026-06-15 00:00 UTC: the now of these tests.
pub const NOW: u64 = 1_781_481_600;

pub struct Authority(pub CertifiedIssuer<'static, KeyPair>);

/// A leaf to be: change what matters for a test.
pub struct Leaf {
    pub params: CertificateParams,
}

pub struct Made {
    pub pem: String,
    pub der: Vec<u8>,
    pub key: String,
}

fn year(year: i32) -> rcgen::CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 1, 1, 1);
    params
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = year(2026);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn trust(&self) -> Trust {
        Trust::read(&[self.pem().as_bytes()], &[]).expect("a bundle")
    }

    /// Trust with a list of what is revoked.
    pub fn trust_but(&self, revoked: &[&Made]) -> Trust {
        let serials = revoked.iter().map(|made| {
            let read = ringway_tls::Certificate::read(&made.der).expect("reads");
            let bytes: Vec<u8> = (0..read.serial.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&read.serial[at..at + 2], 16).expect("hexadecimal"))
                .collect();
            rcgen::RevokedCertParams {
                serial_number: rcgen::SerialNumber::from_slice(&bytes),
                revocation_time: rcgen::date_time_ymd(2026, 2, 1),
                reason_code: None,
                invalidity_date: None,
            }
        });
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 2, 1),
            next_update: rcgen::date_time_ymd(2026, 12, 1),
            crl_number: rcgen::SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.0).expect("a list").pem().expect("pem");
        Trust::read(&[self.pem().as_bytes()], &[list.as_bytes()]).expect("a bundle")
    }

    pub fn issue(&self, leaf: &Leaf) -> Made {
        self.issue_with(leaf, KeyPair::generate().expect("a key"))
    }

    pub fn issue_with(&self, leaf: &Leaf, key: KeyPair) -> Made {
        let certificate = leaf.params.signed_by(&key, &self.0).expect("a certificate");
        Made {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    pub fn server(&self, name: &str) -> Pair {
        self.issue(&Leaf::of(&[name], &[])).pair()
    }

    pub fn workload(&self, id: &str) -> Pair {
        self.issue(&Leaf::of(&[], &[id])).pair()
    }
}

impl Leaf {
    /// Of 2026, for both usages.
    pub fn of(dns: &[&str], uris: &[&str]) -> Leaf {
        let mut params = year(2026);
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.serial_number = Some(rcgen::SerialNumber::from(0x1234_5678));
        for name in dns {
            let name = (*name).try_into().expect("a name");
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        for uri in uris {
            let uri = (*uri).try_into().expect("a URI");
            params.subject_alt_names.push(SanType::URI(uri));
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        Leaf { params }
    }

    pub fn in_year(mut self, of: i32) -> Leaf {
        let times = year(of);
        self.params.not_before = times.not_before;
        self.params.not_after = times.not_after;
        self
    }

    pub fn only_for(mut self, usage: ExtendedKeyUsagePurpose) -> Leaf {
        self.params.extended_key_usages = vec![usage];
        self
    }
}

impl Made {
    pub fn pair(&self) -> Pair {
        Pair::read(self.pem.as_bytes(), self.key.as_bytes(), None).expect("a pair")
    }
}

/// What most servers of these tests offer.
pub fn offer(pairs: Vec<Pair>) -> Offer {
    Offer {
        pairs,
        min_version: Version::Tls12,
        alpn: vec![b"http/1.1".to_vec()],
        clients: Clients::Unasked,
    }
}

/// What most clients of these tests demand.
pub fn demand(trust: Trust) -> Demand {
    Demand {
        verify: Verify::By(trust),
        name: None,
        identities: Vec::new(),
        pair: None,
        min_version: Version::Tls12,
        alpn: vec![b"http/1.1".to_vec()],
    }
}

pub fn tickets() -> Arc<Tickets> {
    Tickets::new(NOW).expect("keys")
}

pub fn acceptor(offer: &Offer) -> Acceptor {
    Acceptor::new(offer, &tickets()).expect("an acceptor")
}

pub fn connector(demand: &Demand) -> Connector {
    Connector::new(demand).expect("a connector")
}

/// Two sessions and what each has received.
pub struct Two {
    pub server: Session,
    pub client: Session,
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
    pub at_server: Vec<u8>,
    pub at_client: Vec<u8>,
    /// What the other side heard of a failure.
    pub told: Option<Fault>,
    pub now: u64,
}

/// Who failed, and why.
#[derive(Debug, PartialEq)]
pub enum Failed {
    Server(Fault),
    Client(Fault),
}

impl Two {
    pub fn new(acceptor: &Acceptor, connector: &Connector, host: &str) -> Two {
        Two::at(acceptor, connector, host, NOW)
    }

    pub fn at(acceptor: &Acceptor, connector: &Connector, host: &str, now: u64) -> Two {
        Two {
            server: acceptor.session(now).expect("a session"),
            client: connector.session(host, now).expect("a session"),
            to_server: Vec::new(),
            to_client: Vec::new(),
            at_server: Vec::new(),
            at_client: Vec::new(),
            told: None,
            now,
        }
    }

    /// Passes records to and fro, in pieces of this size, until both have nothing to say, or one side fails and the other has heard of it.
    pub fn talk(&mut self, piece: usize) -> Result<(), Failed> {
        let mut failed = None;
        loop {
            self.client.output(&mut self.to_server);
            self.server.output(&mut self.to_client);
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return failed.map_or(Ok(()), Err);
            }
            for part in std::mem::take(&mut self.to_server).chunks(piece) {
                if let Err(fault) = self.server.receive(part, self.now, &mut self.at_server) {
                    self.note(&mut failed, Failed::Server(fault));
                    break;
                }
            }
            self.server.output(&mut self.to_client);
            for part in std::mem::take(&mut self.to_client).chunks(piece) {
                if let Err(fault) = self.client.receive(part, self.now, &mut self.at_client) {
                    self.note(&mut failed, Failed::Client(fault));
                    break;
                }
            }
        }
    }

    fn note(&mut self, failed: &mut Option<Failed>, now: Failed) {
        match (&failed, now) {
            (None, now) => *failed = Some(now),
            (Some(Failed::Client(_)), Failed::Server(fault))
            | (Some(Failed::Server(_)), Failed::Client(fault)) => self.told = Some(fault),
            // The same again.
            _ => {}
        }
    }

    pub fn shake(&mut self) -> Result<(), Failed> {
        self.talk(usize::MAX)
    }
}
