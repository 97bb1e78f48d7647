//! What comes out of another key: `C_UnwrapKey` and `C_DeriveKey` (PKCS#11 v3.2 §5.18.4, §5.18.5).
//!
//! A template is checked before the other key is asked for anything ([`Expected`]), so that what is wrong with it tells
//! nothing of what was wrapped. `CKA_UNWRAP_TEMPLATE` or `CKA_DERIVE_TEMPLATE` of the other key is part of it; where the
//! two disagree, neither wins.

use cryptoki_sys::*;

use super::create::{default_id, write_private_first};
use super::{Checked, NewObject, Rules, Template, check_check_value, complete_key, material, naming, write};
use crate::crypto::{CryptoError, KeyAlgorithm, PrivateKey};
use crate::pkcs11::attribute::{Kinds, Phase, array, key_type};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::KeyKind;
use crate::pkcs11::object::Guard;
use crate::vault::{Class, Content, Draft, KeyDescription, SecretBytes};

/// A key that a template asks for, whose value isn't known yet.
pub struct Expected<'a> {
    class: Class,
    key_type: u32,
    kind: Kinds,
    given: Checked<'a>,
    rules: Rules,
}

impl<'a> Expected<'a> {
    /// For `C_UnwrapKey`; `imposed` is the unwrapping key's `CKA_UNWRAP_TEMPLATE`.
    pub fn from_unwrap(template: &Template<'a>, imposed: &'a [u8], cx: &Rules) -> Result<Self, Rv> {
        let whole = with_imposed(template, &[imposed])?;
        let class = match whole.ulong(CKA_CLASS)?.ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))? {
            CKO_PRIVATE_KEY => Class::PrivateKey,
            CKO_SECRET_KEY => Class::SecretKey,
            _ => return Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
        };
        Self::new(&whole, class, cx)
    }

    /// For `C_DeriveKey`, which makes a generic secret unless the template says otherwise; `imposed` are the
    /// `CKA_DERIVE_TEMPLATE`s of what it is derived from. Keys of types that are only kept aren't derived: how they are
    /// made isn't known.
    pub fn from_derive(template: &Template<'a>, imposed: &[&'a [u8]], cx: &Rules) -> Result<Self, Rv> {
        let mut whole = with_imposed(template, imposed)?;
        for (attribute, value) in [(CKA_CLASS, SECRET_KEY), (CKA_KEY_TYPE, GENERIC_SECRET)] {
            if whole.get(attribute).is_none() {
                whole.0.push((attribute, value));
            }
        }
        let expected = match whole.ulong(CKA_CLASS)? {
            Some(CKO_SECRET_KEY) => Self::new(&whole, Class::SecretKey, cx)?,
            _ => return Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
        };
        let kept_only = expected.kind == Kinds::OTHER_SECRET
            && KeyKind::of(KeyAlgorithm::Other(expected.key_type)) != KeyKind::Generic;
        if kept_only { Err(Rv(CKR_TEMPLATE_INCONSISTENT)) } else { Ok(expected) }
    }

    fn new(template: &Template<'a>, class: Class, cx: &Rules) -> Result<Self, Rv> {
        let key_type = template.ulong(CKA_KEY_TYPE)?.ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
        let kind = Kinds::of_key(class, key_type);
        if kind == Kinds::OTHER_PRIVATE {
            return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
        }
        let key_type = u32::try_from(key_type).map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
        Ok(Self { class, key_type, kind, given: Checked::new(template, kind, Phase::Unwrap, cx)?, rules: *cx })
    }

    /// Private or secret.
    pub fn class(&self) -> Class {
        self.class
    }

    /// `CKA_TOKEN` and `CKA_PRIVATE`: where the key will lie.
    pub fn place(&self) -> (bool, bool) {
        let private = self.given.boolean(CKA_PRIVATE).unwrap_or(Content::new(self.class).private);
        (self.token(), private)
    }

    /// Whether it is an AES key.
    pub fn is_aes(&self) -> bool {
        self.kind == Kinds::AES
    }

    /// Whether a key that is unwrapped so may leave again.
    pub fn is_extractable(&self) -> bool {
        let (sensitive, extractable) = self.given.guard();
        Guard::unwrapped(sensitive, extractable).extractable
    }

    /// The length that the template asks for.
    pub fn value_len(&self) -> Result<Option<usize>, Rv> {
        let len = self.given.ulong(CKA_VALUE_LEN).map(usize::try_from);
        len.transpose().map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))
    }

    /// The key, with what was unwrapped: the value of a secret key, or PKCS#8. PKCS#8 of another kind of key and bytes that
    /// were damaged on their way have one code. Only a secret key's length has its own, and as much as that shows in the
    /// wrapped key, or comes out of a wrong PKCS#1 padding as out of a good one.
    pub fn unwrapped(self, value: SecretBytes) -> Result<NewObject, Rv> {
        let (sensitive, extractable) = self.given.guard();
        let guard = Guard::unwrapped(sensitive, extractable);
        if self.class == Class::PrivateKey {
            let (pkcs8, key) = self.private_key(&value)?;
            return self.finish(pkcs8, key, guard);
        }
        let wrong_length = Rv(CKR_WRAPPED_KEY_LEN_RANGE);
        if self.value_len()?.is_some_and(|len| len != value.len()) {
            return Err(wrong_length);
        }
        let algorithm = self.algorithm(value.len()).map_err(|_| wrong_length)?;
        self.finish(value, KeyDescription { algorithm, public: [].into() }, guard)
    }

    /// The key, with what was derived from one that is guarded so.
    pub fn derived(self, value: SecretBytes, base: Guard) -> Result<NewObject, Rv> {
        let (sensitive, extractable) = self.given.guard();
        let algorithm = self.algorithm(value.len())?;
        let key = KeyDescription { algorithm, public: [].into() };
        self.finish(value, key, Guard::derived(sensitive, extractable, base))
    }

    /// What a secret key of so many bytes is.
    pub fn algorithm(&self, len: usize) -> Result<KeyAlgorithm, Rv> {
        match self.kind {
            Kinds::AES => material::aes(len),
            Kinds::GENERIC => material::generic(len),
            // The same lengths, under another name.
            _ => material::generic(len).map(|_| KeyAlgorithm::Other(self.key_type)),
        }
    }

    /// Read, checked and written anew, so that what else stood in the PKCS#8 stays outside.
    fn private_key(&self, value: &SecretBytes) -> Result<(SecretBytes, KeyDescription), Rv> {
        let parts = PrivateKey::parts_from_pkcs8(value.expose()).map_err(not_a_key)?;
        let pkcs8 = PrivateKey::pkcs8_from_parts(&parts).map_err(not_a_key)?;
        let key = PrivateKey::from_pkcs8(pkcs8.expose()).map_err(not_a_key)?;
        if key_type(key.algorithm()) != CK_KEY_TYPE::from(self.key_type) {
            return Err(Rv(CKR_WRAPPED_KEY_INVALID));
        }
        let description = KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() };
        Ok((pkcs8, description))
    }

    fn finish(self, value: SecretBytes, key: KeyDescription, guard: Guard) -> Result<NewObject, Rv> {
        let mut content = Content { key: Some(key), ..Content::new(self.class) };
        write(&mut content, self.kind, &self.given);
        complete_key(&mut content, self.kind, &self.given, guard, &self.rules)?;
        if self.class == Class::SecretKey {
            check_check_value(&self.given, &content, &value)?;
        }
        if self.given.get(CKA_ID).is_none() {
            content.id = default_id(&content)?;
        }
        let token = self.token();
        Ok(NewObject { draft: Draft { naming: naming(&content), content, secret: Some(value) }, token })
    }

    fn token(&self) -> bool {
        self.given.boolean(CKA_TOKEN).unwrap_or(false)
    }
}

