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

    /// Of a vault that the configuration names.
    pub(super) fn of(origin: &Origin) -> Self {
        Self(origin.clone())
    }

    /// The origin.
    pub(super) fn origin(&self) -> &Origin {
        &self.0
    }

    /// What the server calls one of its backup targets: a host beside the vault's.
    pub(super) fn backup_target(&self, name: &str) -> String {
        let authority = self.0.authority();
        let (_, domain) = authority.split_once('.').unwrap_or_default();
        format!("https://backup.{domain}/{name}")
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
}
