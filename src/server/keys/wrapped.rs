//! Keys that are brought wrapped (`key_hsm`): under a key pair of this vault whose one permitted operation is `import`,
//! so that nobody on the way, and no client, ever held the key in the clear.
//!
//! The wrapping is PKCS#11's `CKM_RSA_AES_KEY_WRAP`: RSA-OAEP of a fresh AES-256 key, then that key's wrap of the target
//! by RFC 5649. Whatever doesn't open is one error.

use der::{Reader, SliceReader};
use serde::Deserialize;

use super::base64url::Base64Url;
use super::error::{KeyError, OperationError};
use super::import::{Imported, from_pkcs8, oct_key};
use super::jwk::Jwk;
use super::kty::{Family, Kty};
use crate::crypto::{CryptoError, DigestAlgorithm, KeyAlgorithm, KeyWrapScheme, SecretKey};
use crate::vault::{EncryptScheme, PrivateKey, SecretBytes, VaultError};

/// A wrapped key, read and not yet opened.
#[derive(Debug)]
pub struct Wrapped {
    /// The identifier of the key that opens it.
    pub kid: String,
    digest: DigestAlgorithm,
    ciphertext: Vec<u8>,
}

/// The file that wrapping tools write.
#[derive(Deserialize)]
struct TransferBlob {
    schema_version: String,
    header: Header,
    ciphertext: Base64Url,
}

#[derive(Deserialize)]
struct Header {
    kid: String,
    alg: String,
    enc: String,
}

impl Wrapped {
    /// Reads `key_hsm`.
    pub fn read(key_hsm: &Base64Url) -> Result<Self, KeyError> {
        const NO_BLOB: KeyError = KeyError::Member(
            "key_hsm",
            "must be JSON with schema_version 1.0.0, header (kid, alg, enc) and ciphertext",
        );
        let blob: TransferBlob = serde_json::from_slice(&key_hsm.0).map_err(|_| NO_BLOB)?;
        if blob.schema_version != "1.0.0" {
            return Err(NO_BLOB);
        }
        let digest = match (blob.header.alg.as_str(), blob.header.enc.as_str()) {
            ("dir", "CKM_RSA_AES_KEY_WRAP") => DigestAlgorithm::Sha1,
            ("dir", "RSA_AES_KEY_WRAP_256") => DigestAlgorithm::Sha256,
            ("dir", "RSA_AES_KEY_WRAP_384") => DigestAlgorithm::Sha384,
            _ => {
                return Err(KeyError::Member(
                    "key_hsm",
                    "must have alg dir and enc CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384",
                ));
            }
        };
        Ok(Self { kid: blob.header.kid, digest, ciphertext: blob.ciphertext.0 })
    }

    /// Opens it with the key that it names, and brings the key inside into the vault's form. `jwk` is what stands beside
    /// it in the request: `kty`, `key_ops`, and `crv` for EC.
    pub fn open(&self, jwk: &Jwk, with: &dyn PrivateKey) -> Result<Imported, OperationError> {
        let kty = Kty::named(jwk.kty.as_deref().ok_or(KeyError::Kty)?)?;
        let key_ops = jwk.operations()?;
        if let Some(ops) = key_ops {
            ops.check(kty.family())?;
        }
        let target = self.target(with)?;
        let (algorithm, secret, public) = match kty.family() {
            Family::Oct => oct_key(target.expose(), key_ops)?,
            Family::Rsa | Family::Ec => from_pkcs8(kty.family(), jwk.crv.as_deref(), without_filling(target.expose()))?,
        };
        Ok(Imported { kty, algorithm, secret, public })
    }

