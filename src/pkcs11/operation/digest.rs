//! Digests (PKCS#11 v3.2 §5.12), and their saved states.

use cryptoki_sys::*;
use zeroize::Zeroizing;

use super::{Kind, Operation, Step};
use crate::crypto::{Digest, DigestAlgorithm};
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{Allowed, Parameter, Request};
use crate::pkcs11::session::Session;

/// A digest that was begun.
pub struct Digesting {
    mechanism: CK_MECHANISM_TYPE,
    state: Digest,
    in_parts: bool,
}

impl Session {
    /// `C_DigestInit`.
    pub fn digest_init(&mut self, mechanism: Request<'_>) -> Result<(), Rv> {
        self.expect_free(Kind::Digest)?;
        self.slot.mechanisms.find(mechanism.number)?;
        let state = Digest::new(mechanism.digest()?);
        self.operation = Operation::Digest(Digesting { mechanism: mechanism.number, state, in_parts: false });
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
    pub fn digest_key(&mut self, key: CK_OBJECT_HANDLE) -> Result<Step, Rv> {
        self.digesting()?;
        self.slot.object(key).map_err(|rv| match rv {
            Rv(CKR_OBJECT_HANDLE_INVALID) => Rv(CKR_KEY_HANDLE_INVALID),
            other => other,
        })?;
        Err(Rv(CKR_KEY_INDIGESTIBLE))
    }

    /// `C_DigestFinal`.
    pub fn digest_final(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.digesting()?.finish(&[], out)
    }

    /// `C_GetOperationState` (§5.6.6): of a digest alone; what depends on a key is not saved.
    pub fn save_state(&self, out: &mut Output<'_>) -> Result<Step, Rv> {
        match (&self.operation, &self.ciphering) {
            (Operation::Idle, None) => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
            (Operation::Digest(digesting), None) => out.give(&digesting.save()?),
            _ => Err(Rv(CKR_STATE_UNSAVEABLE)),
        }
    }

    /// `C_SetOperationState`: takes the place of whatever is active.
    pub fn restore_state(&mut self, state: &[u8], keys: [CK_OBJECT_HANDLE; 2]) -> Result<(), Rv> {
        let digesting = Digesting::restore(state, &self.slot.mechanisms)?;
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

/// Before a saved state: its format.
const HEAD: &[u8] = b"strongroom digest 2";

/// Bytes of a digest over the whole, after it: a damaged state isn't gone on with.
const CHECK_LEN: usize = 8;

impl Digesting {
    fn finish(&self, last: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Some(buffer) = out.room(self.state.algorithm().len())? else { return Ok(Step::Pending) };
        let mut state = self.state.clone();
        state.update(last);
        let len = state.finish(buffer)?;
        out.written(len);
        Ok(Step::Done)
    }

    /// Format, mechanism, the bits of SHA-512/t, whether parts came, the state itself, the check.
    fn save(&self) -> Result<Zeroizing<Vec<u8>>, Rv> {
        let bits = match self.state.algorithm() {
            DigestAlgorithm::Sha512T(bits) => bits,
            _ => 0,
        };
        let state = Zeroizing::new(self.state.save());
        let (number, bits) = (self.mechanism.to_le_bytes(), bits.to_le_bytes());
        let fields: [&[u8]; 5] = [HEAD, &number, &bits, &[u8::from(self.in_parts)], &state];
        let len = fields.iter().map(|field| field.len()).sum::<usize>() + CHECK_LEN;
        // All at once: growing would leave a block behind that isn't wiped.
        let mut saved = Zeroizing::new(Vec::with_capacity(len));
        fields.iter().for_each(|field| saved.extend_from_slice(field));
        let check = check(&saved)?;
        saved.extend_from_slice(&check);
        debug_assert_eq!(saved.len(), len);
        Ok(saved)
    }

    fn restore(saved: &[u8], allowed: &Allowed) -> Result<Self, Rv> {
        let invalid = Rv(CKR_SAVED_STATE_INVALID);
        let (saved, sum) = saved.split_last_chunk().ok_or(invalid)?;
        if *sum != check(saved)? {
            return Err(invalid);
        }
        let saved = saved.strip_prefix(HEAD).ok_or(invalid)?;
        let (number, saved) = saved.split_first_chunk().ok_or(invalid)?;
        let (bits, saved) = saved.split_first_chunk().ok_or(invalid)?;
        let (in_parts, state) = saved.split_first().ok_or(invalid)?;
        let mechanism = CK_MECHANISM_TYPE::from_le_bytes(*number);
        let bits = CK_ULONG::from(u16::from_le_bytes(*bits)).to_ne_bytes();
        let parameter = Parameter::Plain(if mechanism == CKM_SHA512_T { &bits } else { &[] });
        let algorithm = allowed.find(mechanism).and_then(|_| Request { number: mechanism, parameter }.digest());
        let state = Digest::restore(algorithm.map_err(|_| invalid)?, state).map_err(|_| invalid)?;
        Ok(Self { mechanism, state, in_parts: *in_parts != 0 })
    }
}

fn check(saved: &[u8]) -> Result<[u8; CHECK_LEN], Rv> {
    let (mut digest, mut whole) = (Digest::new(DigestAlgorithm::Sha256), [0; DigestAlgorithm::MAX_LEN]);
    digest.update(saved);
    digest.finish(&mut whole)?;
    Ok(*whole.first_chunk().unwrap_or(&[0; _]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_state_lies_in_one_block_that_never_grew() {
        for algorithm in DigestAlgorithm::ALL {
            let mut state = Digest::new(algorithm);
            state.update(&[7; 100]);
            let saved = Digesting { mechanism: CKM_SHA256, state, in_parts: true }.save().unwrap();
            assert_eq!(saved.capacity(), saved.len(), "{algorithm:?}");
        }
    }
}
