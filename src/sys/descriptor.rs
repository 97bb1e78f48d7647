//! The descriptors of vault files that are open right now, so that a child forked in the middle of another thread's call
//! can close them.
//!
//! A slot is marked before `open` and cleared after `close`; a call into SQLite is counted as a whole, because it holds
//! SQLite's own locks too. The child's fork handler reads all of that without a lock. Nothing here closes a descriptor
//! in the parent.
//!
//! The kernel copies the descriptors before it copies the memory: what was open at the first moment may be closed, and
//! its slot free, at the second. So the parent notes before the fork what is open and how often anything was opened yet.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// The file whose presence makes a directory a local vault.
pub const VAULT_FILE: &str = "vault.db";
/// What SQLite writes beside it during a transaction.
pub const JOURNAL_FILE: &str = "vault.db-journal";

const SLOTS: usize = 128;
const FREE: i64 = 0;
const OPENING: i64 = -1;
const KNOWN_INODES: usize = 512;

static OPEN: [AtomicI64; SLOTS] = [const { AtomicI64::new(FREE) }; SLOTS];
/// Device and inode of what each slot holds.
static IDENTITIES: [(AtomicU64, AtomicU64); SLOTS] = [const { (AtomicU64::new(0), AtomicU64::new(0)) }; SLOTS];
static OVERFLOWED: AtomicU32 = AtomicU32::new(0);
/// How many slots were ever marked.
static MARKED: AtomicU64 = AtomicU64::new(0);
static IN_STORE: AtomicU32 = AtomicU32::new(0);
static INODES: [(AtomicU64, AtomicU64); KNOWN_INODES] =
    [const { (AtomicU64::new(0), AtomicU64::new(0)) }; KNOWN_INODES];
static TORN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Before a fork by this thread: [`MARKED`], and whether a slot was marked.
    static BEFORE_FORK: Cell<(u64, bool)> = const { Cell::new((0, true)) };
}

/// True in a child that was forked while a thread of its parent was inside a call to a vault's files: it must never open
/// a vault again.
pub fn torn() -> bool {
    TORN.load(Ordering::Relaxed)
}

/// Held during a whole call into the store.
pub struct StoreCall(());