/// The data object that `CKM_HKDF_DATA` makes, still without its value, and the length that was asked for; `imposed` as
/// for [`Expected::from_derive`].
pub fn for_derived_data(
    template: &Template<'_>,
    imposed: &[&[u8]],
    cx: &Rules,
) -> Result<(DerivedData, Option<usize>), Rv> {
    let mut whole = with_imposed(template, imposed)?;
    let len = whole.ulong(CKA_VALUE_LEN)?.map(usize::try_from).transpose();
    let len = len.map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
    // The mechanism's, not the object's.
    whole.0.retain(|(attribute, _)| *attribute != CKA_VALUE_LEN);
    if whole.get(CKA_CLASS).is_none() {
        whole.0.push((CKA_CLASS, DATA));
    }
    if whole.ulong(CKA_CLASS)? != Some(CKO_DATA) || whole.get(CKA_VALUE).is_some() {
        return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
    }
    let given = Checked::new(&whole, Kinds::DATA, Phase::Unwrap, cx)?;
    let mut content = Content::new(Class::Data);
    write_private_first(&mut content, Kinds::DATA, &given);
    Ok((DerivedData { content, token: given.boolean(CKA_TOKEN).unwrap_or(false) }, len))
}

/// See [`for_derived_data`].
pub struct DerivedData {
    content: Content,
    token: bool,
}

impl DerivedData {
    /// `CKA_TOKEN` and `CKA_PRIVATE`: where it will lie.
    pub fn place(&self) -> (bool, bool) {
        (self.token, self.content.private)
    }

    /// The object. The value of a private one is a secret.
    pub fn with_value(self, value: SecretBytes) -> NewObject {
        let Self { mut content, token } = self;
        let mut secret = None;
        if content.private {
            secret = Some(value);
        } else {
            content.value = Some(value.expose().into());
        }
        NewObject { draft: Draft { naming: naming(&content), content, secret }, token }
    }
}

/// The template with what other keys' add to it; that one attribute has two values is found when it is checked.
fn with_imposed<'a>(template: &Template<'a>, imposed: &[&'a [u8]]) -> Result<Template<'a>, Rv> {
    let mut whole = template.clone();
    for flat in imposed {
        whole.0.extend(array::decode(flat)?);
    }
    Ok(whole)
}

fn not_a_key(error: CryptoError) -> Rv {
    match error {
        CryptoError::Internal(_) => error.into(),
        _ => Rv(CKR_WRAPPED_KEY_INVALID),
    }
}

const SECRET_KEY: &[u8] = &CKO_SECRET_KEY.to_ne_bytes();
const GENERIC_SECRET: &[u8] = &CKK_GENERIC_SECRET.to_ne_bytes();
const DATA: &[u8] = &CKO_DATA.to_ne_bytes();

#[cfg(test)]
mod tests;
