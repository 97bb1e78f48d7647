//! Deriving keys through a session (PKCS#11 v3.2 §5.18.5).
//!
//! What may be known of a derived key is its own template's matter (§6.3.17, §6.62.3), but nothing that is derived is so
//! short that it would tell a well guarded base key piece by piece. Whoever makes a base key rules with
//! `CKA_DERIVE_TEMPLATE` what its offspring may be.

use cryptoki_sys::*;

use super::Session;
use super::wrap::check_login_per_use;
use crate::crypto::{self, CryptoError, Kdf, KeyAlgorithm};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{DerivePlan, Hkdf, Request, Salt};
use crate::pkcs11::object::Guard;
use crate::pkcs11::template::{Expected, Template, for_derived_data};
use crate::pkcs11::{ec, template};
use crate::vault::{Class, Object, SecretBytes, Usage, VaultError};

/// Bytes that at least are derived from a key that isn't shown: what can be tried out one by one is as good as shown.
const SHORTEST_FROM_HIDDEN: usize = 14;

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
                self.agree(&base, algorithm, kdf, public, template)
            }
            DerivePlan::HkdfKey(hkdf) => {
                expect_hkdf_key(&base, algorithm)?;
                self.derive_by_hkdf(mechanism.number, &base, hkdf, template)
            }
            DerivePlan::HkdfData(hkdf) => {
                expect_hkdf_key(&base, algorithm)?;
                self.derive_data(mechanism.number, &base, hkdf, template)
            }
        }
    }

    fn agree(
        &self,
        base: &Object,
        algorithm: KeyAlgorithm,
        kdf: Kdf<'_>,
        public: &[u8],
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let expected = self.expected(base, template)?;
        let peer = match algorithm {
            KeyAlgorithm::Ec(curve) => ec::point(curve, public),
            _ => ec::point_25519(public),
        };
        let peer = peer.map_err(|_| Rv(CKR_MECHANISM_PARAM_INVALID))?;
        let len = match (kdf, expected.value_len()?) {
            (_, Some(len)) => len,
            (Kdf::None, None) => longest(&expected, algorithm.agreement_len()),
            // A derivation function gives as much as it is asked for.
            (Kdf::X963 { .. }, None) => return Err(Rv(CKR_TEMPLATE_INCOMPLETE)),
        };
        self.check_derived(&expected, base, len)?;
        if matches!(kdf, Kdf::None) && len > algorithm.agreement_len() {
            return Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID));
        }
        let secret = self.slot.private_key(base)?.agree(peer).map_err(|error| match error {
            VaultError::Crypto(CryptoError::KeyInvalid(_)) => Rv(CKR_MECHANISM_PARAM_INVALID),
            other => Rv::at_init(other),
        })?;
        let value = match kdf {
            Kdf::None => last(&secret, len)?,
            other => other.derive(&secret, len).map_err(wrong_length)?,
        };
        self.store(expected.derived(value, Guard::of(&base.content))?)
    }

    fn derive_by_hkdf(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        base: &Object,
        hkdf: Hkdf<'_>,
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let expected = self.expected(base, template)?;
        let len = hkdf_len(&hkdf, expected.value_len()?)?;
        self.check_derived(&expected, base, len)?;
        let value = self.hkdf(mechanism, base, &hkdf, len)?;
        self.store(expected.derived(value, Guard::of(&base.content))?)
    }

    /// What a data object holds can be read, so it is made only of what can be read itself.
    fn derive_data(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        base: &Object,
        hkdf: Hkdf<'_>,
        template: &Template<'_>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        if Guard::of(&base.content).hides() {
            return Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        }
        let new = for_derived_data(template, derive_template(base), &self.slot.rules(), |len| {
            let len = hkdf_len(&hkdf, len)?;
            template::check_generic_len(len)?;
            self.hkdf(mechanism, base, &hkdf, len)
        })?;
        self.store(new)
    }

    fn hkdf(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        base: &Object,
        hkdf: &Hkdf<'_>,
        len: usize,
    ) -> Result<SecretBytes, Rv> {
        let base = self.slot.secret_key(base)?;
        let base = base.usable().map_err(Rv::at_init)?.value();
        if !hkdf.extract {
            return crypto::hkdf_expand(hkdf.digest, base.expose(), hkdf.info, len).map_err(wrong_length);
        }
        let extracted = match hkdf.salt {
            Salt::None => crypto::hkdf_extract(hkdf.digest, &[], base.expose())?,
            Salt::Data(salt) => crypto::hkdf_extract(hkdf.digest, salt, base.expose())?,
            Salt::Key(handle) => {
                let (salt, algorithm) = self.slot.key_for(mechanism, handle, Usage::DERIVE)?;
                expect_hkdf_key(&salt, algorithm)?;
                let salt = self.slot.secret_key(&salt)?;
                let salt = salt.usable().map_err(Rv::at_init)?.value();
                crypto::hkdf_extract(hkdf.digest, salt.expose(), base.expose())?
            }
        };
        if !hkdf.expand {
            return Ok(extracted);
        }
        crypto::hkdf_expand(hkdf.digest, extracted.expose(), hkdf.info, len).map_err(wrong_length)
    }

    fn expected<'a>(&self, base: &'a Object, template: &Template<'a>) -> Result<Expected<'a>, Rv> {
        let expected = Expected::from_derive(template, derive_template(base), &self.slot.rules())?;
        let (token, private) = expected.place();
        self.check_write(token, private)?;
        Ok(expected)
    }

    /// Fails, before the base key is used, if a key of this length isn't made.
    fn check_derived(&self, expected: &Expected<'_>, base: &Object, len: usize) -> Result<(), Rv> {
        expected.algorithm(len)?;
        if len < SHORTEST_FROM_HIDDEN && Guard::of(&base.content).hides() {
            return Err(Rv(CKR_KEY_SIZE_RANGE));
        }
        Ok(())
    }
}

fn derive_template(base: &Object) -> Option<&[u8]> {
    base.content.attributes.get(&CKA_DERIVE_TEMPLATE).map(|flat| &**flat)
}

fn expect_class(key: &Object, class: Class) -> Result<(), Rv> {
    if key.content.class == class { Ok(()) } else { Err(Rv(CKR_KEY_TYPE_INCONSISTENT)) }
}

/// PKCS#11 v3.2 §6.62.3: a generic secret or a key for HKDF, but none for a MAC.
fn expect_hkdf_key(key: &Object, algorithm: KeyAlgorithm) -> Result<(), Rv> {
    expect_class(key, Class::SecretKey)?;
    match algorithm {
        KeyAlgorithm::Generic { .. } => Ok(()),
        KeyAlgorithm::Other(number) if CK_KEY_TYPE::from(number) == CKK_HKDF => Ok(()),
        _ => Err(Rv(CKR_KEY_TYPE_INCONSISTENT)),
    }
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

/// PKCS#11 v3.2 §6.3.17: bytes are removed from the leading end.
fn last(secret: &SecretBytes, len: usize) -> Result<SecretBytes, Rv> {
    let start = secret.len().checked_sub(len).ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
    Ok(SecretBytes::from_slice(&secret.expose()[start..]))
}

/// The one parameter that isn't checked before is how much is asked for.
fn wrong_length(error: CryptoError) -> Rv {
    match error {
        CryptoError::ParametersInvalid => Rv(CKR_ATTRIBUTE_VALUE_INVALID),
        other => other.into(),
    }
}
