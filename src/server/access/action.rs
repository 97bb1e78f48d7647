//! The data actions of Key Vault and of Managed HSM: what a role may allow. One table; routes, roles and documents name its
//! lines. Two vaults of different manners have no action in common.

use crate::config::Manner;

/// One data action, as a bit in an [`ActionSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataAction(u8);

/// A set of data actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionSet(u128);

macro_rules! actions {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Index { $($constant),+ }

        impl DataAction {
            $(#[doc = concat!("`Microsoft.KeyVault/", $name, "`")]
            pub const $constant: Self = Self(Index::$constant as u8);)+
        }

        /// The actions' names.
        const NAMES: &[&str] = &[$(concat!("Microsoft.KeyVault/", $name)),+];
    };
}

actions! {
    KEYS_READ = "vaults/keys/read",
    KEYS_UPDATE = "vaults/keys/update/action",
    KEYS_CREATE = "vaults/keys/create/action",
    KEYS_IMPORT = "vaults/keys/import/action",
    KEYS_DELETE = "vaults/keys/delete",
    KEYS_RECOVER = "vaults/keys/recover/action",
    KEYS_PURGE = "vaults/keys/purge/action",
    KEYS_BACKUP = "vaults/keys/backup/action",
    KEYS_RESTORE = "vaults/keys/restore/action",
    KEYS_ENCRYPT = "vaults/keys/encrypt/action",
    KEYS_DECRYPT = "vaults/keys/decrypt/action",
    KEYS_WRAP = "vaults/keys/wrap/action",
    KEYS_UNWRAP = "vaults/keys/unwrap/action",
    KEYS_SIGN = "vaults/keys/sign/action",
    KEYS_VERIFY = "vaults/keys/verify/action",
    KEYS_ROTATE = "vaults/keys/rotate/action",
    KEYS_RELEASE = "vaults/keys/release/action",
    ROTATION_POLICY_READ = "vaults/keyrotationpolicies/read",
    ROTATION_POLICY_WRITE = "vaults/keyrotationpolicies/write",
    SECRETS_GET = "vaults/secrets/getSecret/action",
    SECRETS_READ_METADATA = "vaults/secrets/readMetadata/action",
    SECRETS_SET = "vaults/secrets/setSecret/action",
    SECRETS_UPDATE = "vaults/secrets/update/action",
    SECRETS_DELETE = "vaults/secrets/delete",
    SECRETS_RECOVER = "vaults/secrets/recover/action",
    SECRETS_PURGE = "vaults/secrets/purge/action",
    SECRETS_BACKUP = "vaults/secrets/backup/action",
    SECRETS_RESTORE = "vaults/secrets/restore/action",
    CERTIFICATES_READ = "vaults/certificates/read",
    CERTIFICATES_CREATE = "vaults/certificates/create/action",
    CERTIFICATES_IMPORT = "vaults/certificates/import/action",
    CERTIFICATES_UPDATE = "vaults/certificates/update/action",
    CERTIFICATES_DELETE = "vaults/certificates/delete",
    CERTIFICATES_RECOVER = "vaults/certificates/recover/action",
    CERTIFICATES_PURGE = "vaults/certificates/purge/action",
    CERTIFICATES_BACKUP = "vaults/certificates/backup/action",
    CERTIFICATES_RESTORE = "vaults/certificates/restore/action",
    ISSUERS_READ = "vaults/certificatecas/read",
    ISSUERS_WRITE = "vaults/certificatecas/write",
    ISSUERS_DELETE = "vaults/certificatecas/delete",
    CONTACTS_WRITE = "vaults/certificatecontacts/write",
    // A vault's roles and settings are the resource manager's at Azure, whose names have no place among data actions.
    ROLE_ASSIGNMENTS_READ = "vaults/roleAssignments/read",
    ROLE_ASSIGNMENTS_WRITE = "vaults/roleAssignments/write",
    ROLE_ASSIGNMENTS_DELETE = "vaults/roleAssignments/delete",
    ROLE_DEFINITIONS_READ = "vaults/roleDefinitions/read",
    ROLE_DEFINITIONS_WRITE = "vaults/roleDefinitions/write",
    ROLE_DEFINITIONS_DELETE = "vaults/roleDefinitions/delete",
    SETTINGS_READ = "vaults/settings/read",
    SETTINGS_WRITE = "vaults/settings/write",
    BACKUP_START = "vaults/backup/start/action",
    BACKUP_STATUS = "vaults/backup/status/action",
    RESTORE_START = "vaults/restore/start/action",
    RESTORE_STATUS = "vaults/restore/status/action",
    HSM_KEYS_READ = "managedHsm/keys/read/action",
    HSM_KEYS_WRITE = "managedHsm/keys/write/action",
    HSM_KEYS_CREATE = "managedHsm/keys/create",
    HSM_KEYS_IMPORT = "managedHsm/keys/import/action",
    HSM_KEYS_DELETE = "managedHsm/keys/delete",
    HSM_KEYS_ROTATE = "managedHsm/keys/rotate/action",
    HSM_KEYS_BACKUP = "managedHsm/keys/backup/action",
    HSM_KEYS_RESTORE = "managedHsm/keys/restore/action",
    HSM_KEYS_EXPORT = "managedHsm/keys/export/action",
    HSM_KEYS_RELEASE = "managedHsm/keys/release/action",
    HSM_KEYS_ENCRYPT = "managedHsm/keys/encrypt/action",
    HSM_KEYS_DECRYPT = "managedHsm/keys/decrypt/action",
    HSM_KEYS_WRAP = "managedHsm/keys/wrap/action",
    HSM_KEYS_UNWRAP = "managedHsm/keys/unwrap/action",
    HSM_KEYS_SIGN = "managedHsm/keys/sign/action",
    HSM_KEYS_VERIFY = "managedHsm/keys/verify/action",
    HSM_DELETED_KEYS_READ = "managedHsm/keys/deletedKeys/read/action",
    HSM_DELETED_KEYS_RECOVER = "managedHsm/keys/deletedKeys/recover/action",
    HSM_DELETED_KEYS_DELETE = "managedHsm/keys/deletedKeys/delete",
    HSM_RNG = "managedHsm/rng/action",
    HSM_ROLE_ASSIGNMENTS_READ = "managedHsm/roleAssignments/read/action",
    HSM_ROLE_ASSIGNMENTS_WRITE = "managedHsm/roleAssignments/write/action",
    HSM_ROLE_ASSIGNMENTS_DELETE = "managedHsm/roleAssignments/delete/action",
    HSM_ROLE_DEFINITIONS_READ = "managedHsm/roleDefinitions/read/action",
    HSM_ROLE_DEFINITIONS_WRITE = "managedHsm/roleDefinitions/write/action",
    HSM_ROLE_DEFINITIONS_DELETE = "managedHsm/roleDefinitions/delete/action",
    // Azure names no action for settings: here it is the administrator's.
    HSM_SETTINGS_READ = "managedHsm/settings/read/action",
    HSM_SETTINGS_WRITE = "managedHsm/settings/write/action",
    HSM_BACKUP_START = "managedHsm/backup/start/action",
    HSM_BACKUP_STATUS = "managedHsm/backup/status/action",
    HSM_RESTORE_START = "managedHsm/restore/start/action",
    HSM_RESTORE_STATUS = "managedHsm/restore/status/action",
    // What no operation here asks for, and a role may name.
    HSM_SECURITY_DOMAIN_DOWNLOAD = "managedHsm/securitydomain/download/action",
    HSM_SECURITY_DOMAIN_DOWNLOAD_READ = "managedHsm/securitydomain/download/read",
    HSM_SECURITY_DOMAIN_UPLOAD = "managedHsm/securitydomain/upload/action",
    HSM_SECURITY_DOMAIN_UPLOAD_READ = "managedHsm/securitydomain/upload/read",
    HSM_SECURITY_DOMAIN_TRANSFER_KEY = "managedHsm/securitydomain/transferkey/read",
}

