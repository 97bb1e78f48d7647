//! `strongroom identity header`: secret headers, by which programs of the server's machine get an identity's tokens.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::new_file::NewFile;
use super::super::{Context, Error, Result, time};
use super::named;
use crate::server::identity;

/// What is done with secret headers.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Give an identity a secret header (IDENTITY_HEADER), and show it this once
    Add {
        /// The identity's name, object id or client id
        identity: String,
        /// Refuse it from this time on (RFC 3339 or a date)
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        expires: Option<i64>,
        /// Write it into this new file, instead of showing it
        #[arg(long, value_name = "FILE")]
        header_file: Option<PathBuf>,
    },
    /// Refuse a secret header from now on
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        /// The header's id, or how that begins
        id: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, expires, header_file } => add(context, &identity, expires, header_file),
        Verb::Remove { identity, id } => remove(context, &identity, &id),
    }
}

fn add(context: &Context, identity: &str, expires: Option<i64>, file: Option<PathBuf>) -> Result<()> {
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    let place = file.map(NewFile::create).transpose()?;
    let identity::NewSecret { id, text } = identity::add_header(&*opened.vault, &found.oid, time::now(), expires)?;
    let mut value = json!({
        "name": found.name,
        "client_id": found.appid,
        "header_id": id,
        "expires": expires.map(time::text),
    });
    let Some(place) = place else {
        value["header"] = json!(*text);
        context.output.note("The secret header is shown this once.");
        let fields = [("Name", found.name), ("Header id", id), ("IDENTITY_HEADER", text.to_string())];
        return context.output.details(&fields, &value);
    };
    let path = place.path().to_path_buf();
    if let Err(error) = place.write(Zeroizing::new(format!("{}\n", *text)).as_bytes()) {
        // Nobody could use it.
        identity::change(&*opened.vault, &found.oid, &mut |identity| identity.headers.retain(|kept| kept.id != id))?;
        return Err(error);
    }
    value["header_file"] = json!(path);
    context.output.done(&format!("Gave {} a secret header: it is in {}.", found.name, path.display()), &value)
}

fn remove(context: &Context, identity: &str, id: &str) -> Result<()> {
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    let begins = id.to_ascii_lowercase();
    let ids = found.headers.iter().map(|header| &*header.id);
    let matching: Vec<&str> = ids.filter(|id| id.starts_with(&begins)).collect();
    let [id] = matching[..] else {
        let many = if matching.is_empty() { "no header" } else { "several headers" };
        return Err(Error::refused(format!("{} has {many} whose id begins with {id:?}.", found.name)));
    };
    context.confirm(&format!("Remove the header {id} of {}? Who sends it is refused.", found.name))?;
    identity::change(&*opened.vault, &found.oid, &mut |identity| identity.headers.retain(|kept| kept.id != id))?;
    let value = json!({ "name": found.name, "header_id": id });
    context.output.done(&format!("Removed the header {id} of {}.", found.name), &value)
}
