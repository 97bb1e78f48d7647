//! The challenge: which authority a vault's tokens come from, and whether a credential may be shown to it.
//!
//! A vault names both in its answer to a request without a token. Its resource must cover its own host, as the official
//! SDKs require, or a server could ask for tokens that count at others. And it can't send a client secret to an authority
//! of its choice: that must be the one of AZURE_AUTHORITY_HOST, or lie beside the vault, under its own domain, or be Azure's.

use super::super::{Error, Result};
use super::address::Address;

/// Authorities of Azure's clouds, whose vaults lie under another domain.
const AZURE: [&str; 3] = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// Where tokens for a vault come from, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// The authority's origin.
    pub address: Address,
    /// The one segment of its path.
    pub tenant: String,
    /// What the token is for.
    pub resource: String,
}

impl Authority {
    /// What a challenge says, for the vault at `vault`; `wanted` is AZURE_AUTHORITY_HOST.
    pub(super) fn of(challenge: &str, vault: &Address, wanted: Option<&str>) -> Result<Self> {
        let strange =
            || Error::refused(format!("{vault} doesn't say where its tokens come from: is it a vault's address?"));
        let authorization = parameter(challenge, "authorization").or_else(|| parameter(challenge, "authorization_uri"));
        let (authorization, resource) = authorization.zip(parameter(challenge, "resource")).ok_or_else(strange)?;
        let rest = authorization.strip_prefix("https://").ok_or_else(strange)?;
        let (host, tenant) = rest.trim_end_matches('/').split_once('/').ok_or_else(strange)?;
        if tenant.is_empty() || !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            return Err(strange());
        }
        let address = Address::parse(&format!("https://{host}"))?;
        let resource_address = Address::parse(resource.trim_end_matches('/'))?;
        if !vault.authority().ends_with(&format!(".{}", resource_address.authority())) {
            return Err(Error::refused(format!(
                "{vault} asks for a token for {resource}, which doesn't cover it: nothing was sent. Use the vault's name \
                 below that domain as its address."
            )));
        }
        let authority =
            Self { address, tenant: tenant.to_owned(), resource: resource.trim_end_matches('/').to_owned() };
        authority.check(vault, wanted)?;
        Ok(authority)
    }

    fn check(&self, vault: &Address, wanted: Option<&str>) -> Result<()> {
        if let Some(wanted) = wanted {
            let text = if wanted.contains("://") { wanted.to_owned() } else { format!("https://{wanted}") };
            return match Address::parse(&text)? == self.address {
                true => Ok(()),
                false => Err(Error::refused(format!(
                    "{vault} takes tokens of {}, and AZURE_AUTHORITY_HOST is {wanted}: nothing was sent.",
                    self.address
                ))),
            };
        }
        // Not the resource's domain: a vault could name one as wide as `com`.
        let domain = vault.host().split_once('.').map_or("", |(_, domain)| domain);
        let own = !domain.is_empty() && self.address.host().ends_with(&format!(".{domain}"));
        if own || AZURE.contains(&self.address.authority()) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{vault} takes tokens of {}, which isn't under its own domain: if the credential is of that authority, set \
             AZURE_AUTHORITY_HOST to it.",
            self.address
        )))
    }
}

/// The value of a parameter of a challenge (RFC 9110 §11.2).
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = challenge.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = rest.split(',').filter_map(|part| part.trim().split_once('='));
    parameters
        .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vault: &str, authority: &str, resource: &str, wanted: Option<&str>) -> Option<String> {
        let challenge = format!(r#"Bearer authorization="{authority}", resource="{resource}""#);
        let vault = Address::parse(vault).unwrap();
        Authority::of(&challenge, &vault, wanted).map(|found| format!("{} {}", found.address, found.tenant)).ok()
    }

    #[test]
    fn an_authority_under_the_vaults_own_domain_and_azures_are_taken() {
        let own = of("https://a.v.example:8443", "https://login.v.example:8443/t-1", "https://v.example:8443", None);
        assert_eq!(own.as_deref(), Some("https://login.v.example:8443 t-1"));
        let azure =
            of("https://a.vault.azure.net", "https://login.microsoftonline.com/t", "https://vault.azure.net", None);
        assert_eq!(azure.as_deref(), Some("https://login.microsoftonline.com t"));
    }

    #[test]
    fn a_resource_that_does_not_cover_the_vault_is_refused() {
        for resource in ["https://vault.azure.net", "https://b.v.example", "https://v.example:1", "x"] {
            assert_eq!(of("https://a.v.example", "https://login.v.example/t", resource, None), None, "{resource}");
        }
        assert_eq!(of("https://av.example", "https://login.v.example/t", "https://v.example", None), None);
    }

    #[test]
    fn a_vault_can_not_send_the_secret_elsewhere() {
        let taken =
            |authority: &str, wanted| of("https://a.v.example", authority, "https://v.example", wanted).is_some();
        assert!(!taken("https://evil.example/t", None));
        assert!(!taken("https://loginv.example/t", None));
        assert!(!taken("http://login.v.example/t", None));
        assert_eq!(
            of("https://a.v.example", "https://evil.example/t", "https://example", None),
            None,
            "a wide resource"
        );
        assert!(!taken("https://login.v.example/t", Some("https://login.microsoftonline.com")));
        assert!(taken("https://sso.example/t", Some("https://sso.example/")));
        assert!(taken("https://sso.example/t", Some("sso.example")));
    }

    #[test]
    fn a_tenant_is_one_segment() {
        for tenant in ["", "a/b", "a?x", "..%2f"] {
            let authority = format!("https://login.v.example/{tenant}");
            assert_eq!(of("https://a.v.example", &authority, "https://v.example", None), None, "{tenant}");
        }
    }
}
