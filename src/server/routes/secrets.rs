//! The routes of secrets.

use axum::http::Method;

use super::DataAction as A;
use super::PolicyPermission as P;
use super::Work::{Read, Secret, Write};
use super::{Route, schema};
use crate::server::secrets::{self, Secrets};
use crate::server::{blob, deleted};

/// Secrets, also deleted ones.
pub fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::PUT, "/secrets/{name}", "SecretSet", A::SECRETS_SET, Write, secrets::set)
            .permission(P::SECRETS_SET)
            .body(schema::<secrets::SetParameters>),
        Route::new(Method::GET, "/secrets/{name}/{version}", "SecretGet", A::SECRETS_GET, Secret, secrets::get)
            .permission(P::SECRETS_GET),
        Route::new(
            Method::PATCH,
            "/secrets/{name}/{version}",
            "SecretUpdate",
            A::SECRETS_UPDATE,
            Write,
            secrets::update,
        )
        .permission(P::SECRETS_SET)
        .body(schema::<secrets::UpdateParameters>),
        Route::new(Method::GET, "/secrets", "SecretList", A::SECRETS_READ_METADATA, Read, secrets::list)
            .permission(P::SECRETS_LIST),
        Route::new(
            Method::GET,
            "/secrets/{name}/versions",
            "SecretListVersions",
            A::SECRETS_READ_METADATA,
            Read,
            secrets::list_versions,
        )
        .permission(P::SECRETS_LIST),
        Route::new(
            Method::POST,
            "/secrets/{name}/backup",
            "SecretBackup",
            A::SECRETS_BACKUP,
            Write,
            blob::back_up::<Secrets>,
        )
        .permission(P::SECRETS_BACKUP),
        Route::new(
            Method::POST,
            "/secrets/restore",
            "SecretRestore",
            A::SECRETS_RESTORE,
            Write,
            blob::restore::<Secrets>,
        )
        .permission(P::SECRETS_RESTORE)
        .body(schema::<blob::RestoreParameters>)
        .max_body(blob::RESTORE_BODY),
        Route::new(
            Method::DELETE,
            "/secrets/{name}",
            "SecretDelete",
            A::SECRETS_DELETE,
            Write,
            deleted::delete::<Secrets>,
        )
        .permission(P::SECRETS_DELETE),
        Route::new(
            Method::GET,
            "/deletedsecrets",
            "SecretListDeleted",
            A::SECRETS_READ_METADATA,
            Read,
            deleted::list::<Secrets>,
        )
        .permission(P::SECRETS_LIST),
        Route::new(
            Method::GET,
            "/deletedsecrets/{name}",
            "SecretGetDeleted",
            A::SECRETS_READ_METADATA,
            Read,
            deleted::get::<Secrets>,
        )
        .permission(P::SECRETS_GET),
        Route::new(
            Method::POST,
            "/deletedsecrets/{name}/recover",
            "SecretRecover",
            A::SECRETS_RECOVER,
            Write,
            deleted::recover::<Secrets>,
        )
        .permission(P::SECRETS_RECOVER),
        Route::new(
            Method::DELETE,
            "/deletedsecrets/{name}",
            "SecretPurge",
            A::SECRETS_PURGE,
            Write,
            deleted::purge::<Secrets>,
        )
        .permission(P::SECRETS_PURGE)
        .status(204),
    ]
}
