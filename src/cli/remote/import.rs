//! A private or secret key as a JSON Web Key (RFC 7517, RFC 7518 §6), for the service to take.

use serde::Serialize;

use super::super::Result;
use super::super::key::Material;
use super::wire::{KindNames, Tags, Wanted};
use crate::crypto::{PrivateKey, PrivateParts};
use crate::server::keys::Base64Url;
use crate::server::keys::base64url::SecretBase64Url;
use crate::vault::SecretBytes;

/// The body of an import.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    key: PrivateJwk,
    attributes: Wanted,
    tags: &'a Tags,
}

/// Nothing of it can be printed.
#[derive(Default, Serialize)]
struct PrivateJwk {
    kty: &'static str,
    key_ops: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<Base64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<Base64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<Base64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<Base64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dp: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dq: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qi: Option<SecretBase64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<SecretBase64Url>,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        material: &Material,
        key_ops: Vec<&'static str>,
        attributes: Wanted,
        tags: &'a Tags,
    ) -> Result<Self> {
        let names = KindNames::of(material.algorithm()?)?;
        let mut key = PrivateJwk { kty: names.kty, key_ops, crv: names.crv, ..PrivateJwk::default() };
        match material {
            Material::Secret(_, value) => key.k = secret(SecretBytes::from_slice(value)),
            Material::Private(pkcs8) => key.set(pkcs8)?,
        }
        Ok(Self { key, attributes, tags })
    }
}

impl PrivateJwk {
    fn set(&mut self, pkcs8: &SecretBytes) -> Result<()> {
        match PrivateKey::parts_from_pkcs8(pkcs8.expose())? {
            PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } => {
                (self.n, self.e) = (Some(Base64Url(modulus)), Some(Base64Url(public_exponent)));
                self.d = secret(private_exponent);
                if let Some([p, q, dp, dq, qi]) = primes {
                    (self.p, self.q) = (secret(p), secret(q));
                    (self.dp, self.dq, self.qi) = (secret(dp), secret(dq), secret(qi));
                }
            }
            PrivateParts::Ec(curve, scalar) => {
                let public = PrivateKey::from_pkcs8(pkcs8.expose())?.public_key().value().to_vec();
                let (x, y) = public[1..].split_at(curve.field_len());
                (self.x, self.y) = (Some(Base64Url(x.to_vec())), Some(Base64Url(y.to_vec())));
                self.d = secret(scalar);
            }
            // `KindNames` has refused them.
            PrivateParts::Ed25519(_) | PrivateParts::X25519(_) => {}
        }
        Ok(())
    }
}

fn secret(bytes: SecretBytes) -> Option<SecretBase64Url> {
    Some(SecretBase64Url(bytes))
}
