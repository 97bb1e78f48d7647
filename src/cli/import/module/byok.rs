//! A key that leaves its token only wrapped for somebody else: under an AES key that the token makes for this and lets
//! nobody see, and that key under the public key of who is to have it. Nothing is in the clear outside of the token.

use cryptoki::error::Error as Failure;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki_sys::CK_ULONG;

use super::{Module, short};
use crate::cli::{Error, Result};
use crate::crypto::{Curve, PublicKey};
use crate::vault::{KeyAlgorithm, Pin};

/// Which key of the token.
pub(in super::super::super) struct Wanted<'a> {
    pub label: Option<&'a str>,
    pub id: Option<&'a [u8]>,
}

/// A key that is wrapped.
pub(in super::super::super) struct Target {
    pub algorithm: KeyAlgorithm,
    /// The wrapped AES key, and what it wraps.
    pub ciphertext: Vec<u8>,
}

/// The wrapping key's bytes.
const ONCE: CK_ULONG = 32;

impl Module {
    /// Has the token wrap one of its keys.
    pub(in super::super::super) fn wrap_for(
        &self,
        pin: Option<&Pin>,
        wanted: &Wanted<'_>,
        kek: &PublicKey,
    ) -> Result<Target> {
        let session = self.library.open_ro_session(self.slot).map_err(|error| self.refused(&error))?;
        if let Some(pin) = pin {
            self.log_in(&session, pin)?;
        }
        let handle = self.find(&session, wanted)?;
        let algorithm = self.algorithm(&session, handle)?;
        let ciphertext = self.wrapped(&session, handle, kek)?;
        session.close().map_err(|error| self.refused(&error))?;
        Ok(Target { algorithm, ciphertext })
    }

    /// The one private or secret key that is meant.
    fn find(&self, session: &Session, wanted: &Wanted<'_>) -> Result<ObjectHandle> {
        let mut found = Vec::new();
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::SECRET_KEY] {
            let mut template = vec![Attribute::Token(true), Attribute::Class(class)];
            template.extend(wanted.label.map(|label| Attribute::Label(label.as_bytes().to_vec())));
            template.extend(wanted.id.map(|id| Attribute::Id(id.to_vec())));
            found.extend(session.find_objects(&template).map_err(|error| self.refused(&error))?);
        }
        match found[..] {
            [only] => Ok(only),
            [] => Err(Error::refused(format!("The token {:?} has no such private or secret key.", self.label))),
            _ => Err(Error::refused(format!(
                "The token {:?} has several such keys: say with --id which is meant.",
                self.label
            ))),
        }
    }

    /// What kind it is, if it may leave.
    fn algorithm(&self, session: &Session, handle: ObjectHandle) -> Result<KeyAlgorithm> {
        let ask =
            |wanted: &[AttributeType]| session.get_attributes(handle, wanted).map_err(|error| self.refused(&error));
        let said = ask(&[AttributeType::KeyType, AttributeType::Extractable, AttributeType::WrapWithTrusted])?;
        let stays = |why: &str| Err(Error::refused(format!("The key stays on the token {:?}: {why}.", self.label)));
        if !said.contains(&Attribute::Extractable(true)) {
            return stays("it doesn't let it out (CKA_EXTRACTABLE is false), also not wrapped");
        }
        if said.contains(&Attribute::WrapWithTrusted(true)) {
            return stays("it leaves only under a trusted key (CKA_WRAP_WITH_TRUSTED)");
        }
        let kind = said.iter().find_map(|attribute| match attribute {
            Attribute::KeyType(kind) => Some(*kind),
            _ => None,
        });
        let unknown =
            || Error::refused("RSA keys, keys on the curves P-256, P-384, P-521 and P-256K, and AES keys are wrapped.");
        let described = match kind {
            Some(KeyType::RSA) => match &ask(&[AttributeType::Modulus])?[..] {
                [Attribute::Modulus(modulus)] => Some(KeyAlgorithm::Rsa { bits: bits(modulus) }),
                _ => None,
            },
            Some(KeyType::EC) => match &ask(&[AttributeType::EcParams])?[..] {
                [Attribute::EcParams(oid)] => {
                    Curve::ALL.into_iter().find(|curve| curve.oid_der() == oid).map(KeyAlgorithm::Ec)
                }
                _ => None,
            },
            Some(KeyType::AES) => match &ask(&[AttributeType::ValueLen])?[..] {
                [Attribute::ValueLen(len)] => Some(KeyAlgorithm::Aes { bits: CK_ULONG::from(*len) as u32 * 8 }),
                _ => None,
            },
            _ => None,
        };
        described.ok_or_else(unknown)
    }

    /// The two keys that this takes live in the session, and end with it.
    fn wrapped(&self, session: &Session, target: ObjectHandle, kek: &PublicKey) -> Result<Vec<u8>> {
        let offered = self.library.get_mechanism_list(self.slot).map_err(|error| self.refused(&error))?;
        for (mechanism, name) in [
            (MechanismType::AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD"),
            (MechanismType::RSA_PKCS_OAEP, "CKM_RSA_PKCS_OAEP"),
        ] {
            let about = offered.contains(&mechanism).then(|| self.library.get_mechanism_info(self.slot, mechanism));
            if !about.is_some_and(|about| about.is_ok_and(|about| about.wrap())) {
                return Err(Error::refused(format!(
                    "The token {:?} can't wrap with {name}, which this takes.",
                    self.label
                )));
            }
        }
        let made = || -> cryptoki::error::Result<Vec<u8>> {
            let once = session.generate_key(&Mechanism::AesKeyGen, &once())?;
            let (modulus, exponent) = kek.rsa().ok_or(Failure::InvalidValue)?;
            let kek = session.create_object(&public_key(modulus, exponent))?;
            let oaep = PkcsOaepParams::new(MechanismType::SHA1, PkcsMgfType::MGF1_SHA1, PkcsOaepSource::empty());
            let mut ciphertext = session.wrap_key(&Mechanism::RsaPkcsOaep(oaep), kek, once)?;
            if ciphertext.len() != modulus.len() {
                return Err(Failure::InvalidValue);
            }
            ciphertext.extend(session.wrap_key(&Mechanism::AesKeyWrapPad, once, target)?);
            session.destroy_object(once)?;
            session.destroy_object(kek)?;
            Ok(ciphertext)
        };
        made().map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &Failure) -> Error {
        Error::refused(format!("The token {:?} refused ({}): nothing was written.", self.label, short(error)))
    }
}

/// An AES key that wraps one key and is wrapped itself.
fn once() -> [Attribute; 7] {
    [
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(true),
        Attribute::Wrap(true),
        Attribute::Encrypt(false),
        Attribute::ValueLen(ONCE.into()),
    ]
}

fn public_key(modulus: &[u8], exponent: &[u8]) -> [Attribute; 7] {
    [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Token(false),
        Attribute::Private(false),
        Attribute::Wrap(true),
        Attribute::Modulus(modulus.to_vec()),
        Attribute::PublicExponent(exponent.to_vec()),
    ]
}

fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros).map_or(0, |first| (number.len() - zeros) as u32 * 8 - first.leading_zeros())
}
