//! Who asks, and whom the command trusts: the options, else the environment, as the vault's own client takes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Error, Result};
use super::address::Address;
use super::{Access, variable};
use crate::certificate::pem;
use crate::config::{self, AzureConfig, AzureCredential, Origin, SecretText};

/// Time for a request and its repetitions: an RSA key of 4096 bits is made within one.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A vault at an address, for who is named by the options or by the environment.
pub(super) fn configuration(address: &Address, access: &Access) -> Result<AzureConfig> {
    let mut config = AzureConfig::at(address.origin().clone(), credential(access)?);
    config.remote.timeout = PATIENCE;
    config.remote.authorities = authorities(access.ca.as_deref())?;
    config.tenant = variable("AZURE_TENANT_ID");
    config.authority = variable("AZURE_AUTHORITY_HOST").map(|host| authority(&host)).transpose()?;
    Ok(config)
}

fn credential(access: &Access) -> Result<AzureCredential> {
    if let Some(file) = &access.token_file {
        let bytes = config::read_pin_file(file)?;
        let text = std::str::from_utf8(&bytes).map(str::trim).ok();
        let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        let text = text.ok_or_else(|| Error::refused(format!("{} holds no token.", file.display())))?;
        return Ok(AzureCredential::Token(SecretText::new(text.to_owned())));
    }
    match (variable("AZURE_CLIENT_ID"), variable("AZURE_CLIENT_SECRET").map(SecretText::new)) {
        (Some(client_id), Some(secret)) => Ok(AzureCredential::ClientSecret { client_id, secret: Some(secret) }),
        _ => Err(Error::refused(
            "Nobody is named who may ask the server: set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (and AZURE_TENANT_ID), \
             or give a token with --token-file FILE.",
        )),
    }
}

fn authority(host: &str) -> Result<Origin> {
    let address = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    Origin::parse(&address).map_err(|problem| Error::refused(format!("AZURE_AUTHORITY_HOST: {problem}.")))
}

/// A file that is named; without one the system's count.
fn authorities(ca: Option<&Path>) -> Result<Option<Vec<u8>>> {
    let named = || ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].into_iter().find_map(variable).map(PathBuf::from);
    let Some(file) = ca.map(Path::to_path_buf).or_else(named) else { return Ok(None) };
    let contents = std::fs::read(&file).map_err(|source| Error::File { path: file.clone(), source })?;
    match pem::blocks(&contents)?.into_iter().any(|(tag, _)| tag == "CERTIFICATE") {
        true => Ok(Some(contents)),
        false => Err(Error::refused(format!("{} holds no certificate in PEM.", file.display()))),
    }
}