impl StoreCall {
    /// Begins one.
    pub fn begin() -> Self {
        IN_STORE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for StoreCall {
    fn drop(&mut self) {
        IN_STORE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A slot that was marked before an `open`.
pub(super) struct Slot(Option<usize>);

impl Slot {
    /// Marks one for `path`, whose inode is known from then on if it exists.
    pub(super) fn mark(path: &CStr) -> Self {
        if let Some(identity) = identity_of_path(path) {
            remember_inode(identity);
        }
        let free = |slot: &AtomicI64| slot.compare_exchange(FREE, OPENING, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        let index = OPEN.iter().position(free);
        if index.is_none() {
            OVERFLOWED.fetch_add(1, Ordering::SeqCst);
        }
        MARKED.fetch_add(1, Ordering::SeqCst);
        Self(index)
    }

    /// The `open` gave this descriptor, or failed.
    pub(super) fn opened(self, descriptor: i32) {
        match self.0 {
            Some(index) if descriptor >= 0 => {
                if let Some((device, inode)) = identity(descriptor) {
                    remember_inode((device, inode));
                    IDENTITIES[index].0.store(device, Ordering::SeqCst);
                    IDENTITIES[index].1.store(inode, Ordering::SeqCst);
                }
                OPEN[index].store(i64::from(descriptor) + 1, Ordering::SeqCst);
            }
            Some(index) => OPEN[index].store(FREE, Ordering::SeqCst),
            None if descriptor < 0 => {
                OVERFLOWED.fetch_sub(1, Ordering::SeqCst);
            }
            None => {}
        }
    }
}

/// `descriptor` is closed; its slot is free.
pub(super) fn closed(descriptor: i32) {
    let value = i64::from(descriptor) + 1;
    let cleared =
        OPEN.iter().any(|slot| slot.compare_exchange(value, FREE, Ordering::SeqCst, Ordering::Relaxed).is_ok());
    if !cleared && OVERFLOWED.load(Ordering::SeqCst) > 0 {
        OVERFLOWED.fetch_sub(1, Ordering::SeqCst);
    }
}

fn remember_inode((device, inode): (u64, u64)) {
    for (known_device, known_inode) in &INODES {
        let current = known_inode.load(Ordering::Relaxed);
        if current == inode && known_device.load(Ordering::Relaxed) == device {
            return;
        }
        if current == 0 && known_inode.compare_exchange(0, inode, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            known_device.store(device, Ordering::SeqCst);
            return;
        }
    }
}

fn identity(descriptor: i32) -> Option<(u64, u64)> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is a valid place for the answer, which is read only when `fstat` succeeded.
    let stat = unsafe { (libc::fstat(descriptor, stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) }?;
    Some((stat.st_dev, stat.st_ino))
}

fn identity_of_path(path: &CStr) -> Option<(u64, u64)> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `path` ends with a NUL; `stat` is read only when the call succeeded.
    let stat = unsafe { (libc::lstat(path.as_ptr(), stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) }?;
    (stat.st_mode & libc::S_IFMT == libc::S_IFREG).then_some((stat.st_dev, stat.st_ino))
}

/// In the parent, just before a fork. Takes no lock.
pub(super) fn note_before_fork() {
    // In this order: a slot that is marked after it was looked at is counted after it was counted.
    let marked = MARKED.load(Ordering::SeqCst);
    let open = OPEN.iter().any(|slot| slot.load(Ordering::SeqCst) != FREE) || OVERFLOWED.load(Ordering::SeqCst) > 0;
    BEFORE_FORK.set((marked, open));
}

/// In a forked child: closes what the parent's threads had open. Takes no lock and allocates nothing.
pub(super) fn close_in_child() {
    let opening =
        OPEN.iter().any(|slot| slot.load(Ordering::SeqCst) == OPENING) || OVERFLOWED.load(Ordering::SeqCst) > 0;
    let (marked, open) = BEFORE_FORK.get();
    let may_have_closed = open || MARKED.load(Ordering::SeqCst) != marked;
    let mut torn = opening || IN_STORE.load(Ordering::SeqCst) > 0;
    for (slot, (device, inode)) in OPEN.iter().zip(&IDENTITIES) {
        let value = slot.swap(FREE, Ordering::SeqCst);
        if value <= 0 {
            continue;
        }
        torn = true;
        let descriptor = (value - 1) as i32;
        // A thread closes first and clears its slot then: in between the number may be the host's again.
        if identity(descriptor) == Some((device.load(Ordering::SeqCst), inode.load(Ordering::SeqCst))) {
            // SAFETY: the descriptor is a vault file that only the parent's thread used; the child has its copy.
            unsafe { libc::close(descriptor) };
        }
    }
    if opening || may_have_closed {
        close_by_inode();
    }
    IN_STORE.store(0, Ordering::SeqCst);
    OVERFLOWED.store(0, Ordering::SeqCst);
    if torn {
        TORN.store(true, Ordering::SeqCst);
    }
}

/// Goes through all descriptors: a thread was between marking its slot and noting the number.
fn close_by_inode() {
    let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    // SAFETY: `limit` is a valid place for the answer.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    for descriptor in 0..limit.rlim_cur.min(65_536) as i32 {
        // Most are not open; that must cost no more than the one call that says so.
        let Some(identity) = identity(descriptor) else { continue };
        if is_vault_file(identity) || is_vault_path(descriptor) {
            // SAFETY: it is a vault's file, and in this process only the parent's thread knew of it.
            unsafe { libc::close(descriptor) };
        }
    }
}

fn is_vault_file((device, inode): (u64, u64)) -> bool {
    INODES.iter().any(|(known_device, known_inode)| {
        known_inode.load(Ordering::Relaxed) == inode && known_device.load(Ordering::Relaxed) == device
    })
}

/// A journal that was being created has no known inode yet, but its name.
fn is_vault_path(descriptor: i32) -> bool {
    let mut link = [0u8; 32];
    let mut digits = [0u8; 10];
    let mut start = digits.len();
    let mut rest = descriptor;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    const PREFIX: &[u8] = b"/proc/self/fd/";
    link[..PREFIX.len()].copy_from_slice(PREFIX);
    let number = &digits[start..];
    link[PREFIX.len()..PREFIX.len() + number.len()].copy_from_slice(number);
    let Ok(link) = CStr::from_bytes_until_nul(&link) else { return false };
    let mut target = [0u8; 512];
    // SAFETY: `link` ends with a NUL and `target` has the stated length.
    let len = unsafe { libc::readlink(link.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    len > 0 && target[..len as usize].rsplit(|byte| *byte == b'/').next() == Some(JOURNAL_FILE.as_bytes())
}
