//! From the interface's bundles to the vault's objects: a key's version is a private and a public key, or a secret key; a
//! certificate's is a certificate; a secret's is private data.
//!
//! Numbers and unique ids follow from what an object is called there, so that they are the same in a parent, its children,
//! and every other process.

use std::sync::Arc;

use super::attributes::{self, Half};
use super::wire::{Attributes, CertificateBundle, Item, Jwk, KeyBundle, Tags, base64, base64url, parts_of};
use crate::crypto::{CryptoError, Curve, Digest, DigestAlgorithm, KeyAlgorithm, PublicKey};
use crate::vault::{Class, Collection, Content, KeyDescription, Name, Object, UniqueId, Usage, Version, VersionId};

/// What one version is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name there.
    pub name: Name,
    /// Its version.
    pub id: VersionId,
    /// Seconds since 1970.
    pub created: i64,
    /// Of a certificate, the name and version of its key.
    pub key: Option<(String, VersionId)>,
    /// Its objects, whose ordinal isn't known yet.
    pub objects: Vec<Object>,
}

/// AES keys say nothing of their size to older versions of the interface; this is what is made when nobody says.
const USUAL_AES_BITS: u32 = 256;

/// A key's version; `None` if it is of a kind that isn't used here.
pub fn of_key(bundle: &KeyBundle) -> Option<Shape> {
    let (_, name, version) = parts_of(&bundle.key.kid)?;
    let tags = bundle.tags.clone().unwrap_or_default();
    let make = Maker::new(Collection::Keys, name, version?, &bundle.attributes, &tags)?;
    let objects = match key_of(&bundle.key, &tags) {
        Ok(Some(Material::Pair(public))) => vec![
            make.half(&bundle.key, &public, Class::PrivateKey, Half::Private),
            make.half(&bundle.key, &public, Class::PublicKey, Half::Public),
        ],
        Ok(Some(Material::Secret(algorithm))) => vec![make.secret_key(&bundle.key, algorithm)],
        Ok(None) => return None,
        Err(error) => {
            tracing::warn!("the key {name} isn't used: {error}");
            return None;
        }
    };
    Some(make.shape(objects))
}

/// A certificate's version; `None` while it isn't issued.
pub fn of_certificate(bundle: &CertificateBundle) -> Option<Shape> {
    let (_, name, version) = parts_of(&bundle.id)?;
    let der = base64(bundle.cer.as_deref()?)?;
    let tags = bundle.tags.clone().unwrap_or_default();
    let make = Maker::new(Collection::Certificates, name, version?, &bundle.attributes, &tags)?;
    let mut content = make.content(Class::Certificate);
    content.value = Some(der.into());
    attributes::read(&tags, Half::Public, &mut content);
    let key = bundle.kid.as_deref().and_then(parts_of).and_then(|(collection, name, version)| {
        Some((name.to_ascii_lowercase(), version_id(version?)?)).filter(|_| collection == "keys")
    });
    Some(Shape { key, ..make.shape(vec![make.object(content, false)]) })
}

/// A secret's version, of which its list says enough.
pub fn of_secret(item: &Item) -> Option<Shape> {
    let (_, name, version) = parts_of(item.id())?;
    let tags = item.tags.clone().unwrap_or_default();
    let make = Maker::new(Collection::Secrets, name, version?, &item.attributes, &tags)?;
    let mut content = make.content(Class::Data);
    content.private = true;
    content.content_type.clone_from(&item.content_type);
    attributes::read(&tags, Half::Private, &mut content);
    Some(make.shape(vec![make.object(content, true)]))
}

/// What all objects of one version share.
struct Maker<'a> {
    collection: Collection,
    name: Name,
    id: VersionId,
    attributes: &'a Attributes,
    tags: &'a Tags,
}

impl<'a> Maker<'a> {
    fn new(
        collection: Collection,
        name: &str,
        version: &str,
        attributes: &'a Attributes,
        tags: &'a Tags,
    ) -> Option<Self> {
        Some(Self { collection, name: Name::new(name).ok()?, id: version_id(version)?, attributes, tags })
    }

