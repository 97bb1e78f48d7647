//! Memory for secrets: pages that a fork wipes, pages that a fork hands on, and wiping of the stack.

mod own_secret;

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroize;

pub use self::own_secret::OwnSecret;

/// What a forked child gets of some pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFork {
    /// Zeros (`MADV_WIPEONFORK`).
    Wiped,
    /// A copy.
    Inherited,
}

/// Values in anonymous pages of their own: never in a core file, not swapped out where the limits allow, overwritten
/// before they are given back.
pub struct SecretPages<T: Copy> {
    start: NonNull<T>,
    len: usize,
    bytes: usize,
    values: PhantomData<T>,
}

// SAFETY: the pages are owned by this value alone and hold plain values.
unsafe impl<T: Copy + Send> Send for SecretPages<T> {}
// SAFETY: shared access only reads.
unsafe impl<T: Copy + Sync> Sync for SecretPages<T> {}

impl<T: Copy> SecretPages<T> {
    /// `len` copies of `value`.
    ///
    /// Fails when there is no memory, or when the kernel can't wipe on fork although that was asked for.
    pub fn filled(value: T, len: usize, after_fork: AfterFork) -> io::Result<Self> {
        // One byte more, for the mark.
        let bytes = (len * size_of::<T>() + 1).next_multiple_of(PAGE);
        // SAFETY: a new anonymous mapping disturbs no other memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range is the mapping just made. Locking may fail under a small limit: then it may be swapped.
        let wiped = unsafe {
            // Argon2 jumps about in its memory: with large pages, where the kernel has them, it takes about a fifth less time.
            if bytes >= LARGE_PAGE {
                libc::madvise(start, bytes, libc::MADV_HUGEPAGE);
            }
            libc::madvise(start, bytes, libc::MADV_DONTDUMP);
            libc::mlock(start, bytes);
            after_fork == AfterFork::Inherited || libc::madvise(start, bytes, libc::MADV_WIPEONFORK) == 0
        };
        let start = NonNull::new(start.cast::<T>()).ok_or_else(io::Error::last_os_error)?;
        let pages = Self { start, len, bytes, values: PhantomData };
        if !wiped {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel can't wipe memory on fork"));
        }
        for index in 0..len {
            // SAFETY: the index lies inside the mapping, which is page-aligned and writable.
            unsafe { pages.start.add(index).write(value) };
        }
        // SAFETY: the mark lies inside the mapping, behind the values.
        unsafe { pages.mark().write_volatile(1) };
        Ok(pages)
    }

    /// Whether a fork, of whatever kind, made zeros of the values. It makes them of all at once, the mark among them.
    pub fn is_wiped(&self) -> bool {
        // SAFETY: the mark was written when the pages were made, and nobody writes it again.
        unsafe { self.mark().read_volatile() == 0 }
    }

    /// The last byte of the mapping, 1 until a fork wipes it.
    fn mark(&self) -> *mut u8 {
        // SAFETY: the byte lies inside the mapping, which is one byte longer at least than the values.
        unsafe { self.start.as_ptr().cast::<u8>().add(self.bytes - 1) }
    }
}

impl<T: Copy> Deref for SecretPages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: all `len` values were written when the pages were made. (Wiped pages read as zeros in a child; `T` is
        // only ever an integer, an array of them, or Argon2's block of them.)
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for SecretPages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> AsMut<[T]> for SecretPages<T> {
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: Copy> Drop for SecretPages<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and is used by nobody after this. Only what may hold values is overwritten.
        unsafe {
            let used = self.len * size_of::<T>();
            std::slice::from_raw_parts_mut(self.start.as_ptr().cast::<u8>(), used).zeroize();
            libc::munmap(self.start.as_ptr().cast(), self.bytes);
        }
    }
}

const PAGE: usize = 4096;
const LARGE_PAGE: usize = 2 << 20;

/// Slots of a page that has a mark.
const SLOTS: usize = PAGE / 32 - 1;
const LAST_SLOT: u8 = SLOTS as u8 - 1;

/// Slots of 32 bytes in pages that children inherit, that stand in no core file and are wiped one by one: the key ring.
#[derive(Default)]
pub struct SecretPool(Mutex<Vec<Arc<Chunk>>>);

