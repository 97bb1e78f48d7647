//! Whether a key signed something, by the algorithm that a certificate or request names.

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader};
use spki::AlgorithmIdentifierOwned;

use super::digest;
use crate::crypto::{DigestAlgorithm, KeyAlgorithm, PublicKey, SignScheme};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Valid,
    Invalid,
    /// Nobody here knows the algorithm.
    Unknown,
}

/// Checks the signature over `message`.
pub(super) fn signature(
    key: &PublicKey,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Verdict {
    let Some((scheme, hash)) = scheme(algorithm) else { return Verdict::Unknown };
    let bare;
    let signature = match (scheme, key.algorithm()) {
        (SignScheme::Ecdsa, KeyAlgorithm::Ec(curve)) => match ecdsa_bare(signature, curve.field_len()) {
            Some(found) => {
                bare = found;
                &bare[..]
            }
            None => return Verdict::Invalid,
        },
        _ => signature,
    };
    let hashed;
    let input = match hash {
        None => message,
        Some(algorithm) => {
            hashed = digest::<{ DigestAlgorithm::MAX_LEN }>(algorithm, message);
            &hashed[..algorithm.len()]
        }
    };
    if key.verify(&scheme, input, signature).is_ok() { Verdict::Valid } else { Verdict::Invalid }
}

/// How an algorithm signs, and the digest that it signs.
fn scheme(algorithm: &AlgorithmIdentifierOwned) -> Option<(SignScheme, Option<DigestAlgorithm>)> {
    if algorithm.oid == ED25519 {
        return Some((SignScheme::Ed25519, None));
    }
    if algorithm.oid == RSASSA_PSS {
        return pss(algorithm);
    }
    let is = |oid: &ObjectIdentifier| *oid == algorithm.oid;
    if let Some((_, digest)) = RSA.iter().find(|(oid, _)| is(oid)) {
        return Some((SignScheme::RsaPkcs1Digest(*digest), Some(*digest)));
    }
    ECDSA.iter().find(|(oid, _)| is(oid)).map(|(_, digest)| (SignScheme::Ecdsa, Some(*digest)))
}

/// RSASSA-PSS-params (RFC 4055 §3.1); what is left out is SHA-1 with 20 bytes of salt.
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_len: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

fn pss(algorithm: &AlgorithmIdentifierOwned) -> Option<(SignScheme, Option<DigestAlgorithm>)> {
    let parameters = PssParameters::from_der(&algorithm.parameters.as_ref()?.to_der().ok()?).ok()?;
    let named = |algorithm: &AlgorithmIdentifierOwned| {
        DIGESTS.iter().find(|(oid, _)| *oid == algorithm.oid).map(|(_, digest)| *digest)
    };
    let digest = parameters.hash.as_ref().map_or(Some(DigestAlgorithm::Sha1), named)?;
    let mgf = match &parameters.mask {
        None => DigestAlgorithm::Sha1,
        Some(mask) if mask.oid == MGF1 => named(&mask.parameters.as_ref()?.decode_as().ok()?)?,
        Some(_) => return None,
    };
    // The only trailer that there is (RFC 8017 §A.2.3).
    if parameters.trailer.is_some_and(|trailer| trailer != 1) {
        return None;
    }
    let salt_len = usize::from(parameters.salt_len.unwrap_or(20));
    Some((SignScheme::RsaPss { digest, mgf, salt_len }, Some(digest)))
}

/// `ECDSA-Sig-Value` (RFC 3279 §2.2.3) as r‖s.
fn ecdsa_bare(signature: &[u8], field_len: usize) -> Option<Vec<u8>> {
    let mut outer = SliceReader::new(signature).ok()?;
    let bare = outer.sequence(|reader| -> der::Result<Option<Vec<u8>>> {
        let mut bare = vec![0; 2 * field_len];
        for half in bare.chunks_exact_mut(field_len) {
            let number = UintRef::decode(reader)?;
            let number = number.as_bytes();
            let Some(at) = field_len.checked_sub(number.len()) else { return Ok(None) };
            half[at..].copy_from_slice(number);
        }
        Ok(Some(bare))
    });
    outer.finish().ok()?;
    bare.ok()?
}

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");

/// RSA with PKCS#1 v1.5 padding (RFC 4055 §5).
const RSA: [(ObjectIdentifier, DigestAlgorithm); 5] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), DigestAlgorithm::Sha1),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.14"), DigestAlgorithm::Sha224),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), DigestAlgorithm::Sha256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), DigestAlgorithm::Sha384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), DigestAlgorithm::Sha512),
];

/// ECDSA (RFC 5758 §3.2).
const ECDSA: [(ObjectIdentifier, DigestAlgorithm); 5] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), DigestAlgorithm::Sha1),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.1"), DigestAlgorithm::Sha224),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), DigestAlgorithm::Sha256),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), DigestAlgorithm::Sha384),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), DigestAlgorithm::Sha512),
];

/// Digests by themselves.
const DIGESTS: [(ObjectIdentifier, DigestAlgorithm); 5] = [
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.26"), DigestAlgorithm::Sha1),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.4"), DigestAlgorithm::Sha224),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), DigestAlgorithm::Sha256),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), DigestAlgorithm::Sha384),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), DigestAlgorithm::Sha512),
];
