//! `strongroom serve`: vaults over Azure Key Vault's REST API.

mod authorities;
mod dev;
mod targets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Context, Error, Result, open};
use crate::certificate::Alternative;
use crate::config::{
    AllowFrom, BackupTarget, ClientCertificates, Config, IssuerConfig, ManagedIdentityConfig, Manner, Rate,
    ServerConfig, TrustedProxies, VaultConfig,
};
use crate::log;
use crate::server::access::{Model, has_administrator};
use crate::server::authority::Authority;
use crate::server::client_certificate::AuthoritiesFiles;
use crate::server::clock::Clock;
use crate::server::identity::{self, Identity};
use crate::server::listen::{self, Limits, Listeners, Proxies};
use crate::server::names::Names;
use crate::server::tls::Tls;
use crate::server::{Configuration, Offered, ServeError, Server};
use crate::vault::{Image, Name, VaultAdmin};

/// Where the server is reached, and for what.
#[derive(Args)]
pub(super) struct Serve {
    /// Listen at this address and port, with TLS; may be given several times (default: as the configuration says, else
    /// 127.0.0.1:8443)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Listen at this Unix socket too
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The domain below which every vault has a name, VAULT.DOMAIN (default: as the configuration says, else
    /// vault.localhost)
    #[arg(long)]
    domain: Option<String>,
    /// The domain below which every Managed HSM has a name, HSM.DOMAIN (default: as the configuration says, else
    /// managedhsm beside the other domain)
    #[arg(long, value_name = "DOMAIN")]
    hsm_domain: Option<String>,
    /// The server's certificate chain, in PEM; without it the vault makes an authority of its own
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Write the certificate of the vault's own authority, which clients shall trust, into this file
    #[arg(long, value_name = "FILE")]
    write_ca: Option<PathBuf>,
    /// Try it out: a vault and a Managed HSM that are gone afterwards (unless --vault names one), an identity with full
    /// rights, and the lines with which clients and `az` reach them
    #[arg(long)]
    dev: bool,
    #[arg(skip)]
    backup_targets: Vec<BackupTarget>,
    #[arg(skip)]
    issuers: Vec<IssuerConfig>,
    #[arg(skip)]
    managed_identity: Option<ManagedIdentityConfig>,
    #[arg(skip)]
    client_certificates: Option<ClientCertificates>,
    #[arg(skip)]
    trusted_proxies: Option<TrustedProxies>,
    #[arg(skip)]
    logins: Option<Rate>,
    #[arg(skip)]
    requests: Option<Rate>,
}

/// The domain without a configuration. Names below it mean this machine to most resolvers, though not to glibc's.
const DOMAIN: &str = "vault.localhost";

pub(super) fn run(context: &Context, mut serve: Serve) -> Result<()> {
    // Wanted by whoever reads what is printed; gone with the server.
    let authority_file = match serve.dev && serve.write_ca.is_none() && serve.tls_certificate.is_none() {
        true => {
            Some(tempfile::Builder::new().prefix("strongroom-dev-").suffix(".pem").tempfile().map_err(Error::Output)?)
        }
        false => None,
    };
    serve.write_ca = serve.write_ca.take().or(authority_file.as_ref().map(|file| file.path().to_owned()));
    let scratch = match serve.dev && context.global.vault.is_none() {
        true => Some(tempfile::Builder::new().prefix("strongroom-dev-").tempdir().map_err(Error::Output)?),
        false => None,
    };
    let vaults = match &scratch {
        Some(directory) => {
            log::start(None);
            dev::scratch_vaults(directory.path())?
        }
        None => {
            let config = Config::load()?;
            log::start(config.log.as_deref());
            serve.complete(config.server.clone().unwrap_or_default());
            vaults_to_serve(context, &config)?
        }
    };
    serve.complete(ServerConfig::default());
    let running = Running::prepare(context, &serve, vaults)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Output)?;
    runtime.block_on(running.until(shutdown())).map_err(Error::Output)?;
    drop((scratch, authority_file));
    Ok(())
}

impl Serve {
    fn configuration(&self) -> Result<Configuration> {
        let client_authorities = self.client_certificates.as_ref().map(authorities::read).transpose()?.flatten();
        Ok(Configuration {
            backup_targets: targets::targets(&self.backup_targets)?,
            issuers: self.issuers.clone(),
            imds_identity: self.managed_identity.as_ref().and_then(|managed| managed.imds_identity.clone()),
            client_authorities,
            proxies: Arc::new(self.trusted_proxies.clone().map(Proxies::from).unwrap_or_default()),
            login_limit: self.logins,
            request_limit: self.requests,
        })
    }

