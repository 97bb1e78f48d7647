//! The six operations with a key: the algorithm's name and the request's bytes in, the answer's bytes out.
//!
//! Everything that can be wrong with lengths and parameters is found before a private operation begins, and says what
//! was expected. Once a ciphertext is being decrypted there is one error, whatever was wrong with it; RSA1_5 has none at
//! all ([`crate::crypto::PrivateKey::decrypt`]). CBC has no tag: whoever may call decrypt with A…CBCPAD learns whether
//! the padding was right, which is that algorithm's nature, here as in the service.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::algorithms::{Algorithm, Method, Operation};
use super::error::OperationError;
use crate::crypto::{self, CipherScheme, CryptoError, Direction, KeyAlgorithm, KeyWrapScheme, PublicKey};
use crate::vault::{EncryptScheme, PrivateKey, SecretBytes, SignScheme, VaultError};

/// The result of an operation.
pub type Result<T> = std::result::Result<T, OperationError>;

/// What signs, decrypts and unwraps.
#[derive(Clone, Copy)]
pub enum Private<'a> {
    /// The private half of a pair.
    Pair(&'a dyn PrivateKey),
    /// A secret key.
    Secret(&'a crypto::SecretKey),
}

/// What verifies, encrypts and wraps.
#[derive(Clone, Copy)]
pub enum Public<'a> {
    /// The public half of a pair.
    Pair(&'a PublicKey),
    /// A secret key.
    Secret(&'a crypto::SecretKey),
}

/// What stands beside the value in requests with AES.
#[derive(Clone, Copy, Debug, Default)]
pub struct AesInput<'a> {
    /// `iv`
    pub iv: Option<&'a [u8]>,
    /// `aad`
    pub aad: Option<&'a [u8]>,
    /// `tag`
    pub tag: Option<&'a [u8]>,
}

/// What was encrypted or wrapped, and what is needed beside it to undo that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// `value`
    pub value: Vec<u8>,
    /// `iv`, of AES-GCM and AES-CBC.
    pub iv: Option<Vec<u8>>,
    /// `tag`, of AES-GCM.
    pub tag: Option<Vec<u8>>,
}

/// Bytes of AES-GCM's IV, which is drawn here: with one of the caller's a repeated IV would give the key away.
const GCM_IV_LEN: usize = 12;
/// Bytes of its tag.
const GCM_TAG_LEN: usize = 16;
/// Bytes of AES's block.
const BLOCK_LEN: usize = 16;

impl Private<'_> {
    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Pair(key) => key.algorithm(),
            Self::Secret(key) => key.algorithm(),
        }
    }
}

impl Public<'_> {
    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Pair(key) => key.algorithm(),
            Self::Secret(key) => key.algorithm(),
        }
    }
}

/// Signs a digest: RSA signatures, r‖s of ECDSA, HMAC codes.
pub fn sign(key: Private<'_>, algorithm: &Algorithm, digest: &[u8]) -> Result<Vec<u8>> {
    algorithm.check(Operation::Sign, key.algorithm())?;
    algorithm.check_digest(key.algorithm(), digest)?;
    match (key, scheme(algorithm.method)) {
        (Private::Pair(key), Some(scheme)) => {
            let mut signature = vec![0; key.algorithm().signature_len()];
            let len = key.sign(&scheme, digest, &mut signature)?;
            signature.truncate(len);
            Ok(signature)
        }
        (Private::Secret(key), None) => code(key, algorithm, digest),
        _ => Err(algorithm.wrong_key(key.algorithm())),
    }
}

/// Whether it is this key's signature over this digest. A signature of a wrong length is none.
pub fn verify(key: Public<'_>, algorithm: &Algorithm, digest: &[u8], signature: &[u8]) -> Result<bool> {
    algorithm.check(Operation::Verify, key.algorithm())?;
    algorithm.check_digest(key.algorithm(), digest)?;
    match (key, scheme(algorithm.method)) {
        (Public::Pair(key), Some(scheme)) => match key.verify(&scheme, digest, signature) {
            Ok(()) => Ok(true),
            Err(CryptoError::SignatureInvalid | CryptoError::SignatureLength) => Ok(false),
            Err(other) => Err(other.into()),
        },
        (Public::Secret(key), None) => Ok(code(key, algorithm, digest)?.ct_eq(signature).into()),
        _ => Err(algorithm.wrong_key(key.algorithm())),
    }
}

/// Encrypts (RSA, AES-GCM, AES-CBC).
pub fn encrypt(key: Public<'_>, algorithm: &Algorithm, plaintext: &[u8], with: &AesInput<'_>) -> Result<Sealed> {
    algorithm.check(Operation::Encrypt, key.algorithm())?;
    check_members(algorithm, with, Operation::Encrypt)?;
    match (key, algorithm.method) {
        (Public::Pair(key), Method::Rsa(scheme)) => encrypt_rsa(key, algorithm, &scheme, plaintext),
        (Public::Secret(key), _) => encrypt_aes(key, algorithm, plaintext, with),
        (Public::Pair(key), _) => Err(algorithm.wrong_key(key.algorithm())),
    }
}

