//! Where connections run: a thread for each core, with a runtime of its own.
//!
//! A connection stays on its lane, and what wakes it wakes that thread alone. A runtime that shares its tasks among threads
//! wakes a second one with most events, to see whether there is something to share; for requests of a few microseconds
//! that costs more than it gives.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The lanes, which end when [`end`](Self::end) is done.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    runtime: Handle,
    /// Held by each connection that is open.
    open: Arc<()>,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Lanes {
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        (0..cores).map(Lane::start).collect::<io::Result<_>>().map(Self)
    }

    /// Runs a connection, made by `begin` on its lane, on the one that has fewest.
    pub(super) fn run<C>(&self, begin: impl FnOnce() -> io::Result<C> + Send + 'static)
    where
        C: Future<Output = ()> + Send,
    {
        let Some(lane) = self.0.iter().min_by_key(|lane| Arc::strong_count(&lane.open)) else { return };
        let open = Arc::clone(&lane.open);
        lane.runtime.spawn(async move {
            // Without memory or descriptors for it the connection is closed.
            if let Ok(connection) = begin() {
                connection.await;
            }
            drop(open);
        });
    }

    /// Ends the threads, on which nothing runs any more.
    pub(super) async fn end(self) {
        let threads: Vec<_> = self.0.into_iter().map(|lane| (lane.end, lane.thread)).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for (end, thread) in threads {
                drop(end);
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let run = move || drop(runtime.block_on(ended));
        let thread = thread::Builder::new().name(format!("serve-{number}")).spawn(run)?;
        Ok(Self { runtime: handle, open: Arc::default(), end, thread })
    }
}
