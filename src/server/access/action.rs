//! The data actions of Key Vault: what a role may allow. One table; routes, roles and documents name its lines.

/// One data action, as a bit in an [`ActionSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataAction(u8);

/// A set of data actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionSet(u64);

macro_rules! actions {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Index { $($constant),+ }

        impl DataAction {
            $(#[doc = concat!("`Microsoft.KeyVault/vaults/", $name, "`")]
            pub const $constant: Self = Self(Index::$constant as u8);)+
        }

        /// The names below `Microsoft.KeyVault/vaults/`.
        const NAMES: &[&str] = &[$($name),+];
    };
}

actions! {
    KEYS_READ = "keys/read",
    KEYS_UPDATE = "keys/update/action",
    KEYS_CREATE = "keys/create/action",
    KEYS_IMPORT = "keys/import/action",
    KEYS_DELETE = "keys/delete",
    KEYS_RECOVER = "keys/recover/action",
    KEYS_PURGE = "keys/purge/action",
    KEYS_BACKUP = "keys/backup/action",
    KEYS_RESTORE = "keys/restore/action",
    KEYS_ENCRYPT = "keys/encrypt/action",
    KEYS_DECRYPT = "keys/decrypt/action",
    KEYS_WRAP = "keys/wrap/action",
    KEYS_UNWRAP = "keys/unwrap/action",
    KEYS_SIGN = "keys/sign/action",
    KEYS_VERIFY = "keys/verify/action",
    KEYS_ROTATE = "keys/rotate/action",
    KEYS_RELEASE = "keys/release/action",
    ROTATION_POLICY_READ = "keyrotationpolicies/read",
    ROTATION_POLICY_WRITE = "keyrotationpolicies/write",
    SECRETS_GET = "secrets/getSecret/action",
    SECRETS_READ_METADATA = "secrets/readMetadata/action",
    SECRETS_SET = "secrets/setSecret/action",
    SECRETS_UPDATE = "secrets/update/action",
    SECRETS_DELETE = "secrets/delete",
    SECRETS_RECOVER = "secrets/recover/action",
    SECRETS_PURGE = "secrets/purge/action",
    SECRETS_BACKUP = "secrets/backup/action",
    SECRETS_RESTORE = "secrets/restore/action",
    CERTIFICATES_READ = "certificates/read",
    CERTIFICATES_CREATE = "certificates/create/action",
    CERTIFICATES_IMPORT = "certificates/import/action",
    CERTIFICATES_UPDATE = "certificates/update/action",
    CERTIFICATES_DELETE = "certificates/delete",
    CERTIFICATES_RECOVER = "certificates/recover/action",
    CERTIFICATES_PURGE = "certificates/purge/action",
    CERTIFICATES_BACKUP = "certificates/backup/action",
    CERTIFICATES_RESTORE = "certificates/restore/action",
    ISSUERS_READ = "certificatecas/read",
    ISSUERS_WRITE = "certificatecas/write",
    ISSUERS_DELETE = "certificatecas/delete",
    CONTACTS_WRITE = "certificatecontacts/write",
    BACKUP_START = "backup/start/action",
    BACKUP_STATUS = "backup/status/action",
    RESTORE_START = "restore/start/action",
    RESTORE_STATUS = "restore/status/action",
}

impl DataAction {
    /// Every action.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len()).map(|index| Self(index as u8))
    }

    /// Its name below `Microsoft.KeyVault/vaults/`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl ActionSet {
    /// The actions that one of these patterns matches; `*` matches any rest, also before a fixed end (`*/read`).
    pub fn matching(patterns: &[&str]) -> Self {
        let matched = DataAction::all().filter(|action| patterns.iter().any(|pattern| matches(pattern, action.name())));
        Self(matched.fold(0, |set, action| set | 1 << action.0))
    }

    /// Whether this action is in it.
    pub fn contains(self, action: DataAction) -> bool {
        self.0 & 1 << action.0 != 0
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOrAssign for ActionSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
    }
}