/// Undoes [`encrypt`].
pub fn decrypt(key: Private<'_>, algorithm: &Algorithm, ciphertext: &[u8], with: &AesInput<'_>) -> Result<SecretBytes> {
    algorithm.check(Operation::Decrypt, key.algorithm())?;
    check_members(algorithm, with, Operation::Decrypt)?;
    match (key, algorithm.method) {
        (Private::Pair(key), Method::Rsa(scheme)) => decrypt_rsa(key, &scheme, ciphertext),
        (Private::Secret(key), _) => decrypt_aes(key, algorithm, ciphertext, with),
        (Private::Pair(key), _) => Err(algorithm.wrong_key(key.algorithm())),
    }
}

/// Wraps a key (RSA, AES key wrap).
pub fn wrap(key: Public<'_>, algorithm: &Algorithm, value: &[u8], with: &AesInput<'_>) -> Result<Sealed> {
    algorithm.check(Operation::WrapKey, key.algorithm())?;
    check_members(algorithm, with, Operation::WrapKey)?;
    match (key, algorithm.method) {
        (Public::Pair(key), Method::Rsa(scheme)) => encrypt_rsa(key, algorithm, &scheme, value),
        (Public::Secret(key), Method::KeyWrap(scheme)) => {
            check_wrapped_len(algorithm, scheme, value.len())?;
            Ok(Sealed { value: key.wrap(&scheme, value)?, ..Sealed::default() })
        }
        _ => Err(algorithm.wrong_key(key.algorithm())),
    }
}

/// Undoes [`wrap`].
pub fn unwrap(key: Private<'_>, algorithm: &Algorithm, wrapped: &[u8], with: &AesInput<'_>) -> Result<SecretBytes> {
    algorithm.check(Operation::UnwrapKey, key.algorithm())?;
    check_members(algorithm, with, Operation::UnwrapKey)?;
    match (key, algorithm.method) {
        (Private::Pair(key), Method::Rsa(scheme)) => decrypt_rsa(key, &scheme, wrapped),
        (Private::Secret(key), Method::KeyWrap(scheme)) => key.unwrap(&scheme, wrapped).map_err(of_ciphertext),
        _ => Err(algorithm.wrong_key(key.algorithm())),
    }
}

fn scheme(method: Method) -> Option<SignScheme> {
    match method {
        Method::Signature(scheme, _) => Some(scheme),
        Method::BareSignature => Some(SignScheme::RsaPkcs1),
        _ => None,
    }
}

fn code(key: &crypto::SecretKey, algorithm: &Algorithm, message: &[u8]) -> Result<Vec<u8>> {
    let Method::Hmac(digest) = algorithm.method else { return Err(algorithm.wrong_key(key.algorithm())) };
    let mut mac = key.hmac(digest)?;
    mac.update(message);
    let mut code = vec![0; mac.len()];
    mac.finish(&mut code)?;
    Ok(code)
}

fn encrypt_rsa(key: &PublicKey, algorithm: &Algorithm, scheme: &EncryptScheme<'_>, input: &[u8]) -> Result<Sealed> {
    let most = scheme.decrypted_len(key.algorithm());
    if input.len() > most {
        return Err(wrong_length(algorithm, format!("at most {most} bytes with this key"), input.len()));
    }
    let mut value = vec![0; key.value().len()];
    let len = key.encrypt(scheme, input, &mut value)?;
    value.truncate(len);
    Ok(Sealed { value, ..Sealed::default() })
}

fn decrypt_rsa(key: &dyn PrivateKey, scheme: &EncryptScheme<'_>, ciphertext: &[u8]) -> Result<SecretBytes> {
    let mut plaintext = Zeroizing::new(vec![0; scheme.decrypted_len(key.algorithm())]);
    let len = key.decrypt(scheme, ciphertext, &mut plaintext).map_err(|error| match error {
        VaultError::Crypto(error) => of_ciphertext(error),
        other => other.into(),
    })?;
    Ok(SecretBytes::from_slice(&plaintext[..len]))
}

fn encrypt_aes(
    key: &crypto::SecretKey,
    algorithm: &Algorithm,
    plaintext: &[u8],
    with: &AesInput<'_>,
) -> Result<Sealed> {
    if algorithm.method == Method::AesGcm {
        let mut iv = [0; GCM_IV_LEN];
        crypto::random(&mut iv)?;
        return seal_gcm(key, &iv, plaintext, with.aad.unwrap_or_default());
    }
    let iv = cbc_iv(algorithm, with)?;
    if algorithm.method == Method::AesCbc && (plaintext.is_empty() || !plaintext.len().is_multiple_of(BLOCK_LEN)) {
        return Err(wrong_length(algorithm, "whole blocks of 16 bytes".to_owned(), plaintext.len()));
    }
    let mut cipher = key.cipher(&cbc(algorithm, iv), Direction::Encrypt)?;
    let mut value = vec![0; cipher.whole_len(plaintext.len())];
    let len = cipher.whole(plaintext, &mut value)?;
    value.truncate(len);
    Ok(Sealed { value, iv: Some(iv.to_vec()), tag: None })
}

