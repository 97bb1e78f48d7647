//! The Unix socket's file: made with its mode before anybody can connect, never taken from a server that listens.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::ListenError;

/// A socket that listens, and its file, which goes with it.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Held as long as the socket: two servers that begin at once don't both find the old file stale.
    _lock: File,
}

impl SocketFile {
    /// Listens at `path`. A file that a dead server left there is replaced.
    pub(super) fn listen(path: &Path, mode: u32) -> Result<(UnixListener, Self), ListenError> {
        let failed = |source| ListenError::Socket { path: path.to_owned(), source };
        let lock = lock(path)?;
        remove_stale(path)?;
        let address = SockAddr::unix(path).map_err(failed)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        socket.bind(&address).map_err(failed)?;
        // Nobody connects before `listen`, so whatever mode the umask gave never counted.
        let listening = std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
            .and_then(|()| socket.listen(BACKLOG))
            .and_then(|()| socket.set_nonblocking(true))
            .and_then(|()| identity(path));
        match listening {
            Ok(identity) => Ok((socket.into(), Self { path: path.to_owned(), identity, _lock: lock })),
            Err(error) => {
                let _ = std::fs::remove_file(path);
                Err(failed(error))
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn lock(path: &Path) -> Result<File, ListenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&name)
        .map_err(|source| ListenError::Socket { path: name.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ListenError::SocketInUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(ListenError::Socket { path: name, source }),
    }
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Socket { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Ok(_) => Err(ListenError::SocketInUse { path: path.to_owned() }),
        Err(error) => Err(failed(error)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

const BACKLOG: i32 = 1024;
