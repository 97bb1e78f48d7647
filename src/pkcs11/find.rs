//! Searching (`C_FindObjectsInit`, PKCS#11 v3.2 §5.7.7).
//!
//! The shortest index that a template names gives the candidates; each is then held against the whole template. Only
//! attributes that have to be worked out cost an allocation, and no search is more than linear in its candidates.
//!
//! Versions: without `CKA_ID` or `CKA_UNIQUE_ID` a template matches current versions only, since clients take the first
//! or the last match for the key itself; with one of them, any enabled version. Disabled ones are never found.

use std::sync::Arc;

use cryptoki_sys::*;

use super::attribute::{self, key_type};
use super::object::{self, Value, hexadecimal};
use super::template::Template;
use crate::vault::{Class, Image, Object, ObjectNumber, UniqueId, VaultError};

/// Which objects the caller may see.
#[derive(Clone, Copy, Debug)]
pub struct Visibility {
    /// Private ones: the user is logged in.
    pub private: bool,
    /// All enabled versions (`show_versions = "all"`).
    pub all_versions: bool,
}

/// Adds the numbers of all visible objects of `image` that match the template to `out`, ascending. `token` says whether
/// they are token or session objects.
pub fn find(image: &Image, token: bool, template: &Template<'_>, visibility: Visibility, out: &mut Vec<ObjectNumber>) {
    let names_one = template.get(CKA_ID).is_some() || template.get(CKA_UNIQUE_ID).is_some();
    let any_version = visibility.all_versions || names_one;
    let matches = |object: &Object| {
        object.content.enabled
            && (visibility.private || !object.content.private)
            && template.0.iter().all(|(number, value)| has(object, token, *number, value))
            && (any_version || image.is_current(object))
    };
    let mut take = |objects: &mut dyn Iterator<Item = &Arc<Object>>| {
        out.extend(objects.filter(|object| matches(object)).map(|object| object.number));
    };
    match Index::shortest(image, template) {
        Index::Nothing => {}
        Index::UniqueId(id) => take(&mut image.with_unique_id(&id).into_iter()),
        Index::Id(id) => take(&mut image.with_id(id)),
        Index::Label(label) => take(&mut image.with_label(label)),
        Index::Class(class) => take(&mut image.with_class(class)),
        Index::All => take(&mut image.objects()),
    }
}

/// Where the candidates come from.
enum Index<'a> {
    Nothing,
    UniqueId(UniqueId),
    Id(&'a [u8]),
    Label(&'a [u8]),
    Class(Class),
    All,
}

impl<'a> Index<'a> {
    fn shortest(image: &Image, template: &Template<'a>) -> Self {
        if let Some(digits) = template.get(CKA_UNIQUE_ID) {
            return parse_unique_id(digits).map_or(Self::Nothing, Self::UniqueId);
        }
        let id = template.get(CKA_ID).map(|id| (image.count_id(id), Self::Id(id)));
        let label = template.get(CKA_LABEL).map(|label| (image.count_label(label), Self::Label(label)));
        let class = template.get(CKA_CLASS).map(|class| match attribute::ulong(class).map(u32::try_from) {
            Ok(Ok(number)) => {
                let class = Class::from_number(number);
                (image.count_class(class), Self::Class(class))
            }
            _ => (0, Self::Nothing),
        });
        let shortest = [id, label, class].into_iter().flatten().min_by_key(|(count, _)| *count);
        shortest.map_or(Self::All, |(_, index)| index)
    }
}

/// Whether an attribute of an object has this value. A sensitive one never has, whatever its value.
pub fn has(object: &Object, token: bool, attribute: CK_ATTRIBUTE_TYPE, value: &[u8]) -> bool {
    let content = &object.content;
    let is_number = |number: CK_ULONG| attribute::ulong(value) == Ok(number);
    match (attribute, &content.key) {
        (CKA_CLASS, _) => is_number(content.class.number().into()),
        (CKA_KEY_TYPE, Some(key)) => is_number(key_type(key.algorithm)),
        (CKA_UNIQUE_ID, _) => hexadecimal(&object.unique_id) == value,
        _ => {
            let read = object::read(object, attribute, token, &mut || Err(VaultError::Locked));
            matches!(read, Ok(Value::Bytes(bytes)) if *bytes == *value)
        }
    }
}

fn parse_unique_id(digits: &[u8]) -> Option<UniqueId> {
    let mut id = UniqueId::default();
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    (digits.len() == 32).then_some(id)
}

#[cfg(test)]
mod tests;
