//! Digests (PKCS#11 v3.2 §5.12), and their saved states.

use cryptoki_sys::*;

use super::{Kind, Operation, Step};
use crate::crypto::{Digest, DigestAlgorithm};
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
        self.expect_free(Kind::Digest)?;
        self.slot.mechanisms.find(mechanism.number)?;
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

    /// `C_GetOperationState` (§5.6.4): of a digest alone; what depends on a key is not saved.
    pub fn save_state(&self, out: &mut Output<'_>) -> Result<Step, Rv> {
        match (&self.operation, &self.ciphering) {
            (Operation::Idle, None) => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
            (Operation::Digest(digesting), None) => out.give(&digesting.save()),
            _ => Err(Rv(CKR_STATE_UNSAVEABLE)),
        }
    }

    /// `C_SetOperationState`: takes the place of whatever is active.
    pub fn restore_state(&mut self, state: &[u8], keys: [CK_OBJECT_HANDLE; 2]) -> Result<(), Rv> {
        let digesting = Digesting::restore(state)?;
        if keys.iter().any(|key| *key != CK_INVALID_HANDLE) {
            return Err(Rv(CKR_KEY_NOT_NEEDED));
        }
        self.end_all();
        self.operation = Operation::Digest(digesting);
        Ok(())
    }

    pub(super) fn digesting(&mut self) -> Result<&mut Digesting, Rv> {
        match &mut self.operation {
            Operation::Digest(digesting) => Ok(digesting),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

/// Before a saved state: its format, the algorithm's place in [`DigestAlgorithm::ALL`] and whether parts came.
const HEAD: &[u8] = b"strongroom digest 1";

impl Digesting {
    fn finish(&self, last: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Some(buffer) = out.room(self.state.algorithm().len())? else { return Ok(Step::Pending) };
        let mut state = self.state.clone();
        state.update(last);
        let len = state.finish(buffer)?;
        out.written(len);
        Ok(Step::Done)
    }

    fn save(&self) -> Vec<u8> {
        let algorithm = match self.state.algorithm() {
            DigestAlgorithm::Sha512T(bits) => [u8::MAX, bits.to_le_bytes()[0], bits.to_le_bytes()[1]],
            fixed => [DigestAlgorithm::ALL.iter().position(|known| *known == fixed).map_or(0, |at| at as u8), 0, 0],
        };
        [HEAD, &algorithm, &[u8::from(self.in_parts)], &self.state.save()].concat()
    }

    fn restore(saved: &[u8]) -> Result<Self, Rv> {
        let invalid = Rv(CKR_SAVED_STATE_INVALID);
        let saved = saved.strip_prefix(HEAD).ok_or(invalid)?;
        let ([code, low, high, in_parts], state) = saved.split_first_chunk().ok_or(invalid)?;
        let algorithm = match code {
            &u8::MAX => DigestAlgorithm::sha512_t(u16::from_le_bytes([*low, *high])).map_err(|_| invalid)?,
            code => *DigestAlgorithm::ALL.get(usize::from(*code)).ok_or(invalid)?,
        };
        let state = Digest::restore(algorithm, state).map_err(|_| invalid)?;
        Ok(Self { state, in_parts: *in_parts != 0 })
    }
}
