//! For the tests of this and the neighbouring modules: a whole template for each kind of object.

use std::sync::LazyLock;

use cryptoki_sys::*;

use super::{NewObject, Rules, Template, for_create};
use crate::crypto::{Curve, Digest, DigestAlgorithm, KeyAlgorithm, PrivateKey, PrivateParts};
use crate::pkcs11::attribute::Kinds;
use crate::pkcs11::ec;
use crate::pkcs11::error::Rv;
use crate::vault::{Object, ObjectNumber, SecretBytes};

/// A template that owns its values.
#[derive(Clone, Debug, Default)]
pub struct Sample(pub Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>);

impl Sample {
    pub fn with(mut self, attribute: CK_ATTRIBUTE_TYPE, value: impl Into<Vec<u8>>) -> Self {
        self.0.push((attribute, value.into()));
        self
    }

    pub fn flag(self, attribute: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        self.with(attribute, [u8::from(value)])
    }

    pub fn number(self, attribute: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        self.with(attribute, value.to_ne_bytes())
    }

    pub fn without(mut self, attribute: CK_ATTRIBUTE_TYPE) -> Self {
        self.0.retain(|(number, _)| *number != attribute);
        self
    }

    pub fn template(&self) -> Template<'_> {
        Template(self.0.iter().map(|(number, value)| (*number, &value[..])).collect())
    }

    pub fn create(&self) -> Result<NewObject, Rv> {
        for_create(&self.template(), &Rules::default())
    }
}

/// Every kind of object that can be created.
pub fn kinds() -> impl Iterator<Item = Kinds> {
    Kinds::all().iter().filter(|kind| kind.bits().is_power_of_two() && *kind != Kinds::OTHER_PRIVATE)
}

/// A template for `C_CreateObject` of this kind, with all that has to be there and nothing else.
pub fn sample(kind: Kinds) -> Sample {
    let key = |class, key_type| Sample::default().number(CKA_CLASS, class).number(CKA_KEY_TYPE, key_type);
    let certificate = |certificate_type| {
        Sample::default().number(CKA_CLASS, CKO_CERTIFICATE).number(CKA_CERTIFICATE_TYPE, certificate_type)
    };
    match kind {
        Kinds::DATA => Sample::default().number(CKA_CLASS, CKO_DATA),
        Kinds::X509 => certificate(CKC_X_509).with(CKA_VALUE, certificate_der()),
        Kinds::ATTRIBUTE_CERTIFICATE => {
            certificate(CKC_X_509_ATTR_CERT).with(CKA_OWNER, name("o")).with(CKA_VALUE, *b"v")
        }
        Kinds::WTLS => certificate(CKC_WTLS).with(CKA_SUBJECT, name("w")).with(CKA_VALUE, *b"v"),
        Kinds::RSA_PUBLIC | Kinds::RSA_PRIVATE => rsa(kind, key),
        Kinds::EC_PUBLIC => key(CKO_PUBLIC_KEY, CKK_EC)
            .with(CKA_EC_PARAMS, Curve::P256.oid_der())
            .with(CKA_EC_POINT, ec::wrap_point(KEYS.ec.public_key().value())),
        Kinds::EC_PRIVATE => {
            key(CKO_PRIVATE_KEY, CKK_EC).with(CKA_EC_PARAMS, Curve::P256.oid_der()).with(CKA_VALUE, &*KEYS.scalar)
        }
        Kinds::EDWARDS_PUBLIC => key(CKO_PUBLIC_KEY, CKK_EC_EDWARDS)
            .with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::Ed25519).unwrap())
            .with(CKA_EC_POINT, KEYS.edwards.public_key().value()),
        Kinds::EDWARDS_PRIVATE => key(CKO_PRIVATE_KEY, CKK_EC_EDWARDS)
            .with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::Ed25519).unwrap())
            .with(CKA_VALUE, &*KEYS.seed),
        Kinds::MONTGOMERY_PUBLIC => key(CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY)
            .with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::X25519).unwrap())
            .with(CKA_EC_POINT, KEYS.montgomery.public_key().value()),
        Kinds::MONTGOMERY_PRIVATE => key(CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY)
            .with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::X25519).unwrap())
            .with(CKA_VALUE, &*KEYS.montgomery_value),
        Kinds::OTHER_CERTIFICATE => certificate(CKC_VENDOR_DEFINED).with(CKA_VALUE, *b"v").with(CKA_URL, *b"u"),
        Kinds::OTHER_PUBLIC => key(CKO_PUBLIC_KEY, CKK_DSA).with(CKA_PRIME, *b"p").with(CKA_VALUE, *b"y"),
        Kinds::AES => key(CKO_SECRET_KEY, CKK_AES).with(CKA_VALUE, [7; 32]),
        Kinds::GENERIC => key(CKO_SECRET_KEY, CKK_GENERIC_SECRET).with(CKA_VALUE, *b"generic"),
        Kinds::OTHER_SECRET => key(CKO_SECRET_KEY, CKK_DES3).with(CKA_VALUE, [9; 24]),
        Kinds::OTP => key(CKO_OTP_KEY, CKK_HOTP).with(CKA_VALUE, *b"seed of the tokens"),
        _ => Sample::default().number(CKA_CLASS, CKO_DOMAIN_PARAMETERS).number(CKA_KEY_TYPE, CKK_DSA),
    }
}

