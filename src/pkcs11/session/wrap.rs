//! Wrapping and unwrapping keys through a session (PKCS#11 v3.2 §5.18.3, §5.18.4).
//!
//! What leaves is a secret key's value or a private key's PKCS#8, encrypted, and only of a key that says it may. The key
//! that comes in was outside, and is treated so whatever its template says.

use std::borrow::Cow;
use std::sync::Arc;

use cryptoki_sys::*;

use super::Session;
use crate::crypto::{
    self, CipherScheme, CryptoError, Direction, EncryptScheme, KeyAlgorithm, KeyWrapScheme, SecretBytes,
};
use crate::pkcs11::abi::Output;
use crate::pkcs11::attribute::{MAX_LEN, array};
use crate::pkcs11::error::Rv;
use crate::pkcs11::find;
use crate::pkcs11::mechanism::{Request, TransformPlan};
use crate::pkcs11::object::{self, Guard};
use crate::pkcs11::operation::Step;
use crate::pkcs11::slot::session_objects::is_session_object;
use crate::pkcs11::template::{Expected, Template};
use crate::vault::{Ability, Class, Matter, Object, UsableKey, Usage, VaultError};

impl Session {
    /// `C_WrapKey`.
    pub fn wrap_key(
        &self,
        mechanism: Request<'_>,
        wrapping_key: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
        out: &mut Output<'_>,
    ) -> Result<Step, Rv> {
        // What another process took from either of them (that it leaves, that the other is trusted) counts from now on.
        if [wrapping_key, key].iter().any(|handle| !is_session_object(*handle)) {
            self.slot.vault.refresh()?;
        }
        let found = self.slot.key_for(mechanism.number, wrapping_key, Usage::WRAP).map_err(of_wrapping_key)?;
        let (wrapping_key, algorithm) = found;
        let plan = mechanism.transform_plan(CKF_WRAP, algorithm).map_err(of_wrapping_key)?;
        check_class(&wrapping_key, &plan, Class::PublicKey).map_err(of_wrapping_key)?;
        self.expect_offered(&wrapping_key, &plan, Direction::Encrypt)?;
        let key = self.key_to_wrap(&wrapping_key, &plan, key)?;
        let value = self.secret(&key).map_err(|error| of_key_to_wrap(error.into()))?;
        // The length is the same each time, so it may be asked, and found too short, by wrapping for nothing; but of a vault
        // elsewhere that is a request.
        if let TransformPlan::KeyWrap(scheme) = &plan
            && !is_session_object(wrapping_key.number)
            && let UsableKey::There(_) = self.slot.secret_key(&wrapping_key).map_err(of_wrapping_key)?.usable()?
            && out.room(wrapped_len(scheme, value.len()))?.is_none()
        {
            return Ok(Step::Pending);
        }
        out.give(&self.wrap(&wrapping_key, &plan, &value)?)
    }

    /// Whether the vault of the key that wraps or unwraps does it so.
    fn expect_offered(&self, key: &Object, plan: &TransformPlan<'_>, direction: Direction) -> Result<(), Rv> {
        let ability = match *plan {
            TransformPlan::Rsa(scheme) | TransformPlan::RsaAes { oaep: scheme, .. } => match direction {
                Direction::Encrypt => return Ok(()),
                Direction::Decrypt => Ability::Decrypt(scheme),
            },
            TransformPlan::KeyWrap(scheme) => Ability::KeyWrap(scheme, Matter::Key),
            TransformPlan::Cipher(scheme) => Ability::Cipher(scheme, direction, Matter::Key),
        };
        self.slot.expect_offered(key, &ability)
    }

