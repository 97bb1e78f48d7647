//! `strongroom byok`: bring your own key. A key is wrapped for a key pair of the vault that is to have it, whose one
//! permitted operation is `import`, into the file that `az keyvault key import --byok-file` takes.
//!
//! The key comes from a file, from a vault that lets it out, or from another PKCS#11 token, which wraps it itself: then it
//! is never in the clear outside of the token.

mod blob;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use self::blob::Blob;
use super::import::module::byok::{Target, Wanted};
use super::import::module::{Module, Which};
use super::key::Material;
use super::passphrase::PassphraseSource;
use super::{Context, Error, Result, ask, kind, versions};
use crate::crypto::PublicKey;
use crate::server::keys::kty::curve_name;
use crate::vault::{Class, Collection, KeyAlgorithm, SecretBytes};

/// What is done.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Wrap a key for a vault's key with key_ops import, into a file that only that vault opens
    Wrap(Wrap),
}

/// Which key, for whom, and where to.
#[derive(Args)]
#[group(id = "source", required = true, multiple = false, args = ["file", "key", "module"])]
pub(super) struct Wrap {
    /// A file with the key: PEM or DER of PKCS#8 (also encrypted), PKCS#1 or SEC 1; `-` is standard input
    file: Option<PathBuf>,
    /// A key of the vault that --vault names, which must be exportable
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// A key of another PKCS#11 module's token, by the module's path
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,
    /// The label of the token, if there are several
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// The slot of the token, if there are several
    #[arg(long, value_name = "NUMBER", requires = "module")]
    slot: Option<u64>,
    /// The key's label on the token
    #[arg(long, value_name = "LABEL", requires = "module")]
    label: Option<String>,
    /// The key's id on the token, in hexadecimal digits
    #[arg(long, value_name = "HEX", requires = "module")]
    id: Option<String>,
    /// Read the user PIN of the token from this file
    #[arg(long, value_name = "FILE", requires = "module")]
    source_pin_file: Option<PathBuf>,
    /// The file holds the bare bytes of a secret key of this kind
    #[arg(long, value_parser = kind::secret_parser(), requires = "file")]
    kind: Option<KeyAlgorithm>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    /// The key to wrap for: its public half in PEM, or its address at a server, as the identifier of the key says it
    #[arg(long, value_name = "FILE_OR_URL")]
    kek: String,
    /// The identifier of that key, as its vault says it (default: what its server says)
    #[arg(long, value_name = "URL")]
    kid: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    let Verb::Wrap(wrap) = verb;
    let (kek, kid) = wrap.key_encryption_key(context)?;
    if !matches!(kek.algorithm(), KeyAlgorithm::Rsa { bits: 2048.. }) {
        return Err(Error::refused(format!("{} is no RSA key of 2048 bits or more: others wrap no keys.", wrap.kek)));
    }
    let (algorithm, ciphertext) = match (&wrap.file, &wrap.key, &wrap.module) {
        (Some(file), ..) => {
            let material = Material::read(context, file, wrap.kind, &wrap.passphrase)?;
            let algorithm = takable(material.algorithm()?)?;
            (
                algorithm,
                match &material {
                    Material::Secret(_, value) => blob::wrap(&kek, value)?,
                    Material::Private(pkcs8) => blob::wrap(&kek, pkcs8.expose())?,
                },
            )
        }
        (_, Some(name), _) => {
            let (algorithm, secret) = exportable(context, name)?;
            (takable(algorithm)?, blob::wrap(&kek, secret.expose())?)
        }
        (_, _, Some(module)) => {
            let Target { algorithm, ciphertext } = wrap.on_token(module, &kek)?;
            (takable(algorithm)?, ciphertext)
        }
        (None, None, None) => return Err(Error::Usage("Say which key: a file, --key or --module.".into())),
    };
    Blob::new(&kid, &ciphertext).write(&wrap.out, wrap.force)?;
    wrap.report(context, &kid, algorithm)
}

