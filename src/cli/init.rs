//! `strongroom init`: makes a vault with a PIN and a recovery key.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ask::{self, Source};
use super::{Context, Error, Result, open, progress};
use crate::config::{Config, Manner, VaultConfig};
use crate::crypto;
use crate::vault::{Name, Pin, Role, SecretBytes, Unlock, VaultAdmin, VaultError, VaultInfo};

/// Where the vault is made, and how it opens.
#[derive(Args)]
pub(super) struct Init {
    /// What other programs call the vault (the token's label, up to 32 bytes; default: its name)
    #[arg(long)]
    label: Option<String>,
    /// Make it in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    path: Option<PathBuf>,
    /// Make it under the vaults directory with this name
    #[arg(long)]
    name: Option<String>,
    /// Read the security officer's PIN from this file
    #[arg(long, value_name = "FILE")]
    so_pin_file: Option<PathBuf>,
    /// Ask for a security officer's PIN. It can set the user's PIN, so it opens everything. Without one, only the
    /// recovery key helps when the PIN is lost
    #[arg(long, conflicts_with = "so_pin_file")]
    so_pin: bool,
    /// Mix a random key into every way to unlock; it is kept in this file, which is made if it isn't there. Keep it
    /// out of the vault's directory and of its backups
    #[arg(long, value_name = "FILE")]
    machine_key: Option<PathBuf>,
    /// Let the random key in this file open the vault too, so that a service logs in without a PIN (`key_file` in the
    /// configuration, or a systemd credential); it is made if it isn't there
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[cfg(feature = "server")]
    #[command(flatten)]
    first: super::identity::FirstAdministrator,
}

pub(super) fn run(context: &Context, init: Init) -> Result<()> {
    let config = Config::load()?;
    let new = New::prepare(context, &init, &config)?;
    let New { name, directory, label, vault, .. } = &new;
    let info = vault.info()?;
    refuse_existing(&info)?;
    let pins = Pins::ask(context, &init, info.pin_len)?;
    #[cfg(feature = "server")]
    let first = init.first.prepare()?;
    new.machine_key.as_deref().map(make_key).transpose()?;
    let key = init.key_file.as_deref().map(|file| make_key(file).and_then(|()| read_key(file))).transpose()?;
    let recovery_key =
        progress::spin(&context.output, "Making the vault", || make(&**vault, label, &pins, key.as_ref()))?;
    let info = vault.info()?;
    let mut made = json!({
        "name": name,
        "label": label,
        "path": directory,
        "serial": info.serial,
        "slot_id": info.slot_id,
        "recovery_key": recovery_key.as_str(),
    });
    // Whatever comes of it, the recovery key is shown.
    #[cfg(feature = "server")]
    let first = first.map(|first| first.make(&**vault, new.manner, &pins.user, &mut made));
    context.output.done(&format!("Made the vault {label} at {}.", directory.display()), &made)?;
    explain_recovery_key(context, &recovery_key);
    #[cfg(feature = "server")]
    first.transpose()?.iter().for_each(|first| first.explain(context));
    explain_configuration(context, &config, name, directory, new.machine_key.as_deref());
    Ok(())
}

/// A vault that is to be made.
struct New {
    name: String,
    directory: PathBuf,
    machine_key: Option<PathBuf>,
    label: String,
    /// As what a server will offer it.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only the first administrator's roles ask"))]
    manner: Manner,
    vault: Arc<dyn VaultAdmin>,
}

impl New {
    fn prepare(context: &Context, init: &Init, config: &Config) -> Result<Self> {
        let mut place = place(context, init, config)?;
        let machine_key = init.machine_key.as_deref().map(absolute).transpose()?;
        let name = place.name.clone();
        let Some(local) = place.as_local_mut() else { return Err(open::is_elsewhere(&name)) };
        let directory = local.path.clone();
        if machine_key.is_some() {
            local.machine_key = machine_key.clone();
        }
        let label = init.label.clone().unwrap_or_else(|| name.clone());
        check_label(&label)?;
        let manner = place.serve_as;
        let vault = open::open(config, place)?;
        Ok(Self { name, directory, machine_key, label, manner, vault })
    }
}

fn refuse_existing(info: &VaultInfo) -> Result<()> {
    if !info.initialized {
        return Ok(());
    }
    Err(Error::refused(format!(
        "There is a vault at {} already, called {}: choose another place with --path or --name.",
        info.location, info.label
    )))
}

/// Shown once; on standard error, so that it doesn't end in a log with the rest. JSON holds it itself.
pub(super) fn explain_recovery_key(context: &Context, recovery_key: &str) {
    context.output.note(&format!(
        "\nRecovery key, shown this once:\n\n    {recovery_key}\n\nIt opens the vault when the PIN is lost: write it down, and keep it away from this machine.",
    ));
}

struct Pins {
    user: Pin,
    security_officer: Pin,
}

