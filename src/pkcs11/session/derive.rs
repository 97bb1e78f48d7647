//! Deriving keys through a session (PKCS#11 v3.2 §5.18.5).
//!
//! What may be known of a derived key is its own template's matter (§6.3.17, §6.62.3), but nothing that is derived is so
//! short that it would tell a well guarded base key piece by piece. Whoever makes a base key rules with
//! `CKA_DERIVE_TEMPLATE` what its offspring may be.

use std::sync::Arc;

use cryptoki_sys::*;

use super::Session;
use super::wrap::check_login_per_use;
use crate::crypto::{self, CryptoError, Kdf, KeyAlgorithm};
use crate::pkcs11::ec;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{self, DerivePlan, Hkdf, Request, Salt};
use crate::pkcs11::object::Guard;
use crate::pkcs11::template::{Expected, Template, check_generic_len, for_derived_data};
use crate::vault::{Class, Object, SecretBytes, UsableKey, Usage, VaultError};

/// Bytes that at least are derived from a key that isn't shown: what can be tried out one by one is as good as shown.
const SHORTEST_FROM_HIDDEN: usize = 14;

/// What a key is derived from: its base key, and for HKDF a second one that gives the salt. Whatever guards either of them
/// counts, for with the roles exchanged HKDF computes the same.
struct Sources {
    base: Arc<Object>,
    salt: Option<Arc<Object>>,
}

impl Session {
    /// `C_DeriveKey`.
    pub fn derive_key(
        &self,
        mechanism: Request<'_>,
        base_key: CK_OBJECT_HANDLE,
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (base, algorithm) = self.slot.key_for(mechanism.number, base_key, Usage::DERIVE)?;
        let plan = mechanism.derive_plan(algorithm)?;
        check_login_per_use(&base)?;
        match plan {
            DerivePlan::Agreement { kdf, public } => {
                expect_class(&base, Class::PrivateKey)?;
                self.agree(Sources { base, salt: None }, algorithm, kdf, public, template)
            }
            DerivePlan::HkdfKey(hkdf) => {
                let sources = self.hkdf_sources(mechanism.number, base, &hkdf)?;
                self.derive_by_hkdf(&sources, &hkdf, template)
            }
            DerivePlan::HkdfData(hkdf) => {
                let sources = self.hkdf_sources(mechanism.number, base, &hkdf)?;
                self.derive_data(&sources, &hkdf, template)
            }
        }
    }

    fn agree(
        &self,
        sources: Sources,
        algorithm: KeyAlgorithm,
        kdf: Kdf<'_>,
        public: &[u8],
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let expected = self.expected(&sources, template)?;
        let peer = match algorithm {
            KeyAlgorithm::Ec(curve) => ec::point(curve, public),
            _ => ec::point_25519(public),
        };
        let peer = peer.map_err(|_| Rv(CKR_MECHANISM_PARAM_INVALID))?;
        let agreed = algorithm.agreement_len();
        let len = match (kdf, expected.value_len()?) {
            (Kdf::None, Some(len)) if len > agreed => return Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
            (_, Some(len)) => len,
            (Kdf::None, None) => longest(&expected, agreed),
            // A derivation function gives as much as it is asked for.
            (Kdf::X963 { .. }, None) => return Err(Rv(CKR_TEMPLATE_INCOMPLETE)),
        };
        sources.check_len(&expected, len)?;
        let key = self.slot.private_key(&sources.base)?;
        let secret = key.agree(peer).map_err(|error| match error {
            VaultError::Crypto(CryptoError::KeyInvalid(_)) => Rv(CKR_MECHANISM_PARAM_INVALID),
            other => Rv::at_init(other),
        })?;
        let value = kdf.derive(&secret, len).map_err(wrong_length)?;
        self.store(expected.derived(value, sources.guard())?)
    }

    fn derive_by_hkdf(
        &self,
        sources: &Sources,
        hkdf: &Hkdf<'_>,
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let expected = self.expected(sources, template)?;
        let len = hkdf_len(hkdf, expected.value_len()?)?;
        sources.check_len(&expected, len)?;
        self.store(expected.derived(self.hkdf(sources, hkdf, len)?, sources.guard())?)
    }

    /// What a data object holds can be read, so it is made only of what can be read itself.
    fn derive_data(&self, sources: &Sources, hkdf: &Hkdf<'_>, template: &Template<'_>) -> Result<CK_OBJECT_HANDLE, Rv> {
        if sources.is_hidden() {
            return Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        }
        let (new, len) = for_derived_data(template, &sources.templates(), &self.slot.rules())?;
        let len = hkdf_len(hkdf, len)?;
        check_generic_len(len)?;
        let (token, private) = new.place();
        self.check_write(token, private)?;
        self.store(new.with_value(self.hkdf(sources, hkdf, len)?))
    }

