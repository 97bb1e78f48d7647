//! A vault with objects of every kind, 50 names with three versions where versions exist, and the check that all of them
//! are there and do their work.

use std::path::Path;

use strongroom::crypto::{self, Curve, PublicKey};
use strongroom::vault::*;

use crate::faults::{name, secret_draft, signs_correctly, unlocked};

/// How many names.
pub const NAMES: usize = 50;
const VERSIONS: usize = 3;

/// Fills the vault in `path`. Says how many objects there are.
pub fn fill(path: &Path) -> usize {
    let vault = unlocked(path);
    for index in 0..NAMES {
        let label = format!("object-{index}");
        for version in 0..VERSIONS {
            match index % 12 {
                0 => pair(&*vault, &label, KeyAlgorithm::Ec(Curve::P256)),
                1 => pair(&*vault, &label, KeyAlgorithm::Ec(Curve::P384)),
                2 => pair(&*vault, &label, KeyAlgorithm::Ec(Curve::P521)),
                3 => pair(&*vault, &label, KeyAlgorithm::Ec(Curve::Secp256k1)),
                4 => pair(&*vault, &label, KeyAlgorithm::Ed25519),
                5 => rsa(&*vault, &label),
                6 => generate(&*vault, &label, KeyAlgorithm::Aes { bits: 256 }),
                7 => generate(&*vault, &label, KeyAlgorithm::Generic { bytes: 20 }),
                8 => create(&*vault, secret_draft(&label, format!("value {version}").as_bytes())),
                9 => public(&*vault, &label, Class::Certificate, Naming::Set(name(&label))),
                10 if version == 0 => public(&*vault, &label, Class::Data, Naming::None),
                11 if version == 0 => public(&*vault, &label, Class::Other(0x8000_0001), Naming::None),
                _ => {}
            }
        }
    }
    vault.image().len()
}

fn draft(label: &str, class: Class, usage: Usage) -> Draft {
    let mut content = Content::new(class);
    content.label = label.as_bytes().to_vec();
    content.usage = usage;
    content.attributes.insert(0x8000_0042, b"of a vendor".as_slice().into());
    Draft { content, naming: Naming::Set(name(label)), secret: None }
}

fn pair(vault: &dyn Vault, label: &str, algorithm: KeyAlgorithm) {
    let private = draft(label, Class::PrivateKey, Usage::SIGN);
    vault.generate_pair(algorithm, private, draft(label, Class::PublicKey, Usage::VERIFY)).unwrap();
}

/// Imported: generating takes too long for so many tests.
fn rsa(vault: &dyn Vault, label: &str) {
    let pkcs8 = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys/rsa-2048.pk8")).unwrap();
    let key = crypto::PrivateKey::from_pkcs8(&pkcs8).unwrap();
    let public: PublicKey = key.public_key().clone();
    let described = KeyDescription { algorithm: key.algorithm(), public: public.spki().into() };
    let mut halves = vec![draft(label, Class::PrivateKey, Usage::SIGN), draft(label, Class::PublicKey, Usage::VERIFY)];
    halves.iter_mut().for_each(|half| half.content.key = Some(described.clone()));
    halves[0].secret = Some(SecretBytes::from_slice(&pkcs8));
    vault.create(halves).unwrap();
}

fn generate(vault: &dyn Vault, label: &str, algorithm: KeyAlgorithm) {
    vault.generate_secret(algorithm, draft(label, Class::SecretKey, Usage::ENCRYPT)).unwrap();
}

fn create(vault: &dyn Vault, draft: Draft) {
    vault.create(vec![draft]).unwrap();
}

fn public(vault: &dyn Vault, label: &str, class: Class, naming: Naming) {
    let mut draft = Draft { naming, ..draft(label, class, Usage::empty()) };
    draft.content.value = Some(vec![0x30; 700].into());
    create(vault, draft);
}

/// Changes every object once, so that each row has an older copy of itself.
pub fn touch_everything(path: &Path) {
    let vault = unlocked(path);
    let numbers: Vec<ObjectNumber> = vault.image().objects().map(|object| object.number).collect();
    let mut edit = |content: &mut Content| {
        content.tags.insert("touched".into(), "yes".into());
        Ok(())
    };
    vault.change(&numbers, &mut edit).unwrap();
}

/// An object with its secret part.
pub type Whole = (Object, Option<SecretBytes>);

/// Logs in and takes out everything; each private key has signed correctly.
pub fn inspect(path: &Path) -> Result<Vec<Whole>> {
    let vault = crate::faults::open(path);
    vault.unlock(&crate::faults::user(crate::faults::USER_PIN))?;
    let mut everything = Vec::new();
    for object in vault.image().objects() {
        let secret = match object.has_secret {
            true => Some(vault.secret(object.number)?),
            false => None,
        };
        if object.content.class == Class::PrivateKey {
            signs_correctly(&*vault, object)?;
        }
        everything.push(((**object).clone(), secret));
    }
    Ok(everything)
}
