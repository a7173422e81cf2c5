//! Certificates made for a test, and TLS on the test's own sockets. The peer is the proxy's own library, driven by hand and blocking: that
//! other libraries agree with it, the tests with openssl, curl and Python say.

use crate::scratch::Scratch;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use ringway_tls::{
    Acceptor, Clients, Connector, Demand, Facts, Offer, Pair, Session, Tickets, Trust, Verify,
    Version,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate to be: good for both sides unless a test says otherwise.
#[derive(Clone)]
pub struct Leaf(CertificateParams);

/// A certificate and its key, in PEM.
pub struct Made {
    /// The certificate.
    pub pem: String,
    /// Its key.
    pub key: String,
    serial: u64,
}

fn params(from_day: i64, days: u32) -> CertificateParams {
    let now = SystemTime::now();
    let shift = DAY * u32::try_from(from_day.unsigned_abs()).expect("a few days");
    let from = if from_day < 0 {
        now - shift
    } else {
        now + shift
    };
    let mut params = CertificateParams::default();
    params.not_before = from.into();
    params.not_after = (from + DAY * days).into();
    params
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new("test authority")
    }
}

impl Authority {
    /// With a key of its own.
    pub fn new(name: &str) -> Authority {
        let mut params = params(-10, 1_000);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of it.
    pub fn issue(&self, leaf: &Leaf) -> Made {
        let mut params = leaf.0.clone();
        let key = KeyPair::generate().expect("a key");
        let serial = u64::from_be_bytes(key.public_key_raw()[1..9].try_into().expect("eight"));
        params.serial_number = Some(SerialNumber::from(serial >> 1));
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Made {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            serial: serial >> 1,
        }
    }

    /// A list of those that are worth nothing any more.
    pub fn revocations(&self, revoked: &[&Made]) -> String {
        let now = SystemTime::now();
        let revoked = revoked.iter().map(|made| RevokedCertParams {
            serial_number: SerialNumber::from(made.serial),
            revocation_time: (now - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + 100 * DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.0).expect("a list");
        list.pem().expect("PEM")
    }

    /// What believes it.
    pub fn trust(&self) -> Trust {
        Trust::read(&[self.pem().as_bytes()], &[]).expect("a bundle")
    }

    /// A client that believes it, and shows `made`.
    pub fn connector(&self, made: Option<&Made>) -> Connector {
        self.connector_for(&[], made)
    }

    /// The same, naming these protocols by ALPN.
    pub fn connector_for(&self, alpn: &[&str], made: Option<&Made>) -> Connector {
        let demand = Demand {
            verify: Verify::By(self.trust()),
            name: None,
            identities: Vec::new(),
            pair: made.map(Made::pair),
            min_version: Version::Tls12,
            alpn: alpn.iter().map(|p| p.as_bytes().to_vec()).collect(),
        };
        // Who a mesh's certificate names is the proxy's to say in these tests: any name is asked for, none is compared.
        Connector::new(&demand).expect("a connector")
    }

    /// A server with this certificate; with `asks` its clients must show one of this authority.
    pub fn acceptor(&self, made: &Made, asks: bool) -> Acceptor {
        let offer = Offer {
            pairs: vec![made.pair()],
            min_version: Version::Tls12,
            alpn: Vec::new(),
            clients: if asks {
                Clients::Required(self.trust())
            } else {
                Clients::Unasked
            },
        };
        let tickets = Tickets::new(now()).expect("keys");
        Acceptor::new(&offer, &tickets).expect("an acceptor")
    }
}

impl Leaf {
    /// For these DNS names (or SPIFFE ids, which begin with `spiffe:`), valid now.
    pub fn of(names: &[&str]) -> Leaf {
        let mut leaf = params(-5, 200);
        leaf.distinguished_name.push(DnType::CommonName, "leaf");
        for name in names {
            let name = if name.starts_with("spiffe:") {
                SanType::URI((*name).try_into().expect("a URI"))
            } else if let Ok(ip) = name.parse() {
                SanType::IpAddress(ip)
            } else {
                SanType::DnsName((*name).try_into().expect("a name"))
            };
            leaf.subject_alt_names.push(name);
        }
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        Leaf(leaf)
    }

    /// From that day on (today is 0), for so many days.
    pub fn valid(mut self, from_day: i64, days: u32) -> Leaf {
        let times = params(from_day, days);
        self.0.not_before = times.not_before;
        self.0.not_after = times.not_after;
        self
    }

    /// For servers only.
    pub fn only_server(mut self) -> Leaf {
        self.0.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// For clients only.
    pub fn only_client(mut self) -> Leaf {
        self.0.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }
}

impl Made {
    /// Write `name.pem` and `name.key`, each by rename.
    pub fn write(&self, scratch: &Scratch, name: &str) {
        scratch.replace(&format!("{name}.pem"), &self.pem);
        scratch.replace(&format!("{name}.key"), &self.key);
    }

    fn pair(&self) -> Pair {
        Pair::read(self.pem.as_bytes(), self.key.as_bytes(), None).expect("a pair")
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

/// A connection with TLS on it.
pub struct TlsStream {
    /// What is below.
    pub socket: TcpStream,
    session: Session,
    plain: Vec<u8>,
}

impl TlsStream {
    /// As a client of `host`.
    pub fn connect(socket: TcpStream, connector: &Connector, host: &str) -> io::Result<TlsStream> {
        let session = connector.session(host, now()).map_err(io::Error::other)?;
        TlsStream::shake(socket, session)
    }

    /// As a server.
    pub fn accept(socket: TcpStream, acceptor: &Acceptor) -> io::Result<TlsStream> {
        let session = acceptor.session(now()).map_err(io::Error::other)?;
        TlsStream::shake(socket, session)
    }

    fn shake(socket: TcpStream, session: Session) -> io::Result<TlsStream> {
        let mut stream = TlsStream {
            socket,
            session,
            plain: Vec::new(),
        };
        stream.say()?;
        while stream.session.is_handshaking() {
            if !stream.hear()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(stream)
    }

    /// What the handshake agreed on.
    pub fn facts(&self) -> &Facts {
        self.session.facts().expect("the handshake is done")
    }

    /// Say that nothing more comes, as TLS does, and leave the socket open.
    pub fn close_notify(&mut self) {
        let mut out = Vec::new();
        self.session.close(&mut out);
        let _ = self.socket.write_all(&out);
    }

    fn say(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        self.session.output(&mut out);
        self.socket.write_all(&out)
    }

    /// Read once; false at the end.
    fn hear(&mut self) -> io::Result<bool> {
        let mut piece = [0; 32 * 1024];
        let n = self.socket.read(&mut piece)?;
        let done = self.session.receive(&piece[..n], now(), &mut self.plain);
        let said = self.say();
        done.map_err(|fault| io::Error::new(ErrorKind::InvalidData, fault))?;
        said?;
        Ok(n > 0)
    }
}

impl Read for TlsStream {
    /// An end that was not announced is `UnexpectedEof`.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            if self.session.has_peer_closed() {
                return Ok(0);
            }
            if !self.hear()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let n = into.len().min(self.plain.len());
        into[..n].copy_from_slice(&self.plain[..n]);
        self.plain.drain(..n);
        Ok(n)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::new();
        let sealed = self.session.send(&[bytes], &mut out);
        sealed.map_err(|fault| io::Error::new(ErrorKind::BrokenPipe, fault))?;
        self.socket.write_all(&out)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
