//! Checking signatures and MACs (PKCS#11 v3.2 §5.15). Public keys need no vault: they are parsed here once and kept by the
//! slot.

use std::sync::Arc;

use cryptoki_sys::*;

use super::intake::{DigestBuffer, Intake};
use super::mac::Macing;
use super::{Kind, Operation, Step};
use crate::crypto::SignScheme;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{Request, SignPlan};
use crate::pkcs11::session::Session;
use crate::pkcs11::slot::ParsedPublicKey;
use crate::vault::Usage;

/// A check that was begun. In place and not boxed: a check allocates nothing.
#[expect(clippy::large_enum_variant)]
pub enum Verify {
    /// Of a signature.
    Signature(Check),
    /// Of a MAC.
    Mac(Box<Macing>),
}

/// A check of a signature.
pub struct Check {
    key: Arc<ParsedPublicKey>,
    scheme: SignScheme,
    /// Without one the input was signed as it is.
    intake: Option<Intake>,
}

impl Session {
    /// `C_VerifyInit`.
    pub fn verify_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_free(Kind::Verify)?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::VERIFY)?;
        self.operation = Operation::Verify(match mechanism.sign_plan(CKF_VERIFY, algorithm)? {
            SignPlan::Signature(plan) => Verify::Signature(Check {
                key: self.slot.public_keys.get(&object)?,
                scheme: plan.scheme,
                intake: Intake::new(plan),
            }),
            SignPlan::Mac(scheme, len) => {
                Verify::Mac(Box::new(Macing::new(self.slot.secret_key(&object)?, scheme, len)?))
            }
        });
        Ok(())
    }

    /// `C_Verify`.
    pub fn verify(&mut self, input: &[u8], signature: &[u8]) -> Result<Step, Rv> {
        match self.verifying()? {
            Verify::Signature(check) => check.one_part(input, signature),
            Verify::Mac(mac) => mac.check(input, signature),
        }
    }

    /// `C_VerifyUpdate`.
    pub fn verify_update(&mut self, part: &[u8]) -> Result<Step, Rv> {
        match self.verifying()? {
            Verify::Signature(check) => check.intake.as_mut().ok_or(super::SINGLE_PART)?.update(part)?,
            Verify::Mac(mac) => mac.update(part)?,
        }
        Ok(Step::Pending)
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&mut self, signature: &[u8]) -> Result<Step, Rv> {
        match self.verifying()? {
            Verify::Signature(check) => check.last_part(signature),
            Verify::Mac(mac) => mac.check_last(&[], signature),
        }
    }

    pub(super) fn verifying(&mut self) -> Result<&mut Verify, Rv> {
        match &mut self.operation {
            Operation::Verify(verify) => Ok(verify),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

impl Check {
    fn one_part(&self, input: &[u8], signature: &[u8]) -> Result<Step, Rv> {
        let mut digest: DigestBuffer = [0; _];
        let signed = match &self.intake {
            None => input,
            Some(intake) => {
                intake.expect_one_part()?;
                intake.whole(input, &mut digest)?
            }
        };
        self.key.key.verify(&self.scheme, signed, signature)?;
        Ok(Step::Done)
    }

    fn last_part(&self, signature: &[u8]) -> Result<Step, Rv> {
        let intake = self.intake.as_ref().ok_or(super::SINGLE_PART)?;
        let mut digest: DigestBuffer = [0; _];
        self.key.key.verify(&self.scheme, intake.parts(&mut digest)?, signature)?;
        Ok(Step::Done)
    }
}
