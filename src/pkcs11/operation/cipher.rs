//! Encryption and decryption (PKCS#11 v3.2 §5.8, §5.10).
//!
//! Where the length of a result is only known once it is there (a padding that is taken away), a caller's buffer that
//! holds the most there can be is written at once; for a smaller one the result is kept until a call has room for it.

use std::sync::Arc;

use cryptoki_sys::*;
use zeroize::Zeroizing;

use super::remote_cipher::RemoteCipher;
use super::{Kind, Step};
use crate::crypto::{
    Cipher, CipherScheme, CryptoError, Direction, EncryptScheme, KeyAlgorithm, KeyWrapScheme, SecretBytes,
};
use crate::pkcs11::abi::Output;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{Request, TransformPlan};
use crate::pkcs11::object;
use crate::pkcs11::session::Session;
use crate::pkcs11::slot::ParsedPublicKey;
use crate::vault::{Ability, Matter, PrivateKey, SecretKey, UsableKey, Usage, VaultError};

/// An encryption or a decryption that was begun.
pub struct Ciphering {
    direction: Direction,
    engine: Engine,
    in_parts: bool,
    awaits_pin: bool,
    /// How long the result is isn't known before it is there.
    padded: bool,
    /// A result that a caller's buffer was too small for.
    kept: Option<SecretBytes>,
}

/// What does it.
enum Engine {
    /// An AES mode.
    Cipher(Arc<dyn SecretKey>, Box<Cipher>),
    /// An AES mode, where the key's vault is.
    Remote(Box<RemoteCipher>),
    /// AES key wrap.
    KeyWrap(Arc<dyn SecretKey>, KeyWrapScheme),
    /// RSA with the public key.
    Public(Arc<ParsedPublicKey>, RsaScheme),
    /// RSA with the private key.
    Private(Arc<dyn PrivateKey>, RsaScheme),
}

/// An [`EncryptScheme`] with a label of its own: the caller's is gone when the data comes.
struct RsaScheme {
    scheme: EncryptScheme<'static>,
    label: Box<[u8]>,
}

