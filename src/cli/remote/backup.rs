//! Backups of a vault at a server, to and from the targets of its configuration: the server does the work, and is asked
//! until it is done.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::backup::{Create, Verb};
use super::super::restore::AtServer;
use super::super::{Context, Error, Result, progress, time};
use super::client::Client;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// A job as the server tells of it.
#[derive(Deserialize)]
struct Job {
    status: String,
    #[serde(rename = "jobId")]
    id: String,
    #[serde(rename = "statusDetails")]
    details: Option<String>,
    #[serde(rename = "startTime")]
    started: Option<i64>,
    #[serde(rename = "endTime")]
    ended: Option<i64>,
    #[serde(rename = "azureStorageBlobContainerUri")]
    made: Option<String>,
}

pub(super) fn run(context: &Context, client: &Client, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Create(Create { target: Some(target), .. }) => create(context, client, target),
        Verb::Create(_) => {
            Err(Error::Usage("Say with --target which backup target of the server the backup goes to.".into()))
        }
        Verb::Verify(_) | Verb::Show(_) => {
            Err(Error::Usage("Only `backup create` works at a server: look at the file where it lies.".into()))
        }
    }
}

fn create(context: &Context, client: &Client, target: &str) -> Result<()> {
    let job = done(context, client, "Backing up", "backup", ("POST", "/backup"), &storage(client, target))?;
    let made = job.made.as_deref().unwrap_or_default();
    let name = made.rsplit('/').next().unwrap_or_default();
    context.output.done(
        &format!("Backed up {} to the target {target} as {name}.", client.address),
        &job.json(&json!({ "vault": client.address.to_string(), "target": target, "name": name, "uri": made })),
    )
}

pub(super) fn restore(context: &Context, client: &Client, wish: AtServer) -> Result<()> {
    let AtServer { backup, target, key } = wish;
    let storage = storage(client, &target);
    let (path, member) = match &key {
        Some(name) => (format!("/keys/{name}/restore"), "folder"),
        None => ("/restore".to_owned(), "folderToRestore"),
    };
    if key.is_none() {
        context.confirm(&format!(
            "Bring {} back to its state in {backup}? What was made or changed since then is lost; who may use it stays as it is.",
            client.address
        ))?;
    }
    let body = json!({ "sasTokenParameters": storage, member: backup });
    let job = done(context, client, "Restoring", "restore", ("PUT", &path), &body)?;
    let what = key.as_ref().map_or_else(|| client.address.to_string(), ToString::to_string);
    let details = job.details.as_deref().unwrap_or_default();
    context.output.done(
        &format!("Restored {what} from {backup}: {details}"),
        &job.json(
            &json!({ "vault": client.address.to_string(), "target": target, "name": backup, "details": details }),
        ),
    )
}

fn storage(client: &Client, target: &str) -> Value {
    json!({ "storageResourceUri": client.address.backup_target(target), "useManagedIdentity": true })
}

/// Starts a job and waits for its end.
fn done(
    context: &Context,
    client: &Client,
    what: &str,
    family: &str,
    (method, path): (&'static str, &str),
    body: &Value,
) -> Result<Job> {
    let job: Job = client.change(method, path, body)?;
    let pending = format!("/{family}/{}/pending", job.id);
    let ended = progress::spin(&context.output, what, || {
        let mut job = job;
        while job.status == "InProgress" {
            std::thread::sleep(PAUSE);
            job = client.get(&pending, "such job")?;
        }
        Ok::<_, Error>(job)
    })?;
    match ended.status.as_str() {
        "Succeeded" => Ok(ended),
        _ => Err(Error::refused(format!("{} failed: {}", client.address, ended.details.unwrap_or(ended.status)))),
    }
}

impl Job {
    fn json(&self, more: &Value) -> Value {
        let mut value = more.clone();
        value["started"] = json!(self.started.map(time::text));
        value["ended"] = json!(self.ended.map(time::text));
        value
    }
}
