//! Trying a restored backup: what it says of itself is counted, and every object is used for what it is.
//!
//! All of it happens in a scratch vault, where keys that are disabled or out of their time are allowed first: what is
//! asked is whether they are whole.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::super::{Context, Error, Result, progress, versions};
use super::{class_name, label_json};
use crate::crypto::{
    self, CipherScheme, CryptoError, Digest, DigestAlgorithm, Direction, EncryptScheme, KeyAlgorithm, MacScheme,
    PublicKey, SecretBytes, SignScheme,
};
use crate::vault::{
    BackupLabel, Class, Collection, Image, Object, PrivateKey, SecretKey, Tally, UsableKey, Usage, VaultAdmin,
    VaultError,
};

/// What was found out of one object.
type Tried = std::result::Result<&'static str, String>;

const SIGNED: &str = "signed and verified";
const AGREED: &str = "agreed";
const SIGNED_AND_DECRYPTED: &str = "signed, verified and decrypted";
const SIGNED_AND_AGREED: &str = "signed, verified and agreed";
const DECRYPTED: &str = "decrypted what they encrypted";
const AUTHENTICATED: &str = "authenticated";
const OPENED: &str = "opened";
const PARSED: &str = "parsed";
const READ: &str = "read";
/// PKCS#11 takes any bytes for a certificate; the backup holds what the vault held.
const NO_X509: &str = "read, but no X.509";

/// Tries everything, prints what was tried, and fails if anything isn't as it should be.
pub(super) fn run(context: &Context, file: &Path, label: &BackupLabel, vault: &dyn VaultAdmin) -> Result<()> {
    let image = vault.image();
    let mut problems = Vec::new();
    let found = Tally::of(&image);
    if found != label.tallies {
        problems.push(format!("it holds {}, and says {}", listed(&found), listed(&label.tallies)));
    }
    allow_everything(vault)?;
    let mut done: BTreeMap<Class, Counts> = BTreeMap::new();
    let total = image.len();
    progress::count(&context.output, "Trying", |progress| {
        for (index, object) in image.objects().enumerate() {
            match try_object(vault, object) {
                Ok(what) => *done.entry(object.content.class).or_default().entry(what).or_default() += 1,
                Err(problem) => problems.push(format!("{}: {problem}", described(object))),
            }
            progress(index + 1, total);
        }
    });
    let rows: Vec<Vec<String>> = found.iter().map(|tally| row(tally, done.get(&tally.class))).collect();
    let tried = done.iter().map(|(class, counts)| json!({ "class": class_name(*class), "done": counts }));
    let json = json!({
        "backup": label_json(file, label),
        "tried": tried.collect::<Vec<_>>(),
        "names": names(&image),
        "problems": problems,
    });
    context.output.list(&["what", "objects", "names", "tried"], &rows, &json, "The backup holds no objects.")?;
    let Some(first) = problems.first() else {
        context.output.note(&format!("All {total} objects of {} are there and do their work.", label.label));
        return Ok(());
    };
    Err(Error::refused(format!(
        "{} can't be relied on: {first}{}. Mend that in the vault and make a new backup.",
        file.display(),
        if problems.len() > 1 { format!(", and {} more", problems.len() - 1) } else { String::new() },
    )))
}

/// What can be restored by its name, by collection.
fn names(image: &Image) -> serde_json::Value {
    let of =
        |collection| -> Vec<String> { versions::all(image, collection).into_iter().map(|named| named.name).collect() };
    json!({
        "keys": of(Collection::Keys),
        "secrets": of(Collection::Secrets),
        "certificates": of(Collection::Certificates),
    })
}

/// What was done with the objects of a class, and how often.
type Counts = BTreeMap<&'static str, usize>;

fn row(tally: &Tally, counts: Option<&Counts>) -> Vec<String> {
    let tried: Vec<String> = counts.into_iter().flatten().map(|(what, count)| format!("{count} {what}")).collect();
    vec![class_name(tally.class).to_owned(), tally.objects.to_string(), tally.names.to_string(), tried.join(", ")]
}

fn listed(tallies: &[Tally]) -> String {
    let texts: Vec<String> = tallies
        .iter()
        .map(|tally| format!("{} {} ({})", tally.objects, class_name(tally.class), tally.names))
        .collect();
    texts.join(", ")
}

