//! Making certificates and requests.

use std::time::Duration;

use der::asn1::OctetString;
use der::{DateTime, Decode, Encode};
use spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::request::RequestBuilder;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use super::{Certificate, Error, Name, Profile, Result, Signer, name};
use crate::crypto;

/// A certificate that its own key signs; DER.
pub fn self_signed(profile: &Profile, signer: &Signer) -> Result<Vec<u8>> {
    build(profile, signer.spki(), profile.subject.clone(), None, signer)
}

/// A signing request (PKCS#10); DER. Its dates are its issuer's to choose.
pub fn request(profile: &Profile, signer: &Signer) -> Result<Vec<u8>> {
    let mut builder = RequestBuilder::new(profile.subject.clone())?;
    for extension in profile.extensions()? {
        builder.add_extension(extension)?;
    }
    let message = builder.finalize(signer)?;
    let signature = signer.sign(&message)?;
    Ok(builder.assemble(signature, signer)?.to_der()?)
}

/// A certificate for somebody's key that an issuer's key signs; DER. Refused where nobody would accept it: an issuer that
/// is no authority, has another key, or isn't valid for as long.
pub fn issue(profile: &Profile, subject_spki: &[u8], issuer: &Certificate, signer: &Signer) -> Result<Vec<u8>> {
    check_issuer(profile, issuer, signer)?;
    let identifier = match issuer.subject_key_identifier() {
        Some(identifier) => identifier,
        None => identifier_of(issuer.spki())?.0.as_bytes().to_vec(),
    };
    let authority =
        AuthorityKeyIdentifier { key_identifier: Some(OctetString::new(identifier)?), ..Default::default() };
    build(profile, subject_spki, issuer.subject().clone(), Some(authority), signer)
}

/// Whether an issuer may make such a certificate.
fn check_issuer(profile: &Profile, issuer: &Certificate, signer: &Signer) -> Result<()> {
    let refused = |reason| Err(Error::Issuer { subject: name::text(issuer.subject()), reason });
    let Some(authority) = issuer.authority() else {
        return refused("its certificate is no authority's; make one with `strongroom cert create --authority`");
    };
    if !issuer.allows_issuing() {
        return refused("its certificate isn't for signing certificates (its key usages lack keyCertSign)");
    }
    if issuer.subject().is_empty() {
        return refused("it has no subject, by which certificates name their issuer");
    }
    if issuer.spki() != signer.spki() {
        return refused("the key that was given isn't the one of its certificate");
    }
    if profile.authority.is_some() && authority.path_length == Some(0) {
        return refused("it may issue no further authorities (its path length is 0)");
    }
    if issuer.not_after() <= profile.not_before {
        return refused("its certificate has expired; renew it first");
    }
    if issuer.not_after() < profile.not_after {
        let until = issuer.parsed().tbs_certificate().validity().not_after;
        return Err(Error::OutlivesIssuer { subject: name::text(issuer.subject()), until: until.to_string() });
    }
    Ok(())
}

fn build(
    profile: &Profile,
    spki: &[u8],
    issuer: Name,
    authority: Option<AuthorityKeyIdentifier>,
    signer: &Signer,
) -> Result<Vec<u8>> {
    if profile.not_after <= profile.not_before {
        return Err(Error::Profile("a certificate must end after it begins".to_owned()));
    }
    let mut extensions = profile.extensions()?;
    extensions.push(identifier_of(spki)?.to_extension(&profile.subject, &[])?);
    if let Some(authority) = authority {
        extensions.push(authority.to_extension(&profile.subject, &[])?);
    }
    let validity = Validity::new(time(profile.not_before)?, time(profile.not_after)?);
    let key = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| Error::Damaged("the public key"))?;
    let body = Body { subject: profile.subject.clone(), issuer, extensions };
    let mut builder = CertificateBuilder::new(body, serial()?, validity, key)?;
    let message = builder.finalize(signer)?;
    let signature = signer.sign(&message)?;
    Ok(builder.assemble(signature, signer)?.to_der()?)
}

/// What the library asks for.
struct Body {
    subject: Name,
    issuer: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Body {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _subject: SubjectPublicKeyInfoRef<'_>,
        _issuer: SubjectPublicKeyInfoRef<'_>,
        _certificate: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

/// RFC 5280 §4.2.1.2, method 1: SHA-1 over the key's bits.
fn identifier_of(spki: &[u8]) -> Result<SubjectKeyIdentifier> {
    let key = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| Error::Damaged("the public key"))?;
    Ok(SubjectKeyIdentifier::try_from(key)?)
}

/// Random (RFC 5280 §4.1.2.2): a renewed certificate of the same key must not have the old one's.
fn serial() -> Result<SerialNumber> {
    let mut serial = [0; 16];
    crypto::random(&mut serial)?;
    // Positive, and not shortened by leading zeros.
    serial[0] = serial[0] & 0x7F | 0x40;
    Ok(SerialNumber::new(&serial)?)
}

fn time(seconds: i64) -> Result<Time> {
    let seconds = u64::try_from(seconds).map_err(|_| Error::Profile("a certificate can't begin before 1970".into()))?;
    let time = DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_err(|_| Error::Profile("a certificate can't end after the year 9999".into()))?;
    Ok(time.into())
}
