//! Sockets of remote vaults: waited for until a moment and no longer, never raising SIGPIPE, and closed in a forked child
//! without a word to the other side.
//!
//! Every socket has a slot in a static array, with its descriptor and its inode, from before it is connected. The fork's
//! handler in the child closes what still is that socket: the parent's connections go on undisturbed, and a worker keeps
//! none of them alive after its master has closed it. A slot keeps what it held until it is used again, because the kernel
//! copies the descriptors before it copies the memory: what was open at the first moment may have been closed by another
//! thread at the second.

use std::io::{self, ErrorKind};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, TcpKeepalive, Type};

use super::fork;

/// A socket that doesn't block.
pub struct Socket {
    inner: ManuallyDrop<socket2::Socket>,
    slot: Option<&'static Slot>,
    /// [`fork::epoch`] of the process that opened it: in a child the number is somebody else's descriptor.
    epoch: u64,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is something to read, or the end.
    ToRead,
    /// There is room to write, or a connection is made or has failed.
    ToWrite,
}

struct Slot {
    taken: AtomicBool,
    descriptor: AtomicI32,
    inode: AtomicU64,
}

/// More connections than one process has to its vaults; those beyond stay open in a child, which never uses them.
const SLOTS: usize = 512;
static SOCKETS: [Slot; SLOTS] =
    [const { Slot { taken: AtomicBool::new(false), descriptor: AtomicI32::new(-1), inode: AtomicU64::new(0) } }; SLOTS];

/// When a silent connection is asked whether the other side is still there, so that firewalls remember it.
const KEEPALIVE: Duration = Duration::from_secs(30);

impl Socket {
    /// A TCP connection that is being made, and whether it is made already.
    pub fn connect(to: &SocketAddr) -> io::Result<(Self, bool)> {
        let socket = Self::new(Domain::for_address(*to), Type::STREAM, Some(Protocol::TCP))?;
        // None of these is needed for a connection to work.
        let _ = socket.inner.set_tcp_nodelay(true);
        let _ = socket.inner.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
        let made = socket.begin(&SockAddr::from(*to))?;
        Ok((socket, made))
    }

    /// What is sent and not acknowledged within this time ends the connection: so one that a firewall has forgotten is
    /// told from a server that works for long.
    pub fn give_up_after(&self, time: Duration) {
        // Without it the budget is what ends the wait.
        let _ = self.inner.set_tcp_user_timeout(Some(time));
    }

    /// A connection to a Unix socket: made at once, or refused.
    pub fn connect_unix(path: &Path) -> io::Result<Self> {
        let socket = Self::new(Domain::UNIX, Type::STREAM, None)?;
        socket.begin(&SockAddr::unix(path)?)?;
        Ok(socket)
    }

