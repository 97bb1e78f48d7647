//! A vault that is elsewhere: the way there, who we are, and whether a key signs.

use super::{Area, Check, Level};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "remote-name",
        area: Area::Vault,
        level: Level::Fault,
        holds: "the vault's host has an address",
        symptoms: &["can't be reached: …: no name server …", "CKR_DEVICE_ERROR"],
        finding: "The host of {vault} has no address here: {problem}.",
        remedies: &["getent ahosts {host}"],
    },
    Check {
        id: "remote-connection",
        area: Area::Vault,
        level: Level::Fault,
        holds: "the vault's server takes connections",
        symptoms: &["can't be reached: …: Connection refused", "no connection came about in time", "CKR_DEVICE_ERROR"],
        finding: "Nobody takes a connection to {vault}: {problem}.",
        remedies: &["stat {socket}", "curl --verbose --output /dev/null https://{place}/"],
    },
    Check {
        id: "remote-tls",
        area: Area::Vault,
        level: Level::Fault,
        holds: "the vault's server is the one that is meant",
        symptoms: &[
            "invalid peer certificate: …",
            "its key isn't one of those that `tls_pins` names",
            "CKR_DEVICE_ERROR",
        ],
        finding: "The server of {vault} isn't trusted: {problem}. (The command shows what it has.)",
        remedies: &["openssl s_client -connect {place} -servername {host} -showcerts < /dev/null"],
    },
    Check {
        id: "remote-answer",
        area: Area::Vault,
        level: Level::Fault,
        holds: "what answers there is a vault",
        symptoms: &["answered something that can't be used", "it didn't answer in time", "CKR_DEVICE_ERROR"],
        finding: "What answers in the place of {vault} doesn't answer as a vault: {problem}.",
        remedies: &["curl --verbose --unix-socket {socket} http://{host}/keys", "curl --verbose https://{place}/keys"],
    },
    Check {
        id: "remote-clock",
        area: Area::Vault,
        level: Level::Fault,
        holds: "this machine's clock is the vault's",
        symptoms: &[
            "client assertion is not within its time",
            "invalid peer certificate: Expired",
            "CKR_PIN_INCORRECT",
        ],
        finding: "This machine's clock is {apart} {side} that of {vault}, whose tokens and certificates have their times.",
        remedies: &["timedatectl set-ntp true"],
    },
    Check {
        id: "remote-token",
        area: Area::Vault,
        level: Level::Fault,
        holds: "the vault takes the configured credential",
        symptoms: &["can't be logged in to: …", "CKR_PIN_INCORRECT", "CKR_USER_NOT_LOGGED_IN"],
        finding: "{vault} can't be logged in to: {problem}.",
        remedies: &["${EDITOR:-vi} {config}"],
    },
    Check {
        id: "remote-permission",
        area: Area::Vault,
        level: Level::Fault,
        holds: "the vault shows its keys and lets one sign",
        symptoms: &[
            "doesn't allow it: give this identity a role there that has the data action …",
            "CKR_KEY_FUNCTION_NOT_PERMITTED",
            "CKR_ACTION_PROHIBITED",
        ],
        finding: "{vault} doesn't allow {action} to this machine's programs.",
        remedies: &[
            "az role assignment create --role 'Key Vault Crypto User' --assignee {client} --scope \"$(az keyvault show --name {azure} --query id --output tsv)\"",
            "strongroom role assign 'Key Vault Crypto User' {client}",
            "strongroom role assign 'Key Vault Crypto User' IDENTITY",
        ],
    },
    Check {
        id: "remote-signature",
        area: Area::Vault,
        level: Level::Fault,
        holds: "a key in the vault gives a right signature",
        symptoms: &["CKR_DEVICE_ERROR", "CKR_FUNCTION_FAILED"],
        finding: "{vault} is reached, and yet {problem}.",
        remedies: &["STRONGROOM_LOG=debug pkcs11-tool --module {module} --list-objects"],
    },
];
