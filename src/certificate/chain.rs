//! Chains: a certificate, who issued it, who issued that.

use super::verify::{self, Verdict};
use super::{Certificate, Error, Result, name};
use crate::crypto::PublicKey;

/// Most certificates of one chain. Real ones have two to five.
pub const MOST: usize = 20;

/// The certificate for this key first, then its issuers as far as they are here. What belongs to no chain of it is refused,
/// and what comes twice is taken once.
pub fn order(spki: &[u8], certificates: Vec<Certificate>) -> Result<Vec<Certificate>> {
    let mut rest = distinct(certificates)?;
    let mut chain = vec![rest.remove(leaf(spki, &rest)?)];
    // Taken out one by one, so that two that issued each other end it.
    while let Some(issuer) = rest.iter().position(|issuer| is_issued_by(&chain[chain.len() - 1], issuer)) {
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

/// Whether `issuer` issued the certificate: by name, key identifier and signature. Where nobody here knows the signature's
/// algorithm, name and identifier decide.
pub fn is_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    if certificate.issuer() != issuer.subject() {
        return false;
    }
    if let (Some(wanted), Some(own)) = (certificate.authority_key_identifier(), issuer.subject_key_identifier())
        && wanted != own
    {
        return false;
    }
    let Some(message) = certificate.signed_part() else { return false };
    let Ok(key) = PublicKey::from_spki(issuer.spki()) else { return true };
    let parsed = certificate.parsed();
    let verdict = verify::signature(&key, parsed.signature_algorithm(), message, parsed.signature().raw_bytes());
    verdict != Verdict::Invalid
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
