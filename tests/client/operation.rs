//! Digest, sign, verify, encrypt, decrypt: in one call, in one part, in several.

use cryptoki_sys::*;

use super::{Mechanism, Outcome, Session, call, len, output, pointer};

/// The begin, the one-part call, the update and the end of an operation that turns bytes into bytes with a key.
macro_rules! transform {
    ($init:ident = $c_init:ident, $once:ident = $c_once:ident, $whole:ident, $parts:ident,
     $update:ident = $c_update:ident, $finish:ident = $c_final:ident) => {
        pub fn $init<'a>(&self, mechanism: impl Into<Mechanism<'a>>, key: CK_OBJECT_HANDLE) -> Outcome<()> {
            mechanism.into().in_c(|m| call!(self.list(), $c_init(self.handle, m, key)))
        }

        /// The one-part call of an operation that has begun.
        pub fn $once(&self, input: &[u8]) -> Outcome<Vec<u8>> {
            let (bytes, bytes_len) = (pointer(input), len(input));
            output(|out, out_len| call!(self.list(), $c_once(self.handle, bytes, bytes_len, out, out_len)))
        }

        pub fn $update(&self, part: &[u8]) -> Outcome<Vec<u8>> {
            let (bytes, bytes_len) = (pointer(part), len(part));
            output(|out, out_len| call!(self.list(), $c_update(self.handle, bytes, bytes_len, out, out_len)))
        }

        pub fn $finish(&self) -> Outcome<Vec<u8>> {
            output(|out, out_len| call!(self.list(), $c_final(self.handle, out, out_len)))
        }

        /// Begin and one-part call.
        pub fn $whole<'a>(
            &self,
            mechanism: impl Into<Mechanism<'a>>,
            key: CK_OBJECT_HANDLE,
            input: &[u8],
        ) -> Outcome<Vec<u8>> {
            self.$init(mechanism, key)?;
            self.$once(input)
        }

        /// Begin, one update for each part, end; all that came out.
        pub fn $parts<'a>(
            &self,
            mechanism: impl Into<Mechanism<'a>>,
            key: CK_OBJECT_HANDLE,
            parts: &[&[u8]],
        ) -> Outcome<Vec<u8>> {
            self.$init(mechanism, key)?;
            let mut out = Vec::new();
            for part in parts {
                out.extend(self.$update(part)?);
            }
            out.extend(self.$finish()?);
            Ok(out)
        }
    };
}

