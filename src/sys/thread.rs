//! The scheduling of our own processes' threads; a host's are never touched.

/// Lets other threads of this process go before the calling one (`setpriority(2)` of one thread, as Linux has it).
pub fn lower_priority() {
    const STEPS: libc::c_int = 5;
    // SAFETY: no pointers; 0 means the calling thread. That it may fail costs only the priority.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, STEPS) };
}
