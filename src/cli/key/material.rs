//! Keys in files: PEM, and DER of PKCS#8, PKCS#1 and SEC 1.

use zeroize::Zeroizing;

use super::super::passphrase::Passphrase;
use super::super::{Error, Result};
use crate::certificate::pem::{self, Block};
use crate::certificate::private_key::{self, Form};
use crate::certificate::{self, Limits};
use crate::vault::SecretBytes;

/// PKCS#8, as the vault keeps it: read, checked and written anew, so that attributes of other programs stay outside.
pub(super) fn private_key(name: &str, contents: &[u8], passphrase: &Passphrase<'_>) -> Result<SecretBytes> {
    let der = first_key(name, contents, passphrase)?;
    if let Some(reason) = private_key::unsupported_kind(&der) {
        return Err(Error::refused(format!("{name}: {reason}.")));
    }
    Ok(private_key::checked(&der)?)
}

/// PKCS#8 of a private key's block; `parameters` are those of the block before.
pub(in super::super) fn block_to_pkcs8(
    name: &str,
    block: Block,
    der: Zeroizing<Vec<u8>>,
    parameters: Option<&Vec<u8>>,
    passphrase: &Passphrase<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    if block == Block::Old {
        return Err(Error::refused(format!(
            "{name}: the key is encrypted in OpenSSL's old way (\"Proc-Type: 4,ENCRYPTED\"), which isn't read: `openssl \
             pkey -in FILE | strongroom key import NAME -` decrypts it without leaving a copy."
        )));
    }
    let form = Form::of_block(block, der, parameters.map(Vec::as_slice)).map_err(|error| of_file(name, error))?;
    open(name, form.ok_or_else(|| no_key(name))?, passphrase)
}

/// PKCS#8 of a private key in any of the known forms of DER; `None` if it is in none of them.
pub(in super::super) fn der_to_pkcs8(
    name: &str,
    contents: &[u8],
    passphrase: &Passphrase<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    Form::of_der(contents).map(|form| open(name, form, passphrase)).transpose()
}

/// An error with the name of its file.
pub(in super::super) fn of_file(name: &str, error: certificate::Error) -> Error {
    Error::refused(format!("{name}: {error}."))
}

/// PKCS#8 DER of the first private key of a file.
fn first_key(name: &str, contents: &[u8], passphrase: &Passphrase<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let mut parameters = None;
    for (tag, der) in pem::blocks(contents)? {
        match Block::of(&tag) {
            Block::Parameters => parameters = Some(der),
            Block::PublicKey | Block::Certificate | Block::Request | Block::Other => {}
            private => return block_to_pkcs8(name, private, der, parameters.as_deref(), passphrase),
        }
    }
    der_to_pkcs8(name, contents, passphrase)?.ok_or_else(|| no_key(name))
}

fn open(name: &str, form: Form, passphrase: &Passphrase<'_>) -> Result<Zeroizing<Vec<u8>>> {
    form.open(|| passphrase.get(), &Limits::COMMAND).map_err(|error| match error {
        Error::Certificate(error) => of_file(name, error),
        other => other,
    })
}

fn no_key(name: &str) -> Error {
    Error::refused(format!(
        "{name} holds no private key that is known, or is damaged: PEM or DER of PKCS#8, PKCS#1 or SEC 1 is read."
    ))
}