impl Session<'_> {
    transform!(
        encrypt_init = C_EncryptInit,
        encrypt_once = C_Encrypt,
        encrypt,
        encrypt_parts,
        encrypt_update = C_EncryptUpdate,
        encrypt_final = C_EncryptFinal
    );
    transform!(
        decrypt_init = C_DecryptInit,
        decrypt_once = C_Decrypt,
        decrypt,
        decrypt_parts,
        decrypt_update = C_DecryptUpdate,
        decrypt_final = C_DecryptFinal
    );

    // ---- sign

    pub fn sign_init<'a>(&self, mechanism: impl Into<Mechanism<'a>>, key: CK_OBJECT_HANDLE) -> Outcome<()> {
        mechanism.into().in_c(|m| call!(self.list(), C_SignInit(self.handle, m, key)))
    }

    pub fn sign_once(&self, input: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(input), len(input));
        output(|out, out_len| call!(self.list(), C_Sign(self.handle, bytes, bytes_len, out, out_len)))
    }

    pub fn sign_update(&self, part: &[u8]) -> Outcome<()> {
        call!(self.list(), C_SignUpdate(self.handle, pointer(part), len(part)))
    }

    pub fn sign_final(&self) -> Outcome<Vec<u8>> {
        output(|out, out_len| call!(self.list(), C_SignFinal(self.handle, out, out_len)))
    }

    pub fn sign<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
    ) -> Outcome<Vec<u8>> {
        self.sign_init(mechanism, key)?;
        self.sign_once(input)
    }

    pub fn sign_parts<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        parts: &[&[u8]],
    ) -> Outcome<Vec<u8>> {
        self.sign_init(mechanism, key)?;
        parts.iter().try_for_each(|part| self.sign_update(part))?;
        self.sign_final()
    }

    pub fn sign_recover<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
    ) -> Outcome<Vec<u8>> {
        mechanism.into().in_c(|m| call!(self.list(), C_SignRecoverInit(self.handle, m, key)))?;
        let (bytes, bytes_len) = (pointer(input), len(input));
        output(|out, out_len| call!(self.list(), C_SignRecover(self.handle, bytes, bytes_len, out, out_len)))
    }

    // ---- verify

    pub fn verify_init<'a>(&self, mechanism: impl Into<Mechanism<'a>>, key: CK_OBJECT_HANDLE) -> Outcome<()> {
        mechanism.into().in_c(|m| call!(self.list(), C_VerifyInit(self.handle, m, key)))
    }

    pub fn verify_once(&self, input: &[u8], signature: &[u8]) -> Outcome<()> {
        let (bytes, bytes_len) = (pointer(input), len(input));
        call!(self.list(), C_Verify(self.handle, bytes, bytes_len, pointer(signature), len(signature)))
    }

    pub fn verify_update(&self, part: &[u8]) -> Outcome<()> {
        call!(self.list(), C_VerifyUpdate(self.handle, pointer(part), len(part)))
    }

    pub fn verify_final(&self, signature: &[u8]) -> Outcome<()> {
        call!(self.list(), C_VerifyFinal(self.handle, pointer(signature), len(signature)))
    }

    pub fn verify<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
        signature: &[u8],
    ) -> Outcome<()> {
        self.verify_init(mechanism, key)?;
        self.verify_once(input, signature)
    }

    pub fn verify_parts<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        parts: &[&[u8]],
        signature: &[u8],
    ) -> Outcome<()> {
        self.verify_init(mechanism, key)?;
        parts.iter().try_for_each(|part| self.verify_update(part))?;
        self.verify_final(signature)
    }

    pub fn verify_recover<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        key: CK_OBJECT_HANDLE,
        signature: &[u8],
    ) -> Outcome<Vec<u8>> {
        mechanism.into().in_c(|m| call!(self.list(), C_VerifyRecoverInit(self.handle, m, key)))?;
        let (bytes, bytes_len) = (pointer(signature), len(signature));
        output(|out, out_len| call!(self.list(), C_VerifyRecover(self.handle, bytes, bytes_len, out, out_len)))
    }

    // ---- digest

    pub fn digest_init<'a>(&self, mechanism: impl Into<Mechanism<'a>>) -> Outcome<()> {
        mechanism.into().in_c(|m| call!(self.list(), C_DigestInit(self.handle, m)))
    }

    pub fn digest_once(&self, input: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(input), len(input));
        output(|out, out_len| call!(self.list(), C_Digest(self.handle, bytes, bytes_len, out, out_len)))
    }

    pub fn digest_update(&self, part: &[u8]) -> Outcome<()> {
        call!(self.list(), C_DigestUpdate(self.handle, pointer(part), len(part)))
    }

    pub fn digest_key(&self, key: CK_OBJECT_HANDLE) -> Outcome<()> {
        call!(self.list(), C_DigestKey(self.handle, key))
    }

    pub fn digest_final(&self) -> Outcome<Vec<u8>> {
        output(|out, out_len| call!(self.list(), C_DigestFinal(self.handle, out, out_len)))
    }

    pub fn digest<'a>(&self, mechanism: impl Into<Mechanism<'a>>, input: &[u8]) -> Outcome<Vec<u8>> {
        self.digest_init(mechanism)?;
        self.digest_once(input)
    }

    pub fn digest_parts<'a>(&self, mechanism: impl Into<Mechanism<'a>>, parts: &[&[u8]]) -> Outcome<Vec<u8>> {
        self.digest_init(mechanism)?;
        parts.iter().try_for_each(|part| self.digest_update(part))?;
        self.digest_final()
    }
}
