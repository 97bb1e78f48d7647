//! Changing and deleting there. An edit is made on what the service says now, not on what was listed, and only what it
//! changed is sent.

use std::sync::Arc;

use super::AzureVault;
use super::attributes::{self, Half};
use super::listing::is_missing;
use super::objects::{self, Shape};
use super::session::Repeat;
use super::wire::{CertificateBundle, KeyBundle, Page, Tags, UpdateParameters, WantedAttributes, read};
use crate::vault::{Class, Collection, Content, Object, ObjectNumber, Result, Vault, VaultError};

/// A version as the service has it now.
struct Present {
    tags: Tags,
    key_ops: Vec<String>,
    shape: Shape,
    /// The same without any tag.
    plain: Shape,
}

impl AzureVault {
    /// `PATCH` of one version; a label goes to the others of its name too.
    pub(super) fn change_one(
        &self,
        number: ObjectNumber,
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Arc<Object>> {
        let (object, _) = self.object(number)?;
        let before = object.content.label.clone();
        let changed = self.patch(&object, edit)?;
        let label = changed.content.label.clone();
        if label != before {
            let image = self.image();
            let name = object.name.as_ref().map_or("", |name| name.as_str());
            let collection = object.collection().ok_or(VaultError::NotFound)?;
            let others = image.with_name(collection, name).filter(|other| {
                other.number != number && other.content.class == object.content.class && other.content.label != label
            });
            for other in others {
                self.patch(other, &mut |content| {
                    content.label.clone_from(&label);
                    Ok(())
                })?;
            }
        }
        Ok(changed)
    }

    fn patch(&self, object: &Object, edit: &mut dyn FnMut(&mut Content) -> Result<()>) -> Result<Arc<Object>> {
        let (_, path) = self.object(object.number)?;
        let collection = object.collection().ok_or(VaultError::NotFound)?;
        let present = self.present(collection, &path)?;
        let own = |shape: &Shape| shape.objects.iter().find(|other| other.number == object.number).cloned();
        let (Some(was), Some(plain)) = (own(&present.shape), own(&present.plain)) else {
            return Err(VaultError::NotFound);
        };
        let mut content = was.content.clone();
        // A certificate's id is its key's where no tag says another.
        if collection == Collection::Certificates && content.id.is_empty() {
            content.id.clone_from(&object.content.id);
        }
        let mut plain = plain.content;
        if plain.id.is_empty() {
            plain.id.clone_from(&content.id);
        }
        let unchanged = content.clone();
        edit(&mut content)?;
        if content == unchanged {
            return Ok(Arc::new(was));
        }
        let body = update(&present, &unchanged, &content, &plain)?;
        let reply = self.session.call("PATCH", &path, Some(&body), Repeat::Never)?;
        let shape = match collection {
            Collection::Certificates => {
                objects::of_certificate(&read::<CertificateBundle>(&self.location, &reply.body)?)
            }
            _ => objects::of_key(&read::<KeyBundle>(&self.location, &reply.body)?),
        };
        let shape = shape.ok_or(VaultError::NotFound)?;
        let changed = own(&shape).ok_or(VaultError::NotFound)?;
        let _attempt = self.reading();
        self.note(|contents| contents.with(collection, shape));
        Ok(Arc::new(changed))
    }

    fn present(&self, collection: Collection, path: &str) -> Result<Present> {
        if collection == Collection::Secrets {
            return Err(VaultError::Unsupported("a secret's attributes: set it anew"));
        }
        let reply = match self.session.call("GET", path, None, Repeat::Safe) {
            Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
            reply => reply?,
        };
        let (tags, key_ops, shapes) = if collection == Collection::Certificates {
            let mut bundle: CertificateBundle = read(&self.location, &reply.body)?;
            let shape = objects::of_certificate(&bundle);
            let tags = bundle.tags.take().unwrap_or_default();
            (tags, Vec::new(), (shape, objects::of_certificate(&bundle)))
        } else {
            let mut bundle: KeyBundle = read(&self.location, &reply.body)?;
            let shape = objects::of_key(&bundle);
            let tags = bundle.tags.take().unwrap_or_default();
            let plain = objects::of_key(&bundle);
            (tags, bundle.key.key_ops, (shape, plain))
        };
        let (Some(shape), Some(plain)) = shapes else { return Err(VaultError::NotFound) };
        Ok(Present { tags, key_ops, shape, plain })
    }

    /// `DELETE /keys/NAME`: softly, all versions and both halves together, so that it is refused where only a part was meant.
    pub(super) fn delete_one(&self, number: ObjectNumber) -> Result<()> {
        let (object, _) = self.object(number)?;
        let (Some(name), Some(collection)) = (&object.name, object.collection()) else {
            return Err(VaultError::NotFound);
        };
        if object.content.class == Class::PublicKey {
            return Err(VaultError::Inseparable {
                what: format!("the public half of {name}"),
                instead: "delete the private key, and both go",
            });
        }
        let path = format!("/{}/{name}", collection.segment());
        let versions = self.session.call("GET", &format!("{path}/versions?maxresults=2"), None, Repeat::Safe);
        let several = match versions {
            Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
            reply => {
                let page: Page = read(&self.location, &reply?.body)?;
                page.value.len() > 1 || page.next_link.is_some_and(|link| !link.is_empty())
            }
        };
        if several {
            return Err(VaultError::Inseparable {
                what: format!("one version of {name}"),
                instead: "delete them all with `strongroom key delete`, or end this one with `strongroom key disable`",
            });
        }
        match self.session.call("DELETE", &path, None, Repeat::Never) {
            Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
            reply => drop(reply?),
        }
        let _attempt = self.reading();
        self.note(|contents| contents.without(collection, name.as_str()));
        Ok(())
    }
}

/// What the edit changed, in `KeyUpdateParameters`, of which the others have the same members.
fn update(present: &Present, was: &Content, now: &Content, plain: &Content) -> Result<Vec<u8>> {
    let half = if matches!(now.class, Class::PublicKey | Class::Certificate) { Half::Public } else { Half::Private };
    let mut tags = present.tags.clone();
    attributes::write(now, plain, half, &mut tags)?;
    let usage = attributes::usage(&present.key_ops).difference(was.usage) | now.usage;
    let key_ops = (now.usage != was.usage).then(|| attributes::key_ops(usage));
    if key_ops.as_ref().is_some_and(Vec::is_empty) {
        return Err(VaultError::Unsupported("a key that does nothing of what the interface has"));
    }
    let wanted = WantedAttributes {
        enabled: (now.enabled != was.enabled).then_some(now.enabled),
        nbf: now.not_before.filter(|_| now.not_before != was.not_before),
        exp: now.expires.filter(|_| now.expires != was.expires),
    };
    let tags = Some(&tags).filter(|tags| **tags != present.tags);
    let body = UpdateParameters { key_ops: key_ops.as_deref(), attributes: wanted.given(), tags };
    serde_json::to_vec(&body).map_err(|_| VaultError::Unsupported("a request that isn't JSON"))
}
