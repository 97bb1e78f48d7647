//! Keys that stay at the service: each signature, decryption and unwrapping is one request, and nothing else is.
//!
//! What comes back is checked before it is handed on: that it is this version's, and of a signature that the public key,
//! which is here, verifies it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::algorithm::{self, Service};
use super::session::{Repeat, Reply, Session};
use super::wire::{KeyBundle, OperationResult, base64url, invalid, is_of, read, secret_base64url};
use crate::backend::now;
use crate::crypto::{
    CipherScheme, CryptoError, Direction, EncryptScheme, KeyAlgorithm, KeyWrapScheme, PublicKey, SecretBytes,
    SignScheme,
};
use crate::vault::{Content, Object, PrivateKey, RemoteKey, Result, SecretKey, UsableKey, VaultError, VersionId};

/// One version of a key at the service.
pub struct AzureKey {
    session: Arc<Session>,
    service: Service,
    location: Arc<str>,
    name: Box<str>,
    version: Box<str>,
    algorithm: KeyAlgorithm,
    spki: Arc<[u8]>,
    /// Parsed at the first signature, in the process that signs: its locks are this process's.
    public: OnceLock<PublicKey>,
    enabled: bool,
    not_before: Option<i64>,
    expires: Option<i64>,
    /// What the service said of these dates since.
    since: Mutex<Since>,
    /// Whether the log has what the service said to a ciphertext that it didn't take.
    told: AtomicBool,
}

/// Dates of a key that were asked for because those that are known refuse it.
#[derive(Clone, Copy, Default)]
struct Since {
    asked: Option<Instant>,
    /// `nbf` and `exp`.
    dates: Option<(Option<i64>, Option<i64>)>,
}

/// What is asked of a key.
struct Operation<'a> {
    /// The end of the path.
    verb: &'static str,
    alg: &'a str,
    iv: Option<&'a [u8]>,
    aad: Option<&'a [u8]>,
    tag: Option<&'a [u8]>,
}

impl<'a> Operation<'a> {
    fn new(verb: &'static str, alg: &'a str) -> Self {
        Self { verb, alg, iv: None, aad: None, tag: None }
    }
}

impl AzureKey {
    /// The key of an object; `None` for what is none.
    pub fn of(object: &Object, session: &Arc<Session>, service: Service, location: &Arc<str>) -> Option<Self> {
        let (name, version) = (object.name.as_ref()?, object.version?);
        let key = object.content.key.as_ref().filter(|_| object.has_secret)?;
        Some(Self {
            session: Arc::clone(session),
            service,
            location: Arc::clone(location),
            name: name.as_str().into(),
            version: hexadecimal(&version.id).into(),
            algorithm: key.algorithm,
            spki: Arc::clone(&key.public),
            public: OnceLock::new(),
            enabled: object.content.enabled,
            not_before: object.content.not_before,
            expires: object.content.expires,
            since: Mutex::default(),
            told: AtomicBool::new(false),
        })
    }

    /// The same key, whose dates don't count.
    pub fn at_any_time(&self) -> Self {
        let public = self.public.clone();
        Self {
            session: Arc::clone(&self.session),
            location: Arc::clone(&self.location),
            name: self.name.clone(),
            version: self.version.clone(),
            spki: Arc::clone(&self.spki),
            public,
            not_before: None,
            expires: None,
            since: Mutex::default(),
            told: AtomicBool::new(false),
            ..*self
        }
    }

    /// What is known here; the service checks again. Dates that refuse are looked up there once more: whoever holds a key
    /// for long never lists it again.
    pub fn check(&self) -> Result<()> {
        if !self.enabled {
            return Err(VaultError::Disabled);
        }
        let listed = validity((self.not_before, self.expires));
        if listed.is_ok() {
            return Ok(());
        }
        self.dates_there().map_or(listed, validity)
    }

    /// `nbf` and `exp` as the service says them, asked for every few seconds at most.
    fn dates_there(&self) -> Option<(Option<i64>, Option<i64>)> {
        let since = || self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = since();
        if known.asked.is_some_and(|asked| asked.elapsed() < AGAIN) {
            return known.dates;
        }
        known.asked = Some(Instant::now());
        drop(known);
        let path = format!("/keys/{}/{}", self.name, self.version);
        // Who may sign need not be one who may read: then it stays at what was listed.
        let asked = self.session.call("GET", &path, None, Repeat::Safe);
        let bundle = asked.and_then(|reply| read::<KeyBundle>(&self.location, &reply.body));
        let bundle = bundle.ok().filter(|bundle| self.is_its(&bundle.key.kid));
        let mut known = since();
        if let Some(attributes) = bundle.map(|bundle| bundle.attributes) {
            known.dates = Some((attributes.nbf, attributes.exp));
        }
        known.dates
    }

