//! Generating keys: `create` and `rotate`.

use std::sync::Arc;

use clap::Args;

use super::super::versions::{self, Named, Versioned};
use super::super::{Context, Result, kind, progress};
use super::{Properties, Validity, draft, show};
use crate::crypto;
use crate::vault::{
    Class, Collection, Content, Draft, KEPT_ON_ROTATION, KeyAlgorithm, Name, Naming, Object, Usage, VaultAdmin,
    VaultError,
};

#[derive(Args)]
pub(in super::super) struct Create {
    /// The new key's name
    pub name: String,
    /// What kind of key
    #[arg(long, value_parser = kind::parser())]
    pub kind: KeyAlgorithm,
    #[command(flatten)]
    pub properties: Properties,
}

#[derive(Args)]
pub(in super::super) struct Rotate {
    /// The key's name
    pub name: String,
    #[command(flatten)]
    pub validity: Validity,
}

pub(super) fn create(context: &Context, create: Create) -> Result<()> {
    create.properties.validity.check(context)?;
    let name = Name::new(&create.name)?;
    let opened = context.unlocked()?;
    let usage = create.properties.usage(create.kind, opened.info.allow_conflicting_usage)?;
    let template = |class, usage| {
        let mut content = Content::new(class);
        create.properties.apply(&mut content);
        content.usage = usage;
        draft(content, &name, Naming::New(name.clone()))
    };
    let made = generate(context, &*opened.vault, create.kind, usage, template)?;
    show::report(context, &opened, &made[0], "Created")
}

/// A new version with the current one's kind, usage, tags and restrictions. Its validity starts anew: the old one's end
/// would soon be the new one's too.
pub(super) fn rotate(context: &Context, rotate: Rotate) -> Result<()> {
    rotate.validity.check(context)?;
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let key = versions::named(&image, Collection::Keys, &rotate.name)?;
    let next = NextVersion::of(&key)?;
    let template = |class, usage| {
        let mut content = next.content(class, usage);
        rotate.validity.apply(&mut content);
        Draft { content, naming: Naming::VersionOf(next.name.clone()), secret: None }
    };
    let made = generate(context, &*opened.vault, next.kind, next.usage(), template)?;
    show::report(context, &opened, &made[0], "Rotated")
}

/// What a key's next version takes over from the current one.
pub(in super::super) struct NextVersion<'a> {
    pub name: Name,
    pub kind: KeyAlgorithm,
    old: &'a Versioned,
}

impl<'a> NextVersion<'a> {
    pub(in super::super) fn of(key: &'a Named) -> Result<Self> {
        let old = key.current();
        let main = old.main();
        let name = main.name.clone().ok_or(VaultError::Unsupported("versions of a key that has no name"))?;
        let kind = main.content.key.as_ref().map(|key| key.algorithm).ok_or(VaultError::NotFound)?;
        if main.content.class == Class::PublicKey {
            return Err(VaultError::Unsupported("new versions of a public key alone").into());
        }
        Ok(Self { name, kind, old })
    }

    /// Of both halves together.
    pub(in super::super) fn usage(&self) -> Usage {
        let public = self.old.of_class(Class::PublicKey).map_or(Usage::empty(), |public| public.content.usage);
        self.old.main().content.usage | public
    }

    /// One half, without what is only this version's.
    pub(in super::super) fn content(&self, class: Class, usage: Usage) -> Content {
        let main = self.old.main();
        let model = self.old.of_class(class).unwrap_or(main);
        let mut content = Content::new(class);
        content.private =
            if class == Class::PublicKey { model.content.private && model.content.class == class } else { true };
        content.exportable = model.content.exportable;
        content.tags = model.content.tags.clone();
        content.notes = model.content.notes.clone();
        content.usage = usage;
        content.attributes = model.content.attributes.clone();
        content.attributes.retain(|attribute, _| KEPT_ON_ROTATION.contains(attribute));
        content.label = main.content.label.clone();
        content
    }
}

/// Generates the halves that the kind has; the first object is the private or secret key.
fn generate(
    context: &Context,
    vault: &dyn VaultAdmin,
    algorithm: KeyAlgorithm,
    usage: Usage,
    template: impl Fn(Class, Usage) -> Draft,
) -> Result<Vec<Arc<Object>>> {
    if !kind::is_pair(algorithm) {
        let mut draft = template(Class::SecretKey, usage);
        draft.content.id = secret_key_id()?;
        return Ok(vec![vault.generate_secret(algorithm, draft)?]);
    }
    let (private, public) = kind::halves(usage);
    let drafts = (template(Class::PrivateKey, private), template(Class::PublicKey, public));
    let work = || vault.generate_pair(algorithm, drafts.0, drafts.1);
    // Finding large primes takes seconds; the rest is done before a spinner turns.
    let made = match algorithm {
        KeyAlgorithm::Rsa { .. } => progress::spin(&context.output, "Looking for primes", work)?,
        _ => work()?,
    };
    Ok(made.into())
}

/// A secret key has nothing public that its id could be made of.
pub(super) fn secret_key_id() -> Result<Vec<u8>> {
    let mut id = vec![0; 16];
    crypto::random(&mut id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use cryptoki_sys::*;

    use super::*;

    #[test]
    fn what_is_kept_on_rotation_is_what_restricts_a_key() {
        let mut kept = [
            CKA_ALLOWED_MECHANISMS,
            CKA_ALWAYS_AUTHENTICATE,
            CKA_COPYABLE,
            CKA_DERIVE_TEMPLATE,
            CKA_DESTROYABLE,
            CKA_MODIFIABLE,
            CKA_UNWRAP_TEMPLATE,
            CKA_WRAP_TEMPLATE,
            CKA_WRAP_WITH_TRUSTED,
        ];
        let mut known = KEPT_ON_ROTATION;
        kept.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, kept);
    }
}
