//! Keys for an operation: the checks that `C_*Init` functions share, private keys of the vault and of sessions, and the
//! parsed public keys.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use cryptoki_sys::*;

use super::Slot;
use super::session_objects::{is_session_object, now};
use crate::crypto::PublicKey;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Mechanism;
use crate::pkcs11::object;
use crate::vault::{
    Ability, Class, Content, KeyAlgorithm, Object, ObjectNumber, PrivateKey, SecretKey, Usage, VaultError,
};

impl Slot {
    /// The key with this handle, if it may be used so and with this mechanism.
    pub fn key_for(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        handle: CK_OBJECT_HANDLE,
        usage: Usage,
    ) -> Result<(Arc<Object>, KeyAlgorithm), Rv> {
        let mechanism = self.mechanisms.find_for(mechanism, flag(usage))?;
        let object = self.object(handle).map_err(|rv| match rv {
            Rv(CKR_OBJECT_HANDLE_INVALID) => Rv(CKR_KEY_HANDLE_INVALID),
            other => other,
        })?;
        let algorithm = check_key(&object.content, mechanism, usage)?;
        Ok((object, algorithm))
    }

    /// The private key of this object, ready to sign.
    pub fn private_key(&self, object: &Object) -> Result<Arc<dyn PrivateKey>, Rv> {
        if is_session_object(object.number) {
            return self.objects.load().private_key(object.number).ok_or(Rv(CKR_KEY_HANDLE_INVALID));
        }
        self.vault.private_key(object.number).map_err(Rv::at_init)
    }

    /// The secret key of this object, ready to use.
    pub fn secret_key(&self, object: &Object) -> Result<Arc<dyn SecretKey>, Rv> {
        if is_session_object(object.number) {
            return self.objects.load().secret_key(object.number).ok_or(Rv(CKR_KEY_HANDLE_INVALID));
        }
        self.vault.secret_key(object.number).map_err(Rv::at_init)
    }

    /// Fails with `CKR_MECHANISM_PARAM_INVALID` if the vault doesn't do this with its keys: the mechanism is one that it
    /// has, but not with these parameters.
    pub fn expect_offered(&self, object: &Object, ability: &Ability<'_>) -> Result<(), Rv> {
        if is_session_object(object.number) || self.vault.offers(ability) {
            return Ok(());
        }
        Err(Rv(CKR_MECHANISM_PARAM_INVALID))
    }

    /// Fails if this is a key with a secret part that is disabled, deleted or not valid now. Of a private key on the
    /// token the vault itself is asked, which knows what other processes did in this moment; of a secret key it is asked
    /// when its value is fetched.
    pub fn check_usable(&self, object: &Object) -> Result<(), Rv> {
        let content = &object.content;
        if !object.has_secret || content.class == Class::Data {
            return Ok(());
        }
        if !content.enabled {
            return Err(VaultError::Disabled.into());
        }
        Content::validity(content.not_before, content.expires, now())?;
        if content.class == Class::PrivateKey && !is_session_object(object.number) {
            self.vault.private_key(object.number)?;
        }
        Ok(())
    }
}

fn check_key(content: &Content, mechanism: &Mechanism, usage: Usage) -> Result<KeyAlgorithm, Rv> {
    let public = Usage::VERIFY | Usage::VERIFY_RECOVER | Usage::ENCRYPT | Usage::WRAP;
    match content.class {
        Class::SecretKey => {}
        Class::PublicKey if public.contains(usage) => {}
        Class::PrivateKey if !public.contains(usage) => {}
        Class::PublicKey | Class::PrivateKey => return Err(Rv(CKR_KEY_TYPE_INCONSISTENT)),
        _ => return Err(Rv(CKR_KEY_HANDLE_INVALID)),
    }
    let key = content.key.as_ref().ok_or(Rv(CKR_KEY_TYPE_INCONSISTENT))?;
    if !object::allows_mechanism(content, mechanism.number) {
        return Err(Rv(CKR_MECHANISM_INVALID));
    }
    if !content.usage.contains(usage) {
        // That the mechanism doesn't serve the function, or takes keys of another type, comes first (§5.1.6).
        mechanism.expect_flag(flag(usage))?;
        return mechanism.check_key_type(key.algorithm).and(Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)));
    }
    if !content.enabled {
        return Err(Rv::at_init(VaultError::Disabled));
    }
    Ok(key.algorithm)
}

