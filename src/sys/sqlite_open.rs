//! SQLite's `open` and `close`, hooked so that each descriptor has its slot in [`descriptor`].

use std::ffi::{CStr, c_char, c_int};
use std::sync::Once;

use rusqlite::ffi;

use super::descriptor::{self, Slot};
use super::standard_descriptors::Taken;

type Open = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type Close = unsafe extern "C" fn(c_int) -> c_int;
/// How SQLite declares every system call, whatever its arguments are.
type AnyCall = unsafe extern "C" fn();

/// Installs the hooks in this copy of SQLite, once.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the default VFS lives for ever, and its system calls "open" and "close" have the signatures of the
        // functions below (os_unix.c calls them with exactly these arguments).
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) else { return };
            let open = std::mem::transmute::<Open, AnyCall>(hooked_open);
            let close = std::mem::transmute::<Close, AnyCall>(hooked_close);
            set(vfs, c"open".as_ptr(), Some(open));
            set(vfs, c"close".as_ptr(), Some(close));
        }
    });
}

unsafe extern "C" fn hooked_open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // A file that nobody gave a mode is ours alone, whatever SQLite's default is.
    let mode = if mode == 0o644 { 0o600 } else { mode };
    // SAFETY: `path` is SQLite's own string, ended by a NUL.
    let slot = Slot::mark(unsafe { CStr::from_ptr(path) });
    let taken = Taken::hold();
    // SAFETY: as above.
    let descriptor = unsafe { libc::open(path, flags | libc::O_CLOEXEC, mode) };
    let error = std::io::Error::last_os_error();
    slot.opened(descriptor);
    drop(taken);
    if descriptor < 0 {
        set_errno(error.raw_os_error().unwrap_or(libc::EIO));
    }
    descriptor
}

unsafe extern "C" fn hooked_close(descriptor: c_int) -> c_int {
    // SAFETY: SQLite closes a descriptor that it opened through the function above.
    let result = unsafe { libc::close(descriptor) };
    descriptor::closed(descriptor);
    result
}

fn set_errno(code: c_int) {
    // SAFETY: the C library's `errno` of this thread is always there.
    unsafe { *libc::__errno_location() = code };
}