const _: () = assert!(NAMES.len() <= u128::BITS as usize, "a set has a bit for each action");

/// What the names of a manner's actions begin with.
pub fn prefix(manner: Manner) -> &'static str {
    match manner {
        Manner::KeyVault => "Microsoft.KeyVault/vaults/",
        Manner::ManagedHsm => "Microsoft.KeyVault/managedHsm/",
    }
}

impl DataAction {
    /// Every action of a manner.
    pub fn all(manner: Manner) -> impl Iterator<Item = Self> {
        let all = (0..NAMES.len()).map(|index| Self(index as u8));
        all.filter(move |action| action.name().starts_with(prefix(manner)))
    }

    /// Its whole name.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl ActionSet {
    /// The actions of a manner that one of these patterns matches. A pattern is an action's whole name, in which `*` stands
    /// for any letters; case doesn't count.
    pub fn matching(manner: Manner, patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        patterns.into_iter().fold(Self::default(), |mut set, pattern| {
            let matched = DataAction::all(manner).filter(|action| matches(pattern.as_ref(), action.name()));
            matched.for_each(|action| set.0 |= 1 << action.0);
            set
        })
    }

    /// Whether this action is in it.
    pub fn contains(self, action: DataAction) -> bool {
        self.0 & 1 << action.0 != 0
    }