    fn shape(&self, objects: Vec<Object>) -> Shape {
        let created = self.attributes.created.unwrap_or(0);
        Shape { name: self.name.clone(), id: self.id, created, key: None, objects }
    }

    /// Without a tag the label is the name.
    fn content(&self, class: Class) -> Content {
        Content {
            label: self.name.as_str().into(),
            enabled: self.attributes.enabled.unwrap_or(true),
            not_before: self.attributes.nbf,
            expires: self.attributes.exp,
            tags: self.tags.clone(),
            ..Content::new(class)
        }
    }

    fn half(&self, jwk: &Jwk, public: &PublicKey, class: Class, half: Half) -> Object {
        let mut content = self.content(class);
        content.id = public.key_id().to_vec();
        content.usage = attributes::usage_of_half(&jwk.key_ops, half);
        // The data can be had from what RSA signs, if anybody wants it.
        if matches!(public.algorithm(), KeyAlgorithm::Rsa { .. }) {
            let recovers = [(Usage::SIGN, Usage::SIGN_RECOVER), (Usage::VERIFY, Usage::VERIFY_RECOVER)];
            let also = recovers.iter().filter(|(with, _)| content.usage.contains(*with)).map(|(_, also)| *also);
            content.usage |= also.collect::<Usage>();
        }
        content.key = Some(KeyDescription { algorithm: public.algorithm(), public: public.spki().into() });
        attributes::read(self.tags, half, &mut content);
        self.object(content, half == Half::Private)
    }

    fn secret_key(&self, jwk: &Jwk, algorithm: KeyAlgorithm) -> Object {
        let mut content = self.content(Class::SecretKey);
        content.id = self.unique_id(Class::SecretKey).to_vec();
        content.usage = attributes::usage(&jwk.key_ops);
        content.key = Some(KeyDescription { algorithm, public: Arc::from([]) });
        attributes::read(self.tags, Half::Private, &mut content);
        self.object(content, true)
    }

    fn object(&self, content: Content, has_secret: bool) -> Object {
        let unique_id = self.unique_id(content.class);
        Object {
            number: number_of(&unique_id),
            unique_id,
            name: Some(self.name.clone()),
            version: Some(Version { id: self.id, ordinal: 1 }),
            created: self.attributes.created.unwrap_or(0),
            updated: self.attributes.updated.unwrap_or(0),
            has_secret,
            secret_len: 0,
            content,
        }
    }

    fn unique_id(&self, class: Class) -> UniqueId {
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        digest.update(format!("{}/{}/", self.collection.segment(), self.name.folded()).as_bytes());
        digest.update(&self.id);
        digest.update(&class.number().to_be_bytes());
        let mut sum = [0; 32];
        digest.finish(&mut sum).expect("a SHA-256 digest has 32 bytes");
        *sum.first_chunk().expect("which are more than 16")
    }
}

/// An object's number: 63 bits, for the top one tells session objects, and never 0.
fn number_of(unique_id: &UniqueId) -> u64 {
    let first = u64::from_be_bytes(*unique_id.first_chunk().expect("16 bytes are more than 8"));
    (first >> 1).max(1)
}

/// A version's name: 32 hexadecimal digits.
pub fn version_id(text: &str) -> Option<VersionId> {
    if text.len() != 32 {
        return None;
    }
    let mut id = VersionId::default();
    for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(id)
}

enum Material {
    Pair(PublicKey),
    Secret(KeyAlgorithm),
}

