//! The built-in roles of Key Vault and of Managed HSM, with the ids and data actions that Microsoft publishes. They are the
//! same in every vault and nobody changes them.

use super::action::{ActionSet, prefix};
use crate::config::Manner;

/// A built-in role of a vault.
#[derive(Debug)]
pub struct BuiltInRole {
    /// Its name.
    pub name: &'static str,
    /// Its id, a GUID, the same at Azure.
    pub id: &'static str,
    /// The vaults that have it.
    pub manner: Manner,
    /// Patterns of data actions below the manner's prefix.
    pub data_actions: &'static [&'static str],
    /// What Azure's resource manager allows with it, below `Microsoft.Authorization/`.
    pub actions: &'static [&'static str],
    /// Which roles may be given and taken with it, where its actions say that roles may.
    pub assigns: Assigns,
}

/// Which roles somebody may give and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigns {
    /// None, whatever else is allowed.
    None,
    /// Those with these ids.
    These(&'static [&'static str]),
    /// All.
    Every,
}

/// Key Vault Administrator: every data action.
pub const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";

/// Managed HSM Administrator: roles, settings, backup; no use of keys.
pub const HSM_ADMINISTRATOR: &str = "a290e904-7015-4bba-90c8-60543313cdb4";

const READER: &str = "21090545-7ca7-4776-b22c-e363652d74d2";
const CERTIFICATES_OFFICER: &str = "a4417e6f-fecd-4de8-b567-7b0420556985";
const CRYPTO_OFFICER: &str = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";
const CRYPTO_USER: &str = "12338af0-0e69-4776-bea7-57ae8d297424";
const ENCRYPTION_USER: &str = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";

impl BuiltInRole {
    const fn of_vault(name: &'static str, id: &'static str, data_actions: &'static [&'static str]) -> Self {
        Self { name, id, manner: Manner::KeyVault, data_actions, actions: &[], assigns: Assigns::None }
    }

    const fn of_hsm(name: &'static str, id: &'static str, data_actions: &'static [&'static str]) -> Self {
        Self { name, id, manner: Manner::ManagedHsm, data_actions, actions: &[], assigns: Assigns::None }
    }

    const fn assigning(mut self, assigns: Assigns) -> Self {
        self.assigns = assigns;
        self
    }

    const fn with_actions(mut self, actions: &'static [&'static str]) -> Self {
        self.actions = actions;
        self
    }
}

/// The roles of a key vault.
pub const BUILT_IN: &[BuiltInRole] = &[
    BuiltInRole::of_vault("Key Vault Administrator", ADMINISTRATOR, &["*"]).assigning(Assigns::Every),
    BuiltInRole::of_vault("Key Vault Reader", READER, &["*/read", "secrets/readMetadata/action"]),
    BuiltInRole::of_vault(
        "Key Vault Certificates Officer",
        CERTIFICATES_OFFICER,
        &["certificatecas/*", "certificates/*", "certificatecontacts/write"],
    ),
    BuiltInRole::of_vault(
        "Key Vault Certificate User",
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        &["certificates/read", "secrets/getSecret/action", "secrets/readMetadata/action", "keys/read"],
    ),
    BuiltInRole::of_vault("Key Vault Crypto Officer", CRYPTO_OFFICER, &["keys/*", "keyrotationpolicies/*"]),
    BuiltInRole::of_vault(
        "Key Vault Crypto User",
        CRYPTO_USER,
        &[
            "keys/read",
            "keys/update/action",
            "keys/backup/action",
            "keys/encrypt/action",
            "keys/decrypt/action",
            "keys/wrap/action",
            "keys/unwrap/action",
            "keys/sign/action",
            "keys/verify/action",
        ],
    ),
    BuiltInRole::of_vault(
        "Key Vault Crypto Service Encryption User",
        ENCRYPTION_USER,
        &["keys/read", "keys/wrap/action", "keys/unwrap/action"],
    ),
    BuiltInRole::of_vault(
        "Key Vault Crypto Service Release User",
        "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
        &["keys/release/action"],
    ),
    BuiltInRole::of_vault("Key Vault Secrets Officer", SECRETS_OFFICER, &["secrets/*"]),
    BuiltInRole::of_vault(
        "Key Vault Secrets User",
        SECRETS_USER,
        &["secrets/getSecret/action", "secrets/readMetadata/action"],
    ),
    BuiltInRole::of_vault("Key Vault Data Access Administrator", "8b54135c-b56d-4d72-a534-26097cfdc8d8", &[])
        .with_actions(&["roleAssignments/*", "roleDefinitions/read"])
        .assigning(Assigns::These(&[
            ADMINISTRATOR,
            CERTIFICATES_OFFICER,
            CRYPTO_OFFICER,
            ENCRYPTION_USER,
            CRYPTO_USER,
            READER,
            SECRETS_OFFICER,
            SECRETS_USER,
        ])),
];

