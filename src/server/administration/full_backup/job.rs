//! A backup or restore that runs, or ran: one at a time for a vault, on a thread that lets others go first.
//!
//! What became of it is a record in the vault, so that who asks after a restart is told. A record of a job that nobody runs
//! any more says that it was interrupted; finished ones are forgotten after a day, and beyond a hundred of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::work::Done;
use crate::server::Served;
use crate::server::call::Call;
use crate::server::clock::Clock;
use crate::server::error::{Result, ServiceError};
use crate::server::guid;
use crate::server::record::{self, Record, Stored};
use crate::vault::{Change, Image};

/// Seconds for which a finished job is remembered.
const REMEMBERED: i64 = 24 * 3600;

/// How many finished jobs are remembered.
const MOST: usize = 100;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Writes the whole vault to a target.
    Backup,
    /// Finds out whether that would succeed.
    BackupCheck,
    /// Brings the whole vault back.
    Restore,
    /// Finds out whether that would succeed.
    RestoreCheck,
    /// Brings one key back.
    KeyRestore,
}

impl Kind {
    /// The first part of the path at which clients ask.
    pub fn family(self) -> &'static str {
        match self {
            Self::Backup | Self::BackupCheck => "backup",
            Self::Restore | Self::RestoreCheck | Self::KeyRestore => "restore",
        }
    }

    /// What is to be said of one that nobody runs any more.
    fn interrupted(self) -> &'static str {
        match self {
            Self::Backup => {
                "The server ended while the backup was written, and there is none of it at its target: start it again."
            }
            Self::Restore | Self::KeyRestore => {
                "The server ended while it restored. All of it was done or nothing: look at the vault, or restore again."
            }
            Self::BackupCheck | Self::RestoreCheck => "The server ended during the check: start it again.",
        }
    }
}

/// Why a job failed, for who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `error.code`.
    pub code: String,
    /// `error.message`.
    pub message: String,
}

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// A GUID.
    pub id: String,
    kind: Kind,
    /// The object id of who asked for it: they may ask what became of it.
    #[serde(default)]
    principal: String,
    /// Seconds since 1970.
    started: i64,
    ended: Option<i64>,
    failure: Option<Failure>,
    /// What came of it, in a sentence.
    details: Option<String>,
    /// The address of the backup that is made; whether it was, its end says.
    made: Option<String>,
}

impl Record for Job {
    const KIND: &'static str = "backup-job";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A job as clients know it.
#[derive(Serialize)]
pub struct Shown<'a> {
    status: &'static str,
    #[serde(rename = "statusDetails")]
    details: Option<&'a str>,
    error: Option<&'a Failure>,
    #[serde(rename = "startTime")]
    started: i64,
    #[serde(rename = "endTime")]
    ended: Option<i64>,
    #[serde(rename = "jobId")]
    id: &'a str,
    #[serde(rename = "azureStorageBlobContainerUri", skip_serializing_if = "Option::is_none")]
    made: Option<&'a str>,
}

/// The job of a vault that runs in this process, and the one that ended last.
#[derive(Default)]
pub struct Jobs(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<String>,
    /// Said of it even where the disk is too full for its record.
    ended: Option<Job>,
}

impl Jobs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Starts one, if none runs.
    pub fn start(
        call: &Call,
        kind: Kind,
        work: impl FnOnce(&mut Announce<'_>) -> std::result::Result<Done, Failure> + Send + 'static,
    ) -> Result<Self> {
        let (id, principal) = (guid::random()?, call.caller.oid.clone());
        let job =
            Self { id, kind, principal, started: call.now, ended: None, failure: None, details: None, made: None };
        let clock = call.server.clock.clone();
        let turn = Turn::take(&call.served, job.clone(), clock)?;
        call.served.vault.transact(&mut |image| {
            let old = forgotten(image, call.now).into_iter().map(|stored| Change::Delete(stored.number));
            Ok(old.chain([record::create(&job, None)]).collect())
        })?;
        call.pools.in_background(move || turn.run(work))?;
        Ok(job)
    }

    /// The job with this id, of this family.
    pub fn find(call: &Call, id: &str, family: &str) -> Result<Self> {
        let found = Self::known(call, id).filter(|job| job.kind.family() == family);
        found.ok_or_else(|| {
            let what = format!("The job {id} was not found: finished jobs are forgotten after a day.");
            ServiceError::not_found("JobNotFound", what)
        })
    }

    /// Whether the job that a request is about was begun by who makes it.
    pub fn is_of_asker(call: &Call) -> bool {
        let id = call.id.as_deref().unwrap_or_default();
        record::find::<Self>(&call.image, id).is_some_and(|stored| stored.record.principal == call.caller.oid)
    }

    fn known(call: &Call, id: &str) -> Option<Self> {
        let served = &call.served;
        let is_running = {
            let state = served.jobs.state();
            if let Some(ended) = state.ended.as_ref().filter(|job| job.id == id) {
                return Some(ended.clone());
            }
            state.running.as_deref() == Some(id)
        };
        let mut job = record::find::<Self>(&served.vault.image(), id)?.record;
        if is_running {
            // Its end is written before the next one may begin.
            (job.ended, job.failure) = (None, None);
            job.details = None;
        } else if job.ended.is_none() {
            job.end_by_what_is_there(call);
        }
        Some(job)
    }

    /// Says what became of a job that nobody runs any more. A backup has its name from the moment that it is whole.
    fn end_by_what_is_there(&mut self, call: &Call) {
        let address = self.made.as_deref().filter(|_| self.kind == Kind::Backup);
        match address.and_then(|address| call.server.targets.made(address, &call.served)) {
            Some(label) => {
                self.ended = Some(label.created.max(self.started));
                self.details = Some(Done::backed_up(&label));
            }
            None => {
                self.ended = Some(self.started);
                self.failure = Some(Failure { code: "Interrupted".into(), message: self.kind.interrupted().into() });
            }
        }
    }

    /// Whether it is worth asking again.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// For clients.
    pub fn shown(&self) -> Shown<'_> {
        let status = match (self.ended, &self.failure) {
            (None, _) => "InProgress",
            (Some(_), None) => "Succeeded",
            (Some(_), Some(_)) => "Failed",
        };
        Shown {
            status,
            details: self.failure.as_ref().map(|failure| failure.message.as_str()).or(self.details.as_deref()),
            error: self.failure.as_ref(),
            started: self.started,
            ended: self.ended,
            id: &self.id,
            made: self.made.as_deref().filter(|_| status == "Succeeded"),
        }
    }

    fn end(&mut self, at: i64, outcome: std::result::Result<Done, Failure>) {
        self.ended = Some(at);
        match outcome {
            Ok(done) => self.details = Some(done.details),
            Err(failure) => self.failure = Some(failure),
        }
    }
}

