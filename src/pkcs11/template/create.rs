//! `C_CreateObject` (PKCS#11 v3.2 §5.7.1).

use cryptoki_sys::*;

use super::{
    Checked, NewObject, Rules, Template, check_check_value, complete_key, id_of_public, material, naming, write,
};
use crate::crypto;
use crate::pkcs11::attribute::{self, Kinds, Phase};
use crate::pkcs11::error::Rv;
use crate::pkcs11::object::{CertificateFields, Guard};
use crate::vault::{Class, Content, Draft, SecretBytes};

/// The object that a template for `C_CreateObject` describes.
pub fn for_create(template: &Template<'_>, cx: &Rules) -> Result<NewObject, Rv> {
    let class = template.ulong(CKA_CLASS)?.ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
    let class = u32::try_from(class).map(Class::from_number).map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
    let kind = kind(template, class)?;
    let given = Checked::new(template, kind, Phase::Create, cx)?;
    let mut content = Content::new(class);
    content.private |= kind == Kinds::OTP;
    let mut secret = read_value(&mut content, kind, &given)?;
    write_private_first(&mut content, kind, &given);
    match class {
        Class::Data if content.private => {
            secret = Some(SecretBytes::from_slice(given.get(CKA_VALUE).unwrap_or_default()));
        }
        Class::Certificate => check_certificate(&content, kind, &given)?,
        _ => {}
    }
    if kind.intersects(Kinds::KEY) {
        let (sensitive, extractable) = given.guard();
        complete_key(&mut content, kind, &given, Guard::new(sensitive, extractable, false), cx)?;
    }
    if let (Class::SecretKey, Some(value)) = (class, &secret) {
        check_check_value(&given, &content, value)?;
    }
    if given.get(CKA_ID).is_none() {
        content.id = default_id(&content)?;
    }
    let token = given.boolean(CKA_TOKEN).unwrap_or(false);
    Ok(NewObject { draft: Draft { naming: naming(&content), content, secret }, token })
}

/// Takes the value of a key or certificate in, and gives back what of it is secret.
fn read_value(content: &mut Content, kind: Kinds, given: &Checked<'_>) -> Result<Option<SecretBytes>, Rv> {
    let (secret, key) = match content.class {
        Class::PublicKey => {
            content.key = Some(material::public_key(kind, given)?);
            return Ok(None);
        }
        Class::PrivateKey => material::private_key(kind, given)?,
        Class::SecretKey => material::secret_key(kind, given)?,
        Class::Other(_) if kind == Kinds::OTP => material::secret_key(kind, given)?,
        Class::Certificate => {
            content.value = given.filled(CKA_VALUE).map(Into::into);
            return Ok(None);
        }
        Class::Data | Class::Service | Class::CertificateRequest | Class::Other(_) => return Ok(None),
    };
    content.key = Some(key);
    Ok(Some(secret))
}

/// Whether the object is private decides where its value goes, so that is known before anything else is written.
pub(super) fn write_private_first(content: &mut Content, kind: Kinds, given: &Checked<'_>) {
    if let Some(private) = given.boolean(CKA_PRIVATE) {
        content.private = private;
    }
    write(content, kind, given);
}

fn kind(template: &Template<'_>, class: Class) -> Result<Kinds, Rv> {
    match class {
        Class::Data => Ok(Kinds::DATA),
        Class::Certificate => {
            let certificate_type = template.ulong(CKA_CERTIFICATE_TYPE)?.ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
            Ok(Kinds::of_certificate(certificate_type))
        }
        Class::PublicKey | Class::PrivateKey | Class::SecretKey => {
            let key_type = template.ulong(CKA_KEY_TYPE)?.ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
            match Kinds::of_key(class, key_type) {
                // A private key is kept as PKCS#8, which we can't make for it: a requirement of this token's, so §4.1.1
                // calls the template inconsistent.
                Kinds::OTHER_PRIVATE => Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
                kind => Ok(kind),
            }
        }
        // A program may not write what the server goes by.
        Class::Service | Class::CertificateRequest => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        Class::Other(number) => match number.into() {
            // Only a token makes these (§4.3, §4.13, §4.14, §4.15).
            CKO_HW_FEATURE | CKO_MECHANISM | CKO_PROFILE | CKO_VALIDATION => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
            CKO_OTP_KEY => Ok(Kinds::OTP),
            _ => Ok(Kinds::OTHER),
        },
    }
}

/// A certificate has a value or says where it lies (§4.6.3), and what stands beside the value must be true of it.
fn check_certificate(content: &Content, kind: Kinds, given: &Checked<'_>) -> Result<(), Rv> {
    if !kind.intersects(Kinds::X509 | Kinds::WTLS) {
        return Ok(());
    }
    let hashes = [CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY];
    match (&content.value, given.filled(CKA_URL)) {
        (None, None) => return Err(Rv(CKR_TEMPLATE_INCOMPLETE)),
        (_, Some(_)) if hashes.iter().any(|hash| given.filled(*hash).is_none()) => {
            return Err(Rv(CKR_TEMPLATE_INCOMPLETE));
        }
        _ => {}
    }
    if kind != Kinds::X509 {
        return Ok(());
    }
    let Some(fields) = content.value.as_deref().and_then(CertificateFields::of) else {
        // Nothing to take the subject from.
        return given.get(CKA_SUBJECT).map(drop).ok_or(Rv(CKR_TEMPLATE_INCOMPLETE));
    };
    // An attribute that says the truth isn't kept.
    let contradicts = |attribute| given.filled(attribute).is_some() && content.attributes.contains_key(&attribute);
    if contradicts(CKA_CHECK_VALUE) {
        return Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    }
    match given.filled(CKA_PUBLIC_KEY_INFO) {
        Some(public) if public != fields.public_key => Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
        _ => Ok(()),
    }
}

/// `CKA_ID` for what came without one: by the public key, or at random for a secret key.
pub(super) fn default_id(content: &Content) -> Result<Vec<u8>, Rv> {
    match content.class {
        Class::SecretKey => {
            let mut id = vec![0; 16];
            crypto::random(&mut id)?;
            Ok(id)
        }
        Class::Certificate => {
            let fields = content.value.as_deref().and_then(CertificateFields::of);
            Ok(fields.map_or_else(Vec::new, |fields| id_of_public(fields.public_key)))
        }
        Class::PublicKey | Class::PrivateKey => {
            Ok(content.key.as_ref().map_or_else(Vec::new, |key| id_of_public(&key.public)))
        }
        Class::Data | Class::Service | Class::CertificateRequest | Class::Other(_) => Ok(Vec::new()),
    }
}

/// Whether a `CKA_CLASS` names this class.
pub(super) fn is_class(value: &[u8], class: CK_OBJECT_CLASS) -> bool {
    attribute::ulong(value) == Ok(class)
}
