//! The routes of keys, and of random numbers.

use axum::http::Method;

use super::DataAction as A;
use super::Work::{Key, Make, Read, Short, Write};
use super::{Route, schema};
use crate::server::keys::{self, Keys, bodies};
use crate::server::{blob, deleted};

/// Keys, also deleted ones.
pub fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/keys/{name}/create", "KeyCreate", A::KEYS_CREATE, Make, keys::create)
            .hsm(A::HSM_KEYS_CREATE)
            .body(schema::<bodies::CreateParameters>),
        Route::new(Method::PUT, "/keys/{name}", "KeyImport", A::KEYS_IMPORT, Write, keys::import_key)
            .hsm(A::HSM_KEYS_IMPORT)
            .body(schema::<bodies::ImportParameters>),
        Route::new(Method::GET, "/keys/{name}/{version}", "KeyGet", A::KEYS_READ, Short, keys::get)
            .hsm(A::HSM_KEYS_READ),
        Route::new(Method::PATCH, "/keys/{name}/{version}", "KeyUpdate", A::KEYS_UPDATE, Write, keys::update)
            .hsm(A::HSM_KEYS_WRITE)
            .body(schema::<bodies::UpdateParameters>),
        Route::new(Method::GET, "/keys", "KeyList", A::KEYS_READ, Read, keys::list).hsm(A::HSM_KEYS_READ),
        Route::new(Method::GET, "/keys/{name}/versions", "KeyListVersions", A::KEYS_READ, Read, keys::list_versions)
            .hsm(A::HSM_KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/sign", "KeySign", A::KEYS_SIGN, Key, keys::sign)
            .hsm(A::HSM_KEYS_SIGN)
            .body(schema::<bodies::SignParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/verify", "KeyVerify", A::KEYS_VERIFY, Short, keys::verify)
            .hsm(A::HSM_KEYS_VERIFY)
            .body(schema::<bodies::VerifyParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/encrypt", "KeyEncrypt", A::KEYS_ENCRYPT, Short, keys::encrypt)
            .hsm(A::HSM_KEYS_ENCRYPT)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/decrypt", "KeyDecrypt", A::KEYS_DECRYPT, Key, keys::decrypt)
            .hsm(A::HSM_KEYS_DECRYPT)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/wrapkey", "KeyWrap", A::KEYS_WRAP, Short, keys::wrap)
            .hsm(A::HSM_KEYS_WRAP)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/unwrapkey", "KeyUnwrap", A::KEYS_UNWRAP, Key, keys::unwrap)
            .hsm(A::HSM_KEYS_UNWRAP)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/rotate", "KeyRotate", A::KEYS_ROTATE, Make, keys::rotate)
            .hsm(A::HSM_KEYS_ROTATE),
        Route::new(
            Method::GET,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicyGet",
            A::ROTATION_POLICY_READ,
            Short,
            keys::get_policy,
        )
        .hsm(A::HSM_KEYS_READ),
        Route::new(
            Method::PUT,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicySet",
            A::ROTATION_POLICY_WRITE,
            Write,
            keys::put_policy,
        )
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
        .hsm(A::HSM_KEYS_READ),
        Route::new(Method::POST, "/rng", "RandomBytesGet", A::KEYS_READ, Short, keys::random)
            .hsm(A::HSM_RNG)
            .body(schema::<bodies::RandomParameters>),
        Route::new(Method::DELETE, "/keys/{name}", "KeyDelete", A::KEYS_DELETE, Write, deleted::delete::<Keys>)
            .hsm(A::HSM_KEYS_DELETE),
        Route::new(Method::GET, "/deletedkeys", "KeyListDeleted", A::KEYS_READ, Read, deleted::list::<Keys>)
            .hsm(A::HSM_DELETED_KEYS_READ),
        Route::new(Method::GET, "/deletedkeys/{name}", "KeyGetDeleted", A::KEYS_READ, Short, deleted::get::<Keys>)
            .hsm(A::HSM_DELETED_KEYS_READ),
        Route::new(
            Method::POST,
            "/deletedkeys/{name}/recover",
            "KeyRecover",
            A::KEYS_RECOVER,
            Write,
            deleted::recover::<Keys>,
        )
        .hsm(A::HSM_DELETED_KEYS_RECOVER),
        Route::new(Method::DELETE, "/deletedkeys/{name}", "KeyPurge", A::KEYS_PURGE, Write, deleted::purge::<Keys>)
            .hsm(A::HSM_DELETED_KEYS_DELETE)
            .status(204),
        Route::new(Method::POST, "/keys/{name}/backup", "KeyBackup", A::KEYS_BACKUP, Write, blob::back_up::<Keys>)
            .hsm(A::HSM_KEYS_BACKUP),
        Route::new(Method::POST, "/keys/restore", "KeyRestore", A::KEYS_RESTORE, Write, blob::restore::<Keys>)
            .hsm(A::HSM_KEYS_RESTORE)
            .body(schema::<blob::RestoreParameters>)
            .max_body(blob::RESTORE_BODY),
    ]
}
