//! The table itself (PKCS#11 v3.2 §4 and the object sections of §6).
//!
//! Columns of a line: attribute, form, kinds of objects, rules, value while nobody set it. The rules are those of the
//! specification's footnotes (§4.2), named below by what they mean; where a line is stricter or looser, it says why.

use cryptoki_sys::*;

use super::Form::{AttributeArray, Bool, Bytes, Date, Ulong, UlongArray};
use super::Rule::{Lower, May, Must, Never, Officer, Raise};
use super::Unset::{Absent, Derived, Empty, False, Number, True};
use super::{Attribute, Kinds, Rule};

type Rules = [Rule; 5];

// create, generate, unwrap, copy, set
/// Footnote 8.
const ANY_TIME: Rules = [May, May, May, May, May];
/// No footnote: given when the object is made, then fixed.
const WHEN_MADE: Rules = [May, May, May, Never, Never];
/// Footnote 1 of a certificate.
const FIRST: Rules = [Must, Never, Never, Never, Never];
/// Footnotes 2, 4, 6: the token's own word.
const BY_TOKEN: Rules = [Never, Never, Never, Never, Never];
/// Footnotes 1, 4, 6: a part of the key's value that has to be there.
const PART: Rules = [Must, Never, Never, Never, Never];
/// Footnotes 4, 6: a part of the key's value that may be left out.
const OPTIONAL_PART: Rules = [May, Never, Never, Never, Never];
/// Footnotes 8, 11.
const RAISED: Rules = [May, May, May, Raise, Raise];
/// Footnotes 8, 12.
const LOWERED: Rules = [May, May, May, Lower, Lower];
/// Footnote 10.
const BY_OFFICER: Rules = [Officer, Officer, Officer, Officer, Officer];
/// `CKA_PRIVATE`, `CKA_TOKEN`: places may change by copying (§4.4).
const BY_COPY: Rules = [May, May, May, May, Never];

const ALL: Kinds = Kinds::all();
const WRAPS: Kinds = Kinds::PUBLIC.union(Kinds::SECRET);
const UNWRAPS: Kinds = Kinds::PRIVATE.union(Kinds::SECRET);
const RSA: Kinds = Kinds::RSA_PUBLIC.union(Kinds::RSA_PRIVATE);
const EC: Kinds = Kinds::EC_PUBLIC.union(Kinds::EDWARDS_PUBLIC).union(Kinds::MONTGOMERY_PUBLIC);
const EC_SECRET: Kinds = Kinds::EC_PRIVATE.union(Kinds::EDWARDS_PRIVATE).union(Kinds::MONTGOMERY_PRIVATE);
const HAS_HASHES: Kinds = Kinds::X509.union(Kinds::WTLS);

macro_rules! row {
    ($number:ident, $form:expr, $kinds:expr, $rules:expr, $unset:expr) => {
        row!($number, $form, $kinds, $rules, $unset, false)
    };
    ($number:ident, $form:expr, $kinds:expr, $rules:expr, $unset:expr, sensitive) => {
        row!($number, $form, $kinds, $rules, $unset, true)
    };
    ($number:ident, $form:expr, $kinds:expr, $rules:expr, $unset:expr, $sensitive:expr) => {
        Attribute {
            number: $number,
            name: stringify!($number),
            form: $form,
            kinds: $kinds,
            rules: $rules,
            unset: $unset,
            sensitive: $sensitive,
        }
    };
}

