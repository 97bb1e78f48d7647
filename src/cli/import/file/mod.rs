//! Keys and certificates from files: PEM bundles, DER, PKCS#8 with or without a passphrase, PKCS#12.
//!
//! A file names its contents (PKCS#12) or they are called as the file is. A certificate gets the `CKA_ID` of its key,
//! in the file or in the vault.

use std::path::{Path, PathBuf};

use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::super::key;
use super::super::passphrase::Passphrase;
use super::super::{Error, Result, kind};
use super::found::{Candidate, Harvest, LeftBehind, What};
use crate::certificate::pem::{self, Block};
use crate::certificate::pkcs12::{self, Certificate, Key, Secret};
use crate::certificate::{self, Limits, private_key};
use crate::crypto::{CryptoError, PrivateKey, PublicKey};
use crate::pkcs11::template::MAX_GENERIC_LEN;
use crate::vault::{Class, Content, Draft, KeyAlgorithm, KeyDescription, Naming, Usage};

/// What a file holds, decrypted.
#[derive(Default)]
struct Contents {
    keys: Vec<Key>,
    certificates: Vec<Certificate>,
    secrets: Vec<Secret>,
    /// SubjectPublicKeyInfo of public keys without their private halves.
    publics: Vec<Zeroizing<Vec<u8>>>,
    left: Vec<LeftBehind>,
    remarks: Vec<String>,
    /// The key isn't called as the file calls it, so neither is its certificate.
    renamed: bool,
}

/// What is asked for of what comes out of files.
pub(super) struct Wishes<'a> {
    /// The keys may be exported from the vault later.
    pub exportable: bool,
    /// What the key of a file is called instead, with its certificate.
    pub label: Option<&'a str>,
}

/// Reads files.
pub(super) fn read(files: &[PathBuf], passphrase: &Passphrase<'_>, wishes: &Wishes<'_>) -> Result<Harvest> {
    let mut harvest = Harvest::default();
    for path in files {
        let mut contents = read_one(path, passphrase)?;
        if let Some(label) = wishes.label {
            contents.call(label, path)?;
        }
        let name = wishes.label.map_or_else(|| stem(path), str::to_owned);
        Drafting { name: &name, path, exportable: wishes.exportable, harvest: &mut harvest }.take(contents)?;
    }
    Ok(harvest)
}

fn read_one(path: &Path, passphrase: &Passphrase<'_>) -> Result<Contents> {
    let bytes = key::read_key_file(path)?;
    let name = path.display().to_string();
    let blocks = pem::blocks(&bytes).map_err(|error| key::of_file(&name, error))?;
    if blocks.is_empty() {
        return der(&name, bytes, passphrase);
    }
    let mut contents = Contents::default();
    let mut parameters = None;
    for (tag, der) in blocks {
        match Block::of(&tag) {
            Block::Certificate => {
                if tag == pem::TRUSTED_CERTIFICATE {
                    contents.remarks.push(format!(
                        "{name}: what OpenSSL wrote behind a certificate (what it is trusted for) doesn't come."
                    ));
                }
                contents.certificates.push(Certificate { der: der.to_vec(), label: None, local_id: None });
            }
            Block::PublicKey => contents.publics.push(der),
            Block::Parameters => parameters = Some(der),
            Block::Request | Block::Other => {
                contents.leave(None, &format!("{name}: what PEM calls {tag:?} isn't imported"))
            }
            private => {
                let pkcs8 = key::block_to_pkcs8(&name, private, der, parameters.take().as_deref(), passphrase)?;
                contents.keys.push(Key { pkcs8, label: None, local_id: None });
            }
        }
    }
    Ok(contents)
}

/// A file without PEM around it: what it is shows only when it parses.
fn der(name: &str, bytes: Zeroizing<Vec<u8>>, passphrase: &Passphrase<'_>) -> Result<Contents> {
    if pkcs12::is_pkcs12(&bytes) {
        return in_pkcs12(name, &bytes, passphrase);
    }
    let mut contents = Contents::default();
    if certificate::Certificate::from_der(&bytes).is_ok() {
        contents.certificates.push(Certificate { der: bytes.to_vec(), label: None, local_id: None });
    } else if PublicKey::from_spki(&bytes).is_ok() || private_key::unsupported_public_kind(&bytes).is_some() {
        contents.publics.push(bytes);
    } else {
        let pkcs8 = key::der_to_pkcs8(name, &bytes, passphrase)?.ok_or_else(|| {
            Error::refused(format!(
                "{name} holds nothing that is known, or is damaged: PEM, DER and PKCS#12 of keys and certificates are read."
            ))
        })?;
        contents.keys.push(Key { pkcs8, label: None, local_id: None });
    }
    Ok(contents)
}

