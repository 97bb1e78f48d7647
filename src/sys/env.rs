//! The environment and the user and group databases.
//!
//! Variables are read with `secure_getenv`: a set-user-id program that loads the module must not be led to another vault
//! by who starts it.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

unsafe extern "C" {
    // glibc and musl have it, the libc crate doesn't name it.
    fn secure_getenv(name: *const libc::c_char) -> *mut libc::c_char;
}

/// The variable's value; `None` if it isn't set, or if this process has more rights than who started it.
pub fn variable(name: &CStr) -> Option<OsString> {
    // SAFETY: `name` ends with NUL. The result points into the environment and is copied before anything else runs here;
    // a host that changes its environment in another thread meanwhile breaks POSIX's own rule for getenv.
    unsafe {
        let value = secure_getenv(name.as_ptr());
        if value.is_null() { None } else { Some(OsString::from_vec(CStr::from_ptr(value).to_bytes().to_vec())) }
    }
}

/// Whether this process has more rights than who started it (set-user-id, capabilities of its file), so that variables are
/// nothing to go by.
pub fn is_more_privileged_than_its_starter() -> bool {
    // SAFETY: takes a number, reads what the kernel left for this process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// The home directory that the user database names.
pub fn home_of(uid: u32) -> Option<PathBuf> {
    let mut buffer = vec![0; DATABASE_ENTRY_MAX];
    // SAFETY: all zero is a valid `passwd`: integers and null pointers.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer outlives the call, and the length is the buffer's.
    let status = unsafe { libc::getpwuid_r(uid, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if status != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: on success `pw_dir` is a NUL-terminated string inside `buffer`, which still lives.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    Some(PathBuf::from(OsStr::from_bytes(home.to_bytes())))
}

/// The number of the group with this name.
pub fn group_number(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let mut buffer = vec![0; DATABASE_ENTRY_MAX];
    // SAFETY: all zero is a valid `group`: integers and null pointers.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer outlives the call, and the length is the buffer's.
    let status = unsafe { libc::getgrnam_r(name.as_ptr(), &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    (status == 0 && !found.is_null()).then_some(entry.gr_gid)
}

/// Room for one entry of the user or group database; a group with many members has a long one.
pub(super) const DATABASE_ENTRY_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_home_and_group_are_found() {
        assert_eq!(home_of(0), Some(PathBuf::from("/root")));
        assert_eq!(group_number("root"), Some(0));
        assert_eq!(group_number("no-such-group-here"), None);
    }

    #[test]
    fn a_variable_that_is_not_set_is_none() {
        assert!(variable(c"PATH").is_some());
        assert!(variable(c"STRONGROOM_NEVER_SET").is_none());
    }
}