    fn target(&self, with: &dyn PrivateKey) -> Result<SecretBytes, OperationError> {
        let KeyAlgorithm::Rsa { bits } = with.algorithm() else {
            return Err(KeyError::Member("key_hsm", "must name an RSA key of this vault").into());
        };
        let (wrapped_aes, wrapped) =
            self.ciphertext.split_at_checked(bits.div_ceil(8) as usize).ok_or(OperationError::BadCiphertext)?;
        let scheme = EncryptScheme::RsaOaep { digest: self.digest, mgf: self.digest, label: &[] };
        let aes = SecretBytes::filled(scheme.decrypted_len(with.algorithm()), |out| {
            with.decrypt(&scheme, wrapped_aes, out).and_then(|len| match len {
                32 => Ok(()),
                _ => Err(VaultError::Crypto(CryptoError::CiphertextInvalid)),
            })
        })?;
        let aes = SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, SecretBytes::from_slice(&aes.expose()[..32]))?;
        aes.unwrap(&KeyWrapScheme::AesKwp { iv: None }, wrapped).map_err(|_| OperationError::BadCiphertext)
    }
}

/// Some tokens (SoftHSM 2) fill a key up with zeros to a whole block before they wrap it, though the mechanism does so by
/// itself.
fn without_filling(pkcs8: &[u8]) -> &[u8] {
    const BLOCK: usize = 8;
    let len = SliceReader::new(pkcs8).ok().and_then(|mut reader| reader.tlv_bytes().ok()).map(<[u8]>::len);
    match len.and_then(|len| pkcs8.split_at_checked(len)) {
        Some((own, filling)) if filling.len() < BLOCK && filling.iter().all(|byte| *byte == 0) => own,
        _ => pkcs8,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::{Curve, PublicKey};
    use crate::server::keys::apply::tests::Loose;

    const KINDS: [(&str, DigestAlgorithm); 3] = [
        ("CKM_RSA_AES_KEY_WRAP", DigestAlgorithm::Sha1),
        ("RSA_AES_KEY_WRAP_256", DigestAlgorithm::Sha256),
        ("RSA_AES_KEY_WRAP_384", DigestAlgorithm::Sha384),
    ];

    fn key(algorithm: KeyAlgorithm) -> (Loose, SecretBytes) {
        let (key, pkcs8) = crate::crypto::PrivateKey::generate(algorithm).expect("a key");
        (Loose(key), pkcs8)
    }

    fn wrap(with: &PublicKey, digest: DigestAlgorithm, target: &[u8]) -> Vec<u8> {
        let aes = SecretBytes::from_slice(&[7; 32]);
        let mut ciphertext = vec![0; with.value().len()];
        let scheme = EncryptScheme::RsaOaep { digest, mgf: digest, label: &[] };
        with.encrypt(&scheme, aes.expose(), &mut ciphertext).expect("a ciphertext");
        let aes = SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, aes).expect("a key");
        ciphertext.extend(aes.wrap(&KeyWrapScheme::AesKwp { iv: None }, target).expect("wrapped"));
        ciphertext
    }

    fn blob(enc: &str, ciphertext: &[u8]) -> Value {
        let header = json!({"kid": "https://vault/keys/kek/1", "alg": "dir", "enc": enc});
        let ciphertext = Base64Url(ciphertext.to_vec());
        json!({"schema_version": "1.0.0", "header": header, "ciphertext": ciphertext, "generator": "tool"})
    }

    fn read(blob: &Value) -> Result<Wrapped, KeyError> {
        Wrapped::read(&Base64Url(serde_json::to_vec(blob).expect("JSON")))
    }

    fn jwk(json: Value) -> Jwk {
        serde_json::from_value(json).expect("members")
    }

    #[test]
    fn wrapped_keys_of_every_kind_open_with_the_key_that_they_name() {
        let (kek, _) = key(KeyAlgorithm::Rsa { bits: 2048 });
        let (ec, ec_pkcs8) = key(KeyAlgorithm::Ec(Curve::P384));
        let (rsa, rsa_pkcs8) = key(KeyAlgorithm::Rsa { bits: 2048 });
        for (enc, digest) in KINDS {
            let open = |target: &[u8], beside: Value| {
                let wrapped = read(&blob(enc, &wrap(kek.0.public_key(), digest, target))).expect("a wrapped key");
                assert_eq!(wrapped.kid, "https://vault/keys/kek/1");
                wrapped.open(&jwk(beside), &kek).map_err(|error| error.to_string())
            };
            let imported = open(ec_pkcs8.expose(), json!({"kty": "EC-HSM", "crv": "P-384"})).expect("a key");
            assert_eq!((imported.kty, imported.public.as_ref()), (Kty::EcHsm, Some(ec.0.public_key())));
            for filling in [0, 1, 7] {
                let filled = [rsa_pkcs8.expose(), &vec![0; filling]].concat();
                let imported = open(&filled, json!({"kty": "RSA-HSM"})).expect("a key");
                assert_eq!(imported.public.as_ref(), Some(rsa.0.public_key()));
            }
            for wrong in [&[0; 8][..], &[0, 1]] {
                assert!(open(&[rsa_pkcs8.expose(), wrong].concat(), json!({"kty": "RSA-HSM"})).is_err());
            }
            let imported = open(&[9; 24], json!({"kty": "oct-HSM"})).expect("a key");
            assert_eq!((imported.algorithm, imported.secret.expose()), (KeyAlgorithm::Aes { bits: 192 }, &[9; 24][..]));
            let other_curve = open(ec_pkcs8.expose(), json!({"kty": "EC", "crv": "P-256"}));
            assert_eq!(other_curve.expect_err("another"), "key.crv isn't the curve of the key that is brought");
            let other_kind = open(ec_pkcs8.expose(), json!({"kty": "RSA"}));
            assert_eq!(other_kind.expect_err("another"), "key.kty isn't the kind of the key that is brought");
            assert!(open(&[9; 25], json!({"kty": "oct"})).is_err());
            assert!(open(b"no PKCS#8", json!({"kty": "RSA"})).is_err());
        }
    }

    #[test]
    fn what_was_wrapped_otherwise_is_one_error() {
        let (kek, _) = key(KeyAlgorithm::Rsa { bits: 2048 });
        let (other, _) = key(KeyAlgorithm::Rsa { bits: 2048 });
        let good = wrap(kek.0.public_key(), DigestAlgorithm::Sha1, &[9; 32]);
        let mut changed = good.clone();
        changed[260] ^= 1;
        let of_another = wrap(other.0.public_key(), DigestAlgorithm::Sha1, &[9; 32]);
        let of_another_hash = wrap(kek.0.public_key(), DigestAlgorithm::Sha256, &[9; 32]);
        for wrong in [&changed[..], &of_another, &of_another_hash, &good[..256], &good[..100], &[]] {
            let wrapped = read(&blob("CKM_RSA_AES_KEY_WRAP", wrong)).expect("a wrapped key");
            let error = wrapped.open(&jwk(json!({"kty": "oct"})), &kek).expect_err("a wrong one");
            assert!(matches!(error, OperationError::BadCiphertext), "{error}");
        }
        let (ec, _) = key(KeyAlgorithm::Ec(Curve::P256));
        let wrapped = read(&blob("CKM_RSA_AES_KEY_WRAP", &good)).expect("a wrapped key");
        assert!(wrapped.open(&jwk(json!({"kty": "oct"})), &ec).is_err());
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        let good = blob("CKM_RSA_AES_KEY_WRAP", &[0; 280]);
        assert!(read(&good).is_ok());
        for (place, value) in
            [("/schema_version", "2.0"), ("/header/alg", "RSA"), ("/header/enc", "A256GCM"), ("/ciphertext", "*")]
        {
            let mut changed = good.clone();
            *changed.pointer_mut(place).expect("a member") = value.into();
            assert!(read(&changed).is_err(), "{place}");
        }
        assert!(Wrapped::read(&Base64Url(b"not JSON".to_vec())).is_err());
    }
}
