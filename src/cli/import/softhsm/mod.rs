//! A token of SoftHSM 2, read from its files.
//!
//! SoftHSM makes nearly every key so that its module doesn't let it out, so the module is no way to move. Its files
//! are: the user's PIN opens them. They are opened for reading only, read twice to see that nobody writes meanwhile,
//! and what doesn't parse to its last byte stops the import. Tokens in SoftHSM's `db` store aren't read.

mod object_file;
mod place;
mod token_key;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cryptoki_sys::*;
use zeroize::Zeroizing;

use self::object_file::Value;
use self::token_key::{Refusal, TokenKey};
use super::super::{Error, Result, ask};
use super::found::{Found, LeftBehind, What};
use crate::pkcs11::attribute::array;
use crate::vault::{Class, Pin, SecretBytes};

pub(super) use place::token_directories;

/// A token's files, as they were at one moment.
pub(super) struct Token {
    directory: PathBuf,
    files: Files,
    about: BTreeMap<u64, Value>,
}

/// The objects' files by name.
type Files = BTreeMap<String, Zeroizing<Vec<u8>>>;

impl Token {
    /// Reads the token in this directory.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let files = read_files(directory)?;
        let changed = |again: &Files| {
            !again.iter().map(|(name, file)| (name, &**file)).eq(files.iter().map(|(name, file)| (name, &**file)))
        };
        if changed(&read_files(directory)?) {
            return Err(Error::refused(format!(
                "{}: the token changed while it was read: stop the programs that use it and import again.",
                directory.display()
            )));
        }
        let about = match files.get(TOKEN_FILE) {
            Some(file) => parsed(&directory.join(TOKEN_FILE), file)?,
            None => return Err(place::no_token(directory)),
        };
        Ok(Self { directory: directory.to_owned(), files, about })
    }

    /// The token's label without the spaces that fill it up.
    pub(super) fn label(&self) -> String {
        label(&self.about)
    }

    /// Its objects, decrypted, and those that can't be had. `step` is told how far it is.
    pub(super) fn objects(
        &self,
        pin: &Pin,
        step: &mut dyn FnMut(usize, usize),
    ) -> Result<(Vec<Found>, Vec<LeftBehind>)> {
        let key = self.key(pin)?;
        let objects: Vec<_> = self.files.iter().filter(|(name, _)| *name != TOKEN_FILE).collect();
        let (mut found, mut left) = (Vec::with_capacity(objects.len()), Vec::new());
        for (done, (name, file)) in objects.iter().enumerate() {
            let path = self.directory.join(name);
            let stored = parsed(&path, file)?;
            if stored.is_empty() {
                left.push(unfinished(name));
            } else {
                found.push(object(stored, &key).map_err(|problem| damaged(&path, &problem))?);
            }
            step(done + 1, objects.len());
        }
        Ok((found, left))
    }

    fn key(&self, pin: &Pin) -> Result<TokenKey> {
        let Some(Value::Bytes(wrapped)) = self.about.get(&USER_PIN) else {
            return Err(Error::refused(format!(
                "The SoftHSM token {:?} has no user PIN yet, and so no keys.",
                self.label()
            )));
        };
        TokenKey::open(wrapped.expose(), pin.expose()).map_err(|refusal| match refusal {
            Refusal::WrongPin => Error::refused(format!(
                "This isn't the user PIN of the SoftHSM token {:?}: give the one that its programs use.",
                self.label()
            )),
            Refusal::Damaged => damaged(&self.directory.join(TOKEN_FILE), "the token's key in it isn't whole"),
        })
    }
}

/// The label of the token in this directory; nothing else of it is read.
pub(super) fn label_of(directory: &Path) -> Result<String> {
    let path = directory.join(TOKEN_FILE);
    parsed(&path, &read_file(&path)?).map(|about| label(&about))
}

fn label(about: &BTreeMap<u64, Value>) -> String {
    match about.get(&TOKEN_LABEL) {
        Some(Value::Bytes(label)) => String::from_utf8_lossy(label.expose()).trim_end().to_owned(),
        _ => String::new(),
    }
}

fn read_files(directory: &Path) -> Result<Files> {
    let fail = |path: &Path, source| Error::File { path: path.into(), source };
    let mut files = Files::new();
    for entry in std::fs::read_dir(directory).map_err(|source| fail(directory, source))? {
        let path = entry.map_err(|source| fail(directory, source))?.path();
        let Some(name) = path.file_name().filter(|name| name.as_bytes().ends_with(b".object")) else { continue };
        let name = name.to_str().ok_or_else(|| damaged(&path, "SoftHSM gives no file such a name"))?;
        files.insert(name.to_owned(), read_file(&path)?);
    }
    Ok(files)
}

/// A file of a token. What isn't one, and could hang or never end, isn't read.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let fail = |source| Error::File { path: path.into(), source };
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(fail)?;
    let about = file.metadata().map_err(fail)?;
    if !about.is_file() {
        return Err(damaged(path, "it is no regular file"));
    }
    if about.len() > MAX_FILE {
        return Err(damaged(path, "no object is so large"));
    }
    ask::read(file, about.len(), MAX_FILE as usize).map_err(fail)
}

fn parsed(path: &Path, file: &[u8]) -> Result<BTreeMap<u64, Value>> {
    object_file::parse(file).map_err(|problem| damaged(path, problem))
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::refused(format!(
        "{} is damaged: {problem}. Nothing was imported; a backup of the token may have it whole.",
        path.display()
    ))
}

