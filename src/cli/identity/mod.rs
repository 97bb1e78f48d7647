//! `strongroom identity`: the programs and people that a server knows, and how each logs in.
//!
//! They are records of the vault that the command works on; a server looks for them in the first vault that it serves.

mod certificate;
mod federation;
mod first;
mod given;
mod header;
mod local;
mod name;
mod secret;

pub(super) use first::FirstAdministrator;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::new_file::NewFile;
use super::open::Opened;
use super::{Context, Error, Result, time};
use crate::config::Config;
use crate::server::access::assignments;
use crate::server::guid;
use crate::server::identity::{self, ClientSecret, FederatedCredential, Identity, LoginCertificate, group};
use crate::vault::Image;

/// What is done with identities.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make an identity, which has no role and no way to log in yet
    Create {
        /// What people call it
        name: String,
        /// Give it every right in the vault, and a client secret
        #[arg(long)]
        administrator: bool,
        /// Write the administrator's secret into this new file, instead of showing it
        #[arg(long, value_name = "FILE", requires = "administrator")]
        secret_file: Option<PathBuf>,
    },
    /// List the identities
    List,
    /// Show an identity, its ways to log in and its roles in this vault
    Show(Which),
    /// Let an identity log in again
    Enable(Which),
    /// Refuse an identity at once, also with the tokens that it has
    Disable(Which),
    /// Delete an identity for good; to keep out whom an issuer vouches for, disable it instead
    Delete(Which),
    /// Client secrets: add, remove
    #[command(subcommand)]
    Secret(secret::Verb),
    /// Certificates whose keys sign logins, or prove in TLS handshakes who connects: add, remove
    #[command(subcommand)]
    Certificate(certificate::Verb),
    /// Issuers whose tokens say who it is: add, remove
    #[command(subcommand)]
    Federation(federation::Verb),
    /// Secret headers for programs of the server's machine: add, remove
    #[command(subcommand)]
    Header(header::Verb),
    /// Names in certificates of clients by which an identity is known in TLS handshakes: add, remove
    #[command(subcommand)]
    Name(name::Verb),
    /// Users and groups of the server's machine whose processes are an identity on the Unix socket: add, remove
    #[command(subcommand)]
    Local(local::Verb),
}

/// An identity.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Its name, object id or client id
    identity: String,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create { name, administrator: true, secret_file } => administrator(context, &name, secret_file),
        Verb::Create { name, .. } => create(context, &name),
        Verb::List => list(context),
        Verb::Show(which) => show(context, &which),
        Verb::Enable(which) => set_enabled(context, &which, true),
        Verb::Disable(which) => set_enabled(context, &which, false),
        Verb::Delete(which) => delete(context, &which),
        Verb::Secret(verb) => secret::run(context, verb),
        Verb::Certificate(verb) => certificate::run(context, verb),
        Verb::Federation(verb) => federation::run(context, verb),
        Verb::Header(verb) => header::run(context, verb),
        Verb::Name(verb) => name::run(context, verb),
        Verb::Local(verb) => local::run(context, verb),
    }
}

/// The identity with this name or id.
pub(super) fn named(image: &Image, text: &str) -> Result<Identity> {
    let found = identity::find(image, text).map(|stored| stored.record);
    found
        .ok_or_else(|| Error::refused(format!("There is no identity {text:?}: `strongroom identity list` shows them.")))
}

fn create(context: &Context, name: &str) -> Result<()> {
    check_name(name)?;
    let opened = context.unlocked()?;
    refuse_known(&opened, name)?;
    let made = identity::create(&*opened.vault, name, time::now())?;
    let next = "Next: `strongroom identity secret add` and `strongroom role assign`.";
    context.output.note(next);
    context.output.done(&format!("Made the identity {name}, client id {}.", made.appid), &identity_json(&made))
}

fn administrator(context: &Context, name: &str, file: Option<PathBuf>) -> Result<()> {
    check_name(name)?;
    let opened = context.unlocked()?;
    refuse_known(&opened, name)?;
    let place = file.map(NewFile::create).transpose()?;
    let made = first::administrator(&*opened.vault, opened.manner, name)?;
    given::Kind::Secret.add(context, &opened, &made, None, place)
}

fn refuse_known(opened: &Opened, name: &str) -> Result<()> {
    match identity::is_called(&opened.vault.image(), name) {
        false => Ok(()),
        true => Err(Error::refused(format!(
            "There is an identity or a group called {name:?} already: choose another name."
        ))),
    }
}

/// A name is for people and for arguments: nothing that is invisible or an id.
pub(super) fn check_name(name: &str) -> Result<()> {
    let blank = name.trim().is_empty() || name.trim() != name;
    if blank || name.len() > NAME_MAX || name.chars().any(char::is_control) || guid::is_guid(&name.to_ascii_lowercase())
    {
        return Err(Error::Usage(format!(
            "A name has 1 to {NAME_MAX} bytes, no control characters, no blanks around it, and is no GUID."
        )));
    }
    Ok(())
}

const NAME_MAX: usize = 128;

fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let mut identities = identity::all(&opened.vault.image());
    identities.sort_by_key(|identity| identity.name.to_lowercase());
    let rows: Vec<Vec<String>> = identities
        .iter()
        .map(|identity| {
            vec![
                identity.name.clone(),
                state(identity).to_owned(),
                identity.appid.clone(),
                identity.oid.clone(),
                identity.secrets.len().to_string(),
                identity.certificates.len().to_string(),
                time::text(identity.created),
            ]
        })
        .collect();
    let headings = ["name", "state", "client id", "object id", "secrets", "certificates", "created"];
    let values = identities.iter().map(identity_json).collect();
    context.output.list(&headings, &rows, &Value::Array(values), "There are no identities.")
}

