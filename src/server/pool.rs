//! Where a request's work is done, so that nothing long stands in the way of something short.
//!
//! Short work (an EC signature, a secret) is done where the request is read. Private RSA operations have threads of their
//! own, at a lower priority, and so have lists and certificates' files, the generation of RSA keys, the opening of files under
//! passwords, and backups of whole vaults, so that others are served while all of these are busy; writes wait for the disk on
//! blocking threads, logins for nobody's write, and what makes or opens a key first for neither. Each queue is bounded: beyond
//! it a request is answered 503 at once.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::{Result, ServiceError};
use crate::crypto::PrivateKey;
use crate::sys;
use crate::vault::{SecretBytes, VaultError};

/// RSA operations that may wait.
const RSA_QUEUE: usize = 1_024;

/// Lists and certificates' files that may wait.
const READ_QUEUE: usize = 1_024;

/// RSA keys that may wait to be made: seconds each.
const GENERATIONS: usize = 16;

/// Files under passwords that may wait to be opened: seconds each, as their makers choose.
const OPENINGS: usize = 16;

/// Requests that make or open a key at once: more than those that can wait for a thread, so that others find a place.
const MAKERS: usize = 64;

/// Such requests that may wait besides.
const MAKER_QUEUE: usize = 256;

/// Backups and restores that may wait: one for a vault.
const BACKGROUND: usize = 256;

/// Logins at once.
const LOGINS: usize = 16;

/// Writes at once: one is on the disk, the others wait for it.
const WRITES: usize = 64;

/// Writes that may wait besides.
const WRITE_QUEUE: usize = 1_024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their limits.
pub struct Pools {
    rsa: Crew,
    reading: Crew,
    generation: Crew,
    opening: Crew,
    background: Crew,
    logins: Arc<Semaphore>,
    writes: Places,
    makers: Places,
}

/// Turns for work on blocking threads, and the bound on who waits for one.
struct Places {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Pools {
    /// Starts the threads for RSA and for reading, one for each core, and those for what takes long.
    pub fn start() -> std::io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            rsa: Crew::start("rsa", cores, RSA_QUEUE)?,
            reading: Crew::start("read", cores, READ_QUEUE)?,
            generation: Crew::start("generate", cores, GENERATIONS)?,
            opening: Crew::start("open", cores.div_ceil(2), OPENINGS)?,
            background: Crew::start("background", 1, BACKGROUND)?,
            logins: Arc::new(Semaphore::new(LOGINS)),
            writes: Places::new(WRITES, WRITE_QUEUE),
            makers: Places::new(MAKERS, MAKER_QUEUE),
        })
    }

    /// Runs `job` on a thread for RSA.
    pub async fn rsa<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.rsa.run(job, "Too many RSA operations are waiting: try again.").await
    }

    /// Runs `job`, which reads many objects or makes a file of some.
    pub async fn read<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.reading.run(job, "Too many lists and certificates are waiting to be read: try again.").await
    }

    /// Makes an RSA key, and waits for it: called where waiting is allowed.
    pub fn generate_rsa(&self, bits: u32, public_exponent: Vec<u8>) -> Result<(PrivateKey, SecretBytes)> {
        let make = move || PrivateKey::generate_rsa(bits, &public_exponent);
        let made = self.generation.wait(make, "Too many RSA keys are being made: try again.")?;
        Ok(made.map_err(VaultError::from)?)
    }

    /// Runs `job`, which opens a file as often as its maker wants it hashed, and waits for it: called where waiting is allowed.
    pub fn open<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        self.opening.wait(job, "Too many files are being opened: try again.")?
    }

    /// Runs `job`, which takes long, after those that came before it; nobody waits for it.
    pub fn in_background(&self, job: impl FnOnce() + Send + 'static) -> Result<()> {
        let too_many = |_| ServiceError::unavailable("Too many backups and restores are waiting: try again.");
        self.background.try_send(Box::new(job)).map_err(too_many)
    }

    /// Runs a login's `job`, which may wait for the disk.
    pub async fn login<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.logins).acquire_owned().await.map_err(|_| failed())?;
        on_blocking_thread(turn, job).await
    }

    /// Runs `job` where it may wait for the disk.
    pub async fn write<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.writes.run(job, "Too many changes are waiting: try again.").await
    }

    /// Runs `job`, which makes or opens a key and then changes the vault: it stands in no other change's way until then.
    pub async fn make<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.makers.run(job, "Too many keys are being made: try again.").await
    }
}

