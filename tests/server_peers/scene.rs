//! An authority of clients, certificates of it, and a server of one vault that listens with TLS.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use strongroom::config::{AllowFrom, Manner};
use strongroom::server::Configuration;
use strongroom::server::client_certificate::AuthoritiesFiles;
use strongroom::server::identity::{self, ClientCertificate, Identity};
use strongroom::server::listen::{Limits, Listeners, serve};
use strongroom::server::tls::Tls;
use tempfile::TempDir;

use crate::serving::{Client, NOW, World};

/// Seconds of a day.
pub const DAY: i64 = 24 * 3600;

/// An authority that issues certificates of clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, those above it that its client sends, and the key.
pub struct Certified {
    pub chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pub serial: SerialNumber,
}

/// What a certificate says.
pub struct Says<'a> {
    pub names: &'a [&'a str],
    pub from: i64,
    pub until: i64,
    pub usage: ExtendedKeyUsagePurpose,
}

impl<'a> Says<'a> {
    pub fn names(names: &'a [&'a str]) -> Self {
        Self { names, from: NOW - DAY, until: NOW + DAY, usage: ExtendedKeyUsagePurpose::ClientAuth }
    }

    fn params(&self, serial: &SerialNumber) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        for name in self.names {
            let (kind, value) = name.split_once(':').unwrap();
            let value = value.to_owned().try_into().unwrap();
            params.subject_alt_names.push(match kind {
                "dns" => rcgen::SanType::DnsName(value),
                "uri" => rcgen::SanType::URI(value),
                _ => rcgen::SanType::Rfc822Name(value),
            });
        }
        let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds as u64);
        (params.not_before, params.not_after) = (at(self.from), at(self.until));
        params.extended_key_usages = vec![self.usage.clone()];
        params.serial_number = Some(serial.clone());
        params
    }
}

fn new_serial() -> SerialNumber {
    let mut bytes = [0; 16];
    strongroom::crypto::random(&mut bytes).unwrap();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::made(name, |_| ())
    }

    /// One whose own certificate is valid from one moment to another.
    pub fn within(name: &str, from: i64, until: i64) -> Self {
        let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds as u64);
        Self::made(name, |params| (params.not_before, params.not_after) = (at(from), at(until)))
    }

    /// One whose own certificate is otherwise than it should be.
    pub fn made(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn issue(&self, says: &Says<'_>) -> Certified {
        let (key, serial) = (KeyPair::generate().unwrap(), new_serial());
        let made = says.params(&serial).signed_by(&key, &self.0).unwrap();
        Certified { chain: vec![made.der().clone()], key, serial }
    }

    /// The list of what it revoked, which is replaced at `next`.
    pub fn list(&self, revoked: &[&SerialNumber], next: i64) -> String {
        let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds as u64);
        let revoked_certs = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).clone(),
            revocation_time: at(NOW - DAY),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: at(NOW - DAY),
            next_update: at(next),
            crl_number: new_serial(),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

impl Certified {
    /// One that nobody issued.
    pub fn by_itself(says: &Says<'_>) -> Self {
        let (key, serial) = (KeyPair::generate().unwrap(), new_serial());
        let made = says.params(&serial).self_signed(&key).unwrap();
        Self { chain: vec![made.der().clone()], key, serial }
    }

    /// As an identity keeps it.
    pub fn kept(&self) -> ClientCertificate {
        ClientCertificate { der: Base64UrlUnpadded::encode_string(&self.chain[0]), created: NOW }
    }
}

/// A server whose clients may show certificates, and its files of authorities and lists.
pub struct Scene {
    pub world: World,
    pub files: Option<Arc<AuthoritiesFiles>>,
    folder: TempDir,
    address: SocketAddr,
    server_certificate: CertificateDer<'static>,
}

