//! Chains: a certificate, who issued it, who issued that.

use base64ct::{Base64, Encoding};

use super::verify::{self, Verdict};
use super::{Certificate, Error, Result, name};
use crate::crypto::PublicKey;
use crate::vault::Content;

/// Most certificates of one chain. Real ones have two to five.
pub const MOST: usize = 20;

/// The certificate for this key first, then its issuers as far as they are here. What belongs to no chain of it is refused,
/// and what comes twice is taken once.
pub fn order(spki: &[u8], certificates: Vec<Certificate>) -> Result<Vec<Certificate>> {
    let mut rest = distinct(certificates)?;
    let mut chain = vec![rest.remove(leaf(spki, &rest)?)];
    // Taken out one by one, so that two that issued each other end it.
    while let Some(issuer) = rest.iter().position(|issuer| may_be_issued_by(&chain[chain.len() - 1], issuer)) {
        chain.push(rest.remove(issuer));
    }
    match rest.first() {
        None => Ok(chain),
        Some(stray) => Err(Error::Stray(called(stray))),
    }
}

/// The certificate for this key first, all others as they came, whatever they are.
pub fn leaf_first(spki: &[u8], certificates: Vec<Certificate>) -> Result<Vec<Certificate>> {
    let mut certificates = distinct(certificates)?;
    let leaf = certificates.remove(leaf(spki, &certificates)?);
    certificates.insert(0, leaf);
    Ok(certificates)
}

/// Those of `above` that stand above the certificate for certain, from its issuer on: each is an authority's and its key
/// signed the one below it.
pub fn proven<'a>(leaf: &'a Certificate, above: &'a [Certificate]) -> Vec<&'a Certificate> {
    let mut proven: Vec<&Certificate> = Vec::new();
    let mut last = leaf;
    let is_next = |proven: &[&Certificate], last: &Certificate, issuer: &&Certificate| {
        let is_new = *issuer != leaf && !proven.contains(issuer);
        is_new && issuer.is_ca() && issuer.allows_issuing() && is_issued_by(last, issuer)
    };
    while let Some(issuer) = above.iter().find(|issuer| is_next(&proven, last, issuer)) {
        proven.push(issuer);
        last = issuer;
    }
    proven
}

/// Keeps those above a certificate with its content.
pub fn keep(content: &mut Content, above: &[Certificate]) {
    let parts: Vec<_> = above.iter().map(|above| (text(above), Base64::encode_string(above.der()))).collect();
    content.set_chain(&parts);
}

/// Those that are kept, in DER.
pub fn kept(content: &Content) -> Vec<Vec<u8>> {
    content.chain().filter_map(|(_, value)| Base64::decode_vec(value).ok()).collect()
}

/// By which a vault tells one of them from others: the digits of its fingerprint.
pub fn text(certificate: &Certificate) -> String {
    certificate.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `issuer` issued the certificate: by name, key identifier and signature. One whose algorithm nobody here knows
/// proves nothing.
pub fn is_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    verdict(certificate, issuer) == Verdict::Valid
}

/// The same where it is about order alone: name and key identifier decide if nobody here knows the signature's algorithm.
fn may_be_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    verdict(certificate, issuer) != Verdict::Invalid
}

fn verdict(certificate: &Certificate, issuer: &Certificate) -> Verdict {
    if certificate.issuer() != issuer.subject() {
        return Verdict::Invalid;
    }
    if let (Some(wanted), Some(own)) = (certificate.authority_key_identifier(), issuer.subject_key_identifier())
        && wanted != own
    {
        return Verdict::Invalid;
    }
    let Some(message) = certificate.signed_part() else { return Verdict::Invalid };
    let Ok(key) = PublicKey::from_spki(issuer.spki()) else { return Verdict::Unknown };
    let parsed = certificate.parsed();
    verify::signature(&key, parsed.signature_algorithm(), message, parsed.signature().raw_bytes())
}

/// Which of them is for this key. Of several it is one that isn't an authority, and of those the last to end.
fn leaf(spki: &[u8], certificates: &[Certificate]) -> Result<usize> {
    let own = certificates.iter().enumerate().filter(|(_, certificate)| certificate.spki() == spki);
    let best = own
        .max_by_key(|(index, certificate)| (!certificate.is_ca(), certificate.not_after(), std::cmp::Reverse(*index)));
    best.map(|(index, _)| index).ok_or(Error::NoLeaf)
}

fn distinct(certificates: Vec<Certificate>) -> Result<Vec<Certificate>> {
    let mut distinct: Vec<Certificate> = Vec::with_capacity(certificates.len().min(MOST));
    for certificate in certificates {
        if !distinct.contains(&certificate) {
            distinct.push(certificate);
        }
        if distinct.len() > MOST {
            return Err(Error::TooMany { most: MOST, what: "certificates" });
        }
    }
    Ok(distinct)
}

fn called(certificate: &Certificate) -> String {
    certificate.common_name().unwrap_or_else(|| name::text(certificate.subject()))
}