impl Places {
    fn new(at_once: usize, besides: usize) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { turns: semaphore(at_once), waiting: semaphore(at_once + besides) }
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static, full: &str) -> Result<T> {
        let _place = self.waiting.try_acquire().map_err(|_| ServiceError::unavailable(full))?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| failed())?;
        on_blocking_thread(turn, job).await
    }
}

async fn on_blocking_thread<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        job()
    });
    done.await.map_err(|_| failed())
}

/// Threads of low priority, and the work that waits for them. They end when it is dropped.
struct Crew(Arc<Queue>);

/// Work in the order in which it came. Only a thread that has nothing to do is woken, and one for each job.
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Crew {
    fn start(name: &str, threads: usize, most: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue { waiting: Mutex::default(), changed: Condvar::new(), most });
        let crew = Self(queue);
        for number in 0..threads {
            let queue = Arc::clone(&crew.0);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || queue.work())?;
        }
        Ok(crew)
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static, full: &str) -> Result<T> {
        let (sender, result) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more for what a client gave up.
            if !sender.is_closed() {
                drop(sender.send(job()));
            }
        });
        self.try_send(job).map_err(|_| ServiceError::unavailable(full))?;
        result.await.map_err(|_| failed())
    }

    /// The same where waiting is allowed.
    fn wait<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static, full: &str) -> Result<T> {
        let (sender, result) = sync_channel(1);
        let job = Box::new(move || drop(sender.send(job())));
        self.try_send(job).map_err(|_| ServiceError::unavailable(full))?;
        result.recv().map_err(|_| failed())
    }

    /// Leaves a job to the threads, or gives it back if too many wait.
    fn try_send(&self, job: Job) -> std::result::Result<(), Job> {
        let mut waiting = self.0.waiting();
        if waiting.jobs.len() >= self.0.most {
            return Err(job);
        }
        waiting.jobs.push_back(job);
        if waiting.idle > 0 {
            self.0.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.0.waiting().closed = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        sys::thread::lower_priority();
        while let Some(job) = self.next() {
            // What panicked answers its caller with an error; the thread goes on.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting.idle += 1;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}

fn failed() -> ServiceError {
    ServiceError::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "The operation ended unexpectedly: the operator finds the reason in the server's log.",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn files_that_take_long_to_open_are_bounded_and_stand_in_nobodys_way() {
        let pools = Arc::new(Pools::start().expect("threads"));
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let open = || {
            let (pools, held) = (Arc::clone(&pools), Arc::clone(&held));
            tokio::task::spawn_blocking(move || {
                pools.open(move || {
                    let _ = held.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    Ok(())
                })
            })
        };
        let many = cores.div_ceil(2) + OPENINGS;
        let waiting: Vec<_> = (0..2 * many).map(|_| open()).collect();
        assert_eq!(pools.write(|| 1).await.ok(), Some(1));
        assert_eq!(pools.read(|| 2).await.ok(), Some(2));
        assert_eq!(pools.make(|| 3).await.ok(), Some(3));
        drop(release);
        let mut opened = 0;
        for job in waiting {
            match job.await.expect("no panic") {
                Ok(()) => opened += 1,
                Err(error) => assert_eq!(error.status, axum::http::StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        assert!((1..=many).contains(&opened), "{opened}");
    }
}
