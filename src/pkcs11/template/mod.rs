//! From the templates that callers give to drafts of objects.
//!
//! Every template is first held against the [table](super::attribute) ([`Checked`]): attributes that don't exist, don't
//! fit, may not be given now, or can't have that value are refused there, with the codes of PKCS#11 v3.2 §4.1.1. What is
//! left is turned into [`Content`]: what a vault acts on into its fields, everything else kept as it came. [`create`],
//! [`generate`], [`from_key`] and [`change`] are the ways in.

mod change;
mod checked;
mod create;
mod from_key;
mod generate;
mod material;

use cryptoki_sys::*;

pub use change::{apply_set, for_copy};
use checked::Checked;
pub use create::for_create;
pub use from_key::{Expected, for_derived_data};
pub use generate::{PairKind, PairRequest, SecretKind, for_generated_pair, for_generated_secret};
pub use material::{MAX_GENERIC_LEN, check_generic_len};

use super::attribute::{self, Kinds, Lookup, Unset, usage_flag};
use super::error::Rv;
use super::mechanism::KeyKind;
use super::object::{self, Guard};
use crate::crypto::PublicKey;
use crate::vault::{Class, Content, Draft, KeyAlgorithm, Naming, Role, SecretBytes, Usage};

/// Attributes as the caller gave them, in order. Attributes whose value is a template are in the form that
/// [`array`](super::attribute::array) describes.
#[derive(Clone, Debug, Default)]
pub struct Template<'a>(pub Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])>);

impl<'a> Template<'a> {
    /// The first value given for an attribute.
    pub fn get(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<&'a [u8]> {
        self.0.iter().find(|(number, _)| *number == attribute).map(|(_, value)| *value)
    }

    /// See [`get`](Self::get).
    pub fn boolean(&self, attribute: CK_ATTRIBUTE_TYPE) -> Result<Option<bool>, Rv> {
        self.get(attribute).map(attribute::boolean).transpose()
    }

    /// See [`get`](Self::get).
    pub fn ulong(&self, attribute: CK_ATTRIBUTE_TYPE) -> Result<Option<CK_ULONG>, Rv> {
        self.get(attribute).map(attribute::ulong).transpose()
    }
}

/// What a template is judged by beside the table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Who is logged in.
    pub role: Option<Role>,
    /// A secret key may both wrap and decrypt, or unwrap and encrypt, also one after the other; and one with a
    /// `CKA_DERIVE_TEMPLATE` may both derive and make or check MACs (`allow_conflicting_usage`).
    pub allow_conflicting_usage: bool,
}

/// An object that a template asks for.
#[derive(Debug)]
pub struct NewObject {
    /// The object.
    pub draft: Draft,
    /// On the token, not in the session (`CKA_TOKEN`).
    pub token: bool,
}

/// Writes attributes into `content`: those the vault acts on into its fields, the others as they came unless they say
/// what would be read anyway. Parts of a key's value are not attributes in this sense, and are passed over.
fn write(content: &mut Content, kind: Kinds, given: &Checked<'_>) {
    for (number, row, value) in given.iter() {
        match number {
            CKA_LABEL => content.label = value.to_vec(),
            CKA_ID if row.unset == Unset::Derived => content.id = value.to_vec(),
            CKA_PRIVATE => content.private = value == [CK_TRUE],
            CKA_VALUE if content.class == Class::Data && content.private => {}
            CKA_VALUE if row.unset == Unset::Derived && !row.sensitive => {
                content.value = (!value.is_empty()).then(|| value.into());
            }
            CKA_CHECK_VALUE if row.unset == Unset::Derived => {
                if value.is_empty() {
                    content.attributes.insert(number, [].into());
                }
            }
            _ if row.unset == Unset::Derived => {
                if let Some(flag) = usage_flag(number) {
                    content.usage.set(flag, value == [CK_TRUE]);
                }
            }
            _ => {
                content.attributes.remove(&number);
                if object::unset(content, kind, row, number).as_deref() != Some(value) {
                    content.attributes.insert(number, value.into());
                }
            }
        }
    }
}

/// Fills in what a new key gets that its template doesn't mention: usages by its kind, and how its value is guarded.
fn complete_key(content: &mut Content, kind: Kinds, given: &Checked<'_>, guard: Guard, cx: &Rules) -> Result<(), Rv> {
    let defaults = default_usage(kind, content);
    for (number, flag) in USAGES {
        let applies = matches!(attribute::lookup(kind, number), Lookup::Row(row) if row.unset == Unset::Derived);
        if applies && given.get(number).is_none() {
            content.usage.set(flag, defaults.contains(flag));
        }
    }
    if kind.intersects(Kinds::HIDDEN) {
        guard.store(content);
    }
    check_agreement(content, cx)
}