    /// RFC 5869 §2.
    fn hkdf(&self, sources: &Sources, hkdf: &Hkdf<'_>, len: usize) -> Result<SecretBytes, Rv> {
        let base = self.slot.secret_key(&sources.base)?;
        let base = base.usable().and_then(UsableKey::here).map_err(Rv::at_init)?.value()?;
        if !hkdf.extract {
            return crypto::hkdf_expand(hkdf.digest, base, hkdf.info, len).map_err(wrong_length);
        }
        let extracted = match (&sources.salt, hkdf.salt) {
            (Some(salt), _) => {
                let salt = self.slot.secret_key(salt)?;
                let salt = salt.usable().and_then(UsableKey::here).map_err(Rv::at_init)?.value()?;
                crypto::hkdf_extract(hkdf.digest, salt, base)?
            }
            (None, Salt::Data(salt)) => crypto::hkdf_extract(hkdf.digest, salt, base)?,
            // As good as zeros: HMAC fills its key up with them.
            (None, _) => crypto::hkdf_extract(hkdf.digest, &[], base)?,
        };
        if !hkdf.expand {
            return Ok(extracted);
        }
        crypto::hkdf_expand(hkdf.digest, extracted.expose(), hkdf.info, len).map_err(wrong_length)
    }

    /// A salt that is a key is used like the base key, and has to be one that may be.
    fn hkdf_sources(&self, mechanism: CK_MECHANISM_TYPE, base: Arc<Object>, hkdf: &Hkdf<'_>) -> Result<Sources, Rv> {
        expect_class(&base, Class::SecretKey)?;
        let Salt::Key(handle) = hkdf.salt else { return Ok(Sources { base, salt: None }) };
        let (salt, algorithm) = self.slot.key_for(mechanism, handle, Usage::DERIVE)?;
        mechanism::find(mechanism)?.check_key(CKF_DERIVE, algorithm)?;
        expect_class(&salt, Class::SecretKey)?;
        Ok(Sources { base, salt: Some(salt) })
    }

    fn expected<'a>(&self, sources: &'a Sources, template: &Template<'a>) -> Result<Expected<'a>, Rv> {
        let expected = Expected::from_derive(template, &sources.templates(), &self.slot.rules())?;
        let (token, private) = expected.place();
        self.check_write(token, private)?;
        Ok(expected)
    }
}

impl Sources {
    /// The base key's: PKCS#11 v3.2 §6.62.3 doesn't let the salt count for what has always been so.
    fn guard(&self) -> Guard {
        Guard::of(&self.base.content)
    }

    /// Whether one of them isn't shown.
    fn is_hidden(&self) -> bool {
        self.all().any(|key| Guard::of(&key.content).hides())
    }

    /// Each one's `CKA_DERIVE_TEMPLATE`.
    fn templates(&self) -> Vec<&[u8]> {
        self.all().filter_map(|key| key.content.attributes.get(&CKA_DERIVE_TEMPLATE)).map(|flat| &**flat).collect()
    }

    /// Fails, before they are used, if no key of this length is made of them.
    fn check_len(&self, expected: &Expected<'_>, len: usize) -> Result<(), Rv> {
        expected.algorithm(len)?;
        if len < SHORTEST_FROM_HIDDEN && self.is_hidden() { Err(Rv(CKR_KEY_SIZE_RANGE)) } else { Ok(()) }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        [&self.base].into_iter().chain(&self.salt)
    }
}

fn expect_class(key: &Object, class: Class) -> Result<(), Rv> {
    if key.content.class == class { Ok(()) } else { Err(Rv(CKR_KEY_TYPE_INCONSISTENT)) }
}

/// As long as what was agreed on, for a key type that takes any length; the longest AES key that fits.
fn longest(expected: &Expected<'_>, agreed: usize) -> usize {
    match agreed {
        24..32 if expected.is_aes() => 24,
        32.. if expected.is_aes() => 32,
        other => other,
    }
}

/// The first stage alone gives as much as the hash does; the second has to be told.
fn hkdf_len(hkdf: &Hkdf<'_>, asked: Option<usize>) -> Result<usize, Rv> {
    match asked {
        Some(len) if hkdf.expand || len == hkdf.digest.len() => Ok(len),
        Some(_) => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        None if hkdf.expand => Err(Rv(CKR_TEMPLATE_INCOMPLETE)),
        None => Ok(hkdf.digest.len()),
    }
}

/// The one parameter that isn't checked before is how much is asked for.
fn wrong_length(error: CryptoError) -> Rv {
    match error {
        CryptoError::ParametersInvalid => Rv(CKR_ATTRIBUTE_VALUE_INVALID),
        other => other.into(),
    }
}
