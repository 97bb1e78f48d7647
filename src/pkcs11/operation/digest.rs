//! Digests (PKCS#11 v3.2 §5.12).

use cryptoki_sys::*;

use super::{Operation, Step};
use crate::crypto::Digest;
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Request;
use crate::pkcs11::session::Session;

/// A digest that was begun.
pub struct Digesting {
    state: Digest,
    in_parts: bool,
}

impl Session {
    /// `C_DigestInit`.
    pub fn digest_init(&mut self, mechanism: Request<'_>) -> Result<(), Rv> {
        self.expect_idle()?;
        self.operation = Operation::Digest(Digesting { state: Digest::new(mechanism.digest()?), in_parts: false });
        Ok(())
    }

    /// `C_Digest`.
    pub fn digest(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let digesting = self.digesting()?;
        if digesting.in_parts {
            return Err(Rv(CKR_OPERATION_NOT_INITIALIZED));
        }
        digesting.finish(input, out)
    }

    /// `C_DigestUpdate`.
    pub fn digest_update(&mut self, part: &[u8]) -> Result<Step, Rv> {
        let digesting = self.digesting()?;
        digesting.in_parts = true;
        digesting.state.update(part);
        Ok(Step::Pending)
    }

    /// `C_DigestKey`. A key's digest through short inputs gives the key away: none is digested.
    pub fn digest_key(&mut self) -> Result<Step, Rv> {
        self.digesting()?;
        Err(Rv(CKR_KEY_INDIGESTIBLE))
    }

    /// `C_DigestFinal`.
    pub fn digest_final(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.digesting()?.finish(&[], out)
    }

    fn digesting(&mut self) -> Result<&mut Digesting, Rv> {
        match &mut self.operation {
            Operation::Digest(digesting) => Ok(digesting),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

impl Digesting {
    fn finish(&self, last: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Some(buffer) = out.room(self.state.algorithm().len())? else { return Ok(Step::Pending) };
        let mut state = self.state.clone();
        state.update(last);
        let len = state.finish(buffer)?;
        out.written(len);
        Ok(Step::Done)
    }
}