/// A template for `C_GenerateKey` or one half of `C_GenerateKeyPair`; `None` for kinds that aren't generated.
pub fn generated(kind: Kinds) -> Option<Sample> {
    Some(match kind {
        Kinds::RSA_PUBLIC => Sample::default().number(CKA_MODULUS_BITS, 2048),
        Kinds::EC_PUBLIC => Sample::default().with(CKA_EC_PARAMS, Curve::P256.oid_der()),
        Kinds::EDWARDS_PUBLIC => Sample::default().with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::Ed25519).unwrap()),
        Kinds::MONTGOMERY_PUBLIC => Sample::default().with(CKA_EC_PARAMS, ec::params(KeyAlgorithm::X25519).unwrap()),
        Kinds::RSA_PRIVATE | Kinds::EC_PRIVATE | Kinds::EDWARDS_PRIVATE | Kinds::MONTGOMERY_PRIVATE => {
            Sample::default()
        }
        Kinds::AES | Kinds::GENERIC => Sample::default().number(CKA_VALUE_LEN, 16),
        _ => return None,
    })
}

/// A template for `C_UnwrapKey`; `None` for kinds that aren't unwrapped.
pub fn unwrapped(kind: Kinds) -> Option<Sample> {
    let wrappable = (Kinds::PRIVATE | Kinds::SECRET) - Kinds::OTHER_PRIVATE;
    let mut given = sample(kind);
    given.0.retain(|(number, _)| [CKA_CLASS, CKA_KEY_TYPE].contains(number));
    wrappable.contains(kind).then_some(given)
}

/// The object that a vault would make of a draft.
pub fn stored(number: ObjectNumber, new: NewObject) -> (Object, Option<SecretBytes>) {
    let secret = new.draft.secret;
    let object = Object {
        number,
        unique_id: u128::from(number).to_be_bytes(),
        name: None,
        version: None,
        created: 0,
        updated: 0,
        has_secret: secret.is_some(),
        secret_len: secret.as_ref().map_or(0, SecretBytes::len),
        content: new.draft.content,
    };
    (object, secret)
}

/// An X.509 certificate of the sample EC key, as far as we look into one.
pub fn certificate_der() -> Vec<u8> {
    let algorithm = element(0x30, &[]);
    let signed = [
        element(0xA0, &[2, 1, 2]),
        element(2, &[0x51]),
        algorithm.clone(),
        name("issuer"),
        element(0x30, &[]),
        name("subject"),
        KEYS.ec.public_key().spki().to_vec(),
    ];
    element(0x30, &[element(0x30, &signed.concat()), algorithm, element(3, &[0])].concat())
}

/// Something that could be a distinguished name.
pub fn name(common_name: &str) -> Vec<u8> {
    element(0x30, &element(0x0C, common_name.as_bytes()))
}

/// `CKA_SERIAL_NUMBER` of [`certificate_der`].
pub const SERIAL_NUMBER: &[u8] = &[2, 1, 0x51];

/// The first three bytes of a SHA-1.
pub fn check_value(bytes: &[u8]) -> Vec<u8> {
    let mut sum = [0; 20];
    let mut digest = Digest::new(DigestAlgorithm::Sha1);
    digest.update(bytes);
    digest.finish(&mut sum).unwrap();
    sum[..3].to_vec()
}

/// One key of each kind.
pub struct Keys {
    pub rsa: PrivateKey,
    pub rsa_numbers: [Vec<u8>; 8],
    pub ec: PrivateKey,
    pub scalar: Vec<u8>,
    pub edwards: PrivateKey,
    pub seed: Vec<u8>,
    pub montgomery: PrivateKey,
    pub montgomery_value: Vec<u8>,
}

pub static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let make = |algorithm| {
        let (key, pkcs8) = PrivateKey::generate(algorithm).unwrap();
        (key, PrivateKey::parts_from_pkcs8(pkcs8.expose()).unwrap())
    };
    let (rsa, PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes: Some(primes) }) =
        make(KeyAlgorithm::Rsa { bits: 2048 })
    else {
        panic!("an RSA key has five numbers beside d")
    };
    let (ec, PrivateParts::Ec(_, scalar)) = make(KeyAlgorithm::Ec(Curve::P256)) else {
        panic!("an EC key has a scalar")
    };
    let (edwards, PrivateParts::Ed25519(seed)) = make(KeyAlgorithm::Ed25519) else {
        panic!("an Ed25519 key has a seed")
    };
    let (montgomery, PrivateParts::X25519(montgomery_value)) = make(KeyAlgorithm::X25519) else {
        panic!("an X25519 key has a private value")
    };
    let private_exponent = private_exponent.expose().to_vec();
    let [p, q, dp, dq, inverse] = primes.map(|number| number.expose().to_vec());
    Keys {
        rsa,
        rsa_numbers: [modulus, public_exponent, private_exponent, p, q, dp, dq, inverse],
        ec,
        scalar: scalar.expose().to_vec(),
        edwards,
        seed: seed.expose().to_vec(),
        montgomery,
        montgomery_value: montgomery_value.expose().to_vec(),
    }
});

/// The attributes of an RSA private key, in the order of [`Keys::rsa_numbers`].
pub const RSA_NUMBERS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

fn rsa(kind: Kinds, key: impl Fn(CK_OBJECT_CLASS, CK_KEY_TYPE) -> Sample) -> Sample {
    let (class, count) = if kind == Kinds::RSA_PUBLIC { (CKO_PUBLIC_KEY, 2) } else { (CKO_PRIVATE_KEY, 8) };
    let numbers = RSA_NUMBERS.into_iter().zip(&KEYS.rsa_numbers).take(count);
    numbers.fold(key(class, CKK_RSA), |sample, (attribute, number)| sample.with(attribute, &**number))
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = ec::wrap_point(contents);
    der[0] = tag;
    der
}