/// The `CKF_*` of the mechanisms that serve it.
fn flag(usage: Usage) -> CK_FLAGS {
    const FLAGS: [(Usage, CK_FLAGS); 9] = [
        (Usage::ENCRYPT, CKF_ENCRYPT),
        (Usage::DECRYPT, CKF_DECRYPT),
        (Usage::SIGN, CKF_SIGN),
        (Usage::SIGN_RECOVER, CKF_SIGN_RECOVER),
        (Usage::VERIFY, CKF_VERIFY),
        (Usage::VERIFY_RECOVER, CKF_VERIFY_RECOVER),
        (Usage::WRAP, CKF_WRAP),
        (Usage::UNWRAP, CKF_UNWRAP),
        (Usage::DERIVE, CKF_DERIVE),
    ];
    FLAGS.iter().filter(|(known, _)| usage.contains(*known)).map(|(_, flag)| flag).sum()
}

/// A public key that was parsed and checked.
pub struct ParsedPublicKey {
    number: ObjectNumber,
    encoded: Arc<[u8]>,
    /// The key.
    pub key: PublicKey,
}

/// The last used public keys, each at the place that its number gives it. Read and replaced without locks.
pub struct PublicKeys([ArcSwapOption<ParsedPublicKey>; PLACES]);

const PLACES: usize = 64;

impl PublicKeys {
    /// None yet.
    pub fn new() -> Self {
        Self([const { ArcSwapOption::const_empty() }; PLACES])
    }

    /// The public key of this object.
    pub fn get(&self, object: &Object) -> Result<Arc<ParsedPublicKey>, Rv> {
        let encoded = &object.content.key.as_ref().ok_or(Rv(CKR_KEY_TYPE_INCONSISTENT))?.public;
        let place = &self.0[(object.number % PLACES as u64) as usize];
        if let Some(known) = &*place.load()
            && known.number == object.number
            && Arc::ptr_eq(&known.encoded, encoded)
        {
            return Ok(known.clone());
        }
        let key = PublicKey::from_spki(encoded).map_err(|error| Rv::at_init(error.into()))?;
        let parsed = Arc::new(ParsedPublicKey { number: object.number, encoded: encoded.clone(), key });
        place.store(Some(parsed.clone()));
        Ok(parsed)
    }
}

impl Default for PublicKeys {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Curve;
    use crate::vault::KeyDescription;

    fn signing_key() -> Content {
        let mut content = Content::new(Class::PrivateKey);
        content.usage = Usage::SIGN;
        content.key = Some(KeyDescription { algorithm: KeyAlgorithm::Ec(Curve::P256), public: Arc::new([]) });
        content
    }

    fn check(content: &Content) -> Result<KeyAlgorithm, Rv> {
        check_key(content, crate::pkcs11::mechanism::find(CKM_ECDSA)?, Usage::SIGN)
    }

    #[test]
    fn a_key_signs_only_with_the_mechanisms_that_it_lists() {
        let mut content = signing_key();
        assert!(check(&content).is_ok());
        content.attributes.insert(CKA_ALLOWED_MECHANISMS, CKM_ECDSA_SHA256.to_le_bytes().into());
        assert_eq!(check(&content), Err(Rv(CKR_MECHANISM_INVALID)));
        let both: Vec<u8> = [CKM_ECDSA_SHA256, CKM_ECDSA].iter().flat_map(|number| number.to_le_bytes()).collect();
        content.attributes.insert(CKA_ALLOWED_MECHANISMS, both.into());
        assert!(check(&content).is_ok());
    }

    #[test]
    fn a_key_without_the_usage_is_not_permitted_and_a_certificate_is_no_key() {
        let mut content = signing_key();
        content.usage = Usage::DECRYPT;
        assert_eq!(check(&content), Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)));
        assert_eq!(check(&Content::new(Class::PublicKey)), Err(Rv(CKR_KEY_TYPE_INCONSISTENT)));
        assert_eq!(check(&Content::new(Class::Certificate)), Err(Rv(CKR_KEY_HANDLE_INVALID)));
    }
}