/// Every attribute that an object of ours has a rule for.
#[rustfmt::skip]
pub const TABLE: &[Attribute] = &[
    // Every object (§4.2, §4.4). Only a label may change in place; the rest by copying.
    row!(CKA_CLASS, Ulong, ALL, [Must, May, Must, Never, Never], Derived),
    row!(CKA_TOKEN, Bool, ALL, BY_COPY, Derived),
    // A copy may hide what was public, but not show what was private: the copy would be the wider one.
    row!(CKA_PRIVATE, Bool, ALL, [May, May, May, Raise, Never], Derived),
    // Nor may a copy open again what was made unmodifiable.
    row!(CKA_MODIFIABLE, Bool, ALL, [May, May, May, Lower, Never], True),
    row!(CKA_COPYABLE, Bool, ALL, LOWERED, True),
    row!(CKA_DESTROYABLE, Bool, ALL, BY_COPY, True),
    row!(CKA_LABEL, Bytes, ALL, ANY_TIME, Derived),
    row!(CKA_UNIQUE_ID, Bytes, ALL, BY_TOKEN, Derived),

    // Data (§4.5). The value of a private one is a vault's secret: another value is another version, not a change.
    row!(CKA_APPLICATION, Bytes, Kinds::DATA, ANY_TIME, Empty),
    row!(CKA_OBJECT_ID, Bytes, Kinds::DATA, ANY_TIME, Empty),
    row!(CKA_VALUE, Bytes, Kinds::DATA, [May, May, May, Never, May], Derived),

    // Certificates (§4.6). Subject, issuer and serial number follow from the value of an X.509 certificate, so they may
    // be left out, and the subject may change, as NSS and Java expect.
    row!(CKA_CERTIFICATE_TYPE, Ulong, Kinds::CERTIFICATE, FIRST, Number(CKC_X_509)),
    row!(CKA_TRUSTED, Bool, Kinds::CERTIFICATE, BY_OFFICER, False),
    row!(CKA_CERTIFICATE_CATEGORY, Ulong, Kinds::CERTIFICATE, WHEN_MADE, Number(CK_CERTIFICATE_CATEGORY_UNSPECIFIED)),
    row!(CKA_CHECK_VALUE, Bytes, Kinds::CERTIFICATE, WHEN_MADE, Empty),
    row!(CKA_START_DATE, Date, Kinds::CERTIFICATE, WHEN_MADE, Empty),
    row!(CKA_END_DATE, Date, Kinds::CERTIFICATE, WHEN_MADE, Empty),
    row!(CKA_PUBLIC_KEY_INFO, Bytes, Kinds::CERTIFICATE, WHEN_MADE, Empty),
    row!(CKA_ID, Bytes, Kinds::X509.union(Kinds::OTHER_CERTIFICATE), ANY_TIME, Derived),
    row!(CKA_SUBJECT, Bytes, Kinds::X509, ANY_TIME, Empty),
    row!(CKA_SUBJECT, Bytes, Kinds::WTLS, FIRST, Empty),
    row!(CKA_ISSUER, Bytes, HAS_HASHES, ANY_TIME, Empty),
    row!(CKA_SERIAL_NUMBER, Bytes, Kinds::X509.union(Kinds::ATTRIBUTE_CERTIFICATE), ANY_TIME, Empty),
    row!(CKA_VALUE, Bytes, HAS_HASHES.union(Kinds::OTHER_CERTIFICATE), WHEN_MADE, Derived),
    row!(CKA_VALUE, Bytes, Kinds::ATTRIBUTE_CERTIFICATE, FIRST, Derived),
    row!(CKA_URL, Bytes, HAS_HASHES, WHEN_MADE, Empty),
    row!(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes, HAS_HASHES, WHEN_MADE, Empty),
    row!(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes, HAS_HASHES, WHEN_MADE, Empty),
    row!(CKA_NAME_HASH_ALGORITHM, Ulong, HAS_HASHES, WHEN_MADE, Number(CKM_SHA_1)),
    row!(CKA_JAVA_MIDP_SECURITY_DOMAIN, Ulong, Kinds::X509, WHEN_MADE, Number(CK_SECURITY_DOMAIN_UNSPECIFIED)),
    row!(CKA_OWNER, Bytes, Kinds::ATTRIBUTE_CERTIFICATE, FIRST, Empty),
    row!(CKA_AC_ISSUER, Bytes, Kinds::ATTRIBUTE_CERTIFICATE, ANY_TIME, Empty),
    row!(CKA_ATTR_TYPES, Bytes, Kinds::ATTRIBUTE_CERTIFICATE, ANY_TIME, Empty),

    // Keys (§4.8).
    row!(CKA_KEY_TYPE, Ulong, Kinds::KEY, [Must, May, Must, Never, Never], Derived),
    row!(CKA_ID, Bytes, Kinds::KEY.union(Kinds::OTHER), ANY_TIME, Derived),
    row!(CKA_START_DATE, Date, Kinds::KEY, ANY_TIME, Empty),
    row!(CKA_END_DATE, Date, Kinds::KEY, ANY_TIME, Empty),
    row!(CKA_DERIVE, Bool, Kinds::KEY, ANY_TIME, Derived),
    row!(CKA_LOCAL, Bool, Kinds::KEY, BY_TOKEN, Derived),
    row!(CKA_KEY_GEN_MECHANISM, Ulong, Kinds::KEY, BY_TOKEN, Derived),
    row!(CKA_ALLOWED_MECHANISMS, UlongArray, Kinds::KEY, WHEN_MADE, Empty),

    // What keys are for (§4.9, §4.10, §4.11).
    row!(CKA_ENCRYPT, Bool, WRAPS, ANY_TIME, Derived),
    row!(CKA_VERIFY, Bool, WRAPS, ANY_TIME, Derived),
    row!(CKA_VERIFY_RECOVER, Bool, Kinds::PUBLIC, ANY_TIME, Derived),
    row!(CKA_WRAP, Bool, WRAPS, ANY_TIME, Derived),
    row!(CKA_DECRYPT, Bool, UNWRAPS, ANY_TIME, Derived),
    row!(CKA_SIGN, Bool, UNWRAPS, ANY_TIME, Derived),
    row!(CKA_SIGN_RECOVER, Bool, Kinds::PRIVATE, ANY_TIME, Derived),
    row!(CKA_UNWRAP, Bool, UNWRAPS, ANY_TIME, Derived),
    row!(CKA_ENCAPSULATE, Bool, Kinds::PUBLIC, ANY_TIME, False),
    row!(CKA_DECAPSULATE, Bool, Kinds::PRIVATE, ANY_TIME, False),
    row!(CKA_TRUSTED, Bool, WRAPS, BY_OFFICER, False),
    row!(CKA_WRAP_TEMPLATE, AttributeArray, WRAPS, WHEN_MADE, Empty),
    row!(CKA_UNWRAP_TEMPLATE, AttributeArray, UNWRAPS, WHEN_MADE, Empty),
    row!(CKA_DERIVE_TEMPLATE, AttributeArray, UNWRAPS, WHEN_MADE, Empty),
    row!(CKA_ENCAPSULATE_TEMPLATE, AttributeArray, Kinds::PUBLIC, WHEN_MADE, Empty),
    row!(CKA_DECAPSULATE_TEMPLATE, AttributeArray, Kinds::PRIVATE, WHEN_MADE, Empty),
    row!(CKA_SUBJECT, Bytes, Kinds::PUBLIC.union(Kinds::PRIVATE), ANY_TIME, Empty),
    // It follows from the key's value, so it may be given with one, and must agree.
    row!(CKA_PUBLIC_KEY_INFO, Bytes, Kinds::PUBLIC.union(Kinds::PRIVATE), OPTIONAL_PART, Derived),

    // How the value of a private or secret key is guarded (§4.10, §4.11).
    row!(CKA_SENSITIVE, Bool, Kinds::HIDDEN, RAISED, Derived),
    row!(CKA_EXTRACTABLE, Bool, Kinds::HIDDEN, LOWERED, Derived),
    row!(CKA_ALWAYS_SENSITIVE, Bool, Kinds::HIDDEN, BY_TOKEN, Derived),
    row!(CKA_NEVER_EXTRACTABLE, Bool, Kinds::HIDDEN, BY_TOKEN, Derived),
    row!(CKA_WRAP_WITH_TRUSTED, Bool, Kinds::HIDDEN, RAISED, False),
    row!(CKA_ALWAYS_AUTHENTICATE, Bool, Kinds::PRIVATE, WHEN_MADE, False),

    // RSA (§6.1.2, §6.1.3).
    row!(CKA_MODULUS, Bytes, RSA, PART, Derived),
    row!(CKA_MODULUS_BITS, Ulong, Kinds::RSA_PUBLIC, [Never, Must, Never, Never, Never], Derived),
    row!(CKA_PUBLIC_EXPONENT, Bytes, Kinds::RSA_PUBLIC, [Must, May, Never, Never, Never], Derived),
    row!(CKA_PUBLIC_EXPONENT, Bytes, Kinds::RSA_PRIVATE, PART, Derived),
    row!(CKA_PRIVATE_EXPONENT, Bytes, Kinds::RSA_PRIVATE, PART, Derived, sensitive),
    row!(CKA_PRIME_1, Bytes, Kinds::RSA_PRIVATE, OPTIONAL_PART, Derived, sensitive),
    row!(CKA_PRIME_2, Bytes, Kinds::RSA_PRIVATE, OPTIONAL_PART, Derived, sensitive),
    row!(CKA_EXPONENT_1, Bytes, Kinds::RSA_PRIVATE, OPTIONAL_PART, Derived, sensitive),
    row!(CKA_EXPONENT_2, Bytes, Kinds::RSA_PRIVATE, OPTIONAL_PART, Derived, sensitive),
    row!(CKA_COEFFICIENT, Bytes, Kinds::RSA_PRIVATE, OPTIONAL_PART, Derived, sensitive),

    // Elliptic curves (§6.3.3 to §6.3.8). A private key has its point too, beyond the specification: libp11 and
    // pkcs11-provider look for it there first, and a key without its public object stays usable.
    row!(CKA_EC_PARAMS, Bytes, EC, [Must, Must, Never, Never, Never], Absent),
    row!(CKA_EC_PARAMS, Bytes, EC_SECRET, PART, Absent),
    row!(CKA_EC_POINT, Bytes, EC, PART, Derived),
    row!(CKA_EC_POINT, Bytes, EC_SECRET, OPTIONAL_PART, Derived),
    row!(CKA_VALUE, Bytes, EC_SECRET, PART, Derived, sensitive),

    // Secret keys (§4.11, §6.8, §6.10).
    row!(CKA_VALUE, Bytes, Kinds::SECRET.union(Kinds::OTP), PART, Derived, sensitive),
    row!(CKA_VALUE_LEN, Ulong, Kinds::AES.union(Kinds::GENERIC), [Never, Must, May, Never, Never], Derived),
    row!(CKA_VALUE_LEN, Ulong, Kinds::OTHER_SECRET.union(Kinds::OTP), [Never, May, May, Never, Never], Derived),
    // Follows from the value; an empty one keeps it from being shown, also later (§4.11).
    row!(CKA_CHECK_VALUE, Bytes, Kinds::SECRET, ANY_TIME, Derived),
    row!(CKA_CHECK_VALUE, Bytes, Kinds::OTP, WHEN_MADE, Empty),

    // Secret parts of keys that we don't hold: named here so that they are never kept as if they were public.
    row!(CKA_SEED, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_CKR, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_CKS, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_DHS, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_HKR, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_HKS, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_NHKR, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_NHKS, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
    row!(CKA_X2RATCHET_RK, Bytes, Kinds::empty(), BY_TOKEN, Absent, sensitive),
];

/// Attributes of the specification that no line of [`TABLE`] is about: kept as they come, on objects that are only kept
/// ([`Kinds::OPEN`]).
#[rustfmt::skip]
pub const KEPT: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_PRIME, CKA_SUBPRIME, CKA_BASE, CKA_PRIME_BITS, CKA_SUBPRIME_BITS, CKA_VALUE_BITS, CKA_SECONDARY_AUTH,
    CKA_AUTH_PIN_FLAGS, CKA_OTP_FORMAT, CKA_OTP_LENGTH, CKA_OTP_TIME_INTERVAL, CKA_OTP_USER_FRIENDLY_MODE,
    CKA_OTP_CHALLENGE_REQUIREMENT, CKA_OTP_TIME_REQUIREMENT, CKA_OTP_COUNTER_REQUIREMENT, CKA_OTP_PIN_REQUIREMENT,
    CKA_OTP_COUNTER, CKA_OTP_TIME, CKA_OTP_USER_IDENTIFIER, CKA_OTP_SERVICE_IDENTIFIER, CKA_OTP_SERVICE_LOGO,
    CKA_OTP_SERVICE_LOGO_TYPE, CKA_GOSTR3410_PARAMS, CKA_GOSTR3411_PARAMS, CKA_GOST28147_PARAMS, CKA_HW_FEATURE_TYPE,
    CKA_RESET_ON_INIT, CKA_HAS_RESET, CKA_PIXEL_X, CKA_PIXEL_Y, CKA_RESOLUTION, CKA_CHAR_ROWS, CKA_CHAR_COLUMNS,
    CKA_COLOR, CKA_BITS_PER_PIXEL, CKA_CHAR_SETS, CKA_ENCODING_METHODS, CKA_MIME_TYPES, CKA_MECHANISM_TYPE,
    CKA_REQUIRED_CMS_ATTRIBUTES, CKA_DEFAULT_CMS_ATTRIBUTES, CKA_SUPPORTED_CMS_ATTRIBUTES, CKA_PROFILE_ID,
    CKA_X2RATCHET_BAG, CKA_X2RATCHET_BAGSIZE, CKA_X2RATCHET_BOBS1STMSG, CKA_X2RATCHET_DHP, CKA_X2RATCHET_DHR,
    CKA_X2RATCHET_ISALICE, CKA_X2RATCHET_NR, CKA_X2RATCHET_NS, CKA_X2RATCHET_PNS, CKA_HSS_LEVELS, CKA_HSS_LMS_TYPE,
    CKA_HSS_LMOTS_TYPE, CKA_HSS_LMS_TYPES, CKA_HSS_LMOTS_TYPES, CKA_HSS_KEYS_REMAINING, CKA_PARAMETER_SET,
    CKA_OBJECT_VALIDATION_FLAGS, CKA_VALIDATION_TYPE, CKA_VALIDATION_VERSION, CKA_VALIDATION_LEVEL,
    CKA_VALIDATION_MODULE_ID, CKA_VALIDATION_FLAG, CKA_VALIDATION_AUTHORITY_TYPE, CKA_VALIDATION_COUNTRY,
    CKA_VALIDATION_CERTIFICATE_IDENTIFIER, CKA_VALIDATION_CERTIFICATE_URI, CKA_VALIDATION_VENDOR_URI,
    CKA_VALIDATION_PROFILE, CKA_TRUST_SERVER_AUTH, CKA_TRUST_CLIENT_AUTH, CKA_TRUST_CODE_SIGNING,
    CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_IPSEC_IKE, CKA_TRUST_TIME_STAMPING, CKA_TRUST_OCSP_SIGNING,
    CKA_HASH_OF_CERTIFICATE, CKA_PUBLIC_CRC64_VALUE,
];

/// An attribute with the vendor bit, on any object.
pub(super) static VENDOR: Attribute = row!(CKA_VENDOR_DEFINED, Bytes, ALL, ANY_TIME, Absent);

/// An attribute that is kept as it comes.
pub(super) static KEPT_BYTES: Attribute = Attribute {
    number: CK_UNAVAILABLE_INFORMATION,
    name: "kept as it comes",
    form: Bytes,
    kinds: Kinds::OPEN,
    rules: ANY_TIME,
    unset: Absent,
    sensitive: false,
};

/// A template that is kept as it comes.
pub(super) static KEPT_ARRAY: Attribute = Attribute { form: AttributeArray, ..KEPT_BYTES };
