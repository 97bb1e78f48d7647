//! `key_ops`: what a key may be used for, in Key Vault's words, and the usages in which the vault keeps them.
//!
//! A key pair's operations are shared between its halves, as PKCS#11 has it: the private half signs, decrypts and
//! unwraps, the public half verifies, encrypts and wraps. `import` and `export` are no usages of a vault's key; a front
//! end keeps them beside it.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::error::KeyError;
use super::kty::Family;
use crate::vault::Usage;

bitflags::bitflags! {
    /// A set of operations.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct KeyOps: u8 {
        /// `encrypt`
        const ENCRYPT = 1;
        /// `decrypt`
        const DECRYPT = 1 << 1;
        /// `sign`
        const SIGN = 1 << 2;
        /// `verify`
        const VERIFY = 1 << 3;
        /// `wrapKey`
        const WRAP_KEY = 1 << 4;
        /// `unwrapKey`
        const UNWRAP_KEY = 1 << 5;
        /// `import`: unwraps keys that are brought here.
        const IMPORT = 1 << 6;
        /// `export`: may be released.
        const EXPORT = 1 << 7;
    }
}

/// Every operation in the order in which the service lists them: its name, and the usage that stands for it.
const TABLE: [(KeyOps, &str, Usage); 8] = [
    (KeyOps::ENCRYPT, "encrypt", Usage::ENCRYPT),
    (KeyOps::DECRYPT, "decrypt", Usage::DECRYPT),
    (KeyOps::SIGN, "sign", Usage::SIGN),
    (KeyOps::VERIFY, "verify", Usage::VERIFY),
    (KeyOps::WRAP_KEY, "wrapKey", Usage::WRAP),
    (KeyOps::UNWRAP_KEY, "unwrapKey", Usage::UNWRAP),
    (KeyOps::IMPORT, "import", Usage::empty()),
    (KeyOps::EXPORT, "export", Usage::empty()),
];

impl KeyOps {
    /// What signs and what checks.
    pub const SIGNING: Self = Self::SIGN.union(Self::VERIFY);
    /// What keeps things secret.
    pub const SECRECY: Self = Self::ENCRYPT.union(Self::DECRYPT).union(Self::WRAP_KEY).union(Self::UNWRAP_KEY);
    /// What only says where the key itself may go.
    const MOVEMENT: Self = Self::IMPORT.union(Self::EXPORT);
    /// What a pair's private half does.
    const PRIVATE: Self = Self::DECRYPT.union(Self::SIGN).union(Self::UNWRAP_KEY);
    /// What a pair's public half does.
    pub const PUBLIC: Self = Self::ENCRYPT.union(Self::VERIFY).union(Self::WRAP_KEY);

    /// The operations with these names; naming one twice is naming it once.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyError> {
        names.into_iter().try_fold(Self::empty(), |ops, name| {
            let (op, ..) = TABLE.iter().find(|(_, known, _)| *known == name).ok_or(KeyError::KeyOps)?;
            Ok(ops | *op)
        })
    }

    /// What a key of this kind may do when nobody says.
    pub fn default_of(family: Family) -> Self {
        match family {
            Family::Rsa => Self::SIGNING | Self::SECRECY,
            Family::Ec => Self::SIGNING,
            Family::Oct => Self::SECRECY,
        }
    }

    /// Refuses what a key of this kind can't do, and `import` beside anything else: a key that unwraps others mustn't
    /// also decrypt them for whoever asks.
    pub fn check(self, family: Family) -> Result<(), KeyError> {
        if family == Family::Ec && self.intersects(Self::SECRECY) {
            return Err(KeyError::KeyOpsUnfit("an EC key can sign and verify only"));
        }
        if self.contains(Self::IMPORT) && family != Family::Rsa {
            return Err(KeyError::KeyOpsUnfit("import is for RSA keys"));
        }
        if self.contains(Self::IMPORT) && self != Self::IMPORT {
            return Err(KeyError::KeyOpsUnfit("import stands alone"));
        }
        Ok(())
    }

    /// What `usage` means here; other usages of PKCS#11 have no name.
    pub fn of(usage: Usage) -> Self {
        let named = TABLE.iter().filter(|(.., bit)| !bit.is_empty() && usage.contains(*bit));
        named.fold(Self::empty(), |ops, (op, ..)| ops | *op)
    }

    /// The usage of a secret key.
    pub fn usage(self) -> Usage {
        let named = TABLE.iter().filter(|(op, ..)| self.contains(*op));
        named.fold(Usage::empty(), |usage, (.., bit)| usage | *bit)
    }

    /// The usage of a pair's private half.
    pub fn private_usage(self) -> Usage {
        self.intersection(Self::PRIVATE).usage()
    }

    /// The usage of a pair's public half.
    pub fn public_usage(self) -> Usage {
        self.intersection(Self::PUBLIC).usage()
    }

    /// `import` and `export`, which no usage holds.
    pub fn movement(self) -> Self {
        self.intersection(Self::MOVEMENT)
    }

    /// The names, in the service's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |(op, ..)| self.contains(*op)).map(|(_, name, _)| *name)
    }
}

impl Serialize for KeyOps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(Some(self.bits().count_ones() as usize))?;
        self.names().try_for_each(|name| names.serialize_element(name))?;
        names.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [&str; 8] = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export"];

    #[test]
    fn every_operation_has_one_name_and_comes_back_in_the_services_order() {
        let ops = KeyOps::named(EVERY.into_iter().rev().chain(["sign"])).expect("known names");
        assert_eq!(ops, KeyOps::all());
        assert_eq!(ops.names().collect::<Vec<_>>(), EVERY);
        assert_eq!(serde_json::to_string(&KeyOps::SIGNING).expect("JSON"), r#"["sign","verify"]"#);
        for unknown in ["Sign", "wrapkey", "deriveKey", ""] {
            assert_eq!(KeyOps::named(["sign", unknown]), Err(KeyError::KeyOps), "{unknown}");
        }
    }

    #[test]
    fn a_pairs_operations_are_shared_between_its_halves_and_nothing_is_lost() {
        let rsa = KeyOps::default_of(Family::Rsa);
        assert_eq!(rsa.names().count(), 6);
        let (private, public) = (rsa.private_usage(), rsa.public_usage());
        assert_eq!(private, Usage::SIGN | Usage::DECRYPT | Usage::UNWRAP);
        assert_eq!(public, Usage::VERIFY | Usage::ENCRYPT | Usage::WRAP);
        assert_eq!(KeyOps::of(private | public), rsa);
        assert_eq!(KeyOps::all().usage(), private | public, "import and export are no usages");
        assert_eq!(KeyOps::all().movement(), KeyOps::IMPORT | KeyOps::EXPORT);
        assert_eq!(KeyOps::of(Usage::DERIVE | Usage::SIGN_RECOVER | Usage::SIGN), KeyOps::SIGN);
    }

    #[test]
    fn what_a_kind_cant_do_is_refused() {
        for family in [Family::Ec, Family::Rsa, Family::Oct] {
            assert_eq!(KeyOps::default_of(family).check(family), Ok(()));
            assert_eq!((KeyOps::SIGNING | KeyOps::EXPORT).check(family), Ok(()));
            assert_eq!(KeyOps::empty().check(family), Ok(()));
        }
        assert!(KeyOps::WRAP_KEY.check(Family::Ec).is_err());
        assert_eq!(KeyOps::IMPORT.check(Family::Rsa), Ok(()));
        assert!(KeyOps::IMPORT.check(Family::Oct).is_err());
        assert!((KeyOps::IMPORT | KeyOps::DECRYPT).check(Family::Rsa).is_err());
    }
}
