//! The routes of keys, and of random numbers.

use axum::http::Method;

use super::DataAction as A;
use super::PolicyPermission as P;
use super::Work::{Key, Make, Read, Short, Write};
use super::{Route, schema};
use crate::server::keys::{self, Keys, bodies};
use crate::server::{blob, deleted};

/// Keys, also deleted ones.
pub fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/keys/{name}/create", "KeyCreate", A::KEYS_CREATE, Make, keys::create)
            .permission(P::KEYS_CREATE)
            .hsm(A::HSM_KEYS_CREATE)
            .body(schema::<bodies::CreateParameters>),
        Route::new(Method::PUT, "/keys/{name}", "KeyImport", A::KEYS_IMPORT, Write, keys::import_key)
            .permission(P::KEYS_IMPORT)
            .hsm(A::HSM_KEYS_IMPORT)
            .body(schema::<bodies::ImportParameters>),
        Route::new(Method::GET, "/keys/{name}/{version}", "KeyGet", A::KEYS_READ, Short, keys::get)
            .permission(P::KEYS_GET)
            .hsm(A::HSM_KEYS_READ),
        Route::new(Method::PATCH, "/keys/{name}/{version}", "KeyUpdate", A::KEYS_UPDATE, Write, keys::update)
            .permission(P::KEYS_UPDATE)
            .hsm(A::HSM_KEYS_WRITE)
            .body(schema::<bodies::UpdateParameters>),
        Route::new(Method::GET, "/keys", "KeyList", A::KEYS_READ, Read, keys::list)
            .permission(P::KEYS_LIST)
            .hsm(A::HSM_KEYS_READ),
        Route::new(Method::GET, "/keys/{name}/versions", "KeyListVersions", A::KEYS_READ, Read, keys::list_versions)
            .permission(P::KEYS_LIST)
            .hsm(A::HSM_KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/sign", "KeySign", A::KEYS_SIGN, Key, keys::sign)
            .permission(P::KEYS_SIGN)
            .hsm(A::HSM_KEYS_SIGN)
            .body(schema::<bodies::SignParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/verify", "KeyVerify", A::KEYS_VERIFY, Short, keys::verify)
            .permission(P::KEYS_VERIFY)
            .hsm(A::HSM_KEYS_VERIFY)
            .body(schema::<bodies::VerifyParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/encrypt", "KeyEncrypt", A::KEYS_ENCRYPT, Short, keys::encrypt)
            .permission(P::KEYS_ENCRYPT)
            .hsm(A::HSM_KEYS_ENCRYPT)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/decrypt", "KeyDecrypt", A::KEYS_DECRYPT, Key, keys::decrypt)
            .permission(P::KEYS_DECRYPT)
            .hsm(A::HSM_KEYS_DECRYPT)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/wrapkey", "KeyWrap", A::KEYS_WRAP, Short, keys::wrap)
            .permission(P::KEYS_WRAP)
            .hsm(A::HSM_KEYS_WRAP)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/unwrapkey", "KeyUnwrap", A::KEYS_UNWRAP, Key, keys::unwrap)
            .permission(P::KEYS_UNWRAP)
            .hsm(A::HSM_KEYS_UNWRAP)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/rotate", "KeyRotate", A::KEYS_ROTATE, Make, keys::rotate)
            .permission(P::KEYS_ROTATE)
            .hsm(A::HSM_KEYS_ROTATE),
        Route::new(
            Method::GET,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicyGet",
            A::ROTATION_POLICY_READ,
            Short,
            keys::get_policy,
        )
        .permission(P::ROTATION_POLICY_GET)
        .hsm(A::HSM_KEYS_READ),
        Route::new(
            Method::PUT,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicySet",
            A::ROTATION_POLICY_WRITE,
            Write,
            keys::put_policy,
        )
        .permission(P::ROTATION_POLICY_SET)
        .hsm(A::HSM_KEYS_WRITE)
        .body(schema::<bodies::PolicyParameters>),
        Route::new(
            Method::POST,
            "/keys/{name}/{version}/release",
            "KeyRelease",
            A::KEYS_RELEASE,
            Short,
            keys::refuse_release,
        )
        .permission(P::KEYS_RELEASE)
        .hsm(A::HSM_KEYS_RELEASE)
        .body(schema::<bodies::ReleaseParameters>),
        Route::new(
            Method::GET,
            "/keys/{name}/{version}/attestation",
            "KeyGetAttestation",
            A::KEYS_READ,
            Short,
            keys::refuse_attestation,
        )
        .permission(P::KEYS_GET)
        .hsm(A::HSM_KEYS_READ),
        Route::new(Method::POST, "/rng", "RandomBytesGet", A::KEYS_READ, Short, keys::random)
            .permission(P::KEYS_GET)
            .hsm(A::HSM_RNG)
            .body(schema::<bodies::RandomParameters>),
        Route::new(Method::DELETE, "/keys/{name}", "KeyDelete", A::KEYS_DELETE, Write, deleted::delete::<Keys>)
            .permission(P::KEYS_DELETE)
            .hsm(A::HSM_KEYS_DELETE),
        Route::new(Method::GET, "/deletedkeys", "KeyListDeleted", A::KEYS_READ, Read, deleted::list::<Keys>)
            .permission(P::KEYS_LIST)
            .hsm(A::HSM_DELETED_KEYS_READ),
        Route::new(Method::GET, "/deletedkeys/{name}", "KeyGetDeleted", A::KEYS_READ, Short, deleted::get::<Keys>)
            .permission(P::KEYS_GET)
            .hsm(A::HSM_DELETED_KEYS_READ),
        Route::new(
            Method::POST,
            "/deletedkeys/{name}/recover",
            "KeyRecover",
            A::KEYS_RECOVER,
            Write,
            deleted::recover::<Keys>,
        )
        .permission(P::KEYS_RECOVER)
        .hsm(A::HSM_DELETED_KEYS_RECOVER),
        Route::new(Method::DELETE, "/deletedkeys/{name}", "KeyPurge", A::KEYS_PURGE, Write, deleted::purge::<Keys>)
            .permission(P::KEYS_PURGE)
            .hsm(A::HSM_DELETED_KEYS_DELETE)
            .status(204),
        Route::new(Method::POST, "/keys/{name}/backup", "KeyBackup", A::KEYS_BACKUP, Write, blob::back_up::<Keys>)
            .permission(P::KEYS_BACKUP)
            .hsm(A::HSM_KEYS_BACKUP),
        Route::new(Method::POST, "/keys/restore", "KeyRestore", A::KEYS_RESTORE, Write, blob::restore::<Keys>)
            .permission(P::KEYS_RESTORE)
            .hsm(A::HSM_KEYS_RESTORE)
            .body(schema::<blob::RestoreParameters>)
            .max_body(blob::RESTORE_BODY),
    ]
}
