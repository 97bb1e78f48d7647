//! `--vault https://VAULT.DOMAIN`: keys, secrets, what was deleted and roles of a vault that a server keeps, ours or Azure Key
//! Vault, over its REST API.
//!
//! The verbs, their options and what they print are those of a local vault. What the API has no word for is refused by
//! name and never left out silently. A token goes only to the host that was named, a client secret only to the authority
//! that belongs to it, and neither nor a value ever into a message.

mod address;
mod authority;
mod client;
mod connection;
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
use super::{Context, Error, Result, Verb};

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
            (None, None) => Ok(Some(verb)),
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
        _ => {
            return Err(Error::Usage(format!(
                "Only `key`, `secret`, `deleted` and `role` work at a server: for this verb, run it where the vault of {address} \
                 lies and name that with --vault NAME_OR_PATH."
            )));
        }
    }
    Ok(None)
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
