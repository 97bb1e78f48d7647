//! The one table of the data plane: for each route its operation, permission, status, place of work and handler.
//!
//! The gate goes by it, the OpenAPI document and `docs/azure-compat.md` print it, tests walk over it.

use std::sync::LazyLock;

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::access::DataAction;
use super::call::{Call, Reply};
use super::error::Result;
use super::gate::MAX_BODY;
use super::keys::Keys;
use super::keys::bodies;
use super::secrets::Secrets;
use super::{blob, deleted, keys, secrets};

/// One operation of Key Vault.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path; `{name}` and `{version}` are parameters. A version at the end may be left out, one in the middle be empty.
    pub path: &'static str,
    /// The operation's name in Key Vault's audit records.
    pub operation: &'static str,
    /// What allows it.
    pub action: DataAction,
    /// Another action that allows it too if the key is asymmetric: what it does needs the public part alone.
    pub public_action: Option<DataAction>,
    /// The status when all went well.
    pub status: u16,
    /// Where it is done.
    pub work: Work,
    /// Longest body, in bytes.
    pub max_body: usize,
    /// The shape of the body, if the operation takes one.
    pub body: Option<BodySchema>,
    /// Does it.
    pub run: fn(&Call) -> Result<Reply>,
}

/// Puts the shape of a body among the schemas, and refers to it.
pub type BodySchema = fn(&mut SchemaGenerator) -> Schema;

/// Where an operation is done; see [`super::pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Where the request was read: microseconds.
    Short,
    /// With a key: an RSA key's on their own threads, another's where the request was read.
    Key,
    /// It changes the vault and waits for the disk.
    Write,
}

impl Route {
    fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        action: DataAction,
        work: Work,
        run: fn(&Call) -> Result<Reply>,
    ) -> Self {
        let max_body = MAX_BODY;
        Self { method, path, operation, action, public_action: None, status: 200, work, max_body, body: None, run }
    }

    fn body(self, schema: BodySchema) -> Self {
        Self { body: Some(schema), ..self }
    }

    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Whether it answers pages.
    pub fn is_list(&self) -> bool {
        self.operation.contains("List")
    }

    fn also(self, action: DataAction) -> Self {
        Self { public_action: Some(action), ..self }
    }
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// What a path names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// `{name}`, decoded.
    pub name: Option<&'a str>,
    /// `{version}`, decoded; empty for the current one.
    pub version: &'a str,
}

/// What the table says of a request.
pub enum Found<'a> {
    /// This route.
    Route(&'static Route, Parameters<'a>),
    /// The path is known, but not with this method.
    OtherMethod,
    /// The path isn't known.
    Nothing,
}

/// Looks a request up. `segments` are the path's decoded parts, without an empty one at the end.
pub fn find<'a>(method: &Method, segments: &'a [String]) -> Found<'a> {
    let mut best: Option<(&'static Route, Parameters<'_>, usize)> = None;
    let mut other = false;
    for route in TABLE.iter() {
        let Some((parameters, literals)) = matches(route.path, segments) else { continue };
        if route.method != *method {
            other = true;
        } else if best.as_ref().is_none_or(|(_, _, most)| literals > *most) {
            best = Some((route, parameters, literals));
        }
    }
    match (best, other) {
        (Some((route, parameters, _)), _) => Found::Route(route, parameters),
        (None, true) => Found::OtherMethod,
        (None, false) => Found::Nothing,
    }
}

/// Whether a path is of this pattern, and how many of its parts are the pattern's own words.
fn matches<'a>(pattern: &str, segments: &'a [String]) -> Option<(Parameters<'a>, usize)> {
    let mut parameters = Parameters::default();
    let mut literals = 0;
    let mut given = segments.iter();
    let mut parts = pattern.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        match (part, given.next()) {
            ("{name}", Some(segment)) if !segment.is_empty() => parameters.name = Some(segment),
            ("{version}", Some(segment)) => parameters.version = segment,
            ("{version}", None) if parts.peek().is_none() => {}
            (word, Some(segment)) if !word.starts_with('{') && word == segment => literals += 1,
            _ => return None,
        }
    }
    given.next().is_none().then_some((parameters, literals))
}

use DataAction as A;
use Work::{Key, Short, Write};