    /// The key with this handle, if it may be wrapped so.
    fn key_to_wrap(
        &self,
        wrapping_key: &Object,
        plan: &TransformPlan<'_>,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<Arc<Object>, Rv> {
        let key = self.slot.object(handle).map_err(of_key_to_wrap)?;
        match (key.content.class, plan) {
            // Too long for anything else than a key between them, and none of PKCS#11's (§6.1.6, §6.1.8).
            (Class::PrivateKey, TransformPlan::Rsa(_)) => return Err(Rv(CKR_KEY_NOT_WRAPPABLE)),
            (Class::PrivateKey | Class::SecretKey, _) => {}
            (Class::PublicKey, _) => return Err(Rv(CKR_KEY_NOT_WRAPPABLE)),
            _ => return Err(Rv(CKR_KEY_HANDLE_INVALID)),
        }
        if !Guard::of(&key.content).extractable {
            return Err(Rv(CKR_KEY_UNEXTRACTABLE));
        }
        let needs_trust = object::is_set(&key.content, CKA_WRAP_WITH_TRUSTED);
        if needs_trust && !object::is_set(&wrapping_key.content, CKA_TRUSTED) {
            return Err(Rv(CKR_KEY_NOT_WRAPPABLE));
        }
        let wanted = wrapping_key.content.attributes.get(&CKA_WRAP_TEMPLATE).map_or(&[][..], |flat| flat);
        let token = !is_session_object(key.number);
        if array::decode(wanted)?.into_iter().any(|(attribute, value)| !find::has(&key, token, attribute, value)) {
            return Err(Rv(CKR_KEY_HANDLE_INVALID));
        }
        self.slot.check_usable(&key).map_err(of_key_to_wrap)?;
        Ok(key)
    }

    fn wrap(&self, wrapping_key: &Object, plan: &TransformPlan<'_>, value: &SecretBytes) -> Result<Vec<u8>, Rv> {
        if let TransformPlan::Rsa(scheme) = plan {
            return self.encrypt(wrapping_key, scheme, value.expose());
        }
        if let TransformPlan::RsaAes { aes_bits, oaep } = plan {
            let between = SecretBytes::filled(*aes_bits as usize / 8, crypto::random)?;
            let mut wrapped = self.encrypt(wrapping_key, oaep, between.expose())?;
            wrapped.extend(aes(between)?.wrap(&KWP, value.expose()).map_err(cannot_wrap)?);
            return Ok(wrapped);
        }
        let key = self.slot.secret_key(wrapping_key).map_err(of_wrapping_key)?;
        let key = key.usable().map_err(|error| of_wrapping_key(Rv::at_init(error)))?;
        match plan {
            TransformPlan::KeyWrap(scheme) => match key {
                UsableKey::Here(key) => key.wrap(scheme, value.expose()).map_err(cannot_wrap),
                UsableKey::There(key) => key.wrap(scheme, value.expose()).map_err(|error| by_vault(error, cannot_wrap)),
            },
            TransformPlan::Cipher(scheme) => encipher(key.here()?, scheme, value.expose()).map_err(cannot_wrap),
            TransformPlan::Rsa(_) | TransformPlan::RsaAes { .. } => Err(Rv(CKR_FUNCTION_FAILED)),
        }
    }

    fn encrypt(&self, key: &Object, scheme: &EncryptScheme<'_>, value: &[u8]) -> Result<Vec<u8>, Rv> {
        let key = self.slot.public_keys.get(key).map_err(of_wrapping_key)?;
        // As much as it signs with: a modulus.
        let mut wrapped = vec![0; key.key.algorithm().signature_len()];
        let len = key.key.encrypt(scheme, value, &mut wrapped).map_err(cannot_wrap)?;
        wrapped.truncate(len);
        Ok(wrapped)
    }

    /// `C_UnwrapKey`.
    pub fn unwrap_key(
        &self,
        mechanism: Request<'_>,
        unwrapping_key: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let found = self.slot.key_for(mechanism.number, unwrapping_key, Usage::UNWRAP).map_err(of_unwrapping_key)?;
        let (unwrapping_key, algorithm) = found;
        let plan = mechanism.transform_plan(CKF_UNWRAP, algorithm).map_err(of_unwrapping_key)?;
        check_class(&unwrapping_key, &plan, Class::PrivateKey).map_err(of_unwrapping_key)?;
        self.expect_offered(&unwrapping_key, &plan, Direction::Decrypt)?;
        check_login_per_use(&unwrapping_key)?;
        let imposed = imposed_template(&unwrapping_key);
        let expected = Expected::from_unwrap(template, &imposed, &self.slot.rules())?;
        if expected.class() == Class::PrivateKey && matches!(plan, TransformPlan::Rsa(_)) {
            return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
        }
        if wrapped.len() > LONGEST_WRAPPED {
            return Err(Rv(CKR_WRAPPED_KEY_LEN_RANGE));
        }
        let (token, private) = expected.place();
        self.check_write(token, private)?;
        // Before the key is here that could then not be kept.
        if token && expected.is_extractable() && !self.slot.vault.offers(&Ability::Export) {
            return Err(VaultError::Unsupported("a key whose value may leave (CKA_EXTRACTABLE)").into());
        }
        self.store(expected.unwrapped(self.unwrap(&unwrapping_key, &plan, wrapped)?)?)
    }

