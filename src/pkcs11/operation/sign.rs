//! Signing and MACs (PKCS#11 v3.2 §5.13).
//!
//! With a key pair, `C_SignInit` and `C_Sign` together ask the vault once for its image and once for the key, allocate
//! nothing and take no lock but the session's.

use std::sync::Arc;

use cryptoki_sys::*;

use super::intake::{DigestBuffer, Intake};
use super::mac::Macing;
use super::{Kind, Operation, Step};
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{Request, SignPlan};
use crate::pkcs11::object;
use crate::pkcs11::session::Session;
use crate::vault::{Ability, PrivateKey, SignScheme, Usage};

/// A signature that was begun. In place and not boxed: a signature allocates nothing.
#[expect(clippy::large_enum_variant)]
pub enum Sign {
    /// With a key pair.
    Signature(Signature),
    /// With a secret key.
    Mac(Box<Macing>),
}

/// A signature with a key pair.
pub struct Signature {
    key: Arc<dyn PrivateKey>,
    scheme: SignScheme,
    length: usize,
    /// Without one the input is signed as it is.
    intake: Option<Intake>,
    awaits_pin: bool,
}

impl Session {
    /// `C_SignInit`.
    pub fn sign_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_free(Kind::Sign)?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::SIGN)?;
        self.operation = Operation::Sign(match mechanism.sign_plan(CKF_SIGN, algorithm)? {
            SignPlan::Signature(plan) => {
                self.slot.expect_offered(&object, &Ability::Sign(algorithm, plan.scheme))?;
                Sign::Signature(Signature {
                    key: self.slot.private_key(&object)?,
                    scheme: plan.scheme,
                    length: algorithm.signature_len(),
                    intake: Intake::new(plan),
                    awaits_pin: object::asks_for_pin(&object.content),
                })
            }
            SignPlan::Mac(scheme, len) => {
                Sign::Mac(Box::new(Macing::new(self.slot.secret_key(&object)?, scheme, len)?))
            }
        });
        Ok(())
    }

    /// `C_Sign`.
    pub fn sign(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        match self.signing()? {
            Sign::Signature(signature) => signature.one_part(input, out),
            Sign::Mac(mac) => mac.one_part(input, out),
        }
    }

    /// `C_SignUpdate`.
    pub fn sign_update(&mut self, part: &[u8]) -> Result<Step, Rv> {
        match self.signing()? {
            Sign::Signature(signature) => signature.update(part)?,
            Sign::Mac(mac) => mac.update(part)?,
        }
        Ok(Step::Pending)
    }

    /// `C_SignFinal`.
    pub fn sign_final(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        match self.signing()? {
            Sign::Signature(signature) => signature.last_part(out),
            Sign::Mac(mac) => mac.last_part(out),
        }
    }

    pub(super) fn signing(&mut self) -> Result<&mut Sign, Rv> {
        match &mut self.operation {
            Operation::Sign(sign) => Ok(sign),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

impl Sign {
    /// The mark that it waits for the PIN, if its key can ask for it.
    pub fn awaits_pin(&mut self) -> Option<&mut bool> {
        match self {
            Self::Signature(signature) => Some(&mut signature.awaits_pin),
            Self::Mac(_) => None,
        }
    }
}

impl Signature {
    fn one_part(&self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Some(intake) = &self.intake else { return self.write(out, || Ok(input)) };
        intake.expect_one_part()?;
        let mut digest: DigestBuffer = [0; _];
        self.write(out, || intake.whole(input, &mut digest))
    }

    fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        super::expect_pin(self.awaits_pin)?;
        self.intake.as_mut().ok_or(super::SINGLE_PART)?.update(part)
    }

    fn last_part(&self, out: &mut Output<'_>) -> Result<Step, Rv> {
        let intake = self.intake.as_ref().ok_or(super::SINGLE_PART)?;
        let mut digest: DigestBuffer = [0; _];
        self.write(out, || intake.parts(&mut digest))
    }

    /// The length alone is answered without touching the input, so that it may be asked any number of times.
    fn write<'a>(&self, out: &mut Output<'_>, input: impl FnOnce() -> Result<&'a [u8], Rv>) -> Result<Step, Rv> {
        super::expect_pin(self.awaits_pin)?;
        let Some(signature) = out.room(self.length)? else { return Ok(Step::Pending) };
        let len = self.key.sign(&self.scheme, input()?, signature).map_err(Rv::at_use)?;
        out.written(len);
        Ok(Step::Done)
    }
}
