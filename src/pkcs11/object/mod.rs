//! Reading attributes of an object (`C_GetAttributeValue`, `C_GetObjectSize`).
//!
//! An attribute that somebody set lies in [`Content::attributes`]; every other one follows from what the vault knows, or
//! is what the [table](super::attribute) says of an unset one. Parts of a key's value are taken out of the vault only
//! when the key lets them go, and then only the one that was asked for.

mod check_value;
mod guard;
mod public_key;

use std::borrow::Cow;

use cryptoki_sys::*;

pub use check_value::of_secret_key as check_value;
pub use guard::Guard;

use super::attribute::{self, Attribute, Kinds, Lookup, Unset, usage_flag};
use super::ec;
use super::error::Rv;
use crate::crypto::{PrivateKey, PrivateParts};
pub use crate::vault::CertificateFields;
use crate::vault::{Class, Content, KeyAlgorithm, Object, SecretBytes, VaultError};

/// An attribute, as one of the three answers to a caller who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// It has this value.
    Bytes(Cow<'a, [u8]>),
    /// It has this value, which came out of the vault's secret part: wiped when it was answered.
    Secret(SecretBytes),
    /// It has one that isn't shown (`CKR_ATTRIBUTE_SENSITIVE`).
    Sensitive,
    /// The object has no such attribute (`CKR_ATTRIBUTE_TYPE_INVALID`).
    Invalid,
}

/// Reads one attribute of an object that lies on the token or, if not `token`, in a session. `secret` fetches the
/// object's secret part, and is only called when that may be shown.
pub fn read<'a>(
    object: &'a Object,
    attribute: CK_ATTRIBUTE_TYPE,
    token: bool,
    secret: &mut dyn FnMut() -> Result<SecretBytes, VaultError>,
) -> Result<Value<'a>, Rv> {
    let content = &object.content;
    let kind = Kinds::of(content);
    let Lookup::Row(row) = attribute::lookup(kind, attribute) else { return Ok(Value::Invalid) };
    match attribute {
        CKA_TOKEN => return Ok(Value::Bytes(boolean(token))),
        CKA_UNIQUE_ID => return Ok(Value::Bytes(hexadecimal(&object.unique_id).to_vec().into())),
        CKA_VALUE_LEN if row.unset == Unset::Derived => return Ok(Value::Bytes(ulong(value_len(object)))),
        CKA_CHECK_VALUE if row.unset == Unset::Derived => return read_check_value(content, secret),
        _ => {}
    }
    if row.sensitive {
        if Guard::of(content).hides() {
            return Ok(Value::Sensitive);
        }
        let part = secret_part(content.class, attribute, secret()?)?;
        return Ok(part.map_or(Value::Invalid, Value::Secret));
    }
    if attribute == CKA_VALUE && content.class == Class::Data && object.has_secret {
        return Ok(Value::Secret(secret()?));
    }
    Ok(of_content(content, kind, row, attribute).map_or(Value::Invalid, Value::Bytes))
}

/// About how much memory the object takes, in bytes.
pub fn size(object: &Object) -> CK_ULONG {
    let content = &object.content;
    let public = content.key.as_ref().map_or(0, |key| key.public.len());
    let value = content.value.as_ref().map_or(0, |value| value.len());
    let kept: usize = content.attributes.values().map(|value| size_of::<CK_ATTRIBUTE_TYPE>() + value.len()).sum();
    let fixed = size_of::<Object>();
    (fixed + content.label.len() + content.id.len() + public + value + kept + object.secret_len) as CK_ULONG
}

/// Whether the key may be used with this mechanism (`CKA_ALLOWED_MECHANISMS`; none named: with every one).
pub fn allows_mechanism(content: &Content, mechanism: CK_MECHANISM_TYPE) -> bool {
    content.attributes.get(&CKA_ALLOWED_MECHANISMS).is_none_or(|allowed| {
        allowed.is_empty() || allowed.chunks_exact(8).any(|bytes| bytes == mechanism.to_le_bytes())
    })
}

/// Whether the key asks for the PIN at each use (`CKA_ALWAYS_AUTHENTICATE`). Looked up for every signature.
pub fn asks_for_pin(content: &Content) -> bool {
    content.attributes.get(&CKA_ALWAYS_AUTHENTICATE).is_some_and(|value| value[..] == [CK_TRUE])
}

