//! Which names are taken, and by what: whoever gives a name asks here.

use std::sync::Arc;

use super::{Class, Collection, Content, Image, Object};

impl Image {
    /// Whether another object may not get this name. The public half of a key that was deleted holds none; what was deleted
    /// softly holds its name.
    pub fn is_taken(&self, collection: Collection, name: &str) -> bool {
        self.with_name(collection, name).any(|object| object.content.class != Class::PublicKey)
            || self.deleted_with_name(collection, name).next().is_some()
            || collection == Collection::Certificates && self.request(name).is_some()
    }

    /// Whether a certificate of this name, also one that is deleted softly or still to be issued, has its key for itself.
    pub fn has_managed_certificate(&self, name: &str) -> bool {
        let (of, deleted) = (Collection::Certificates, self.deleted_with_name(Collection::Certificates, name));
        let mut all = self.with_name(of, name).chain(deleted).chain(self.request(name));
        all.any(|object| object.content.is_managed())
    }

    /// Whether a name is kept from an object of this content: a certificate that has its own key is one object under three
    /// names, and nothing else is called so among keys and secrets, not even when it is deleted softly.
    pub fn is_kept_from(&self, content: &Content, name: &str) -> bool {
        let all = |collection| self.with_name(collection, name).chain(self.deleted_with_name(collection, name));
        let whole = content.is_managed() || content.class == Class::CertificateRequest;
        match Collection::of(content) {
            Some(Collection::Secrets) => self.has_managed_certificate(name),
            // The public half says nothing of it.
            Some(Collection::Keys) if content.class == Class::PublicKey => false,
            Some(Collection::Keys) if !whole => self.has_managed_certificate(name),
            Some(_) if whole => {
                let foreign = |object: &Arc<Object>| {
                    object.content.class == Class::PrivateKey && !object.content.is_managed()
                        || object.content.class == Class::SecretKey
                };
                all(Collection::Secrets).next().is_some() || all(Collection::Keys).any(foreign)
            }
            _ => false,
        }
    }
}
