//! Whether this process was forked off since something was made.
//!
//! Our `pthread_atfork` handlers take no lock. Before the fork the parent notes what is open; the child counts the fork
//! and closes the vaults' descriptors that another thread of the parent had open.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Installs the handler, once in a process family.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: both are `extern "C"` functions that live as long as the library, which is linked `nodelete`.
        unsafe { libc::pthread_atfork(Some(before), None, Some(in_child)) };
    });
}

/// How many forks lie between the process that called [`register`] and this one: what was made at another number belongs
/// to a parent.
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

unsafe extern "C" fn before() {
    super::descriptor::note_before_fork();
}

unsafe extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    super::descriptor::close_in_child();
}
