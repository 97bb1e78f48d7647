//! `strongroom role definition`: roles that are made here, beside the built-in ones.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{Context, Result};
use super::{HEADINGS, NO_ROLES, no_role, refused};
use crate::config::Manner;
use crate::server::access::{CustomRole, Permission, RoleDefinition, RoleError, Scope, define, prefix, undefine};
use crate::server::guid;
use crate::vault::{Change, Image, Vault, VaultError};

/// What is done with definitions of roles.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// List the roles that can be given in the vault, the built-in ones first
    List,
    /// Show a role: what it allows, and where it can be given
    Show(Which),
    /// Make a role
    Create(Create),
    /// Delete a role that was made here and that nobody has
    Delete(Which),
}

/// A role.
#[derive(Args)]
pub(in super::super) struct Which {
    /// Its name or id
    pub role: String,
}

/// A role to be made.
#[derive(Args)]
pub(in super::super) struct Create {
    /// What it is called
    pub name: String,
    /// A data action that it allows, such as keys/sign/action; `*` stands for any letters; may be given several times
    #[arg(long, value_name = "ACTION", required = true)]
    pub allow: Vec<String>,
    /// A data action that it doesn't allow although --allow means it; may be given several times
    #[arg(long, value_name = "ACTION")]
    pub except: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    pub description: String,
    /// Where it can be given, and below; may be given several times
    #[arg(long, default_value = "/")]
    pub scope: Vec<Scope>,
    /// Its id, a GUID (default: a new one)
    #[arg(long, value_name = "GUID")]
    pub id: Option<String>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::List => list(context),
        Verb::Show(which) => show(context, &which),
        Verb::Create(create) => make(context, create),
        Verb::Delete(which) => delete(context, &which),
    }
}

fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let all: Vec<Summary> = RoleDefinition::all(&opened.vault.image(), opened.manner).iter().map(Summary::of).collect();
    print_list(context, &all)
}

fn show(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let found = RoleDefinition::named(&opened.vault.image(), opened.manner, &which.role);
    print(context, &Summary::of(&found.ok_or_else(|| no_role(&which.role))?))
}

fn make(context: &Context, create: Create) -> Result<()> {
    let opened = context.unlocked()?;
    let manner = opened.manner;
    let role = create.read(manner)?;
    let changed = change(&*opened.vault, &mut |image| {
        // An id is given to make a role under it, not to make another one otherwise.
        match RoleDefinition::find(image, manner, &role.id) {
            Some(RoleDefinition::Custom(other)) => Err(RoleError::NameTaken(other.id)),
            _ => define(image, manner, &role, None),
        }
    });
    changed?;
    let made = Summary::of(&RoleDefinition::Custom(role));
    context.output.done(&format!("Made the role {}, id {}.", made.name, made.id), &made.json())
}

fn delete(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let found = RoleDefinition::named(&opened.vault.image(), opened.manner, &which.role);
    let found = found.ok_or_else(|| no_role(&which.role))?;
    context.confirm(&format!("Delete the role {} from {}?", found.name(), opened.info.label))?;
    change(&*opened.vault, &mut |image| undefine(image, found.id()).map(|(_, changes)| changes))?;
    let gone = Summary::of(&found);
    context.output.done(&format!("Deleted the role {}.", gone.name), &gone.json())
}

/// Changes the vault, or says what was wrong with the wish.
fn change(
    vault: &dyn Vault,
    decide: &mut dyn FnMut(&Image) -> std::result::Result<Vec<Change>, RoleError>,
) -> Result<()> {
    let mut refusal = None;
    let changed = vault.transact(&mut |image| {
        decide(image).map_err(|error| {
            refusal = Some(error);
            VaultError::Declined
        })
    });
    match refusal {
        Some(RoleError::Vault(error)) => Err(error.into()),
        Some(error) => Err(refused(&error)),
        None => Ok(changed.map(drop)?),
    }
}

impl Create {
    /// The role of a vault of this manner that is wished.
    fn read(self, manner: Manner) -> Result<CustomRole> {
        let id = match self.id {
            Some(id) => id.to_ascii_lowercase(),
            None => guid::random()?,
        };
        let [data_actions, not_data_actions] = [self.allow, self.except].map(|actions| whole_names(actions, manner));
        Ok(CustomRole {
            id,
            name: self.name,
            description: self.description,
            permissions: vec![Permission { data_actions, not_data_actions }],
            assignable_scopes: self.scope,
        })
    }
}

/// Names as they are written at the command line, with what every name of the manner begins with.
pub(in super::super) fn whole_names(actions: Vec<String>, manner: Manner) -> Vec<String> {
    let is_whole = |action: &str| action.to_ascii_lowercase().starts_with("microsoft.");
    let prefix = prefix(manner);
    actions.into_iter().map(|action| if is_whole(&action) { action } else { format!("{prefix}{action}") }).collect()
}

/// What is shown of a role, wherever it comes from.
pub(in super::super) struct Summary {
    pub id: String,
    pub name: String,
    pub description: String,
    pub is_built_in: bool,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
    pub scopes: Vec<String>,
}

impl Summary {
    fn of(role: &RoleDefinition) -> Self {
        let (id, name) = (role.id().to_owned(), role.name().to_owned());
        match role {
            RoleDefinition::BuiltIn(role) => Self {
                id,
                name,
                description: String::new(),
                is_built_in: true,
                data_actions: role.patterns().collect(),
                not_data_actions: Vec::new(),
                scopes: vec!["/".to_owned()],
            },
            RoleDefinition::Custom(role) => Self {
                id,
                name,
                description: role.description.clone(),
                is_built_in: false,
                data_actions: role.permissions.iter().flat_map(|permission| permission.data_actions.clone()).collect(),
                not_data_actions: role.permissions.iter().flat_map(|one| one.not_data_actions.clone()).collect(),
                scopes: role.assignable_scopes.iter().map(Scope::to_string).collect(),
            },
        }
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "id": self.id,
            "description": self.description,
            "built_in": self.is_built_in,
            "data_actions": self.data_actions,
            "not_data_actions": self.not_data_actions,
            "assignable_scopes": self.scopes,
        })
    }
}

/// Prints roles.
pub(in super::super) fn print_list(context: &Context, all: &[Summary]) -> Result<()> {
    let short = |actions: &[String]| {
        let names = actions.iter().map(|action| short_name(action));
        names.collect::<Vec<_>>().join(" ")
    };
    let row = |role: &Summary| vec![role.name.clone(), role.id.clone(), short(&role.data_actions)];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(all.iter().map(Summary::json).collect()), NO_ROLES)
}

/// Prints one role.
pub(in super::super) fn print(context: &Context, role: &Summary) -> Result<()> {
    let mut fields = vec![
        ("Name", role.name.clone()),
        ("Id", role.id.clone()),
        ("Made", if role.is_built_in { "built in" } else { "here" }.to_owned()),
        ("Description", role.description.clone()),
    ];
    fields.extend(role.data_actions.iter().map(|action| ("Allows", action.clone())));
    fields.extend(role.not_data_actions.iter().map(|action| ("But not", action.clone())));
    fields.extend(role.scopes.iter().map(|scope| ("Can be given on", scope.clone())));
    context.output.details(&fields, &role.json())
}

/// An action's name without what every name of its manner begins with.
pub(in super::super) fn short_name(action: &str) -> &str {
    let prefixes = [Manner::KeyVault, Manner::ManagedHsm].map(prefix);
    prefixes.iter().find_map(|prefix| action.strip_prefix(prefix)).unwrap_or(action)
}
