//! MACs, made and checked: `C_Sign*` and `C_Verify*` with a secret key.

use std::sync::Arc;

use cryptoki_sys::*;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Step;
use crate::crypto::{DigestAlgorithm, Mac, MacScheme};
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::vault::{SecretKey, UsableKey};

/// A MAC that was begun.
pub struct Macing {
    key: Arc<dyn SecretKey>,
    state: Mac,
    /// How much of it is given out.
    len: usize,
    in_parts: bool,
}

/// Room for a whole one.
type Buffer = Zeroizing<[u8; DigestAlgorithm::MAX_LEN]>;

impl Macing {
    /// Before any input.
    pub fn new(key: Arc<dyn SecretKey>, scheme: MacScheme, len: usize) -> Result<Self, Rv> {
        let state = key.usable().and_then(UsableKey::here).map_err(Rv::at_init)?.mac(scheme)?;
        Ok(Self { key, state, len, in_parts: false })
    }

    /// `C_Sign`.
    pub fn one_part(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.expect_one_part()?;
        self.write(input, out)
    }

    /// `C_SignUpdate` and `C_VerifyUpdate`.
    pub fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        self.key.usable().map_err(Rv::at_use)?;
        self.in_parts = true;
        self.state.update(part);
        Ok(())
    }

    /// `C_SignFinal`.
    pub fn last_part(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.write(&[], out)
    }

    /// `C_Verify`.
    pub fn check(&mut self, input: &[u8], given: &[u8]) -> Result<Step, Rv> {
        self.expect_one_part()?;
        self.check_last(input, given)
    }

    /// `C_VerifyFinal`, after a last part.
    pub fn check_last(&mut self, last: &[u8], given: &[u8]) -> Result<Step, Rv> {
        if given.len() != self.len {
            return Err(Rv(CKR_SIGNATURE_LEN_RANGE));
        }
        let mac = self.finish(last)?;
        if mac[..self.len].ct_eq(given).into() { Ok(Step::Done) } else { Err(Rv(CKR_SIGNATURE_INVALID)) }
    }

    fn expect_one_part(&self) -> Result<(), Rv> {
        if self.in_parts { Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) } else { Ok(()) }
    }

    fn write(&mut self, last: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Some(room) = out.room(self.len)? else { return Ok(Step::Pending) };
        let mac = self.finish(last)?;
        room.copy_from_slice(&mac[..self.len]);
        Ok(Step::Done)
    }

    fn finish(&mut self, last: &[u8]) -> Result<Buffer, Rv> {
        self.key.usable().map_err(Rv::at_use)?;
        self.state.update(last);
        let mut mac: Buffer = Zeroizing::new([0; _]);
        self.state.finish(&mut mac[..])?;
        Ok(mac)
    }
}
