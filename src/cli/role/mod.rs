//! `strongroom role`: who may do what in a vault, over the server.

pub(super) mod definition;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::principal::{Principal, put_names, shown_name};
use super::{Context, Error, Result};
use crate::config::Manner;
use crate::server::access::{
    Assignment, BuiltInRole, Model, RoleDefinition, RoleError, Scope, assign, assignments, built_in, put_assignment,
    unassign,
};
use crate::server::guid;
use crate::vault::Image;

/// What is done with roles.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the built-in roles and what each allows
    List,
    /// Give an identity or a group a role, on the whole vault or on one object
    Assign {
        #[command(flatten)]
        given: Given,
        /// Give it to an object id that this vault doesn't know: identities and groups lie in the first vault that a server
        /// serves
        #[arg(long)]
        force: bool,
    },
    /// Take a role away; it counts no longer from the next request on
    Unassign(Given),
    /// List who has which role
    Assignments {
        /// Of this identity or group alone: its name or an id
        #[arg(long)]
        identity: Option<String>,
    },
    /// Roles that are made here: list, show, create, delete
    #[command(subcommand)]
    Definition(definition::Verb),
}

/// A role that somebody has.
#[derive(Args)]
pub(super) struct Given {
    /// The role's name or id; "Key Vault" or "Managed HSM" may be left out
    pub role: String,
    /// The name, object id or client id of an identity, or a group's name or object id; at a server the object id
    pub identity: String,
    /// Where it counts: /, /keys/NAME, /secrets/NAME, /certificates/NAME, in a Managed HSM also /keys
    #[arg(long, default_value = "/")]
    pub scope: Scope,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::List => list(context),
        Verb::Assign { given, force } => give(context, &given, force),
        Verb::Unassign(given) => take(context, &given),
        Verb::Assignments { identity } => show(context, identity.as_deref()),
        Verb::Definition(verb) => definition::run(context, verb),
    }
}

fn list(context: &Context) -> Result<()> {
    let manner = context.manner();
    let row = |role: &BuiltInRole| vec![role.name.to_owned(), role.id.to_owned(), role.data_actions.join(" ")];
    let rows: Vec<Vec<String>> = built_in(manner).iter().map(row).collect();
    let value = |role: &BuiltInRole| json!({ "name": role.name, "id": role.id, "data_actions": role.data_actions });
    let values = built_in(manner).iter().map(value).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(values), NO_ROLES)
}

/// The columns of a list of roles, and what stands in place of an empty one.
pub(super) const HEADINGS: [&str; 3] = ["name", "id", "data actions"];
pub(super) const NO_ROLES: &str = "There are no roles.";
/// The same of assignments.
pub(super) const ASSIGNMENT_HEADINGS: [&str; 4] = ["identity", "role", "scope", "id"];
pub(super) const NO_ASSIGNMENTS: &str = "Nobody has a role.";

fn give(context: &Context, given: &Given, force: bool) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let role = role(&image, opened.manner, &given.role)?;
    let principal = Principal::find_known(&image, &given.identity, force)?.oid().to_owned();
    check(&image, opened.manner, given, &role, &principal)?;
    if let Scope::Object(collection, name) = &given.scope
        && image.with_name(*collection, name.as_str()).next().is_none()
    {
        context.output.note(&format!("There is nothing at {} yet: the role counts when there is.", given.scope));
    }
    if Model::of(&image, opened.manner) == Model::Policies {
        context.output.note("The vault goes by access policies: roles count after `strongroom access model roles`.");
    }
    let made = assign(&*opened.vault, &principal, role.id(), &given.scope)?;
    context.output.done(
        &format!("{} has the role {} on {}.", shown_name(&image, &principal), role.name(), given.scope),
        &assignment_json(&image, opened.manner, &made),
    )
}

/// Refuses what the vault has no such role or scope for. That the identity has it already is well.
fn check(image: &Image, manner: Manner, given: &Given, role: &RoleDefinition, principal: &str) -> Result<()> {
    let wished = Assignment {
        id: guid::random()?,
        principal: principal.to_owned(),
        role: role.id().to_owned(),
        scope: given.scope.clone(),
    };
    match put_assignment(image, manner, &wished) {
        Ok(_) | Err(RoleError::Assigned(_)) => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

/// What is wrong, as a sentence.
pub(super) fn refused(error: &RoleError) -> Error {
    Error::refused(format!("This can't be done: {error}."))
}

fn take(context: &Context, given: &Given) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let role = role(&image, opened.manner, &given.role)?;
    // An identity that was deleted, or lies elsewhere, is known by its id alone.
    let principal = Principal::find(&image, &given.identity)?.oid().to_owned();
    let who = shown_name(&image, &principal);
    let found = assignments(&image).into_iter().find(|assignment| {
        assignment.principal == principal && assignment.role == role.id() && assignment.scope == given.scope
    });
    let gone = match found {
        Some(found) => unassign(&*opened.vault, opened.manner, &found.id)?,
        None => None,
    };
    let gone = gone.ok_or_else(|| {
        Error::refused(format!("{who} doesn't have the role {} on {}: nothing was done.", role.name(), given.scope))
    })?;
    context.output.done(
        &format!("{who} no longer has the role {} on {}.", role.name(), given.scope),
        &assignment_json(&image, opened.manner, &gone),
    )
}

fn show(context: &Context, of: Option<&str>) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let principal = of.map(|text| Principal::find(&image, text)).transpose()?;
    let mut all = assignments(&image);
    all.retain(|given| principal.as_ref().is_none_or(|principal| given.principal == principal.oid()));
    let name = |given: &Assignment| role_name(&image, opened.manner, &given.role);
    all.sort_by_cached_key(|given| (shown_name(&image, &given.principal), name(given), given.scope.to_string()));
    let row = |given: &Assignment| {
        vec![shown_name(&image, &given.principal), name(given), given.scope.to_string(), given.id.clone()]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let values = all.iter().map(|given| assignment_json(&image, opened.manner, given)).collect();
    context.output.list(&ASSIGNMENT_HEADINGS, &rows, &Value::Array(values), NO_ASSIGNMENTS)
}

fn role(image: &Image, manner: Manner, text: &str) -> Result<RoleDefinition> {
    RoleDefinition::named(image, manner, text).ok_or_else(|| no_role(text))
}

/// That a role isn't there.
pub(super) fn no_role(text: &str) -> Error {
    Error::refused(format!(
        "There is no role {text:?}: `strongroom role list` and `strongroom role definition list` show them."
    ))
}

/// A role's name, or its id if it is none of this vault's.
pub(super) fn role_name(image: &Image, manner: Manner, id: &str) -> String {
    RoleDefinition::find(image, manner, id).map_or_else(|| id.to_owned(), |role| role.name().to_owned())
}

/// Who has what where.
pub(super) fn assignment_json(image: &Image, manner: Manner, given: &Assignment) -> Value {
    let mut value = json!({
        "id": given.id,
        "role": role_name(image, manner, &given.role),
        "role_id": given.role,
        "scope": given.scope.to_string(),
    });
    put_names(&mut value, image, &given.principal);
    value
}