    /// Takes from the configuration what no option says.
    fn complete(&mut self, config: ServerConfig) {
        if self.listen.is_empty() {
            self.listen = config.listen;
        }
        self.socket = self.socket.take().or(config.socket);
        self.domain = self.domain.take().or(config.domain);
        self.hsm_domain = self.hsm_domain.take().or(config.hsm_domain);
        if self.tls_certificate.is_none() {
            (self.tls_certificate, self.tls_key) = config.tls.unzip();
        }
        self.backup_targets.extend(config.backup_targets);
        self.issuers.extend(config.issuers);
        self.managed_identity = self.managed_identity.take().or(config.managed_identity);
        self.client_certificates = self.client_certificates.take().or(config.client_certificates);
        self.trusted_proxies = self.trusted_proxies.take().or(config.trusted_proxies);
        self.logins = self.logins.or(config.logins);
        self.requests = self.requests.or(config.requests);
    }

    fn names(&self, vaults: &[Place]) -> Result<Names> {
        let names = Names::below(self.domain.as_deref().unwrap_or(DOMAIN));
        let mut names = match &self.hsm_domain {
            Some(domain) => names.with_hsm_domain(domain),
            None => names,
        };
        if names.domain(Manner::KeyVault) == names.domain(Manner::ManagedHsm) {
            return Err(Error::Usage("--hsm-domain must be another domain than --domain.".into()));
        }
        for (place, address) in vaults.iter().filter_map(|place| Some((place, place.address?))) {
            names.add_address(address, &place.name);
        }
        Ok(names)
    }

    fn listen_at(
        &self,
        wanted: Vec<SocketAddr>,
        tls: &Arc<Tls>,
        proxies: Arc<Proxies>,
    ) -> Result<(Listeners, Vec<SocketAddr>)> {
        let mut listeners = Listeners::new();
        listeners.behind(proxies);
        let listened = wanted.into_iter().map(|address| listeners.network(address, Arc::clone(tls)).map_err(failed));
        let addresses = listened.collect::<Result<_>>()?;
        if let Some(socket) = &self.socket {
            listeners.machine(socket, listen::SOCKET_MODE).map_err(failed)?;
        }
        Ok((listeners, addresses))
    }

    /// Where programs of this machine get tokens of it, if anywhere.
    fn listen_for_this_machine(&self, context: &Context, home: &Image) -> Result<Listeners> {
        let mut listeners = Listeners::new();
        if let Some(managed) = &self.managed_identity {
            let address = listeners.loopback(managed.listen).map_err(failed)?;
            context.output.note(&format!("Managed identities at http://{address}."));
            if let Some(missing) = gives_no_tokens(managed, &identity::all(home)) {
                context.output.note(&missing);
            }
        }
        Ok(listeners)
    }
}

/// A server that listens already.
struct Running {
    server: Arc<Server>,
    listeners: Listeners,
    of_this_machine: Listeners,
    source: TlsSource,
    tls: Arc<Tls>,
    client_authorities: Option<Arc<AuthoritiesFiles>>,
}

impl Running {
    fn prepare(context: &Context, serve: &Serve, vaults: Vec<Place>) -> Result<Self> {
        let names = serve.names(&vaults)?;
        let clock = Clock::system();
        let home = Arc::clone(&vaults.first().ok_or(ServeError::NoVault)?.vault);
        let own_addresses: Vec<SocketAddr> = vaults.iter().filter_map(|place| place.address).collect();
        let offered = vaults.iter().map(Place::offered).collect();
        let configuration = serve.configuration()?;
        let (client_authorities, proxies) = (configuration.client_authorities.clone(), configuration.proxies.clone());
        let server = Server::configured(offered, names.clone(), clock.clone(), configuration)?;
        let mut wanted = serve.listen.clone();
        if wanted.is_empty() && own_addresses.is_empty() {
            wanted.push(SocketAddr::from(([127, 0, 0, 1], 8443)));
        }
        wanted.extend(own_addresses);
        let source = TlsSource::new(serve, &wanted, Arc::clone(&home), &names, clock.clone())?;
        let tls = Arc::new(source.make()?);
        // As many connections as the limits allow; what the system refuses ends single connections only.
        let _ = crate::sys::open_files::raise_limit();
        let (listeners, addresses) = serve.listen_at(wanted, &tls, proxies)?;
        let of_this_machine = serve.listen_for_this_machine(context, &home.image())?;
        if serve.dev {
            dev::explain(context, serve, &vaults, &names, addresses.first().map(SocketAddr::port), clock.now())?;
        } else if lacks_administrator(&home.image(), vaults[0].manner) {
            context.output.note(&format!(
                "Nobody may do everything in the vault {0} yet: `strongroom --vault {0} identity create NAME \
                 --administrator` makes somebody who may.",
                vaults[0].name
            ));
        }
        targets::note_missing(context, &serve.backup_targets);
        for address in &addresses {
            context.output.note(&format!("Listening at https://{address}."));
        }
        Ok(Self { server, listeners, of_this_machine, source, tls, client_authorities })
    }