fn described(object: &Object) -> String {
    let label = String::from_utf8_lossy(&object.content.label);
    let name = object.name.as_ref().map_or(label, |name| name.as_str().to_owned().into());
    format!("{name} ({}, object {})", class_name(object.content.class), object.number)
}

fn allow_everything(vault: &dyn VaultAdmin) -> Result<()> {
    let image = vault.image();
    let restricted = image.objects().filter(|object| {
        let content = &object.content;
        !content.enabled || content.not_before.is_some() || content.expires.is_some()
    });
    let numbers: Vec<_> = restricted.map(|object| object.number).collect();
    vault.change(&numbers, &mut |content| {
        content.enabled = true;
        (content.not_before, content.expires) = (None, None);
        Ok(())
    })?;
    Ok(())
}

fn try_object(vault: &dyn VaultAdmin, object: &Object) -> Tried {
    let tried = match object.content.class {
        Class::PrivateKey => match vault.private_key(object.number) {
            Ok(key) => return try_private_key(vault, object, &*key),
            Err(error) => Err(error),
        },
        Class::SecretKey => match vault.secret_key(object.number) {
            Ok(key) => return try_secret_key(&*key),
            Err(error) => Err(error),
        },
        Class::PublicKey => return try_public_key(object),
        Class::Certificate => return Ok(try_certificate(object)),
        Class::Data | Class::Service | Class::CertificateRequest | Class::Other(_) => Ok(()),
    };
    match tried {
        // Kept whole, and of a kind or size that nothing of ours uses.
        Err(VaultError::Crypto(CryptoError::KeyUnsupported(_))) | Ok(()) if object.has_secret => {
            let opened = vault.secret(object.number).map_err(|error| error.to_string())?;
            if opened.len() == object.secret_len { Ok(OPENED) } else { Err("its value has another length".into()) }
        }
        Ok(()) => Ok(READ),
        Err(error) => Err(error.to_string()),
    }
}

fn try_certificate(object: &Object) -> &'static str {
    let value = object.content.value.as_deref().unwrap_or_default();
    if Certificate::from_der(value).is_ok() { PARSED } else { NO_X509 }
}