impl Session {
    /// `C_EncryptInit` and `C_DecryptInit`.
    pub fn cipher_init(
        &mut self,
        direction: Direction,
        mechanism: Request<'_>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<(), Rv> {
        let kind = kind(direction);
        self.expect_free(kind)?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, usage(direction))?;
        let plan = mechanism.transform_plan(kind.flag(), algorithm)?;
        let padded = direction == Direction::Decrypt && is_padded(&plan);
        let engine = match (plan, direction) {
            (TransformPlan::Cipher(scheme), _) => {
                self.slot.expect_offered(&object, &Ability::Cipher(scheme, direction, Matter::Bytes))?;
                Engine::of(self.slot.secret_key(&object)?, &scheme, direction)?
            }
            (TransformPlan::KeyWrap(scheme), _) => {
                self.slot.expect_offered(&object, &Ability::KeyWrap(scheme, Matter::Bytes))?;
                Engine::KeyWrap(self.slot.secret_key(&object)?, scheme)
            }
            (TransformPlan::Rsa(scheme), Direction::Encrypt) => {
                Engine::Public(self.slot.public_keys.get(&object)?, RsaScheme::new(scheme, algorithm)?)
            }
            (TransformPlan::Rsa(scheme), Direction::Decrypt) => {
                self.slot.expect_offered(&object, &Ability::Decrypt(scheme))?;
                Engine::Private(self.slot.private_key(&object)?, RsaScheme::new(scheme, algorithm)?)
            }
            (TransformPlan::RsaAes { .. }, _) => return Err(Rv(CKR_MECHANISM_INVALID)),
        };
        let awaits_pin = matches!(engine, Engine::Private(..)) && object::asks_for_pin(&object.content);
        self.ciphering = Some(Ciphering { direction, engine, in_parts: false, awaits_pin, padded, kept: None });
        Ok(())
    }

    /// `C_Encrypt` and `C_Decrypt`.
    pub fn cipher(&mut self, direction: Direction, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.ciphering(direction)?.one_part(input, out)
    }

    /// `C_EncryptUpdate` and `C_DecryptUpdate`.
    pub fn cipher_update(&mut self, direction: Direction, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        self.ciphering(direction)?.part(part, out)
    }

    /// `C_EncryptFinal` and `C_DecryptFinal`.
    pub fn cipher_final(&mut self, direction: Direction, out: &mut Output<'_>) -> Result<Step, Rv> {
        self.ciphering(direction)?.last_part(out)
    }

    /// The one that is active, in this direction.
    pub(super) fn ciphering(&mut self, direction: Direction) -> Result<&mut Ciphering, Rv> {
        match &mut self.ciphering {
            Some(ciphering) if ciphering.direction == direction => Ok(ciphering),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

impl Engine {
    /// Of an AES key that is here or in its vault.
    fn of(key: Arc<dyn SecretKey>, scheme: &CipherScheme<'_>, direction: Direction) -> Result<Self, Rv> {
        let cipher = match key.usable().map_err(Rv::at_init)? {
            UsableKey::Here(key) => key.cipher(scheme, direction)?,
            UsableKey::There(_) => {
                return RemoteCipher::new(key, scheme, direction).map(|it| Self::Remote(Box::new(it)));
            }
        };
        Ok(Self::Cipher(key, Box::new(cipher)))
    }
}

fn is_padded(plan: &TransformPlan<'_>) -> bool {
    matches!(
        plan,
        TransformPlan::Cipher(CipherScheme::AesCbcPad { .. })
            | TransformPlan::Rsa(EncryptScheme::RsaPkcs1 | EncryptScheme::RsaOaep { .. })
    )
}

/// What a key must be allowed to do.
pub(super) fn usage(direction: Direction) -> Usage {
    match direction {
        Direction::Encrypt => Usage::ENCRYPT,
        Direction::Decrypt => Usage::DECRYPT,
    }
}

fn kind(direction: Direction) -> Kind {
    match direction {
        Direction::Encrypt => Kind::Encrypt,
        Direction::Decrypt => Kind::Decrypt,
    }
}

impl Ciphering {
    /// Which one it is.
    pub fn kind(&self) -> Kind {
        kind(self.direction)
    }

    /// The mark that it waits for the PIN, while it does.
    pub fn awaits_pin(&mut self) -> Option<&mut bool> {
        if self.awaits_pin { Some(&mut self.awaits_pin) } else { None }
    }

    fn one_part(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        if self.in_parts {
            return Err(Rv(CKR_OPERATION_NOT_INITIALIZED));
        }
        super::expect_pin(self.awaits_pin)?;
        if let Some(kept) = &self.kept {
            return out.give(kept.expose());
        }
        let direction = self.direction;
        let refusal = |error: VaultError| at_data(direction, error);
        match &mut self.engine {
            Engine::Cipher(key, cipher) => {
                key.usable().map_err(Rv::at_use)?;
                let most = cipher.whole_len(input.len());
                write(out, most, (self.padded, &mut self.kept), |room| {
                    cipher.whole(input, room).map_err(|error| refusal(error.into()))
                })
            }
            Engine::Remote(cipher) => write(out, cipher.most(input.len()), (self.padded, &mut self.kept), |room| {
                cipher.finish(input, room).map_err(refusal)
            }),
            Engine::KeyWrap(key, scheme) => out.give(wrapped(key, scheme, direction, input)?.expose()),
            Engine::Public(key, rsa) => {
                let Some(room) = out.room(key.key.algorithm().signature_len())? else { return Ok(Step::Pending) };
                let len = key.key.encrypt(&rsa.get(), input, room).map_err(|error| refusal(error.into()))?;
                out.written(len);
                Ok(Step::Done)
            }
            Engine::Private(key, rsa) => {
                let scheme = rsa.get();
                let most = scheme.decrypted_len(key.algorithm());
                write(out, most, (self.padded, &mut self.kept), |room| {
                    key.decrypt(&scheme, input, room).map_err(refusal)
                })
            }
        }
    }

    /// Of the dual-function calls too.
    pub(super) fn part(&mut self, part: &[u8], out: &mut Output<'_>) -> Result<Step, Rv> {
        if self.kept.is_some() {
            return Err(Rv(CKR_OPERATION_NOT_INITIALIZED));
        }
        if let Engine::Remote(cipher) = &mut self.engine {
            let Some(_) = out.room(0)? else { return Ok(Step::Pending) };
            cipher.collect(part)?;
            self.in_parts = true;
            return Ok(Step::Pending);
        }
        let direction = self.direction;
        let (key, cipher) = self.in_parts()?;
        key.usable().map_err(Rv::at_use)?;
        let Some(room) = out.room(cipher.part_len(part.len()))? else { return Ok(Step::Pending) };
        let len = cipher.update(part, room).map_err(|error| at_data(direction, error.into()))?;
        out.written(len);
        self.in_parts = true;
        Ok(Step::Pending)
    }

    fn last_part(&mut self, out: &mut Output<'_>) -> Result<Step, Rv> {
        if let Some(kept) = &self.kept {
            // Of `C_Encrypt` or `C_Decrypt`, unless it came in parts.
            return if self.in_parts { out.give(kept.expose()) } else { Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) };
        }
        let (direction, padded) = (self.direction, self.padded);
        if let Engine::Remote(cipher) = &self.engine {
            let mut kept = None;
            let outcome = write(out, cipher.most(0), (padded, &mut kept), |room| {
                cipher.finish(&[], room).map_err(|error| at_data(direction, error))
            });
            self.in_parts |= kept.is_some();
            self.kept = kept;
            return outcome;
        }
        let (key, cipher) = self.in_parts()?;
        key.usable().map_err(Rv::at_use)?;
        let mut kept = None;
        let outcome = write(out, cipher.last_len(), (padded, &mut kept), |room| {
            cipher.finish(room).map_err(|error| at_data(direction, error.into()))
        });
        self.in_parts |= kept.is_some();
        self.kept = kept;
        outcome
    }

    /// What works in parts; the others are single-part only, of which no multi-part operation was initialised.
    fn in_parts(&mut self) -> Result<(&dyn SecretKey, &mut Cipher), Rv> {
        match &mut self.engine {
            Engine::Cipher(key, cipher) => Ok((&**key, cipher)),
            Engine::Remote(_) | Engine::KeyWrap(..) | Engine::Public(..) | Engine::Private(..) => {
                Err(Rv(CKR_OPERATION_NOT_INITIALIZED))
            }
        }
    }
}

/// AES key wrap of bytes, either way.
fn wrapped(
    key: &Arc<dyn SecretKey>,
    scheme: &KeyWrapScheme,
    direction: Direction,
    input: &[u8],
) -> Result<SecretBytes, Rv> {
    let key = key.usable().and_then(UsableKey::here).map_err(Rv::at_use)?;
    let outcome = match direction {
        Direction::Encrypt => key.wrap(scheme, input).map(|wrapped| SecretBytes::from_slice(&wrapped)),
        Direction::Decrypt => key.unwrap(scheme, input),
    };
    outcome.map_err(|error| at_data(direction, error.into()))
}

/// Writes what `body` makes, `most` bytes at most: straight into the caller's buffer if that holds as many. What is padded
/// may be shorter and is made to see whether it fits.
fn write(
    out: &mut Output<'_>,
    most: usize,
    (padded, kept): (bool, &mut Option<SecretBytes>),
    body: impl FnOnce(&mut [u8]) -> Result<usize, Rv>,
) -> Result<Step, Rv> {
    if !padded || out.is_query() || out.fits(most) {
        let Some(room) = out.room(most)? else { return Ok(Step::Pending) };
        let len = body(room)?;
        out.written(len);
        return Ok(Step::Done);
    }
    let mut result = Zeroizing::new(Vec::new());
    result.try_reserve_exact(most).map_err(|_| Rv(CKR_HOST_MEMORY))?;
    result.resize(most, 0);
    let len = body(&mut result)?;
    let step = out.give(&result[..len]);
    if step == Err(Rv(CKR_BUFFER_TOO_SMALL)) {
        *kept = Some(SecretBytes::try_from_slice(&result[..len])?);
    }
    step
}

impl RsaScheme {
    fn new(scheme: EncryptScheme<'_>, key: KeyAlgorithm) -> Result<Self, Rv> {
        // A hash that leaves no room in this modulus (RFC 8017 §7.1.1).
        if scheme.decrypted_len(key) == 0 {
            return Err(Rv(CKR_MECHANISM_PARAM_INVALID));
        }
        Ok(match scheme {
            EncryptScheme::RsaPkcs1 => Self { scheme: EncryptScheme::RsaPkcs1, label: [].into() },
            EncryptScheme::RsaRaw => Self { scheme: EncryptScheme::RsaRaw, label: [].into() },
            EncryptScheme::RsaOaep { digest, mgf, label } => {
                let mut own = Vec::new();
                own.try_reserve_exact(label.len()).map_err(|_| Rv(CKR_HOST_MEMORY))?;
                own.extend_from_slice(label);
                Self { scheme: EncryptScheme::RsaOaep { digest, mgf, label: &[] }, label: own.into() }
            }
        })
    }

    fn get(&self) -> EncryptScheme<'_> {
        match self.scheme {
            EncryptScheme::RsaOaep { digest, mgf, .. } => EncryptScheme::RsaOaep { digest, mgf, label: &self.label },
            other => other,
        }
    }
}

/// What is wrong with the data has other numbers for ciphertext.
fn at_data(direction: Direction, error: VaultError) -> Rv {
    match (direction, error) {
        (Direction::Decrypt, VaultError::Crypto(CryptoError::InputLength | CryptoError::TooLong)) => {
            Rv(CKR_ENCRYPTED_DATA_LEN_RANGE)
        }
        (_, error) => Rv::at_use(error),
    }
}