impl Pins {
    /// Without a security officer of one's own the vault gets a PIN that nobody knows: one secret less to lose.
    fn ask(context: &Context, init: &Init, length: (usize, usize)) -> Result<Self> {
        let user = ask::new_pin(context.pin_source(), &format!("PIN ({} characters or more)", length.0))?;
        let security_officer = if init.so_pin || init.so_pin_file.is_some() {
            context.output.note("The security officer's PIN can set the user's PIN: it opens everything.");
            let source =
                Source { file: init.so_pin_file.as_deref(), stdin: context.global.pin_stdin, option: "--so-pin-file" };
            ask::new_pin(source, "PIN of the security officer")?
        } else {
            random_pin()?
        };
        let pins = Self { user, security_officer };
        // Both before anything is made: a vault without a user's PIN would be left behind.
        for pin in [&pins.user, &pins.security_officer] {
            if !(length.0..=length.1).contains(&pin.expose().len()) {
                return Err(VaultError::PinLength { min: length.0, max: length.1 }.into());
            }
        }
        if pins.user.expose() == pins.security_officer.expose() {
            return Err(Error::refused("The two PINs are the same: choose two."));
        }
        Ok(pins)
    }
}

fn make(
    vault: &dyn VaultAdmin,
    label: &str,
    pins: &Pins,
    key: Option<&SecretBytes>,
) -> Result<zeroize::Zeroizing<String>> {
    vault.initialize(label, &pins.security_officer)?;
    vault.unlock(&Unlock::Pin(Role::SecurityOfficer, pins.security_officer.clone()))?;
    vault.set_pin(Role::User, &pins.user)?;
    if let Some(key) = key {
        vault.add_key_file(key)?;
    }
    let recovery_key = vault.add_recovery_key()?.display();
    vault.lock();
    Ok(recovery_key)
}

fn place(context: &Context, init: &Init, config: &Config) -> Result<VaultConfig> {
    if let Some(path) = &init.path {
        let path = absolute(path)?;
        return Ok(open::named(config, &path.to_string_lossy())
            .filter(|vault| vault.name != path.to_string_lossy())
            .unwrap_or_else(|| VaultConfig::local(last_part(&path), path)));
    }
    if let Some(name) = &init.name {
        // The name becomes a directory's: the rules for objects are narrow enough for both.
        let name = Name::new(name)?;
        return Ok(open::named(config, name.as_str())
            .filter(|vault| vault.name == name.as_str())
            .unwrap_or_else(|| VaultConfig::local(name.as_str(), config.vaults_dir.join(name.as_str()))));
    }
    if let Some(name) = &context.global.vault {
        return open::named(config, name).ok_or_else(|| {
            Error::refused(format!("There is no vault {name:?} in the configuration: say --path or --name."))
        });
    }
    let free = |vault: &&VaultConfig| {
        open::open(config, (*vault).clone()).and_then(|vault| Ok(vault.info()?)).is_ok_and(|info| !info.initialized)
    };
    config.vaults.iter().find(free).cloned().ok_or_else(|| {
        Error::refused("There is a vault already: choose a place for another one with --path or --name.")
    })
}

fn check_label(label: &str) -> Result<()> {
    if label.is_empty() || label.len() > LABEL_MAX || label.chars().any(char::is_control) {
        return Err(Error::Usage(format!(
            "A label has 1 to {LABEL_MAX} bytes and no control characters: give one with --label."
        )));
    }
    Ok(())
}

/// `CK_TOKEN_INFO` has this much room.
const LABEL_MAX: usize = 32;

/// As many random bits as the key that it would have to be guessed for.
pub(super) fn random_pin() -> Result<Pin> {
    let bytes = SecretBytes::filled(32, crypto::random)?;
    let digits: Vec<u8> = bytes
        .expose()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| b"0123456789abcdef"[usize::from(digit)])
        .collect();
    Ok(Pin::new(digits))
}

fn read_key(file: &Path) -> Result<SecretBytes> {
    let read = std::fs::read(file).map(zeroize::Zeroizing::new);
    let bytes = read.map_err(|source| Error::File { path: file.into(), source })?;
    if bytes.len() < 32 {
        return Err(Error::refused(format!("{} is too short for a key: 32 random bytes are needed.", file.display())));
    }
    Ok(SecretBytes::from_slice(&bytes))
}

fn make_key(file: &Path) -> Result<()> {
    let failed = |source| Error::File { path: file.into(), source };
    let key = SecretBytes::filled(32, crypto::random)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(mut file) => file.write_all(key.expose()).and_then(|()| file.sync_all()).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// What the configuration must say so that other programs find the vault.
pub(super) fn explain_configuration(
    context: &Context,
    config: &Config,
    name: &str,
    directory: &Path,
    machine_key: Option<&Path>,
) {
    let configured = |vault: &VaultConfig| {
        vault.as_local().is_some_and(|local| local.path == directory && local.machine_key.as_deref() == machine_key)
    };
    let found_by_itself = machine_key.is_none() && directory.parent() == Some(config.vaults_dir.as_path());
    if found_by_itself || config.vaults.iter().any(configured) {
        return;
    }
    let machine_key = machine_key.map_or(String::new(), |file| format!("\n    machine_key = {file:?}"));
    context.output.note(&format!(
        "\nSo that it is found, the configuration needs:\n\n    [[vault]]\n    name = {name:?}\n    path = {directory:?}{machine_key}",
    ));
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| Error::File { path: path.into(), source })
}

pub(super) fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
