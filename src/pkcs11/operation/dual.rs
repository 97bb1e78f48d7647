//! Two operations over the same data (PKCS#11 v3.2 §5.17). What the cipher does to a part that it gives nothing out for is
//! for its `Final`; the data that comes out there is for the caller to digest or check.

use super::Step;
use crate::crypto::Direction;
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::session::Session;

impl Session {
    /// `C_DigestEncryptUpdate`.
    pub fn digest_encrypt(&mut self, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.digesting()?;
        self.cipher_update(Direction::Encrypt, part, out)?;
        if !out.is_query() {
            self.digest_update(part)?;
        }
        Ok(Step::Pending)
    }

    /// `C_SignEncryptUpdate`.
    pub fn sign_encrypt(&mut self, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.signing()?;
        self.cipher_update(Direction::Encrypt, part, out)?;
        if !out.is_query() {
            self.sign_update(part)?;
        }
        Ok(Step::Pending)
    }

    /// `C_DecryptDigestUpdate`.
    pub fn decrypt_digest(&mut self, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.digesting()?;
        self.cipher_update(Direction::Decrypt, part, out)?;
        if !out.is_query() {
            self.digest_update(out.given())?;
        }
        Ok(Step::Pending)
    }

    /// `C_DecryptVerifyUpdate`.
    pub fn decrypt_verify(&mut self, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.verifying()?;
        self.cipher_update(Direction::Decrypt, part, out)?;
        if !out.is_query() {
            self.verify_update(out.given())?;
        }
        Ok(Step::Pending)
    }
}
