//! Key generation through a session (PKCS#11 v3.2 §5.18.1 and §5.18.2).
//!
//! A pair of token objects is generated inside the vault. One of which a half is a session object (NSS asks for that), or
//! with an RSA exponent of its own, is generated here, and each half goes where it belongs.

use std::sync::Arc;

use cryptoki_sys::*;

use super::Session;
use crate::crypto;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::Request;
use crate::pkcs11::template::{self, NewObject, PairRequest, Template};
use crate::vault::{Content, KeyAlgorithm, KeyDescription, SecretBytes};

/// Handles of the two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The public key's.
    pub public: CK_OBJECT_HANDLE,
    /// The private key's.
    pub private: CK_OBJECT_HANDLE,
}

impl Session {
    /// `C_GenerateKeyPair`.
    pub fn generate_pair(
        &self,
        mechanism: Request<'_>,
        public: &Template<'_>,
        private: &Template<'_>,
    ) -> Result<Pair, Rv> {
        self.slot.mechanisms.find_for(mechanism.number, CKF_GENERATE_KEY_PAIR)?;
        let kind = mechanism.pair_kind()?;
        let request = template::for_generated_pair(kind, public, private, &self.slot.rules())?;
        for half in [&request.public, &request.private] {
            self.check_write(half.token, half.draft.content.private)?;
        }
        let in_vault = request.public.token && request.private.token && request.public_exponent.is_none();
        if in_vault { self.generate_in_vault(request) } else { self.generate_here(request) }
    }

    fn generate_in_vault(&self, request: PairRequest) -> Result<Pair, Rv> {
        let [private, public] =
            self.slot.vault.generate_pair(request.algorithm, request.private.draft, request.public.draft)?;
        Ok(Pair { public: public.number, private: private.number })
    }

    fn generate_here(&self, mut request: PairRequest) -> Result<Pair, Rv> {
        let (key, secret) = generate(&request)?;
        for half in [&mut request.public, &mut request.private] {
            describe(&mut half.draft.content, &key);
        }
        request.private.draft.secret = Some(secret);
        if request.private.token && request.public.token {
            let created = self.slot.vault.create(vec![request.private.draft, request.public.draft])?;
            let [private, public] = &created[..] else { return Err(Rv(CKR_FUNCTION_FAILED)) };
            return Ok(Pair { public: public.number, private: private.number });
        }
        // The session object first: if the vault refuses the other half, it can be taken back.
        let (first, second, public_first) = match request.public.token {
            true => (request.private, request.public, false),
            false => (request.public, request.private, true),
        };
        let first = self.store(first)?;
        let second = self.store(second).inspect_err(|_| self.slot.objects.delete(first))?;
        Ok(if public_first { Pair { public: first, private: second } } else { Pair { public: second, private: first } })
    }

    /// `C_GenerateKey`.
    pub fn generate_key(&self, mechanism: Request<'_>, template: &Template<'_>) -> Result<CK_OBJECT_HANDLE, Rv> {
        self.slot.mechanisms.find_for(mechanism.number, CKF_GENERATE)?;
        let kind = mechanism.secret_kind()?;
        let (algorithm, new) = template::for_generated_secret(kind, template, &self.slot.rules())?;
        self.check_write(new.token, new.draft.content.private)?;
        if new.token {
            return Ok(self.slot.vault.generate_secret(algorithm, new.draft)?.number);
        }
        self.generate_session_secret(algorithm, new)
    }

    fn generate_session_secret(&self, algorithm: KeyAlgorithm, mut new: NewObject) -> Result<CK_OBJECT_HANDLE, Rv> {
        let len = algorithm.secret_len().ok_or(Rv(CKR_KEY_TYPE_INCONSISTENT))?;
        let content = &mut new.draft.content;
        content.key = Some(KeyDescription { algorithm, public: Arc::new([]) });
        content.local = true;
        if content.id.is_empty() {
            content.id = vec![0; 16];
            crypto::random(&mut content.id)?;
        }
        new.draft.secret = Some(SecretBytes::filled(len, crypto::random)?);
        self.store(new)
    }
}

fn generate(request: &PairRequest) -> Result<(crypto::PrivateKey, SecretBytes), Rv> {
    Ok(match (request.algorithm, &request.public_exponent) {
        (KeyAlgorithm::Rsa { bits }, Some(exponent)) => crypto::PrivateKey::generate_rsa(bits, exponent)?,
        (algorithm, _) => crypto::PrivateKey::generate(algorithm)?,
    })
}

/// What a vault fills in itself when it generates.
fn describe(content: &mut Content, key: &crypto::PrivateKey) {
    let public = key.public_key();
    content.key = Some(KeyDescription { algorithm: key.algorithm(), public: public.spki().into() });
    content.local = true;
    if content.id.is_empty() {
        content.id = public.key_id().to_vec();
    }
}
