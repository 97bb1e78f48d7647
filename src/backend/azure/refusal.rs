//! A vault's refusal, from its status and its body to what it means here.

use serde::Deserialize;

use super::session::Reply;
use crate::config::AzureConfig;
use crate::vault::VaultError;

/// The service's error body.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error: Reason,
}

#[derive(Deserialize, Default)]
struct Reason {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    innererror: Option<Box<Reason>>,
}

/// What a vault says of a refusal.
pub struct Said {
    /// Its innermost code; empty without one.
    pub code: String,
    /// Its sentence on one line, without the full stop; never empty.
    pub message: String,
}

impl Said {
    pub(super) fn in_reply(reply: &Reply) -> Self {
        let Refusal { error } = serde_json::from_slice(&reply.body).unwrap_or_default();
        let message = error.message.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.trim_end_matches('.');
        let message = if message.is_empty() { format!("it answered {}", reply.status) } else { message.to_owned() };
        Self { code: innermost(error.innererror).or(error.code).unwrap_or_default(), message }
    }
}

/// What a status that isn't one of success means.
pub(super) fn of(reply: &Reply, method: &str, target: &str, vault: &AzureConfig) -> VaultError {
    let Said { code: inner, message } = Said::in_reply(reply);
    let location = vault.remote.origins[0].to_string();
    match (reply.status, inner.as_str()) {
        (401, _) => VaultError::CredentialRefused {
            location,
            what: format!("{message}: check that the identity exists there, is enabled, and is of the vault's tenant"),
        },
        (403, "KeyDisabled" | "SecretDisabled" | "CertificateDisabled") => VaultError::Disabled,
        (403, "AccessDenied" | "ForbiddenByPolicy" | "ForbiddenByRbac" | "Forbidden" | "") => {
            VaultError::NotPermitted { action: action(method, target, vault.is_managed_hsm()), location }
        }
        (404, _) => VaultError::NotFound,
        (409, "ObjectIsDeletedButRecoverable" | "ObjectIsBeingDeleted") => {
            VaultError::NameDeleted(name_in(target).into())
        }
        (429, _) => VaultError::Throttled { location },
        (500..=599, _) => VaultError::Unreachable {
            location,
            what: format!("it answered {} ({message}): check its own log and health", reply.status),
        },
        _ => VaultError::RefusedThere { location, status: reply.status, code: inner, message },
    }
}

/// Whether it says that there is nothing of this name.
pub fn is_missing(error: &VaultError) -> bool {
    matches!(error, VaultError::NotFound | VaultError::RefusedThere { status: 404, .. })
}

fn innermost(reason: Option<Box<Reason>>) -> Option<String> {
    let reason = reason?;
    innermost(reason.innererror).or(reason.code).filter(|code| !code.is_empty())
}

/// The segments of a request's path.
fn segments(target: &str) -> impl Iterator<Item = &str> {
    target.split('?').next().unwrap_or_default().trim_start_matches('/').split('/')
}

fn name_in(target: &str) -> &str {
    segments(target).nth(1).unwrap_or_default()
}

/// The data action that a request needs, as roles name it.
fn action(method: &str, target: &str, is_hsm: bool) -> String {
    let parts: Vec<&str> = segments(target).filter(|part| !part.is_empty()).collect();
    let last = parts.last().copied().unwrap_or_default();
    let verb = match (method, parts.first().copied().unwrap_or_default(), last) {
        (_, "keys", "wrapkey") => "wrap",
        (_, "keys", "unwrapkey") => "unwrap",
        (
            "POST",
            _,
            last @ ("sign" | "verify" | "encrypt" | "decrypt" | "create" | "import" | "rotate" | "release"),
        ) => last,
        ("POST", _, last @ ("backup" | "restore" | "recover")) => last,
        ("PUT", "keys", _) => "import",
        ("PUT", "secrets", _) => "setSecret",
        ("PATCH", ..) => "update",
        ("DELETE", "deletedkeys" | "deletedsecrets" | "deletedcertificates", _) => "purge",
        ("DELETE", ..) => "delete",
        ("GET", "secrets", _) if parts.len() > 2 => "getSecret",
        ("GET", "secrets", _) => "readMetadata",
        _ => "read",
    };
    let kind = parts.first().map_or("keys", |first| first.strip_prefix("deleted").unwrap_or(first));
    match is_hsm {
        true => format!("Microsoft.KeyVault/managedHsm/keys/{}", of_hsm(verb)),
        // Those that are no `action` have no such word behind them.
        false if verb == "delete" || verb == "read" => format!("Microsoft.KeyVault/vaults/{kind}/{verb}"),
        false => format!("Microsoft.KeyVault/vaults/{kind}/{verb}/action"),
    }
}

