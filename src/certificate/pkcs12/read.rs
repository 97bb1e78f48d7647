//! PKCS#12 as OpenSSL, Java, Windows, Firefox and others write it, new and old.
//!
//! The code over the file is checked before anything in it is believed. A bag that isn't read (a CRL) is told, not
//! passed over.

use der::Decode;
use der::asn1::{BmpString, ObjectIdentifier};
use zeroize::Zeroizing;

use super::super::ber::{
    BMP_STRING, EXPLICIT_0, Element, IMPLICIT_0, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET,
};
use super::super::encryption::{Algorithm, Budget, Password, decrypt, is_authentic};
use super::super::{Error, Limits, Result};
use super::{
    CERTIFICATE_BAG, CRL_BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, KEY_BAG, LOCAL_KEY_ID, NESTED_BAG, SECRET_BAG,
    SHROUDED_KEY_BAG, X509_CERTIFICATE,
};
use crate::crypto::SecretBytes;

/// What a file holds, decrypted.
#[derive(Default)]
pub struct Contents {
    /// Private keys, in the file's order.
    pub keys: Vec<Key>,
    /// Certificates, in the file's order.
    pub certificates: Vec<Certificate>,
    /// Secret keys.
    pub secrets: Vec<Secret>,
    /// What isn't read.
    pub left: Vec<Left>,
    /// Whether anything tells that the file was not changed.
    pub has_code: bool,
}

/// A private key.
pub struct Key {
    /// PKCS#8, unchecked.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// What people call it.
    pub label: Option<String>,
    /// By which a file links a key and its certificate.
    pub local_id: Option<Vec<u8>>,
}

/// A certificate.
pub struct Certificate {
    /// DER, unchecked.
    pub der: Vec<u8>,
    /// What people call it.
    pub label: Option<String>,
    /// By which a file links a key and its certificate.
    pub local_id: Option<Vec<u8>>,
}

/// A secret key, as Java writes it.
pub struct Secret {
    /// The cipher or code that it is for.
    pub kind: ObjectIdentifier,
    /// Its bytes.
    pub value: SecretBytes,
    /// What people call it.
    pub label: Option<String>,
    /// By which a file tells it from others.
    pub id: Option<Vec<u8>>,
}

/// What isn't read, and why.
pub struct Left {
    /// What people call it.
    pub label: Option<String>,
    /// In one clause.
    pub reason: String,
}

/// Whether this begins like such a file: a sequence of version 3 and a content.
pub fn is_pkcs12(der: &[u8]) -> bool {
    let parts = Element::only(der).and_then(|file| file.parts_of(SEQUENCE)).unwrap_or_default();
    matches!(parts.as_slice(), [version, content, ..]
        if version.contents_of(INTEGER) == Some(&[3]) && content.tag == SEQUENCE)
}

/// Reads a file. An empty passphrase stands for none, too.
pub fn read(der: &[u8], passphrase: &str, limits: &Limits) -> Result<Contents> {
    let budget = Budget::new(limits);
    let mut result = Err(Error::DoesNotOpen);
    for password in Password::forms(passphrase) {
        result = File { password, budget: &budget }.read(der);
        if !matches!(result, Err(Error::DoesNotOpen)) {
            break;
        }
    }
    result
}

/// A file that is being read.
struct File<'a> {
    password: Password<'a>,
    budget: &'a Budget,
}

