//! How much a set of data actions lets somebody do, so that of several roles the least is found: few actions that open every
//! secret are more than many that only look.

use super::action::{ActionSet, DataAction};

/// What counts first stands first: two are compared by it, then by the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Power {
    /// Actions by which somebody may get any others.
    gives: u32,
    /// Those that show what is secret or use what is private.
    opens: u32,
    /// Those that change something.
    changes: u32,
    /// All of them.
    all: u32,
}

impl Power {
    pub(super) fn of(allowed: ActionSet) -> Self {
        let both = |some: &[DataAction]| some.iter().filter(|action| allowed.contains(**action)).count() as u32;
        let (gives, opens, harmless) = (both(GIVES), both(OPENS), both(LOOKS));
        let all = allowed.len();
        Self { gives, opens, changes: all - gives - opens - harmless, all }
    }
}

/// Who may give roles, or change what one allows, may everything in the end.
const GIVES: &[DataAction] = &[
    DataAction::ROLE_ASSIGNMENTS_WRITE,
    DataAction::ROLE_DEFINITIONS_WRITE,
    DataAction::HSM_ROLE_ASSIGNMENTS_WRITE,
    DataAction::HSM_ROLE_DEFINITIONS_WRITE,
];

/// A backup holds what it is of, though sealed.
const OPENS: &[DataAction] = &[
    DataAction::KEYS_SIGN,
    DataAction::KEYS_DECRYPT,
    DataAction::KEYS_UNWRAP,
    DataAction::KEYS_BACKUP,
    DataAction::KEYS_RELEASE,
    DataAction::SECRETS_GET,
    DataAction::SECRETS_BACKUP,
    DataAction::CERTIFICATES_BACKUP,
    DataAction::BACKUP_START,
    DataAction::HSM_KEYS_SIGN,
    DataAction::HSM_KEYS_DECRYPT,
    DataAction::HSM_KEYS_UNWRAP,
    DataAction::HSM_KEYS_BACKUP,
    DataAction::HSM_KEYS_RELEASE,
    DataAction::HSM_KEYS_EXPORT,
    DataAction::HSM_BACKUP_START,
    DataAction::HSM_SECURITY_DOMAIN_DOWNLOAD,
];

/// What neither shows a secret nor changes anything: metadata, and what a public key does.
const LOOKS: &[DataAction] = &[
    DataAction::KEYS_READ,
    DataAction::KEYS_ENCRYPT,
    DataAction::KEYS_WRAP,
    DataAction::KEYS_VERIFY,
    DataAction::ROTATION_POLICY_READ,
    DataAction::SECRETS_READ_METADATA,
    DataAction::CERTIFICATES_READ,
    DataAction::ISSUERS_READ,
    DataAction::ROLE_ASSIGNMENTS_READ,
    DataAction::ROLE_DEFINITIONS_READ,
    DataAction::SETTINGS_READ,
    DataAction::BACKUP_STATUS,
    DataAction::RESTORE_STATUS,
    DataAction::HSM_KEYS_READ,
    DataAction::HSM_KEYS_ENCRYPT,
    DataAction::HSM_KEYS_WRAP,
    DataAction::HSM_KEYS_VERIFY,
    DataAction::HSM_DELETED_KEYS_READ,
    DataAction::HSM_RNG,
    DataAction::HSM_ROLE_ASSIGNMENTS_READ,
    DataAction::HSM_ROLE_DEFINITIONS_READ,
    DataAction::HSM_SETTINGS_READ,
    DataAction::HSM_BACKUP_STATUS,
    DataAction::HSM_RESTORE_STATUS,
    DataAction::HSM_SECURITY_DOMAIN_DOWNLOAD_READ,
    DataAction::HSM_SECURITY_DOMAIN_UPLOAD_READ,
    DataAction::HSM_SECURITY_DOMAIN_TRANSFER_KEY,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Manner;

    #[test]
    fn no_action_is_of_two_kinds_and_every_one_that_reads_is_known_to() {
        let lists = [GIVES, OPENS, LOOKS];
        for action in [Manner::KeyVault, Manner::ManagedHsm].into_iter().flat_map(DataAction::all) {
            let found = lists.iter().flat_map(|list| list.iter()).filter(|known| **known == action).count();
            assert!(found <= 1, "{}", action.name());
            let reads = ["/read", "/read/action", "/readMetadata/action", "/status/action"];
            let looks = !reads.iter().any(|end| action.name().ends_with(end)) || LOOKS.contains(&action);
            assert!(looks, "{}", action.name());
        }
    }

    #[test]
    fn one_action_that_opens_or_gives_is_more_than_many_that_look() {
        let set = |actions: &[DataAction]| Power::of(actions.iter().copied().collect());
        let looks = set(LOOKS);
        let changes = set(&[DataAction::KEYS_DELETE]);
        assert!(looks < changes && changes < set(&[DataAction::SECRETS_GET]));
        assert!(set(OPENS) < set(&[DataAction::ROLE_ASSIGNMENTS_WRITE]));
        assert!(set(&[DataAction::KEYS_READ]) < looks);
    }
}