fn in_pkcs12(name: &str, bytes: &[u8], passphrase: &Passphrase<'_>) -> Result<Contents> {
    let read = pkcs12::read(bytes, passphrase.get()?, &Limits::COMMAND).map_err(|error| key::of_file(name, error))?;
    let mut contents =
        Contents { keys: read.keys, certificates: read.certificates, secrets: read.secrets, ..Contents::default() };
    for left in read.left {
        contents.leave(left.label, &left.reason);
    }
    if !read.has_code {
        contents.remarks.push(format!("{name}: nothing tells whether it was changed (no MAC)."));
    }
    Ok(contents)
}

impl Contents {
    /// Lets the one key of the file have this label. Its certificate is called as it is; others keep their names.
    fn call(&mut self, label: &str, path: &Path) -> Result<()> {
        let count = self.keys.len() + self.secrets.len();
        if count > 1 {
            let path = path.display();
            return Err(Error::Usage(format!("--label names one key, and {path} holds {count}: import it without.")));
        }
        let mut labels: Vec<&mut Option<String>> = self.keys.iter_mut().map(|key| &mut key.label).collect();
        labels.extend(self.secrets.iter_mut().map(|secret| &mut secret.label));
        labels.into_iter().for_each(|own| *own = Some(label.to_owned()));
        self.renamed = true;
        Ok(())
    }

    fn leave(&mut self, label: Option<String>, reason: &str) {
        let what = What { class: None, kind: None, label: label.unwrap_or_default().into_bytes(), id: Vec::new() };
        self.left.push(LeftBehind { what, reason: reason.to_owned(), remedy: "keep it where it is".into() });
    }
}

/// Makes drafts of what a file holds.
struct Drafting<'a> {
    /// The file's, for what has none.
    name: &'a str,
    path: &'a Path,
    exportable: bool,
    harvest: &'a mut Harvest,
}

/// The public half of a key of this file, and what the key is called.
struct Known {
    public: std::sync::Arc<[u8]>,
    label: String,
    local_id: Option<Vec<u8>>,
}