    /// Whether all of those are in it.
    pub fn contains_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Those that aren't in the other.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many are in it.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<DataAction> for ActionSet {
    fn from_iter<I: IntoIterator<Item = DataAction>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |set, action| set | 1 << action.0))
    }
}

impl std::ops::BitOrAssign for ActionSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = name.strip_prefix(start).and_then(|left| left.strip_suffix(end)) else { return false };
    // The first place of each is as good as any later one.
    middle.split('*').all(|part| match left.find(part) {
        Some(at) => {
            left = &left[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> ActionSet {
        ActionSet::matching(Manner::KeyVault, patterns)
    }

    #[test]
    fn a_star_stands_for_any_letters_at_any_place() {
        let name = "Microsoft.KeyVault/vaults/keys/sign/action";
        for good in [
            "*",
            "Microsoft.KeyVault/vaults/*",
            "*/action",
            "microsoft.keyvault/VAULTS/keys/sign/action",
            "Microsoft.KeyVault/*/keys/*/action",
            "*keys*",
            "**",
            "Microsoft.KeyVault/vaults/keys/sign/action*",
        ] {
            assert!(matches(good, name), "{good}");
        }
        for bad in [
            "",
            "*/read",
            "Microsoft.KeyVault/vaults/keys/sign",
            "keys/*",
            "*vaults*vaults*",
            "*/action/*",
            "Microsoft.KeyVault/vaults/keys/sign/action/*action",
            "?",
        ] {
            assert!(!matches(bad, name), "{bad}");
        }
    }

    #[test]
    fn a_pattern_reaches_its_own_manner_alone() {
        let everything = [Manner::KeyVault, Manner::ManagedHsm].map(|manner| ActionSet::matching(manner, ["*"]));
        assert!(everything[0].contains(DataAction::SECRETS_GET) && !everything[0].contains(DataAction::HSM_RNG));
        assert!(everything[1].contains(DataAction::HSM_RNG) && !everything[1].contains(DataAction::SECRETS_GET));
        assert!(set(&["Microsoft.KeyVault/managedHsm/*"]).is_empty());
    }

    #[test]
    fn sets_are_compared_and_taken_apart() {
        let (all, keys) = (set(&["*"]), set(&["*/keys/*"]));
        assert!(all.contains_all(keys) && !keys.contains_all(all));
        assert!(
            !all.without(keys).contains(DataAction::KEYS_SIGN) && all.without(keys).contains(DataAction::SECRETS_SET)
        );
    }
}