fn of_hsm(verb: &str) -> String {
    match verb {
        "create" | "delete" => verb.to_owned(),
        "update" => "write/action".to_owned(),
        "recover" => "deletedKeys/recover/action".to_owned(),
        "purge" => "deletedKeys/delete".to_owned(),
        other => format!("{other}/action"),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{AzureCredential, Origin};

    fn refused(status: u16, body: &str, method: &str, target: &str) -> VaultError {
        let reply = Reply { status, body: Zeroizing::new(body.as_bytes().to_vec()) };
        let vault = Origin::parse("https://a.vault.azure.net").unwrap();
        of(&reply, method, target, &AzureConfig::at(vault, AzureCredential::Peer))
    }

    #[test]
    fn a_missing_permission_names_the_data_action() {
        let denied = r#"{"error":{"code":"Forbidden","message":"no.","innererror":{"code":"ForbiddenByRbac"}}}"#;
        for (method, target, action) in [
            ("POST", "/keys/www/0123/sign?api-version=7.5", "vaults/keys/sign/action"),
            ("POST", "/keys/www/0123/unwrapkey?api-version=7.5", "vaults/keys/unwrap/action"),
            ("GET", "/keys?maxresults=25&api-version=7.5", "vaults/keys/read"),
            ("GET", "/certificates/www/?api-version=7.5", "vaults/certificates/read"),
            ("GET", "/secrets/db/0123?api-version=7.5", "vaults/secrets/getSecret/action"),
            ("GET", "/secrets?api-version=7.5", "vaults/secrets/readMetadata/action"),
            ("PUT", "/keys/www?api-version=7.5", "vaults/keys/import/action"),
            ("POST", "/keys/www/create?api-version=7.5", "vaults/keys/create/action"),
            ("PATCH", "/keys/www/0123?api-version=7.5", "vaults/keys/update/action"),
            ("DELETE", "/keys/www?api-version=7.5", "vaults/keys/delete"),
            ("DELETE", "/deletedkeys/www?api-version=7.5", "vaults/keys/purge/action"),
        ] {
            let text = refused(403, denied, method, target).to_string();
            assert!(text.ends_with(action), "{target}: {text}");
        }
        assert_eq!(action("PATCH", "/keys/www/1", true), "Microsoft.KeyVault/managedHsm/keys/write/action");
        assert_eq!(action("GET", "/keys", true), "Microsoft.KeyVault/managedHsm/keys/read/action");
    }

    #[test]
    fn a_refusal_that_is_known_has_a_situation_of_its_own() {
        let inner =
            |code: &str| format!(r#"{{"error":{{"code":"X","message":"why.","innererror":{{"code":"{code}"}}}}}}"#);
        let target = "/keys/www/create?api-version=7.5";
        assert!(matches!(refused(403, &inner("KeyDisabled"), "POST", target), VaultError::Disabled));
        // A Managed HSM's own roles say it without an inner code.
        let outer = r#"{"error":{"code":"Forbidden","message":"no."}}"#;
        assert!(matches!(refused(403, outer, "POST", target), VaultError::NotPermitted { .. }));
        assert!(matches!(refused(403, &inner("ForbiddenByFirewall"), "POST", target), VaultError::RefusedThere { .. }));
        assert!(matches!(refused(404, &inner("KeyNotFound"), "POST", target), VaultError::NotFound));
        assert!(matches!(
            refused(409, &inner("ObjectIsDeletedButRecoverable"), "POST", target),
            VaultError::NameDeleted(name) if name == "www"
        ));
        assert!(matches!(refused(429, "", "POST", target), VaultError::Throttled { .. }));
        assert!(matches!(refused(502, "<html>", "POST", target), VaultError::Unreachable { .. }));
        match refused(400, r#"{"error":{"code":"BadParameter","message":"The  key\nis odd."}}"#, "POST", target) {
            VaultError::RefusedThere { status: 400, code, message, .. } => {
                assert_eq!((code.as_str(), message.as_str()), ("BadParameter", "The key is odd"));
            }
            other => panic!("{other:?}"),
        }
        // Members that are null, and no error body at all.
        assert!(matches!(
            refused(400, r#"{"error":{"code":null,"message":null,"innererror":null}}"#, "GET", target),
            VaultError::RefusedThere { .. }
        ));
    }
}
