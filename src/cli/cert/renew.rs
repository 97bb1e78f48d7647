//! `renew`: a certificate goes on, with what it said before.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::super::key::NextVersion;
use super::super::open::Opened;
use super::super::versions;
use super::super::{Context, Error, Result, kind, time};
use super::signing::{SigningKey, issuers, key_of, private_half, successor};
use super::wanted::Duration;
use super::{show, write_file};
use crate::certificate::{Certificate, Profile, Signer, chain, make, name, pem};
use crate::crypto::{self, PrivateKey};
use crate::vault::{
    Class, Collection, Content, Draft, KeyDescription, NOTES_OF_ONE_VERSION, Naming, Object, SecretBytes, VaultError,
    VersionId,
};

#[derive(Args)]
pub(in super::super) struct Renew {
    /// The certificate's name
    name: String,
    /// With a new version of its key, instead of the same
    #[arg(long)]
    new_key: bool,
    /// Let its own key sign it, though somebody else did before
    #[arg(long)]
    self_signed: bool,
    #[command(flatten)]
    duration: Duration,
    /// Write the certificate as PEM to this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Who signs the new one.
enum Issuer {
    Itself,
    Authority(Certificate, SigningKey),
}

/// The key that the new one is for.
enum Key {
    Same(SigningKey),
    /// Not yet in the vault: it goes there together with its certificate, or not at all.
    New(Arc<PrivateKey>, SecretBytes),
}

/// What is renewed.
struct Old {
    object: Arc<Object>,
    certificate: Certificate,
    /// Its key's private half.
    key: Arc<Object>,
}

pub(super) fn run(context: &Context, renew: &Renew) -> Result<()> {
    let opened = context.unlocked()?;
    let old = Old::named(&opened, &renew.name)?;
    let issuer = issuer(&opened, renew, &old)?;
    let profile = profile(renew, &old.certificate, &issuer)?;
    let key = old.next_key(&opened, renew.new_key)?;
    let certificate = match &key {
        Key::Same(key) => signed(&profile, &issuer, &key.signer)?,
        Key::New(key, _) => signed(&profile, &issuer, &Signer::new(key.clone())?)?,
    };
    let chain = above(&opened, &issuer);
    let drafts = match &key {
        Key::Same(key) => vec![old.certificate_draft(&certificate, &chain, key.id.clone(), None)?],
        Key::New(key, pkcs8) => old.with_new_key(&opened, &certificate, &chain, key, pkcs8)?,
    };
    let made = opened.vault.create(drafts)?;
    let made = made.iter().find(|object| object.content.class == Class::Certificate);
    let Some(made) = made else { return Ok(()) };
    if let Some(file) = &renew.out {
        write_file(file, &pem::text("CERTIFICATE", certificate.der()))?;
    }
    show::report(context, &opened, made, "Renewed")
}

/// Who signed it before, as far as that can be had again.
fn issuer(opened: &Opened, renew: &Renew, old: &Old) -> Result<Issuer> {
    if renew.self_signed || old.certificate.is_self_issued() {
        return Ok(Issuer::Itself);
    }
    if let Some((authority, key)) = successor(&*opened.vault, &old.certificate)? {
        return Ok(Issuer::Authority(authority, key));
    }
    Err(Error::refused(format!(
        "{} was issued by {}, whose valid certificate and key aren't in this vault: send it a request (`strongroom cert \
         csr`) and import what comes back (`strongroom cert import {} FILE --renew`), or add --self-signed.",
        renew.name,
        name::text(old.certificate.issuer()),
        renew.name
    )))
}

/// The same for whom and for what, from now on, for as long as before unless something else is said.
fn profile(renew: &Renew, old: &Certificate, issuer: &Issuer) -> Result<Profile> {
    let mut profile = Profile::of(old)?;
    let lasted = old.not_after() - old.not_before();
    profile.not_before = time::now();
    profile.not_after = profile.not_before.saturating_add(lasted);
    if renew.duration.is_given() {
        renew.duration.limit(&mut profile)?;
    } else if let Issuer::Authority(authority, _) = issuer {
        profile.not_after = profile.not_after.min(authority.not_after());
    }
    Ok(profile)
}

fn signed(profile: &Profile, issuer: &Issuer, signer: &Signer) -> Result<Certificate> {
    let der = match issuer {
        Issuer::Itself => make::self_signed(profile, signer)?,
        Issuer::Authority(authority, key) => make::issue(profile, signer.spki(), authority, &key.signer)?,
    };
    Ok(Certificate::from_der(&der)?)
}

/// Those above the new one.
fn above(opened: &Opened, issuer: &Issuer) -> Vec<Certificate> {
    match issuer {
        Issuer::Itself => Vec::new(),
        Issuer::Authority(authority, _) => {
            let above = issuers(&opened.vault.image(), authority);
            std::iter::once(authority.clone()).chain(above).collect()
        }
    }
}

impl Old {
    fn named(opened: &Opened, name: &str) -> Result<Self> {
        let image = opened.vault.image();
        let named = versions::named(&image, Collection::Certificates, name)?;
        let object = named.current().main().clone();
        let certificate = Certificate::from_der(object.content.value.as_deref().unwrap_or_default())?;
        let key = private_half(&image, &certificate).cloned();
        let key = key.ok_or_else(|| {
            Error::refused(format!("The key of {} isn't in this vault: only who has it renews it.", named.name))
        })?;
        Ok(Self { object, certificate, key })
    }

