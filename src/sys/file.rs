//! Files of a vault that are not SQLite's: opened with explicit modes, each descriptor in its slot, locked by byte
//! ranges, mapped for reading.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

use super::descriptor::{self, Slot};
use super::standard_descriptors::Taken;

/// An open file whose descriptor a forked child knows to close.
pub struct TrackedFile(ManuallyDrop<File>);

impl TrackedFile {
    /// Opens `path`, never through a symbolic link.
    pub fn open(path: &Path, writable: bool) -> io::Result<Self> {
        Self::open_with(path, if writable { libc::O_RDWR } else { libc::O_RDONLY }, 0)
    }

    /// Makes `path`, which must not exist, with exactly this mode.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let file = Self::open_with(path, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode)?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        Ok(file)
    }

    fn open_with(path: &Path, flags: i32, mode: u32) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let slot = Slot::mark(&path);
        let _taken = Taken::hold();
        // SAFETY: the path ends with a NUL.
        let descriptor = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NOFOLLOW, mode) };
        let error = io::Error::last_os_error();
        slot.opened(descriptor);
        if descriptor < 0 {
            return Err(error);
        }
        // SAFETY: the descriptor was just opened and belongs to nobody else.
        Ok(Self(ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) })))
    }

    /// Tries for an exclusive lock of one byte, that belongs to this open file. False when somebody holds it.
    pub fn try_lock_byte(&self, byte: u64) -> io::Result<bool> {
        match self.lock_command(byte, libc::F_WRLCK as i16) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a byte's lock back.
    pub fn unlock_byte(&self, byte: u64) -> io::Result<()> {
        self.lock_command(byte, libc::F_UNLCK as i16)
    }

    fn lock_command(&self, byte: u64, kind: i16) -> io::Result<()> {
        // SAFETY: all-zero is a valid `flock`; the kernel demands a zero pid here.
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_type = kind;
        range.l_whence = libc::SEEK_SET as i16;
        range.l_start = byte as i64;
        range.l_len = 1;
        // SAFETY: the descriptor is open and `range` is valid for the call.
        let result = unsafe { libc::fcntl(self.as_raw_fd(), libc::F_OFD_SETLK, &range) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Deref for TrackedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for TrackedFile {
    fn drop(&mut self) {
        let descriptor = self.as_raw_fd();
        // SAFETY: it is dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        descriptor::closed(descriptor);
    }
}

/// A file mapped for reading and shared with its writers. It is never unmapped.
pub struct SharedMapping {
    start: NonNull<u8>,
    len: usize,
    identity: (u64, u64),
}

// SAFETY: the mapping is read through atomics only and lives for ever.
unsafe impl Send for SharedMapping {}
// SAFETY: as above.
unsafe impl Sync for SharedMapping {}

impl SharedMapping {
    /// Maps `len` bytes of `path`, which may be longer than the file; what lies beyond its end must not be read.
    ///
    /// The mapping is made from a descriptor that was opened for reading, so that no process that inherits it can make
    /// it writable; where writing is possible the file is opened for writing once before, because overlay file systems
    /// would else go on showing a copy from before the first write.
    pub fn open(path: &Path, len: usize, writable: bool) -> io::Result<Self> {
        if writable {
            drop(TrackedFile::open(path, true)?);
        }
        let file = TrackedFile::open(path, false)?;
        // SAFETY: a new mapping disturbs no other memory; the descriptor is open.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let metadata = file.metadata()?;
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, len, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Whether this is the file that is mapped.
    pub fn is_of(&self, metadata: &std::fs::Metadata) -> bool {
        self.identity == (metadata.dev(), metadata.ino())
    }

    /// The byte at `offset`, which the caller knows to lie inside the file.
    pub fn byte(&self, offset: usize) -> u8 {
        assert!(offset < self.len, "inside the mapping");
        // SAFETY: inside the mapping; concurrent writers change single bytes, which an atomic load reads whole.
        let value = unsafe { AtomicU8::from_ptr(self.start.add(offset).as_ptr()) }.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// The number at `offset`, a multiple of 8, which the caller knows to lie inside the file.
    pub fn number(&self, offset: usize) -> u64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len, "an aligned number inside the mapping");
        // SAFETY: aligned and inside the mapping, as just checked.
        let bits = unsafe { AtomicU64::from_ptr(self.start.add(offset).as_ptr().cast()) }.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        u64::from_le(bits)
    }
}

/// Which kind of file system a path lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, if it is one on which a vault must not lie.
    pub refused: Option<&'static str>,
    /// Mounted read-only.
    pub read_only: bool,
    /// Bytes that are free for who isn't root.
    pub free: u64,
}

/// Looks a path's file system up.
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    const REFUSED: [(i64, &str); 5] =
        [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x6573_5546, "FUSE"), (0x0102_1997, "9p")];
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut kind = std::mem::MaybeUninit::<libc::statfs>::uninit();
    let mut mount = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a NUL and the answers have their places; they are read only after success.
    let (kind, mount) = unsafe {
        if libc::statfs(path.as_ptr(), kind.as_mut_ptr()) != 0 || libc::statvfs(path.as_ptr(), mount.as_mut_ptr()) != 0
        {
            return Err(io::Error::last_os_error());
        }
        (kind.assume_init(), mount.assume_init())
    };
    let kind = kind.f_type & 0xFFFF_FFFF;
    Ok(FileSystem {
        refused: REFUSED.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name),
        read_only: mount.f_flag & libc::ST_RDONLY != 0,
        free: mount.f_bavail.saturating_mul(mount.f_frsize),
    })
}

