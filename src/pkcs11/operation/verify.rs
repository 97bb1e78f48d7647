//! Checking signatures (PKCS#11 v3.2 §5.15). Public keys need no vault: they are parsed here once and kept by the slot.

use std::sync::Arc;

use cryptoki_sys::*;

use super::intake::{DigestBuffer, Intake};
use super::{Operation, Step};
use crate::crypto::SignScheme;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Request;
use crate::pkcs11::session::Session;
use crate::pkcs11::slot::ParsedPublicKey;
use crate::vault::Usage;

/// A check that was begun.
pub struct Verify {
    key: Arc<ParsedPublicKey>,
    scheme: SignScheme,
    intake: Intake,
}

impl Session {
    /// `C_VerifyInit`.
    pub fn verify_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_idle()?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::VERIFY)?;
        let plan = mechanism.sign_plan(algorithm)?;
        let key = self.slot.public_keys.get(&object)?;
        self.operation = Operation::Verify(Verify { key, scheme: plan.scheme, intake: Intake::new(plan) });
        Ok(())
    }

    /// `C_Verify`.
    pub fn verify(&mut self, input: &[u8], signature: &[u8]) -> Result<Step, Rv> {
        let verify = self.verifying()?;
        verify.intake.expect_one_part()?;
        let mut digest: DigestBuffer = [0; _];
        verify.key.key.verify(&verify.scheme, verify.intake.whole(input, &mut digest)?, signature)?;
        Ok(Step::Done)
    }

    /// `C_VerifyUpdate`.
    pub fn verify_update(&mut self, part: &[u8]) -> Result<Step, Rv> {
        self.verifying()?.intake.update(part)?;
        Ok(Step::Pending)
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&mut self, signature: &[u8]) -> Result<Step, Rv> {
        let verify = self.verifying()?;
        verify.intake.expect_parts()?;
        let mut digest: DigestBuffer = [0; _];
        verify.key.key.verify(&verify.scheme, verify.intake.parts(&mut digest)?, signature)?;
        Ok(Step::Done)
    }

    fn verifying(&mut self) -> Result<&mut Verify, Rv> {
        match &mut self.operation {
            Operation::Verify(verify) => Ok(verify),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}
