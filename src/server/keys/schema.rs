//! The words of Key Vault as the OpenAPI document has them: which a member may be, out of the tables that decide it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::algorithms::{self, Operation};
use super::base64url::{Base64Url, SecretBase64Url};
use super::key_ops::KeyOps;
use super::kty::{Kty, curve_name};
use crate::crypto::Curve;

/// `kty`
pub struct KtyName;
/// `crv`
pub struct CurveName;
/// A member of `key_ops`.
pub struct OperationName;
/// `alg` of signatures.
pub struct SignatureAlgorithm;
/// `alg` of what encrypts and wraps.
pub struct EncryptionAlgorithm;

/// One of these words.
fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

fn algorithms_that(can: impl Fn(Operation) -> bool + Copy) -> Schema {
    one_of(
        algorithms::TABLE
            .iter()
            .filter(|algorithm| algorithm.operations().iter().copied().any(can))
            .map(|algorithm| algorithm.name),
    )
}

impl JsonSchema for KtyName {
    fn schema_name() -> Cow<'static, str> {
        "JsonWebKeyType".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Kty::ALL.into_iter().map(Kty::name))
    }
}

impl JsonSchema for CurveName {
    fn schema_name() -> Cow<'static, str> {
        "JsonWebKeyCurveName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Curve::ALL.into_iter().map(curve_name))
    }
}

impl JsonSchema for OperationName {
    fn schema_name() -> Cow<'static, str> {
        "JsonWebKeyOperation".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(KeyOps::all().names())
    }
}

impl JsonSchema for SignatureAlgorithm {
    fn schema_name() -> Cow<'static, str> {
        "JsonWebKeySignatureAlgorithm".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        algorithms_that(|operation| matches!(operation, Operation::Sign))
    }
}

impl JsonSchema for EncryptionAlgorithm {
    fn schema_name() -> Cow<'static, str> {
        "JsonWebKeyEncryptionAlgorithm".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        algorithms_that(|operation| matches!(operation, Operation::Encrypt | Operation::WrapKey))
    }
}

fn base64url() -> Schema {
    json_schema!({ "type": "string", "format": "base64url", "pattern": "^[A-Za-z0-9_-]*={0,2}$" })
}

impl JsonSchema for Base64Url {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Base64Url".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        base64url()
    }
}

impl JsonSchema for SecretBase64Url {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "SecretBase64Url".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        base64url()
    }
}
