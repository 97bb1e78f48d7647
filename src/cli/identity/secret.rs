//! `strongroom identity secret`: client secrets, each shown once.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::new_file::NewFile;
use super::super::open::Opened;
use super::super::{Context, Error, Result, time};
use super::named;
use crate::server::identity::{self, Identity, NewSecret};
use crate::vault::Vault;

/// What is done with client secrets.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Give an identity another client secret, and show it this once
    Add {
        /// The identity's name, object id or client id
        identity: String,
        /// Refuse it from this time on (RFC 3339 or a date)
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        expires: Option<i64>,
        /// Write it into this new file, instead of showing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Refuse a client secret from now on
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        /// The secret's id, or how that begins
        id: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, expires, secret_file } => {
            let opened = context.unlocked()?;
            let found = named(&opened.vault.image(), &identity)?;
            add(context, &opened, &found, expires, secret_file.map(NewFile::create).transpose()?)
        }
        Verb::Remove { identity, id } => remove(context, &identity, &id),
    }
}

/// Gives an identity a secret and shows it, or writes it where it shall be.
pub(super) fn add(
    context: &Context,
    opened: &Opened,
    to: &Identity,
    expires: Option<i64>,
    place: Option<NewFile>,
) -> Result<()> {
    let given = give(&*opened.vault, to, expires, place)?;
    let Some(text) = &given.shown else {
        let path = given.path.clone().unwrap_or_default();
        let done = format!("Gave {}, client id {}, a secret: it is in {}.", to.name, to.appid, path.display());
        return context.output.done(&done, &given.json());
    };
    context.output.note("The client secret is shown this once.");
    let fields = [
        ("Name", to.name.clone()),
        ("Client id", to.appid.clone()),
        ("Secret id", given.id.clone()),
        ("Client secret", text.to_string()),
    ];
    context.output.details(&fields, &given.json())
}

/// A secret that an identity has from now on.
pub(super) struct Given<'a> {
    to: &'a Identity,
    id: String,
    expires: Option<i64>,
    /// The secret itself, unless it was written into a file.
    pub shown: Option<Zeroizing<String>>,
    path: Option<PathBuf>,
}

/// Makes a secret, and writes it where it shall be.
pub(super) fn give<'a>(
    vault: &dyn Vault,
    to: &'a Identity,
    expires: Option<i64>,
    place: Option<NewFile>,
) -> Result<Given<'a>> {
    let NewSecret { id, text } = identity::add_secret(vault, &to.oid, time::now(), expires)?;
    let Some(place) = place else { return Ok(Given { to, id, expires, shown: Some(text), path: None }) };
    let path = place.path().to_path_buf();
    if let Err(error) = place.write(Zeroizing::new(format!("{}\n", *text)).as_bytes()) {
        // Nobody could use it.
        identity::change(vault, &to.oid, &mut |identity| identity.secrets.retain(|kept| kept.id != id))?;
        return Err(error);
    }
    Ok(Given { to, id, expires, shown: None, path: Some(path) })
}

impl Given<'_> {
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "name": self.to.name,
            "client_id": self.to.appid,
            "object_id": self.to.oid,
            "secret_id": self.id,
            "expires": self.expires.map(time::text),
        });
        if let Some(text) = &self.shown {
            value["client_secret"] = json!(**text);
        }
        if let Some(path) = &self.path {
            value["secret_file"] = json!(path);
        }
        value
    }
}

fn remove(context: &Context, identity: &str, id: &str) -> Result<()> {
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    let begins = id.to_ascii_lowercase();
    let matching: Vec<&str> =
        found.secrets.iter().map(|secret| &*secret.id).filter(|id| id.starts_with(&begins)).collect();
    let [id] = matching[..] else {
        let many = if matching.is_empty() { "no secret" } else { "several secrets" };
        return Err(Error::refused(format!("{} has {many} whose id begins with {id:?}.", found.name)));
    };
    context.confirm(&format!("Remove the secret {id} of {}? Who logs in with it is refused.", found.name))?;
    identity::change(&*opened.vault, &found.oid, &mut |identity| identity.secrets.retain(|kept| kept.id != id))?;
    context
        .output
        .done(&format!("Removed the secret {id} of {}.", found.name), &json!({ "name": found.name, "secret_id": id }))
}
