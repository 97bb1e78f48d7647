//! The routes of secrets.

use axum::http::Method;

use super::DataAction as A;
use super::Work::{Read, Secret, Write};
use super::{Route, schema};
use crate::server::secrets::{self, Secrets};
use crate::server::{blob, deleted};

/// Secrets, also deleted ones.
pub fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::PUT, "/secrets/{name}", "SecretSet", A::SECRETS_SET, Write, secrets::set)
            .body(schema::<secrets::SetParameters>),
        Route::new(Method::GET, "/secrets/{name}/{version}", "SecretGet", A::SECRETS_GET, Secret, secrets::get),
        Route::new(
            Method::PATCH,
            "/secrets/{name}/{version}",
            "SecretUpdate",
            A::SECRETS_UPDATE,
            Write,
            secrets::update,
        )
        .body(schema::<secrets::UpdateParameters>),
        Route::new(Method::GET, "/secrets", "SecretList", A::SECRETS_READ_METADATA, Read, secrets::list),
        Route::new(
            Method::GET,
            "/secrets/{name}/versions",
            "SecretListVersions",
            A::SECRETS_READ_METADATA,
            Read,
            secrets::list_versions,
        ),
        Route::new(
            Method::POST,
            "/secrets/{name}/backup",
            "SecretBackup",
            A::SECRETS_BACKUP,
            Write,
            blob::back_up::<Secrets>,
        ),
        Route::new(
            Method::POST,
            "/secrets/restore",
            "SecretRestore",
            A::SECRETS_RESTORE,
            Write,
            blob::restore::<Secrets>,
        )
        .body(schema::<blob::RestoreParameters>)
        .max_body(blob::RESTORE_BODY),
        Route::new(
            Method::DELETE,
            "/secrets/{name}",
            "SecretDelete",
            A::SECRETS_DELETE,
            Write,
            deleted::delete::<Secrets>,
        ),
        Route::new(
            Method::GET,
            "/deletedsecrets",
            "SecretListDeleted",
            A::SECRETS_READ_METADATA,
            Read,
            deleted::list::<Secrets>,
        ),
        Route::new(
            Method::GET,
            "/deletedsecrets/{name}",
            "SecretGetDeleted",
            A::SECRETS_READ_METADATA,
            Read,
            deleted::get::<Secrets>,
        ),
        Route::new(
            Method::POST,
            "/deletedsecrets/{name}/recover",
            "SecretRecover",
            A::SECRETS_RECOVER,
            Write,
            deleted::recover::<Secrets>,
        ),
        Route::new(
            Method::DELETE,
            "/deletedsecrets/{name}",
            "SecretPurge",
            A::SECRETS_PURGE,
            Write,
            deleted::purge::<Secrets>,
        )
        .status(204),
    ]
}