/// Whether a boolean attribute that the table knows for this object is set: `CKA_MODIFIABLE` and its kin.
pub fn is_set(content: &Content, attribute: CK_ATTRIBUTE_TYPE) -> bool {
    let kind = Kinds::of(content);
    let Lookup::Row(row) = attribute::lookup(kind, attribute) else { return false };
    of_content(content, kind, row, attribute).as_deref() == Some(&[CK_TRUE])
}

/// `CKA_UNIQUE_ID`: 32 hexadecimal digits.
pub fn hexadecimal(unique_id: &[u8; 16]) -> [u8; 32] {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    std::array::from_fn(|at| digit(if at % 2 == 0 { unique_id[at / 2] >> 4 } else { unique_id[at / 2] & 15 }))
}

/// What an attribute reads as that follows from the content alone, set or not.
pub(super) fn of_content<'a>(
    content: &'a Content,
    kind: Kinds,
    row: &Attribute,
    attribute: CK_ATTRIBUTE_TYPE,
) -> Option<Cow<'a, [u8]>> {
    match content.attributes.get(&attribute) {
        Some(set) => Some(Cow::Borrowed(set)),
        None => unset(content, kind, row, attribute),
    }
}

/// What an attribute reads as while nobody set it.
pub(super) fn unset<'a>(
    content: &'a Content,
    kind: Kinds,
    row: &Attribute,
    attribute: CK_ATTRIBUTE_TYPE,
) -> Option<Cow<'a, [u8]>> {
    if kind == Kinds::X509
        && let Some(value) = of_certificate(content.value.as_deref().unwrap_or_default(), attribute)
    {
        return Some(value);
    }
    match row.unset {
        Unset::Empty => Some(Cow::Borrowed(&[])),
        Unset::False => Some(boolean(false)),
        Unset::True => Some(boolean(true)),
        Unset::Number(number) => Some(ulong(number)),
        Unset::Derived => derived(content, attribute),
        Unset::Absent if attribute == CKA_EC_PARAMS => ec::params(content.key.as_ref()?.algorithm).map(Cow::Borrowed),
        Unset::Absent => None,
    }
}

fn derived(content: &Content, attribute: CK_ATTRIBUTE_TYPE) -> Option<Cow<'_, [u8]>> {
    if let Some(flag) = usage_flag(attribute) {
        return Some(boolean(content.usage.contains(flag)));
    }
    Some(match attribute {
        CKA_CLASS => ulong(content.class.number().into()),
        CKA_PRIVATE => boolean(content.private),
        CKA_LABEL => Cow::Borrowed(&content.label),
        CKA_ID => Cow::Borrowed(&content.id),
        CKA_VALUE => Cow::Borrowed(content.value.as_deref().unwrap_or_default()),
        CKA_LOCAL => boolean(content.local),
        CKA_SENSITIVE => boolean(Guard::of(content).sensitive),
        CKA_EXTRACTABLE => boolean(content.exportable),
        CKA_ALWAYS_SENSITIVE => boolean(Guard::of(content).always_sensitive),
        CKA_NEVER_EXTRACTABLE => boolean(Guard::of(content).never_extractable),
        _ => return of_key(content, attribute),
    })
}

fn of_key(content: &Content, attribute: CK_ATTRIBUTE_TYPE) -> Option<Cow<'_, [u8]>> {
    let Some(key) = &content.key else {
        return (attribute == CKA_KEY_GEN_MECHANISM).then(|| ulong(CK_UNAVAILABLE_INFORMATION));
    };
    Some(match (attribute, key.algorithm) {
        (CKA_KEY_TYPE, algorithm) => ulong(attribute::key_type(algorithm)),
        (CKA_KEY_GEN_MECHANISM, algorithm) if content.local => ulong(generation(algorithm)),
        (CKA_KEY_GEN_MECHANISM, _) => ulong(CK_UNAVAILABLE_INFORMATION),
        (CKA_PUBLIC_KEY_INFO, _) => Cow::Borrowed(&key.public),
        (CKA_MODULUS, _) => Cow::Borrowed(public_key::rsa(&key.public)?.0),
        (CKA_PUBLIC_EXPONENT, _) => Cow::Borrowed(public_key::rsa(&key.public)?.1),
        (CKA_MODULUS_BITS, KeyAlgorithm::Rsa { bits }) => ulong(bits.into()),
        (CKA_EC_POINT, KeyAlgorithm::Ec(_)) => ec::wrap_point(public_key::bit_string(&key.public)?).into(),
        (CKA_EC_POINT, _) => Cow::Borrowed(public_key::bit_string(&key.public)?),
        _ => return None,
    })
}

