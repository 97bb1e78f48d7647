//! `serve --dev`: vaults to try things out in, somebody who may do everything there, and what clients need to reach them.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::{Place, Serve};
use crate::cli::{Context, Error, Result, init, open};
use crate::config::{Config, Manner, VaultConfig};
use crate::server::access::{Scope, assign, full_rights};
use crate::server::identity::{self, Identity};
use crate::server::names::Names;
use crate::vault::{Pin, Role, Unlock, Vault, VaultAdmin};

/// How long the secret of `--dev` counts: it is printed, and may be of a vault that stays.
const SECRET_SECONDS: i64 = 7 * 24 * 3600;

/// Who may do everything.
const ADMINISTRATOR: &str = "dev-administrator";

/// A key vault and a Managed HSM, in a directory that goes with the server.
pub(super) fn scratch_vaults(directory: &Path) -> Result<Vec<Place>> {
    let made = [("dev", Manner::KeyVault), ("dev-hsm", Manner::ManagedHsm)].map(|(name, manner)| {
        let vault = scratch_vault(name, &directory.join(name))?;
        Ok(Place { name: name.to_owned(), vault, manner, address: None, allow_from: None })
    });
    made.into_iter().collect()
}

/// A vault whose PIN nobody knows.
fn scratch_vault(name: &str, directory: &Path) -> Result<Arc<dyn VaultAdmin>> {
    let config = Config::load_without_secrets()?;
    let vault = open::open(&config, VaultConfig::local(name, directory))?;
    let pin = init::random_pin()?;
    vault.initialize(name, &pin)?;
    vault.unlock(&Unlock::Pin(Role::SecurityOfficer, Pin::clone(&pin)))?;
    vault.set_pin(Role::User, &pin)?;
    vault.lock();
    vault.unlock(&Unlock::Pin(Role::User, pin))?;
    Ok(vault)
}

/// Makes the administrator of these vaults, and prints what leads to them.
pub(super) fn explain(
    context: &Context,
    serve: &Serve,
    vaults: &[Place],
    names: &Names,
    port: Option<u16>,
    now: i64,
) -> Result<()> {
    let Some(home) = vaults.first() else { return Ok(()) };
    let identity = administrator(&*home.vault, now)?;
    for place in vaults {
        for role in full_rights(place.manner) {
            assign(&*place.vault, &identity.oid, role, &Scope::Vault)?;
        }
    }
    let secret = identity::add_secret(&*home.vault, &identity.oid, now, Some(now + SECRET_SECONDS))?.text;
    let output = &context.output;
    let hosts: Vec<String> = vaults.iter().map(|place| host(place, names)).collect();
    let login = format!("login.{}", names.domain(Manner::KeyVault));
    output.note(&format!("Add to /etc/hosts:\n\n    127.0.0.1 {login} {}\n", hosts.join(" ")));
    output.note("For clients (DefaultAzureCredential):\n");
    let authority = names.authority(port);
    for (name, value) in variables(serve, &authority, &identity.appid, &secret) {
        output.note(&format!("    export {name}={value}"));
    }
    output.note("\nFor az, with those variables:\n");
    for line in az_lines(&authority) {
        output.note(&format!("    {line}"));
    }
    for place in vaults {
        let what = if place.manner == Manner::KeyVault { "Vault" } else { "Managed HSM" };
        let suffix = names.suffix(place.manner, port);
        output.note(&format!("\n{what}: https://{}{suffix}", place.name));
    }
    Ok(())
}

/// What clients find in their environment.
fn variables<'a>(
    serve: &Serve,
    authority: &'a str,
    client_id: &'a str,
    secret: &'a str,
) -> [(&'static str, Cow<'a, str>); 6] {
    let ca = serve.write_ca.as_deref().or(serve.tls_certificate.as_deref());
    let ca = ca.map(|file| file.display().to_string()).unwrap_or_default();
    [
        ("AZURE_AUTHORITY_HOST", authority.into()),
        ("AZURE_TENANT_ID", "adfs".into()),
        ("AZURE_CLIENT_ID", client_id.into()),
        ("AZURE_CLIENT_SECRET", secret.into()),
        ("REQUESTS_CA_BUNDLE", ca.clone().into()),
        ("NODE_EXTRA_CA_CERTS", ca.into()),
    ]
}

/// The lines with which `az` knows this server and who asks it. It finds everything else at the address that they name.
fn az_lines(authority: &str) -> [String; 4] {
    [
        format!("az cloud register --name strongroom --endpoint-resource-manager {authority}"),
        "az cloud set --name strongroom".to_owned(),
        "az config set core.instance_discovery=false".to_owned(),
        "az login --service-principal --allow-no-subscriptions --tenant adfs --username $AZURE_CLIENT_ID --password \
         $AZURE_CLIENT_SECRET"
            .to_owned(),
    ]
}

fn host(place: &Place, names: &Names) -> String {
    format!("{}.{}", place.name, names.domain(place.manner))
}

/// The identity, without the secrets of earlier times: who starts the server again reads the new one.
fn administrator(home: &dyn Vault, now: i64) -> Result<Identity> {
    let identity = match identity::find(&home.image(), ADMINISTRATOR) {
        Some(stored) => stored.record,
        None => identity::create(home, ADMINISTRATOR, now)?,
    };
    identity::change(home, &identity.oid, &mut |identity| identity.secrets.clear()).map_err(Error::from)
}
