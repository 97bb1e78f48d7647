//! `strongroom serve`: vaults over Azure Key Vault's REST API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use rcgen::SanType;
use rcgen::string::Ia5String;

use super::{Context, Error, Result, open};
use crate::config::{Config, VaultConfig};
use crate::server::access::{ADMINISTRATOR, BuiltInRole, Scope, assign};
use crate::server::authority::Authority;
use crate::server::clock::Clock;
use crate::server::identity;
use crate::server::listen::{self, Limits, Listeners};
use crate::server::names::Names;
use crate::server::tls::Tls;
use crate::server::{ServeError, Server};
use crate::vault::{Pin, Role, Unlock, VaultAdmin};

/// Where the server is reached, and for what.
#[derive(Args)]
pub(super) struct Serve {
    /// Listen at this address and port, with TLS; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: Vec<SocketAddr>,
    /// Listen at this Unix socket too
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The domain below which every vault has a name: https://VAULT.DOMAIN
    #[arg(long, default_value = "vault.localhost")]
    domain: String,
    /// The server's certificate chain, in PEM; without it the vault makes an authority of its own
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Write the certificate of the vault's own authority, which clients shall trust, into this file
    #[arg(long, value_name = "FILE")]
    write_ca: Option<PathBuf>,
    /// Try it out: a vault that is gone afterwards (unless --vault names one), an identity with full rights, and the
    /// lines with which clients reach it
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(context: &Context, serve: &Serve) -> Result<()> {
    let scratch = match serve.dev && context.global.vault.is_none() {
        true => Some(tempfile::Builder::new().prefix("strongroom-dev-").tempdir().map_err(Error::Output)?),
        false => None,
    };
    let vaults = match &scratch {
        Some(directory) => vec![("dev".to_owned(), scratch_vault(directory.path())?)],
        None => served_vaults(context)?,
    };
    let names = Names::below(&serve.domain);
    let clock = Clock::system();
    let home = Arc::clone(&vaults.first().ok_or(ServeError::NoVault)?.1);
    let vault_names: Vec<String> = vaults.iter().map(|(name, _)| name.clone()).collect();
    let server = Server::new(vaults, names.clone(), clock.clone())?;
    let tls = Arc::new(tls(serve, &*home, &names, clock.now())?);
    let mut listeners = Listeners::new();
    let mut addresses = Vec::new();
    for address in &serve.listen {
        addresses.push(listeners.network(*address, Arc::clone(&tls)).map_err(failed)?);
    }
    if let Some(socket) = &serve.socket {
        listeners.machine(socket, listen::SOCKET_MODE).map_err(failed)?;
    }
    if serve.dev {
        explain_dev(context, serve, &*home, &names, &vault_names, addresses.first(), clock.now())?;
    }
    for address in &addresses {
        context.output.note(&format!("Listening at https://{address}."));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Output)?;
    runtime.spawn(Arc::clone(&server).purge_regularly());
    let router = server.router();
    runtime.block_on(listen::serve(router, listeners, Limits::default(), shutdown())).map_err(Error::Output)?;
    drop(scratch);
    Ok(())
}

/// Until somebody asks the server to end.
async fn shutdown() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Every vault of the configuration, or the one that is named, unlocked.
fn served_vaults(context: &Context) -> Result<Vec<(String, Arc<dyn VaultAdmin>)>> {
    let config = Config::load()?;
    let places: Vec<VaultConfig> = match &context.global.vault {
        Some(_) => vec![open::select(&config, context.global.vault.as_deref())?],
        None => config.vaults.clone(),
    };
    let mut served = Vec::new();
    for place in places {
        let name = place.name.clone();
        let opened = context.open_at(&config, place)?;
        if !opened.info.initialized {
            continue;
        }
        opened.vault.unlock(&context.users_way(&opened)?)?;
        served.push((name, opened.vault));
    }
    Ok(served)
}

/// A vault whose PIN nobody knows, in a directory that goes with the server.
fn scratch_vault(directory: &Path) -> Result<Arc<dyn VaultAdmin>> {
    let config = Config::load_without_secrets()?;
    let vault = open::open(&config, VaultConfig::local("dev", directory.join("dev")))?;
    let pin = super::init::random_pin()?;
    vault.initialize("dev", &pin)?;
    vault.unlock(&Unlock::Pin(Role::SecurityOfficer, Pin::clone(&pin)))?;
    vault.set_pin(Role::User, &pin)?;
    vault.lock();
    vault.unlock(&Unlock::Pin(Role::User, pin))?;
    Ok(vault)
}

fn tls(serve: &Serve, vault: &dyn VaultAdmin, names: &Names, now: i64) -> Result<Tls> {
    if let (Some(chain), Some(key)) = (&serve.tls_certificate, &serve.tls_key) {
        return Tls::read(chain, key).map_err(failed);
    }
    let authority = Authority::ensure(vault, now).map_err(failed)?;
    if let Some(file) = &serve.write_ca {
        std::fs::write(file, authority.certificate_pem()).map_err(Error::Output)?;
    }
    let host = |name: String| Ia5String::try_from(name).map(SanType::DnsName).map_err(failed);
    let mut san = vec![host(names.domain().to_owned())?, host(format!("*.{}", names.domain()))?];
    san.push(host("localhost".to_owned())?);
    san.extend(serve.listen.iter().map(|address| SanType::IpAddress(address.ip())));
    authority.tls(&san, now).map_err(failed)
}

fn explain_dev(
    context: &Context,
    serve: &Serve,
    vault: &dyn VaultAdmin,
    names: &Names,
    vaults: &[String],
    address: Option<&SocketAddr>,
    now: i64,
) -> Result<()> {
    let name = "dev-administrator";
    let identity = match identity::find(&vault.image(), name) {
        Some(stored) => stored.record,
        None => identity::create(vault, name, now)?,
    };
    let role = BuiltInRole::find(ADMINISTRATOR).ok_or_else(|| Error::refused("There is no such role."))?;
    assign(vault, &identity.oid, role, &Scope::Vault)?;
    let secret = identity::add_secret(vault, &identity.oid, now, None)?.text;
    let port = address.map(SocketAddr::port);
    let ca =
        serve.write_ca.as_deref().map_or("(--write-ca FILE writes it)".to_owned(), |file| file.display().to_string());
    let hosts: Vec<String> = vaults.iter().map(|vault| format!("{vault}.{}", names.domain())).collect();
    let output = &context.output;
    output.note(&format!("Add to /etc/hosts:\n\n    127.0.0.1 login.{} {}\n", names.domain(), hosts.join(" ")));
    output.note("For clients (DefaultAzureCredential):\n");
    for (key, value) in [
        ("AZURE_AUTHORITY_HOST", names.authority(port)),
        ("AZURE_TENANT_ID", "adfs".to_owned()),
        ("AZURE_CLIENT_ID", identity.appid.clone()),
        ("AZURE_CLIENT_SECRET", secret.to_string()),
        ("REQUESTS_CA_BUNDLE", ca.clone()),
        ("NODE_EXTRA_CA_CERTS", ca),
    ] {
        output.note(&format!("    export {key}={value}"));
    }
    let port = port.filter(|port| *port != 443).map_or(String::new(), |port| format!(":{port}"));
    for host in hosts {
        output.note(&format!("\nVault: https://{host}{port}"));
    }
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::refused(error.to_string())
}

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        Self::refused(error.to_string())
    }
}
