//! What a new object is called, and which version of that it is.

use crate::crypto;
use crate::vault::{Collection, Draft, Image, Name, Naming, Result, VaultError, Version};

/// The name and version of a new object.
pub(super) fn named(
    image: &Image,
    shared: &mut Vec<(Collection, String, Name, Version)>,
    collection: Collection,
    draft: &Draft,
    unique_id: &[u8; 16],
) -> Result<Option<(Name, Version)>> {
    let name = match &draft.naming {
        Naming::None => return Ok(None),
        Naming::FromLabel => {
            let label = std::str::from_utf8(&draft.content.label).ok().and_then(|label| Name::new(label).ok());
            label
                .filter(|name| {
                    !image.is_taken(collection, name.as_str()) && !image.is_kept_from(&draft.content, name.as_str())
                })
                .unwrap_or_else(|| Name::derived(&draft.content.label, unique_id))
        }
        Naming::New(name) | Naming::VersionOf(name) | Naming::Set(name) | Naming::As(name, _) => name.clone(),
        Naming::Restored(was) => was.name.clone(),
    };
    let folded = name.folded();
    if let Some((_, _, name, version)) = shared.iter().find(|(c, text, ..)| *c == collection && *text == folded) {
        return Ok(Some((name.clone(), *version)));
    }
    check_name(image, collection, draft, &name)?;
    if let Naming::Restored(was) = &draft.naming {
        return Ok(Some((name, was.version)));
    }
    let versions = image.with_name(collection, name.as_str());
    let newest = versions.filter_map(|object| object.version).map(|version| version.ordinal).max().unwrap_or(0);
    let mut id = [0; 16];
    match &draft.naming {
        Naming::As(_, given) => id = *given,
        _ => crypto::random(&mut id)?,
    }
    let version = Version { id, ordinal: newest + 1 };
    // All versions are spelled as the first one was: their ids differ in nothing else.
    let first = image.with_name(collection, name.as_str()).find_map(|object| object.name.clone());
    let name = first.unwrap_or(name);
    shared.push((collection, folded, name.clone(), version));
    Ok(Some((name, version)))
}

/// Refuses a name that somebody gave and that isn't free, or isn't there, as the naming needs it.
fn check_name(image: &Image, collection: Collection, draft: &Draft, name: &Name) -> Result<()> {
    let naming = &draft.naming;
    let given = !matches!(naming, Naming::None | Naming::FromLabel);
    if matches!(naming, Naming::VersionOf(_)) && collection == Collection::Keys {
        // Its certificate is what is renewed.
        let mut versions = image.with_name(collection, name.as_str());
        if versions.any(|object| object.content.is_managed()) && image.has_managed_certificate(name.as_str()) {
            return Err(VaultError::Managed(name.to_string()));
        }
    }
    if image.is_kept_from(&draft.content, name.as_str()) {
        return Err(VaultError::NameTaken(name.to_string()));
    }
    if given && image.deleted_with_name(collection, name.as_str()).next().is_some() {
        return Err(VaultError::NameDeleted(name.to_string()));
    }
    match (naming, image.is_taken(collection, name.as_str())) {
        (Naming::New(_) | Naming::Restored(_), true) => Err(VaultError::NameTaken(name.to_string())),
        (Naming::VersionOf(_), false) => Err(VaultError::NotFound),
        _ => Ok(()),
    }
}
