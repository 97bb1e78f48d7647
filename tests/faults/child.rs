//! Forked children of a test, and what can be seen of a process from outside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Longest life of a child: a deadlock ends the test instead of hanging it.
const SECONDS: u32 = 20;

/// A forked child.
pub struct Forked(pub libc::pid_t);

/// Runs `work` in a forked child, which ends with its answer, or with 101 after a panic.
pub fn fork(work: impl FnOnce() -> i32) -> Forked {
    // SAFETY: the child runs only `work`, as a forked host would, and leaves with `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: ends this child alone.
            unsafe { libc::alarm(SECONDS) };
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: nothing of the parent is to run again in here.
            unsafe { libc::_exit(code) }
        }
        child => Forked(child),
    }
}

impl Forked {
    /// Waits for its end.
    pub fn code(self) -> i32 {
        let mut status = 0;
        // SAFETY: our own child, and a place for its status.
        unsafe { libc::waitpid(self.0, &mut status, 0) };
        assert!(libc::WIFEXITED(status), "the child was ended by signal {}", libc::WTERMSIG(status));
        libc::WEXITSTATUS(status)
    }
}

/// Gives root's rights up, as a server's worker does.
pub fn become_nobody() {
    const NOBODY: u32 = 65_534;
    // SAFETY: these calls take plain numbers.
    let done =
        unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(NOBODY) == 0 && libc::setuid(NOBODY) == 0 };
    assert!(done, "only root can give rights up");
}

pub fn is_root() -> bool {
    // SAFETY: it can't fail.
    unsafe { libc::geteuid() == 0 }
}

/// Files in `directory` that this process has open.
pub fn open_files_in(directory: &Path) -> Vec<PathBuf> {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(directory)).collect()
}

/// The start of this process's mapping of `file`.
pub fn mapping_of(file: &Path) -> Option<*mut libc::c_void> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(file.to_str().unwrap()))?;
    let start = usize::from_str_radix(line.split('-').next()?, 16).ok()?;
    Some(start as *mut libc::c_void)
}

/// Whether the mapping that begins at `start` can be made writable.
pub fn can_be_made_writable(start: *mut libc::c_void) -> bool {
    // SAFETY: if this succeeds the mapping is writable and nobody writes to it.
    unsafe { libc::mprotect(start, 4096, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}
