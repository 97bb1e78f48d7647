//! Whether the process has begun to exit.
//!
//! After exit handlers began, AWS-LC's own destructor may hold its random generator's lock for ever, so that every entry
//! point asks here first. The handler sets one atomic and frees nothing: we own nothing at exit but this flag.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static BEGAN: AtomicBool = AtomicBool::new(false);

/// Installs the handler, once in a process. A forked child inherits it.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `on_exit` is an `extern "C"` function that lives as long as the library, which is linked `nodelete`.
        unsafe { libc::atexit(on_exit) };
    });
}

/// True from the moment exit handlers run.
pub fn began() -> bool {
    BEGAN.load(Ordering::Relaxed)
}

extern "C" fn on_exit() {
    BEGAN.store(true, Ordering::Relaxed);
}
