//! How signatures of key pairs take their input in, if they don't sign it as it is: as a digest, or as a whole message.

use cryptoki_sys::*;

use crate::crypto::{Digest, DigestAlgorithm, SignScheme};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::SignaturePlan;

/// Longest message in parts that has to be kept whole, because its scheme reads it twice (Ed25519).
const MESSAGE_MAX: usize = 64 << 20;

/// Room for a digest.
pub type DigestBuffer = [u8; DigestAlgorithm::MAX_LEN];

/// The input of a signature, as far as it came.
pub struct Intake {
    form: Form,
    /// An `Update` came: now only `Update` and `Final` fit.
    in_parts: bool,
}

// In place and not boxed: a signature allocates nothing.
#[expect(clippy::large_enum_variant)]
enum Form {
    /// The input is digested.
    Digested(Digest),
    /// The input is kept.
    Kept(Vec<u8>),
}

impl Intake {
    /// Before any input. `None` for what signs its input as it is: such mechanisms are single-part only (PKCS#11 v3.2
    /// §6.1, §6.3, tables of mechanisms and functions).
    pub fn new(plan: SignaturePlan) -> Option<Self> {
        let form = match (plan.digest, plan.scheme) {
            (Some(algorithm), _) => Form::Digested(Digest::new(algorithm)),
            (None, SignScheme::Ed25519) => Form::Kept(Vec::new()),
            (None, _) => return None,
        };
        Some(Self { form, in_parts: false })
    }

    /// Fails once parts came. The codes of `C_Sign` know no other word for an operation that is in its parts.
    pub fn expect_one_part(&self) -> Result<(), Rv> {
        if self.in_parts { Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) } else { Ok(()) }
    }

    /// What is signed when the input came in one part.
    pub fn whole<'a>(&self, input: &'a [u8], digest: &'a mut DigestBuffer) -> Result<&'a [u8], Rv> {
        match &self.form {
            Form::Kept(_) => Ok(input),
            Form::Digested(fresh) => {
                let mut state = fresh.clone();
                state.update(input);
                let len = state.finish(digest)?;
                Ok(&digest[..len])
            }
        }
    }

    /// Takes a part in.
    pub fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        self.in_parts = true;
        match &mut self.form {
            Form::Digested(state) => state.update(part),
            Form::Kept(message) => {
                if part.len() > MESSAGE_MAX - message.len() || message.try_reserve(part.len()).is_err() {
                    return Err(Rv(CKR_HOST_MEMORY));
                }
                message.extend_from_slice(part);
            }
        }
        Ok(())
    }

    /// What is signed when the input came in parts.
    pub fn parts<'a>(&'a self, digest: &'a mut DigestBuffer) -> Result<&'a [u8], Rv> {
        match &self.form {
            Form::Kept(message) => Ok(message),
            Form::Digested(state) => {
                let len = state.clone().finish(digest)?;
                Ok(&digest[..len])
            }
        }
    }
}
