//! Which mechanisms a slot offers: all that its vault's keys do, or those of them that the configuration lists
//! (`mechanisms = ["CKM_ECDSA", …]`).

use std::path::Path;
use std::sync::Arc;

use cryptoki_sys::*;

use super::{Mechanism, find, offer, table};
use crate::config::{ConfigError, VaultConfig, nearest};
use crate::pkcs11::error::Rv;
use crate::vault::Ability;

/// The mechanisms that may be used, each with the functions (`CKF_*`) that it serves, in the order of their numbers; `None`
/// for all that the table has.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Option<Arc<[(CK_MECHANISM_TYPE, CK_FLAGS)]>>);

impl Allowed {
    /// As this vault's configuration, which stands in `source`, says.
    pub fn of(vault: &VaultConfig, source: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(listed) = &vault.mechanisms else { return Ok(Self(None)) };
        let line = |entry: &crate::config::Listed| {
            let known = table().find(|mechanism| mechanism.name == entry.name);
            known.map(|mechanism| (mechanism.number, mechanism.flags)).ok_or_else(|| ConfigError::Value {
                path: source.unwrap_or(Path::new("the configuration")).into(),
                line: entry.line,
                key: "mechanisms".into(),
                problem: format!("the module has no {}: {}", entry.name, {
                    let names: Vec<_> = table().map(|mechanism| mechanism.name).collect();
                    nearest(&entry.name, &names)
                }),
            })
        };
        listed.iter().map(line).collect::<Result<_, _>>().map(Self::sorted)
    }

    /// Those of them, and of their functions, that the vault's keys do.
    pub fn within(self, offers: &dyn Fn(&Ability<'_>) -> bool) -> Self {
        let lines = self.numbers().into_iter().filter_map(|number| {
            let whole = self.find(number).ok()?;
            Some((number, offer::flags(whole, offers), whole.flags))
        });
        let lines: Vec<_> = lines.collect();
        if lines.iter().all(|(_, offered, whole)| offered == whole) {
            return self;
        }
        let served = lines.into_iter().filter(|(_, offered, _)| offer::serves(*offered));
        Self::sorted(served.map(|(number, offered, _)| (number, offered)).collect())
    }

    fn sorted(mut lines: Vec<(CK_MECHANISM_TYPE, CK_FLAGS)>) -> Self {
        lines.sort_unstable();
        Self(Some(lines.into()))
    }

    /// The mechanism with this number, if it may be used; else `CKR_MECHANISM_INVALID`.
    pub fn find(&self, number: CK_MECHANISM_TYPE) -> Result<&'static Mechanism, Rv> {
        self.flags(number).and_then(|_| find(number))
    }

    /// The same, if it may be used for the function with this `CKF_*`. What the table doesn't have it for the operation
    /// itself refuses, each in its own order.
    pub fn find_for(&self, number: CK_MECHANISM_TYPE, function: CK_FLAGS) -> Result<&'static Mechanism, Rv> {
        let mechanism = find(number)?;
        let offered = self.flags(number)?.unwrap_or(mechanism.flags);
        let taken_away = mechanism.flags & !offered;
        if taken_away & function == 0 { Ok(mechanism) } else { Err(Rv(CKR_MECHANISM_INVALID)) }
    }

    /// What `C_GetMechanismInfo` answers.
    pub fn info(&self, number: CK_MECHANISM_TYPE) -> Result<CK_MECHANISM_INFO, Rv> {
        let whole = self.find(number)?.info();
        Ok(CK_MECHANISM_INFO { flags: self.flags(number)?.unwrap_or(whole.flags), ..whole })
    }

    /// Those that may be used.
    pub fn numbers(&self) -> Vec<CK_MECHANISM_TYPE> {
        table().map(|mechanism| mechanism.number).filter(|number| self.find(*number).is_ok()).collect()
    }

    /// Its functions, where they aren't all that the table has.
    fn flags(&self, number: CK_MECHANISM_TYPE) -> Result<Option<CK_FLAGS>, Rv> {
        let Some(lines) = &self.0 else { return Ok(None) };
        let place = lines.binary_search_by_key(&number, |(number, _)| *number);
        place.map(|place| Some(lines[place].1)).map_err(|_| Rv(CKR_MECHANISM_INVALID))
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

    #[test]
    fn a_vault_that_does_everything_takes_nothing_away() {
        assert!(Allowed::default().within(&|_| true).0.is_none());
        let some = allowed(&["CKM_AES_GCM"]).unwrap().within(&|_| true);
        assert_eq!(some.info(CKM_AES_GCM).unwrap().flags, find(CKM_AES_GCM).unwrap().flags);
    }

    #[test]
    fn what_needs_no_secret_is_offered_whatever_the_vault_does() {
        let none = Allowed::default().within(&|_| false);
        let flags =
            |number| none.info(number).map(|info| info.flags & (CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT));
        assert_eq!(flags(CKM_ECDSA), Ok(CKF_VERIFY));
        assert_eq!(flags(CKM_RSA_PKCS), Ok(CKF_VERIFY | CKF_ENCRYPT));
        assert_eq!(flags(CKM_RSA_PKCS_OAEP), Ok(CKF_ENCRYPT));
        assert!(none.find_for(CKM_SHA256, CKF_DIGEST).is_ok());
        for gone in [CKM_AES_CBC, CKM_AES_CTR, CKM_AES_GCM, CKM_SHA256_HMAC, CKM_ECDH1_DERIVE, CKM_EC_KEY_PAIR_GEN] {
            assert_eq!(none.find(gone).err(), Some(Rv(CKR_MECHANISM_INVALID)), "{gone:#x}");
        }
    }

    #[test]
    fn every_function_that_the_table_has_is_found_among_the_samples() {
        for mechanism in table() {
            assert_eq!(offer::flags(mechanism, &|_| true), mechanism.flags, "{}", mechanism.name);
        }
    }

    #[test]
    fn a_function_that_the_vault_lacks_is_refused_and_the_others_are_not() {
        let no_signing = |ability: &Ability<'_>| !matches!(ability, Ability::Sign(..));
        let some = Allowed::default().within(&no_signing);
        assert_eq!(some.find_for(CKM_RSA_PKCS_PSS, CKF_SIGN).err(), Some(Rv(CKR_MECHANISM_INVALID)));
        assert!(some.find_for(CKM_RSA_PKCS_PSS, CKF_VERIFY).is_ok());
        assert!(some.find_for(CKM_RSA_PKCS, CKF_DECRYPT).is_ok());
    }
}
