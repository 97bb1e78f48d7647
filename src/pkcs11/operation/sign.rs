//! Signing (PKCS#11 v3.2 §5.13).
//!
//! `C_SignInit` and `C_Sign` together ask the vault once for its image and once for the key, allocate nothing and take
//! no lock but the session's.

use std::sync::Arc;

use cryptoki_sys::*;

use super::intake::{DigestBuffer, Intake};
use super::{Operation, Step};
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Request;
use crate::pkcs11::session::Session;
use crate::vault::{PrivateKey, SignScheme, Usage};

/// A signature that was begun.
pub struct Sign {
    key: Arc<dyn PrivateKey>,
    scheme: SignScheme,
    length: usize,
    intake: Intake,
}

impl Session {
    /// `C_SignInit`.
    pub fn sign_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_idle()?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::SIGN)?;
        let plan = mechanism.sign_plan(algorithm)?;
        let key = self.slot.private_key(&object)?;
        let length = algorithm.signature_len();
        self.operation = Operation::Sign(Sign { key, scheme: plan.scheme, length, intake: Intake::new(plan) });
        Ok(())
    }

    /// `C_Sign`.
    pub fn sign(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.signing()?.one_part(input, out)
    }

    /// `C_SignUpdate`.
    pub fn sign_update(&mut self, part: &[u8]) -> Result<Step, Rv> {
        self.signing()?.intake.update(part)?;
        Ok(Step::Pending)
    }

    /// `C_SignFinal`.
    pub fn sign_final(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.signing()?.last_part(out)
    }

    fn signing(&mut self) -> Result<&mut Sign, Rv> {
        match &mut self.operation {
            Operation::Sign(sign) => Ok(sign),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

impl Sign {
    fn one_part(&self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.intake.expect_one_part()?;
        let mut digest: DigestBuffer = [0; _];
        self.write(out, || self.intake.whole(input, &mut digest))
    }

    fn last_part(&self, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.intake.expect_parts()?;
        let mut digest: DigestBuffer = [0; _];
        self.write(out, || self.intake.parts(&mut digest))
    }

    /// The length alone is answered without touching the input, so that it may be asked any number of times.
    fn write<'a>(&self, out: &mut Output<'_>, input: impl FnOnce() -> Result<&'a [u8], Rv>) -> Result<Step, Rv> {
        let Some(signature) = out.room(self.length)? else { return Ok(Step::Pending) };
        let len = self.key.sign(&self.scheme, input()?, signature).map_err(Rv::at_use)?;
        out.written(len);
        Ok(Step::Done)
    }
}
