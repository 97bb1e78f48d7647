//! Secrets of this process alone: a fork wipes them, and the child is told that they are gone instead of getting zeros.
//!
//! Short ones share pages: thousands of keys neither take a page each nor use up what may be locked in memory. A child puts
//! its own into a pool of its own, because a thread that it doesn't have may hold the lock of its parent's.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use zeroize::Zeroize;

use super::{AfterFork, PAGE, SecretPages};
use crate::sys::fork;

/// Some secret bytes; wiped when dropped, and by a fork.
pub struct OwnSecret {
    place: Place,
    len: usize,
}

enum Place {
    Slot(Slot),
    Pages(SecretPages<u8>),
}

impl OwnSecret {
    /// Copies `bytes`; the caller wipes its own copy. Fails as [`SecretPages::filled`] does.
    pub fn new(bytes: &[u8]) -> io::Result<Self> {
        let place = if bytes.len() <= SLOT_LEN {
            Place::Slot(Slot::holding(bytes)?)
        } else {
            let mut pages = SecretPages::filled(0, bytes.len(), AfterFork::Wiped)?;
            pages.copy_from_slice(bytes);
            Place::Pages(pages)
        };
        Ok(Self { place, len: bytes.len() })
    }

    /// The bytes; `None` in a process that was forked off since.
    pub fn expose(&self) -> Option<&[u8]> {
        let whole = match &self.place {
            Place::Slot(slot) => slot.bytes.expose()?,
            Place::Pages(pages) => Some(&**pages).filter(|_| !pages.is_wiped())?,
        };
        Some(&whole[..self.len])
    }
}

/// As long as HMAC's usual keys.
const SLOT_LEN: usize = 64;
/// Slots of a page that has a mark.
const SLOTS: usize = PAGE / SLOT_LEN - 1;

static POOL: ArcSwapOption<Pool> = ArcSwapOption::const_empty();

/// Slots in pages that are filled and emptied one by one. Pages that are empty again stay for the next.
struct Pool {
    /// [`fork::generation`] of the process whose it is.
    generation: u64,
    free: Mutex<Vec<SlotBytes>>,
}

/// Belongs either to the free list or to one filled slot.
struct SlotBytes {
    page: Arc<SecretPages<[u8; SLOT_LEN]>>,
    index: usize,
}

struct Slot {
    pool: Arc<Pool>,
    bytes: SlotBytes,
}

impl Pool {
    /// This process's.
    fn own() -> Arc<Self> {
        let generation = fork::generation();
        if let Some(pool) = &*POOL.load()
            && pool.generation == generation
        {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Self { generation, free: Mutex::default() });
        // Left as it lies: the list of the parent's may be half changed. Of two threads that come here both go on with
        // what they made.
        mem::forget(POOL.swap(Some(Arc::clone(&pool))));
        pool
    }

    fn take(&self) -> io::Result<SlotBytes> {
        let mut free = self.free();
        if let Some(slot) = free.pop() {
            return Ok(slot);
        }
        let page = Arc::new(SecretPages::filled([0; SLOT_LEN], SLOTS, AfterFork::Wiped)?);
        free.extend((1..SLOTS).map(|index| SlotBytes { page: Arc::clone(&page), index }));
        Ok(SlotBytes { page, index: 0 })
    }

    fn free(&self) -> MutexGuard<'_, Vec<SlotBytes>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn holding(bytes: &[u8]) -> io::Result<Self> {
        let pool = Pool::own();
        let mut slot = Self { bytes: pool.take()?, pool };
        slot.bytes.write()[..bytes.len()].copy_from_slice(bytes);
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // In a child it is a slot of the parent's pool, and empty.
        if self.bytes.page.is_wiped() {
            return;
        }
        self.bytes.write().zeroize();
        self.pool.free().push(SlotBytes { page: Arc::clone(&self.bytes.page), index: self.bytes.index });
    }
}

impl SlotBytes {
    fn expose(&self) -> Option<&[u8]> {
        // SAFETY: the page lives as long as `self`, and these bytes are written by `&mut self` only.
        (!self.page.is_wiped()).then(|| unsafe { &*self.place() }.as_slice())
    }

    fn write(&mut self) -> &mut [u8] {
        // SAFETY: nobody else has this slot, and `&mut self` is the only access.
        unsafe { &mut *self.place() }
    }

    fn place(&self) -> *mut [u8; SLOT_LEN] {
        // SAFETY: the index is below `SLOTS`, which is how many the page holds.
        unsafe { self.page.start.as_ptr().add(self.index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `holds` holds in a forked child.
    fn in_child(holds: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child only does what it is given and leaves with `_exit`.
        unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(!holds())),
                child => {
                    let mut status = -1;
                    libc::waitpid(child, &mut status, 0) == child && status == 0
                }
            }
        }
    }

    #[test]
    fn secrets_of_every_length_come_back_and_a_child_has_none_of_them() {
        let values: Vec<Vec<u8>> = [0, 1, 16, 63, 64, 65, 4095, 4096, 10_000].map(|len| vec![0xA5; len]).into();
        let secrets: Vec<OwnSecret> = values.iter().map(|value| OwnSecret::new(value).unwrap()).collect();
        assert!(secrets.iter().zip(&values).all(|(secret, value)| secret.expose() == Some(value)));
        assert!(in_child(|| secrets.iter().all(|secret| secret.expose().is_none())));
        assert!(secrets.iter().zip(&values).all(|(secret, value)| secret.expose() == Some(value)));
    }

    #[test]
    fn a_child_keeps_its_own_whoever_holds_the_lock_of_its_parents() {
        let mut inherited = Some(OwnSecret::new(&[0xA5; 32]).unwrap());
        let pool = Pool::own();
        let locked = pool.free();
        assert!(in_child(|| {
            // SAFETY: ends this child if it waits.
            unsafe { libc::alarm(20) };
            drop(inherited.take());
            OwnSecret::new(&[0x5A; 32]).unwrap().expose() == Some(&[0x5A; 32])
        }));
        drop(locked);
    }

    #[test]
    fn a_dropped_secret_is_wiped_and_its_slot_used_again() {
        let pool = Arc::new(Pool { generation: 0, free: Mutex::default() });
        let put = |byte| {
            let mut slot = Slot { bytes: pool.take().unwrap(), pool: Arc::clone(&pool) };
            slot.bytes.write().fill(byte);
            slot
        };
        let slots: Vec<Slot> = (0..300u32).map(|n| put(n as u8)).collect();
        assert!(slots.iter().enumerate().all(|(n, slot)| slot.bytes.expose() == Some(&[n as u8; SLOT_LEN])));
        drop(slots);
        let pages = 300_usize.div_ceil(SLOTS);
        assert_eq!(pool.free().len(), pages * SLOTS);
        assert!(pool.free().iter().all(|slot| slot.expose() == Some(&[0; SLOT_LEN])));
        let again: Vec<Slot> = (0..300).map(|_| put(1)).collect();
        assert_eq!(pool.free().len(), pages * SLOTS - again.len());
    }
}