fn show(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let identity = named(&image, &which.identity)?;
    let mut groups = group::all(&image);
    groups.retain(|group| group.members.contains(&identity.oid));
    let is_theirs = |oid: &str| oid == identity.oid || groups.iter().any(|group| group.oid == oid);
    let roles: Vec<_> = assignments(&image).into_iter().filter(|given| is_theirs(&given.principal)).collect();
    let mut value = identity_json(&identity);
    value["groups"] = groups.iter().map(|group| json!({ "name": group.name, "object_id": group.oid })).collect();
    value["roles"] = roles.iter().map(|given| super::role::assignment_json(&image, opened.manner, given)).collect();
    let mut fields = vec![
        ("Name", identity.name.clone()),
        ("State", state(&identity).to_owned()),
        ("Client id", identity.appid.clone()),
        ("Object id", identity.oid.clone()),
        ("Created", time::text(identity.created)),
    ];
    fields.extend(ways_in(&identity));
    fields.extend(groups.iter().map(|group| ("Group", group.name.clone())));
    for given in &roles {
        let role = super::role::role_name(&image, opened.manner, &given.role);
        let group = groups.iter().find(|group| group.oid == given.principal);
        let by = group.map_or(String::new(), |group| format!(", by the group {}", group.name));
        fields.push(("Role", format!("{role} on {}{by}", given.scope)));
    }
    context.output.details(&fields, &value)
}

/// How an identity proves that it is who it is.
fn ways_in(identity: &Identity) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    for secret in &identity.secrets {
        fields.push(("Secret", format!("{}, created {}{}", secret.id, time::text(secret.created), end(secret))));
    }
    for kept in &identity.certificates {
        if let Some(certificate) = LoginCertificate::stored(&kept.der) {
            let end = time::text(certificate.not_after);
            fields
                .push(("Certificate", format!("{}, {}, expires {end}", certificate.thumbprint(), certificate.subject)));
        }
    }
    for known in &identity.federated {
        let FederatedCredential { issuer, subject, audience, .. } = known;
        fields.push(("Federation", format!("{subject} of {issuer}, at the token endpoint for {audience}")));
    }
    for header in &identity.headers {
        fields.push(("Header", format!("{}, created {}{}", header.id, time::text(header.created), end(header))));
    }
    fields.extend(identity.names.iter().map(|name| ("Name in certificates", name.clone())));
    fields.extend(identity.local.iter().map(|peer| ("On the Unix socket", local::shown(*peer))));
    fields
}

fn end(secret: &ClientSecret) -> String {
    secret.expires.map_or(String::new(), |end| format!(", expires {}", time::text(end)))
}

fn set_enabled(context: &Context, which: &Which, enabled: bool) -> Result<()> {
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), &which.identity)?;
    let changed = identity::set_enabled(&*opened.vault, opened.manner, &found.oid, enabled)?;
    if !enabled {
        note_other_vaults(context);
    }
    let done = if enabled { "Enabled" } else { "Disabled" };
    context.output.done(&format!("{done} {}.", changed.name), &identity_json(&changed))
}

fn delete(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let found = named(&image, &which.identity)?;
    let issuers: Vec<&str> = found.federated.iter().map(|known| &*known.issuer).collect();
    federation::note_strangers(context, &image, &found.name, &issuers);
    context.confirm(&format!(
        "Delete the identity {} from {}? Its secrets and certificates go with it, and this can't be undone.",
        found.name, opened.info.label
    ))?;
    identity::delete(&*opened.vault, opened.manner, &found.oid)?;
    note_other_vaults(context);
    context.output.done(&format!("Deleted the identity {}.", found.name), &identity_json(&found))
}

/// The roles in other vaults of a server are theirs: what an identity was there isn't known here.
pub(super) fn note_other_vaults(context: &Context) {
    if Config::load().is_ok_and(|config| config.vaults.len() > 1) {
        context.output.note(
            "If a server serves other vaults beside this one, see that each keeps another administrator: \
             `strongroom --vault NAME role assignments`.",
        );
    }
}

fn state(identity: &Identity) -> &'static str {
    if identity.enabled { "enabled" } else { "disabled" }
}

/// What is known of an identity; its secrets' hashes stay where they are.
pub(super) fn identity_json(identity: &Identity) -> Value {
    let secret_json = |secret: &ClientSecret| {
        json!({
            "id": secret.id,
            "created": time::text(secret.created),
            "expires": secret.expires.map(time::text),
        })
    };
    let certificates = identity.certificates.iter().filter_map(|kept| {
        let certificate = LoginCertificate::stored(&kept.der)?;
        Some(json!({
            "thumbprint": certificate.thumbprint(),
            "subject": certificate.subject,
            "not_before": time::text(certificate.not_before),
            "expires": time::text(certificate.not_after),
            "created": time::text(kept.created),
        }))
    });
    json!({
        "name": identity.name,
        "enabled": identity.enabled,
        "client_id": identity.appid,
        "object_id": identity.oid,
        "created": time::text(identity.created),
        "secrets": identity.secrets.iter().map(secret_json).collect::<Vec<_>>(),
        "certificates": certificates.collect::<Vec<_>>(),
        "federated": identity.federated.iter().map(federation::json).collect::<Vec<_>>(),
        "headers": identity.headers.iter().map(secret_json).collect::<Vec<_>>(),
        "names": identity.names,
        "local": identity.local,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_no_id() {
        for good in ["app", "Web server 1", "ci@build", "ключ"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", " ", " app", "app\n", "a\u{7}b", "00482A5A-887f-4fb3-b363-3b7fe8e74483", &"x".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
