//! Putting a backup on the disk: under another name, synced, renamed. A full disk in the middle leaves neither.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::loaded::hex;
use crate::crypto;
use crate::sys::file::sync_directory;
use crate::vault::{Result, VaultError};

/// Who reads a backup can guess what opens it.
const MODE: u32 = 0o600;

/// Refuses a target that is there, and one that could never be replaced.
pub fn check_target(path: &Path, replace: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(VaultError::Unsafe {
            path: path.display().to_string(),
            problem: "is no regular file: name a file for the backup".into(),
        }),
        Ok(_) if !replace => Err(VaultError::FileExists(path.display().to_string())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(VaultError::Io { path: path.display().to_string(), source }),
    }
}

/// Writes the file as `fill` says, whole or not at all, and makes it durable.
pub fn write_whole(path: &Path, replace: bool, fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()> {
    let text = path.display().to_string();
    let fail = |source| VaultError::Io { path: text.clone(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staging = staging_name(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&staging).map_err(fail)?;
    // Who finds it without this lock knows that its writer is gone.
    let _ = file.try_lock();
    let written = file.set_permissions(PermissionsExt::from_mode(MODE)).map_err(fail).and_then(|()| {
        let mut buffered = BufWriter::with_capacity(1 << 18, &file);
        fill(&mut buffered)?;
        buffered.flush().and_then(|()| file.sync_all()).map_err(fail)?;
        drop(buffered);
        put_in_place(&staging, path, replace)
    });
    if written.is_err() {
        // It holds nothing that anybody could use.
        let _ = fs::remove_file(&staging);
        return written.map_err(explain_full_disk);
    }
    sync_directory(parent).map_err(fail)
}

fn put_in_place(staging: &Path, path: &Path, replace: bool) -> Result<()> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => VaultError::FileExists(path.display().to_string()),
        _ => VaultError::Io { path: path.display().to_string(), source },
    };
    if replace {
        return fs::rename(staging, path).map_err(fail);
    }
    // Unlike a rename, a link never replaces a file that somebody made meanwhile.
    match fs::hard_link(staging, path) {
        Ok(()) => fs::remove_file(staging).map_err(fail),
        // File systems without links: FAT, some of FUSE.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            check_target(path, false)?;
            fs::rename(staging, path).map_err(fail)
        }
        Err(error) => Err(fail(error)),
    }
}

fn staging_name(path: &Path) -> Result<PathBuf> {
    let mut suffix = [0; 8];
    crypto::random(&mut suffix)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.new-{}", hex(&suffix))))
}

fn explain_full_disk(error: VaultError) -> VaultError {
    match error {
        VaultError::Io { path, source }
            if matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ) =>
        {
            let text = format!("there is no room for the backup ({source}): free some, or name a file elsewhere");
            VaultError::Io { path, source: io::Error::new(source.kind(), text) }
        }
        other => other,
    }
}
