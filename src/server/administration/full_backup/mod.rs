//! Backups of a whole vault, and restoring it or one of its keys, for clients: to and from the targets of the configuration,
//! as jobs that a client asks about until they are done.
//!
//! A request names a target and a backup in it, never a path. What a backup is and how it is sealed is the vault's affair,
//! and files made here are the same as those of `strongroom backup create --into`. Clients' tokens for a storage service are
//! taken and not looked at: the target's directory is the server's own.

mod job;
mod kept;
mod target;
mod work;

use std::sync::Arc;

use axum::http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::job::Jobs;
use self::job::{Job, Kind};
pub use self::target::{Target, Targets};
use self::work::{Done, Task};
use crate::server::body::object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::vault::{Collection, Name, VaultError};

/// Where a client wants its backup, or has it.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SASTokenParameter")]
pub struct Storage {
    #[serde(rename = "storageResourceUri")]
    uri: String,
    #[allow(dead_code, reason = "taken and not looked at")]
    token: Option<String>,
    #[allow(dead_code, reason = "taken and not looked at")]
    #[serde(rename = "useManagedIdentity")]
    use_managed_identity: Option<bool>,
}

/// The same, of a check.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PreBackupOperationParameters")]
pub struct CheckedStorage {
    #[serde(rename = "storageResourceUri")]
    uri: Option<String>,
    #[allow(dead_code, reason = "taken and not looked at")]
    token: Option<String>,
    #[allow(dead_code, reason = "taken and not looked at")]
    #[serde(rename = "useManagedIdentity")]
    use_managed_identity: Option<bool>,
}

/// Which backup the vault is to go back to.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RestoreOperationParameters")]
pub struct RestoreParameters {
    #[serde(rename = "sasTokenParameters", deserialize_with = "object")]
    storage: Storage,
    #[serde(rename = "folderToRestore")]
    folder: String,
}

/// The same, of a check.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PreRestoreOperationParameters")]
pub struct CheckedRestoreParameters {
    #[serde(rename = "sasTokenParameters", default, deserialize_with = "crate::server::body::maybe_object")]
    storage: Option<Storage>,
    #[serde(rename = "folderToRestore")]
    folder: Option<String>,
}

/// Which backup one key is to come from.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SelectiveKeyRestoreOperationParameters")]
pub struct KeyRestoreParameters {
    #[serde(rename = "sasTokenParameters", deserialize_with = "object")]
    storage: Storage,
    folder: String,
}

/// POST `/backup`.
pub fn back_up(call: &Call) -> Result<Reply> {
    let given: Storage = call.read()?;
    let task = task(call, &given.uri)?;
    start(call, Kind::Backup, move |announce| task.back_up(announce))
}

/// POST `/prebackup`: whether a backup would succeed.
pub fn check_backup(call: &Call) -> Result<Reply> {
    let given: CheckedStorage = call.read()?;
    let task = task(call, &given.uri.ok_or_else(|| missing("storageResourceUri"))?)?;
    start(call, Kind::BackupCheck, move |_| task.check_backup())
}

/// PUT `/restore`: the whole vault becomes what it was.
pub fn restore(call: &Call) -> Result<Reply> {
    let given: RestoreParameters = call.read()?;
    let task = task(call, &given.storage.uri)?;
    let file = task.backup(&given.folder)?;
    start(call, Kind::Restore, move |_| task.restore(&file))
}

/// PUT `/prerestore`: whether restoring would succeed.
pub fn check_restore(call: &Call) -> Result<Reply> {
    let given: CheckedRestoreParameters = call.read()?;
    let storage = given.storage.ok_or_else(|| missing("sasTokenParameters"))?;
    let task = task(call, &storage.uri)?;
    let file = task.backup(&given.folder.ok_or_else(|| missing("folderToRestore"))?)?;
    start(call, Kind::RestoreCheck, move |_| task.check_restore(&file))
}

/// PUT `/keys/{name}/restore`: all versions of one key come back, which nothing has the name of.
pub fn restore_key(call: &Call) -> Result<Reply> {
    let given: KeyRestoreParameters = call.read()?;
    let task = task(call, &given.storage.uri)?;
    let file = task.backup(&given.folder)?;
    let name = call.name()?.clone();
    refuse_taken(call, &name)?;
    start(call, Kind::KeyRestore, move |_| task.restore_key(&file, &name))
}

/// GET `/backup/{id}/pending`.
pub fn backup_status(call: &Call) -> Result<Reply> {
    status(call, "backup")
}

/// GET `/restore/{id}/pending`.
pub fn restore_status(call: &Call) -> Result<Reply> {
    status(call, "restore")
}

/// Whether a request about a job comes from who began it: they may ask, whatever role they have.
pub fn is_own_job(call: &Call) -> bool {
    Job::is_of_asker(call)
}

/// Seconds after which a client asks again.
const ASK_AGAIN: &str = "1";

fn start(
    call: &Call,
    kind: Kind,
    work: impl FnOnce(&mut job::Announce<'_>) -> std::result::Result<Done, job::Failure> + Send + 'static,
) -> Result<Reply> {
    let job = Job::start(call, kind, work)?;
    let pending = format!("{}/{}/{}/pending", call.base, kind.family(), job.id);
    let reply = Reply::json(&job.shown())?.with_header(HeaderName::from_static("azure-asyncoperation"), pending);
    Ok(reply.with_header(header::RETRY_AFTER, ASK_AGAIN))
}

fn status(call: &Call, family: &str) -> Result<Reply> {
    let job = Job::find(call, call.id.as_deref().unwrap_or_default(), family)?;
    let reply = Reply::json(&job.shown())?;
    Ok(if job.is_running() { reply.with_header(header::RETRY_AFTER, ASK_AGAIN) } else { reply })
}

fn task(call: &Call, uri: &str) -> Result<Task> {
    let (target, container) = call.server.targets.meant(uri, &call.server.names)?;
    Ok(Task {
        served: Arc::clone(&call.served),
        target,
        container,
        clock: call.server.clock.clone(),
        principal: call.caller.oid.clone(),
    })
}

/// What the job would find out is said at once where it is known.
fn refuse_taken(call: &Call, name: &Name) -> Result<()> {
    if call.image.deleted_with_name(Collection::Keys, name.as_str()).next().is_some() {
        return Err(VaultError::NameDeleted(name.to_string()).into());
    }
    match call.image.is_taken(Collection::Keys, name.as_str()) {
        true => Err(VaultError::NameTaken(name.to_string()).into()),
        false => Ok(()),
    }
}

fn missing(member: &str) -> ServiceError {
    ServiceError::bad_parameter(format!("The body's member {member} is missing."))
}