    /// A socket for datagrams to and from one address.
    pub fn datagram(to: &SocketAddr) -> io::Result<Self> {
        let socket = Self::new(Domain::for_address(*to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.begin(&SockAddr::from(*to))?;
        Ok(socket)
    }

    fn new(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Self> {
        let inner = ManuallyDrop::new(socket2::Socket::new(domain, kind, protocol)?);
        let socket = Self { slot: Slot::take(inner.as_raw_fd()), inner, epoch: fork::epoch() };
        socket.inner.set_nonblocking(true)?;
        Ok(socket)
    }

    fn begin(&self, to: &SockAddr) -> io::Result<bool> {
        match self.inner.connect(to) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Why a connection that was being made isn't; `Ok` if it is.
    pub fn outcome(&self) -> io::Result<()> {
        self.inner.take_error()?.map_or(Ok(()), Err)
    }

    /// Sends what there is room for.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.send_with_flags(bytes, libc::MSG_NOSIGNAL)
    }

    /// Receives what there is; 0 is the end of a connection.
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        self.receive_with(into, 0)
    }

    /// Whether a connection that nobody uses is open and silent: an end, an error or bytes that nobody asked for mean that it
    /// can't be used any more.
    pub fn is_quiet(&self) -> bool {
        let mut one = [0];
        matches!(self.receive_with(&mut one, libc::MSG_PEEK), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Whether everything that was sent has come to the system at the other end.
    pub fn is_acknowledged(&self) -> bool {
        let mut waiting: libc::c_int = 0;
        // SAFETY: the descriptor is open as long as `self`, and the request writes one number.
        let asked = unsafe { libc::ioctl(self.inner.as_raw_fd(), libc::TIOCOUTQ, &mut waiting) };
        asked != 0 || waiting == 0
    }

    fn receive_with(&self, into: &mut [u8], flags: i32) -> io::Result<usize> {
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8`, and `recv` only writes initialised bytes into it.
        let room = unsafe { &mut *(std::ptr::from_mut(into) as *mut [MaybeUninit<u8>]) };
        self.inner.recv_with_flags(room, flags)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // In a child the handler closed it, and the number may be another file's by now.
        if self.epoch != fork::epoch() {
            return;
        }
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        if let Some(slot) = self.slot {
            slot.taken.store(false, Ordering::SeqCst);
        }
    }
}

/// Waits until one of the sockets is ready, and says which; `None` when the moment has come, also where more is ready: who
/// is spoken to without end would wait without one.
pub fn wait(sockets: &[&Socket], ready: Ready, until: Instant) -> io::Result<Option<usize>> {
    let events = match ready {
        Ready::ToRead => libc::POLLIN,
        Ready::ToWrite => libc::POLLOUT,
    };
    let mut polled: Vec<libc::pollfd> =
        sockets.iter().map(|socket| libc::pollfd { fd: socket.inner.as_raw_fd(), events, revents: 0 }).collect();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let time = libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: the array and the time live through the call; NULL leaves the signal mask as it is.
        let count = unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &time, std::ptr::null()) };
        match count {
            0 => return Ok(None),
            1.. => return Ok(polled.iter().position(|one| one.revents != 0)),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

impl Slot {
    fn take(descriptor: RawFd) -> Option<&'static Self> {
        let inode = inode_of(descriptor)?;
        let free = |slot: &&Self| slot.taken.compare_exchange(false, true, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        let slot = SOCKETS.iter().find(free)?;
        slot.inode.store(inode, Ordering::SeqCst);
        slot.descriptor.store(descriptor, Ordering::SeqCst);
        Some(slot)
    }
}

/// The number that no other socket has while this one is open; `None` for what is no socket.
fn inode_of(descriptor: RawFd) -> Option<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is a valid place for the answer, which is read only when `fstat` succeeded.
    let stat = unsafe {
        if libc::fstat(descriptor, stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    (stat.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(stat.st_ino)
}

/// Closes the parent's sockets: the fork's handler in the child, which takes no lock and allocates nothing.
pub(super) fn close_in_child() {
    for slot in &SOCKETS {
        let descriptor = slot.descriptor.swap(-1, Ordering::SeqCst);
        if descriptor >= 0 && inode_of(descriptor) == Some(slot.inode.load(Ordering::SeqCst)) {
            // SAFETY: it is a socket of the parent's that this process never uses: `Socket` doesn't close it here.
            unsafe { libc::close(descriptor) };
        }
        slot.taken.store(false, Ordering::SeqCst);
    }
}

/// How many sockets are open here: for tests of what a process leaves.
pub fn open() -> usize {
    SOCKETS.iter().filter(|slot| slot.taken.load(Ordering::SeqCst)).count()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn connected(listener: &TcpListener) -> (Socket, std::net::TcpStream) {
        let (socket, made) = Socket::connect(&listener.local_addr().unwrap()).unwrap();
        if !made {
            assert_eq!(wait(&[&socket], Ready::ToWrite, soon()).unwrap(), Some(0));
        }
        socket.outcome().unwrap();
        (socket, listener.accept().unwrap().0)
    }

    #[test]
    fn a_connection_is_quiet_until_it_is_spoken_to_or_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, mut peer) = connected(&listener);
        assert!(socket.is_quiet());
        peer.write_all(b"x").unwrap();
        wait(&[&socket], Ready::ToRead, soon()).unwrap().unwrap();
        assert!(!socket.is_quiet());
        let mut one = [0; 4];
        assert_eq!(socket.receive(&mut one).unwrap(), 1);
        assert!(socket.is_quiet());
        drop(peer);
        wait(&[&socket], Ready::ToRead, soon()).unwrap().unwrap();
        assert!(!socket.is_quiet());
    }

    #[test]
    fn waiting_ends_at_its_moment_also_where_the_other_side_never_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, mut peer) = connected(&listener);
        peer.write_all(b"x").unwrap();
        wait(&[&socket], Ready::ToRead, soon()).unwrap().unwrap();
        assert_eq!(wait(&[&socket], Ready::ToRead, Instant::now()).unwrap(), None);
    }

    #[test]
    fn what_the_other_side_has_no_room_for_is_not_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, mut peer) = connected(&listener);
        socket.send(b"x").unwrap();
        peer.read_exact(&mut [0]).unwrap();
        assert!(socket.is_acknowledged());
        while socket.send(&[0; 1 << 16]).is_ok() {}
        assert!(!socket.is_acknowledged());
    }

    #[test]
    fn waiting_ends_at_its_moment_and_writing_to_nobody_is_an_error_and_no_signal() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, mut peer) = connected(&listener);
        let until = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait(&[&socket], Ready::ToRead, until).unwrap(), None);
        assert!(Instant::now() >= until);
        socket.send(b"x").unwrap();
        peer.read_exact(&mut [0]).unwrap();
        drop(peer);
        let begun = Instant::now();
        while socket.send(b"y").is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the other side is gone");
        }
    }
}
