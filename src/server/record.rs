//! What the server keeps for itself in a vault: one sealed record each, written in JSON, with a label that says its kind
//! and id.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crypto;
use crate::vault::{
    Change, Class, Content, Draft, Image, Naming, Object, ObjectNumber, SecretBytes, Vault, VaultError,
};

/// A kind of record.
pub trait Record: Serialize + DeserializeOwned {
    /// The first part of its label.
    const KIND: &'static str;

    /// The second part: unique within the kind.
    fn id(&self) -> &str;
}

/// A record and the object that holds it.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    /// The object's number.
    pub number: ObjectNumber,
    /// What it says.
    pub record: R,
}

/// All records of one kind. One that can't be read (written by a newer release) is left out, and said in the log.
pub fn all<R: Record>(image: &Image) -> impl Iterator<Item = Stored<R>> {
    image.service().values().filter(|object| kind_of(object) == Some(R::KIND)).filter_map(read)
}

/// What the labels of one kind begin with.
pub fn labels<R: Record>() -> Vec<u8> {
    label::<R>("")
}

/// The record with this id.
pub fn find<R: Record>(image: &Image, id: &str) -> Option<Stored<R>> {
    let label = label::<R>(id);
    image.service().values().find(|object| object.content.label == label).and_then(read)
}

/// A new record.
pub fn create<R: Record>(record: &R, secret: Option<SecretBytes>) -> Change {
    Change::Create(Draft { content: content(record), naming: Naming::None, secret })
}

/// The record says this from now on; its secret part stays.
pub fn replace<R: Record>(number: ObjectNumber, record: &R) -> Change {
    Change::Set(number, content(record))
}

/// 256 random bits that a vault keeps for the server under this label (`kind/id`), made when they are first asked for.
pub fn own_secret(vault: &dyn Vault, label: &[u8]) -> Result<SecretBytes, VaultError> {
    let number = |image: &Image| {
        let mut records = image.service().values();
        records.find(|object| object.content.label == label).map(|object| object.number)
    };
    if number(&vault.image()).is_none() {
        vault.transact(&mut |image| match number(image) {
            Some(_) => Ok(Vec::new()),
            None => {
                let mut content = Content::new(Class::Service);
                content.label = label.to_vec();
                let secret = Some(SecretBytes::filled(32, crypto::random)?);
                Ok(vec![Change::Create(Draft { content, naming: Naming::None, secret })])
            }
        })?;
    }
    vault.secret(number(&vault.image()).ok_or(VaultError::NotFound)?)
}

fn content<R: Record>(record: &R) -> Content {
    let mut content = Content::new(Class::Service);
    content.label = label::<R>(record.id());
    // Our own types: maps with texts as keys, no value that JSON doesn't know.
    content.value = Some(Arc::from(serde_json::to_vec(record).unwrap_or_default()));
    content
}

fn label<R: Record>(id: &str) -> Vec<u8> {
    [R::KIND.as_bytes(), b"/", id.as_bytes()].concat()
}

fn kind_of(object: &Object) -> Option<&str> {
    let end = object.content.label.iter().position(|byte| *byte == b'/')?;
    std::str::from_utf8(&object.content.label[..end]).ok()
}

fn read<R: Record>(object: &Arc<Object>) -> Option<Stored<R>> {
    let value = object.content.value.as_deref().unwrap_or_default();
    match serde_json::from_slice(value) {
        Ok(record) => Some(Stored { number: object.number, record }),
        Err(error) => {
            let label = String::from_utf8_lossy(&object.content.label);
            tracing::error!("the vault's record {label} can't be read and doesn't count: {error}");
            None
        }
    }
}