impl Drafting<'_> {
    fn take(&mut self, contents: Contents) -> Result<()> {
        let mut known = Vec::new();
        for key in contents.keys {
            known.extend(self.key(key)?);
        }
        for mut certificate in contents.certificates {
            if contents.renamed && is_of(&certificate, &known) {
                certificate.label = None;
            }
            self.certificate(certificate, &known)?;
        }
        for secret in contents.secrets {
            self.secret(secret);
        }
        for public in contents.publics {
            self.public(&public, &known)?;
        }
        self.harvest.left.extend(contents.left);
        self.harvest.remarks.extend(contents.remarks);
        Ok(())
    }

    /// Both halves; nothing if keys of its kind aren't supported.
    fn key(&mut self, key: Key) -> Result<Option<Known>> {
        let label = key.label.unwrap_or_else(|| self.name.to_owned());
        if let Some(reason) = private_key::unsupported_kind(&key.pkcs8) {
            self.leave(Class::PrivateKey, &label, reason);
            return Ok(None);
        }
        let pkcs8 = match private_key::checked(&key.pkcs8) {
            Ok(pkcs8) => pkcs8,
            Err(CryptoError::KeyUnsupported(reason)) => {
                self.leave(Class::PrivateKey, &label, reason);
                return Ok(None);
            }
            Err(error) => return Err(self.problem(&error.to_string())),
        };
        let private = PrivateKey::from_pkcs8(pkcs8.expose())?;
        let public = private.public_key();
        let (private_usage, public_usage) = kind::halves(kind::default_usage(public.algorithm()));
        let content = self.half(Class::PrivateKey, private_usage, public, &label);
        self.add(Draft { content, naming: Naming::FromLabel, secret: Some(pkcs8) }, Vec::new());
        let content = self.half(Class::PublicKey, public_usage, public, &label);
        self.add(Draft { content, naming: Naming::None, secret: None }, Vec::new());
        Ok(Some(Known { public: public.spki().into(), label, local_id: key.local_id }))
    }

    /// A public key, if it isn't the half of a key of this file.
    fn public(&mut self, spki: &[u8], known: &[Known]) -> Result<()> {
        let key = match (private_key::unsupported_public_kind(spki), PublicKey::from_spki(spki)) {
            (Some(reason), _) | (None, Err(CryptoError::KeyUnsupported(reason))) => {
                self.leave(Class::PublicKey, self.name, reason);
                return Ok(());
            }
            (None, key) => key.map_err(|error| self.problem(&error.to_string()))?,
        };
        if !known.iter().any(|known| *known.public == *key.spki()) {
            let usage = kind::halves(kind::default_usage(key.algorithm())).1;
            let content = self.half(Class::PublicKey, usage, &key, self.name);
            self.add(Draft { content, naming: Naming::None, secret: None }, Vec::new());
        }
        Ok(())
    }

    fn half(&self, class: Class, usage: Usage, key: &PublicKey, label: &str) -> Content {
        let mut content = Content::new(class);
        content.label = label.as_bytes().to_vec();
        content.id = key.key_id().to_vec();
        content.usage = usage;
        content.exportable = self.exportable && class == Class::PrivateKey;
        content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.spki().into() });
        content
    }

    fn certificate(&mut self, certificate: Certificate, known: &[Known]) -> Result<()> {
        let parsed = certificate::Certificate::from_der(&certificate.der);
        let parsed = parsed.map_err(|error| self.problem(&error.to_string()))?;
        let own = known.iter().find(|known| *known.public == *parsed.spki());
        let mut remarks = Vec::new();
        let linked = known.iter().find(|known| known.local_id.is_some() && known.local_id == certificate.local_id);
        if let Some(linked) = linked.filter(|linked| own.is_none_or(|own| own.public != linked.public)) {
            remarks
                .push(format!("the file says it belongs to the key {:?}, but it has another public key", linked.label));
        }
        let label = certificate.label.or_else(|| own.map(|own| own.label.clone())).or(parsed.common_name());
        let label = label.unwrap_or_else(|| self.name.to_owned());
        let content = parsed.content(label.into_bytes(), parsed.key_id().to_vec())?;
        self.add(Draft { content, naming: Naming::FromLabel, secret: None }, remarks);
        Ok(())
    }

    /// A key for AES or for HMAC; others have no use here.
    fn secret(&mut self, secret: Secret) {
        let label = secret.label.unwrap_or_else(|| self.name.to_owned());
        let len = secret.value.len();
        let algorithm = match len {
            16 | 24 | 32 if AES.contains(&secret.kind) => KeyAlgorithm::Aes { bits: 8 * len as u32 },
            1..=MAX_GENERIC_LEN if HMACS.contains(&secret.kind) => KeyAlgorithm::Generic { bytes: len as u32 },
            _ => {
                let reason = format!("secret keys of its kind ({}) aren't used here", secret.kind);
                return self.leave(Class::SecretKey, &label, &reason);
            }
        };
        let mut content = Content::new(Class::SecretKey);
        // Java gives each entry an id; the label tells entries of one file apart, too.
        content.id = secret.id.unwrap_or_else(|| label.clone().into_bytes());
        content.label = label.into_bytes();
        content.usage = kind::default_usage(algorithm);
        content.exportable = self.exportable;
        content.key = Some(KeyDescription { algorithm, public: [].into() });
        self.add(Draft { content, naming: Naming::FromLabel, secret: Some(secret.value) }, Vec::new());
    }

    fn add(&mut self, draft: Draft, remarks: Vec<String>) {
        // A certificate gets the id of its key, which may lie in the vault already.
        let adopts_id = draft.content.class == Class::Certificate;
        self.harvest.candidates.push(Candidate { draft, remarks, adopts_id });
    }

    fn leave(&mut self, class: Class, label: &str, reason: &str) {
        let what = What { class: Some(class), kind: None, label: label.as_bytes().to_vec(), id: Vec::new() };
        let remedy = match class {
            Class::PrivateKey => "make a new key of a supported kind, and a new certificate for it".into(),
            _ => "keep it where it is".into(),
        };
        self.harvest.left.push(LeftBehind { what, reason: reason.to_owned(), remedy });
    }

    fn problem(&self, problem: &str) -> Error {
        Error::refused(format!("{}: {problem}", self.path.display()))
    }
}

/// Whether it is for a key of its file.
fn is_of(certificate: &Certificate, known: &[Known]) -> bool {
    let parsed = certificate::Certificate::from_der(&certificate.der);
    parsed.is_ok_and(|parsed| known.iter().any(|known| *known.public == *parsed.spki()))
}

/// What the file is called, without folder and ending.
fn stem(path: &Path) -> String {
    match path.file_stem() {
        Some(stem) if path.as_os_str() != "-" => stem.to_string_lossy().into_owned(),
        _ => "imported".to_owned(),
    }
}

/// AES by itself, as Java names it.
const AES: [ObjectIdentifier; 1] = [ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1")];
/// HMAC with SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512.
const HMACS: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.7"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.8"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.9"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.10"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.11"),
];
