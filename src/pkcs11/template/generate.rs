//! `C_GenerateKey` and `C_GenerateKeyPair` (PKCS#11 v3.2 §5.18.1, §5.18.2).

use cryptoki_sys::*;

use super::create::is_class;
use super::{Checked, NewObject, Rules, Template, complete_key, material, naming, write};
use crate::crypto::{KeyAlgorithm, RSA_BITS};
use crate::pkcs11::attribute::{self, Kinds, Phase};
use crate::pkcs11::ec;
use crate::pkcs11::error::Rv;
use crate::pkcs11::object::Guard;
use crate::vault::{Class, Content, Draft, KeyDescription, Naming};

/// Kinds of key pairs that are generated, one for each mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairKind {
    /// `CKM_RSA_PKCS_KEY_PAIR_GEN`
    Rsa,
    /// `CKM_EC_KEY_PAIR_GEN`
    Ec,
    /// `CKM_EC_EDWARDS_KEY_PAIR_GEN`
    Edwards,
    /// `CKM_EC_MONTGOMERY_KEY_PAIR_GEN`
    Montgomery,
}

/// Kinds of secret keys that are generated, one for each mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// `CKM_AES_KEY_GEN`
    Aes,
    /// `CKM_GENERIC_SECRET_KEY_GEN`
    Generic,
}

/// A key pair that two templates ask for.
#[derive(Debug)]
pub struct PairRequest {
    /// Kind and size.
    pub algorithm: KeyAlgorithm,
    /// RSA's, big-endian, if it isn't 65537.
    pub public_exponent: Option<Vec<u8>>,
    /// The public half.
    pub public: NewObject,
    /// The private half.
    pub private: NewObject,
}

/// The key pair that the templates of `C_GenerateKeyPair` describe. An id that only one template has goes to both halves:
/// clients find one half by the other's id.
pub fn for_generated_pair(
    key: PairKind,
    public: &Template<'_>,
    private: &Template<'_>,
    cx: &Rules,
) -> Result<PairRequest, Rv> {
    let key_type = match key {
        PairKind::Rsa => CKK_RSA,
        PairKind::Ec => CKK_EC,
        PairKind::Edwards => CKK_EC_EDWARDS,
        PairKind::Montgomery => CKK_EC_MONTGOMERY,
    };
    let public = check(public, Class::PublicKey, key_type, cx)?;
    let private = check(private, Class::PrivateKey, key_type, cx)?;
    let algorithm = pair_algorithm(key, &public)?;
    let public_exponent = public_exponent(&public)?;
    let mut public_half = new_key(Class::PublicKey, algorithm, &public, cx)?;
    let mut private_half = new_key(Class::PrivateKey, algorithm, &private, cx)?;
    let (one, other) = (&mut public_half.draft.content, &mut private_half.draft.content);
    match (public.get(CKA_ID), private.get(CKA_ID)) {
        (Some(id), None) => other.id = id.to_vec(),
        (None, Some(id)) => one.id = id.to_vec(),
        _ => {}
    }
    if let Some(params) = one.attributes.get(&CKA_EC_PARAMS) {
        other.attributes.insert(CKA_EC_PARAMS, params.clone());
    }
    public_half.draft.naming = Naming::FromLabel;
    Ok(PairRequest { algorithm, public_exponent, public: public_half, private: private_half })
}

/// The key that a template of `C_GenerateKey` describes.
pub fn for_generated_secret(
    key: SecretKind,
    template: &Template<'_>,
    cx: &Rules,
) -> Result<(KeyAlgorithm, NewObject), Rv> {
    let key_type = match key {
        SecretKind::Aes => CKK_AES,
        SecretKind::Generic => CKK_GENERIC_SECRET,
    };
    let given = check(template, Class::SecretKey, key_type, cx)?;
    let len = given.ulong(CKA_VALUE_LEN).ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let algorithm = match key {
        SecretKind::Aes => material::aes(len)?,
        SecretKind::Generic => material::generic(len)?,
    };
    Ok((algorithm, new_key(Class::SecretKey, algorithm, &given, cx)?))
}

/// A template may name class and key type, but no others than the mechanism makes.
fn check<'a>(template: &Template<'a>, class: Class, key_type: CK_KEY_TYPE, cx: &Rules) -> Result<Checked<'a>, Rv> {
    let given = Checked::new(template, Kinds::of_key(class, key_type), Phase::Generate, cx)?;
    let other_class = given.get(CKA_CLASS).is_some_and(|value| !is_class(value, class.number().into()));
    let other_type = given.ulong(CKA_KEY_TYPE).is_some_and(|other| other != key_type);
    if other_class || other_type { Err(Rv(CKR_TEMPLATE_INCONSISTENT)) } else { Ok(given) }
}

fn new_key(class: Class, algorithm: KeyAlgorithm, given: &Checked<'_>, cx: &Rules) -> Result<NewObject, Rv> {
    let kind = Kinds::of_key(class, attribute::key_type(algorithm));
    let key = Some(KeyDescription { algorithm, public: [].into() });
    let mut content = Content { local: true, key, ..Content::new(class) };
    write(&mut content, kind, given);
    let (sensitive, extractable) = given.guard();
    complete_key(&mut content, kind, given, Guard::new(sensitive, extractable, true), cx)?;
    // Nobody can know that of a key that isn't made yet.
    if class == Class::SecretKey && given.filled(CKA_CHECK_VALUE).is_some() {
        return Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    }
    let token = given.boolean(CKA_TOKEN).unwrap_or(false);
    Ok(NewObject { draft: Draft { naming: naming(&content), content, secret: None }, token })
}

/// Kind and size of the pair, which the public key's template says.
fn pair_algorithm(key: PairKind, public: &Checked<'_>) -> Result<KeyAlgorithm, Rv> {
    if key == PairKind::Rsa {
        return rsa(public);
    }
    let params = public.required(CKA_EC_PARAMS)?;
    match key {
        PairKind::Edwards => ec::edwards(params).map(|_| KeyAlgorithm::Ed25519),
        PairKind::Montgomery => ec::montgomery(params).map(|_| KeyAlgorithm::X25519),
        _ => ec::curve(params).map(KeyAlgorithm::Ec),
    }
}

fn rsa(given: &Checked<'_>) -> Result<KeyAlgorithm, Rv> {
    let bits = given.ulong(CKA_MODULUS_BITS).ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
    match u32::try_from(bits) {
        // Smaller ones are only verified with (see `docs/deviations.md`).
        Ok(bits) if !RSA_BITS.contains(&bits) => Err(Rv(CKR_KEY_SIZE_RANGE)),
        Ok(bits) if bits.is_multiple_of(256) => Ok(KeyAlgorithm::Rsa { bits }),
        Ok(_) => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        Err(_) => Err(Rv(CKR_KEY_SIZE_RANGE)),
    }
}

/// The exponent that was asked for, if it is another than the one everybody uses.
fn public_exponent(given: &Checked<'_>) -> Result<Option<Vec<u8>>, Rv> {
    let Some(exponent) = given.filled(CKA_PUBLIC_EXPONENT).map(material::trimmed) else { return Ok(None) };
    match exponent {
        [1, 0, 1] => Ok(None),
        [] | [1] => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        [.., last] if last % 2 == 0 => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        other => Ok(Some(other.to_vec())),
    }
}
