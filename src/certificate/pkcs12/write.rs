//! Writing PKCS#12 as OpenSSL 3 does: certificates and key under PBES2 with AES-256 and PBKDF2, and a code by HMAC-SHA256
//! over all of it.

use der::asn1::{Any, BmpString, Null, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode, Encode, Sequence};
use pkcs5::pbes2::{PBES2_OID, Parameters};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;
use zeroize::Zeroizing;

use super::super::encryption::{Password, mac, mac_key};
use super::super::{Error, Result, digest};
use super::{CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, LOCAL_KEY_ID, SHROUDED_KEY_BAG, X509_CERTIFICATE};
use crate::crypto::{self, DigestAlgorithm, SecretBytes, hkdf_expand, hkdf_extract};

/// What goes into a file.
#[derive(Clone, Copy)]
pub struct Bundle<'a> {
    /// PKCS#8 of the private key; without one the file holds certificates only.
    pub key: Option<&'a SecretBytes>,
    /// DER of the key's certificate, then of its issuers.
    pub chain: &'a [&'a [u8]],
    /// What people call key and certificate.
    pub label: &'a str,
}

/// How a file is encrypted.
pub struct Protection<'a> {
    passphrase: &'a str,
    rounds: u32,
    salts: Salts,
}

/// What makes two files of the same contents differ.
#[derive(Default)]
struct Salts {
    key: [u8; SALT_LEN],
    key_iv: [u8; SALT_LEN],
    certificates: [u8; SALT_LEN],
    certificates_iv: [u8; SALT_LEN],
    code: [u8; SALT_LEN],
}

impl<'a> Protection<'a> {
    /// Under a passphrase, with random salts.
    pub fn new(passphrase: &'a str) -> Result<Self> {
        let mut salts = Salts::default();
        salts.all().into_iter().try_for_each(|salt| crypto::random(salt))?;
        Ok(Self { passphrase, rounds: ROUNDS, salts })
    }
}

impl Protection<'static> {
    /// Under the empty passphrase, which protects nothing: the file is as secret as its key. Salts come from its contents,
    /// so that it is the same file whenever it is made of the same things.
    pub fn none(bundle: &Bundle<'_>) -> Result<Self> {
        let key = bundle.key.map_or(&[][..], SecretBytes::expose);
        let mut contents = bundle.label.as_bytes().to_vec();
        for certificate in bundle.chain {
            contents.extend(digest::<32>(DigestAlgorithm::Sha256, certificate));
        }
        let seed = hkdf_extract(DigestAlgorithm::Sha256, &contents, key)?;
        let mut salts = Salts::default();
        let all = hkdf_expand(DigestAlgorithm::Sha256, seed.expose(), SALTS_FOR, 5 * SALT_LEN)?;
        for (salt, derived) in salts.all().into_iter().zip(all.expose().chunks_exact(SALT_LEN)) {
            salt.copy_from_slice(derived);
        }
        Ok(Self { passphrase: "", rounds: FEW_ROUNDS, salts })
    }
}

impl Salts {
    fn all(&mut self) -> [&mut [u8; SALT_LEN]; 5] {
        [&mut self.key, &mut self.key_iv, &mut self.certificates, &mut self.certificates_iv, &mut self.code]
    }
}

/// The file. It is a secret even where it is encrypted: its passphrase may be guessed, or none.
pub fn write(bundle: &Bundle<'_>, protection: &Protection<'_>) -> Result<SecretBytes> {
    let leaf = bundle.chain.first().ok_or(Error::NoLeaf)?;
    let local_id = digest::<20>(DigestAlgorithm::Sha1, leaf);
    let says = attributes(bundle, &local_id)?;
    let mut safes = vec![certificates(bundle, &says, protection)?];
    if let Some(key) = bundle.key {
        let bag = shrouded_key(key, protection)?;
        let bag = Bag { kind: SHROUDED_KEY_BAG, value: Any::encode_from(&bag)?, attributes: Some(says) };
        safes.push(Content::data(&vec![bag].to_der()?)?);
    }
    let safes = Zeroizing::new(safes.to_der()?);
    let file = File { version: 3, contents: Content::data(&safes)?, code: code(&safes, protection)? };
    let file = Zeroizing::new(file.to_der()?);
    Ok(SecretBytes::from_slice(&file))
}

fn certificates(bundle: &Bundle<'_>, says: &SetOfVec<Attribute>, protection: &Protection<'_>) -> Result<Content> {
    let mut bags = Vec::with_capacity(bundle.chain.len());
    for (index, certificate) in bundle.chain.iter().enumerate() {
        let bag = CertificateBag { kind: X509_CERTIFICATE, value: OctetString::new(*certificate)? };
        // Only the key's own certificate is linked to it.
        let attributes = (index == 0).then(|| says.clone());
        bags.push(Bag { kind: CERTIFICATE_BAG, value: Any::encode_from(&bag)?, attributes });
    }
    let salts = &protection.salts;
    let (algorithm, encrypted) = encrypted(&bags.to_der()?, protection, &salts.certificates, salts.certificates_iv)?;
    let inner = EncryptedContent { kind: DATA, algorithm, encrypted };
    Content::new(ENCRYPTED_DATA, &EncryptedData { version: 0, inner })
}

