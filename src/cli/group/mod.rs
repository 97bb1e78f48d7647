//! `strongroom group`: identities that have roles together, and which groups of an issuer count as one of them.
//!
//! Groups are records of the vault that the command works on; a server looks for them in the first vault that it serves.

mod member;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::identity::{check_name, note_other_vaults};
use super::principal::shown_name;
use super::role::{assignment_json, role_name};
use super::{Context, Error, Result, time};
use crate::server::access::assignments;
use crate::server::identity::{Group, group, is_called};
use crate::vault::Image;

/// What is done with groups.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make a group, which has no role and no member yet
    Create {
        /// What people call it
        name: String,
    },
    /// List the groups
    List,
    /// Show a group, who is in it and its roles in this vault
    Show(Which),
    /// Delete a group for good; who is in it loses its roles at once
    Delete(Which),
    /// Who is in a group: add, remove
    #[command(subcommand)]
    Member(member::Verb),
    /// Which groups of an issuer's tokens count as one of ours: add, remove
    #[command(subcommand)]
    Foreign(member::ForeignVerb),
}

/// A group.
#[derive(Args)]
pub(super) struct Which {
    /// Its name or object id
    group: String,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create { name } => create(context, &name),
        Verb::List => list(context),
        Verb::Show(which) => show(context, &which),
        Verb::Delete(which) => delete(context, &which),
        Verb::Member(verb) => member::run(context, verb),
        Verb::Foreign(verb) => member::run_foreign(context, verb),
    }
}

/// The group with this name or id.
fn named(image: &Image, text: &str) -> Result<Group> {
    let found = group::find(image, text).map(|stored| stored.record);
    found.ok_or_else(|| Error::refused(format!("There is no group {text:?}: `strongroom group list` shows them.")))
}

fn create(context: &Context, name: &str) -> Result<()> {
    check_name(name)?;
    let opened = context.unlocked()?;
    if is_called(&opened.vault.image(), name) {
        return Err(Error::refused(format!(
            "There is an identity or a group called {name:?} already: choose another name."
        )));
    }
    let made = group::create(&*opened.vault, name, time::now())?;
    context.output.note("Next: `strongroom group member add` and `strongroom role assign`.");
    let sentence = format!("Made the group {name}, object id {}.", made.oid);
    context.output.done(&sentence, &group_json(&opened.vault.image(), &made))
}

fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let mut groups = group::all(&image);
    groups.sort_by_cached_key(|group| group.name.to_lowercase());
    let row = |group: &Group| {
        let counts = [group.members.len(), group.foreign.len()].map(|count| count.to_string());
        [vec![group.name.clone(), group.oid.clone()], counts.to_vec(), vec![time::text(group.created)]].concat()
    };
    let rows: Vec<Vec<String>> = groups.iter().map(row).collect();
    let values = groups.iter().map(|group| group_json(&image, group)).collect();
    let headings = ["name", "object id", "members", "foreign", "created"];
    context.output.list(&headings, &rows, &Value::Array(values), "There are no groups.")
}

fn show(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let group = named(&image, &which.group)?;
    let roles: Vec<_> = assignments(&image).into_iter().filter(|given| given.principal == group.oid).collect();
    let mut value = group_json(&image, &group);
    value["roles"] = roles.iter().map(|given| assignment_json(&image, opened.manner, given)).collect();
    let mut fields =
        vec![("Name", group.name.clone()), ("Object id", group.oid.clone()), ("Created", time::text(group.created))];
    fields.extend(group.members.iter().map(|member| ("Member", shown_name(&image, member))));
    fields.extend(group.foreign.iter().map(|foreign| ("Foreign", format!("{} of {}", foreign.value, foreign.issuer))));
    let role = |id: &str| role_name(&image, opened.manner, id);
    fields.extend(roles.iter().map(|given| ("Role", format!("{} on {}", role(&given.role), given.scope))));
    context.output.details(&fields, &value)
}

fn delete(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let group = named(&image, &which.group)?;
    context.confirm(&format!(
        "Delete the group {} from {}? Who is in it loses its roles, and this can't be undone.",
        group.name, opened.info.label
    ))?;
    group::delete(&*opened.vault, opened.manner, &group.oid)?;
    note_other_vaults(context);
    context.output.done(&format!("Deleted the group {}.", group.name), &group_json(&image, &group))
}

/// What is known of a group.
fn group_json(image: &Image, group: &Group) -> Value {
    let members = group.members.iter().map(|oid| json!({ "name": shown_name(image, oid), "object_id": oid }));
    let foreign = group.foreign.iter().map(|foreign| json!({ "issuer": foreign.issuer, "value": foreign.value }));
    json!({
        "name": group.name,
        "object_id": group.oid,
        "created": time::text(group.created),
        "members": members.collect::<Vec<_>>(),
        "foreign": foreign.collect::<Vec<_>>(),
    })
}
