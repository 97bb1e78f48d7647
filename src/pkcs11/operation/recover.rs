//! RSA signatures from which the data can be had (PKCS#11 v3.2 §5.13.5, §5.13.6, §5.15.5, §5.15.6).

use std::sync::Arc;

use cryptoki_sys::*;

use super::{Kind, Operation, Step};
use crate::crypto::PublicKey;
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Request;
use crate::pkcs11::object;
use crate::pkcs11::session::Session;
use crate::pkcs11::slot::ParsedPublicKey;
use crate::vault::{Ability, PrivateKey, SignScheme, Usage};

/// A signature that was begun.
pub struct SignRecover {
    key: Arc<dyn PrivateKey>,
    scheme: SignScheme,
    length: usize,
    pub(super) awaits_pin: bool,
}

/// A recovery that was begun.
pub struct VerifyRecover {
    key: Arc<ParsedPublicKey>,
    scheme: SignScheme,
}

impl Session {
    /// `C_SignRecoverInit`.
    pub fn sign_recover_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_free(Kind::SignRecover)?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::SIGN_RECOVER)?;
        let scheme = mechanism.recover_plan(CKF_SIGN_RECOVER, algorithm)?;
        self.slot.expect_offered(&object, &Ability::Sign(algorithm, scheme))?;
        self.operation = Operation::SignRecover(SignRecover {
            scheme,
            key: self.slot.private_key(&object)?,
            length: algorithm.signature_len(),
            awaits_pin: object::asks_for_pin(&object.content),
        });
        Ok(())
    }

    /// `C_SignRecover`.
    pub fn sign_recover(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Operation::SignRecover(sign) = &self.operation else { return Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) };
        super::expect_pin(sign.awaits_pin)?;
        let Some(signature) = out.room(sign.length)? else { return Ok(Step::Pending) };
        let len = sign.key.sign(&sign.scheme, input, signature).map_err(Rv::at_use)?;
        out.written(len);
        Ok(Step::Done)
    }

    /// `C_VerifyRecoverInit`.
    pub fn verify_recover_init(&mut self, mechanism: Request<'_>, key: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        self.expect_free(Kind::VerifyRecover)?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, Usage::VERIFY_RECOVER)?;
        self.operation = Operation::VerifyRecover(VerifyRecover {
            scheme: mechanism.recover_plan(CKF_VERIFY_RECOVER, algorithm)?,
            key: self.slot.public_keys.get(&object)?,
        });
        Ok(())
    }

    /// `C_VerifyRecover`: what was signed, if the signature is one.
    pub fn verify_recover(&mut self, signature: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        let Operation::VerifyRecover(verify) = &self.operation else { return Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) };
        let mut data = [0; PublicKey::MAX_RSA_LEN];
        let len = verify.key.key.recover(&verify.scheme, signature, &mut data)?;
        out.give(&data[..len])
    }
}
