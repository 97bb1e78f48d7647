//! The certificates that stand above one: kept with each version that needs them, in order, and besides once in the vault as
//! certificates without a name, so that programs find them. Those go with the last version that needs them.
//!
//! A front end writes both; here is only what deleting must know: each is told by a text of its own, such as a digest.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Class, Content, Image, Object, ObjectNumber};

/// The note of a version: for each certificate above it its text and its value, a colon between them, a space after each.
const CHAIN: &str = "chain";

/// The note of such a certificate: its text.
const MEMBER: &str = "chain-member";

impl Content {
    /// The certificates above this one, each by its text and with its value.
    pub fn chain(&self) -> impl Iterator<Item = (&str, &str)> {
        let note = self.notes.get(CHAIN).map(String::as_str).unwrap_or_default();
        note.split_ascii_whitespace().filter_map(|part| part.split_once(':'))
    }

    /// Keeps these with it; neither texts nor values may have colons or white space.
    pub fn set_chain(&mut self, chain: &[(String, String)]) {
        let parts: Vec<_> = chain.iter().map(|(text, value)| format!("{text}:{value}")).collect();
        match parts.is_empty() {
            true => self.notes.remove(CHAIN),
            false => self.notes.insert(CHAIN.into(), parts.join(" ")),
        };
    }

    /// Its text, if it is here for those below it.
    pub fn chain_member(&self) -> Option<&str> {
        self.notes.get(MEMBER).map(String::as_str)
    }

    /// Makes it one that is here for those below it.
    pub fn set_chain_member(&mut self, text: &str) {
        self.notes.insert(MEMBER.into(), text.into());
    }
}

/// The certificates that nothing needs any more once these objects have ended.
pub fn left_over(image: &Image, ended: &[&Arc<Object>]) -> Vec<ObjectNumber> {
    let texts = |objects: &[&Arc<Object>]| -> HashSet<String> {
        objects.iter().flat_map(|object| object.content.chain()).map(|(text, _)| text.to_owned()).collect()
    };
    let mut freed = texts(ended);
    if freed.is_empty() {
        return Vec::new();
    }
    let gone: HashSet<ObjectNumber> = ended.iter().map(|object| object.number).collect();
    let others = image.with_class(Class::Certificate).chain(image.deleted());
    for other in others.filter(|other| !gone.contains(&other.number)) {
        for (text, _) in other.content.chain() {
            freed.remove(text);
        }
    }
    let is_freed = |object: &&Arc<Object>| {
        let member = object.content.chain_member().is_some_and(|text| freed.contains(text));
        member && object.name.is_none() && !gone.contains(&object.number)
    };
    image.with_class(Class::Certificate).filter(is_freed).map(|object| object.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_back_in_order_and_without_one_there_is_none() {
        let mut content = Content::new(Class::Certificate);
        assert_eq!(content.chain().count(), 0);
        let chain = [("b".to_owned(), "MII=".to_owned()), ("a".to_owned(), "MIJ+/".to_owned())];
        content.set_chain(&chain);
        assert_eq!(content.chain().collect::<Vec<_>>(), [("b", "MII="), ("a", "MIJ+/")]);
        content.set_chain(&[]);
        assert!(content.notes.is_empty());
    }
}
