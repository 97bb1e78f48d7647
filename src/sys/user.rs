//! Other users of this machine: who they are, and what they may open.
//!
//! What a user may open is asked of the kernel, by a child of this process that becomes that user: modes and groups
//! alone don't tell (access control lists, mounts, security modules).

use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::env::DATABASE_ENTRY_MAX;

/// A user with all of their groups.
#[derive(Clone, Debug)]
pub struct User {
    /// The name in the user database; the number where it has none.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    groups: Vec<u32>,
    gid: u32,
}

/// What somebody might do with a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read a file, list a directory.
    Read,
    /// Change it.
    Write,
}

impl User {
    /// The user with this name.
    pub fn named(name: &str) -> Option<Self> {
        let text = CString::new(name).ok()?;
        let mut buffer = vec![0; DATABASE_ENTRY_MAX];
        // SAFETY: all zero is a valid `passwd`: integers and null pointers.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: every pointer outlives the call, and the length is the buffer's.
        let status =
            unsafe { libc::getpwnam_r(text.as_ptr(), &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
        if status != 0 || found.is_null() {
            return None;
        }
        let (uid, gid) = (entry.pw_uid, entry.pw_gid);
        Some(Self { name: name.to_owned(), uid, gid, groups: groups(&text, gid) })
    }

    /// The same user with another group in the place of their own.
    pub fn in_group(self, gid: u32) -> Self {
        let groups = CString::new(self.name.as_str()).map_or(vec![gid], |name| groups(&name, gid));
        Self { gid, groups, ..self }
    }

    /// Who this process is.
    pub fn is_this_process(&self) -> bool {
        self.uid == super::env::effective_uid()
    }
}

/// The name of the user with this number; the number itself where the database has none.
pub fn name_of(uid: u32) -> String {
    let mut buffer = vec![0; DATABASE_ENTRY_MAX];
    // SAFETY: all zero is a valid `passwd`: integers and null pointers.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer outlives the call, and the length is the buffer's.
    let status = unsafe { libc::getpwuid_r(uid, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if status != 0 || found.is_null() || entry.pw_name.is_null() {
        return uid.to_string();
    }
    // SAFETY: on success `pw_name` is a NUL-terminated string inside `buffer`, which still lives.
    unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned()
}

fn groups(name: &CStr, gid: u32) -> Vec<u32> {
    let mut groups = vec![0; 64];
    loop {
        let mut count = groups.len() as libc::c_int;
        // SAFETY: `count` is the length of `groups`, which the call fills no further.
        let fits = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &mut count) } >= 0;
        if fits || groups.len() > 1 << 16 {
            groups.truncate(usize::try_from(count).unwrap_or(0));
            return groups;
        }
        groups.resize(groups.len() * 2, 0);
    }
}

/// Whether `user` may do each of these things, in the order of the questions. Only root can ask for somebody else.
///
/// For a process with one thread: the child that answers does nothing but become the user and ask.
pub fn may(user: &User, questions: &[(&Path, Access)]) -> io::Result<Vec<bool>> {
    let asked: Vec<(CString, libc::c_int)> = questions
        .iter()
        .map(|(path, access)| {
            let mode = if *access == Access::Read { libc::R_OK } else { libc::W_OK };
            Ok((CString::new(path.as_os_str().as_bytes())?, mode))
        })
        .collect::<io::Result<_>>()?;
    if user.is_this_process() {
        return Ok(asked.iter().map(|(path, mode)| allowed(path, *mode)).collect());
    }
    if super::env::effective_uid() != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (mut answers, question) = io::pipe()?;
    // SAFETY: the child calls nothing but async-signal-safe functions on memory that was made before, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        answer_as(user, &asked, question.as_raw_fd());
    }
    let failed = io::Error::last_os_error();
    drop(question);
    if child < 0 {
        return Err(failed);
    }
    let mut bytes = Vec::new();
    let read = answers.read_to_end(&mut bytes);
    // SAFETY: the child is ours; nothing is written through the null pointer.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read?;
    if bytes.len() != questions.len() {
        return Err(io::Error::other(format!("this process can't become {}", user.name)));
    }
    Ok(bytes.iter().map(|answer| *answer == 1).collect())
}

/// In the child: a byte for each question, or none at all.
fn answer_as(user: &User, asked: &[(CString, libc::c_int)], out: libc::c_int) -> ! {
    // SAFETY: plain system calls on memory that outlives them; `_exit` runs no handler of the parent.
    unsafe {
        let became = libc::setgroups(user.groups.len(), user.groups.as_ptr()) == 0
            && libc::setresgid(user.gid, user.gid, user.gid) == 0
            && libc::setresuid(user.uid, user.uid, user.uid) == 0;
        if became {
            for (path, mode) in asked {
                let answer = u8::from(allowed(path, *mode));
                libc::write(out, (&raw const answer).cast(), 1);
            }
        }
        libc::_exit(0)
    }
}

fn allowed(path: &CStr, mode: libc::c_int) -> bool {
    // SAFETY: the path ends with a NUL.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) == 0 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn root_is_found_and_nobody_else_by_a_wrong_name() {
        let root = User::named("root").unwrap();
        assert_eq!((root.uid, name_of(0).as_str()), (0, "root"));
        assert!(User::named("no-such-user-here").is_none());
        assert_eq!(name_of(3_999_999), "3999999");
    }

    #[test]
    fn another_user_reads_only_what_is_open_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let questions = [(path.as_path(), Access::Read), (path.as_path(), Access::Write)];
        let nobody = User::named("nobody").unwrap();
        if super::super::env::effective_uid() != 0 {
            assert!(may(&nobody, &questions).is_err());
            return;
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(may(&nobody, &questions).unwrap(), [true, false]);
        std::os::unix::fs::chown(&path, None, Some(54321)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o660)).unwrap();
        assert_eq!(may(&nobody, &questions).unwrap(), [false, false]);
        assert_eq!(may(&nobody.clone().in_group(54321), &questions).unwrap(), [true, true]);
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(may(&nobody, &questions).unwrap(), [false, false]);
    }
}
