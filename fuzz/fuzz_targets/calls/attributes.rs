//! Templates: whole ones to begin with, and changes of them that the fuzzer chooses.

use std::ptr;

use cryptoki_sys::*;

use crate::caller::Caller;
use crate::keys;

/// Attributes with their values. The value of an attribute that is a template itself is in the form that [`array`] makes.
pub type Template = Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>;

/// What values an attribute has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    Number,
    Bytes,
    Date,
    Numbers,
    Templates,
}
use Form::{Bool, Bytes, Date, Number, Numbers, Templates};

#[rustfmt::skip]
const ATTRIBUTES: &[(CK_ATTRIBUTE_TYPE, Form)] = &[
    (CKA_CLASS, Number), (CKA_TOKEN, Bool), (CKA_PRIVATE, Bool), (CKA_MODIFIABLE, Bool), (CKA_COPYABLE, Bool),
    (CKA_DESTROYABLE, Bool), (CKA_LABEL, Bytes), (CKA_UNIQUE_ID, Bytes), (CKA_APPLICATION, Bytes), (CKA_OBJECT_ID, Bytes),
    (CKA_VALUE, Bytes), (CKA_CERTIFICATE_TYPE, Number), (CKA_TRUSTED, Bool), (CKA_CERTIFICATE_CATEGORY, Number),
    (CKA_CHECK_VALUE, Bytes), (CKA_START_DATE, Date), (CKA_END_DATE, Date), (CKA_PUBLIC_KEY_INFO, Bytes), (CKA_ID, Bytes),
    (CKA_SUBJECT, Bytes), (CKA_ISSUER, Bytes), (CKA_SERIAL_NUMBER, Bytes), (CKA_URL, Bytes),
    (CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes), (CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes), (CKA_NAME_HASH_ALGORITHM, Number),
    (CKA_JAVA_MIDP_SECURITY_DOMAIN, Number), (CKA_OWNER, Bytes), (CKA_AC_ISSUER, Bytes), (CKA_ATTR_TYPES, Bytes),
    (CKA_KEY_TYPE, Number), (CKA_DERIVE, Bool), (CKA_LOCAL, Bool), (CKA_KEY_GEN_MECHANISM, Number),
    (CKA_ALLOWED_MECHANISMS, Numbers), (CKA_ENCRYPT, Bool), (CKA_DECRYPT, Bool), (CKA_SIGN, Bool), (CKA_SIGN_RECOVER, Bool),
    (CKA_VERIFY, Bool), (CKA_VERIFY_RECOVER, Bool), (CKA_WRAP, Bool), (CKA_UNWRAP, Bool), (CKA_ENCAPSULATE, Bool),
    (CKA_DECAPSULATE, Bool), (CKA_WRAP_TEMPLATE, Templates), (CKA_UNWRAP_TEMPLATE, Templates), (CKA_DERIVE_TEMPLATE, Templates),
    (CKA_SENSITIVE, Bool), (CKA_EXTRACTABLE, Bool), (CKA_ALWAYS_SENSITIVE, Bool), (CKA_NEVER_EXTRACTABLE, Bool),
    (CKA_WRAP_WITH_TRUSTED, Bool), (CKA_ALWAYS_AUTHENTICATE, Bool), (CKA_MODULUS, Bytes), (CKA_MODULUS_BITS, Number),
    (CKA_PUBLIC_EXPONENT, Bytes), (CKA_PRIVATE_EXPONENT, Bytes), (CKA_PRIME_1, Bytes), (CKA_PRIME_2, Bytes),
    (CKA_EXPONENT_1, Bytes), (CKA_EXPONENT_2, Bytes), (CKA_COEFFICIENT, Bytes), (CKA_EC_PARAMS, Bytes), (CKA_EC_POINT, Bytes),
    (CKA_VALUE_LEN, Number), (CKA_SEED, Bytes), (CKA_OTP_COUNTER, Bytes), (CKA_HW_FEATURE_TYPE, Number), (CKA_PROFILE_ID, Number),
    (CKA_VENDOR_DEFINED | 7, Bytes), (0x7777, Bytes), (CKA_PRIME, Bytes), (CKA_PARAMETER_SET, Number),
    (CKA_ENCAPSULATE_TEMPLATE, Templates), (CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 7, Templates),
];