fn seal_gcm(key: &crypto::SecretKey, iv: &[u8], plaintext: &[u8], aad: &[u8]) -> Result<Sealed> {
    let mut cipher = key.cipher(&CipherScheme::AesGcm { iv, aad, tag_len: GCM_TAG_LEN }, Direction::Encrypt)?;
    let mut value = vec![0; cipher.whole_len(plaintext.len())];
    cipher.whole(plaintext, &mut value)?;
    let tag = value.split_off(plaintext.len());
    Ok(Sealed { value, iv: Some(iv.to_vec()), tag: Some(tag) })
}

fn decrypt_aes(
    key: &crypto::SecretKey,
    algorithm: &Algorithm,
    ciphertext: &[u8],
    with: &AesInput<'_>,
) -> Result<SecretBytes> {
    if algorithm.method == Method::AesGcm {
        let iv = exactly(algorithm, "iv", with.iv, GCM_IV_LEN, "must be the 12 bytes that encrypting answered")?;
        let tag = exactly(algorithm, "tag", with.tag, GCM_TAG_LEN, "must be the 16 bytes that encrypting answered")?;
        let scheme = CipherScheme::AesGcm { iv, aad: with.aad.unwrap_or_default(), tag_len: GCM_TAG_LEN };
        return open(key, &scheme, &[ciphertext, tag].concat());
    }
    let iv = cbc_iv(algorithm, with)?;
    if ciphertext.is_empty() {
        return Err(OperationError::BadCiphertext);
    }
    open(key, &cbc(algorithm, iv), ciphertext)
}

fn open(key: &crypto::SecretKey, scheme: &CipherScheme<'_>, ciphertext: &[u8]) -> Result<SecretBytes> {
    let mut cipher = key.cipher(scheme, Direction::Decrypt)?;
    let mut plaintext = Zeroizing::new(vec![0; cipher.whole_len(ciphertext.len())]);
    let len = cipher.whole(ciphertext, &mut plaintext).map_err(of_ciphertext)?;
    Ok(SecretBytes::from_slice(&plaintext[..len]))
}

fn cbc(algorithm: &Algorithm, iv: [u8; BLOCK_LEN]) -> CipherScheme<'static> {
    if algorithm.method == Method::AesCbcPad { CipherScheme::AesCbcPad { iv } } else { CipherScheme::AesCbc { iv } }
}

fn cbc_iv(algorithm: &Algorithm, with: &AesInput<'_>) -> Result<[u8; BLOCK_LEN]> {
    let iv = exactly(algorithm, "iv", with.iv, BLOCK_LEN, "must have 16 bytes")?;
    Ok(iv.try_into().expect("it has that length"))
}

/// A member that must be there with this length.
fn exactly<'a>(
    algorithm: &Algorithm,
    member: &'static str,
    given: Option<&'a [u8]>,
    len: usize,
    reason: &'static str,
) -> Result<&'a [u8]> {
    let bad = || OperationError::BadParameter { algorithm: algorithm.name, member, reason };
    given.filter(|given| given.len() == len).ok_or_else(bad)
}

/// Refuses members that the algorithm has no use for: who sends them believes in a protection that isn't there. Empty
/// ones are as good as none.
fn check_members(algorithm: &Algorithm, with: &AesInput<'_>, operation: Operation) -> Result<()> {
    let given = |member: Option<&[u8]>| member.is_some_and(|bytes| !bytes.is_empty());
    let gcm = algorithm.method == Method::AesGcm;
    let cbc = matches!(algorithm.method, Method::AesCbc | Method::AesCbcPad);
    let decrypting = operation == Operation::Decrypt;
    let refused = |member, reason| Err(OperationError::BadParameter { algorithm: algorithm.name, member, reason });
    if given(with.iv) && gcm && !decrypting {
        return refused("iv", "is made by the service and can't be given");
    }
    if given(with.iv) && !gcm && !cbc {
        return refused("iv", "is not used");
    }
    if given(with.aad) && !gcm {
        return refused("aad", "is not used: nothing would authenticate it");
    }
    if given(with.tag) && !(gcm && decrypting) {
        return refused("tag", "is not used");
    }
    Ok(())
}

fn check_wrapped_len(algorithm: &Algorithm, scheme: KeyWrapScheme, len: usize) -> Result<()> {
    let (fits, needed) = match scheme {
        KeyWrapScheme::AesKw { .. } => (len >= 16 && len.is_multiple_of(8), "16 bytes or more in steps of 8"),
        KeyWrapScheme::AesKwp { .. } | KeyWrapScheme::AesKwPkcs7 { .. } => (len > 0, "1 byte or more"),
    };
    if fits { Ok(()) } else { Err(wrong_length(algorithm, needed.to_owned(), len)) }
}

fn wrong_length(algorithm: &Algorithm, needed: String, given: usize) -> OperationError {
    OperationError::WrongInputLength { algorithm: algorithm.name, needed, given }
}

/// What was wrong with a ciphertext, its length included, is nobody's business.
fn of_ciphertext(error: CryptoError) -> OperationError {
    match error {
        CryptoError::InputLength | CryptoError::CiphertextInvalid => OperationError::BadCiphertext,
        other => other.into(),
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
