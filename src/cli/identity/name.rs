//! `strongroom identity name`: names in certificates of clients, which the authorities of the server's `client_ca_file` vouch
//! for.

use clap::Subcommand;
use serde_json::json;

use super::super::{Context, Error, Result};
use super::named;
use crate::certificate::Alternative;
use crate::server::identity::{self, certificate_name, name_owner};

/// What is done with names.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Let whoever shows a certificate with this name be an identity
    Add {
        /// The identity's name, object id or client id
        identity: String,
        /// An alternative name as certificates have it: dns:…, uri:…, email:… or upn:…
        name: String,
    },
    /// Don't know an identity by this name any more, from the next request on
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        /// The name
        name: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, name } => add(context, &identity, &name),
        Verb::Remove { identity, name } => remove(context, &identity, &name),
    }
}

fn add(context: &Context, identity: &str, name: &str) -> Result<()> {
    let name = parse(name)?;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let found = named(&image, identity)?;
    if let Some(other) = name_owner(&identity::all(&image), &found.oid, &name) {
        return Err(Error::refused(format!(
            "{name} is {}'s already, and a certificate that fits two identities is neither's.",
            other.name
        )));
    }
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        if !identity.names.contains(&name) {
            identity.names.push(name.clone());
        }
    })?;
    context.output.done(
        &format!("A client with {name} in its certificate is {}.", found.name),
        &json!({ "name": found.name, "client_id": found.appid, "certificate_name": name }),
    )
}

fn remove(context: &Context, identity: &str, name: &str) -> Result<()> {
    let name = parse(name)?;
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    if !found.names.contains(&name) {
        return Err(Error::refused(format!("{} isn't known by {name}.", found.name)));
    }
    identity::change(&*opened.vault, &found.oid, &mut |identity| identity.names.retain(|known| *known != name))?;
    context.output.done(
        &format!("A client with {name} in its certificate isn't {} any more.", found.name),
        &json!({ "name": found.name, "client_id": found.appid, "certificate_name": name }),
    )
}

/// The name as identities have it. A pattern would be compared as it stands, and fit what was issued for all of a domain.
fn parse(text: &str) -> Result<String> {
    let wrong = |why: String| Error::Usage(format!("{text:?} is no name to know an identity by: {why}."));
    let has_kind = ["dns:", "uri:", "email:", "upn:"]
        .iter()
        .any(|kind| text.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)));
    if !has_kind || text.contains('*') {
        return Err(wrong("write dns:HOST, uri:URI, email:ADDRESS or upn:NAME, without a pattern".to_owned()));
    }
    let parsed = Alternative::parse(text).map_err(|error| wrong(error.to_string()))?;
    certificate_name(&parsed).ok_or_else(|| wrong("write dns:HOST, uri:URI, email:ADDRESS or upn:NAME".to_owned()))
}