struct Chunk {
    /// The process, by [`fork::epoch`](super::fork::epoch), that locked these pages last: a lock isn't inherited.
    locked_at: AtomicU64,
    slots: SecretPages<UnsafeSlot>,
    free: Mutex<Vec<u8>>,
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct UnsafeSlot([u8; 32]);

/// One filled slot; it is wiped when dropped.
pub struct SecretSlot {
    chunk: Arc<Chunk>,
    index: u8,
}

impl SecretPool {
    /// Puts 32 bytes into a slot.
    pub fn put(&self, bytes: &[u8; 32]) -> io::Result<SecretSlot> {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |chunk: &Arc<Chunk>| {
            let index = chunk.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            Some(SecretSlot { chunk: Arc::clone(chunk), index })
        };
        let slot = match chunks.iter().rev().find_map(free) {
            Some(slot) => slot,
            None => {
                let slots = SecretPages::filled(UnsafeSlot([0; 32]), SLOTS, AfterFork::Inherited)?;
                let free = Mutex::new((0..LAST_SLOT).collect());
                let locked_at = AtomicU64::new(super::fork::epoch());
                chunks.push(Arc::new(Chunk { locked_at, slots, free }));
                SecretSlot { chunk: Arc::clone(&chunks[chunks.len() - 1]), index: LAST_SLOT }
            }
        };
        // SAFETY: this slot was taken from the free list, so that nobody else reads or writes it.
        unsafe { slot.place().write(UnsafeSlot(*bytes)) };
        Ok(slot)
    }
}

impl SecretSlot {
    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        // SAFETY: the slot is written before this value exists and wiped only when it is dropped.
        unsafe { &(*self.place()).0 }
    }

    /// Locks its pages in a forked child too, where the limits allow.
    pub fn lock_again(&self) {
        let epoch = super::fork::epoch();
        if self.chunk.locked_at.swap(epoch, Ordering::Relaxed) != epoch {
            // SAFETY: the range is the chunk's own mapping.
            unsafe { libc::mlock(self.chunk.slots.start.as_ptr().cast(), self.chunk.slots.bytes) };
        }
    }

    fn place(&self) -> *mut UnsafeSlot {
        // SAFETY: the index is at most `LAST_SLOT`, and the page holds one slot more than that.
        unsafe { self.chunk.slots.start.as_ptr().add(usize::from(self.index)) }
    }
}

impl Drop for SecretSlot {
    fn drop(&mut self) {
        // SAFETY: nobody else has this slot.
        unsafe { (*self.place()).0.zeroize() };
        // In a forked child another thread of the parent may hold the list for ever: then the slot is lost, not wiped less.
        if let Ok(mut free) = self.chunk.free.try_lock() {
            free.push(self.index);
        }
    }
}

/// Overwrites the stack that was used since, when it is dropped.
pub struct WipeStack;

impl Drop for WipeStack {
    fn drop(&mut self) {
        wipe_stack();
    }
}

/// Overwrites the part of the stack that calls before this one used.
#[inline(never)]
fn wipe_stack() {
    let mut used = [0u8; 24 * 1024];
    used.zeroize();
    std::hint::black_box(&mut used);
}

/// A page that parent and children share and may all write: a few numbers.
pub struct FamilyPage(NonNull<std::sync::atomic::AtomicU32>);

// SAFETY: the page holds atomics only and is never unmapped.
unsafe impl Send for FamilyPage {}
// SAFETY: as above.
unsafe impl Sync for FamilyPage {}

impl FamilyPage {
    /// Makes one; it stays until the process ends.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping disturbs no other memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast()).map(Self).ok_or_else(io::Error::last_os_error)
    }

    /// The number at `index`, which is below 16.
    pub fn number(&self, index: usize) -> &std::sync::atomic::AtomicU32 {
        assert!(index < 16, "a family page has 16 numbers");
        // SAFETY: the page is longer than 16 numbers, and zeros are valid atomics.
        unsafe { self.0.add(index).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slot_is_wiped_and_used_again() {
        let pool = SecretPool::default();
        let slots: Vec<SecretSlot> = (0..300u32).map(|n| pool.put(&[n as u8; 32]).unwrap()).collect();
        assert!(slots.iter().enumerate().all(|(n, slot)| slot.expose() == &[n as u8; 32]));
        let chunk = Arc::clone(&slots[5].chunk);
        let index = usize::from(slots[5].index);
        drop(slots);
        assert_eq!(chunk.slots[index].0, [0; 32]);
        let chunks = pool.0.lock().unwrap().len();
        let again: Vec<SecretSlot> = (0..300u32).map(|n| pool.put(&[n as u8; 32]).unwrap()).collect();
        assert_eq!((again.len(), pool.0.lock().unwrap().len()), (300, chunks));
    }

    #[test]
    fn a_child_sees_zeros_in_wiped_pages_and_values_in_inherited_ones() {
        let wiped = SecretPages::filled(0xA5u8, 64, AfterFork::Wiped).unwrap();
        let inherited = SecretPages::filled(0xA5u8, 64, AfterFork::Inherited).unwrap();
        // SAFETY: the child only reads memory and leaves with `_exit`.
        let status = unsafe {
            match libc::fork() {
                0 => {
                    let as_promised = wiped.is_wiped() && wiped.iter().all(|byte| *byte == 0);
                    let handed_on = !inherited.is_wiped() && inherited.iter().all(|byte| *byte == 0xA5);
                    libc::_exit(i32::from(!(as_promised && handed_on)))
                }
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &mut status, 0);
                    status
                }
            }
        };
        assert_eq!(status, 0);
        assert!(!wiped.is_wiped() && wiped.iter().all(|byte| *byte == 0xA5));
    }
}
