//! The token: from a file, or from the vault's authority for a client secret.

use serde::Deserialize;
use ureq::Agent;
use zeroize::Zeroizing;

use super::super::{Error, Result};
use super::authority::Authority;
use super::client::{Answer, exchange};
use super::{Access, variable};
use crate::config;

/// Who asks.
pub(super) enum Credential {
    /// A token that was got elsewhere.
    Token(Zeroizing<String>),
    /// A client secret (AZURE_CLIENT_SECRET).
    Secret { tenant: Option<String>, client: String, secret: Zeroizing<String> },
}

#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
}

#[derive(Deserialize, Default)]
struct Denied {
    #[serde(default)]
    error_description: String,
}

impl Credential {
    /// What the options say, else the environment.
    pub(super) fn find(access: &Access) -> Result<Self> {
        if let Some(file) = &access.token_file {
            let bytes = config::read_pin_file(file)?;
            let text = std::str::from_utf8(&bytes).map(str::trim).ok();
            let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
            let text = text.ok_or_else(|| Error::refused(format!("{} holds no token.", file.display())))?;
            return Ok(Self::Token(Zeroizing::new(text.to_owned())));
        }
        match (variable("AZURE_CLIENT_ID"), variable("AZURE_CLIENT_SECRET").map(Zeroizing::new)) {
            (Some(client), Some(secret)) => Ok(Self::Secret { tenant: variable("AZURE_TENANT_ID"), client, secret }),
            _ => Err(Error::refused(
                "Nobody is named who may ask the server: set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (and AZURE_TENANT_ID), \
                 or give a token with --token-file FILE.",
            )),
        }
    }

    /// A token for the resource of `authority`.
    pub(super) fn token(&self, agent: &Agent, authority: &Authority) -> Result<Zeroizing<String>> {
        let (tenant, client, secret) = match self {
            Self::Token(token) => return Ok(token.clone()),
            Self::Secret { tenant, client, secret } => (tenant, client, secret),
        };
        let tenant = tenant_of(tenant.as_deref(), authority)?;
        let form = form(client, secret, &authority.resource);
        let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.address);
        let kind = "application/x-www-form-urlencoded";
        let answer = exchange(agent, "POST", &url, None, Some((kind, form.as_bytes())))?;
        match serde_json::from_slice::<Granted>(&answer.body) {
            Ok(granted) if answer.status == 200 => Ok(granted.access_token),
            _ => Err(refused(client, authority, &answer)),
        }
    }
}

/// `adfs` asks under that name; any other tenant must be the one that the vault trusts.
fn tenant_of<'a>(configured: Option<&'a str>, authority: &'a Authority) -> Result<&'a str> {
    match configured {
        None => Ok(&authority.tenant),
        Some(tenant) if tenant.eq_ignore_ascii_case("adfs") => Ok(tenant),
        Some(tenant) if tenant.eq_ignore_ascii_case(&authority.tenant) => Ok(&authority.tenant),
        Some(tenant) => Err(Error::refused(format!(
            "The vault takes tokens of the tenant {}, and AZURE_TENANT_ID is {tenant}.",
            authority.tenant
        ))),
    }
}

fn refused(client: &str, authority: &Authority, answer: &Answer) -> Error {
    let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
    let why = denied.error_description.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    let why = if why.is_empty() { format!("it answered {}", answer.status) } else { why };
    Error::refused(format!(
        "{} gives {client} no token ({why}): check AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID.",
        authority.address
    ))
}

/// The form, in memory that is wiped and never grows. What isn't plainly harmless is escaped.
fn form(client: &str, secret: &str, resource: &str) -> Zeroizing<String> {
    let scope = format!("{resource}/.default");
    let fields =
        [("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope), ("client_secret", secret)];
    let room = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut form = Zeroizing::new(String::with_capacity(room));
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        form_urlencoded::byte_serialize(value.as_bytes()).for_each(|part| form.push_str(part));
    }
    form
}
