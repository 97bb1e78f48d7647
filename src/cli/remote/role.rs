//! `strongroom role` at a server. Identities are the server's own matter: they are named by their object ids.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::role::definition::{self, Summary, whole_names};
use super::super::role::{ASSIGNMENT_HEADINGS, Given, NO_ASSIGNMENTS, Verb, no_role};
use super::super::{Context, Error, Result};
use super::client::Client;
use crate::config::Manner;
use crate::server::access::{Scope, prefix};
use crate::server::guid;

const DEFINITIONS: &str = "/providers/Microsoft.Authorization/roleDefinitions";
const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";

/// `RoleDefinition`.
#[derive(Deserialize)]
struct Definition {
    id: String,
    name: String,
    properties: DefinitionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionProperties {
    role_name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    permissions: Vec<Permission>,
    #[serde(default)]
    assignable_scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

/// `RoleAssignment`.
#[derive(Deserialize)]
struct Assignment {
    name: String,
    properties: AssignmentProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    scope: String,
    role_definition_id: String,
    principal_id: String,
}

pub(super) fn run(context: &Context, client: &Client, verb: Verb) -> Result<()> {
    match verb {
        Verb::List => list(context, client),
        Verb::Assign { given, .. } => assign(context, client, &given),
        Verb::Unassign(given) => unassign(context, client, &given),
        Verb::Assignments { identity } => show(context, client, identity.as_deref()),
        Verb::Definition(verb) => define(context, client, verb),
    }
}

fn list(context: &Context, client: &Client) -> Result<()> {
    let mut all: Vec<Summary> = definitions(client)?.iter().map(Definition::summary).collect();
    all.retain(|role| role.is_built_in);
    definition::print_list(context, &all)
}

fn assign(context: &Context, client: &Client, given: &Given) -> Result<()> {
    let roles = definitions(client)?;
    let role = named(&roles, &given.role)?;
    let principal = principal(&given.identity)?;
    let present = find(client, given, role, &principal)?;
    let made = match present {
        Some(present) => present,
        None => {
            let body = json!({ "properties": { "roleDefinitionId": role.id, "principalId": principal } });
            client.change("PUT", &format!("{}/{}", at(&given.scope, ASSIGNMENTS), guid::random()?), &body)?
        }
    };
    let sentence = format!("{principal} has the role {} on {}.", role.properties.role_name, given.scope);
    context.output.done(&sentence, &made.json(&roles))
}

fn unassign(context: &Context, client: &Client, given: &Given) -> Result<()> {
    let roles = definitions(client)?;
    let role = named(&roles, &given.role)?;
    let principal = principal(&given.identity)?;
    let role_name = &role.properties.role_name;
    let found = find(client, given, role, &principal)?.ok_or_else(|| {
        Error::refused(format!("{principal} doesn't have the role {role_name} on {}: nothing was done.", given.scope))
    })?;
    let gone: Assignment = client.act("DELETE", &format!("{}/{}", at(&given.scope, ASSIGNMENTS), found.name))?;
    let sentence = format!("{principal} no longer has the role {role_name} on {}.", given.scope);
    context.output.done(&sentence, &gone.json(&roles))
}

fn show(context: &Context, client: &Client, of: Option<&str>) -> Result<()> {
    let principal = of.map(principal).transpose()?;
    let roles = definitions(client)?;
    let mut all: Vec<Assignment> = client.list(ASSIGNMENTS)?;
    all.retain(|given| principal.as_ref().is_none_or(|principal| given.properties.principal_id == *principal));
    let mut rows: Vec<(Vec<String>, Value)> = all
        .iter()
        .map(|given| {
            let AssignmentProperties { scope, principal_id, .. } = &given.properties;
            (vec![principal_id.clone(), given.role(&roles), scope.clone(), given.name.clone()], given.json(&roles))
        })
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let (rows, values): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    context.output.list(&ASSIGNMENT_HEADINGS, &rows, &Value::Array(values), NO_ASSIGNMENTS)
}

fn define(context: &Context, client: &Client, verb: definition::Verb) -> Result<()> {
    let roles = definitions(client)?;
    match verb {
        definition::Verb::List => {
            let all: Vec<Summary> = roles.iter().map(Definition::summary).collect();
            definition::print_list(context, &all)
        }
        definition::Verb::Show(which) => definition::print(context, &named(&roles, &which.role)?.summary()),
        definition::Verb::Create(create) => make(context, client, &roles, create),
        definition::Verb::Delete(which) => {
            let role = named(&roles, &which.role)?;
            let name = &role.properties.role_name;
            context.confirm(&format!("Delete the role {name} from {}?", client.address))?;
            let gone: Definition = client.act("DELETE", &format!("{DEFINITIONS}/{}", role.name))?;
            context.output.done(&format!("Deleted the role {name}."), &gone.summary().json())
        }
    }
}

fn make(context: &Context, client: &Client, roles: &[Definition], create: definition::Create) -> Result<()> {
    let id = match create.id {
        Some(id) => id.to_ascii_lowercase(),
        None => guid::random()?,
    };
    // The API makes a role that exists otherwise, where `create` of a local vault refuses.
    if roles.iter().any(|role| role.name == id || role.properties.role_name.eq_ignore_ascii_case(&create.name)) {
        return Err(Error::refused(format!("There is a role called {:?} or with that id already.", create.name)));
    }
    let hsm = prefix(Manner::ManagedHsm);
    let names_hsm = |role: &Definition| role.properties.permissions.iter().any(|one| one.names(hsm));
    let manner = if roles.iter().any(names_hsm) { Manner::ManagedHsm } else { Manner::KeyVault };
    let scopes: Vec<String> = create.scope.iter().map(Scope::to_string).collect();
    let body = json!({ "properties": {
        "roleName": create.name,
        "description": create.description,
        "type": "CustomRole",
        "permissions": [{
            "dataActions": whole_names(create.allow, manner),
            "notDataActions": whole_names(create.except, manner),
        }],
        "assignableScopes": scopes,
    }});
    let made: Definition = client.change("PUT", &format!("{DEFINITIONS}/{id}"), &body)?;
    let made = made.summary();
    context.output.done(&format!("Made the role {}, id {}.", made.name, made.id), &made.json())
}

fn definitions(client: &Client) -> Result<Vec<Definition>> {
    let mut all: Vec<Definition> = client.list(DEFINITIONS)?;
    all.sort_by_cached_key(|role| (role.properties.kind == "CustomRole", role.properties.role_name.to_lowercase()));
    Ok(all)
}

/// The role with this id or name; the words "Key Vault" or "Managed HSM" may be left out.
fn named<'a>(roles: &'a [Definition], text: &str) -> Result<&'a Definition> {
    let is_named = |role: &&Definition| {
        let name = role.properties.role_name.as_str();
        let short = name.trim_start_matches("Key Vault ").trim_start_matches("Managed HSM ");
        [&role.name, &role.id, name, short].iter().any(|known| known.eq_ignore_ascii_case(text))
    };
    roles.iter().find(is_named).ok_or_else(|| no_role(text))
}