/// Every route of the data plane.
pub static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    vec![
        Route::new(Method::POST, "/keys/{name}/create", "KeyCreate", A::KEYS_CREATE, Write, keys::create)
            .body(schema::<bodies::CreateParameters>),
        Route::new(Method::PUT, "/keys/{name}", "KeyImport", A::KEYS_IMPORT, Write, keys::import_key)
            .body(schema::<bodies::ImportParameters>),
        Route::new(Method::GET, "/keys/{name}/{version}", "KeyGet", A::KEYS_READ, Short, keys::get),
        Route::new(Method::PATCH, "/keys/{name}/{version}", "KeyUpdate", A::KEYS_UPDATE, Write, keys::update)
            .body(schema::<bodies::UpdateParameters>),
        Route::new(Method::GET, "/keys", "KeyList", A::KEYS_READ, Short, keys::list),
        Route::new(Method::GET, "/keys/{name}/versions", "KeyListVersions", A::KEYS_READ, Short, keys::list_versions),
        Route::new(Method::POST, "/keys/{name}/{version}/sign", "KeySign", A::KEYS_SIGN, Key, keys::sign)
            .body(schema::<bodies::SignParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/verify", "KeyVerify", A::KEYS_VERIFY, Short, keys::verify)
            .body(schema::<bodies::VerifyParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/encrypt", "KeyEncrypt", A::KEYS_ENCRYPT, Short, keys::encrypt)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/decrypt", "KeyDecrypt", A::KEYS_DECRYPT, Key, keys::decrypt)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/{version}/wrapkey", "KeyWrap", A::KEYS_WRAP, Short, keys::wrap)
            .body(schema::<bodies::OperationParameters>)
            .also(A::KEYS_READ),
        Route::new(Method::POST, "/keys/{name}/{version}/unwrapkey", "KeyUnwrap", A::KEYS_UNWRAP, Key, keys::unwrap)
            .body(schema::<bodies::OperationParameters>),
        Route::new(Method::POST, "/keys/{name}/rotate", "KeyRotate", A::KEYS_ROTATE, Write, keys::rotate),
        Route::new(
            Method::GET,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicyGet",
            A::ROTATION_POLICY_READ,
            Short,
            keys::get_policy,
        ),
        Route::new(
            Method::PUT,
            "/keys/{name}/rotationpolicy",
            "KeyRotationPolicySet",
            A::ROTATION_POLICY_WRITE,
            Write,
            keys::put_policy,
        )
        .body(schema::<bodies::PolicyParameters>),
        Route::new(
            Method::POST,
            "/keys/{name}/{version}/release",
            "KeyRelease",
            A::KEYS_RELEASE,
            Short,
            keys::refuse_release,
        )
        .body(schema::<bodies::ReleaseParameters>),
        Route::new(
            Method::GET,
            "/keys/{name}/{version}/attestation",
            "KeyGetAttestation",
            A::KEYS_READ,
            Short,
            keys::refuse_attestation,
        ),
        Route::new(Method::POST, "/rng", "RandomBytesGet", A::KEYS_READ, Short, keys::random)
            .body(schema::<bodies::RandomParameters>),
        Route::new(Method::PUT, "/secrets/{name}", "SecretSet", A::SECRETS_SET, Write, secrets::set)
            .body(schema::<secrets::SetParameters>),
        Route::new(Method::GET, "/secrets/{name}/{version}", "SecretGet", A::SECRETS_GET, Short, secrets::get),
        Route::new(
            Method::PATCH,
            "/secrets/{name}/{version}",
            "SecretUpdate",
            A::SECRETS_UPDATE,
            Write,
            secrets::update,
        )
        .body(schema::<secrets::UpdateParameters>),
        Route::new(Method::GET, "/secrets", "SecretList", A::SECRETS_READ_METADATA, Short, secrets::list),
        Route::new(
            Method::GET,
            "/secrets/{name}/versions",
            "SecretListVersions",
            A::SECRETS_READ_METADATA,
            Short,
            secrets::list_versions,
        ),
        Route::new(Method::DELETE, "/keys/{name}", "KeyDelete", A::KEYS_DELETE, Write, deleted::delete::<Keys>),
        Route::new(Method::GET, "/deletedkeys", "KeyListDeleted", A::KEYS_READ, Short, deleted::list::<Keys>),
        Route::new(Method::GET, "/deletedkeys/{name}", "KeyGetDeleted", A::KEYS_READ, Short, deleted::get::<Keys>),
        Route::new(
            Method::POST,
            "/deletedkeys/{name}/recover",
            "KeyRecover",
            A::KEYS_RECOVER,
            Write,
            deleted::recover::<Keys>,
        ),
        Route::new(Method::DELETE, "/deletedkeys/{name}", "KeyPurge", A::KEYS_PURGE, Write, deleted::purge::<Keys>)
            .status(204),
        Route::new(Method::POST, "/keys/{name}/backup", "KeyBackup", A::KEYS_BACKUP, Write, blob::back_up::<Keys>),
        Route::new(Method::POST, "/keys/restore", "KeyRestore", A::KEYS_RESTORE, Write, blob::restore::<Keys>)
            .body(schema::<blob::RestoreParameters>)
            .max_body(blob::RESTORE_BODY),
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
            Short,
            deleted::list::<Secrets>,
        ),
        Route::new(
            Method::GET,
            "/deletedsecrets/{name}",
            "SecretGetDeleted",
            A::SECRETS_READ_METADATA,
            Short,
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
});