    fn is_its(&self, id: &str) -> bool {
        is_of(id, "keys", &self.name, Some(&self.version))
    }

    fn public(&self) -> Result<&PublicKey> {
        if let Some(public) = self.public.get() {
            return Ok(public);
        }
        let parsed = PublicKey::from_spki(&self.spki)?;
        Ok(self.public.get_or_init(|| parsed))
    }

    /// The one request, and the value that comes of it.
    fn ask(&self, operation: &Operation<'_>, input: &[u8]) -> Result<SecretBytes> {
        let path = format!("/keys/{}/{}/{}", self.name, self.version, operation.verb);
        let reply = self.session.call("POST", &path, Some(&body(operation, input)), Repeat::Safe);
        self.value(operation, &reply.map_err(|error| self.of_its_time(error))?)
    }

    /// Where the service says that the key's time isn't now: which time that is.
    fn of_its_time(&self, error: VaultError) -> VaultError {
        let VaultError::RefusedThere { status: 403, code, .. } = &error else { return error };
        let is_over = code == "KeyExpired";
        if !is_over && code != "KeyNotYetValid" {
            return error;
        }
        let (start, end) = self.dates_there().unwrap_or((self.not_before, self.expires));
        if is_over {
            VaultError::Expired(end.unwrap_or_else(now))
        } else {
            VaultError::NotYetValid(start.unwrap_or_else(now))
        }
    }

    /// The value that the service answered, if it is this version's and made as it was asked for.
    fn value(&self, operation: &Operation<'_>, reply: &Reply) -> Result<SecretBytes> {
        let result: OperationResult<'_> = read(&self.location, &reply.body)?;
        if !self.is_its(&result.kid) {
            return Err(invalid(
                &self.location,
                format!("it used another key than version {} of {}", self.version, self.name),
            ));
        }
        if let (Some(wanted), Some(used)) = (operation.iv, result.iv.as_deref())
            && base64url(used).as_deref() != Some(wanted)
        {
            return Err(invalid(&self.location, "it used another initialisation vector than it was given"));
        }
        secret_base64url(&result.value).ok_or_else(|| invalid(&self.location, "its value isn't base64url"))
    }

    /// A result of this many bytes, if that is what the scheme makes.
    fn of_length(&self, result: SecretBytes, is_right: impl Fn(usize) -> bool) -> Result<SecretBytes> {
        match is_right(result.len()) {
            true => Ok(result),
            false => Err(invalid(&self.location, format!("what {} made isn't as long as it must be", self.name))),
        }
    }

    fn key_wrap(&self, scheme: &KeyWrapScheme) -> Result<&'static str> {
        let KeyAlgorithm::Aes { bits } = self.algorithm else { return Err(CryptoError::SchemeMismatch.into()) };
        Ok(algorithm::key_wrap(scheme, bits).ok_or(CryptoError::SchemeMismatch)?)
    }

    fn open(&self, operation: &Operation<'_>, input: &[u8]) -> Result<SecretBytes> {
        self.check()?;
        self.ask(operation, input).map_err(|error| self.of_ciphertext(error))
    }

    /// A ciphertext that the service calls a bad parameter is one that its key didn't make; or something else is wrong with
    /// the request, which only its own words tell.
    fn of_ciphertext(&self, error: VaultError) -> VaultError {
        match &error {
            VaultError::RefusedThere { status: 400, code, .. } if code == "BadParameter" => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{error}; this is taken for a ciphertext that {} didn't make", self.name);
                }
                CryptoError::CiphertextInvalid.into()
            }
            _ => error,
        }
    }

    fn decrypt_rsa(
        &self,
        verb: &'static str,
        scheme: &EncryptScheme<'_>,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let alg = algorithm::decryption(scheme).ok_or(CryptoError::SchemeMismatch)?;
        if input.len() != self.algorithm.signature_len() {
            return Err(CryptoError::InputLength.into());
        }
        let opened = match self.open(&Operation::new(verb, alg), input) {
            // Who may send ciphertexts would learn from the difference what others say (Bleichenbacher 1998).
            Err(VaultError::Crypto(CryptoError::CiphertextInvalid)) if matches!(scheme, EncryptScheme::RsaPkcs1) => {
                return Ok(self.session.rejection().message(self.version.as_bytes(), input, out)?);
            }
            opened => opened?,
        };
        let too_long = || invalid(&self.location, "it decrypted more than the key holds");
        out.get_mut(..opened.len()).ok_or_else(too_long)?.copy_from_slice(opened.expose());
        Ok(opened.len())
    }
}

