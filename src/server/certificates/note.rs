//! What is kept beside a certificate in notes of its object: the key that it shares with an earlier version, its chain,
//! and whether the chain's order is the client's.

use base64ct::{Base64, Encoding};

use super::{operation, policy};
use crate::vault::{Content, VersionId};

/// The version of the key, where it is not the certificate's own.
const KEY_VERSION: &str = "key-version";

/// The chain's order is as it came.
const PRESERVE_ORDER: &str = "preserve-order";

/// Says that the key is this version's.
pub fn set_key_version(content: &mut Content, id: &VersionId) {
    content.notes.insert(KEY_VERSION.into(), Base64::encode_string(id));
}

/// The version of the key, if it is another than the certificate's.
pub fn key_version(content: &Content) -> Option<VersionId> {
    let mut id = [0; 16];
    Base64::decode(content.notes.get(KEY_VERSION)?, &mut id).ok()?;
    Some(id)
}

/// Says whether the chain's order is as it came.
pub fn set_preserves_order(content: &mut Content, preserves: bool) {
    if preserves {
        content.notes.insert(PRESERVE_ORDER.into(), "true".into());
    }
}

/// Whether the chain's order is as it came.
pub fn preserves_order(content: &Content) -> bool {
    content.notes.contains_key(PRESERVE_ORDER)
}

/// Whether the operation that made it is still shown.
pub fn has_operation(content: &Content) -> bool {
    content.notes.contains_key(operation::NOTE)
}

/// The same without what only the newest version says, if it says any of that.
pub fn without_next(content: &Content) -> Option<Content> {
    let of_newest = [policy::NOTE, operation::NOTE];
    if !of_newest.iter().any(|note| content.notes.contains_key(*note)) {
        return None;
    }
    let mut changed = content.clone();
    of_newest.iter().for_each(|note| drop(changed.notes.remove(*note)));
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::NOTES_OF_ONE_VERSION;

    #[test]
    fn what_is_said_of_one_version_is_left_out_of_the_next_by_whoever_makes_it() {
        assert_eq!(NOTES_OF_ONE_VERSION, [operation::NOTE, KEY_VERSION, PRESERVE_ORDER]);
    }
}
