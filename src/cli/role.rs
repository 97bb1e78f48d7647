//! `strongroom role`: who may do what in a vault, over the server.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Error, Result, identity};
use crate::server::access::{Assignment, BUILT_IN, BuiltInRole, Scope, assign, assignments, unassign};
use crate::server::guid;
use crate::server::identity::find;
use crate::vault::Image;

/// What is done with roles.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the roles and what each allows
    List,
    /// Give an identity a role, on the whole vault or on one object
    Assign {
        #[command(flatten)]
        given: Given,
        /// Give it to an object id that this vault doesn't know: identities lie in the first vault that a server serves
        #[arg(long)]
        force: bool,
    },
    /// Take a role away; it counts no longer from the next request on
    Unassign(Given),
    /// List who has which role
    Assignments {
        /// Of this identity alone: its name, object id or client id
        #[arg(long)]
        identity: Option<String>,
    },
}

/// A role that somebody has.
#[derive(Args)]
pub(super) struct Given {
    /// The role's name or id; "Key Vault" may be left out
    role: String,
    /// The identity's name, object id or client id
    identity: String,
    /// Where it counts: /, /keys/NAME, /secrets/NAME or /certificates/NAME
    #[arg(long, default_value = "/")]
    scope: Scope,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::List => list(context),
        Verb::Assign { given, force } => give(context, &given, force),
        Verb::Unassign(given) => take(context, &given),
        Verb::Assignments { identity } => show(context, identity.as_deref()),
    }
}

fn list(context: &Context) -> Result<()> {
    let row = |role: &BuiltInRole| vec![role.name.to_owned(), role.id.to_owned(), role.data_actions.join(" ")];
    let rows: Vec<Vec<String>> = BUILT_IN.iter().map(row).collect();
    let value = |role: &BuiltInRole| json!({ "name": role.name, "id": role.id, "data_actions": role.data_actions });
    let values = BUILT_IN.iter().map(value).collect();
    context.output.list(&["name", "id", "data actions"], &rows, &Value::Array(values), "There are no roles.")
}

fn give(context: &Context, given: &Given, force: bool) -> Result<()> {
    let role = role(&given.role)?;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let principal = principal(&image, &given.identity, force)?;
    if let Scope::Object(collection, name) = &given.scope
        && image.with_name(*collection, name.as_str()).next().is_none()
    {
        context.output.note(&format!("There is nothing at {} yet: the role counts when there is.", given.scope));
    }
    let made = assign(&*opened.vault, &principal, role, &given.scope)?;
    context.output.done(
        &format!("{} has the role {} on {}.", shown_name(&image, &principal), role.name, given.scope),
        &assignment_json(&image, &made),
    )
}

fn take(context: &Context, given: &Given) -> Result<()> {
    let role = role(&given.role)?;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    // An identity that was deleted, or lies elsewhere, is known by its id alone.
    let principal = principal(&image, &given.identity, true)?;
    let who = shown_name(&image, &principal);
    let found = assignments(&image).into_iter().find(|assignment| {
        assignment.principal == principal && assignment.role == role.id && assignment.scope == given.scope
    });
    let gone = match found {
        Some(found) => unassign(&*opened.vault, &found.id)?,
        None => None,
    };
    let gone = gone.ok_or_else(|| {
        Error::refused(format!("{who} doesn't have the role {} on {}: nothing was done.", role.name, given.scope))
    })?;
    context.output.done(
        &format!("{who} no longer has the role {} on {}.", role.name, given.scope),
        &assignment_json(&image, &gone),
    )
}

fn show(context: &Context, of: Option<&str>) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let principal = of.map(|text| principal(&image, text, true)).transpose()?;
    let mut all = assignments(&image);
    all.retain(|given| principal.as_ref().is_none_or(|principal| given.principal == *principal));
    all.sort_by_cached_key(|given| {
        (shown_name(&image, &given.principal), role_name(&given.role), given.scope.to_string())
    });
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|given| {
            vec![
                shown_name(&image, &given.principal),
                role_name(&given.role),
                given.scope.to_string(),
                given.id.clone(),
            ]
        })
        .collect();
    let values = all.iter().map(|given| assignment_json(&image, given)).collect();
    let headings = ["identity", "role", "scope", "id"];
    context.output.list(&headings, &rows, &Value::Array(values), "Nobody has a role.")
}

fn role(text: &str) -> Result<&'static BuiltInRole> {
    BuiltInRole::find(text)
        .ok_or_else(|| Error::refused(format!("There is no role {text:?}: `strongroom role list` shows them.")))
}

/// The object id of an identity; with `unknown` also one that this vault doesn't hold.
fn principal(image: &Image, text: &str, unknown: bool) -> Result<String> {
    let lower = text.to_ascii_lowercase();
    match identity::named(image, text) {
        Ok(found) => Ok(found.oid),
        Err(_) if guid::is_guid(&lower) && unknown => Ok(lower),
        Err(_) if guid::is_guid(&lower) => Err(Error::refused(format!(
            "This vault knows no identity {lower}. If it lies in another vault of the server, add --force: a mistyped id \
             gives a role to nobody."
        ))),
        Err(error) => Err(error),
    }
}

fn shown_name(image: &Image, principal: &str) -> String {
    find(image, principal).map_or_else(|| principal.to_owned(), |stored| stored.record.name)
}

/// A role's name, or its id if it is none of ours.
pub(super) fn role_name(id: &str) -> String {
    BuiltInRole::find(id).map_or(id, |role| role.name).to_owned()
}

/// Who has what where.
pub(super) fn assignment_json(image: &Image, given: &Assignment) -> Value {
    json!({
        "id": given.id,
        "identity": find(image, &given.principal).map(|stored| stored.record.name),
        "object_id": given.principal,
        "role": role_name(&given.role),
        "role_id": given.role,
        "scope": given.scope.to_string(),
    })
}