impl File<'_> {
    fn read(&self, der: &[u8]) -> Result<Contents> {
        let parts = self.sound(Element::only(der).and_then(|file| file.parts_of(SEQUENCE)))?;
        let (Some(content), mac) = (parts.get(1), parts.get(2)) else { return Err(self.damaged()) };
        let safes = self.data(content)?;
        let mut contents = Contents { has_code: true, ..Contents::default() };
        match mac {
            Some(mac) => self.check_mac(mac, &safes)?,
            None => contents.has_code = false,
        }
        for safe in self.sound(Element::only(&safes).and_then(|safes| safes.parts_of(SEQUENCE)))? {
            let bags = self.safe(&safe)?;
            self.bags(&bags, &mut contents, 0)?;
        }
        Ok(contents)
    }

    /// What a `ContentInfo` of type data holds.
    fn data(&self, content: &Element<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let (kind, value) = self.content(content)?;
        if kind != DATA {
            return Err(Error::Unsupported(
                "it is signed or encrypted for a certificate, not with a passphrase: that isn't supported".to_owned(),
            ));
        }
        self.sound(value.octets(OCTET_STRING))
    }

    fn content<'e>(&self, content: &Element<'e>) -> Result<(ObjectIdentifier, Element<'e>)> {
        let parts = self.sound(content.parts_of(SEQUENCE))?;
        let [kind, value] = parts.as_slice() else { return Err(self.damaged()) };
        let value = self.sound(value.parts_of(EXPLICIT_0))?;
        let [value] = value.as_slice() else { return Err(self.damaged()) };
        Ok((self.oid(kind)?, *value))
    }

    /// RFC 7292 Appendix A: digest, salt and rounds, 1 if it doesn't say.
    fn check_mac(&self, mac: &Element<'_>, safes: &[u8]) -> Result<()> {
        let parts = self.sound(mac.parts_of(SEQUENCE))?;
        let (Some(digest), Some(salt)) = (parts.first(), parts.get(1)) else { return Err(self.damaged()) };
        let digest = self.sound(digest.parts_of(SEQUENCE))?;
        let [algorithm, code] = digest.as_slice() else { return Err(self.damaged()) };
        let rounds = parts.get(2).map_or(Ok(1), |rounds| self.sound(u32::from_der(rounds.whole).ok()))?;
        let algorithm = self.algorithm(algorithm)?.oid;
        let (salt, code) = (self.sound(salt.contents_of(OCTET_STRING))?, self.sound(code.contents_of(OCTET_STRING))?);
        match is_authentic(algorithm, (salt, rounds), safes, code, self.password, self.budget)? {
            true => Ok(()),
            false => Err(Error::DoesNotOpen),
        }
    }

    /// The bags of one safe, decrypted.
    fn safe(&self, safe: &Element<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let (kind, value) = self.content(safe)?;
        if kind != ENCRYPTED_DATA {
            return self.data(safe);
        }
        let parts = self.sound(value.parts_of(SEQUENCE))?;
        let parts = self.sound(parts.get(1).and_then(|encrypted| encrypted.parts_of(SEQUENCE)))?;
        let [_, algorithm, encrypted] = parts.as_slice() else { return Err(self.damaged()) };
        let encrypted = self.sound(encrypted.octets(IMPLICIT_0))?;
        decrypt(&self.algorithm(algorithm)?, &encrypted, self.password, self.budget)
    }

    fn bags(&self, bags: &[u8], contents: &mut Contents, depth: usize) -> Result<()> {
        for bag in self.sound(Element::only(bags).and_then(|bags| bags.parts_of(SEQUENCE)))? {
            let parts = self.sound(bag.parts_of(SEQUENCE))?;
            let (Some(kind), Some(value)) = (parts.first(), parts.get(1)) else { return Err(self.damaged()) };
            let value = self.sound(value.parts_of(EXPLICIT_0))?;
            let [value] = value.as_slice() else { return Err(self.damaged()) };
            let says = self.attributes(parts.get(2))?;
            if contents.count() >= self.budget.limits().things {
                return Err(Error::TooMany { most: self.budget.limits().things, what: "things" });
            }
            match self.oid(kind)? {
                KEY_BAG => {
                    let pkcs8 = Zeroizing::new(value.whole.to_vec());
                    contents.keys.push(Key { pkcs8, label: says.name, local_id: says.local_id });
                }
                SHROUDED_KEY_BAG => {
                    let pkcs8 = self.shrouded(value)?;
                    contents.keys.push(Key { pkcs8, label: says.name, local_id: says.local_id });
                }
                CERTIFICATE_BAG => match self.certificate(value)? {
                    Some(der) => {
                        contents.certificates.push(Certificate { der, label: says.name, local_id: says.local_id });
                    }
                    None => contents.leave(says.name, "it is no X.509 certificate"),
                },
                NESTED_BAG if depth < MOST_DEPTH => self.bags(value.whole, contents, depth + 1)?,
                CRL_BAG => contents.leave(says.name, "lists of revoked certificates aren't kept in a vault"),
                SECRET_BAG => match self.secret(value)? {
                    Some((kind, value)) => {
                        contents.secrets.push(Secret { kind, value, label: says.name, id: says.local_id });
                    }
                    None => contents.leave(says.name, "it is a secret of an unknown kind"),
                },
                other => contents.leave(says.name, &format!("it is of an unknown kind ({other})")),
            }
        }
        Ok(())
    }

    fn shrouded(&self, value: &Element<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let parts = self.sound(value.parts_of(SEQUENCE))?;
        let [algorithm, encrypted] = parts.as_slice() else { return Err(self.damaged()) };
        let encrypted = self.sound(encrypted.octets(OCTET_STRING))?;
        decrypt(&self.algorithm(algorithm)?, &encrypted, self.password, self.budget)
    }

    /// A secret key as Java writes it: like a private key, with a cipher where the key's type stands.
    fn secret(&self, value: &Element<'_>) -> Result<Option<(ObjectIdentifier, SecretBytes)>> {
        let parts = self.sound(value.parts_of(SEQUENCE))?;
        let [kind, value] = parts.as_slice() else { return Err(self.damaged()) };
        if self.oid(kind)? != SHROUDED_KEY_BAG {
            return Ok(None);
        }
        let value = self.sound(value.parts_of(EXPLICIT_0))?;
        let octets = self.sound(value.first().and_then(|value| value.octets(OCTET_STRING)))?;
        let decrypted = self.shrouded(&self.sound(Element::only(&octets))?)?;
        let parts = self.sound(Element::only(&decrypted).and_then(|key| key.parts_of(SEQUENCE)))?;
        let [_, algorithm, key, ..] = parts.as_slice() else { return Err(self.damaged()) };
        let key = self.sound(key.contents_of(OCTET_STRING))?;
        Ok(Some((self.algorithm(algorithm)?.oid, SecretBytes::from_slice(key))))
    }

    fn certificate(&self, value: &Element<'_>) -> Result<Option<Vec<u8>>> {
        let parts = self.sound(value.parts_of(SEQUENCE))?;
        let [kind, value] = parts.as_slice() else { return Err(self.damaged()) };
        if self.oid(kind)? != X509_CERTIFICATE {
            return Ok(None);
        }
        let value = self.sound(value.parts_of(EXPLICIT_0))?;
        let [value] = value.as_slice() else { return Err(self.damaged()) };
        self.sound(value.octets(OCTET_STRING)).map(|der| Some(der.to_vec()))
    }

    fn attributes(&self, attributes: Option<&Element<'_>>) -> Result<Says> {
        let mut says = Says::default();
        let Some(attributes) = attributes else { return Ok(says) };
        for attribute in self.sound(attributes.parts_of(SET))? {
            let parts = self.sound(attribute.parts_of(SEQUENCE))?;
            let [kind, values] = parts.as_slice() else { return Err(self.damaged()) };
            let values = self.sound(values.parts_of(SET))?;
            match (self.oid(kind)?, values.as_slice()) {
                (FRIENDLY_NAME, [name]) => {
                    let name = name.contents_of(BMP_STRING).and_then(|name| BmpString::from_ucs2(name).ok());
                    says.name = Some(self.sound(name)?.to_string());
                }
                (LOCAL_KEY_ID, [id]) => says.local_id = Some(self.sound(id.contents_of(OCTET_STRING))?.to_vec()),
                _ => {}
            }
        }
        Ok(says)
    }

    fn algorithm<'e>(&self, algorithm: &Element<'e>) -> Result<Algorithm<'e>> {
        let parts = self.sound(algorithm.parts_of(SEQUENCE))?;
        let oid = self.oid(parts.first().ok_or_else(|| self.damaged())?)?;
        Ok(Algorithm { oid, parameters: parts.get(1).map_or(&[], |parameters| parameters.whole) })
    }

    fn oid(&self, element: &Element<'_>) -> Result<ObjectIdentifier> {
        let contents = element.contents_of(OBJECT_IDENTIFIER);
        self.sound(contents.and_then(|contents| ObjectIdentifier::from_bytes(contents).ok()))
    }

    fn sound<T>(&self, parsed: Option<T>) -> Result<T> {
        parsed.ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> Error {
        Error::Damaged("PKCS#12")
    }
}

impl Contents {
    fn leave(&mut self, label: Option<String>, reason: &str) {
        self.left.push(Left { label, reason: reason.to_owned() });
    }

    fn count(&self) -> usize {
        self.keys.len() + self.certificates.len() + self.secrets.len() + self.left.len()
    }
}

/// What a bag says of its contents.
#[derive(Default)]
struct Says {
    name: Option<String>,
    local_id: Option<Vec<u8>>,
}

/// Bags in bags, which nobody writes.
const MOST_DEPTH: usize = 8;
