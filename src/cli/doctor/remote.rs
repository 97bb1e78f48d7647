//! A vault that is elsewhere, step by step: name, connection, TLS, clock, token, permission, one signature. What needs a
//! step that failed isn't tried.

use super::report::{Finding, finding};
use super::table::Area;
use super::{Examination, open};
use crate::backend::azure::reach::{Apart, Reached, Stage, reach};
use crate::config::{AzureConfig, AzureCredential, Backend, Config, VaultConfig};
use crate::crypto::DigestAlgorithm;
use crate::vault::{Class, KeyAlgorithm, Object, SignScheme, Unlock, Usage, VaultAdmin, VaultError};

const WAY: &[&str] = &["remote-name", "remote-connection", "remote-tls", "remote-answer"];
/// Clocks differ by some seconds anywhere; tokens and certificates allow for minutes.
const MUCH: u64 = 120;

/// Looks at one; nothing for a vault on this machine.
pub(super) fn examine(examination: &mut Examination, config: &Config, vault: &VaultConfig) {
    let Backend::Azure(azure) = &vault.backend else { return };
    let name = &vault.name;
    let reached = reach(azure);
    for one in &reached {
        examination.report.fact(Area::Vault, format!("{name} at {}", one.place));
        way(examination, azure, name, one);
    }
    if reached.iter().all(|one| one.trouble.is_some()) {
        return;
    }
    if azure_needs_pin(azure) && !examination.gives_pin() {
        let why =
            format!("{name} wants its client secret as the PIN: give it with --pin-file, and a signature is tried");
        return examination.report.left_out(Area::Vault, why);
    }
    match open::open(config, vault.clone()) {
        Ok(opened) => use_it(examination, azure, name, &*opened),
        Err(error) => {
            let found = finding("remote-signature").with("vault", name).with("problem", error);
            examination.report.found(found.with("module", examination.module_path().display()));
        }
    }
}

fn azure_needs_pin(azure: &AzureConfig) -> bool {
    matches!(azure.credential, AzureCredential::ClientSecret { secret: None, .. })
}

/// From the name to the clock.
fn way(examination: &mut Examination, azure: &AzureConfig, name: &str, one: &Reached) {
    let stopped = one.trouble.as_ref().map(|(stage, _)| *stage);
    let stages = [Stage::Name, Stage::Connection, Stage::Tls, Stage::Answer];
    for (stage, id) in stages.into_iter().zip(WAY) {
        if stopped.is_none_or(|stopped| stage <= stopped) {
            examination.report.looked(&[id]);
        }
    }
    if let Some((stage, problem)) = &one.trouble {
        let found = match stage {
            Stage::Name => finding("remote-name"),
            Stage::Connection => finding("remote-connection"),
            Stage::Tls => finding("remote-tls"),
            Stage::Answer => finding("remote-answer"),
        };
        let host = azure.remote.origins.iter().find(|origin| one.place.starts_with(origin.host()));
        let host = host.unwrap_or(&azure.remote.origins[0]).bare_host();
        let found = found.with("vault", name).with("problem", problem).with("host", host).with("place", &one.place);
        let socket = azure.remote.socket.as_ref().map(|socket| socket.display().to_string());
        examination.report.found(found.maybe("socket", socket));
    }
    if let Some(Apart { by, behind }) = one.clock {
        examination.report.looked(&["remote-clock"]);
        if by.as_secs() > MUCH {
            let found = finding("remote-clock").with("vault", name).with("apart", format!("{} s", by.as_secs()));
            examination.report.found(found.with("side", if behind { "behind" } else { "ahead of" }));
        }
    }
}

