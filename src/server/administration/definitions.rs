//! Role definitions over REST: the built-in ones, which nobody changes, and those that are made here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{guid_of, id, path_of, scope};
use crate::server::access::{self, CustomRole, Permission, RoleDefinition, RoleError, Scope};
use crate::server::body::object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::paging;

/// The body of a role.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RoleDefinitionCreateParameters")]
pub struct CreateParameters {
    #[serde(deserialize_with = "object")]
    properties: Properties,
}

/// A role without a name is called by its id; without scopes it can be given anywhere.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RoleDefinitionProperties")]
#[serde(rename_all = "camelCase")]
struct Properties {
    role_name: Option<String>,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    permissions: Option<Vec<GivenPermission>>,
    assignable_scopes: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Permission")]
#[serde(rename_all = "camelCase")]
struct GivenPermission {
    actions: Option<Vec<String>>,
    not_actions: Option<Vec<String>>,
    data_actions: Option<Vec<String>>,
    not_data_actions: Option<Vec<String>>,
}

/// `RoleDefinition`.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    properties: ShownProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownProperties {
    role_name: String,
    description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    permissions: Vec<ShownPermission>,
    assignable_scopes: Vec<Scope>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ShownPermission {
    actions: Vec<String>,
    not_actions: Vec<String>,
    data_actions: Vec<String>,
    not_data_actions: Vec<String>,
}

const KIND: &str = "Microsoft.Authorization/roleDefinitions";
const BUILT_IN: &str = "AKVBuiltInRole";
const CUSTOM: &str = "CustomRole";

/// The id of a role as it is shown, with the same beginning in vaults of both manners.
pub(super) fn shown_id(id: &str) -> String {
    format!("Microsoft.KeyVault/providers/{KIND}/{id}")
}

/// The GUID in such an id, whatever stands before its provider; or one that stands alone.
pub(super) fn id_in(text: &str) -> Option<String> {
    let mut parts = text.rsplit('/');
    let id = guid_of(parts.next()?)?;
    parts.next().is_none_or(|kind| kind.eq_ignore_ascii_case("roleDefinitions")).then_some(id)
}

impl Shown {
    fn of(role: RoleDefinition) -> Self {
        let name = role.id().to_owned();
        let properties = match role {
            RoleDefinition::BuiltIn(role) => ShownProperties {
                role_name: role.name.to_owned(),
                description: String::new(),
                kind: BUILT_IN,
                permissions: vec![ShownPermission {
                    actions: role.actions.iter().map(|action| format!("Microsoft.Authorization/{action}")).collect(),
                    data_actions: role.patterns().collect(),
                    ..ShownPermission::default()
                }],
                assignable_scopes: vec![Scope::Vault],
            },
            RoleDefinition::Custom(role) => ShownProperties {
                role_name: role.name,
                description: role.description,
                kind: CUSTOM,
                permissions: role.permissions.into_iter().map(ShownPermission::of).collect(),
                assignable_scopes: role.assignable_scopes,
            },
        };
        Self { id: shown_id(&name), name, kind: KIND, properties }
    }
}

impl ShownPermission {
    fn of(permission: Permission) -> Self {
        let Permission { data_actions, not_data_actions } = permission;
        Self { data_actions, not_data_actions, ..Self::default() }
    }
}

impl GivenPermission {
    fn read(self) -> Result<Permission> {
        let named = |actions: &Option<Vec<String>>| actions.as_ref().is_some_and(|actions| !actions.is_empty());
        if named(&self.actions) || named(&self.not_actions) {
            return Err(ServiceError::bad_parameter(
                "permissions: actions and notActions are the resource manager's, which isn't here: use dataActions.",
            ));
        }
        Ok(Permission {
            data_actions: self.data_actions.unwrap_or_default(),
            not_data_actions: self.not_data_actions.unwrap_or_default(),
        })
    }
}

impl Properties {
    fn read(self, id: String) -> Result<CustomRole> {
        if self.kind.is_some_and(|kind| kind != CUSTOM) {
            return Err(ServiceError::bad_parameter("properties.type must be CustomRole."));
        }
        let permissions = self.permissions.unwrap_or_default().into_iter().map(GivenPermission::read);
        let scopes = self.assignable_scopes.unwrap_or_else(|| vec!["/".to_owned()]);
        let scope = |text: String| {
            text.parse::<Scope>().map_err(|error| ServiceError::bad_parameter(format!("assignableScopes: {error}.")))
        };
        Ok(CustomRole {
            name: self.role_name.unwrap_or_else(|| id.clone()),
            id,
            description: self.description.unwrap_or_default(),
            permissions: permissions.collect::<Result<_>>()?,
            assignable_scopes: scopes.into_iter().map(scope).collect::<Result<_>>()?,
        })
    }
}

/// GET `/{scope}/providers/Microsoft.Authorization/roleDefinitions`: the roles that may be given at the scope or below it.
pub fn list(call: &Call) -> Result<Reply> {
    let scope = scope(call)?;
    let filter = Filter::of(call, &["roleName", "type"])?;
    let below = |role: &RoleDefinition| match role {
        RoleDefinition::Custom(role) => !filter.at_scope && role.assignable_scopes.iter().any(|own| scope.covers(own)),
        RoleDefinition::BuiltIn(_) => false,
    };
    let kind = |role: &RoleDefinition| if matches!(role, RoleDefinition::BuiltIn(_)) { BUILT_IN } else { CUSTOM };
    let mut all = RoleDefinition::all(&call.image, call.served.manner);
    all.retain(|role| role.is_assignable(scope) || below(role));
    all.retain(|role| filter.admits("roleName", role.name()) && filter.admits("type", kind(role)));
    all.sort_by(|one, other| one.id().cmp(other.id()));
    paging::page(call, &path_of(scope, KIND), |from| {
        let from = from.to_owned();
        let rest = all.into_iter().filter(move |role| role.id() >= from.as_str());
        rest.map(|role| (role.id().to_owned(), Shown::of(role)))
    })
}

/// GET `/{scope}/providers/Microsoft.Authorization/roleDefinitions/{id}`.
pub fn get(call: &Call) -> Result<Reply> {
    scope(call)?;
    let id = id(call)?;
    let found = RoleDefinition::find(&call.image, call.served.manner, &id);
    Reply::json(&Shown::of(found.ok_or(RoleError::NoDefinition(id))?))
}

/// PUT `/providers/Microsoft.Authorization/roleDefinitions/{id}`: makes a role, or makes one otherwise.
pub fn set(call: &Call) -> Result<Reply> {
    at_the_vault(call)?;
    let given: CreateParameters = call.read()?;
    let role = given.properties.read(id(call)?)?;
    let who = Some(&call.caller);
    call.transact(&mut |image| Ok(access::define(image, call.served.manner, &role, who)?))?;
    Reply::json(&Shown::of(RoleDefinition::Custom(role)))
}

/// DELETE `/providers/Microsoft.Authorization/roleDefinitions/{id}`.
pub fn delete(call: &Call) -> Result<Reply> {
    at_the_vault(call)?;
    let id = id(call)?;
    let mut gone = None;
    call.transact(&mut |image| {
        let (role, changes) = access::undefine(image, &id)?;
        gone = Some(role);
        Ok(changes)
    })?;
    Reply::json(&Shown::of(RoleDefinition::Custom(gone.ok_or(RoleError::NoDefinition(id))?)))
}

/// A role is the whole vault's; where it may be given, its assignable scopes say.
fn at_the_vault(call: &Call) -> Result<()> {
    match scope(call)? {
        Scope::Vault => Ok(()),
        _ => Err(ServiceError::bad_parameter("A role is defined at the scope `/` only: use assignableScopes.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_id_is_read_with_and_without_what_stands_before_it() {
        let guid = "00482a5a-887f-4fb3-b363-3b7fe8e74483";
        for good in [
            guid.to_owned(),
            guid.to_uppercase(),
            shown_id(guid),
            format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}"),
            format!("/subscriptions/x/providers/Microsoft.Authorization/RoleDefinitions/{guid}"),
        ] {
            assert_eq!(id_in(&good).as_deref(), Some(guid), "{good}");
        }
        for bad in ["", "x", "roleDefinitions/x", &format!("roleAssignments/{guid}"), &format!("{guid}/")] {
            assert_eq!(id_in(bad), None, "{bad}");
        }
    }
}