/// Writes down the address of a backup before there is one.
pub type Announce<'a> = dyn FnMut(String) -> crate::vault::Result<()> + 'a;

/// Finished jobs that are too old, and too many. Whoever asks this is the only one that runs.
fn forgotten(image: &Image, now: i64) -> Vec<Stored<Job>> {
    let mut all: Vec<_> = record::all::<Job>(image).collect();
    all.sort_by_key(|stored| std::cmp::Reverse(stored.record.started));
    let is_old = |job: &Job| job.started.saturating_add(REMEMBERED) <= now;
    let too_many = |place: usize| place + 1 >= MOST;
    let old = all.into_iter().enumerate().filter(|(place, stored)| too_many(*place) || is_old(&stored.record));
    old.map(|(_, stored)| stored).collect()
}

/// The right to run the one job of a vault. However it ends, what became of the job is told.
struct Turn {
    served: Arc<Served>,
    clock: Clock,
    job: Job,
}

impl Turn {
    fn take(served: &Arc<Served>, job: Job, clock: Clock) -> Result<Self> {
        let mut state = served.jobs.state();
        if state.running.is_some() {
            return Err(ServiceError::conflict(
                "BackupOrRestoreInProgress",
                "A backup or restore of this vault is running: wait until it is done.",
            ));
        }
        state.running = Some(job.id.clone());
        drop(state);
        Ok(Self { served: Arc::clone(served), clock, job })
    }

    fn run(mut self, work: impl FnOnce(&mut Announce<'_>) -> std::result::Result<Done, Failure>) {
        let outcome = work(&mut |address| {
            self.job.made = Some(address);
            self.write()
        });
        self.job.end(self.clock.now(), outcome);
    }

    fn write(&self) -> crate::vault::Result<()> {
        let job = &self.job;
        let written = self.served.vault.transact(&mut |image| {
            Ok(vec![match record::find::<Job>(image, &job.id) {
                Some(stored) => record::replace(stored.number, job),
                None => record::create(job, None),
            }])
        });
        written.map(drop)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.job.is_running() {
            let message = "The job ended unexpectedly: the operator finds the reason in the server's log.";
            let failure = Failure { code: "InternalServerError".into(), message: message.into() };
            self.job.end(self.clock.now(), Err(failure));
        }
        if let Err(error) = self.write() {
            tracing::error!("what became of the job {} could not be written: {error}", self.job.id);
        }
        let mut state = self.served.jobs.state();
        (state.running, state.ended) = (None, Some(self.job.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Class, Content, Object};

    fn image(started: impl Iterator<Item = i64>) -> Image {
        let mut image = Image::default();
        for (number, started) in started.enumerate() {
            let number = number as u64 + 1;
            let job = Job {
                id: number.to_string(),
                kind: Kind::Backup,
                principal: String::new(),
                started,
                ended: Some(started),
                failure: None,
                details: None,
                made: None,
            };
            let Change::Create(draft) = record::create(&job, None) else { panic!("a new record") };
            let unique_id = [&number.to_le_bytes()[..], &[0; 8]].concat().try_into().unwrap();
            let content: Content = draft.content;
            assert_eq!(content.class, Class::Service);
            image.insert(Arc::new(Object {
                number,
                unique_id,
                name: None,
                version: None,
                created: 0,
                updated: 0,
                has_secret: false,
                secret_len: 0,
                content,
            }));
        }
        image
    }

    #[test]
    fn finished_jobs_are_forgotten_after_a_day_and_beyond_a_hundred() {
        let now = 10 * REMEMBERED;
        let gone =
            |image: &Image| -> Vec<i64> { forgotten(image, now).iter().map(|stored| stored.record.started).collect() };
        assert_eq!(gone(&image([now, now - REMEMBERED, now - REMEMBERED + 1].into_iter())), [now - REMEMBERED]);
        // With the one that is to come there are a hundred.
        assert_eq!(gone(&image((0..100).map(|ago| now - ago))), [now - 99]);
        assert!(gone(&image((0..99).map(|ago| now - ago))).is_empty());
    }
}
