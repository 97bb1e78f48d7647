//! `strongroom identity federation`: issuers whose tokens say who an identity is.

use clap::Subcommand;
use serde_json::{Value, json};

use super::super::{Context, Error, Result, issuer, time};
use super::named;
use crate::server::identity::{self, EXCHANGE_AUDIENCE, FederatedCredential, group};
use crate::vault::Image;

/// What is done with federated credentials.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Let whoever has a token of an issuer about this subject log in as the identity
    Add {
        /// The identity's name, object id or client id
        identity: String,
        #[command(flatten)]
        subject: Subject,
        /// What a token must be for to be shown at the token endpoint
        #[arg(long, default_value = EXCHANGE_AUDIENCE)]
        audience: String,
    },
    /// Refuse them as this identity from now on, also with the tokens that they have. Who is in one of the issuer's groups that
    /// count here keeps what that may do: `identity disable` keeps out altogether
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        #[command(flatten)]
        subject: Subject,
    },
}

/// Somebody at an issuer.
#[derive(clap::Args)]
pub(in super::super) struct Subject {
    /// The issuer's address, as its tokens have it in `iss`
    issuer: String,
    /// Who it is there, letter by letter: system:serviceaccount:shop:web, repo:org/name:ref:refs/heads/main
    subject: String,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, subject, audience } => add(context, &identity, subject, audience),
        Verb::Remove { identity, subject } => remove(context, &identity, &subject),
    }
}

/// What is known of a federated credential.
pub(super) fn json(known: &FederatedCredential) -> Value {
    json!({
        "issuer": known.issuer,
        "subject": known.subject,
        "audience": known.audience,
        "created": time::text(known.created),
    })
}

fn add(context: &Context, identity: &str, given: Subject, audience: String) -> Result<()> {
    issuer::check(&[("The issuer", &given.issuer), ("The subject", &given.subject), ("The audience", &audience)])?;
    let Subject { issuer, subject } = given;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let found = named(&image, identity)?;
    let is_other = |other: &identity::Identity| {
        other.oid != found.oid && other.federated.iter().any(|known| known.is_of(&issuer, &subject))
    };
    if let Some(other) = identity::all(&image).iter().find(|other| is_other(other)) {
        context.output.note(&format!(
            "{} is this subject too: its tokens count at the token endpoint, where the client id says who is meant, and no \
             longer by themselves at a vault.",
            other.name
        ));
    }
    let credential = FederatedCredential { issuer, subject, audience, created: time::now() };
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        let is_same = |known: &FederatedCredential| {
            known.is_of(&credential.issuer, &credential.subject) && known.audience == credential.audience
        };
        if !identity.federated.iter().any(is_same) {
            identity.federated.push(credential.clone());
        }
    })?;
    let FederatedCredential { issuer, subject, .. } = &credential;
    issuer::note_unknown(context, issuer)?;
    let mut value = json(&credential);
    (value["name"], value["client_id"]) = (json!(found.name), json!(found.appid));
    let done = format!("{}, client id {}, is {subject} of {issuer} from now on.", found.name, found.appid);
    context.output.done(&done, &value)
}

fn remove(context: &Context, identity: &str, subject: &Subject) -> Result<()> {
    let Subject { issuer, subject } = subject;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let found = named(&image, identity)?;
    if !found.federated.iter().any(|known| known.is_of(issuer, subject)) {
        return Err(Error::refused(format!(
            "{} isn't {subject:?} of {issuer:?}: `strongroom identity show` says what it is.",
            found.name
        )));
    }
    note_strangers(context, &image, &found.name, &[issuer.as_str()]);
    context.confirm(&format!("Refuse {subject} of {issuer} as {}?", found.name))?;
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        identity.federated.retain(|known| !known.is_of(issuer, subject));
    })?;
    context.output.done(
        &format!("{} isn't {subject} of {issuer} any more.", found.name),
        &json!({ "name": found.name, "issuer": issuer, "subject": subject }),
    )
}

/// Who is an identity no longer, only somebody whom an issuer knows, still is in the groups that the issuer says.
pub(super) fn note_strangers(context: &Context, image: &Image, name: &str, issuers: &[&str]) {
    let groups = group::all(image);
    let mapped = |issuer: &&&str| groups.iter().flat_map(|group| &group.foreign).any(|of| of.issuer == **issuer);
    if let Some(issuer) = issuers.iter().find(mapped) {
        context.output.note(&format!(
            "Groups of {issuer} count here: whoever it puts into one goes on having that group's roles, as a stranger. To keep \
             {name} out altogether, leave the identity with its federated credential and `strongroom identity disable` it."
        ));
    }
}
