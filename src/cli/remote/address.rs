//! Where a vault is: `https://VAULT.DOMAIN[:PORT]`. A vault is a host, never a path.

use std::fmt;

use super::super::{Error, Result};
use crate::config::Origin;

/// The origin of a server's vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(Origin);

impl Address {
    /// What `--vault` says, if that is an address at all.
    pub(super) fn meant(text: &str) -> Option<Result<Self>> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        matches!(scheme.as_deref(), Some("http" | "https")).then(|| Self::parse(text))
    }

    /// An address without a path.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Origin::parse(text).map(Self).map_err(|problem| {
            let mut letters = problem.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
            Error::Usage(format!("{}.", first.chain(letters).collect::<String>()))
        })
    }

    /// The origin.
    pub(super) fn origin(&self) -> &Origin {
        &self.0
    }

    /// Whether it is a Managed HSM, whose domain begins so at Azure and, unless it is configured otherwise, here.
    pub(super) fn is_managed_hsm(&self) -> bool {
        self.0.is_managed_hsm()
    }

    /// What the server calls one of its backup targets: a host beside the vault's.
    pub(super) fn backup_target(&self, name: &str) -> String {
        let authority = self.0.authority();
        let (_, domain) = authority.split_once('.').unwrap_or_default();
        format!("https://backup.{domain}/{name}")
    }

    /// What stands behind the origin in an address that the server gave; `None` if it is of another origin.
    pub(super) fn path_of(&self, given: &str) -> Option<String> {
        let (at, _) = given.match_indices('/').nth(2)?;
        let (origin, path) = given.split_at(at);
        (Self::parse(origin).ok()? == *self).then(|| path.to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_hsm_is_known_by_its_domain() {
        for (address, is_hsm) in [
            ("https://a.managedhsm.azure.net", true),
            ("https://a.managedhsm.localhost:8443", true),
            ("https://managedhsm.vault.azure.net", false),
            ("https://a.vault.azure.net", false),
        ] {
            assert_eq!(Address::parse(address).unwrap().is_managed_hsm(), is_hsm, "{address}");
        }
    }

    #[test]
    fn a_vault_is_an_origin_and_never_a_path() {
        let address = |text: &str| Address::parse(text).map(|address| address.to_string()).ok();
        assert_eq!(address("https://Web.Vault.example.com:443/").as_deref(), Some("https://web.vault.example.com"));
        assert_eq!(address("https://web.localhost:8443").as_deref(), Some("https://web.localhost:8443"));
        for wrong in ["https://", "https://a/keys", "https://a?x", "https://user:x@a", "https://a b", "ftp://a"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
        assert!(Address::meant("/srv/vault").is_none() && Address::meant("web").is_none());
        assert!(matches!(Address::meant("http://a"), Some(Err(_))));
    }

    #[test]
    fn a_link_to_another_origin_is_not_followed() {
        let address = Address::parse("https://a.example.com:8443").unwrap();
        assert_eq!(address.path_of("https://A.example.com:8443/keys?x=1").as_deref(), Some("/keys?x=1"));
        for other in ["https://a.example.com/keys", "http://a.example.com:8443/keys", "https://b.example.com:8443/keys"]
        {
            assert_eq!(address.path_of(other), None, "{other}");
        }
    }
}