fn try_public_key(object: &Object) -> Tried {
    match object.content.key.as_ref().filter(|key| !key.public.is_empty()) {
        None => Ok(READ),
        Some(key) => match PublicKey::from_spki(&key.public) {
            Ok(_) | Err(CryptoError::KeyUnsupported(_)) => Ok(PARSED),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn try_private_key(vault: &dyn VaultAdmin, object: &Object, key: &dyn PrivateKey) -> Tried {
    let public = match object.content.key.as_ref().filter(|key| !key.public.is_empty()) {
        Some(described) => PublicKey::from_spki(&described.public),
        // A key that came without its public half: its own parts say what that is.
        None => vault
            .secret(object.number)
            .map_err(|error| error.to_string())
            .map(|pkcs8| crypto::PrivateKey::from_pkcs8(pkcs8.expose()).map(|key| key.public_key().clone()))?,
    };
    let public = public.map_err(|error| error.to_string())?;
    let usage = object.content.usage;
    let tried = match key.algorithm() {
        KeyAlgorithm::X25519 => agrees(key, &public).map(|()| AGREED),
        KeyAlgorithm::Rsa { .. } if usage.intersects(Usage::DECRYPT | Usage::UNWRAP) => {
            signs(key, &public).and_then(|()| decrypts(key, &public)).map(|()| SIGNED_AND_DECRYPTED)
        }
        KeyAlgorithm::Ec(_) if usage.contains(Usage::DERIVE) => {
            signs(key, &public).and_then(|()| agrees(key, &public)).map(|()| SIGNED_AND_AGREED)
        }
        _ => signs(key, &public).map(|()| SIGNED),
    };
    tried.map_err(|error| format!("it does not work with its public half ({error})"))
}

fn signs(key: &dyn PrivateKey, public: &PublicKey) -> crate::vault::Result<()> {
    let mut digest = [0; 32];
    crypto::random(&mut digest)?;
    let scheme = match key.algorithm() {
        KeyAlgorithm::Rsa { .. } => SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256),
        KeyAlgorithm::Ed25519 => SignScheme::Ed25519,
        _ => SignScheme::Ecdsa,
    };
    let mut signature = vec![0; key.algorithm().signature_len()];
    let len = key.sign(&scheme, &digest, &mut signature)?;
    Ok(public.verify(&scheme, &digest, &signature[..len])?)
}

fn decrypts(key: &dyn PrivateKey, public: &PublicKey) -> crate::vault::Result<()> {
    let mut message = [0; 32];
    crypto::random(&mut message)?;
    let scheme = EncryptScheme::RsaOaep { digest: DigestAlgorithm::Sha256, mgf: DigestAlgorithm::Sha256, label: &[] };
    let mut encrypted = vec![0; key.algorithm().signature_len()];
    let len = public.encrypt(&scheme, &message, &mut encrypted)?;
    let mut decrypted = zeroize::Zeroizing::new(vec![0; scheme.decrypted_len(key.algorithm())]);
    let plain = key.decrypt(&scheme, &encrypted[..len], &mut decrypted)?;
    if decrypted[..plain] == message { Ok(()) } else { Err(CryptoError::CiphertextInvalid.into()) }
}

/// With a key of the other side that is made for it.
fn agrees(key: &dyn PrivateKey, public: &PublicKey) -> crate::vault::Result<()> {
    let (other, _) = crypto::PrivateKey::generate(key.algorithm())?;
    let ours = key.agree(other.public_key().value())?;
    if ours == other.agree(public.value())? { Ok(()) } else { Err(CryptoError::KeyInvalid("another agreement").into()) }
}

fn try_secret_key(key: &dyn SecretKey) -> Tried {
    let key = key.usable().and_then(UsableKey::here).map_err(|error| error.to_string())?;
    let tried = match key.algorithm() {
        KeyAlgorithm::Aes { .. } => encrypts(key).map(|()| DECRYPTED),
        _ => authenticates(key).map(|()| AUTHENTICATED),
    };
    tried.map_err(|error| error.to_string())
}

fn encrypts(key: &crypto::SecretKey) -> crypto::Result<()> {
    let mut message = [0; 32];
    crypto::random(&mut message)?;
    let mut iv = [0; 12];
    crypto::random(&mut iv)?;
    let scheme = CipherScheme::AesGcm { iv: &iv, aad: &[], tag_len: 16 };
    let whole = |direction, input: &[u8]| -> crypto::Result<SecretBytes> {
        let mut cipher = key.cipher(&scheme, direction)?;
        let mut out = zeroize::Zeroizing::new(vec![0; cipher.whole_len(input.len())]);
        let len = cipher.whole(input, &mut out)?;
        Ok(SecretBytes::from_slice(&out[..len]))
    };
    let encrypted = whole(Direction::Encrypt, &message)?;
    let decrypted = whole(Direction::Decrypt, encrypted.expose())?;
    if *decrypted.expose() == message { Ok(()) } else { Err(CryptoError::CiphertextInvalid) }
}

/// Against the same code put together from digests (RFC 2104 §2): two ways to one value.
fn authenticates(key: &crypto::SecretKey) -> crypto::Result<()> {
    const BLOCK: usize = 64;
    let mut message = [0; 32];
    crypto::random(&mut message)?;
    let mut code = [0; 32];
    let mut mac = key.mac(MacScheme::Hmac(DigestAlgorithm::Sha256))?;
    mac.update(&message);
    mac.finish(&mut code)?;
    let digest = |parts: &[&[u8]]| -> crypto::Result<[u8; 32]> {
        let mut out = [0; 32];
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        parts.iter().for_each(|part| digest.update(part));
        digest.finish(&mut out)?;
        Ok(out)
    };
    let value = key.value()?;
    let mut block = zeroize::Zeroizing::new([0; BLOCK]);
    match value.len() > BLOCK {
        true => block[..32].copy_from_slice(&digest(&[value])?),
        false => block[..value.len()].copy_from_slice(value),
    }
    let padded = |pad: u8| zeroize::Zeroizing::new(block.map(|byte| byte ^ pad));
    let inner = digest(&[&*padded(0x36), &message])?;
    let expected = digest(&[&*padded(0x5C), &inner])?;
    if code == expected { Ok(()) } else { Err(CryptoError::SignatureInvalid) }
}