impl Scene {
    /// Certificates count that identities have.
    pub fn new() -> Self {
        let world = World::configured(Configuration::default());
        Self::made(tempfile::tempdir().unwrap(), world, None, Listeners::new(), Limits::default())
    }

    /// Those of this authority count too, less what is in a list of it, if there is one.
    pub fn of(authority: &Authority, list: Option<String>) -> Self {
        Self::of_several(&[authority], list)
    }

    pub fn of_several(authorities: &[&Authority], list: Option<String>) -> Self {
        let authorities: String = authorities.iter().map(|authority| authority.pem()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("clients.pem"), authorities).unwrap();
        let list = list.map(|list| {
            std::fs::write(path("clients.crl"), list).unwrap();
            path("clients.crl")
        });
        let files = Arc::new(AuthoritiesFiles::read(&path("clients.pem"), list.as_deref()).unwrap());
        let configuration = Configuration { client_authorities: Some(files.clone()), ..Configuration::default() };
        Self::made(folder, World::configured(configuration), Some(files), Listeners::new(), Limits::default())
    }

    /// A vault that is reached from some addresses, and a server behind these proxies.
    pub fn behind(allow_from: Option<AllowFrom>, configuration: Configuration, limits: Limits) -> Self {
        let mut listeners = Listeners::new();
        listeners.behind(configuration.proxies.clone());
        let world = World::reached_from(allow_from, configuration);
        Self::made(tempfile::tempdir().unwrap(), world, None, listeners, limits)
    }

    fn made(
        folder: TempDir,
        world: World,
        files: Option<Arc<AuthoritiesFiles>>,
        mut listeners: Listeners,
        limits: Limits,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes());
        let tls = Arc::new(tls.unwrap().asking_for_certificates().unwrap());
        let address = listeners.network("127.0.0.1:0".parse().unwrap(), tls).unwrap();
        let router = world.server.router();
        world.runtime().spawn(serve(router, listeners, limits, std::future::pending()));
        Self { world, files, folder, address, server_certificate: made.cert.der().clone() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another list in the place of the one before, and has it read.
    pub fn revoke(&self, list: String) {
        std::fs::write(self.path("clients.crl"), list).unwrap();
        self.files.as_ref().unwrap().read_again().unwrap();
    }

    /// An identity that may read and set secrets.
    pub fn somebody(&self, name: &str) -> Identity {
        let identity = self.world.somebody(name).identity;
        self.world.assign(&identity.oid, "Key Vault Secrets Officer", "/");
        identity
    }

    /// The same, known by this name in certificates.
    pub fn somebody_named(&self, name: &str, in_certificates: &str) {
        let identity = self.somebody(name);
        self.change(&identity, |identity| identity.names.push(in_certificates.to_owned()));
    }

    pub fn change(&self, identity: &Identity, mut edit: impl FnMut(&mut Identity)) {
        identity::change(&*self.world.vault, &identity.oid, &mut edit).unwrap();
    }

    pub fn set_enabled(&self, identity: &Identity, enabled: bool) {
        identity::set_enabled(&*self.world.vault, Manner::KeyVault, &identity.oid, enabled).unwrap();
    }

    /// How a client with this certificate, or with none, begins.
    pub fn client_config(&self, certified: Option<&Certified>, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.server_certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match certified {
            Some(Certified { chain, key, .. }) => {
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                builder.with_client_auth_cert(chain.clone(), key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Arc::new(config)
    }

    /// A connection with this certificate, over HTTP/1.1.
    pub fn connect(&self, certified: Option<&Certified>) -> Client {
        self.connect_as(self.client_config(certified, "http/1.1"))
    }

    pub fn connect_as(&self, config: Arc<ClientConfig>) -> Client {
        self.connect_over(self.tcp(), config)
    }

    /// The same over a connection that began already.
    pub fn connect_over(&self, stream: TcpStream, config: Arc<ClientConfig>) -> Client {
        let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
        self.world.client(StreamOwned::new(connection, stream))
    }

    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