/// SoftHSM creates an object's file before it knows what to write.
fn unfinished(name: &str) -> LeftBehind {
    let label = name.trim_end_matches(".object").as_bytes().to_vec();
    LeftBehind {
        what: What { class: None, kind: None, label, id: Vec::new() },
        reason: "its making was cut off: the file holds no attribute".into(),
        remedy: "nothing: SoftHSM doesn't show it either".into(),
    }
}

/// An object as PKCS#11 shows it. Byte strings of private objects are encrypted; dates never are, nor is what stands
/// in a template.
fn object(stored: BTreeMap<u64, Value>, key: &TokenKey) -> std::result::Result<Found, String> {
    let private = matches!(stored.get(&CKA_PRIVATE), Some(Value::Boolean(true)));
    let mut found = Found::default();
    for (number, value) in stored {
        let value = match value {
            Value::Bytes(bytes) if private && !is_plain_date(number, &bytes) => {
                key.decrypt(bytes.expose()).ok_or_else(|| format!("its attribute {number:#x} can't be decrypted"))?
            }
            other => plain(other),
        };
        found.attributes.insert(number, value);
    }
    match missing(&found) {
        Some(attribute) => Err(format!("it has no attribute {attribute:#x}, and every object like it has")),
        None => {
            found.remarks.extend(maybe_restricted(&found));
            Ok(without_empty_check_value(found))
        }
    }
}

/// A key's list of mechanisms is the last of its attributes. SoftHSM 2.6 writes one into every key, also an empty one;
/// the first releases knew none.
fn maybe_restricted(found: &Found) -> Option<String> {
    let key = matches!(found.class(), Some(Class::PublicKey | Class::PrivateKey | Class::SecretKey));
    (key && found.get(CKA_ALLOWED_MECHANISMS).is_none()).then(|| {
        "no mechanisms are named that it is restricted to (CKA_ALLOWED_MECHANISMS): an old SoftHSM made it, or its file was \
         cut short"
            .to_owned()
    })
}

/// An attribute that SoftHSM writes into every object of its kind. Attributes stand in a file by their numbers, and
/// nothing says how many there are: so a file that was cut between two of them is told by the later ones, with which
/// restrictions of a key would be lost.
fn missing(found: &Found) -> Option<u64> {
    let of_class: &[u64] = match (found.class(), found.number(CKA_KEY_TYPE)) {
        (None, _) => &[CKA_CLASS],
        (Some(Class::PublicKey), Some(CKK_RSA)) => &[CKA_MODULUS, CKA_PUBLIC_EXPONENT],
        (Some(Class::PublicKey), Some(CKK_EC | CKK_EC_EDWARDS)) => &[CKA_EC_PARAMS, CKA_EC_POINT],
        (Some(Class::PrivateKey), Some(CKK_RSA)) => &[CKA_MODULUS, CKA_PRIVATE_EXPONENT, CKA_UNWRAP_TEMPLATE],
        (Some(Class::PrivateKey), Some(CKK_EC | CKK_EC_EDWARDS)) => &[CKA_EC_PARAMS, CKA_VALUE, CKA_UNWRAP_TEMPLATE],
        (Some(Class::PublicKey | Class::PrivateKey), None) => &[CKA_KEY_TYPE],
        (Some(Class::SecretKey), _) => &[CKA_KEY_TYPE, CKA_VALUE, CKA_UNWRAP_TEMPLATE],
        (Some(Class::Certificate), _) => &[CKA_CERTIFICATE_TYPE, CKA_VALUE],
        _ => &[],
    };
    let of_all = [CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE];
    of_class.iter().chain(&of_all).copied().find(|attribute| found.get(*attribute).is_none())
}

/// An empty check value is a missing one here; with us it would forbid that one is shown.
fn without_empty_check_value(mut found: Found) -> Found {
    if found.get(CKA_CHECK_VALUE).is_some_and(<[u8]>::is_empty) {
        found.attributes.remove(&CKA_CHECK_VALUE);
    }
    found
}

fn is_plain_date(number: u64, bytes: &SecretBytes) -> bool {
    matches!(number, CKA_START_DATE | CKA_END_DATE) && bytes.len() == size_of::<CK_DATE>()
}

/// A value as `C_GetAttributeValue` gives it, and a template as [`mod@array`] describes it.
fn plain(value: Value) -> SecretBytes {
    match value {
        Value::Boolean(value) => SecretBytes::from_slice(&[u8::from(value)]),
        Value::Number(number) => SecretBytes::from_slice(&number.to_ne_bytes()),
        Value::Bytes(bytes) => bytes,
        Value::Mechanisms(all) => {
            let bytes: Vec<u8> = all.into_iter().flat_map(u64::to_ne_bytes).collect();
            SecretBytes::from_slice(&bytes)
        }
        Value::Template(inner) => {
            let inner: Vec<(u64, SecretBytes)> =
                inner.into_iter().map(|(number, value)| (number, plain(value))).collect();
            let entries: Vec<(u64, &[u8])> = inner.iter().map(|(number, value)| (*number, value.expose())).collect();
            SecretBytes::from_slice(&array::encode(&entries))
        }
    }
}

const TOKEN_FILE: &str = "token.object";
/// No object of a token is nearly as large.
const MAX_FILE: u64 = 16 << 20;

/// SoftHSM's own attributes of a token: the label, and the token's key under the user's PIN.
const TOKEN_LABEL: u64 = CKA_VENDOR_DEFINED + 0x5349;
const USER_PIN: u64 = CKA_VENDOR_DEFINED + 0x534D;