const CLASSES: [CK_OBJECT_CLASS; 9] = [
    CKO_SECRET_KEY,
    CKO_PRIVATE_KEY,
    CKO_PUBLIC_KEY,
    CKO_CERTIFICATE,
    CKO_DATA,
    CKO_DOMAIN_PARAMETERS,
    CKO_OTP_KEY,
    CKO_PROFILE,
    CKO_VENDOR_DEFINED,
];
#[rustfmt::skip]
const KEY_TYPES: [CK_KEY_TYPE; 13] = [
    CKK_AES, CKK_GENERIC_SECRET, CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY, CKK_HKDF, CKK_SHA256_HMAC, CKK_SHA_1_HMAC,
    CKK_DES3, CKK_DSA, CKK_ML_DSA, CKK_VENDOR_DEFINED,
];
const BITS: [CK_ULONG; 8] = [2048, 0, 512, 1024, 2047, 2049, 1 << 40, 16384];
const CURVES: [&[u8]; 9] = [
    keys::P256,
    keys::P384,
    keys::P521,
    keys::K256,
    keys::ED25519,
    keys::X25519,
    b"\x13\x09secp256r1",
    b"\x13\x0cedwards25519",
    b"\x05\x00",
];

pub fn boolean(attribute: CK_ATTRIBUTE_TYPE, value: bool) -> (CK_ATTRIBUTE_TYPE, Vec<u8>) {
    (attribute, vec![value.into()])
}