    async fn until(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let asked = signal(SignalKind::hangup())?;
        tokio::spawn(Arc::clone(&self.server).purge_regularly());
        tokio::spawn(self.source.renew_regularly(self.tls, asked));
        if let Some(files) = self.client_authorities {
            tokio::spawn(authorities::read_regularly(files, signal(SignalKind::hangup())?));
        }
        tokio::spawn(look_at_issuers(Arc::clone(&self.server), signal(SignalKind::hangup())?));
        let (end, mut ended) = tokio::sync::watch::channel(());
        let others_end = async move { drop(ended.changed().await) };
        let shutdown = async move {
            shutdown.await;
            drop(end);
        };
        let of_this_machine =
            listen::serve(self.server.managed_identity(), self.of_this_machine, Limits::default(), others_end);
        let everybody = listen::serve(self.server.router(), self.listeners, Limits::default(), shutdown);
        tokio::try_join!(everybody, of_this_machine).map(drop)
    }
}

/// Fetches other issuers' keys at the start, and at `SIGHUP`: for a key that was stolen and withdrawn an hour is long.
async fn look_at_issuers(server: Arc<Server>, mut asked: Signal) {
    server.prepare_issuers().await;
    while asked.recv().await.is_some() {
        server.look_at_issuers_again().await;
    }
}

/// Why programs of this machine get no tokens, though there is a place where they may ask.
fn gives_no_tokens(managed: &ManagedIdentityConfig, identities: &[Identity]) -> Option<String> {
    let Some(name) = &managed.imds_identity else {
        let has_header = identities.iter().any(|identity| !identity.headers.is_empty());
        return (!has_header).then(|| {
            "Nobody gets a token there yet: `strongroom identity header add NAME` makes a header for a program, or \
             `imds_identity` in the configuration says who this machine is."
                .to_owned()
        });
    };
    let is_there = identities.iter().any(|identity| identity.enabled && identity.is_called(name));
    (!is_there).then(|| {
        format!(
            "`imds_identity` is {name:?} in the configuration, and no identity that is enabled is called so: who asks as a \
             virtual machine does gets no token. `strongroom identity list` shows them."
        )
    })
}

/// Whether nobody may do everything; where policies count, nobody shall.
fn lacks_administrator(image: &Image, manner: Manner) -> bool {
    Model::of(image, manner) == Model::Roles && !has_administrator(image, manner)
}

