//! The key of a policy: its kind and size, where it may go, and whether the next version has it too.

use serde::{Deserialize, Serialize};

use super::given::GivenKey;
use super::wrong;
use crate::crypto::KeyAlgorithm;
use crate::server::error::Result;
use crate::server::keys::kty::{Family, curve_name, kty_of};
use crate::server::keys::{Kty, Wish};

/// The key of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyProperties {
    /// Whether the private part is in the secret.
    pub exportable: bool,
    /// As it was asked for; empty for a kind that Key Vault has no word for, which clients would refuse to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kty: String,
    /// Bits.
    pub key_size: u32,
    /// Whether the next version has the same key.
    pub reuse_key: bool,
    /// Of an EC key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
}

impl KeyProperties {
    /// What this key is.
    pub fn for_algorithm(algorithm: KeyAlgorithm) -> Self {
        let (key_size, crv) = match algorithm {
            KeyAlgorithm::Rsa { bits } => (bits, None),
            KeyAlgorithm::Ec(curve) => (curve.bits(), Some(curve_name(curve).to_owned())),
            _ => (256, None),
        };
        let kty = Family::of(algorithm).map(|_| kty_of(algorithm)).unwrap_or_default();
        Self { exportable: true, kty: kty.into(), key_size, reuse_key: false, crv }
    }

    /// With what is given of the key to be made.
    pub fn changed(self, given: &GivenKey) -> Result<Self> {
        let kty = Kty::named(given.kty.as_deref().unwrap_or(&self.kty))?;
        let same_kind = Kty::named(&self.kty).is_ok_and(|before| before.family() == kty.family());
        let sized = |size| Wish { key_size: size, ..Wish::default() };
        let algorithm = match kty.family() {
            Family::Rsa => kty.algorithm(&sized(given.key_size.or(same_kind.then_some(self.key_size.into()))))?,
            Family::Ec => {
                let kept = self.crv.as_deref().filter(|_| same_kind && given.key_size.is_none());
                let crv = given.crv.as_deref().or(kept).or(given.key_size.map(curve_of_size).transpose()?);
                kty.algorithm(&Wish { crv, ..Wish::default() })?
            }
            Family::Oct => return wrong("policy.key_props.kty of a certificate is RSA, RSA-HSM, EC or EC-HSM."),
        };
        let in_hardware = kty == kty.hsm();
        let exportable = given.exportable.unwrap_or(self.exportable && !in_hardware);
        if exportable && in_hardware {
            return wrong("policy.key_props.exportable must be false for this kty: no such key leaves the service.");
        }
        let made = Self::for_algorithm(algorithm);
        if kty.family() == Family::Ec && given.key_size.is_some_and(|size| size != i64::from(made.key_size)) {
            return wrong("policy.key_props.key_size is another curve's than crv.");
        }
        Ok(Self { exportable, kty: kty.name().into(), reuse_key: given.reuse_key.unwrap_or(self.reuse_key), ..made })
    }

    /// With what is given of a key that exists: where it may go, and how it is called.
    pub fn confirmed(self, given: &GivenKey) -> Result<Self> {
        let family = |name: &str| Kty::named(name).map(Kty::family).ok();
        let other_kind =
            given.kty.as_deref().is_some_and(|kty| family(kty).is_none() || family(kty) != family(&self.kty));
        let other_size = given.key_size.is_some_and(|size| size != i64::from(self.key_size));
        let other_curve = given.crv.as_ref().is_some_and(|crv| self.crv.as_ref() != Some(crv));
        if other_kind || other_size || other_curve {
            return wrong(
                "policy.key_props says another kind of key than the one that is imported: leave kty, key_size and crv out.",
            );
        }
        let kty = given.kty.clone().unwrap_or(self.kty);
        let in_hardware = Kty::named(&kty).is_ok_and(|kty| kty == kty.hsm());
        let exportable = given.exportable.unwrap_or(!in_hardware);
        if exportable && in_hardware {
            return wrong("policy.key_props.exportable must be false for this kty: no such key leaves the service.");
        }
        Ok(Self { exportable, kty, reuse_key: given.reuse_key.unwrap_or(self.reuse_key), ..self })
    }

    /// The kind as it was asked for, and the key to be made.
    pub fn algorithm(&self) -> Result<(Kty, KeyAlgorithm)> {
        let kty = Kty::named(&self.kty)?;
        let wish = Wish { key_size: Some(self.key_size.into()), crv: self.crv.as_deref(), key_ops: None };
        Ok((kty, kty.algorithm(&wish)?))
    }
}

/// The curve whose keys have so many bits.
fn curve_of_size(size: i64) -> Result<&'static str> {
    match size {
        256 => Ok("P-256"),
        384 => Ok("P-384"),
        521 => Ok("P-521"),
        _ => wrong("policy.key_props.key_size of an EC key is 256, 384 or 521."),
    }
}
