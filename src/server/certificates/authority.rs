//! Issuers that are authorities of this vault: a certificate whose key is here too signs at once.

use der::Encode;

use super::bundle::CertificateVersion;
use super::issuers::Issuer;
use super::operation::Failure;
use crate::certificate::chain::{MOST, is_issued_by, kept};
use crate::certificate::{Certificate, Profile, Signer, make, subject_of};
use crate::server::call::Call;
use crate::vault::{Class, Image, Name};

/// A certificate and those above it, or why there is none.
pub type Issued = std::result::Result<(Certificate, Vec<Certificate>), Failure>;

/// Has the issuer sign.
pub fn issue(call: &Call, issuer: &Issuer, profile: &Profile, spki: &[u8]) -> Issued {
    if !issuer.enabled {
        return Err(failure("IssuerDisabled", "The issuer is disabled: enable it to have it sign.".into()));
    }
    let (authority, above, signer) = find(call, issuer.authority())?;
    let refused =
        |error: crate::certificate::Error| failure("IssuerCannotSign", format!("The issuer can't sign: {error}."));
    let der = make::issue(profile, spki, &authority, &signer).map_err(refused)?;
    let certificate = Certificate::from_der(&der).map_err(refused)?;
    Ok((certificate, [authority].into_iter().chain(above).collect()))
}

/// The authority's certificate, those above it, and its key.
fn find(call: &Call, name: &str) -> std::result::Result<(Certificate, Vec<Certificate>, Signer), Failure> {
    let image = &*call.image;
    let missing = |what: &str| failure("IssuerCannotSign", format!("The issuer's certificate {name} {what}."));
    let absent =
        || missing("was not found in this vault: make or import it, or name another in credentials.account_id");
    let version = Name::new(name).ok().and_then(|name| CertificateVersion::find(image, &name, None).ok());
    let version = version.ok_or_else(absent)?;
    let certificate = version.der().and_then(|der| Certificate::from_der(der).ok()).ok_or_else(absent)?;
    if !version.0.content.enabled {
        return Err(missing("is disabled"));
    }
    let key = version.key(image).ok_or_else(|| missing("has no key in this vault"))?;
    let description = key.content.key.as_ref().ok_or_else(|| missing("has a key whose public part isn't known"))?;
    let private = call.served.vault.private_key(key.number);
    let private = private.map_err(|error| missing(&format!("has a key that can't be used: {error}")))?;
    let signer =
        Signer::in_vault(private, description).map_err(|error| missing(&format!("has a key of no use: {error}")))?;
    let own: Vec<_> = kept(&version.0.content).iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let above = if own.is_empty() { issuers(image, &certificate) } else { own };
    Ok((certificate, above, signer))
}

/// The certificates of this vault above one that keeps no chain of its own.
fn issuers(image: &Image, certificate: &Certificate) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut last = certificate.clone();
    while let Some(issuer) = last.issuer().to_der().ok().filter(|_| !last.is_self_issued() && chain.len() < MOST) {
        let mut candidates = image.with_class(Class::Certificate).filter_map(|object| {
            let der = object.content.value.as_deref()?;
            // Most are somebody else's: the name is compared before anything is parsed.
            (subject_of(&object.content)? == issuer).then(|| Certificate::from_der(der).ok())?
        });
        let found = candidates.find(|issuer| issuer.is_ca() && is_issued_by(&last, issuer));
        let Some(issuer) = found.filter(|issuer| !chain.contains(issuer)) else { break };
        chain.push(issuer.clone());
        last = issuer;
    }
    chain
}

fn failure(code: &str, message: String) -> Failure {
    Failure { code: code.into(), message }
}