/// From the login to a signature.
fn use_it(examination: &mut Examination, azure: &AzureConfig, name: &str, vault: &dyn VaultAdmin) {
    let how = match azure_needs_pin(azure) {
        false => Unlock::Configured,
        true => match examination.given_pin() {
            Some(pin) => Unlock::Pin(crate::vault::Role::User, pin),
            None => return,
        },
    };
    // What fails for another reason than the check's own doesn't say that it holds.
    if let Err(error) = vault.unlock(&how) {
        return examination.report.found(failed(examination, azure, name, &error));
    }
    examination.report.looked(&["remote-token"]);
    if let Err(error) = vault.refresh() {
        return examination.report.found(failed(examination, azure, name, &error));
    }
    examination.report.looked(&["remote-permission"]);
    let image = vault.image();
    let signing = |object: &&std::sync::Arc<Object>| {
        object.content.usage.contains(Usage::SIGN) && vault.private_key(object.number).is_ok()
    };
    let Some((key, (scheme, len))) =
        image.with_class(Class::PrivateKey).filter(signing).find_map(|key| Some((key, scheme_of(key)?)))
    else {
        let why = format!("{name} has no key that signs and that is enabled: no signature was tried");
        return examination.report.left_out(Area::Vault, why);
    };
    let mut signature = [0; 1024];
    let signed = vault.private_key(key.number).and_then(|key| key.sign(&scheme, &DIGEST[..len], &mut signature));
    match signed {
        Ok(_) => examination.report.looked(&["remote-signature"]),
        Err(error) => examination.report.found(failed(examination, azure, name, &error)),
    }
}

/// No document has it.
const DIGEST: [u8; 64] = *b"strongroom doctor tries whether a key signs; this is no digest..";

fn scheme_of(key: &Object) -> Option<(SignScheme, usize)> {
    match key.content.key.as_ref()?.algorithm {
        KeyAlgorithm::Rsa { .. } => Some((SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256), 32)),
        KeyAlgorithm::Ec(curve) => Some((
            SignScheme::Ecdsa,
            match curve {
                crate::crypto::Curve::P384 => 48,
                crate::crypto::Curve::P521 => 64,
                _ => 32,
            },
        )),
        _ => None,
    }
}

fn failed(examination: &Examination, azure: &AzureConfig, name: &str, error: &VaultError) -> Finding {
    let problem = |what: &str| what.trim_end_matches('.').to_owned();
    match error {
        VaultError::CredentialRefused { what, .. } => finding("remote-token")
            .with("vault", name)
            .with("problem", problem(what))
            .maybe("config", examination.source.as_ref().map(|file| file.display())),
        VaultError::NotPermitted { action, .. } => finding("remote-permission")
            .with("vault", name)
            .with("action", action)
            .with("role", if azure.is_managed_hsm() { "Managed HSM Crypto User" } else { "Key Vault Crypto User" })
            .maybe("client", client(&azure.credential))
            .maybe("azure", name_below(azure, ".vault.azure.net"))
            .maybe("hsm", name_below(azure, ".managedhsm.azure.net")),
        VaultError::Unreachable { what, .. } | VaultError::AnswerInvalid { what, .. } => {
            let place = azure.remote.origins[0].authority();
            let host = azure.remote.origins[0].bare_host();
            let found = finding("remote-answer").with("vault", name).with("problem", problem(what));
            found.with("host", host).with("place", place)
        }
        other => finding("remote-signature")
            .with("vault", name)
            .with("problem", problem(&other.to_string()))
            .with("module", examination.module_path().display()),
    }
}

fn client(credential: &AzureCredential) -> Option<&str> {
    match credential {
        AzureCredential::ClientSecret { client_id, .. }
        | AzureCredential::ClientCertificate { client_id, .. }
        | AzureCredential::WorkloadIdentity { client_id, .. } => Some(client_id),
        AzureCredential::ManagedIdentity { client_id, .. } => client_id.as_deref(),
        _ => None,
    }
}

/// The vault's name, if it is one of Azure's below this domain.
fn name_below<'a>(azure: &'a AzureConfig, domain: &str) -> Option<&'a str> {
    azure.remote.origins[0].host().strip_suffix(domain)
}
