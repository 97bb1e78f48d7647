//! The permissions of classic access policies: one table, whose lines routes name. They tell operations apart that one data
//! action allows together (`get` and `list`), and are given on the whole vault only.

use std::fmt;

use crate::vault::Collection;

/// One permission, as a bit in a [`PermissionSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyPermission(u8);

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u64);

macro_rules! permissions {
    ($($constant:ident = $collection:ident $name:literal),+ $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Index { $($constant),+ }

        impl PolicyPermission {
            $(#[doc = concat!("`", $name, "`, of ", stringify!($collection))]
            pub const $constant: Self = Self(Index::$constant as u8);)+
        }

        /// What each is about, and its name there.
        const TABLE: &[(Collection, &str)] = &[$((Collection::$collection, $name)),+];
    };
}

permissions! {
    KEYS_GET = Keys "get",
    KEYS_LIST = Keys "list",
    KEYS_UPDATE = Keys "update",
    KEYS_CREATE = Keys "create",
    KEYS_IMPORT = Keys "import",
    KEYS_DELETE = Keys "delete",
    KEYS_RECOVER = Keys "recover",
    KEYS_BACKUP = Keys "backup",
    KEYS_RESTORE = Keys "restore",
    KEYS_DECRYPT = Keys "decrypt",
    KEYS_ENCRYPT = Keys "encrypt",
    KEYS_UNWRAP = Keys "unwrapKey",
    KEYS_WRAP = Keys "wrapKey",
    KEYS_VERIFY = Keys "verify",
    KEYS_SIGN = Keys "sign",
    KEYS_PURGE = Keys "purge",
    KEYS_RELEASE = Keys "release",
    KEYS_ROTATE = Keys "rotate",
    ROTATION_POLICY_GET = Keys "getrotationpolicy",
    ROTATION_POLICY_SET = Keys "setrotationpolicy",
    SECRETS_GET = Secrets "get",
    SECRETS_LIST = Secrets "list",
    SECRETS_SET = Secrets "set",
    SECRETS_DELETE = Secrets "delete",
    SECRETS_RECOVER = Secrets "recover",
    SECRETS_BACKUP = Secrets "backup",
    SECRETS_RESTORE = Secrets "restore",
    SECRETS_PURGE = Secrets "purge",
    CERTIFICATES_GET = Certificates "get",
    CERTIFICATES_LIST = Certificates "list",
    CERTIFICATES_UPDATE = Certificates "update",
    CERTIFICATES_CREATE = Certificates "create",
    CERTIFICATES_IMPORT = Certificates "import",
    CERTIFICATES_DELETE = Certificates "delete",
    CERTIFICATES_RECOVER = Certificates "recover",
    CERTIFICATES_BACKUP = Certificates "backup",
    CERTIFICATES_RESTORE = Certificates "restore",
    CONTACTS_MANAGE = Certificates "managecontacts",
    ISSUERS_MANAGE = Certificates "manageissuers",
    ISSUERS_GET = Certificates "getissuers",
    ISSUERS_LIST = Certificates "listissuers",
    ISSUERS_SET = Certificates "setissuers",
    ISSUERS_DELETE = Certificates "deleteissuers",
    CERTIFICATES_PURGE = Certificates "purge",
}

const _: () = assert!(TABLE.len() <= u64::BITS as usize, "a set has a bit for each permission");

impl PolicyPermission {
    /// Every permission.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(|index| Self(index as u8))
    }

    /// Those about one name space.
    pub fn of(collection: Collection) -> impl Iterator<Item = Self> {
        Self::all().filter(move |permission| permission.collection() == collection)
    }

    /// The permission about a name space with this name, without regard to case; the error names those that there are.
    pub fn named(collection: Collection, name: &str) -> Result<Self, String> {
        Self::of(collection).find(|known| known.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known: Vec<&str> = Self::of(collection).map(Self::name).collect();
            let of = collection.segment();
            format!("{name:?} is no permission for {of}: there are {}", known.join(", "))
        })
    }

    /// What it is about.
    pub fn collection(self) -> Collection {
        TABLE[usize::from(self.0)].0
    }

    /// Its name there.
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].1
    }
}

impl fmt::Display for PolicyPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.collection().segment(), self.name())
    }
}

impl PermissionSet {
    /// Whether this permission is in it.
    pub fn contains(self, permission: PolicyPermission) -> bool {
        self.0 & 1 << permission.0 != 0
    }
}

impl FromIterator<PolicyPermission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = PolicyPermission>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |set, permission| set | 1 << permission.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_the_permissions_that_azure_has() {
        let many = [Collection::Keys, Collection::Secrets, Collection::Certificates]
            .map(|of| PolicyPermission::of(of).count());
        assert_eq!(many, [20, 8, 16]);
    }

    #[test]
    fn a_name_is_read_without_regard_to_case_where_it_belongs() {
        assert_eq!(PolicyPermission::named(Collection::Keys, "WRAPKEY"), Ok(PolicyPermission::KEYS_WRAP));
        let wrong = PolicyPermission::named(Collection::Secrets, "sign").unwrap_err();
        assert!(wrong.contains("for secrets: there are get, list, set"), "{wrong}");
    }
}
