//! The file: JSON that says for which key it is, and the wrapped key in it (`CKM_RSA_AES_KEY_WRAP`, PKCS#11 v3.1 §6.1.21):
//! RSA-OAEP of an AES key that is used once, then that key's wrap of the key by RFC 5649. Key Vault's transfer format.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::super::{Error, Result};
use crate::certificate::pem::{self, Block};
use crate::crypto::{self, DigestAlgorithm, KeyAlgorithm, KeyWrapScheme, PublicKey, SecretBytes, SecretKey};
use crate::server::keys::Base64Url;
use crate::sys::file::sync_directory;
use crate::vault::EncryptScheme;

/// The digest of the OAEP that the format's `enc` names.
pub(super) const DIGEST: DigestAlgorithm = DigestAlgorithm::Sha1;

/// The file.
#[derive(Serialize)]
pub(super) struct Blob<'a> {
    schema_version: &'static str,
    header: Header<'a>,
    ciphertext: Base64Url,
    generator: &'static str,
}

#[derive(Serialize)]
struct Header<'a> {
    kid: &'a str,
    alg: &'static str,
    enc: &'static str,
}

impl<'a> Blob<'a> {
    pub(super) fn new(kid: &'a str, ciphertext: &[u8]) -> Self {
        Self {
            schema_version: "1.0.0",
            header: Header { kid, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" },
            ciphertext: Base64Url(ciphertext.to_vec()),
            generator: concat!("strongroom ", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Whole and on the disk, or not at all.
    pub(super) fn write(&self, path: &Path, replace: bool) -> Result<()> {
        let fail = |source| Error::File { path: path.into(), source };
        if !replace && path.symlink_metadata().is_ok() {
            return Err(Error::refused(format!("{} exists: name another file, or add --force.", path.display())));
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| fail(io::Error::other(error)))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".byok-").tempfile_in(parent).map_err(fail)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        let kept = match replace {
            true => file.persist(path).map(drop),
            false => file.persist_noclobber(path).map(drop),
        };
        kept.map_err(|error| fail(error.error))?;
        sync_directory(parent).map_err(fail)
    }
}

/// Wraps the secret part of a key: PKCS#8, or the bytes of a secret key.
pub(super) fn wrap(kek: &PublicKey, target: &[u8]) -> Result<Vec<u8>> {
    let once = SecretBytes::filled(32, crypto::random)?;
    let scheme = EncryptScheme::RsaOaep { digest: DIGEST, mgf: DIGEST, label: &[] };
    let mut ciphertext = vec![0; kek.algorithm().signature_len()];
    let len = kek.encrypt(&scheme, once.expose(), &mut ciphertext)?;
    ciphertext.truncate(len);
    let once = SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, once)?;
    ciphertext.extend(once.wrap(&KeyWrapScheme::AesKwp { iv: None }, target)?);
    Ok(ciphertext)
}

/// A public key in PEM or DER (SubjectPublicKeyInfo).
pub(super) fn public_key(name: &str, contents: &[u8]) -> Result<PublicKey> {
    let blocks = pem::blocks(contents)?;
    let block = blocks.iter().find(|(tag, _)| Block::of(tag) == Block::PublicKey);
    let der = match (block, blocks.is_empty()) {
        (Some((_, der)), _) => der,
        (None, true) => contents,
        (None, false) => return Err(no_public_key(name)),
    };
    PublicKey::from_spki(der).map_err(|_| no_public_key(name))
}

fn no_public_key(name: &str) -> Error {
    Error::refused(format!(
        "{name} holds no public key that is known: `az keyvault key download --encoding PEM` writes one, and so does \
         `strongroom key public`."
    ))
}
