//! Reading files that decide over keys: the configuration and whatever holds a PIN or a key.
//!
//! The checks are made on the descriptor that is then read, so that nobody can exchange the file in between.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::ConfigError;

/// A file that was opened and whose type, owner and mode allow to trust what it says.
pub struct ProtectedFile {
    file: File,
    metadata: Metadata,
}

/// Whom a file may belong to, besides root and the effective user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trusted {
    /// The effective user.
    pub uid: u32,
    /// `owner_uid` of the vault that the file belongs to.
    pub owner_uid: Option<u32>,
    /// `group` of the vault that the file belongs to: it may read what is secret.
    pub group_gid: Option<u32>,
}

impl ProtectedFile {
    /// Opens `path` and refuses it if anybody but root, the effective user and the owners in `trusted` may write it.
    pub fn open(path: &Path, trusted: &Trusted, hint: &str) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.into(), source, hint: hint.into() };
        // Non-blocking: a named pipe in the place of the file must not hang a host.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let refused = |problem: String| Err(ConfigError::Unsafe { path: path.into(), problem });
        if !metadata.is_file() {
            return refused("it is no regular file".into());
        }
        if metadata.len() > MAX_LEN {
            return refused(format!("it has more than {MAX_LEN} bytes"));
        }
        let owner = metadata.uid();
        if owner != 0 && owner != trusted.uid && Some(owner) != trusted.owner_uid {
            return refused(format!(
                "it belongs to user {owner}: run this as that user, or `chown {} {}` if it is to be yours",
                trusted.uid,
                path.display()
            ));
        }
        if metadata.mode() & 0o022 != 0 {
            return refused(format!("others may write it: `chmod go-w {}` forbids that", path.display()));
        }
        Ok(Self { file, metadata })
    }

    /// Refuses the file if others may read it: for one that holds a PIN or a key. Root's group may, as systemd leaves
    /// its credentials, and the vault's own `group`.
    pub fn refuse_readers(&self, path: &Path, trusted: &Trusted) -> Result<(), ConfigError> {
        let gid = self.metadata.gid();
        let group_trusted = gid == 0 || Some(gid) == trusted.group_gid;
        let readers = if group_trusted { 0o004 } else { 0o044 };
        if self.metadata.mode() & readers == 0 {
            return Ok(());
        }
        Err(ConfigError::Unsafe {
            path: path.into(),
            problem: format!("it holds a secret and others may read it: `chmod go-r {}` forbids that", path.display()),
        })
    }

    /// The contents.
    pub fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        // The whole room at once: a buffer that grows leaves copies behind.
        let mut contents = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize + 1));
        (&self.file).take(MAX_LEN + 1).read_to_end(&mut contents).map_err(|source| ConfigError::Unreadable {
            path: path.into(),
            source,
            hint: "try again".into(),
        })?;
        Ok(contents)
    }
}

/// The contents of a file that holds a PIN or a key.
pub fn read_secret(path: &Path, trusted: &Trusted, hint: &str) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let file = ProtectedFile::open(path, trusted, hint)?;
    file.refuse_readers(path, trusted)?;
    file.read(path)
}

/// A PIN from a file or a pipe. A pipe has no owner that matters: who named it made it.
pub fn read_named_pin(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let hint = "give a file that holds the PIN";
    let pipe = std::fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device()
    });
    if !pipe {
        let trusted = Trusted { uid: crate::sys::env::effective_uid(), ..Trusted::default() };
        return read_secret(path, &trusted, hint).map(without_line_end);
    }
    let mut contents = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize + 1));
    File::open(path)
        .and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut contents))
        .map_err(|source| ConfigError::Unreadable { path: path.into(), source, hint: hint.into() })?;
    Ok(without_line_end(contents))
}

/// A PIN as editors and `echo` leave it in a file: without the line's end.
pub fn without_line_end(mut contents: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if contents.last() == Some(&b'\n') {
        contents.pop();
        if contents.last() == Some(&b'\r') {
            contents.pop();
        }
    }
    contents
}

/// Longest file that is read, in bytes.
const MAX_LEN: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, b"12345678\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn me() -> Trusted {
        Trusted { uid: crate::sys::env::effective_uid(), ..Trusted::default() }
    }

    #[test]
    fn a_file_that_others_may_write_is_refused_and_the_text_says_what_to_do() {
        for mode in [0o620, 0o602] {
            let (_folder, path) = file(mode);
            let error = ProtectedFile::open(&path, &me(), "").err().unwrap().to_string();
            assert!(error.contains("chmod go-w"), "{error}");
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let (_folder, path) = file(0o604);
        assert!(ProtectedFile::open(&path, &me(), "").is_ok());
        let error = read_secret(&path, &me(), "").unwrap_err().to_string();
        assert!(error.contains("chmod go-r"), "{error}");
    }

    #[test]
    fn a_secret_in_a_file_of_ones_own_is_read_without_its_line_end() {
        let (_folder, path) = file(0o600);
        assert_eq!(without_line_end(read_secret(&path, &me(), "").unwrap()).as_slice(), b"12345678");
        assert_eq!(without_line_end(Zeroizing::new(b"x\r\n".to_vec())).as_slice(), b"x");
    }

    #[test]
    fn the_group_of_the_vault_may_read_its_pin() {
        let (_folder, path) = file(0o640);
        let gid = fs::metadata(&path).unwrap().gid();
        assert!(read_secret(&path, &Trusted { group_gid: Some(gid), ..me() }, "").is_ok());
    }

    #[test]
    fn a_pipe_or_folder_in_the_place_of_the_file_is_refused() {
        let (folder, _path) = file(0o600);
        assert!(ProtectedFile::open(folder.path(), &me(), "").is_err());
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_folder, path) = file(0o644);
        let stranger = Trusted { uid: me().uid + 1, ..Trusted::default() };
        // Root's files are everybody's to trust, so that this can only be seen by an ordinary user.
        if me().uid != 0 {
            assert!(ProtectedFile::open(&path, &stranger, "").is_err());
        } else {
            std::os::unix::fs::chown(&path, Some(54321), None).unwrap();
            let error = ProtectedFile::open(&path, &me(), "").err().unwrap().to_string();
            assert!(error.contains("chown"), "{error}");
        }
    }
}
