//! What a module says of an object.
//!
//! PKCS#11 has no way to list an object's attributes, so those are asked for that the `cryptoki` crate can read; a
//! vendor's own, and templates in attributes, can't come this way.

use cryptoki::error::{Error as Failure, Result};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_MECHANISM_TYPE, CK_ULONG, CKA_ALLOWED_MECHANISMS, CKA_CHECK_VALUE, CKA_DERIVE_TEMPLATE,
    CKA_UNWRAP_TEMPLATE, CKA_WRAP_TEMPLATE,
};
use zeroize::Zeroizing;

use super::super::found::Found;
use crate::pkcs11::attribute::{self, Lookup};

/// The object, without what it doesn't show; and why it can't come, if one of its restrictions can't be read.
pub(super) fn read(session: &Session, handle: ObjectHandle) -> Result<(Found, Option<&'static str>)> {
    let mut found = Found::default();
    let mut unread = Vec::new();
    let attributes = match session.get_attributes(handle, WANTED) {
        Ok(attributes) => attributes,
        Err(failure @ Failure::Pkcs11(..)) => return Err(failure),
        // One of them has a value that the crate can't name: it alone is left out.
        Err(_) => one_by_one(session, handle, &mut unread)?,
    };
    for attribute in attributes {
        let number = CK_ATTRIBUTE_TYPE::from(attribute.attribute_type());
        if let Some(value) = raw(attribute) {
            found.set(number, &value);
        }
    }
    // An empty check value is a missing one; with us it would forbid that one is shown.
    if found.get(CKA_CHECK_VALUE).is_some_and(<[u8]>::is_empty) {
        found.attributes.remove(&CKA_CHECK_VALUE);
    }
    found.remarks = unreadable(session, handle);
    found.remarks.extend(unread.iter().map(|number| format!("its {} didn't come: it can't be read", name(*number))));
    let restricted = unread.contains(&CKA_ALLOWED_MECHANISMS);
    Ok((found, restricted.then_some("the mechanisms that it is restricted to (CKA_ALLOWED_MECHANISMS) can't be read")))
}

fn name(number: CK_ATTRIBUTE_TYPE) -> String {
    match attribute::lookup_any(number) {
        Lookup::Row(row) => row.name.to_owned(),
        _ => format!("attribute {number:#x}"),
    }
}

/// What can be read; what can't is named in `unread`.
fn one_by_one(session: &Session, handle: ObjectHandle, unread: &mut Vec<CK_ATTRIBUTE_TYPE>) -> Result<Vec<Attribute>> {
    let mut all = Vec::new();
    for wanted in WANTED {
        match session.get_attributes(handle, std::slice::from_ref(wanted)) {
            Ok(attributes) => all.extend(attributes),
            Err(failure @ Failure::Pkcs11(..)) => return Err(failure),
            Err(_) => unread.push((*wanted).into()),
        }
    }
    Ok(all)
}

/// Templates restrict what a key wraps and what comes of it: who relies on one must know that it didn't come.
fn unreadable(session: &Session, handle: ObjectHandle) -> Vec<String> {
    let templates = TEMPLATES.map(|(number, _)| AttributeType::VendorDefined(number));
    // A module that can't say so has none; one that went away tells at the next call.
    let sizes = session.get_attribute_info(handle, &templates).unwrap_or_default();
    let given = sizes.iter().zip(TEMPLATES).filter(|(size, _)| matches!(size, AttributeInfo::Available(1..)));
    given.map(|(_, (_, name))| format!("its {name} didn't come: the key isn't restricted by it here")).collect()
}

