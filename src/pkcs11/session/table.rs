//! Sessions by their handle, found without a process-wide lock.
//!
//! Places lie in chunks that are made once and never move, so that finding one is arithmetic. Each has its own lock, held
//! for the time of one call on that session. A handle is the place's index and its generation, which grows when the
//! session there is closed: a stale handle never names a later session. Nor does one from before `C_Finalize` or a fork:
//! each table begins at another generation.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(all(test, strongroom_loom)))]
use std::sync::{Mutex, MutexGuard};
use std::sync::{OnceLock, PoisonError};

use cryptoki_sys::*;
// The scheduler of the test of interleavings.
#[cfg(all(test, strongroom_loom))]
use loom::sync::{Mutex, MutexGuard};

use super::Session;
use crate::pkcs11::error::Rv;

/// Places in the first chunk; each further one has twice as many.
const FIRST: usize = 64;
/// 64 × (2¹² − 1) = 262,080 sessions.
const CHUNKS: usize = 12;

/// All sessions of the module.
pub struct Table {
    chunks: [OnceLock<Box<[Mutex<Place>]>>; CHUNKS],
    free: Mutex<Free>,
    first_generation: u32,
}

/// A session, and the place's lock as long as this lives.
pub struct SessionGuard<'a>(MutexGuard<'a, Place>);

struct Place {
    generation: u32,
    session: Option<Session>,
}

/// Which places are not in use.
#[derive(Default)]
struct Free {
    closed: Vec<usize>,
    never_used: usize,
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        /// Steps of this size come back to the same number last of all, and lie far apart until then.
        const STEP: u32 = 0x9E37_79B1;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let first_generation = NEXT.fetch_add(STEP, Ordering::Relaxed);
        Self { chunks: [const { OnceLock::new() }; CHUNKS], free: Mutex::default(), first_generation }
    }

    /// Puts a session in; `make` gets its handle.
    pub fn insert(&self, make: impl FnOnce(CK_SESSION_HANDLE) -> Session) -> Result<CK_SESSION_HANDLE, Rv> {
        let index = self.take_place()?;
        let mut place = lock(self.place(index).ok_or(Rv(CKR_SESSION_COUNT))?);
        let handle = handle(index, place.generation);
        place.session = Some(make(handle));
        Ok(handle)
    }

    /// The session with this handle. Waits for a call on the same session to end.
    pub fn get(&self, handle: CK_SESSION_HANDLE) -> Result<SessionGuard<'_>, Rv> {
        let (index, generation) = parts(handle).ok_or(Rv(CKR_SESSION_HANDLE_INVALID))?;
        let place = lock(self.existing(index).ok_or(Rv(CKR_SESSION_HANDLE_INVALID))?);
        if place.generation == generation && place.session.is_some() {
            Ok(SessionGuard(place))
        } else {
            Err(Rv(CKR_SESSION_HANDLE_INVALID))
        }
    }

    /// Takes the session with this handle out.
    pub fn remove(&self, handle: CK_SESSION_HANDLE) -> Result<Session, Rv> {
        let SessionGuard(mut place) = self.get(handle)?;
        let session = place.session.take().ok_or(Rv(CKR_SESSION_HANDLE_INVALID))?;
        place.generation = place.generation.wrapping_add(1);
        drop(place);
        if let Some((index, _)) = parts(handle) {
            lock(&self.free).closed.push(index);
        }
        Ok(session)
    }

    /// The handles of all sessions for which `wanted` holds.
    pub fn handles(&self, mut wanted: impl FnMut(&Session) -> bool) -> Vec<CK_SESSION_HANDLE> {
        let used = lock(&self.free).never_used;
        (0..used)
            .filter_map(|index| {
                let place = lock(self.existing(index)?);
                place.session.as_ref().filter(|session| wanted(session)).map(|_| handle(index, place.generation))
            })
            .collect()
    }

    fn take_place(&self) -> Result<usize, Rv> {
        let mut free = lock(&self.free);
        if let Some(index) = free.closed.pop() {
            return Ok(index);
        }
        let index = free.never_used;
        if locate(index).0 >= CHUNKS {
            return Err(Rv(CKR_SESSION_COUNT));
        }
        free.never_used += 1;
        Ok(index)
    }

    fn place(&self, index: usize) -> Option<&Mutex<Place>> {
        let (chunk, offset) = locate(index);
        let new_place = || Mutex::new(Place { generation: self.first_generation, session: None });
        let places = self.chunks.get(chunk)?.get_or_init(|| (0..FIRST << chunk).map(|_| new_place()).collect());
        places.get(offset)
    }

    fn existing(&self, index: usize) -> Option<&Mutex<Place>> {
        let (chunk, offset) = locate(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for SessionGuard<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        // `Table::get` made this only with a session in place, and only `Table::remove` takes it out, by value.
        self.0.session.as_ref().expect("a guard's place holds a session")
    }
}

impl DerefMut for SessionGuard<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.0.session.as_mut().expect("a guard's place holds a session")
    }
}

/// A panic in an earlier call left the session as it was at that moment, which the next call can deal with.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locate(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2() as usize;
    (chunk, index - FIRST * ((1 << chunk) - 1))
}

/// Never `CK_INVALID_HANDLE`, which is 0.
fn handle(index: usize, generation: u32) -> CK_SESSION_HANDLE {
    CK_SESSION_HANDLE::from(generation) << 32 | (index as CK_SESSION_HANDLE + 1)
}

fn parts(handle: CK_SESSION_HANDLE) -> Option<(usize, u32)> {
    let index = (handle & 0xFFFF_FFFF).checked_sub(1)?;
    Some((index as usize, (handle >> 32) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fill_chunk_after_chunk() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(63), (0, 63));
        assert_eq!(locate(64), (1, 0));
        assert_eq!(locate(191), (1, 127));
        assert_eq!(locate(192), (2, 0));
        assert_eq!(locate(262_079).0, CHUNKS - 1);
        assert_eq!(locate(262_080).0, CHUNKS);
    }

    #[test]
    fn a_handle_names_one_place_and_one_generation() {
        assert_eq!(parts(handle(0, 0)), Some((0, 0)));
        assert_eq!(parts(handle(70_000, u32::MAX)), Some((70_000, u32::MAX)));
        assert_eq!(parts(CK_INVALID_HANDLE), None);
    }
}