/// What a key may do if its template doesn't say (PKCS#11 v3.2 §4.2, footnote 9: the token's choice): what its kind can
/// do here, but no second use that would conflict with one that was asked for. A generic secret doesn't derive unless
/// asked: a key for a MAC isn't one for other keys.
fn default_usage(kind: Kinds, content: &Content) -> Usage {
    let usage = match kind {
        Kinds::RSA_PUBLIC => Usage::ENCRYPT | Usage::VERIFY | Usage::WRAP,
        Kinds::RSA_PRIVATE => Usage::DECRYPT | Usage::SIGN | Usage::UNWRAP,
        Kinds::EC_PUBLIC | Kinds::EDWARDS_PUBLIC => Usage::VERIFY,
        Kinds::EC_PRIVATE | Kinds::EDWARDS_PRIVATE => Usage::SIGN,
        Kinds::MONTGOMERY_PRIVATE => Usage::DERIVE,
        Kinds::AES => Usage::ENCRYPT | Usage::DECRYPT | Usage::SIGN | Usage::VERIFY,
        Kinds::GENERIC => Usage::SIGN | Usage::VERIFY,
        Kinds::OTHER_SECRET => default_usage_by_name(content),
        _ => Usage::empty(),
    };
    match kind {
        Kinds::AES if content.usage.intersects(Usage::WRAP | Usage::UNWRAP) => {
            usage - (Usage::ENCRYPT | Usage::DECRYPT)
        }
        // HKDF is made of HMACs: whoever signs with a key can compute what is derived from it.
        Kinds::GENERIC if content.usage.contains(Usage::DERIVE) => Usage::empty(),
        _ => usage,
    }
}

/// Of a generic secret whose key type names what it is for; nothing for types that are only kept.
fn default_usage_by_name(content: &Content) -> Usage {
    match content.key.as_ref().map(|key| key.algorithm) {
        Some(KeyAlgorithm::Other(number)) if CK_KEY_TYPE::from(number) == CKK_HKDF => Usage::DERIVE,
        Some(algorithm) if KeyKind::of(algorithm) == KeyKind::Generic => Usage::SIGN | Usage::VERIFY,
        _ => Usage::empty(),
    }
}

/// A `CKA_CHECK_VALUE` that is given with a secret key's value must be its own (PKCS#11 v3.2 §4.11); where we can't work
/// one out it is passed over.
fn check_check_value(given: &Checked<'_>, content: &Content, value: &SecretBytes) -> Result<(), Rv> {
    let (Some(claimed), Some(key)) = (given.filled(CKA_CHECK_VALUE), &content.key) else { return Ok(()) };
    match object::check_value(key.algorithm, value)? {
        Some(own) if own != claimed => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        _ => Ok(()),
    }
}

/// Refuses attributes that can't stand together.
fn check_agreement(content: &Content, cx: &Rules) -> Result<(), Rv> {
    let conflict = |one, other| content.usage.contains(one | other);
    let conflicting = conflict(Usage::WRAP, Usage::DECRYPT)
        || conflict(Usage::UNWRAP, Usage::ENCRYPT)
        || rules_what_is_derived(content)
            && (conflict(Usage::DERIVE, Usage::SIGN) || conflict(Usage::DERIVE, Usage::VERIFY));
    if content.class == Class::SecretKey && conflicting && !cx.allow_conflicting_usage {
        return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
    }
    // PKCS#11 v3.2 §4.10: a key that asks for the PIN at every use is a private object.
    if !content.private && object::is_set(content, CKA_ALWAYS_AUTHENTICATE) {
        return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
    }
    Ok(())
}

/// Whether the key has a `CKA_DERIVE_TEMPLATE`. HKDF is made of HMACs with the key, so a MAC could be the very key that this
/// template keeps inside; who may only check MACs finds one byte by byte, through the mechanisms that cut it.
fn rules_what_is_derived(content: &Content) -> bool {
    content.attributes.get(&CKA_DERIVE_TEMPLATE).is_some_and(|flat| !flat.is_empty())
}

/// How an object of this content is named in the vault; see [`Naming`]. A public key alone, public data, a certificate
/// of an authority, and what is no key, certificate or data have no counterpart there.
fn naming(content: &Content) -> Naming {
    let named = match content.class {
        Class::PrivateKey | Class::SecretKey => true,
        Class::Data => content.private,
        Class::Certificate => {
            let category = content.attributes.get(&CKA_CERTIFICATE_CATEGORY).map(|bytes| attribute::ulong(bytes));
            let parsed = content.value.as_deref().and_then(object::CertificateFields::of);
            Kinds::of(content) == Kinds::X509
                && parsed.is_some()
                && category != Some(Ok(CK_CERTIFICATE_CATEGORY_AUTHORITY))
        }
        Class::PublicKey | Class::Service | Class::CertificateRequest | Class::Other(_) => false,
    };
    if named { Naming::FromLabel } else { Naming::None }
}

/// The `CKA_ID` of a key or certificate with this public key whose template has none: NSS's, equal on all that belongs
/// together.
fn id_of_public(spki: &[u8]) -> Vec<u8> {
    PublicKey::from_spki(spki).map_or_else(|_| Vec::new(), |key| key.key_id().to_vec())
}

const USAGES: [(CK_ATTRIBUTE_TYPE, Usage); 9] = [
    (CKA_ENCRYPT, Usage::ENCRYPT),
    (CKA_DECRYPT, Usage::DECRYPT),
    (CKA_SIGN, Usage::SIGN),
    (CKA_SIGN_RECOVER, Usage::SIGN_RECOVER),
    (CKA_VERIFY, Usage::VERIFY),
    (CKA_VERIFY_RECOVER, Usage::VERIFY_RECOVER),
    (CKA_WRAP, Usage::WRAP),
    (CKA_UNWRAP, Usage::UNWRAP),
    (CKA_DERIVE, Usage::DERIVE),
];

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
