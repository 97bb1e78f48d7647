//! Keys that may leave only wrapped: under an AES key of ours that lives in the token's session and is unwrapped here.

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as Failure, Result, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use cryptoki_sys::*;
use zeroize::Zeroize;

use super::super::found::Found;
use super::short;
use crate::certificate::private_key::{encoded_len, unsupported_kind};
use crate::crypto::{
    self, CipherScheme, CryptoError, Direction, KeyAlgorithm, KeyWrapScheme, PrivateKey, PrivateParts, SecretBytes,
    SecretKey,
};
use crate::vault::Class;

/// The wrapping key, made when the first key needs it.
pub(super) struct Wrapping<'a> {
    library: &'a Pkcs11,
    session: &'a Session,
    slot: Slot,
    made: Option<std::result::Result<Made, String>>,
}

struct Made {
    handle: ObjectHandle,
    key: SecretKey,
    way: Way,
}

/// How the token wraps. Both know keys of any length.
#[derive(Clone, Copy)]
enum Way {
    /// `CKM_AES_KEY_WRAP_PAD` as RFC 5649 has it, and as some tokens had it before v3.0: RFC 3394 over PKCS#7 padding.
    KeyWrapPad,
    /// `CKM_AES_CBC_PAD`.
    CbcPad,
}

/// Whether a key came out.
pub(super) enum Unwrapped {
    Complete,
    Refused(String),
}

impl<'a> Wrapping<'a> {
    pub(super) fn new(library: &'a Pkcs11, session: &'a Session, slot: Slot) -> Self {
        Self { library, session, slot, made: None }
    }

    /// Adds what is hidden of `object` to it.
    pub(super) fn value_of(&mut self, handle: ObjectHandle, object: &mut Found) -> Result<Unwrapped> {
        if self.made.is_none() {
            self.made = Some(self.make()?);
        }
        let made = match &self.made {
            Some(Ok(made)) => made,
            Some(Err(reason)) => return Ok(Unwrapped::Refused(reason.clone())),
            None => return Err(Failure::InvalidValue),
        };
        let mut iv = [0; 16];
        crypto::random(&mut iv).map_err(|_| Failure::InvalidValue)?;
        let mechanism = match made.way {
            Way::KeyWrapPad => Mechanism::AesKeyWrapPad,
            Way::CbcPad => Mechanism::AesCbcPad(iv),
        };
        let wrapped = match self.session.wrap_key(&mechanism, made.handle, handle) {
            Ok(wrapped) => wrapped,
            Err(error) if is_about_the_key(&error) => {
                return Ok(Unwrapped::Refused(format!("the token refused to wrap it ({})", short(&error))));
            }
            Err(error) => return Err(error),
        };
        Ok(match made.unwrap(&wrapped, iv).and_then(|value| add(object, &value)) {
            Ok(()) => Unwrapped::Complete,
            Err(reason) => Unwrapped::Refused(reason),
        })
    }

    /// Takes the wrapping key off the token.
    pub(super) fn end(self) -> Result<()> {
        match self.made {
            Some(Ok(made)) => self.session.destroy_object(made.handle),
            _ => Ok(()),
        }
    }

    fn make(&self) -> Result<std::result::Result<Made, String>> {
        let offered = self.library.get_mechanism_list(self.slot)?;
        let ways = [(MechanismType::AES_KEY_WRAP_PAD, Way::KeyWrapPad), (MechanismType::AES_CBC_PAD, Way::CbcPad)];
        let wraps = |mechanism: MechanismType| {
            offered.contains(&mechanism)
                && self.library.get_mechanism_info(self.slot, mechanism).is_ok_and(|about| about.wrap())
        };
        let Some((_, way)) = ways.into_iter().find(|(mechanism, _)| wraps(*mechanism)) else {
            return Ok(
                Err("the token has no mechanism to wrap it with (CKM_AES_KEY_WRAP_PAD, CKM_AES_CBC_PAD)".into()),
            );
        };
        match self.create().or_else(|error| if is_about_the_key(&error) { self.generate() } else { Err(error) }) {
            Ok((handle, value)) => Ok(SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, value)
                .map(|key| Made { handle, key, way })
                .map_err(|error| error.to_string())),
            Err(error) if is_about_the_key(&error) => {
                Ok(Err(format!("the token takes no key to wrap it with ({})", short(&error))))
            }
            Err(error) => Err(error),
        }
    }

    /// A key of our own making.
    fn create(&self) -> Result<(ObjectHandle, SecretBytes)> {
        let value = SecretBytes::filled(WRAPPING_KEY, crypto::random).map_err(|_| Failure::InvalidValue)?;
        let mut template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Wrap(true),
            Attribute::Value(value.expose().to_vec()),
        ];
        let handle = self.session.create_object(&template);
        template.iter_mut().for_each(wipe);
        Ok((handle?, value))
    }

    /// For tokens that take no values: a key of theirs that shows its value.
    fn generate(&self) -> Result<(ObjectHandle, SecretBytes)> {
        let handle = self.session.generate_key(
            &Mechanism::AesKeyGen,
            &[
                Attribute::Token(false),
                Attribute::Private(true),
                Attribute::Wrap(true),
                Attribute::Sensitive(false),
                Attribute::Extractable(true),
                Attribute::ValueLen((WRAPPING_KEY as CK_ULONG).into()),
            ],
        )?;
        let mut shown = self.session.get_attributes(handle, &[cryptoki::object::AttributeType::Value])?;
        let value = match shown.first() {
            Some(Attribute::Value(value)) => Some(SecretBytes::from_slice(value)),
            _ => None,
        };
        shown.iter_mut().for_each(wipe);
        match value {
            Some(value) => Ok((handle, value)),
            None => Err(Failure::Pkcs11(RvError::AttributeSensitive, cryptoki::context::Function::GetAttributeValue)),
        }
    }
}