fn of_certificate(der: &[u8], attribute: CK_ATTRIBUTE_TYPE) -> Option<Cow<'_, [u8]>> {
    let fields = || CertificateFields::of(der);
    Some(match attribute {
        CKA_SUBJECT => Cow::Borrowed(fields()?.subject),
        CKA_ISSUER => Cow::Borrowed(fields()?.issuer),
        CKA_SERIAL_NUMBER => Cow::Borrowed(fields()?.serial_number),
        CKA_PUBLIC_KEY_INFO => Cow::Borrowed(fields()?.public_key),
        CKA_CHECK_VALUE if !der.is_empty() => check_value::of_certificate(der)?.to_vec().into(),
        _ => return None,
    })
}

/// A secret key's, which may be shown whatever guards the key (PKCS#11 v3.2 §4.11). Nothing of it is kept: the only value
/// that an attribute can have is the empty one, by which somebody prevented it. It is empty too where the key may not be
/// used to work it out, so that whoever asks for it among other attributes gets those.
fn read_check_value<'a>(
    content: &'a Content,
    secret: &mut dyn FnMut() -> Result<SecretBytes, VaultError>,
) -> Result<Value<'a>, Rv> {
    let prevented = content.attributes.contains_key(&CKA_CHECK_VALUE);
    let value = match &content.key {
        Some(key) if !prevented => match secret() {
            Ok(secret) => check_value(key.algorithm, &secret)?,
            Err(error) if is_refusal(&error) => None,
            Err(other) => return Err(other.into()),
        },
        _ => None,
    };
    Ok(Value::Bytes(value.map_or(Cow::Borrowed(&[]), |value| value.to_vec().into())))
}

/// Whether this says that a key isn't used now or by this process, and not that something is broken.
fn is_refusal(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Disabled
            | VaultError::StateUnknown
            | VaultError::NotYetValid(_)
            | VaultError::Expired(_)
            | VaultError::Deleted
            | VaultError::NotFound
            | VaultError::Locked
            | VaultError::Rekeyed
            // A key whose value stays in its vault.
            | VaultError::Unsupported(_)
    )
}

fn generation(algorithm: KeyAlgorithm) -> CK_MECHANISM_TYPE {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => CKM_RSA_PKCS_KEY_PAIR_GEN,
        KeyAlgorithm::Ec(_) => CKM_EC_KEY_PAIR_GEN,
        KeyAlgorithm::Ed25519 => CKM_EC_EDWARDS_KEY_PAIR_GEN,
        KeyAlgorithm::X25519 => CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
        KeyAlgorithm::Aes { .. } => CKM_AES_KEY_GEN,
        KeyAlgorithm::Generic { .. } => CKM_GENERIC_SECRET_KEY_GEN,
        KeyAlgorithm::Other(_) => CK_UNAVAILABLE_INFORMATION,
    }
}

fn value_len(object: &Object) -> CK_ULONG {
    let of_kind = object.content.key.as_ref().and_then(|key| key.algorithm.secret_len());
    of_kind.unwrap_or(object.secret_len) as CK_ULONG
}

/// The part of a key's value that is this attribute.
fn secret_part(class: Class, attribute: CK_ATTRIBUTE_TYPE, secret: SecretBytes) -> Result<Option<SecretBytes>, Rv> {
    if class != Class::PrivateKey {
        return Ok((attribute == CKA_VALUE).then_some(secret));
    }
    Ok(match (PrivateKey::parts_from_pkcs8(secret.expose())?, attribute) {
        (PrivateParts::Ec(_, scalar), CKA_VALUE) => Some(scalar),
        (PrivateParts::Ed25519(value) | PrivateParts::X25519(value), CKA_VALUE) => Some(value),
        (PrivateParts::Rsa { private_exponent, .. }, CKA_PRIVATE_EXPONENT) => Some(private_exponent),
        (PrivateParts::Rsa { primes: Some(primes), .. }, _) => {
            RSA_PRIMES.iter().position(|part| *part == attribute).map(|at| primes[at].clone())
        }
        _ => None,
    })
}

pub(super) fn boolean(value: bool) -> Cow<'static, [u8]> {
    Cow::Borrowed(if value { &[CK_TRUE] } else { &[CK_FALSE] })
}

fn ulong(value: CK_ULONG) -> Cow<'static, [u8]> {
    value.to_ne_bytes().to_vec().into()
}

/// In the order of [`PrivateParts::Rsa`]'s primes.
pub(super) const RSA_PRIMES: [CK_ATTRIBUTE_TYPE; 5] =
    [CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT];

#[cfg(test)]
mod tests;