fn shrouded_key(key: &SecretBytes, protection: &Protection<'_>) -> Result<ShroudedKey> {
    let salts = &protection.salts;
    let (algorithm, encrypted) = encrypted(key.expose(), protection, &salts.key, salts.key_iv)?;
    Ok(ShroudedKey { algorithm, encrypted })
}

fn encrypted(
    contents: &[u8],
    protection: &Protection<'_>,
    salt: &[u8],
    iv: [u8; SALT_LEN],
) -> Result<(AlgorithmIdentifierOwned, OctetString)> {
    let failed = |error: pkcs5::Error| Error::Library(error.to_string());
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(protection.rounds, salt, iv).map_err(failed)?;
    let encrypted = parameters.encrypt(protection.passphrase, contents).map_err(failed)?;
    let algorithm =
        AlgorithmIdentifierOwned { oid: PBES2_OID, parameters: Some(Any::from_der(&parameters.to_der()?)?) };
    Ok((algorithm, OctetString::new(encrypted)?))
}

fn code(safes: &[u8], protection: &Protection<'_>) -> Result<Code> {
    let salt = &protection.salts.code;
    let key = mac_key(DigestAlgorithm::Sha256, Password::new(protection.passphrase), salt, protection.rounds)?;
    let digest = mac(DigestAlgorithm::Sha256, &key, safes)?;
    let algorithm = AlgorithmIdentifierOwned { oid: SHA256, parameters: Some(Any::encode_from(&Null)?) };
    Ok(Code {
        digest: DigestInfo { algorithm, digest: OctetString::new(digest.expose())? },
        salt: OctetString::new(*salt)?,
        rounds: protection.rounds,
    })
}

/// By which readers link key and certificate, and what they call both.
fn attributes(bundle: &Bundle<'_>, local_id: &[u8; 20]) -> Result<SetOfVec<Attribute>> {
    let one = |oid, value: Any| -> Result<Attribute> {
        Ok(Attribute { oid, values: SetOfVec::from_iter([value]).map_err(Error::from)? })
    };
    let mut attributes = SetOfVec::new();
    if bundle.key.is_some() {
        attributes.insert(one(LOCAL_KEY_ID, Any::encode_from(&OctetString::new(*local_id)?)?)?)?;
    }
    if !bundle.label.is_empty() {
        let label = BmpString::from_utf8(bundle.label).map_err(|_| Error::Library("its label".to_owned()))?;
        attributes.insert(one(FRIENDLY_NAME, Any::encode_from(&label)?)?)?;
    }
    Ok(attributes)
}

/// PFX (RFC 7292 §4).
#[derive(Sequence)]
struct File {
    version: u8,
    contents: Content,
    code: Code,
}

/// ContentInfo (RFC 5652 §3).
#[derive(Sequence)]
struct Content {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: Any,
}

impl Content {
    fn new(kind: ObjectIdentifier, value: &(impl Encode + der::Tagged + der::EncodeValue)) -> Result<Self> {
        Ok(Self { kind, value: Any::encode_from(value)? })
    }

    fn data(contents: &[u8]) -> Result<Self> {
        Self::new(DATA, &OctetString::new(contents)?)
    }
}

/// EncryptedData (RFC 5652 §8).
#[derive(Sequence)]
struct EncryptedData {
    version: u8,
    inner: EncryptedContent,
}

/// EncryptedContentInfo (RFC 5652 §6.1).
#[derive(Sequence)]
struct EncryptedContent {
    kind: ObjectIdentifier,
    algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    encrypted: OctetString,
}

/// SafeBag (RFC 7292 §4.2).
#[derive(Sequence)]
struct Bag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: Any,
    #[asn1(optional = "true")]
    attributes: Option<SetOfVec<Attribute>>,
}

/// CertBag (RFC 7292 §4.2.3).
#[derive(Sequence)]
struct CertificateBag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: OctetString,
}

/// EncryptedPrivateKeyInfo (RFC 5958 §3).
#[derive(Sequence)]
struct ShroudedKey {
    algorithm: AlgorithmIdentifierOwned,
    encrypted: OctetString,
}

/// MacData (RFC 7292 §4).
#[derive(Sequence)]
struct Code {
    digest: DigestInfo,
    salt: OctetString,
    rounds: u32,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SALT_LEN: usize = 16;
const SALTS_FOR: &[u8] = b"strongroom: salts of a PKCS#12 file without passphrase";
/// Where a passphrase protects: certificates, key and code are each guessed at as fast as the cheapest of them. .NET takes
/// no file that asks for more than 300,000 at one of them.
const ROUNDS: u32 = 100_000;
/// Where none does: as many as OpenSSL writes.
const FEW_ROUNDS: u32 = 2048;
