//! Where a log line goes: standard error while it is still ours to write to, else the system log.
//!
//! A daemon closes descriptor 2, and the number may come back as a client's socket. So the file behind it is remembered
//! when the module is first initialised, and compared before each line. Nothing here keeps a descriptor, takes a lock or
//! blocks.

use std::io::Write;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How serious a line is, as syslog counts (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error = 3,
    /// Something is refused or will fail.
    Warning = 4,
    /// Something worth knowing.
    Info = 6,
    /// For who looks for a fault.
    Debug = 7,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

static REMEMBERED: AtomicBool = AtomicBool::new(false);
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);

/// Remembers what descriptor 2 is. Only the first call in a process family counts.
pub fn remember_stderr() {
    if REMEMBERED.load(Ordering::Acquire) {
        return;
    }
    if let Some((device, inode)) = file_behind(libc::STDERR_FILENO) {
        DEVICE.store(device, Ordering::Relaxed);
        INODE.store(inode, Ordering::Relaxed);
        REMEMBERED.store(true, Ordering::Release);
    }
}

/// Writes one line, by one system call; if that fails, the line is lost.
pub fn write_line(severity: Severity, text: &[u8]) {
    if stderr_is_ours() {
        let mut buffer = [0; LINE];
        let capacity = buffer.len();
        let mut rest = &mut buffer[..];
        let process = std::process::id();
        let _ = write!(rest, "strongroom[{process}]: {}: ", severity.word());
        let _ = rest.write(&text[..text.len().min(rest.len() - 1)]);
        let _ = rest.write(b"\n");
        let used = capacity - rest.len();
        write_to_stderr(&buffer[..used]);
    } else {
        write_to_system_log(severity, text);
    }
}

/// Writes one line where [`write_line`] does without a standard error.
pub fn write_to_system_log(severity: Severity, text: &[u8]) {
    const FACILITY_USER: u32 = 1 << 3;
    let mut buffer = [0; LINE];
    let capacity = buffer.len();
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "<{}>strongroom[{}]: ", FACILITY_USER | severity as u32, std::process::id());
    let _ = rest.write(text);
    let used = capacity - rest.len();
    send_to_syslog(&buffer[..used]);
}

/// Longest line, with what stands before the text.
const LINE: usize = 1280;

fn stderr_is_ours() -> bool {
    REMEMBERED.load(Ordering::Acquire)
        && file_behind(libc::STDERR_FILENO) == Some((DEVICE.load(Ordering::Relaxed), INODE.load(Ordering::Relaxed)))
}

fn file_behind(descriptor: i32) -> Option<(u64, u64)> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` has room for what `fstat` writes, and is read only if it succeeded.
    let status = unsafe {
        if libc::fstat(descriptor, status.as_mut_ptr()) != 0 {
            return None;
        }
        status.assume_init()
    };
    Some((status.st_dev, status.st_ino))
}

/// `write(2)` with SIGPIPE blocked for this thread and, if our write raised it, consumed: the host's handler never sees
/// a signal that it didn't cause.
fn write_to_stderr(line: &[u8]) {
    // SAFETY: each set is initialised by `sigemptyset` or by the call that fills it before it is read; `line` is a live
    // slice.
    unsafe {
        let mut pipe = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(pipe.as_mut_ptr());
        let mut pipe = pipe.assume_init();
        libc::sigaddset(&mut pipe, libc::SIGPIPE);

        let mut pending: libc::sigset_t = pipe;
        libc::sigpending(&mut pending);
        let was_pending = libc::sigismember(&pending, libc::SIGPIPE) == 1;

        let mut before: libc::sigset_t = pipe;
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut before);
        let written = libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len());
        if written < 0 && *libc::__errno_location() == libc::EPIPE && !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&pipe, ptr::null_mut(), &now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
    }
}

fn send_to_syslog(line: &[u8]) {
    const PATH: &[u8] = b"/dev/log";
    // SAFETY: the address is zeroed and then filled within its bounds; the descriptor is closed on every path; `line` is
    // a live slice.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
        if socket < 0 {
            return;
        }
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(PATH) {
            *to = *from as libc::c_char;
        }
        libc::sendto(
            socket,
            line.as_ptr().cast(),
            line.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_un>() as libc::socklen_t,
        );
        libc::close(socket);
    }
}