fn key_of(jwk: &Jwk, tags: &Tags) -> Result<Option<Material>, CryptoError> {
    const MISSING: CryptoError = CryptoError::KeyInvalid("a number of its public part is missing");
    let number = |member: &Option<String>| member.as_deref().and_then(base64url).ok_or(MISSING);
    Ok(match jwk.kty.as_str() {
        "RSA" | "RSA-HSM" => Some(Material::Pair(PublicKey::from_rsa(&number(&jwk.n)?, &number(&jwk.e)?)?)),
        "EC" | "EC-HSM" => {
            let Some(curve) = jwk.crv.as_deref().and_then(curve_named) else { return Ok(None) };
            let mut point = vec![0x04];
            for coordinate in [number(&jwk.x)?, number(&jwk.y)?] {
                // Some write numbers without their leading zeros.
                let missing = curve.field_len().checked_sub(coordinate.len()).ok_or(MISSING)?;
                point.extend(std::iter::repeat_n(0, missing));
                point.extend(coordinate);
            }
            Some(Material::Pair(PublicKey::from_ec_point(curve, &point)?))
        }
        "oct" | "oct-HSM" => {
            let noted = || tags.get(AES_LEN_TAG)?.parse::<u32>().ok().map(|bytes| bytes * 8);
            let bits = jwk.key_size.or_else(noted).filter(|bits| matches!(bits, 128 | 192 | 256));
            Some(Material::Secret(KeyAlgorithm::Aes { bits: bits.unwrap_or(USUAL_AES_BITS) }))
        }
        _ => None,
    })
}

/// How long an AES key is that was made from here, in bytes.
pub const AES_LEN_TAG: &str = "p11_pri_CKA_VALUE_LEN";

/// Curves by the interface's names.
const CURVES: [(&str, Curve); 4] =
    [("P-256", Curve::P256), ("P-384", Curve::P384), ("P-521", Curve::P521), ("P-256K", Curve::Secp256k1)];

fn curve_named(name: &str) -> Option<Curve> {
    CURVES.iter().find(|(known, _)| *known == name).map(|(_, curve)| *curve)
}

/// The interface's name of a curve.
pub fn curve_name(curve: Curve) -> &'static str {
    CURVES.iter().find(|(_, known)| *known == curve).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::azure::wire::read;

    const KID: &str = "https://a/keys/Web/0123456789abcdef0123456789abcdef";

    fn bundle(jwk: &str) -> KeyBundle {
        let text = format!(
            r#"{{"key":{{"kid":"{KID}",{jwk}}},"attributes":{{"enabled":true,"exp":9}},"tags":{{"p11_pub_label":"other"}}}}"#
        );
        read("there", text.as_bytes()).unwrap()
    }

    fn p256() -> KeyBundle {
        // RFC 7515 appendix A.3's public key.
        bundle(
            r#""kty":"EC-HSM","crv":"P-256","key_ops":["sign","verify","new"],"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
        )
    }

    #[test]
    fn a_pair_is_two_objects_with_one_id_and_numbers_that_stay() {
        let (one, again) = (of_key(&p256()).unwrap(), of_key(&p256()).unwrap());
        let [private, public] = &one.objects[..] else { panic!() };
        assert_eq!((private.content.class, public.content.class), (Class::PrivateKey, Class::PublicKey));
        assert_eq!(private.content.id, public.content.id);
        assert_eq!((private.content.label.as_slice(), public.content.label.as_slice()), (&b"Web"[..], &b"other"[..]));
        assert!(private.has_secret && !public.has_secret && private.content.expires == Some(9));
        assert_eq!((private.number, public.number), (again.objects[0].number, again.objects[1].number));
        assert!(private.number != public.number && private.number >> 63 == 0);
    }

    #[test]
    fn keys_of_kinds_that_are_not_known_are_left_out() {
        for other in
            [r#""kty":"OKP","crv":"Ed25519","x":"AA""#, r#""kty":"EC","crv":"P-999""#, r#""kty":"RSA","e":"AQAB""#]
        {
            assert!(of_key(&bundle(other)).is_none(), "{other}");
        }
        let aes = of_key(&bundle(r#""kty":"oct-HSM","key_ops":["wrapKey"],"key_size":128"#)).unwrap();
        assert_eq!(aes.objects[0].content.key.as_ref().unwrap().algorithm, KeyAlgorithm::Aes { bits: 128 });
    }
}