/// Whether the effective user may read and write `path`, or read it where nothing can be written.
pub fn may_open(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let may = |mode| {
        // SAFETY: the path ends with a NUL.
        unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) == 0 }
    };
    may(libc::R_OK | libc::W_OK) || may(libc::R_OK) && io::Error::last_os_error().raw_os_error() == Some(libc::EROFS)
}

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: it can't fail.
    unsafe { libc::geteuid() }
}

/// Makes what a directory lists durable. A file system that knows no such sync says so, and has nothing to be waited for.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        synced => synced,
    }
}

/// Two entries of directories change places, in one step. False where the file system can't do that.
pub fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    let names = [CString::new(one.as_os_str().as_bytes())?, CString::new(other.as_os_str().as_bytes())?];
    let [one, other] = names.each_ref().map(|name| name.as_ptr());
    // SAFETY: both paths end with a NUL.
    let result = unsafe { libc::renameat2(libc::AT_FDCWD, one, libc::AT_FDCWD, other, libc::RENAME_EXCHANGE) };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => Ok(false),
        _ => Err(error),
    }
}

/// Writes `bytes` at `offset` and no more.
pub fn write_at(file: &TrackedFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// How long a file is.
pub fn len(file: &TrackedFile) -> io::Result<u64> {
    Ok(file.metadata()?.size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_locked_against_every_other_open_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = TrackedFile::create(&path, 0o600).unwrap();
        let second = TrackedFile::open(&path, true).unwrap();
        assert!(first.try_lock_byte(0).unwrap());
        assert!(!second.try_lock_byte(0).unwrap());
        assert!(second.try_lock_byte(1).unwrap());
        first.unlock_byte(0).unwrap();
        assert!(second.try_lock_byte(0).unwrap());
    }

    #[test]
    fn a_mapping_shows_what_is_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("changes");
        let file = TrackedFile::create(&path, 0o600).unwrap();
        file.set_len(4096).unwrap();
        let mapping = SharedMapping::open(&path, 1 << 20, true).unwrap();
        assert_eq!(mapping.number(8), 0);
        write_at(&file, 8, &7u64.to_le_bytes()).unwrap();
        assert_eq!((mapping.number(8), mapping.byte(8)), (7, 7));
    }
}
