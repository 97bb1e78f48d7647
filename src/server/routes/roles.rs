//! The routes of a vault's roles and settings.

use axum::http::Method;

use super::DataAction as A;
use super::Work::{Short, Write};
use super::{Route, schema};
use crate::server::administration::{assignments, definitions, settings};

/// Definitions of roles, assignments of roles, settings.
pub fn rows() -> Vec<Route> {
    [definition_rows(), assignment_rows(), setting_rows()].into_iter().flatten().collect()
}

fn definition_rows() -> Vec<Route> {
    const LIST: &str = "/{scope}/providers/Microsoft.Authorization/roleDefinitions";
    const ONE: &str = "/{scope}/providers/Microsoft.Authorization/roleDefinitions/{id}";
    vec![
        Route::new(Method::GET, LIST, "RoleDefinitionList", A::ROLE_DEFINITIONS_READ, Short, definitions::list)
            .hsm(A::HSM_ROLE_DEFINITIONS_READ),
        Route::new(Method::GET, ONE, "RoleDefinitionGet", A::ROLE_DEFINITIONS_READ, Short, definitions::get)
            .hsm(A::HSM_ROLE_DEFINITIONS_READ),
        Route::new(Method::PUT, ONE, "RoleDefinitionSet", A::ROLE_DEFINITIONS_WRITE, Write, definitions::set)
            .hsm(A::HSM_ROLE_DEFINITIONS_WRITE)
            .body(schema::<definitions::CreateParameters>)
            .status(201),
        Route::new(Method::DELETE, ONE, "RoleDefinitionDelete", A::ROLE_DEFINITIONS_DELETE, Write, definitions::delete)
            .hsm(A::HSM_ROLE_DEFINITIONS_DELETE),
    ]
}

fn assignment_rows() -> Vec<Route> {
    const LIST: &str = "/{scope}/providers/Microsoft.Authorization/roleAssignments";
    const ONE: &str = "/{scope}/providers/Microsoft.Authorization/roleAssignments/{id}";
    vec![
        Route::new(Method::GET, LIST, "RoleAssignmentList", A::ROLE_ASSIGNMENTS_READ, Short, assignments::list)
            .hsm(A::HSM_ROLE_ASSIGNMENTS_READ),
        Route::new(Method::GET, ONE, "RoleAssignmentGet", A::ROLE_ASSIGNMENTS_READ, Short, assignments::get)
            .hsm(A::HSM_ROLE_ASSIGNMENTS_READ),
        Route::new(Method::PUT, ONE, "RoleAssignmentCreate", A::ROLE_ASSIGNMENTS_WRITE, Write, assignments::create)
            .hsm(A::HSM_ROLE_ASSIGNMENTS_WRITE)
            .body(schema::<assignments::CreateParameters>)
            .status(201),
        Route::new(Method::DELETE, ONE, "RoleAssignmentDelete", A::ROLE_ASSIGNMENTS_DELETE, Write, assignments::delete)
            .hsm(A::HSM_ROLE_ASSIGNMENTS_DELETE),
    ]
}

fn setting_rows() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/settings", "SettingsGet", A::SETTINGS_READ, Short, settings::all)
            .hsm(A::HSM_SETTINGS_READ),
        Route::new(Method::GET, "/settings/{name}", "SettingGet", A::SETTINGS_READ, Short, settings::get)
            .hsm(A::HSM_SETTINGS_READ),
        Route::new(Method::PATCH, "/settings/{name}", "SettingUpdate", A::SETTINGS_WRITE, Write, settings::update)
            .hsm(A::HSM_SETTINGS_WRITE)
            .body(schema::<settings::UpdateParameters>),
    ]
}