fn principal(text: &str) -> Result<String> {
    let text = text.to_ascii_lowercase();
    match guid::is_guid(&text) {
        true => Ok(text),
        false => Err(Error::Usage("At a server an identity is named by its object id, a GUID.".into())),
    }
}

/// The assignment that is there already.
fn find(client: &Client, given: &Given, role: &Definition, principal: &str) -> Result<Option<Assignment>> {
    let all: Vec<Assignment> = client.list(&at(&given.scope, ASSIGNMENTS))?;
    let scope = given.scope.to_string();
    Ok(all.into_iter().find(|other| {
        let AssignmentProperties { scope: place, role_definition_id, principal_id } = &other.properties;
        place.eq_ignore_ascii_case(&scope)
            && role_definition_id.eq_ignore_ascii_case(&role.id)
            && principal_id == principal
    }))
}

fn at(scope: &Scope, path: &str) -> String {
    format!("{}{path}", scope.to_string().trim_end_matches('/'))
}

impl Permission {
    fn names(&self, prefix: &str) -> bool {
        self.data_actions.iter().any(|action| action.starts_with(prefix))
    }
}

impl Definition {
    fn summary(&self) -> Summary {
        let properties = &self.properties;
        let all = |of: fn(&Permission) -> &Vec<String>| properties.permissions.iter().flat_map(of).cloned().collect();
        Summary {
            id: self.name.clone(),
            name: properties.role_name.clone(),
            description: properties.description.clone(),
            is_built_in: properties.kind != "CustomRole",
            data_actions: all(|permission| &permission.data_actions),
            not_data_actions: all(|permission| &permission.not_data_actions),
            scopes: properties.assignable_scopes.clone(),
        }
    }
}

impl Assignment {
    /// The role's name, or its id if it is gone.
    fn role(&self, roles: &[Definition]) -> String {
        let id = &self.properties.role_definition_id;
        let role = roles.iter().find(|role| role.id.eq_ignore_ascii_case(id));
        role.map_or_else(|| id.clone(), |role| role.properties.role_name.clone())
    }

    /// As of a local vault.
    fn json(&self, roles: &[Definition]) -> Value {
        let AssignmentProperties { scope, role_definition_id, principal_id } = &self.properties;
        json!({
            "id": self.name,
            "identity": Value::Null,
            "object_id": principal_id,
            "role": self.role(roles),
            "role_id": role_definition_id.rsplit('/').next(),
            "scope": scope,
        })
    }
}