    fn unwrap(&self, unwrapping_key: &Object, plan: &TransformPlan<'_>, wrapped: &[u8]) -> Result<SecretBytes, Rv> {
        if let TransformPlan::Rsa(scheme) = plan {
            return self.decrypt(unwrapping_key, scheme, wrapped);
        }
        if let TransformPlan::RsaAes { aes_bits, oaep } = plan {
            let (between, wrapped) = wrapped
                .split_at_checked(algorithm(unwrapping_key)?.signature_len())
                .ok_or(Rv(CKR_WRAPPED_KEY_LEN_RANGE))?;
            let between = self.decrypt(unwrapping_key, oaep, between)?;
            if between.len() != *aes_bits as usize / 8 {
                return Err(Rv(CKR_WRAPPED_KEY_INVALID));
            }
            return aes(between)?.unwrap(&KWP, wrapped).map_err(cannot_unwrap);
        }
        let key = self.slot.secret_key(unwrapping_key).map_err(of_unwrapping_key)?;
        let key = key.usable().map_err(|error| of_unwrapping_key(Rv::at_init(error)))?;
        match plan {
            TransformPlan::KeyWrap(scheme) => match key {
                UsableKey::Here(key) => key.unwrap(scheme, wrapped).map_err(cannot_unwrap),
                UsableKey::There(key) => key.unwrap(scheme, wrapped).map_err(|error| by_vault(error, cannot_unwrap)),
            },
            TransformPlan::Cipher(scheme) => decipher(key.here()?, scheme, wrapped).map_err(cannot_unwrap),
            TransformPlan::Rsa(_) | TransformPlan::RsaAes { .. } => Err(Rv(CKR_FUNCTION_FAILED)),
        }
    }

    fn decrypt(&self, key: &Object, scheme: &EncryptScheme<'_>, wrapped: &[u8]) -> Result<SecretBytes, Rv> {
        let room = scheme.decrypted_len(algorithm(key)?);
        let key = self.slot.private_key(key).map_err(of_unwrapping_key)?;
        let mut len = 0;
        let padded = SecretBytes::filled(room, |out| {
            len = key.unwrap(scheme, wrapped, out).map_err(|error| match error {
                VaultError::Crypto(error) => cannot_unwrap(error),
                other => of_unwrapping_key(Rv::at_init(other)),
            })?;
            Ok::<_, Rv>(())
        })?;
        Ok(SecretBytes::from_slice(&padded.expose()[..len]))
    }
}

/// Fails for a key that asks for the PIN at each use (PKCS#11 v3.2 §4.10): between the arguments of one call there is
/// no moment in which it could be given.
pub(super) fn check_login_per_use(key: &Object) -> Result<(), Rv> {
    if object::asks_for_pin(&key.content) { Err(Rv(CKR_USER_NOT_LOGGED_IN)) } else { Ok(()) }
}

/// The unwrapping key's `CKA_UNWRAP_TEMPLATE`. Without one, what a trusted key let out doesn't come back open to all.
fn imposed_template(unwrapping_key: &Object) -> Cow<'_, [u8]> {
    match unwrapping_key.content.attributes.get(&CKA_UNWRAP_TEMPLATE) {
        Some(flat) if !flat.is_empty() => Cow::Borrowed(flat),
        _ if object::is_set(&unwrapping_key.content, CKA_TRUSTED) => {
            array::encode(&[(CKA_SENSITIVE, &[CK_TRUE]), (CKA_WRAP_WITH_TRUSTED, &[CK_TRUE])]).into()
        }
        _ => Cow::Borrowed(&[]),
    }
}

/// RSA wraps with one half of a pair and unwraps with the other, everything else with one secret key.
fn check_class(key: &Object, plan: &TransformPlan<'_>, half: Class) -> Result<(), Rv> {
    let wanted = match plan {
        TransformPlan::Rsa(_) | TransformPlan::RsaAes { .. } => half,
        TransformPlan::Cipher(_) | TransformPlan::KeyWrap(_) => Class::SecretKey,
    };
    if key.content.class == wanted { Ok(()) } else { Err(Rv(CKR_KEY_TYPE_INCONSISTENT)) }
}

