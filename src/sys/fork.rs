//! Whether this process was forked off since something was made.
//!
//! The one `pthread_atfork` handler of ours runs in the child, takes no lock, counts the fork and closes the vaults'
//! descriptors that another thread of the parent had open.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Installs the handler, once in a process family.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `in_child` is an `extern "C"` function that lives as long as the library, which is linked `nodelete`.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// How many forks lie between the process that called [`register`] and this one: what was made at another number belongs
/// to a parent.
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

unsafe extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    super::descriptor::close_in_child();
}