/// An attribute as `C_GetAttributeValue` gives it; `None` for one that is only the token's own.
#[rustfmt::skip]
fn raw(attribute: Attribute) -> Option<Zeroizing<Vec<u8>>> {
    use Attribute::*;
    let value = match attribute {
        Token(value) | Private(value) | Modifiable(value) | Copyable(value) | Destroyable(value) | Trusted(value)
        | Derive(value) | Encrypt(value) | Decrypt(value) | Sign(value) | SignRecover(value) | Verify(value)
        | VerifyRecover(value) | Wrap(value) | Unwrap(value) | Sensitive(value) | Extractable(value)
        | WrapWithTrusted(value) | AlwaysAuthenticate(value) => vec![u8::from(value)],
        Class(class) => CK_ULONG::from(class).to_ne_bytes().to_vec(),
        ValueLen(len) => CK_ULONG::from(len).to_ne_bytes().to_vec(),
        KeyType(kind) => CK_ULONG::from(kind).to_ne_bytes().to_vec(),
        CertificateType(kind) => CK_ULONG::from(kind).to_ne_bytes().to_vec(),
        AllowedMechanisms(all) => all.into_iter().flat_map(|one| CK_MECHANISM_TYPE::from(one).to_ne_bytes()).collect(),
        StartDate(date) | EndDate(date) => date_bytes(&date),
        Label(value) | Id(value) | Value(value) | Application(value) | ObjectId(value) | Subject(value)
        | Issuer(value) | SerialNumber(value) | Url(value) | HashOfSubjectPublicKey(value) | Owner(value)
        | HashOfIssuerPublicKey(value) | AcIssuer(value) | AttrTypes(value) | CheckValue(value) | Modulus(value)
        | PublicExponent(value) | PrivateExponent(value) | Prime1(value) | Prime2(value) | Exponent1(value)
        | Exponent2(value) | Coefficient(value) | EcParams(value) | EcPoint(value) | PublicKeyInfo(value)
        | Prime(value) | Base(value) => value,
        _ => return None,
    };
    Some(Zeroizing::new(value))
}

/// An empty date is none.
fn date_bytes(date: &cryptoki::types::Date) -> Vec<u8> {
    let bytes = [&date.year[..], &date.month, &date.day].concat();
    if bytes.iter().all(u8::is_ascii_digit) { bytes } else { Vec::new() }
}

#[rustfmt::skip]
const WANTED: &[AttributeType] = &[
    AttributeType::Class, AttributeType::Token, AttributeType::Private, AttributeType::Modifiable,
    AttributeType::Copyable, AttributeType::Destroyable, AttributeType::Label, AttributeType::Application,
    AttributeType::ObjectId, AttributeType::Value, AttributeType::ValueLen, AttributeType::CertificateType,
    AttributeType::Trusted, AttributeType::CheckValue, AttributeType::StartDate, AttributeType::EndDate, AttributeType::Id,
    AttributeType::Subject, AttributeType::Issuer, AttributeType::SerialNumber, AttributeType::Url,
    AttributeType::HashOfSubjectPublicKey, AttributeType::HashOfIssuerPublicKey, AttributeType::Owner,
    AttributeType::AcIssuer, AttributeType::AttrTypes, AttributeType::KeyType, AttributeType::Derive,
    AttributeType::AllowedMechanisms, AttributeType::Encrypt, AttributeType::Decrypt, AttributeType::Sign,
    AttributeType::SignRecover, AttributeType::Verify, AttributeType::VerifyRecover, AttributeType::Wrap,
    AttributeType::Unwrap, AttributeType::Sensitive, AttributeType::Extractable, AttributeType::WrapWithTrusted,
    AttributeType::AlwaysAuthenticate, AttributeType::Modulus, AttributeType::PublicExponent,
    AttributeType::PrivateExponent, AttributeType::Prime1, AttributeType::Prime2, AttributeType::Exponent1,
    AttributeType::Exponent2, AttributeType::Coefficient, AttributeType::EcParams, AttributeType::EcPoint,
    AttributeType::PublicKeyInfo, AttributeType::Prime, AttributeType::Base,
];

const TEMPLATES: [(CK_ATTRIBUTE_TYPE, &str); 3] = [
    (CKA_WRAP_TEMPLATE, "CKA_WRAP_TEMPLATE"),
    (CKA_UNWRAP_TEMPLATE, "CKA_UNWRAP_TEMPLATE"),
    (CKA_DERIVE_TEMPLATE, "CKA_DERIVE_TEMPLATE"),
];
