//! A policy as a client sends it: nothing in it is checked yet, and everything may be absent.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lifetime::LifetimeAction;
use crate::server::attributes::GivenAttributes;
use crate::server::body::maybe_object;

/// `CertificatePolicy` in a request. What an answer says besides is passed over.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "CertificatePolicy")]
pub struct GivenPolicy {
    /// The key.
    #[serde(deserialize_with = "maybe_object")]
    pub key_props: Option<GivenKey>,
    /// The secret that holds key and certificate.
    #[serde(deserialize_with = "maybe_object")]
    pub secret_props: Option<GivenSecret>,
    /// The certificate.
    #[serde(deserialize_with = "maybe_object")]
    pub x509_props: Option<GivenX509>,
    /// What is done before it expires.
    pub lifetime_actions: Option<Vec<LifetimeAction>>,
    /// Who issues it.
    #[serde(deserialize_with = "maybe_object")]
    pub issuer: Option<GivenIssuer>,
    /// The service's own: when the policy was made and changed. Passed over.
    #[serde(deserialize_with = "maybe_object")]
    #[allow(dead_code, reason = "it is read to be found well-formed")]
    attributes: Option<GivenAttributes>,
    /// Kept as it comes: it is for services of Azure's.
    #[serde(rename = "platformManaged")]
    pub platform_managed: Option<Map<String, Value>>,
}

/// `KeyProperties`
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "KeyProperties")]
pub struct GivenKey {
    /// Whether the secret holds the private key.
    pub exportable: Option<bool>,
    /// RSA, EC or one of the `-HSM` kinds, which are not exportable.
    pub kty: Option<String>,
    /// Bits.
    pub key_size: Option<i64>,
    /// Whether the next version has the same key.
    pub reuse_key: Option<bool>,
    /// Curve of an EC key.
    pub crv: Option<String>,
}

/// `SecretProperties`
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "SecretProperties")]
pub struct GivenSecret {
    /// `application/x-pkcs12` or `application/x-pem-file`.
    #[serde(rename = "contentType")]
    pub content_type: Option<String>,
}

/// `X509CertificateProperties`
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "X509CertificateProperties")]
pub struct GivenX509 {
    /// A distinguished name.
    pub subject: Option<String>,
    /// Extended key usages, as object identifiers.
    pub ekus: Option<Vec<String>>,
    /// Further names.
    #[serde(deserialize_with = "maybe_object")]
    pub sans: Option<GivenNames>,
    /// What the key is for.
    pub key_usage: Option<Vec<String>>,
    /// 1 to 1200.
    pub validity_months: Option<i64>,
}

/// `SubjectAlternativeNames`
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "SubjectAlternativeNames")]
pub struct GivenNames {
    /// Addresses of mail.
    pub emails: Option<Vec<String>>,
    /// Hosts.
    pub dns_names: Option<Vec<String>>,
    /// User principal names.
    pub upns: Option<Vec<String>>,
    /// URIs.
    pub uris: Option<Vec<String>>,
    /// Addresses of the Internet Protocol.
    #[serde(rename = "ipAddresses")]
    pub ip_addresses: Option<Vec<String>>,
}

/// `IssuerParameters`
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "IssuerParameters")]
pub struct GivenIssuer {
    /// `Self`, `Unknown`, or an issuer of this vault.
    pub name: Option<String>,
    /// What kind of certificate to ask the issuer for.
    pub cty: Option<String>,
    /// Whether it is to be published.
    pub cert_transparency: Option<bool>,
}