fn encipher(key: &crypto::SecretKey, scheme: &CipherScheme<'_>, value: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut cipher = key.cipher(scheme, Direction::Encrypt)?;
    let mut wrapped = vec![0; cipher.whole_len(value.len())];
    let len = cipher.whole(value, &mut wrapped)?;
    wrapped.truncate(len);
    Ok(wrapped)
}

fn decipher(key: &crypto::SecretKey, scheme: &CipherScheme<'_>, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
    let mut cipher = key.cipher(scheme, Direction::Decrypt)?;
    let mut len = 0;
    let padded = SecretBytes::filled(cipher.whole_len(wrapped.len()), |out| {
        len = cipher.whole(wrapped, out)?;
        Ok::<_, CryptoError>(())
    })?;
    Ok(SecretBytes::from_slice(&padded.expose()[..len]))
}

fn aes(value: SecretBytes) -> Result<crypto::SecretKey, Rv> {
    Ok(crypto::SecretKey::new(KeyAlgorithm::Aes { bits: 8 * value.len() as u32 }, value)?)
}

fn algorithm(key: &Object) -> Result<KeyAlgorithm, Rv> {
    key.content.key.as_ref().map(|key| key.algorithm).ok_or(Rv(CKR_KEY_TYPE_INCONSISTENT))
}

/// What a vault says that has the key: what is wrong with the bytes has the same words as here.
fn by_vault(error: VaultError, of_bytes: fn(CryptoError) -> Rv) -> Rv {
    match error {
        VaultError::Crypto(error) => of_bytes(error),
        other => Rv::at_use(other),
    }
}

/// How long a key of this length is when it is wrapped: whole 8 bytes, and 8 more.
fn wrapped_len(scheme: &KeyWrapScheme, len: usize) -> usize {
    match scheme {
        KeyWrapScheme::AesKw { .. } | KeyWrapScheme::AesKwp { .. } => len.next_multiple_of(8) + 8,
        KeyWrapScheme::AesKwPkcs7 { .. } => (len + 1).next_multiple_of(8) + 8,
    }
}

fn cannot_wrap(error: CryptoError) -> Rv {
    match error {
        CryptoError::InputLength => Rv(CKR_KEY_SIZE_RANGE),
        other => other.into(),
    }
}

fn cannot_unwrap(error: CryptoError) -> Rv {
    match error {
        CryptoError::InputLength => Rv(CKR_WRAPPED_KEY_LEN_RANGE),
        CryptoError::CiphertextInvalid => Rv(CKR_WRAPPED_KEY_INVALID),
        other => other.into(),
    }
}

/// The words that `C_WrapKey` has for what is wrong with the wrapping key.
fn of_wrapping_key(rv: Rv) -> Rv {
    Rv(match rv.0 {
        CKR_KEY_HANDLE_INVALID => CKR_WRAPPING_KEY_HANDLE_INVALID,
        CKR_KEY_TYPE_INCONSISTENT => CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
        CKR_KEY_SIZE_RANGE => CKR_WRAPPING_KEY_SIZE_RANGE,
        other => other,
    })
}

/// The words that `C_UnwrapKey` has for what is wrong with the unwrapping key.
fn of_unwrapping_key(rv: Rv) -> Rv {
    Rv(match rv.0 {
        CKR_KEY_HANDLE_INVALID => CKR_UNWRAPPING_KEY_HANDLE_INVALID,
        CKR_KEY_TYPE_INCONSISTENT => CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
        CKR_KEY_SIZE_RANGE => CKR_UNWRAPPING_KEY_SIZE_RANGE,
        other => other,
    })
}

/// The words that `C_WrapKey` has for what is wrong with the key that is to be wrapped.
fn of_key_to_wrap(rv: Rv) -> Rv {
    Rv(match rv.0 {
        CKR_OBJECT_HANDLE_INVALID => CKR_KEY_HANDLE_INVALID,
        CKR_ACTION_PROHIBITED => CKR_KEY_NOT_WRAPPABLE,
        other => other,
    })
}

/// Bytes of a wrapped key: more than of any value that is kept.
const LONGEST_WRAPPED: usize = 2 * MAX_LEN;

/// With which the second half of `CKM_RSA_AES_KEY_WRAP` is made (PKCS#11 v3.2 §6.1.19).
const KWP: KeyWrapScheme = KeyWrapScheme::AesKwp { iv: None };
