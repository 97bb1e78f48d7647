//! Which mechanisms a slot offers: all, or those that the configuration lists (`mechanisms = ["CKM_ECDSA", …]`).

use std::path::Path;
use std::sync::Arc;

use cryptoki_sys::*;

use super::{Mechanism, find, table};
use crate::config::{ConfigError, VaultConfig, nearest};
use crate::pkcs11::error::Rv;

/// Numbers of the mechanisms that may be used; `None` for all.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Option<Arc<[CK_MECHANISM_TYPE]>>);

impl Allowed {
    /// As this vault's configuration, which stands in `source`, says.
    pub fn of(vault: &VaultConfig, source: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(listed) = &vault.mechanisms else { return Ok(Self(None)) };
        let number = |entry: &crate::config::Listed| {
            let known = table().find(|mechanism| mechanism.name == entry.name);
            known.map(|mechanism| mechanism.number).ok_or_else(|| ConfigError::Value {
                path: source.unwrap_or(Path::new("the configuration")).into(),
                line: entry.line,
                key: "mechanisms".into(),
                problem: format!("the module has no {}: {}", entry.name, {
                    let names: Vec<_> = table().map(|mechanism| mechanism.name).collect();
                    nearest(&entry.name, &names)
                }),
            })
        };
        listed.iter().map(number).collect::<Result<_, _>>().map(|numbers| Self(Some(numbers)))
    }

    /// The mechanism with this number, if it may be used; else `CKR_MECHANISM_INVALID`.
    pub fn find(&self, number: CK_MECHANISM_TYPE) -> Result<&'static Mechanism, Rv> {
        match &self.0 {
            Some(allowed) if !allowed.contains(&number) => Err(Rv(CKR_MECHANISM_INVALID)),
            _ => find(number),
        }
    }

    /// Those that may be used.
    pub fn numbers(&self) -> Vec<CK_MECHANISM_TYPE> {
        table().map(|mechanism| mechanism.number).filter(|number| self.find(*number).is_ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listed;

    fn allowed(names: &[&str]) -> Result<Allowed, ConfigError> {
        let listed = names.iter().map(|name| Listed { name: (*name).into(), line: 7 });
        let vault = VaultConfig { mechanisms: Some(listed.collect()), ..VaultConfig::local("vault", "/vault") };
        Allowed::of(&vault, Some(Path::new("/etc/strongroom/config.toml")))
    }

    #[test]
    fn only_what_is_listed_is_found() {
        let some = allowed(&["CKM_ECDSA", "CKM_AES_GCM"]).unwrap();
        assert_eq!(some.numbers().len(), 2);
        assert!(some.find(CKM_AES_GCM).is_ok());
        assert_eq!(some.find(CKM_RSA_PKCS).err(), Some(Rv(CKR_MECHANISM_INVALID)));
        assert_eq!(Allowed::default().numbers().len(), table().count());
    }

    #[test]
    fn a_name_that_is_none_is_an_error_with_its_place_and_the_nearest_one() {
        let error = allowed(&["CKM_ECDSA", "CKM_AES_GMC"]).unwrap_err().to_string();
        assert!(error.starts_with("/etc/strongroom/config.toml:7: `mechanisms`: "), "{error}");
        assert!(error.contains("CKM_AES_GCM"), "{error}");
    }
}
