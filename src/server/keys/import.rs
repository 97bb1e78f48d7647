//! Keys that are brought: a JSON Web Key's numbers become the vault's form of the key, checked against each other.
//!
//! What is wrong is named by its member. A key whose redundant members contradict each other is refused: whichever of
//! them were believed, the key would be another than its owner thinks.

use super::base64url::{Base64Url, SecretBase64Url};
use super::error::KeyError;
use super::jwk::Jwk;
use super::kty::{Family, Kty, curve_named, is_for_hmac, oct_of_bits, rsa_of_bits};
use crate::crypto::{CryptoError, Curve, KeyAlgorithm, PrivateKey, PrivateParts, PublicKey};
use crate::vault::SecretBytes;

/// A key that was brought, as a vault takes it.
#[derive(Debug)]
pub struct Imported {
    /// The kind that it was called.
    pub kty: Kty,
    /// Kind and size.
    pub algorithm: KeyAlgorithm,
    /// PKCS#8 of a private key, value of a secret key.
    pub secret: SecretBytes,
    /// The public half of a pair.
    pub public: Option<PublicKey>,
}

/// Lengths of a secret that is for HMAC only, in bytes: from the shortest key that is used for anything here to the
/// longest block of a hash, beyond which HMAC hashes the key first.
const HMAC_KEY_LENS: std::ops::RangeInclusive<usize> = 16..=128;

/// Checks the key and brings it into the vault's form.
pub fn import(jwk: &Jwk) -> Result<Imported, KeyError> {
    let kty = Kty::named(jwk.kty.as_deref().ok_or(KeyError::Kty)?)?;
    if jwk.key_hsm.is_some() {
        return Err(KeyError::Member("key_hsm", "is a wrapped key, which this service doesn't unwrap"));
    }
    if let Some(ops) = jwk.operations()? {
        ops.check(kty.family())?;
    }
    let (algorithm, secret, public) = match kty.family() {
        Family::Rsa => rsa(jwk)?,
        Family::Ec => ec(jwk)?,
        Family::Oct => oct(jwk)?,
    };
    Ok(Imported { kty, algorithm, secret, public })
}

type Key = (KeyAlgorithm, SecretBytes, Option<PublicKey>);

fn rsa(jwk: &Jwk) -> Result<Key, KeyError> {
    let n = number("n", "RSA", public(&jwk.n))?;
    let e = number("e", "RSA", public(&jwk.e))?;
    let d = number("d", "RSA", secret(&jwk.d))?;
    let bits = n.len() as i64 * 8 - i64::from(n[0].leading_zeros());
    let algorithm = rsa_of_bits(bits).map_err(|_| KeyError::Member("n", "must have 2048, 3072 or 4096 bits"))?;
    if e.len() > 5 || e[e.len() - 1].is_multiple_of(2) || e == [1] {
        return Err(KeyError::Member("e", "must be odd, at least 3, and have at most 33 bits"));
    }
    let public_key = PublicKey::from_rsa(n, e).map_err(|_| KeyError::Member("n", "is no RSA modulus for key.e"))?;
    let parts = |primes| PrivateParts::Rsa {
        modulus: n.to_vec(),
        public_exponent: e.to_vec(),
        private_exponent: SecretBytes::from_slice(d),
        primes,
    };
    let primes = primes(jwk)?;
    let pkcs8 = match PrivateKey::pkcs8_from_parts(&parts(primes.clone())) {
        Err(CryptoError::KeyInvalid(_)) => return Err(contradiction(&parts(None), primes)),
        other => other?,
    };
    Ok((algorithm, pkcs8, Some(public_key)))
}

/// p, q, dp, dq and qi; they come together or not at all (RFC 7518 §6.3.2).
fn primes(jwk: &Jwk) -> Result<Option<[SecretBytes; 5]>, KeyError> {
    let members = [("p", &jwk.p), ("q", &jwk.q), ("dp", &jwk.dp), ("dq", &jwk.dq), ("qi", &jwk.qi)];
    if members.iter().all(|(_, member)| member.is_none()) {
        return Ok(None);
    }
    let [p, q, dp, dq, qi] =
        members.map(|(name, member)| number(name, "RSA", secret(member)).map(SecretBytes::from_slice));
    Ok(Some([p?, q?, dp?, dq?, qi?]))
}