pub fn number(attribute: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> (CK_ATTRIBUTE_TYPE, Vec<u8>) {
    (attribute, value.to_ne_bytes().to_vec())
}

pub fn bytes(attribute: CK_ATTRIBUTE_TYPE, value: Vec<u8>) -> (CK_ATTRIBUTE_TYPE, Vec<u8>) {
    (attribute, value)
}

/// A value that is a template: for each attribute its type, its length and its bytes.
pub fn array(template: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> Vec<u8> {
    let mut flat = Vec::new();
    for (attribute, value) in template {
        flat.extend(attribute.to_ne_bytes());
        flat.extend((value.len() as u64).to_ne_bytes());
        flat.extend(value);
    }
    flat
}

fn is_template(attribute: CK_ATTRIBUTE_TYPE) -> bool {
    ATTRIBUTES.iter().any(|(known, form)| *known == attribute && *form == Templates)
}

impl Caller<'_> {
    /// One of these templates, changed in some places.
    pub fn template(&mut self, choices: &[Template]) -> (*mut CK_ATTRIBUTE, CK_ULONG) {
        let mut template = choices[self.bytes.below(choices.len())].clone();
        let changes = match self.bytes.byte() {
            few @ 0..=9 => few,
            250.. => return (ptr::null_mut(), self.bytes.number()),
            more => more % 3,
        };
        for _ in 0..changes {
            self.change(&mut template);
        }
        self.in_c(&template)
    }

    fn change(&mut self, template: &mut Template) {
        let (attribute, form) = self.bytes.one_of(ATTRIBUTES);
        let place = template.iter().position(|(present, _)| *present == attribute);
        match (self.bytes.byte(), place) {
            (200..=229, Some(place)) => drop(template.remove(place)),
            (230..=239, Some(place)) => template[place].1 = self.short_bytes(),
            (240..=247, _) => {
                let value = self.value(attribute, form);
                template.push((attribute, value));
            }
            (_, place) => {
                let value = self.value(attribute, form);
                match place {
                    Some(place) => template[place].1 = value,
                    None => template.push((attribute, value)),
                }
            }
        }
    }

    fn value(&mut self, attribute: CK_ATTRIBUTE_TYPE, form: Form) -> Vec<u8> {
        match (attribute, form) {
            (CKA_CLASS, _) => number(attribute, self.bytes.one_of(&CLASSES)).1,
            (CKA_KEY_TYPE, _) => number(attribute, self.bytes.one_of(&KEY_TYPES)).1,
            (CKA_MODULUS_BITS, _) => number(attribute, self.bytes.one_of(&BITS)).1,
            (CKA_EC_PARAMS, _) => self.bytes.one_of(&CURVES).to_vec(),
            (CKA_EC_POINT, _) => {
                let choice = usize::from(self.bytes.byte());
                self.world.points.get(choice).cloned().unwrap_or_else(|| self.short_bytes())
            }
            (_, Bool) => vec![self.bytes.byte() & 1],
            (_, Number) => number(attribute, self.bytes.number()).1,
            (_, Date) => [&b"20260131"[..], b"20261332", b"", b"2026-1-1"][self.bytes.below(4)].to_vec(),
            (_, Numbers) => (0..self.bytes.below(4)).flat_map(|_| self.known_mechanism().to_ne_bytes()).collect(),
            (_, Templates) => {
                let mut inner = Template::new();
                for _ in 0..self.bytes.below(4) {
                    let (attribute, form) = self.bytes.one_of(&ATTRIBUTES[..45]);
                    let value = self.value(attribute, form);
                    inner.push((attribute, value));
                }
                array(&inner)
            }
            (_, Bytes) => self.short_bytes(),
        }
    }

    fn known_mechanism(&mut self) -> CK_MECHANISM_TYPE {
        self.bytes.one_of(&[CKM_AES_GCM, CKM_ECDSA, CKM_RSA_PKCS, CKM_EXTRACT_KEY_FROM_KEY, CKM_XOR_BASE_AND_DATA])
    }

    fn short_bytes(&mut self) -> Vec<u8> {
        let len = self.bytes.byte();
        self.bytes.take(len.into())
    }

    /// The template as C wants it.
    fn in_c(&mut self, template: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> (*mut CK_ATTRIBUTE, CK_ULONG) {
        let attributes: Vec<_> = template.iter().map(|(attribute, value)| self.attribute(*attribute, value)).collect();
        let count = attributes.len() as CK_ULONG;
        (self.arena.keep(attributes), count)
    }

    fn attribute(&mut self, attribute: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
        if is_template(attribute) {
            let (pointer, count) = self.in_c(&entries(value));
            let size = count * size_of::<CK_ATTRIBUTE>() as CK_ULONG;
            return CK_ATTRIBUTE { type_: attribute, pValue: pointer.cast(), ulValueLen: size };
        }
        let pointer = if value.is_empty() { ptr::null_mut() } else { self.arena.keep(value.to_vec()) };
        CK_ATTRIBUTE { type_: attribute, pValue: pointer.cast(), ulValueLen: value.len() as CK_ULONG }
    }

    /// A template whose values are asked for.
    pub fn questions(&mut self) -> (*mut CK_ATTRIBUTE, CK_ULONG) {
        let count = match self.bytes.byte() {
            250.. => return (ptr::null_mut(), self.bytes.number()),
            count => count % 24,
        };
        let questions: Vec<_> = (0..count).map(|_| self.question()).collect();
        (self.arena.keep(questions), count.into())
    }

    fn question(&mut self) -> CK_ATTRIBUTE {
        let (attribute, _) = self.bytes.one_of(ATTRIBUTES);
        let room = match self.bytes.byte() {
            0 => 1024,
            200.. => {
                return CK_ATTRIBUTE { type_: attribute, pValue: ptr::null_mut(), ulValueLen: self.bytes.number() };
            }
            room => usize::from(room),
        };
        if !is_template(attribute) {
            let pointer = self.arena.keep(vec![0u8; room]).cast();
            return CK_ATTRIBUTE { type_: attribute, pValue: pointer, ulValueLen: room as CK_ULONG };
        }
        let inner: Vec<_> = (0..self.bytes.below(4))
            .map(|_| {
                let room = usize::from(self.bytes.byte());
                let pointer = if room == 255 { ptr::null_mut() } else { self.arena.keep(vec![0u8; room]) };
                CK_ATTRIBUTE { type_: 0, pValue: pointer.cast(), ulValueLen: room as CK_ULONG }
            })
            .collect();
        let size = (inner.len() * size_of::<CK_ATTRIBUTE>()) as CK_ULONG;
        CK_ATTRIBUTE { type_: attribute, pValue: self.arena.keep(inner).cast(), ulValueLen: size }
    }
}

/// A template in C, for calls that the fuzzer doesn't choose.
pub struct InC {
    _inner: Vec<Vec<CK_ATTRIBUTE>>,
    attributes: Vec<CK_ATTRIBUTE>,
}

impl InC {
    /// Its pointers lead into `template`, and into `values`, which keeps what lies inside arrays.
    pub fn new(template: &Template, values: &mut Vec<Template>) -> Self {
        let (mut inner, mut attributes) = (Vec::new(), Vec::new());
        for (attribute, value) in template {
            if !is_template(*attribute) {
                attributes.push(plain(*attribute, value));
                continue;
            }
            values.push(entries(value));
            let entries = values.last().expect("one was pushed");
            let mut array: Vec<_> = entries.iter().map(|(attribute, value)| plain(*attribute, value)).collect();
            let size = (array.len() * size_of::<CK_ATTRIBUTE>()) as CK_ULONG;
            attributes.push(CK_ATTRIBUTE { type_: *attribute, pValue: array.as_mut_ptr().cast(), ulValueLen: size });
            inner.push(array);
        }
        Self { _inner: inner, attributes }
    }

    pub fn pointer(&mut self) -> *mut CK_ATTRIBUTE {
        self.attributes.as_mut_ptr()
    }

    pub fn count(&self) -> CK_ULONG {
        self.attributes.len() as CK_ULONG
    }
}

fn plain(attribute: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: attribute, pValue: value.as_ptr().cast_mut().cast(), ulValueLen: value.len() as CK_ULONG }
}

fn entries(mut flat: &[u8]) -> Template {
    let mut entries = Template::new();
    while let Some((head, rest)) = flat.split_at_checked(16) {
        let word = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (value, rest) = rest.split_at((word(8) as usize).min(rest.len()));
        entries.push((word(0), value.to_vec()));
        flat = rest;
    }
    entries
}
