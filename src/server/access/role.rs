//! Key Vault's built-in roles, with the ids and data actions that Microsoft publishes.

use super::action::ActionSet;

/// A built-in role of a vault.
#[derive(Debug)]
pub struct BuiltInRole {
    /// Its name.
    pub name: &'static str,
    /// Its id, a GUID, the same at Azure.
    pub id: &'static str,
    /// Patterns of data actions below `Microsoft.KeyVault/vaults/`.
    pub data_actions: &'static [&'static str],
}

/// Key Vault Administrator: every data action.
pub const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";

/// The roles of a vault. Data Access Administrator allows nothing by itself: who may open the vault assigns roles, at the
/// command line.
pub const BUILT_IN: &[BuiltInRole] = &[
    BuiltInRole { name: "Key Vault Administrator", id: ADMINISTRATOR, data_actions: &["*"] },
    BuiltInRole {
        name: "Key Vault Reader",
        id: "21090545-7ca7-4776-b22c-e363652d74d2",
        data_actions: &["*/read", "secrets/readMetadata/action"],
    },
    BuiltInRole {
        name: "Key Vault Certificates Officer",
        id: "a4417e6f-fecd-4de8-b567-7b0420556985",
        data_actions: &["certificatecas/*", "certificates/*", "certificatecontacts/write"],
    },
    BuiltInRole {
        name: "Key Vault Certificate User",
        id: "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        data_actions: &["certificates/read", "secrets/getSecret/action", "secrets/readMetadata/action", "keys/read"],
    },
    BuiltInRole {
        name: "Key Vault Crypto Officer",
        id: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        data_actions: &["keys/*", "keyrotationpolicies/*"],
    },
    BuiltInRole {
        name: "Key Vault Crypto User",
        id: "12338af0-0e69-4776-bea7-57ae8d297424",
        data_actions: &[
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
    },
    BuiltInRole {
        name: "Key Vault Crypto Service Encryption User",
        id: "e147488a-f6f5-4113-8e2d-b22465e65bf6",
        data_actions: &["keys/read", "keys/wrap/action", "keys/unwrap/action"],
    },
    BuiltInRole {
        name: "Key Vault Crypto Service Release User",
        id: "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
        data_actions: &["keys/release/action"],
    },
    BuiltInRole {
        name: "Key Vault Secrets Officer",
        id: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        data_actions: &["secrets/*"],
    },
    BuiltInRole {
        name: "Key Vault Secrets User",
        id: "4633458b-17de-408a-b874-0445c86b69e6",
        data_actions: &["secrets/getSecret/action", "secrets/readMetadata/action"],
    },
    BuiltInRole {
        name: "Key Vault Data Access Administrator",
        id: "8b54135c-b56d-4d72-a534-26097cfdc8d8",
        data_actions: &[],
    },
];

impl BuiltInRole {
    /// The role with this id, or with this name without regard to case; the words "Key Vault" may be left out.
    pub fn find(text: &str) -> Option<&'static Self> {
        let short = |name: &'static str| name.trim_start_matches("Key Vault ");
        BUILT_IN
            .iter()
            .find(|role| [role.id, role.name, short(role.name)].iter().any(|known| known.eq_ignore_ascii_case(text)))
    }

    /// Its data actions.
    pub fn actions(&self) -> ActionSet {
        ActionSet::matching(self.data_actions)
    }
}