impl PrivateKey for AzureKey {
    fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    fn check_usable(&self) -> Result<()> {
        self.check()
    }

    fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check()?;
        let (alg, digest) = self.service.signature(self.algorithm, scheme, input)?;
        let signature = self.ask(&Operation::new("sign", alg), &digest)?;
        // A vault that passed a parameter over, or used another key, signed something else.
        if self.public()?.verify(scheme, input, signature.expose()).is_err() {
            return Err(invalid(
                &self.location,
                format!("what {} signed isn't a signature by its public key", self.name),
            ));
        }
        let room = out.get_mut(..signature.len()).ok_or(CryptoError::OutputLength)?;
        room.copy_from_slice(signature.expose());
        Ok(signature.len())
    }

    fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.decrypt_rsa("decrypt", scheme, input, out)
    }

    fn unwrap(&self, scheme: &EncryptScheme<'_>, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        self.decrypt_rsa("unwrapkey", scheme, wrapped, out)
    }

    fn agree(&self, _peer: &[u8]) -> Result<SecretBytes> {
        Err(VaultError::Unsupported("the interface has no key agreement"))
    }
}

impl SecretKey for AzureKey {
    fn usable(&self) -> Result<UsableKey<'_>> {
        self.check()?;
        Ok(UsableKey::There(self))
    }
}

impl RemoteKey for AzureKey {
    fn apply(&self, scheme: &CipherScheme<'_>, direction: Direction, input: &[u8]) -> Result<SecretBytes> {
        let KeyAlgorithm::Aes { bits } = self.algorithm else { return Err(CryptoError::SchemeMismatch.into()) };
        let mode = algorithm::cipher(scheme, direction).ok_or(CryptoError::SchemeMismatch)?;
        let alg = format!("A{bits}{mode}");
        let verb = if direction == Direction::Encrypt { "encrypt" } else { "decrypt" };
        let mut operation = Operation::new(verb, &alg);
        let mut input = input;
        match scheme {
            CipherScheme::AesGcm { iv, aad, tag_len } => {
                let (text, tag) =
                    input.split_at_checked(input.len().wrapping_sub(*tag_len)).ok_or(CryptoError::InputLength)?;
                (operation.iv, operation.tag, input) = (Some(*iv), Some(tag), text);
                operation.aad = Some(*aad).filter(|aad| !aad.is_empty());
            }
            CipherScheme::AesCbc { iv } | CipherScheme::AesCbcPad { iv } => operation.iv = Some(iv),
            CipherScheme::AesEcb | CipherScheme::AesCtr { .. } => return Err(CryptoError::SchemeMismatch.into()),
        }
        let whole_blocks = direction == Direction::Encrypt && matches!(scheme, CipherScheme::AesCbc { .. })
            || direction == Direction::Decrypt && !matches!(scheme, CipherScheme::AesGcm { .. });
        if whole_blocks && !input.len().is_multiple_of(BLOCK_LEN) {
            return Err(CryptoError::InputLength.into());
        }
        let result = match (direction, scheme) {
            // The service refuses an empty value. Nothing to encrypt is nothing, and with a padding it is a block of that.
            (_, CipherScheme::AesCbc { .. }) if input.is_empty() => return Ok(SecretBytes::from_slice(&[])),
            (Direction::Encrypt, CipherScheme::AesCbcPad { iv }) if input.is_empty() => {
                return self.apply(&CipherScheme::AesCbc { iv: *iv }, direction, &[BLOCK_LEN as u8; BLOCK_LEN]);
            }
            (Direction::Encrypt, _) => {
                self.check()?;
                self.ask(&operation, input)?
            }
            (Direction::Decrypt, _) => self.open(&operation, input)?,
        };
        self.of_length(result, |len| match (scheme, direction) {
            (CipherScheme::AesCbcPad { .. }, Direction::Encrypt) => len == padded_len(input.len()),
            (CipherScheme::AesCbcPad { .. }, Direction::Decrypt) => padded_len(len) == input.len(),
            _ => len == input.len(),
        })
    }