    /// A certificate that is one with its key goes on with a new one, as it would over the server.
    fn next_key(&self, opened: &Opened, new: bool) -> Result<Key> {
        if new || self.object.content.is_managed() {
            let description = self.key.content.key.as_ref().ok_or(VaultError::NotFound)?;
            let (key, pkcs8) = PrivateKey::generate(description.algorithm)?;
            return Ok(Key::New(Arc::new(key), pkcs8));
        }
        let key = key_of(&*opened.vault, &self.certificate)?.ok_or(VaultError::NotFound)?;
        Ok(Key::Same(key))
    }

    /// The certificate's next version; it keeps what the old one says beside itself.
    fn certificate_draft(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
        id: Vec<u8>,
        version: Option<VersionId>,
    ) -> Result<Draft> {
        let old = &self.object.content;
        let mut content = certificate.content(old.label.clone(), id)?;
        content.private = old.private;
        content.tags = old.tags.clone();
        content.content_type = old.content_type.clone();
        content.notes = old.notes.clone();
        content.notes.retain(|note, _| !NOTES_OF_ONE_VERSION.contains(&note.as_str()));
        if old.is_managed() {
            limit(&mut content, certificate);
            chain::keep(&mut content, chain);
        }
        let naming = match (self.object.name.clone(), version) {
            (Some(name), Some(version)) => Naming::As(name, version),
            (Some(name), None) => Naming::VersionOf(name),
            (None, _) => Naming::None,
        };
        Ok(Draft { content, naming, secret: None })
    }

    /// A new version of the certificate's key, and the certificate: one transaction, so that no program finds one of them
    /// without the other. Where the two are one, they have one version's id.
    fn with_new_key(
        &self,
        opened: &Opened,
        certificate: &Certificate,
        chain: &[Certificate],
        key: &PrivateKey,
        pkcs8: &SecretBytes,
    ) -> Result<Vec<Draft>> {
        let name = self.key.name.as_ref();
        let name = name.ok_or_else(|| Error::refused("The certificate's key has no name: it can't have versions."))?;
        let named = versions::named(&opened.vault.image(), Collection::Keys, name.as_str())?;
        let next = NextVersion::of(&named)?;
        let managed = self.object.content.is_managed();
        let mut version = VersionId::default();
        crypto::random(&mut version)?;
        let version = managed.then_some(version);
        let id = key.public_key().key_id().to_vec();
        let half = |class, usage| {
            let mut content = next.content(class, usage);
            content.id = id.clone();
            content.local = true;
            content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() });
            if managed {
                limit(&mut content, certificate);
            }
            let naming = match version {
                Some(version) => Naming::As(next.name.clone(), version),
                None => Naming::VersionOf(next.name.clone()),
            };
            Draft { content, naming, secret: None }
        };
        let (private_usage, public_usage) = kind::halves(next.usage());
        let mut private = half(Class::PrivateKey, private_usage);
        private.secret = Some(pkcs8.clone());
        let public = half(Class::PublicKey, public_usage);
        Ok(vec![private, public, self.certificate_draft(certificate, chain, id.clone(), version)?])
    }
}

/// What is one with a certificate is good for as long.
fn limit(content: &mut Content, certificate: &Certificate) {
    content.not_before = Some(certificate.not_before());
    content.expires = Some(certificate.not_after());
}
