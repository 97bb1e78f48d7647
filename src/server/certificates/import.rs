//! A certificate is imported with its key: PKCS#12, or PEM. What comes is a client's text and never names a file.

use schemars::JsonSchema;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::bundle::{self, policy_before};
use super::chain::MAX_LEN;
use super::create::{issued, refuse_reserved, replaced};
use super::operation::refuse_pending;
use super::parts::{Key, Version};
use super::policy::{ContentType, GivenPolicy, Policy};
use super::{chained, derived};
use crate::certificate::private_key::{self, Bundle};
use crate::certificate::{self, Certificate, Limits, pem, pkcs12};
use crate::server::attributes::{GivenAttributes, Tags};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::vault::{SecretBytes, VaultError};

/// The body of an import.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateImportParameters")]
pub struct ImportParameters {
    /// PKCS#12 in base64, or PEM; key and certificate, and those above it.
    #[schemars(with = "String")]
    value: Zeroizing<String>,
    /// Of the file.
    #[schemars(with = "Option<String>")]
    pwd: Option<Zeroizing<String>>,
    #[serde(default, deserialize_with = "maybe_object")]
    policy: Option<GivenPolicy>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
    #[serde(rename = "preserveCertOrder")]
    preserve_order: Option<bool>,
}

/// What was in the file.
struct Brought {
    content_type: ContentType,
    key: SecretBytes,
    certificates: Vec<Certificate>,
}

/// POST `/certificates/{name}/import`: a first or a further version.
pub fn import(call: &Call) -> Result<Reply> {
    let given: ImportParameters = call.read()?;
    let name = call.name()?;
    refuse_reserved(name)?;
    refuse_pending(&call.image, name)?;
    let (value, password) = (given.value, given.pwd.unwrap_or_default());
    let brought = call.pools.open(move || Brought::read(&value, &password))?;
    let key = Key::brought(brought.key, false)?;
    let as_they_came = given.preserve_order.unwrap_or(false);
    let (certificate, above) = chained(&key.description().public, brought.certificates, as_they_came)?;
    let policy = policy(call, given.policy, brought.content_type, &certificate)?;
    let version = Version::asked(name, policy, given.tags, given.attributes, given.preserve_order)?;
    call.transact(&mut |image| {
        refuse_pending(image, name)?;
        let mut changes = replaced(image, name);
        changes.extend(issued(image, &version, &key, &certificate, &above, None)?);
        Ok(changes)
    })?;
    Reply::json(&bundle::Bundle::found(call, &call.served.vault.image(), name, Some(version.id))?)
}

/// What is given over what the certificate says of itself.
fn policy(
    call: &Call,
    given: Option<GivenPolicy>,
    content_type: ContentType,
    certificate: &Certificate,
) -> Result<Policy> {
    let named = given.as_ref().and_then(|policy| policy.secret_props.as_ref()?.content_type.as_deref());
    if named.map(ContentType::named).transpose()?.is_some_and(|named| named != content_type) {
        let what = "The value isn't of policy.secret_props.contentType: PKCS#12 comes in base64, PEM as it is.";
        return Err(ServiceError::bad_parameter(what));
    }
    let mut derived = derived::policy_of(certificate, call.now)?;
    derived.secret_props.content_type = content_type;
    let before = policy_before(&call.image, call.name()?)?;
    Ok(Policy::for_brought_key(given, derived, call.now)?.following(before.as_ref()))
}

impl Brought {
    fn read(value: &str, password: &str) -> Result<Self> {
        if value.contains(PEM_BEGIN) {
            return Self::from_pem(value.as_bytes(), password);
        }
        let Some(decoded) = pem::base64(value.as_bytes()) else {
            return wrong(
                "value is neither PEM nor base64: it is a certificate with its key, as PKCS#12 in base64 or as PEM.",
            );
        };
        match decoded.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN.as_bytes()) {
            true => Self::from_pem(&decoded, password),
            false => Self::from_pkcs12(&decoded, password),
        }
    }

    fn from_pkcs12(der: &[u8], password: &str) -> Result<Self> {
        if !pkcs12::is_pkcs12(der) {
            return wrong("value is no PKCS#12: it is a certificate with its key, as PKCS#12 in base64 or as PEM.");
        }
        let contents = pkcs12::read(der, password, &Limits::SERVER).map_err(super::refused)?;
        let keys = contents.keys.into_iter().map(|key| key.pkcs8);
        let certificates = contents.certificates.into_iter().map(|certificate| certificate.der);
        Self::of(ContentType::Pkcs12, keys.collect(), certificates)
    }

    fn from_pem(text: &[u8], password: &str) -> Result<Self> {
        let bundle = Bundle::read(text, password, &Limits::SERVER).map_err(super::refused)?.unwrap_or_default();
        Self::of(ContentType::Pem, bundle.keys, bundle.certificates.into_iter())
    }

    fn of(
        content_type: ContentType,
        mut keys: Vec<Zeroizing<Vec<u8>>>,
        ders: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Self> {
        let (Some(key), true) = (keys.pop(), keys.is_empty()) else {
            return wrong("value must hold exactly one private key, the certificate's.");
        };
        let mut certificates = Vec::new();
        for der in ders {
            if certificates.len() >= certificate::chain::MOST || der.len() > MAX_LEN {
                return wrong(format!("value holds at most {} certificates.", certificate::chain::MOST));
            }
            certificates.push(Certificate::from_der(&der).map_err(super::refused)?);
        }
        if let Some(reason) = private_key::unsupported_kind(&key) {
            return wrong(format!("The private key can't be imported: {reason}."));
        }
        let key = private_key::checked(&key).map_err(VaultError::from)?;
        Ok(Self { content_type, key, certificates })
    }
}

/// By which PEM is told.
const PEM_BEGIN: &str = "-----BEGIN ";

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ServiceError::bad_parameter(what))
}
