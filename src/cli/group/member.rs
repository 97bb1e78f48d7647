//! `strongroom group member` and `strongroom group foreign`: who is in a group, by name here or by an issuer's word.

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::identity::note_other_vaults;
use super::super::open::Opened;
use super::super::principal::Principal;
use super::super::{Context, Error, Result, issuer};
use super::named;
use crate::server::identity::{ForeignGroup, Group, group};
use crate::vault::VaultError;

/// What is done with members.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Let an identity into a group: its roles count from the next request on
    Add {
        #[command(flatten)]
        member: Member,
        /// Also an object id that this vault doesn't know, as who comes with an issuer's token has one
        #[arg(long)]
        force: bool,
    },
    /// Take an identity out of a group: its roles count no longer from the next request on
    Remove(Member),
}

/// A membership.
#[derive(Args)]
pub(in super::super) struct Member {
    /// The group's name or object id
    group: String,
    /// The identity's name, object id or client id
    identity: String,
}

/// What is done with groups of issuers.
#[derive(Subcommand)]
pub(in super::super) enum ForeignVerb {
    /// Have a group in an issuer's tokens count as one of ours
    Add(Foreign),
    /// Have a group in an issuer's tokens count for nothing from the next request on
    Remove(Foreign),
}

/// A group of an issuer.
#[derive(Args)]
pub(in super::super) struct Foreign {
    /// The group's name or object id
    group: String,
    /// The issuer's address, as its tokens have it in `iss`
    issuer: String,
    /// What the issuer calls the group in the claim that says groups, letter by letter
    value: String,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { member, force } => add(context, &member, force),
        Verb::Remove(member) => remove(context, &member),
    }
}

fn add(context: &Context, given: &Member, force: bool) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let group = named(&image, &given.group)?;
    let member = match Principal::find_known(&image, &given.identity, force)? {
        Principal::Group(inner) => {
            return Err(Error::refused(format!(
                "{} is a group, and groups hold no groups: give it the roles of {}, or add its members.",
                inner.name, group.name
            )));
        }
        member => member,
    };
    let is_new = group::add_member(&*opened.vault, &group.oid, member.oid())?;
    let already = if is_new { "" } else { " already" };
    context.output.done(
        &format!("{} is{already} in the group {}.", member.name(), group.name),
        &json!({ "group": group.name, "object_id": member.oid(), "added": is_new }),
    )
}

fn remove(context: &Context, given: &Member) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let (group, member) = (named(&image, &given.group)?, Principal::find(&image, &given.identity)?);
    if !group::remove_member(&*opened.vault, opened.manner, &group.oid, member.oid())? {
        let what = format!("{} isn't in the group {}: nothing was done.", member.name(), group.name);
        return Err(Error::refused(what));
    }
    note_other_vaults(context);
    context.output.done(
        &format!("{} is no longer in the group {}.", member.name(), group.name),
        &json!({ "group": group.name, "object_id": member.oid(), "removed": true }),
    )
}

pub(super) fn run_foreign(context: &Context, verb: ForeignVerb) -> Result<()> {
    let (given, is_added) = match &verb {
        ForeignVerb::Add(given) => (given, true),
        ForeignVerb::Remove(given) => (given, false),
    };
    if is_added {
        issuer::check(&[("The issuer", &given.issuer), ("The value", &given.value)])?;
    }
    let opened = context.unlocked()?;
    let group = named(&opened.vault.image(), &given.group)?;
    let foreign = ForeignGroup { issuer: given.issuer.clone(), value: given.value.clone() };
    let sentence = match is_added {
        true => add_foreign(context, &opened, &group, &foreign)?,
        false => remove_foreign(context, &opened, &group, &foreign)?,
    };
    let value = json!({ "group": group.name, "issuer": foreign.issuer, "value": foreign.value, "counts": is_added });
    context.output.done(&sentence, &value)
}

fn add_foreign(context: &Context, opened: &Opened, group: &Group, foreign: &ForeignGroup) -> Result<String> {
    let ForeignGroup { issuer, value } = foreign;
    match group::add_foreign(&*opened.vault, &group.oid, foreign) {
        Err(VaultError::NameTaken(_)) => {
            let others = group::all(&opened.vault.image());
            let other = others.into_iter().find(|other| other.foreign.contains(foreign)).map(|other| other.name);
            Err(Error::refused(format!(
                "{value} of {issuer} counts as the group {} already: take it away there first.",
                other.as_deref().unwrap_or("of another name")
            )))
        }
        added => {
            added?;
            issuer::note_unknown(context, issuer)?;
            Ok(format!("Whoever {issuer} says is in {value} is in the group {}.", group.name))
        }
    }
}

fn remove_foreign(context: &Context, opened: &Opened, group: &Group, foreign: &ForeignGroup) -> Result<String> {
    let ForeignGroup { issuer, value } = foreign;
    match group::remove_foreign(&*opened.vault, opened.manner, &group.oid, foreign)? {
        true => {
            note_other_vaults(context);
            Ok(format!("{value} of {issuer} no longer counts as the group {}.", group.name))
        }
        false => Err(Error::refused(format!(
            "{value} of {issuer} doesn't count as the group {}: nothing was done.",
            group.name
        ))),
    }
}
