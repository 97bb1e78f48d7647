//! Where a request's work is done, so that nothing long stands in the way of something short.
//!
//! Short work (an EC signature, a secret) is done where the request is read. Private RSA operations and key generation
//! have threads of their own, at a lower priority, so that others are served while all of these are busy; writes wait for
//! the disk on blocking threads. Each queue is bounded: beyond it a request is answered 503 at once.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use super::error::{Result, ServiceError};
use crate::sys;

/// RSA operations that may wait.
const RSA_QUEUE: usize = 1_024;

/// Writes at once: one is on the disk, the others wait for it.
const WRITES: usize = 64;

/// Writes that may wait besides.
const WRITE_QUEUE: usize = 1_024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their limits.
pub struct Pools {
    rsa: SyncSender<Job>,
    writes: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Pools {
    /// Starts the threads for RSA: one for each core.
    pub fn start() -> std::io::Result<Self> {
        let (rsa, jobs) = sync_channel::<Job>(RSA_QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("rsa-{number}")).spawn(move || work(&jobs))?;
        }
        let writes = Arc::new(Semaphore::new(WRITES));
        Ok(Self { rsa, writes, waiting: Arc::new(Semaphore::new(WRITES + WRITE_QUEUE)) })
    }

    /// Runs `job` on a thread for RSA.
    pub async fn rsa<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, result) = oneshot::channel();
        let job = Box::new(move || drop(sender.send(job())));
        self.rsa
            .try_send(job)
            .map_err(|_| ServiceError::unavailable("Too many RSA operations are waiting: try again."))?;
        result.await.map_err(|_| failed())
    }

    /// Runs `job` where it may wait for the disk.
    pub async fn write<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let too_many = || ServiceError::unavailable("Too many changes are waiting: try again.");
        let _place = self.waiting.try_acquire().map_err(|_| too_many())?;
        let turn = Arc::clone(&self.writes).acquire_owned().await.map_err(|_| failed())?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            job()
        });
        done.await.map_err(|_| failed())
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    sys::thread::lower_priority();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // What panicked answers its caller with an error; the thread goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

fn failed() -> ServiceError {
    ServiceError::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "The operation ended unexpectedly: the operator finds the reason in the server's log.",
    )
}