/// What Key Vault's API has a name for.
fn takable(algorithm: KeyAlgorithm) -> Result<KeyAlgorithm> {
    match algorithm {
        KeyAlgorithm::Rsa { .. } | KeyAlgorithm::Ec(_) | KeyAlgorithm::Aes { .. } => Ok(algorithm),
        other => Err(Error::refused(format!(
            "A key of kind {} has no place in Key Vault's API: RSA, EC and AES keys have.",
            kind::text(other)
        ))),
    }
}

/// The secret part of a vault's key that may leave it.
fn exportable(context: &Context, name: &str) -> Result<(KeyAlgorithm, SecretBytes)> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, Collection::Keys, name)?;
    let main = named.current().main();
    if main.content.class == Class::PublicKey {
        return Err(Error::refused(format!("{name} has no private part in this vault.")));
    }
    if !main.content.may_leave_wrapped() {
        return Err(Error::refused(format!(
            "The key {name} isn't exportable: it stays in its vault. Make one with --exportable where it is to leave."
        )));
    }
    let described =
        main.content.key.as_ref().ok_or_else(|| Error::refused(format!("{name} is no key of a known kind.")))?;
    Ok((described.algorithm, opened.vault.secret(main.number)?))
}

impl Wrap {
    /// The public half of the key to wrap for, and what that key is called.
    fn key_encryption_key(&self, context: &Context) -> Result<(PublicKey, String)> {
        if self.kek.starts_with("https://") {
            let (key, kid) = super::remote::key_encryption_key(context, &self.kek)?;
            return Ok((key, self.kid.clone().unwrap_or(kid)));
        }
        let kid = self.kid.clone().ok_or_else(|| {
            Error::Usage(
                "Say with --kid what the vault calls the key to wrap for: `az keyvault key show` prints it.".into(),
            )
        })?;
        let contents = super::key::read_key_file(Path::new(&self.kek))?;
        Ok((blob::public_key(&self.kek, &contents)?, kid))
    }

    fn on_token(&self, module: &Path, kek: &PublicKey) -> Result<Target> {
        if self.label.is_none() && self.id.is_none() {
            return Err(Error::Usage("Say which key of the token: --label or --id.".into()));
        }
        let id = self.id.as_deref().map(hexadecimal).transpose()?;
        let wanted = Wanted { label: self.label.as_deref(), id: id.as_deref() };
        let module = Module::load(module, &Which { label: self.token.as_deref(), slot: self.slot })?;
        let asks = module.asks_for_pin() || self.source_pin_file.is_some();
        let source = ask::Source { file: self.source_pin_file.as_deref(), stdin: false, option: "--source-pin-file" };
        let pin = asks.then(|| ask::pin(source, &format!("User PIN of the token {}", module.label()))).transpose()?;
        let target = module.wrap_for(pin.as_ref(), &wanted, kek)?;
        module.end()?;
        Ok(target)
    }

    /// What the vault that takes the key in has to be told beside the file.
    fn report(&self, context: &Context, kid: &str, algorithm: KeyAlgorithm) -> Result<()> {
        let (kty, curve) = match algorithm {
            KeyAlgorithm::Rsa { .. } => ("RSA", None),
            KeyAlgorithm::Ec(curve) => ("EC", Some(curve_name(curve))),
            _ => ("oct", None),
        };
        let out = self.out.display();
        let more = curve.map_or(String::new(), |curve| format!(" --curve {curve}"));
        context.output.note(&format!(
            "Only the vault of {kid} opens it: `az keyvault key import --vault-name VAULT --name NAME --kty {kty}{more} \
             --byok-file {out}`."
        ));
        context.output.done(
            &format!("Wrapped a key of kind {} into {out}.", kind::text(algorithm)),
            &json!({ "file": self.out, "kid": kid, "kind": kind::text(algorithm), "kty": kty, "curve": curve }),
        )
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>> {
    let wrong = || Error::Usage(format!("{text:?} is no id: write it in hexadecimal digits, two for a byte."));
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(wrong());
    }
    let digit = |letter: u8| char::from(letter).to_digit(16).ok_or_else(wrong);
    pairs.iter().map(|[high, low]| Ok((digit(*high)? * 16 + digit(*low)?) as u8)).collect()
}
