//! `--vault https://VAULT.DOMAIN`: keys, secrets, what was deleted, roles and backups of a vault that a server keeps, ours or
//! Azure Key Vault, over its REST API. Keys, secrets and what was deleted also where the configuration names such a vault.
//!
//! The verbs, their options and what they print are those of a local vault. What the API has no word for is refused by
//! name and never left out silently. A token goes only to the host that was named, a client secret only to the authority
//! that belongs to it, and neither nor a value ever into a message.

mod address;
mod backup;
mod client;
mod deleted;
mod import;
mod key;
mod login;
mod role;
mod secret;
mod wire;

use std::path::PathBuf;

use clap::Args;

use self::address::Address;
use self::client::Client;
use self::wire::Key;
use super::{Context, Error, Result, Verb, ask, open};
use crate::config::{Backend, Config, VaultConfig};
use crate::crypto::PublicKey;
use crate::vault::Name;

/// How a server is reached and who asks; for vaults that are named by an address.
#[derive(Args)]
pub(super) struct Access {
    /// Trust only the certificates in this PEM file, of a server that --vault names (default: SSL_CERT_FILE,
    /// REQUESTS_CA_BUNDLE, else the system's)
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Take the token for a server from this file, instead of logging in with AZURE_CLIENT_ID and AZURE_CLIENT_SECRET
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Does a verb on a server's vault; gives it back if `--vault` names none.
pub(super) fn run(context: &Context, verb: Verb) -> Result<Option<Verb>> {
    let Some(address) = context.global.vault.as_deref().and_then(Address::meant) else {
        return match (&context.global.access.ca, &context.global.access.token_file) {
            (None, None) => at_configured(context, verb),
            // The key that it wraps for may lie at a server.
            _ if matches!(verb, Verb::Byok(_)) => Ok(Some(verb)),
            _ => Err(Error::Usage(
                "--ca and --token-file are for a server: name its vault with --vault https://…".into(),
            )),
        };
    };
    if matches!(verb, Verb::Completions(_) | Verb::ManualPages(_)) {
        return Ok(Some(verb));
    }
    let address = address?;
    refuse_pin(context)?;
    let client = || Client::new(address.clone(), &context.global.access);
    match verb {
        Verb::Key(verb) => key::run(context, &client()?, verb)?,
        Verb::Secret(verb) => secret::run(context, &client()?, verb)?,
        Verb::Deleted(verb) => deleted::run(context, &client()?, verb)?,
        Verb::Role(verb) => role::run(context, &client()?, verb)?,
        Verb::Backup(verb) => backup::run(context, &client()?, &verb)?,
        Verb::Restore(restore) => backup::restore(context, &client()?, restore.at_server()?)?,
        _ => {
            return Err(Error::Usage(format!(
                "Only `key`, `secret`, `deleted`, `role`, `backup create` and `restore` work at a server: for this verb, run it where the vault of {address} \
                 lies and name that with --vault NAME_OR_PATH."
            )));
        }
    }
    Ok(None)
}

/// Does a verb on a vault that the configuration names and that is elsewhere. What is there is more than its objects are to
/// programs (disabled versions, what was deleted), and a verb means all of it.
fn at_configured(context: &Context, verb: Verb) -> Result<Option<Verb>> {
    if !matches!(verb, Verb::Key(_) | Verb::Secret(_) | Verb::Deleted(_)) {
        return Ok(Some(verb));
    }
    // What is wrong with the configuration is told where the vault is opened.
    let place = Config::load().ok().and_then(|config| open::select(&config, context.global.vault.as_deref()).ok());
    let Some(VaultConfig { backend: Backend::Azure(config), name, .. }) = place else { return Ok(Some(verb)) };
    let pin = || ask::pin(context.pin_source(), &format!("PIN of {name}"));
    let client = Client::configured(&config, pin)?;
    match verb {
        Verb::Key(verb) => key::run(context, &client, verb)?,
        Verb::Secret(verb) => secret::run(context, &client, verb)?,
        Verb::Deleted(verb) => deleted::run(context, &client, verb)?,
        other => return Ok(Some(other)),
    }
    Ok(None)
}

/// The public half of a key at a server that is for nothing but taking keys in, and its identifier.
pub(super) fn key_encryption_key(context: &Context, url: &str) -> Result<(PublicKey, String)> {
    let wrong = || {
        Error::Usage(format!("{url:?} is no key's address: write https://VAULT.DOMAIN/keys/NAME, or with its version."))
    };
    let (origin, path) = url.match_indices('/').nth(2).map(|(at, _)| url.split_at(at)).ok_or_else(wrong)?;
    let address = Address::parse(origin)?;
    let mut parts = path.strip_prefix("/keys/").ok_or_else(wrong)?.splitn(2, '/');
    let name = Name::new(parts.next().unwrap_or_default())?;
    let version = parts.next().unwrap_or_default().trim_end_matches('/');
    if !version.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let client = Client::new(address, &context.global.access)?;
    let key: Key = client.get(&format!("/keys/{name}/{version}"), &format!("key called {:?}", name.as_str()))?;
    if key.key.key_ops.as_deref() != Some(&["import".to_owned()]) {
        return Err(Error::refused(format!(
            "The key {name} at {} may do other things than import, and so takes no keys in: make one with key_ops import \
             (`az keyvault key create --kty RSA-HSM --ops import`).",
            client.address
        )));
    }
    Ok((key.public()?, key.id().to_owned()))
}

fn refuse_pin(context: &Context) -> Result<()> {
    match context.global.pin_file.is_some() || context.global.pin_stdin {
        true => Err(Error::Usage("A server takes no PIN: leave --pin-file and --pin-stdin out.".into())),
        false => Ok(()),
    }
}

/// Refuses an option that the API has no word for.
fn no_such(option: &str, given: bool, instead: &str) -> Result<()> {
    match given {
        true => Err(Error::Usage(format!("{option} has no counterpart at a server: {instead}."))),
        false => Ok(()),
    }
}

/// An environment variable that isn't empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
