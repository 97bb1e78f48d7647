//! Role assignments over REST. Whether somebody may give a role is asked in the transaction that gives it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definitions::{id_in, shown_id};
use super::filter::Filter;
use super::{guid_of, id, path_of, scope};
use crate::server::access::{self, Assignment, Identities, RoleDefinition, RoleError, Scope, may_assign};
use crate::server::body::object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::{paging, record};
use crate::vault::Image;

/// The body of a new assignment.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RoleAssignmentCreateParameters")]
pub struct CreateParameters {
    #[serde(deserialize_with = "object")]
    properties: Properties,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RoleAssignmentProperties")]
#[serde(rename_all = "camelCase")]
struct Properties {
    role_definition_id: String,
    principal_id: String,
}

/// `RoleAssignment`.
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
    scope: Scope,
    role_definition_id: String,
    principal_id: String,
}

impl Shown {
    fn of(assignment: Assignment) -> Self {
        let Assignment { id, principal, role, scope } = assignment;
        Self {
            id: format!("/{}/{id}", path_of(&scope, KIND)),
            name: id,
            kind: KIND,
            properties: ShownProperties { scope, role_definition_id: shown_id(&role), principal_id: principal },
        }
    }
}

const KIND: &str = "Microsoft.Authorization/roleAssignments";

/// GET `/{scope}/providers/Microsoft.Authorization/roleAssignments`: what counts at the scope, and what counts below it.
pub fn list(call: &Call) -> Result<Reply> {
    let scope = scope(call)?;
    let filter = Filter::of(call, &["principalId"])?;
    let is_meant = |assignment: &Assignment| {
        let counts = assignment.scope.covers(scope) || !filter.at_scope && scope.covers(&assignment.scope);
        counts && filter.admits("principalId", &assignment.principal)
    };
    let mut all: Vec<_> = access::assignments(&call.image).into_iter().filter(is_meant).collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    paging::page(call, &path_of(scope, KIND), |from| {
        let from = from.to_owned();
        let rest = all.into_iter().filter(move |assignment| assignment.id >= from);
        rest.map(|assignment| (assignment.id.clone(), Shown::of(assignment)))
    })
}

/// GET `/{scope}/providers/Microsoft.Authorization/roleAssignments/{id}`.
pub fn get(call: &Call) -> Result<Reply> {
    Reply::json(&Shown::of(find(call, &call.image)?))
}

/// PUT `/{scope}/providers/Microsoft.Authorization/roleAssignments/{id}`.
pub fn create(call: &Call) -> Result<Reply> {
    let given: CreateParameters = call.read()?;
    let Properties { role_definition_id, principal_id } = given.properties;
    let role = id_in(&role_definition_id).ok_or_else(|| {
        ServiceError::bad_parameter("properties.roleDefinitionId must be the id of a role definition, or its GUID.")
    })?;
    let principal = guid_of(&principal_id)
        .ok_or_else(|| ServiceError::bad_parameter("properties.principalId must be an object id, which is a GUID."))?;
    let assignment = Assignment { id: id(call)?, principal, role, scope: scope(call)?.clone() };
    call.transact(&mut |image| {
        let changes = access::put_assignment(image, call.served.manner, &assignment)?;
        check_giver(call, image, &assignment)?;
        Ok(changes)
    })?;
    Reply::json(&Shown::of(assignment))
}

/// DELETE `/{scope}/providers/Microsoft.Authorization/roleAssignments/{id}`. The vault's last administrator stays one.
pub fn delete(call: &Call) -> Result<Reply> {
    let identities = call.home.vault.image();
    let is_home = Arc::ptr_eq(&call.home, &call.served);
    let mut gone = None;
    call.transact(&mut |image| {
        let assignment = find(call, image)?;
        check_giver(call, image, &assignment)?;
        let known = Identities::In(if is_home { image } else { &identities });
        let changes = access::removal(image, call.served.manner, known, &assignment)?;
        gone = Some(assignment);
        Ok(changes)
    })?;
    let gone = gone.ok_or_else(|| RoleError::NoAssignment(call.id.clone().unwrap_or_default()))?;
    Reply::json(&Shown::of(gone))
}

/// The assignment that the path names. Its scope is the path's, or lies in it: `az` names it by its id alone.
fn find(call: &Call, image: &Image) -> Result<Assignment> {
    let (id, scope) = (id(call)?, scope(call)?);
    let found = record::find::<Assignment>(image, &id).map(|stored| stored.record);
    let found = found.filter(|assignment| scope.covers(&assignment.scope));
    Ok(found.ok_or(RoleError::NoAssignment(id))?)
}

/// Refuses who may give roles, but not this one. A role that is gone allows nothing: whoever takes roles away takes it too.
fn check_giver(call: &Call, image: &Image, assignment: &Assignment) -> Result<()> {
    let manner = call.served.manner;
    let Some(role) = RoleDefinition::find(image, manner, &assignment.role) else { return Ok(()) };
    match may_assign(image, manner, &call.caller, &role, &assignment.scope) {
        true => Ok(()),
        false => Err(RoleError::NotYours.into()),
    }
}