impl Made {
    fn unwrap(&self, wrapped: &[u8], iv: [u8; 16]) -> std::result::Result<SecretBytes, String> {
        let value = match self.way {
            Way::KeyWrapPad => self
                .key
                .unwrap(&KeyWrapScheme::AesKwp { iv: None }, wrapped)
                .or_else(|_| self.key.unwrap(&KeyWrapScheme::AesKwPkcs7 { iv: None }, wrapped)),
            Way::CbcPad => self.decrypt(wrapped, iv),
        };
        value.map_err(|_| "what the token wrapped doesn't unwrap: its mechanism isn't the standard's".to_owned())
    }

    fn decrypt(&self, wrapped: &[u8], iv: [u8; 16]) -> std::result::Result<SecretBytes, CryptoError> {
        let mut cipher = self.key.cipher(&CipherScheme::AesCbcPad { iv }, Direction::Decrypt)?;
        let mut plain = zeroize::Zeroizing::new(vec![0; cipher.whole_len(wrapped.len())]);
        let len = cipher.whole(wrapped, &mut plain)?;
        Ok(SecretBytes::from_slice(&plain[..len]))
    }
}

/// Puts a value beside the attributes of its object: a secret key as it is, a private key taken apart.
fn add(object: &mut Found, value: &SecretBytes) -> std::result::Result<(), String> {
    if object.class() == Some(Class::SecretKey) {
        let len = object.number(CKA_VALUE_LEN).and_then(|len| usize::try_from(len).ok());
        object.set(CKA_VALUE, without_zeros(value.expose(), len));
        return Ok(());
    }
    let pkcs8 = without_zeros(value.expose(), encoded_len(value.expose()));
    if let Some(reason) = unsupported_kind(pkcs8) {
        return Err(reason.to_owned());
    }
    match PrivateKey::parts_from_pkcs8(pkcs8).map_err(|error| error.to_string())? {
        PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } => {
            agrees(object, CKA_KEY_TYPE, &CKK_RSA.to_ne_bytes())?;
            for (name, number) in [(CKA_MODULUS, &modulus), (CKA_PUBLIC_EXPONENT, &public_exponent)] {
                agrees(object, name, number)?;
                object.set(name, number);
            }
            object.set(CKA_PRIVATE_EXPONENT, private_exponent.expose());
            let names = [CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT];
            for (name, number) in names.into_iter().zip(primes.iter().flatten()) {
                object.set(name, number.expose());
            }
        }
        PrivateParts::Ec(curve, scalar) => {
            agrees(object, CKA_KEY_TYPE, &CKK_EC.to_ne_bytes())?;
            agrees(object, CKA_EC_PARAMS, curve.oid_der())?;
            object.set(CKA_EC_PARAMS, curve.oid_der());
            object.set(CKA_VALUE, scalar.expose());
        }
        PrivateParts::Ed25519(value) => {
            agrees(object, CKA_KEY_TYPE, &CKK_EC_EDWARDS.to_ne_bytes())?;
            object.set(CKA_VALUE, value.expose());
        }
        PrivateParts::X25519(value) => {
            agrees(object, CKA_KEY_TYPE, &CKK_EC_MONTGOMERY.to_ne_bytes())?;
            object.set(CKA_VALUE, value.expose());
        }
    }
    Ok(())
}

