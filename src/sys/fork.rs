//! Whether this process was forked off since something was made.
//!
//! The one `pthread_atfork` handler of ours runs in the child, takes no lock, counts the fork and closes the vaults'
//! descriptors that another thread of the parent had open. A program that forks by a bare `clone` passes it by; random
//! generators learn of that too, from a page that the kernel wipes.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// A byte in a page of its own: 1, until a fork of any kind makes it 0.
static MARK: AtomicPtr<AtomicU8> = AtomicPtr::new(ptr::null_mut());
static WIPES: AtomicU64 = AtomicU64::new(0);

/// Installs the handler, once in a process family.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `in_child` is an `extern "C"` function that lives as long as the library, which is linked `nodelete`.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
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

unsafe extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    super::descriptor::close_in_child();
}
