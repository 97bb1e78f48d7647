//! The certificates above one: kept in order with each version, and once in the vault for programs to find.

use std::sync::Arc;

use crate::certificate::{self, Certificate};
use crate::server::error::Result;
use crate::vault::{Change, Class, Content, Draft, Image, Name, Naming, Object};

/// Most bytes of a certificate with those above it.
pub const MAX_LEN: usize = 64 * 1024;

/// What the vault doesn't hold yet of the certificates that stand above others for certain; `own` comes into the vault with
/// them. One that programs would find in place of a key's or a named object's is left out: the chain keeps it all the same.
pub fn missing(image: &Image, own: &[&Content], proven: &[&Certificate]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for above in proven {
        let content = member(above)?;
        let held = image.with_id(&content.id).any(|object| object.content.value == content.value);
        if !held && !is_taken(image, own, &content) {
            changes.push(Change::Create(Draft { content, naming: Naming::None, secret: None }));
        }
    }
    Ok(changes)
}

fn member(above: &Certificate) -> Result<Content> {
    let mut label = above.common_name().unwrap_or_default();
    if Name::new(&label).is_ok() {
        // What is made later under such a name must be the only one that programs find by it.
        label = certificate::name::text(above.subject());
    }
    let mut content = above.content(label.into_bytes(), above.key_id().to_vec()).map_err(super::refused)?;
    content.set_chain_member(&certificate::chain::text(above));
    Ok(content)
}

/// Whether a key or something with a name has this label or `CKA_ID`, or had it before it was deleted softly.
fn is_taken(image: &Image, own: &[&Content], member: &Content) -> bool {
    let is_like = |content: &Content| {
        content.id == member.id || !member.label.is_empty() && content.label.eq_ignore_ascii_case(&member.label)
    };
    let counts = |object: &&Arc<Object>| {
        let is_key = matches!(object.content.class, Class::PrivateKey | Class::PublicKey | Class::SecretKey);
        (is_key || object.name.is_some()) && is_like(&object.content)
    };
    own.iter().any(|content| is_like(content)) || image.everything().any(|object| counts(&object))
}
