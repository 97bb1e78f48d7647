//! `renew`: a certificate goes on, with what it said before.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::super::key::NextVersion;
use super::super::open::Opened;
use super::super::versions::{self, Named};
use super::super::{Context, Error, Result, kind, time};
use super::signing::{SigningKey, key_of, successor};
use super::wanted::Duration;
use super::{show, write_file};
use crate::certificate::{Certificate, Profile, Signer, make, name, pem};
use crate::crypto::{self, PrivateKey};
use crate::vault::{
    Class, Collection, Content, Draft, KeyAlgorithm, KeyDescription, Naming, Object, SecretBytes, VersionId,
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

pub(super) fn run(context: &Context, renew: &Renew) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, Collection::Certificates, &renew.name)?;
    let present = named.current().main().clone();
    let old = Certificate::from_der(present.content.value.as_deref().unwrap_or_default())?;
    let same = key_of(&*opened.vault, &old)?.ok_or_else(|| {
        Error::refused(format!("The key of {} isn't in this vault: only its owner renews it.", named.name))
    })?;
    let issuer = issuer(&opened, renew, &named, &old)?;
    let profile = profile(renew, &old, &issuer)?;
    let key = if renew.new_key { new_key(same.algorithm)? } else { Key::Same(same) };
    let drafts = match &key {
        Key::Same(key) => {
            let certificate = signed(&profile, &issuer, &key.signer)?;
            vec![certificate_draft(&certificate, &present, key.id.clone(), None)?]
        }
        Key::New(key, pkcs8) => {
            let certificate = signed(&profile, &issuer, &Signer::new(key.clone())?)?;
            with_new_key(&opened, &old, &present, &certificate, (key, pkcs8))?
        }
    };
    let made = opened.vault.create(drafts)?;
    let made = made.iter().find(|object| object.content.class == Class::Certificate);
    let Some(made) = made else { return Ok(()) };
    if let (Some(file), Some(der)) = (&renew.out, &made.content.value) {
        write_file(file, &pem::text("CERTIFICATE", der))?;
    }
    show::report(context, &opened, made, "Renewed")
}

/// Who signed it before, as far as that can be had again.
fn issuer(opened: &Opened, renew: &Renew, named: &Named, old: &Certificate) -> Result<Issuer> {
    if renew.self_signed || old.is_self_issued() {
        return Ok(Issuer::Itself);
    }
    if let Some((authority, key)) = successor(&*opened.vault, old)? {
        return Ok(Issuer::Authority(authority, key));
    }
    Err(Error::refused(format!(
        "{} was issued by {}, whose valid certificate and key aren't in this vault: send it a request (`strongroom cert \
         csr`) and import what comes back (`strongroom cert import {} FILE --renew`), or add --self-signed.",
        named.name,
        name::text(old.issuer()),
        named.name
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

fn new_key(algorithm: KeyAlgorithm) -> Result<Key> {
    let (key, pkcs8) = PrivateKey::generate(algorithm)?;
    Ok(Key::New(Arc::new(key), pkcs8))
}

/// The certificate's next version; it keeps what the old one says beside itself.
fn certificate_draft(
    certificate: &Certificate,
    present: &Object,
    id: Vec<u8>,
    version: Option<VersionId>,
) -> Result<Draft> {
    let name = present.name.clone();
    let mut content = certificate.content(present.content.label.clone(), id)?;
    content.private = present.content.private;
    content.tags = present.content.tags.clone();
    content.notes = present.content.notes.clone();
    let naming = match (name, version) {
        (Some(name), Some(version)) => Naming::As(name, version),
        (Some(name), None) => Naming::VersionOf(name),
        (None, _) => Naming::None,
    };
    Ok(Draft { content, naming, secret: None })
}

/// A new version of the certificate's key, and the certificate: one transaction, so that no program finds one of them
/// without the other. The two of a certificate and key that are one have one version.
fn with_new_key(
    opened: &Opened,
    old: &Certificate,
    present: &Object,
    certificate: &Certificate,
    (key, pkcs8): (&PrivateKey, &SecretBytes),
) -> Result<Vec<Draft>> {
    let image = opened.vault.image();
    let private = super::signing::private_half(&image, old).and_then(|private| private.name.clone());
    let name = private.ok_or_else(|| Error::refused("The certificate's key has no name: it can't have versions."))?;
    let named = versions::named(&image, Collection::Keys, name.as_str())?;
    let next = NextVersion::of(&named)?;
    let mut version = VersionId::default();
    crypto::random(&mut version)?;
    let version = present.content.is_managed().then_some(version);
    let half = |class, usage| {
        let mut content: Content = next.content(class, usage);
        content.id = key.public_key().key_id().to_vec();
        content.local = true;
        content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() });
        let naming = match version {
            Some(version) => Naming::As(next.name.clone(), version),
            None => Naming::VersionOf(next.name.clone()),
        };
        Draft { content, naming, secret: None }
    };
    let (private_usage, public_usage) = kind::halves(next.usage());
    let mut private = half(Class::PrivateKey, private_usage);
    private.secret = Some(pkcs8.clone());
    let id = key.public_key().key_id().to_vec();
    let certificate = certificate_draft(certificate, present, id, version)?;
    Ok(vec![private, half(Class::PublicKey, public_usage), certificate])
}
