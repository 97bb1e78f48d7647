//! Forks: whether this process was forked off since something was made, and sections that a fork waits for.
//!
//! The handlers of ours take no lock. Before a fork, the parent waits a bounded time for threads that are inside AWS-LC:
//! it has process-wide locks and no fork handlers, and a child forked off in the middle of one would wait for it for ever.
//! (The locks that it takes for every random number are gone, see `crypto::aws_lc_raw::fork_generation`; others it takes at
//! a thread's first one.) It notes which of the vaults' descriptors are open. In the child, the fork is counted and those
//! descriptors are closed. A program that forks by a bare `clone` passes the handlers by; random generators learn of that too,
//! from a page that the kernel wipes.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

static EPOCH: AtomicU64 = AtomicU64::new(0);
static FORKING: AtomicBool = AtomicBool::new(false);

/// A byte in a page of its own: 1, until a fork of any kind makes it 0.
static MARK: AtomicPtr<AtomicU8> = AtomicPtr::new(ptr::null_mut());
static WIPES: AtomicU64 = AtomicU64::new(0);

/// A counter on a cache line of its own, so that threads don't slow each other down.
#[repr(align(128))]
struct Shard(AtomicU32);

const SHARDS: usize = 32;
static INSIDE: [Shard; SHARDS] = [const { Shard(AtomicU32::new(0)) }; SHARDS];

/// How long a fork, or who would begin a section during one, waits at most: longer than any signature takes.
const PATIENCE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_micros(20);

/// Installs the handlers, once in a process family.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the three are `extern "C"` functions that live as long as the library, which is linked `nodelete`.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        MARK.store(marked_page(), Ordering::Release);
    });
}

/// How many forks lie between the process that called [`register`] and this one: what was made at another number belongs
/// to a parent.
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// Another number in every process, never 0: what must not be the same in two processes is made anew when this changes.
/// Takes no lock, which a fork in another thread's call could leave locked.
pub fn generation() -> u64 {
    register();
    // SAFETY: NULL, or the byte of a page that is mapped for ever and that is only ever used as this atomic.
    if let Some(mark) = unsafe { MARK.load(Ordering::Acquire).as_ref() }
        && mark.load(Ordering::Acquire) == 0
        && mark.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
    {
        WIPES.fetch_add(1, Ordering::AcqRel);
    }
    1 + EPOCH.load(Ordering::Acquire) + WIPES.load(Ordering::Acquire)
}

/// A page with its mark set; NULL where there is none to be had, and then the handler has to do.
fn marked_page() -> *mut AtomicU8 {
    const PAGE: usize = 4096;
    let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new anonymous mapping disturbs no other memory; its first byte is written before anybody else sees it.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), PAGE, protection, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return ptr::null_mut();
        }
        if libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, PAGE);
            return ptr::null_mut();
        }
        page.cast::<AtomicU8>().write(AtomicU8::new(1));
        page.cast()
    }
}

/// A section in which this thread may hold AWS-LC's locks. It costs two atomic additions; sections aren't nested.
pub struct Section(&'static Shard);

impl Section {
    /// Enters; during a fork of another thread it waits for that first.
    pub fn enter() -> Self {
        let shard = shard();
        shard.0.fetch_add(1, Ordering::SeqCst);
        if FORKING.load(Ordering::SeqCst) {
            shard.0.fetch_sub(1, Ordering::SeqCst);
            wait_until(|| !FORKING.load(Ordering::SeqCst));
            shard.0.fetch_add(1, Ordering::SeqCst);
        }
        Self(shard)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn shard() -> &'static Shard {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    // A thread that is ending has no number any more.
    &INSIDE[MINE.try_with(|mine| *mine).unwrap_or(0)]
}

fn wait_until(mut reached: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while !reached() && waited < PATIENCE {
        std::thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

unsafe extern "C" fn before() {
    FORKING.store(true, Ordering::SeqCst);
    wait_until(|| INSIDE.iter().all(|shard| shard.0.load(Ordering::SeqCst) == 0));
    super::descriptor::note_before_fork();
}

unsafe extern "C" fn in_parent() {
    FORKING.store(false, Ordering::SeqCst);
}

unsafe extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    INSIDE.iter().for_each(|shard| shard.0.store(0, Ordering::SeqCst));
    FORKING.store(false, Ordering::SeqCst);
    super::descriptor::close_in_child();
    super::socket::close_in_child();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_waits_for_a_section_but_not_for_ever() {
        let section = Section::enter();
        let start = std::time::Instant::now();
        // SAFETY: the handlers only touch atomics.
        unsafe { before() };
        assert!(start.elapsed() >= PATIENCE);
        drop(section);
        // SAFETY: as above.
        unsafe { in_parent() };
        drop(Section::enter());
        assert!(!FORKING.load(Ordering::SeqCst));
    }
}