/// What the token shows of a key must be true of what it wrapped. Numbers may begin with zeros.
fn agrees(object: &Found, attribute: CK_ATTRIBUTE_TYPE, unwrapped: &[u8]) -> std::result::Result<(), String> {
    let number = |value: &[u8]| {
        let zeros = value.iter().take_while(|byte| **byte == 0).count();
        value[zeros..].to_vec()
    };
    match object.get(attribute).filter(|shown| !shown.is_empty()) {
        Some(shown) if number(shown) != number(unwrapped) => {
            Err("what the token wrapped is another key than the one that it shows".to_owned())
        }
        _ => Ok(()),
    }
}

/// A value that the crate had in ordinary memory.
fn wipe(attribute: &mut Attribute) {
    if let Attribute::Value(value) = attribute {
        value.zeroize();
    }
}

/// SoftHSM 2 fills a key up with zeros to whole blocks before it wraps it, though the mechanism does so by itself.
fn without_zeros(value: &[u8], len: Option<usize>) -> &[u8] {
    match len.and_then(|len| value.split_at_checked(len)) {
        Some((own, filling)) if filling.iter().all(|byte| *byte == 0) => own,
        _ => value,
    }
}

/// Whether a token refused this, and not everything.
fn is_about_the_key(error: &Failure) -> bool {
    matches!(
        error,
        Failure::NotSupported
            | Failure::NullFunctionPointer
            | Failure::Pkcs11(
                RvError::KeyUnextractable
                    | RvError::KeyNotWrappable
                    | RvError::KeySizeRange
                    | RvError::KeyHandleInvalid
                    | RvError::KeyTypeInconsistent
                    | RvError::KeyFunctionNotPermitted
                    | RvError::KeyNeeded
                    | RvError::WrappingKeyHandleInvalid
                    | RvError::WrappingKeySizeRange
                    | RvError::WrappingKeyTypeInconsistent
                    | RvError::MechanismInvalid
                    | RvError::MechanismParamInvalid
                    | RvError::ActionProhibited
                    | RvError::AttributeReadOnly
                    | RvError::AttributeSensitive
                    | RvError::AttributeTypeInvalid
                    | RvError::AttributeValueInvalid
                    | RvError::TemplateIncomplete
                    | RvError::TemplateInconsistent
                    | RvError::FunctionNotSupported
                    | RvError::FunctionRejected
                    | RvError::GeneralError
                    | RvError::FunctionFailed,
                _
            )
    )
}

const WRAPPING_KEY: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(attributes: &[(CK_ATTRIBUTE_TYPE, &[u8])]) -> Found {
        let mut found = Found::default();
        found.set(CKA_CLASS, &CKO_PRIVATE_KEY.to_ne_bytes());
        attributes.iter().for_each(|(number, value)| found.set(*number, value));
        found
    }

    #[test]
    fn what_the_token_shows_of_a_key_is_held_against_what_it_wrapped() {
        let (rsa, pkcs8) = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).unwrap();
        let PrivateParts::Rsa { modulus, .. } = PrivateKey::parts_from_pkcs8(pkcs8.expose()).unwrap() else {
            panic!("{:?} is no RSA key", rsa.algorithm());
        };
        let kind = CKK_RSA.to_ne_bytes();
        let mut same = shown(&[(CKA_KEY_TYPE, &kind), (CKA_MODULUS, &[&[0][..], &modulus].concat())]);
        add(&mut same, &pkcs8).unwrap();
        assert!(same.get(CKA_PRIVATE_EXPONENT).is_some());
        let mut other = modulus.clone();
        other[100] ^= 1;
        let mut other = shown(&[(CKA_KEY_TYPE, &kind), (CKA_MODULUS, &other)]);
        assert!(add(&mut other, &pkcs8).unwrap_err().contains("another key"));
        let (_, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(crypto::Curve::P256)).unwrap();
        assert!(add(&mut shown(&[(CKA_KEY_TYPE, &kind)]), &pkcs8).unwrap_err().contains("another key"));
        let kind = CKK_EC.to_ne_bytes();
        let p384 = crypto::Curve::P384.oid_der();
        assert!(add(&mut shown(&[(CKA_KEY_TYPE, &kind), (CKA_EC_PARAMS, p384)]), &pkcs8).is_err());
        add(&mut shown(&[(CKA_KEY_TYPE, &kind)]), &pkcs8).unwrap();
    }
}
