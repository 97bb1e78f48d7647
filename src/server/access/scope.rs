//! What a role is given on: a vault, its keys, or one object in all its versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::need::At;
use crate::config::Manner;
use crate::vault::{Collection, Name};

/// Where a role counts. Names are compared without case.
#[derive(Clone, Debug)]
pub enum Scope {
    /// The whole vault: `/`.
    Vault,
    /// Everything in one name space: `/keys`, of a Managed HSM.
    All(Collection),
    /// All versions of one object: `/keys/{name}`, `/secrets/{name}`, `/certificates/{name}`.
    Object(Collection, Name),
}

impl Scope {
    /// Whether what counts here counts there too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Vault, _) => true,
            (Self::All(collection), Self::All(of) | Self::Object(of, _)) => collection == of,
            (Self::Object(collection, name), Self::Object(of, same)) => {
                collection == of && name.as_str().eq_ignore_ascii_case(same.as_str())
            }
            _ => false,
        }
    }

    /// Whether a role that is given here counts there.
    pub fn counts_at(&self, at: At<'_>) -> bool {
        match (self, at) {
            (Self::Vault, _) => true,
            (_, At::Vault) => false,
            (Self::All(collection), At::All(of) | At::Object(of, _)) => *collection == of,
            (Self::Object(collection, name), At::Object(of, folded)) => *collection == of && name.folded() == folded,
            (Self::Object(..), At::All(_)) => false,
        }
    }

    /// Whether a vault of this manner has such scopes; the error says which it has.
    pub fn check(&self, manner: Manner) -> Result<(), String> {
        let fits = match (manner, self) {
            (_, Self::Vault) => true,
            (Manner::KeyVault, scope) => matches!(scope, Self::Object(..)),
            (Manner::ManagedHsm, Self::All(collection) | Self::Object(collection, _)) => {
                *collection == Collection::Keys
            }
        };
        match (fits, manner) {
            (true, _) => Ok(()),
            (false, Manner::KeyVault) => Err(format!(
                "{self} is no scope of a key vault: `/`, `/keys/NAME`, `/secrets/NAME` or `/certificates/NAME`"
            )),
            (false, Manner::ManagedHsm) => {
                Err(format!("{self} is no scope of a Managed HSM: `/`, `/keys` or `/keys/NAME`"))
            }
        }
    }

    /// What the decoded parts of a path name. Empty ones don't count: clients write one slash or several before them, and
    /// some encode those.
    pub fn of_path<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let parts = parts.into_iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.collect();
        let wrong = || {
            let path = parts.join("/");
            format!("\"/{path}\" is no scope: `/`, `/keys`, `/keys/NAME`, `/secrets/NAME` or `/certificates/NAME`")
        };
        let collection = |segment: &str| Collection::from_segment(segment).ok_or_else(wrong);
        match parts[..] {
            [] => Ok(Self::Vault),
            [segment] if segment == Collection::Keys.segment() => Ok(Self::All(Collection::Keys)),
            [segment, name] => {
                Ok(Self::Object(collection(segment)?, Name::new(name).map_err(|error| error.to_string())?))
            }
            _ => Err(wrong()),
        }
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.covers(other) && other.covers(self)
    }
}

impl Eq for Scope {}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("/"),
            Self::All(collection) => write!(f, "/{}", collection.segment()),
            Self::Object(collection, name) => write!(f, "/{}/{name}", collection.segment()),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_prefix('/').filter(|rest| !rest.ends_with('/') && !rest.contains("//"));
        let parts = parts.filter(|rest| rest.is_empty() || !rest.starts_with('/')).ok_or_else(|| {
            format!("{text:?} is no scope: `/`, `/keys`, `/keys/NAME`, `/secrets/NAME` or `/certificates/NAME`")
        })?;
        Self::of_path(parts.split('/'))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_scope_is_the_vault_its_keys_or_one_object_whose_name_has_no_case() {
        assert_eq!(scope("/"), Scope::Vault);
        assert_eq!(scope("/keys"), Scope::All(Collection::Keys));
        assert_eq!(scope("/keys/www"), scope("/keys/WWW"));
        assert_ne!(scope("/keys/www"), scope("/secrets/www"));
        assert_ne!(scope("/keys/www"), scope("/"));
        assert_eq!(scope("/certificates/A-1").to_string(), "/certificates/A-1");
        for wrong in [
            "",
            "keys/www",
            "/secrets",
            "/keys/",
            "/keys/a/b",
            "/keys/a_b",
            "/locks/a",
            "//",
            "/keys/*",
            "//keys",
            "/keys//a",
        ] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scope_covers_itself_and_what_lies_in_it() {
        let ordered = ["/", "/keys", "/keys/www"];
        for (wide, text) in ordered.iter().enumerate() {
            for (narrow, other) in ordered.iter().enumerate() {
                assert_eq!(scope(text).covers(&scope(other)), wide <= narrow, "{text} {other}");
            }
        }
        assert!(!scope("/keys").covers(&scope("/secrets/www")) && !scope("/keys/a").covers(&scope("/keys/b")));
    }

    #[test]
    fn each_manner_has_its_own_scopes() {
        let fits = |text: &str| [Manner::KeyVault, Manner::ManagedHsm].map(|manner| scope(text).check(manner).is_ok());
        assert_eq!(fits("/"), [true, true]);
        assert_eq!(fits("/keys"), [false, true]);
        assert_eq!(fits("/keys/www"), [true, true]);
        assert_eq!(fits("/secrets/www"), [true, false]);
    }

    #[test]
    fn clients_write_several_slashes_before_a_scope() {
        for (parts, wanted) in
            [(vec![], "/"), (vec!["", ""], "/"), (vec!["", "keys", "a"], "/keys/a"), (vec!["/keys/a"], "/keys/a")]
        {
            assert_eq!(Scope::of_path(parts), Ok(scope(wanted)));
        }
        assert!(Scope::of_path(["keys", "a", "b"]).is_err() && Scope::of_path(["subscriptions", "x"]).is_err());
    }
}
