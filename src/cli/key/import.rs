//! `strongroom key import`: a key that was made elsewhere.

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::super::passphrase::PassphraseSource;
use super::super::{Context, Error, Result, ask, kind};
use super::create::secret_key_id;
use super::{Properties, draft, material, show};
use crate::crypto;
use crate::vault::{Class, Content, Draft, KeyAlgorithm, KeyDescription, Name, Naming, SecretBytes, Usage};

#[derive(Args)]
pub(in super::super) struct Import {
    /// The new key's name
    pub name: String,
    /// PEM or DER of PKCS#8 (also encrypted), PKCS#1 or SEC 1; `-` is standard input
    file: PathBuf,
    /// The file holds the bare bytes of a secret key of this kind
    #[arg(long, value_parser = kind::secret_parser())]
    kind: Option<KeyAlgorithm>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    pub properties: Properties,
}

/// A key in the clear, checked.
pub(in super::super) enum Material {
    /// The bytes of a secret key.
    Secret(KeyAlgorithm, Zeroizing<Vec<u8>>),
    /// PKCS#8 of a private key.
    Private(SecretBytes),
}

pub(super) fn run(context: &Context, import: Import) -> Result<()> {
    import.properties.validity.check(context)?;
    let name = Name::new(&import.name)?;
    let material = import.material(context)?;
    let opened = context.unlocked()?;
    let allow_conflicting = opened.info.allow_conflicting_usage;
    let drafts = match material {
        Material::Secret(kind, contents) => {
            let usage = import.properties.usage(kind, allow_conflicting)?;
            vec![secret_key(&name, kind, usage, &import.properties, &contents)?]
        }
        Material::Private(pkcs8) => pair(&name, pkcs8, &import.properties, allow_conflicting)?,
    };
    let made = opened.vault.create(drafts)?;
    match made.first() {
        Some(object) => show::report(context, &opened, object, "Imported"),
        None => Ok(()),
    }
}

impl Import {
    /// The file's key.
    pub(in super::super) fn material(&self, context: &Context) -> Result<Material> {
        Material::read(context, &self.file, self.kind, &self.passphrase)
    }
}

impl Material {
    /// The key of a file; `kind` says that it holds the bare bytes of such a secret key.
    pub(in super::super) fn read(
        context: &Context,
        file: &Path,
        kind: Option<KeyAlgorithm>,
        passphrase: &PassphraseSource,
    ) -> Result<Self> {
        if context.global.pin_stdin && file.as_os_str() == "-" {
            return Err(Error::Usage("Standard input can't hold both the PIN and the key.".into()));
        }
        let contents = read_key_file(file)?;
        if let Some(kind) = kind {
            secret_key_len(kind, &contents)?;
            return Ok(Self::Secret(kind, contents));
        }
        material::private_key(&file.display().to_string(), &contents, &passphrase.passphrase()).map(Self::Private)
    }

    /// Kind and size.
    #[cfg(feature = "server")]
    pub(in super::super) fn algorithm(&self) -> Result<KeyAlgorithm> {
        match self {
            Self::Secret(kind, _) => Ok(*kind),
            Self::Private(pkcs8) => Ok(crypto::PrivateKey::from_pkcs8(pkcs8.expose())?.algorithm()),
        }
    }
}

/// A key or certificate file, or standard input.
pub(in super::super) fn read_key_file(file: &Path) -> Result<Zeroizing<Vec<u8>>> {
    ask::value(Some(file))
}

fn pair(name: &Name, pkcs8: SecretBytes, properties: &Properties, allow_conflicting: bool) -> Result<Vec<Draft>> {
    let key = crypto::PrivateKey::from_pkcs8(pkcs8.expose())?;
    let algorithm = key.algorithm();
    let description = KeyDescription { algorithm, public: key.public_key().spki().into() };
    let (private_usage, public_usage) = kind::halves(properties.usage(algorithm, allow_conflicting)?);
    let half = |class, usage| {
        let mut content = Content::new(class);
        properties.apply(&mut content);
        content.usage = usage;
        content.id = key.public_key().key_id().to_vec();
        content.key = Some(description.clone());
        draft(content, name, Naming::New(name.clone()))
    };
    let mut private = half(Class::PrivateKey, private_usage);
    private.secret = Some(pkcs8);
    Ok(vec![private, half(Class::PublicKey, public_usage)])
}

fn secret_key(
    name: &Name,
    algorithm: KeyAlgorithm,
    usage: Usage,
    properties: &Properties,
    value: &[u8],
) -> Result<Draft> {
    let mut content = Content::new(Class::SecretKey);
    properties.apply(&mut content);
    content.usage = usage;
    content.id = secret_key_id()?;
    content.key = Some(KeyDescription { algorithm, public: [].into() });
    let mut draft = draft(content, name, Naming::New(name.clone()));
    draft.secret = Some(SecretBytes::from_slice(value));
    Ok(draft)
}

fn secret_key_len(algorithm: KeyAlgorithm, value: &[u8]) -> Result<()> {
    let expected = match algorithm {
        KeyAlgorithm::Aes { bits } => bits as usize / 8,
        KeyAlgorithm::Generic { bytes } => bytes as usize,
        _ => return Err(Error::Usage("--kind is for secret keys: a private key's file says its kind itself.".into())),
    };
    if value.len() == expected {
        return Ok(());
    }
    Err(Error::refused(format!(
        "A key of kind {} has {expected} bytes, the file {}: it must hold the bare bytes.",
        kind::text(algorithm),
        value.len()
    )))
}