/// The roles of a Managed HSM.
pub const MANAGED_HSM: &[BuiltInRole] = &[
    BuiltInRole::of_hsm(
        "Managed HSM Administrator",
        HSM_ADMINISTRATOR,
        &[
            "roleAssignments/read/action",
            "roleAssignments/write/action",
            "roleAssignments/delete/action",
            "roleDefinitions/read/action",
            "roleDefinitions/write/action",
            "roleDefinitions/delete/action",
            "securitydomain/download/action",
            "securitydomain/download/read",
            "securitydomain/upload/action",
            "securitydomain/upload/read",
            "securitydomain/transferkey/read",
            "backup/start/action",
            "backup/status/action",
            "restore/start/action",
            "restore/status/action",
            "settings/read/action",
            "settings/write/action",
        ],
    )
    .assigning(Assigns::Every),
    BuiltInRole::of_hsm(
        "Managed HSM Crypto Officer",
        "515eb02d-2335-4d2d-92f2-b1cbdf9c3778",
        &[
            "roleAssignments/read/action",
            "roleAssignments/write/action",
            "roleAssignments/delete/action",
            "roleDefinitions/read/action",
            "roleDefinitions/write/action",
            "roleDefinitions/delete/action",
            "keys/deletedKeys/read/action",
            "keys/deletedKeys/recover/action",
            "keys/deletedKeys/delete",
            "keys/export/action",
        ],
    )
    .assigning(Assigns::Every),
    BuiltInRole::of_hsm(
        "Managed HSM Crypto User",
        "21dbd100-6940-42c2-9190-5d6cb909625b",
        &[
            "roleAssignments/read/action",
            "roleDefinitions/read/action",
            "keys/read/action",
            "keys/write/action",
            "keys/create",
            "keys/import/action",
            "keys/delete",
            "keys/rotate/action",
            "keys/backup/action",
            "keys/restore/action",
            "keys/release/action",
            "keys/encrypt/action",
            "keys/decrypt/action",
            "keys/wrap/action",
            "keys/unwrap/action",
            "keys/sign/action",
            "keys/verify/action",
            "rng/action",
        ],
    ),
    BuiltInRole::of_hsm(
        "Managed HSM Policy Administrator",
        "4bd23610-cdcf-4971-bdee-bdc562cc28e4",
        &[
            "roleAssignments/read/action",
            "roleAssignments/write/action",
            "roleAssignments/delete/action",
            "roleDefinitions/read/action",
            "roleDefinitions/write/action",
            "roleDefinitions/delete/action",
        ],
    )
    .assigning(Assigns::Every),
    BuiltInRole::of_hsm(
        "Managed HSM Crypto Auditor",
        "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3",
        &["roleAssignments/read/action", "roleDefinitions/read/action", "keys/read/action"],
    ),
    BuiltInRole::of_hsm(
        "Managed HSM Crypto Service Encryption User",
        "33413926-3206-4cdd-b39a-83574fe37a17",
        &["keys/read/action", "keys/wrap/action", "keys/unwrap/action"],
    ),
    BuiltInRole::of_hsm(
        "Managed HSM Crypto Service Release User",
        "21dbd100-6940-42c2-9190-5d6cb909625c",
        &["keys/release/action"],
    ),
    BuiltInRole::of_hsm(
        "Managed HSM Backup",
        "7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8",
        &["backup/start/action", "backup/status/action", "keys/backup/action"],
    ),
    BuiltInRole::of_hsm(
        "Managed HSM Restore",
        "6efe6056-5259-49d2-8b3d-d3d73544b20b",
        &["restore/start/action", "restore/status/action", "keys/restore/action"],
    ),
];

/// The built-in roles of a manner.
pub fn built_in(manner: Manner) -> &'static [BuiltInRole] {
    match manner {
        Manner::KeyVault => BUILT_IN,
        Manner::ManagedHsm => MANAGED_HSM,
    }
}

/// The ids of the roles with which somebody may do everything in a vault of this manner.
pub fn full_rights(manner: Manner) -> &'static [&'static str] {
    match manner {
        Manner::KeyVault => &[ADMINISTRATOR],
        // Who administers a Managed HSM doesn't use its keys: three roles together allow everything.
        Manner::ManagedHsm => {
            &[HSM_ADMINISTRATOR, "515eb02d-2335-4d2d-92f2-b1cbdf9c3778", "21dbd100-6940-42c2-9190-5d6cb909625b"]
        }
    }
}

impl BuiltInRole {
    /// A manner's role with this id, or with this name without regard to case; the words "Key Vault" or "Managed HSM" may
    /// be left out.
    pub fn find(manner: Manner, text: &str) -> Option<&'static Self> {
        built_in(manner)
            .iter()
            .find(|role| [role.id, role.name, role.short_name()].iter().any(|known| known.eq_ignore_ascii_case(text)))
    }

    fn short_name(&self) -> &'static str {
        self.name.trim_start_matches("Key Vault ").trim_start_matches("Managed HSM ")
    }

    /// Its data actions, each a pattern of whole names.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        let prefix = prefix(self.manner);
        self.data_actions.iter().map(move |pattern| format!("{prefix}{pattern}"))
    }

    /// What it allows.
    pub fn allowed(&self) -> ActionSet {
        let prefix = prefix(self.manner);
        let mut allowed = ActionSet::matching(self.manner, self.patterns());
        allowed |= ActionSet::matching(self.manner, self.actions.iter().map(|action| format!("{prefix}{action}")));
        allowed
    }

    /// Whether this role may be given and taken by who has the other.
    pub fn may_assign(&self, id: &str) -> bool {
        match self.assigns {
            Assigns::None => false,
            Assigns::These(ids) => ids.contains(&id),
            Assigns::Every => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_a_built_in_role_means_some_action() {
        for role in BUILT_IN.iter().chain(MANAGED_HSM) {
            for pattern in role.patterns() {
                assert!(!ActionSet::matching(role.manner, [&pattern]).is_empty(), "{}: {pattern}", role.name);
            }
            assert!(!role.allowed().is_empty(), "{}", role.name);
        }
    }

    #[test]
    fn full_rights_leave_nothing_out() {
        use crate::server::access::DataAction;

        for manner in [Manner::KeyVault, Manner::ManagedHsm] {
            let mut all = ActionSet::default();
            for id in full_rights(manner) {
                all |= BuiltInRole::find(manner, id).expect("a role").allowed();
            }
            for action in DataAction::all(manner) {
                assert!(all.contains(action), "{}", action.name());
            }
        }
    }
}