/// Until somebody asks the server to end.
async fn shutdown() {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// A vault that shall be served, and how.
struct Place {
    name: String,
    vault: Arc<dyn VaultAdmin>,
    manner: Manner,
    /// Where it is served whatever name it is called by.
    address: Option<SocketAddr>,
    /// From where; everywhere without.
    allow_from: Option<AllowFrom>,
}

impl Place {
    fn offered(&self) -> Offered {
        Offered {
            name: self.name.clone(),
            vault: Arc::clone(&self.vault),
            manner: self.manner,
            allow_from: self.allow_from.clone(),
        }
    }
}

/// Every vault of the configuration, or the one that is named, unlocked.
fn vaults_to_serve(context: &Context, config: &Config) -> Result<Vec<Place>> {
    let here = |place: &VaultConfig| place.as_local().is_some();
    let places: Vec<VaultConfig> = match &context.global.vault {
        Some(_) => vec![open::select(config, context.global.vault.as_deref())?],
        None => open::served(config),
    };
    if let Some(elsewhere) = places.iter().find(|place| !here(place)) {
        return Err(open::is_elsewhere(&elsewhere.name));
    }
    let mut served = Vec::new();
    for place in places {
        let (name, address, manner) = (place.name.clone(), place.serve_at, place.serve_as);
        let allow_from = place.allow_from.clone();
        let opened = context.open_at(config, place)?;
        if !opened.info.initialized {
            continue;
        }
        if Name::new(&name).is_err() {
            return Err(Error::refused(format!(
                "The vault {name:?} can't be served: a host's name has letters, digits and hyphens only. Give it another \
                 `name` in the configuration."
            )));
        }
        opened.vault.unlock(&context.users_way(&opened)?)?;
        served.push(Place { name, vault: opened.vault, manner, address, allow_from });
    }
    Ok(served)
}

/// Where the server's certificate comes from: files, or the vault's own authority.
struct TlsSource {
    files: Option<(PathBuf, PathBuf)>,
    asks_clients: bool,
    names: Vec<Alternative>,
    vault: Arc<dyn VaultAdmin>,
    clock: Clock,
}

/// How often the certificate is made anew or its files are read again: long before its end, whoever renews them.
const RENEW_EVERY: Duration = Duration::from_secs(12 * 3600);

impl TlsSource {
    fn new(
        serve: &Serve,
        addresses: &[SocketAddr],
        vault: Arc<dyn VaultAdmin>,
        names: &Names,
        clock: Clock,
    ) -> Result<Self> {
        let mut san = vec![Alternative::dns("localhost")?];
        for domain in [Manner::KeyVault, Manner::ManagedHsm].map(|manner| names.domain(manner)) {
            san.extend([Alternative::dns(domain)?, Alternative::dns(&format!("*.{domain}"))?]);
        }
        san.extend(addresses.iter().map(|address| Alternative::Address(address.ip())));
        let files = serve.tls_certificate.clone().zip(serve.tls_key.clone());
        if let Some(file) = &serve.write_ca {
            let authority = Authority::ensure(&*vault, clock.now()).map_err(failed)?;
            std::fs::write(file, authority.certificate_pem()).map_err(Error::Output)?;
        }
        Ok(Self { files, asks_clients: serve.client_certificates.is_some(), names: san, vault, clock })
    }

    fn make(&self) -> Result<Tls> {
        let tls = self.own()?;
        if self.asks_clients { tls.asking_for_certificates().map_err(failed) } else { Ok(tls) }
    }

    fn own(&self) -> Result<Tls> {
        if let Some((chain, key)) = &self.files {
            return Tls::read(chain, key).map_err(failed);
        }
        let now = self.clock.now();
        let authority = Authority::ensure(&*self.vault, now).map_err(failed)?;
        authority.tls(&self.names, now).map_err(failed)
    }

    /// Handshakes go on with the certificate that they have while a newer one can't be had. `SIGHUP` asks for it now.
    async fn renew_regularly(self, tls: Arc<Tls>, mut asked: Signal) {
        let source = Arc::new(self);
        loop {
            let _ = tokio::time::timeout(RENEW_EVERY, asked.recv()).await;
            let source = Arc::clone(&source);
            match tokio::task::spawn_blocking(move || source.make()).await {
                Ok(Ok(newer)) => tls.replace_with(&newer),
                Ok(Err(error)) => tracing::error!("the server's certificate can't be renewed: {error}"),
                Err(error) => tracing::error!("the server's certificate can't be renewed: {error}"),
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::refused(error.to_string())
}

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        Self::refused(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::identity::ClientSecret;

    #[test]
    fn an_operator_is_told_when_managed_identities_give_nobody_a_token() {
        let managed = |name: Option<&str>| ManagedIdentityConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            imds_identity: name.map(str::to_owned),
        };
        let of = |enabled| Identity { name: "machine".to_owned(), enabled, ..Identity::default() };
        let header = ClientSecret { id: String::new(), hash: String::new(), created: 0, expires: None };
        let with_header = Identity { headers: vec![header], ..of(true) };
        assert_eq!(gives_no_tokens(&managed(Some("Machine")), &[of(true)]), None);
        assert_eq!(gives_no_tokens(&managed(None), &[with_header]), None);
        for (managed, enabled, said) in
            [(Some("machine"), false, "\"machine\""), (Some("machin"), true, "\"machin\""), (None, true, "header add")]
                .map(|(name, enabled, said)| (managed(name), enabled, said))
        {
            assert!(gives_no_tokens(&managed, &[of(enabled)]).unwrap().contains(said), "{said}");
        }
    }
}
