//! `strongroom access`: why somebody may do something over the server or may not, who may do what to one object, and by what
//! a vault goes, roles or classic access policies.

mod explain;
mod list;
mod policy;

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::doctor::shell::quote;
use super::open::{self, Opened};
use super::{Context, Error, Result};
use crate::config::{Config, Manner};
use crate::server::access::{Model, assignments, policies};
use crate::vault::Image;

/// What is asked about access, or decided.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Say whether somebody may do something, and by which assignment, or what would allow it
    Explain(explain::Explain),
    /// List who may do what to one object, or in the vault
    List(list::List),
    /// Show by what the vault goes, or have it go by roles or by access policies from the next request on
    Model {
        /// What counts from now on; the other's assignments or policies stay, and don't count
        model: Option<Wanted>,
    },
    /// Access policies: set, remove, list
    #[command(subcommand)]
    Policy(policy::Verb),
}

/// By what a vault may go.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Wanted {
    /// Role assignments, on the vault or on single objects
    Roles,
    /// Permissions on the whole vault, as in classic access policies
    Policies,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Explain(explain) => explain::run(context, &explain),
        Verb::List(list) => list::run(context, &list),
        Verb::Model { model } => model_of(context, model),
        Verb::Policy(verb) => policy::run(context, verb),
    }
}

fn model_of(context: &Context, wanted: Option<Wanted>) -> Result<()> {
    let opened = context.unlocked()?;
    let Some(wanted) = wanted else {
        let model = Model::of(&opened.vault.image(), opened.manner).name();
        return context.output.done(&format!("{} goes by {model}.", opened.name), &json!({ "model": model }));
    };
    let model = match wanted {
        Wanted::Roles => Model::Roles,
        Wanted::Policies => Model::Policies,
    };
    if opened.manner == Manner::ManagedHsm && model == Model::Policies {
        return Err(Error::refused("A Managed HSM goes by roles: access policies are a key vault's."));
    }
    let image = opened.vault.image();
    let is_empty = match model {
        Model::Roles => assignments(&image).is_empty(),
        Model::Policies => policies(&image).is_empty(),
    };
    if Model::of(&image, opened.manner) != model {
        let question = format!("Have {} go by {} from now on? Nothing else counts then.", opened.name, model.name());
        context.confirm(&question)?;
    }
    model.choose(&*opened.vault)?;
    if is_empty {
        let next = match model {
            Model::Roles => "`strongroom role assign`",
            Model::Policies => "`strongroom access policy set`",
        };
        context.output.note(&format!("Nobody may do anything over the server yet: {next} gives rights."));
    }
    context.output.done(&format!("{} goes by {}.", opened.name, model.name()), &json!({ "model": model.name() }))
}

/// Where identities and groups are looked up.
struct Home {
    image: Arc<Image>,
    /// The vault's name.
    vault: String,
    /// Whether a command has to name a vault, so that it doesn't mean another.
    is_named: bool,
}

impl Home {
    /// The vault that a server takes as the first of the configuration, if that can be looked at without a question; else
    /// this vault itself.
    fn of(context: &Context, opened: &Opened) -> Result<Self> {
        let config = Config::load()?;
        let is_named = context.global.vault.is_some() || config.vaults.len() > 1;
        let own = || Self { image: opened.vault.image(), vault: opened.name.clone(), is_named };
        // A directory that is named is served by itself.
        let is_configured = config.vaults.iter().any(|vault| vault.name == opened.name);
        let Some(first) = open::served(&config).into_iter().next().filter(|_| is_configured) else { return Ok(own()) };
        if first.name == opened.name {
            return Ok(own());
        }
        let vault = first.name.clone();
        let has_pin = context.global.pin_file.is_some() || context.global.pin_stdin;
        // The PIN that is given is this vault's.
        let found = if has_pin { None } else { context.unlocked_by_itself(&|_| Ok(first.clone()))? };
        match found {
            Some(home) => Ok(Self { image: home.vault.image(), vault, is_named }),
            None => {
                context.output.note(&format!(
                    "Identities and groups lie in the vault {vault}, which doesn't open by itself: only object ids are known."
                ));
                Ok(own())
            }
        }
    }

    /// A command for this vault, or the one that is opened, as a shell takes it.
    fn command(&self, vault: &str, words: &str) -> String {
        match self.is_named {
            true => format!("strongroom --vault {} {words}", quote(vault)),
            false => format!("strongroom {words}"),
        }
    }
}