    fn wrap(&self, scheme: &KeyWrapScheme, value: &[u8]) -> Result<Vec<u8>> {
        let alg = self.key_wrap(scheme)?;
        let fits = match scheme {
            KeyWrapScheme::AesKw { .. } => value.len() >= BLOCK_LEN && value.len().is_multiple_of(8),
            _ => !value.is_empty(),
        };
        if !fits {
            return Err(CryptoError::InputLength.into());
        }
        self.check()?;
        let wrapped = self.ask(&Operation::new("wrapkey", alg), value)?;
        Ok(self.of_length(wrapped, |len| len == wrapped_len(value.len()))?.expose().to_vec())
    }

    fn unwrap(&self, scheme: &KeyWrapScheme, wrapped: &[u8]) -> Result<SecretBytes> {
        let alg = self.key_wrap(scheme)?;
        if wrapped.len() < BLOCK_LEN || !wrapped.len().is_multiple_of(8) {
            return Err(CryptoError::InputLength.into());
        }
        let value = self.open(&Operation::new("unwrapkey", alg), wrapped)?;
        let whole = matches!(scheme, KeyWrapScheme::AesKw { .. });
        self.of_length(value, |len| wrapped_len(len) == wrapped.len() && (!whole || len.is_multiple_of(8)))
    }
}

/// Bytes of AES's block.
const BLOCK_LEN: usize = 16;
/// How long nobody asks again for dates that refused.
const AGAIN: Duration = Duration::from_secs(5);
/// Seconds by which two clocks may be apart.
const APART: i64 = 60;

/// How long so many bytes are with their padding (RFC 5652 §6.3).
fn padded_len(len: usize) -> usize {
    len + BLOCK_LEN - len % BLOCK_LEN
}

/// How long so many bytes are when they are wrapped (RFC 3394 §2, RFC 5649 §3).
fn wrapped_len(len: usize) -> usize {
    len.next_multiple_of(8) + 8
}

/// `KeySignParameters` or `KeyOperationsParameters`: names and base64url, of which nothing needs an escape. Written at once
/// into memory that is wiped and doesn't grow.
fn body(operation: &Operation<'_>, input: &[u8]) -> Zeroizing<Vec<u8>> {
    let members = [("value", Some(input)), ("iv", operation.iv), ("aad", operation.aad), ("tag", operation.tag)];
    let given = members.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
    let room: usize = given.clone().map(|(name, bytes)| name.len() + 6 + bytes.len().div_ceil(3) * 4).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room + operation.alg.len() + 10));
    body.extend_from_slice(b"{\"alg\":\"");
    body.extend_from_slice(operation.alg.as_bytes());
    body.push(b'"');
    for (name, bytes) in given {
        body.extend_from_slice(b",\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\":\"");
        let start = body.len();
        body.resize(start + Base64UrlUnpadded::encoded_len(bytes), 0);
        // The room is as long as the encoding.
        let _ = Base64UrlUnpadded::encode(bytes, &mut body[start..]);
        body.push(b'"');
    }
    body.push(b'}');
    body
}

fn validity((start, end): (Option<i64>, Option<i64>)) -> Result<()> {
    // The service's clock counts, and may be ahead of this one.
    Content::validity(start.map(|start| start.saturating_sub(APART)), end, now())
}

/// A version as it stands in paths.
pub fn hexadecimal(version: &VersionId) -> String {
    version.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_the_sdks_write() {
        let plain = body(&Operation::new("sign", "ES256"), &[0xFB, 0xFF]);
        assert_eq!(std::str::from_utf8(&plain).unwrap(), r#"{"alg":"ES256","value":"-_8"}"#);
        let gcm = Operation { iv: Some(&[1]), tag: Some(&[2, 3]), ..Operation::new("decrypt", "A256GCM") };
        let gcm = body(&gcm, &[]);
        assert_eq!(std::str::from_utf8(&gcm).unwrap(), r#"{"alg":"A256GCM","value":"","iv":"AQ","tag":"AgM"}"#);
        assert!(plain.capacity() >= plain.len());
    }
}