/// Finds the member that contradicts the others in a key that was refused: what follows from n, e and d is computed anew.
fn contradiction(without_primes: &PrivateParts, given: Option<[SecretBytes; 5]>) -> KeyError {
    const OF_ANOTHER_KEY: &str = "doesn't belong to the key's other members";
    let computed =
        PrivateKey::pkcs8_from_parts(without_primes).and_then(|pkcs8| PrivateKey::parts_from_pkcs8(pkcs8.expose()));
    let (Ok(PrivateParts::Rsa { primes: Some([p, q, dp, dq, _]), .. }), Some(given)) = (computed, given) else {
        return KeyError::Member("d", "doesn't belong to key.n and key.e");
    };
    // Which prime comes first is the sender's choice.
    let expected = if given[0] == q { [q, p, dq, dp] } else { [p, q, dp, dq] };
    let names = ["p", "q", "dp", "dq"];
    let wrong = names.into_iter().zip(expected.iter().zip(&given)).find(|(_, (expected, given))| expected != given);
    KeyError::Member(wrong.map_or("qi", |(name, _)| name), OF_ANOTHER_KEY)
}

fn ec(jwk: &Jwk) -> Result<Key, KeyError> {
    let curve = curve_named(jwk.crv.as_deref().ok_or(KeyError::Missing("crv", "EC"))?)?;
    let d = number("d", "EC", secret(&jwk.d))?;
    let pkcs8 = match PrivateKey::pkcs8_from_parts(&PrivateParts::Ec(curve, SecretBytes::from_slice(d))) {
        Err(CryptoError::KeyInvalid(_)) => {
            return Err(KeyError::Member("d", "must be greater than 0 and less than the curve's order"));
        }
        other => other?,
    };
    let key = PrivateKey::from_pkcs8(pkcs8.expose())?;
    let (x, y) = key.public_key().value()[1..].split_at(curve.field_len());
    check_coordinate("x", &jwk.x, x, curve)?;
    check_coordinate("y", &jwk.y, y, curve)?;
    Ok((key.algorithm(), pkcs8, Some(key.public_key().clone())))
}

/// A coordinate may be left out, for it follows from d; one that is given must be right.
fn check_coordinate(
    name: &'static str,
    given: &Option<Base64Url>,
    computed: &[u8],
    curve: Curve,
) -> Result<(), KeyError> {
    let Some(given) = given else { return Ok(()) };
    let digits = trimmed(&given.0);
    if digits.len() > curve.field_len() {
        return Err(KeyError::Member(name, "is longer than the curve's coordinates"));
    }
    if digits != trimmed(computed) {
        return Err(KeyError::Member(name, "doesn't belong to key.d and key.crv"));
    }
    Ok(())
}

fn oct(jwk: &Jwk) -> Result<Key, KeyError> {
    let k = secret(&jwk.k).ok_or(KeyError::Missing("k", "oct"))?;
    let key_ops = jwk.operations()?;
    let algorithm = match is_for_hmac(key_ops) {
        true if HMAC_KEY_LENS.contains(&k.len()) => KeyAlgorithm::Generic { bytes: k.len() as u32 },
        true => return Err(KeyError::Member("k", "must have 16 to 128 bytes to sign and verify")),
        false => oct_of_bits(k.len() as i64 * 8, key_ops)
            .map_err(|_| KeyError::Member("k", "must have 128, 192 or 256 bits"))?,
    };
    Ok((algorithm, SecretBytes::from_slice(k), None))
}

fn public(member: &Option<Base64Url>) -> Option<&[u8]> {
    member.as_ref().map(|bytes| bytes.0.as_slice())
}

fn secret(member: &Option<SecretBase64Url>) -> Option<&[u8]> {
    member.as_ref().map(SecretBase64Url::expose)
}

/// A number without leading zeros, which some senders write; it has at least one digit.
fn number<'a>(name: &'static str, kind: &'static str, member: Option<&'a [u8]>) -> Result<&'a [u8], KeyError> {
    match trimmed(member.ok_or(KeyError::Missing(name, kind))?) {
        [] => Err(KeyError::Member(name, "is zero")),
        digits => Ok(digits),
    }
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
