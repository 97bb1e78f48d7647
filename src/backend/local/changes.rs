//! The file `changes`: what every process sees of the vault without opening it.
//!
//! One page of header, then one byte for each key version at its key number. Readers map it once, from a descriptor that
//! can't write; writers use `pwrite` under the writer's lock, in the order that `write.rs` keeps: a death at any point
//! leaves a key refused, never allowed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{STATE_DELETED, STATE_UNKNOWN};
use crate::sys::file::{self, SharedMapping, TrackedFile};
use crate::vault::{Result, VaultError};

const MAGIC: u64 = u64::from_le_bytes(*b"SRCHNGE1");
const LENGTH: usize = 8;
const STARTED: usize = 16;
const DONE: usize = 24;
const TAG: usize = 32;
const GENERATION: usize = 48;
const BOOT: usize = 56;
const CLOSED: usize = 72;
const STATES: usize = 4096;

/// The mapping's size, from the first day.
const MAPPED: usize = 1 << 20;
/// Highest key number that fits.
pub const LAST_KEY: u64 = (MAPPED - STATES - 1) as u64;
/// The file grows by this.
const STEP: usize = 4096;

/// The header of the page at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The commit that a writer began.
    pub started: u64,
    /// The commit that is complete.
    pub done: u64,
    /// The tag of the complete commit's header.
    pub tag: [u8; 16],
    /// Images of another generation are refused.
    pub generation: u64,
    /// Written since this machine started.
    pub this_boot: bool,
    /// The vault was moved aside.
    pub closed: bool,
}

/// The mapped file.
pub struct Page {
    path: PathBuf,
    mapping: SharedMapping,
    boot: [u8; 16],
}

impl Page {
    /// Maps the page of the vault in `directory`; `None` if there is none yet.
    pub fn open(directory: &Path, writable: bool) -> Result<Option<Self>> {
        let path = directory.join("changes");
        let fail = |source| io_error(&path, source);
        let len = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        if len < STATES as u64 {
            return Ok(None);
        }
        let mapping = SharedMapping::open(&path, MAPPED, writable).map_err(fail)?;
        let states = mapping.number(LENGTH);
        // A writer makes the file longer before it says so: the length is looked at after what it must cover. What lies
        // beyond the file's end must never be read.
        let len = std::fs::symlink_metadata(&path).map_err(fail)?.len();
        if mapping.number(0) != MAGIC || states > (len - STATES as u64).min((MAPPED - STATES) as u64) {
            return Ok(None);
        }
        Ok(Some(Self { path, mapping, boot: boot_id() }))
    }

    /// Makes the file of a new vault; it refuses every key until it is filled.
    pub fn create(directory: &Path, mode: u32) -> Result<()> {
        let path = directory.join("changes");
        let file = TrackedFile::create(&path, mode).map_err(|source| io_error(&path, source))?;
        fill(&file).map_err(|source| io_error(&path, source))
    }

    /// Makes the file if it is missing, and what is too short or no page a page that refuses every key. In place, because
    /// others may have it mapped. The caller holds the writer's lock.
    pub fn make_whole(directory: &Path, mode: u32) -> Result<()> {
        let path = directory.join("changes");
        match TrackedFile::open(&path, true) {
            Ok(file) => fill(&file).map_err(|source| io_error(&path, source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(directory, mode),
            Err(source) => Err(io_error(&path, source)),
        }
    }

    /// Whether it is still the file in the vault's directory.
    pub fn is_in_place(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| self.mapping.is_of(&metadata))
    }

    /// Whether another file has its name by now: the directory was lost and came back.
    pub fn is_replaced(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| !self.mapping.is_of(&metadata))
    }

    /// The byte of a key version for an image of this generation: memory loads only.
    pub fn state(&self, key_number: u32, generation: u64) -> u8 {
        let place = key_number as usize;
        let inside = (place as u64) < self.mapping.number(LENGTH).min(LAST_KEY + 1);
        if !inside || self.mapping.number(GENERATION) != generation || !self.written_this_boot() {
            return STATE_UNKNOWN;
        }
        self.mapping.byte(STATES + place)
    }

    /// The header.
    pub fn stamp(&self) -> Stamp {
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&self.mapping.number(TAG).to_le_bytes());
        tag[8..].copy_from_slice(&self.mapping.number(TAG + 8).to_le_bytes());
        Stamp {
            started: self.mapping.number(STARTED),
            done: self.mapping.number(DONE),
            tag,
            generation: self.mapping.number(GENERATION),
            this_boot: self.written_this_boot(),
            closed: self.mapping.number(CLOSED) != 0,
        }
    }

    fn written_this_boot(&self) -> bool {
        let (low, high) = self.boot.split_at(8);
        self.mapping.number(BOOT).to_le_bytes() == *low && self.mapping.number(BOOT + 8).to_le_bytes() == *high
    }

    /// Opens it for writing; the caller holds the writer's lock until the answer is dropped.
    pub fn writer(self: &Arc<Self>) -> Result<PageWriter> {
        let file = TrackedFile::open(&self.path, true).map_err(|source| self.error(source))?;
        if !file.metadata().is_ok_and(|metadata| self.mapping.is_of(&metadata)) {
            let problem = "was replaced while this program was running: restart the program".to_owned();
            return Err(VaultError::Unsafe { path: self.path.display().to_string(), problem });
        }
        Ok(PageWriter { page: Arc::clone(self), file })
    }

    fn error(&self, source: io::Error) -> VaultError {
        io_error(&self.path, source)
    }
}

fn io_error(path: &Path, source: io::Error) -> VaultError {
    VaultError::Io { path: path.display().to_string(), source }
}

/// An empty header, and room for states. Zeros are written, not left as a hole, so that a full disk stands in the way of
/// no later state.
fn fill(file: &TrackedFile) -> io::Result<()> {
    let len = file.metadata()?.len() as usize;
    file::write_at(file, 0, &[0; STATES])?;
    let grown = len.saturating_sub(STATES).clamp(STEP, MAPPED - STATES);
    if len < STATES + grown {
        let from = len.max(STATES);
        file::write_at(file, from as u64, &vec![0; STATES + grown - from])?;
    }
    file::write_at(file, LENGTH as u64, &(grown as u64).to_le_bytes())?;
    file::write_at(file, 0, &MAGIC.to_le_bytes())?;
    file.sync_all()
}

/// A descriptor of its own for one write.
pub struct PageWriter {
    page: Arc<Page>,
    file: TrackedFile,
}

impl PageWriter {
    /// A commit begins, or the one that began was given up.
    pub fn set_started(&self, commit: u64) -> Result<()> {
        self.write(STARTED, &commit.to_le_bytes())
    }

    /// A commit is complete: tag and number in one write.
    pub fn set_done(&self, commit: u64, tag: &[u8; 16]) -> Result<()> {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&commit.to_le_bytes());
        bytes[8..].copy_from_slice(tag);
        self.write(DONE, &bytes)
    }

    /// Images of another generation are refused from now on.
    pub fn set_generation(&self, generation: u64) -> Result<()> {
        // The bytes follow the old numbers until they are written anew: until then they mean nothing.
        self.write(BOOT, &[0; 16])?;
        self.write(GENERATION, &generation.to_le_bytes())
    }

    /// The byte of one key version, for which the file grows if it must.
    pub fn set_state(&self, key_number: u32, state: u8) -> Result<()> {
        let place = key_number as usize;
        let length = self.page.mapping.number(LENGTH) as usize;
        if place >= length {
            self.grow(place + 1)?;
        }
        self.write(STATES + place, &[state])
    }

    fn grow(&self, states: usize) -> Result<()> {
        let grown = states.next_multiple_of(STEP).min(MAPPED - STATES);
        let length = self.page.mapping.number(LENGTH) as usize;
        self.write(STATES + length, &vec![STATE_UNKNOWN; grown.saturating_sub(length)])?;
        self.write(LENGTH, &(grown as u64).to_le_bytes())
    }

    /// Writes the page anew from a verified image: no key is allowed before its byte is known to be right, and the page
    /// doesn't look finished before it is.
    pub fn rebuild(
        &self,
        commit: u64,
        tag: &[u8; 16],
        generation: u64,
        states: &[(u32, u8)],
        next_key: u64,
    ) -> Result<()> {
        let stamp = self.page.stamp();
        if !stamp.this_boot || stamp.generation != generation {
            self.write(BOOT, &[0; 16])?;
        }
        self.set_started(commit + 1)?;
        let length = self.page.mapping.number(LENGTH) as usize;
        let mut bytes = vec![STATE_UNKNOWN; length.max(next_key as usize).min(MAPPED - STATES)];
        // A number that was given and has no key any more belonged to one that was deleted.
        bytes.iter_mut().take(next_key as usize).skip(1).for_each(|byte| *byte = STATE_DELETED);
        for &(key_number, state) in states {
            if let Some(place) = bytes.get_mut(key_number as usize) {
                *place = state;
            }
        }
        if bytes.len() > length {
            self.grow(bytes.len())?;
        }
        self.write(STATES, &bytes)?;
        self.write(CLOSED, &0u64.to_le_bytes())?;
        self.write(GENERATION, &generation.to_le_bytes())?;
        self.set_done(commit, tag)?;
        self.write(BOOT, &self.page.boot)?;
        self.set_started(commit)
    }

    /// The vault is being moved aside: nobody may go on with this page.
    pub fn close(&self) -> Result<()> {
        self.write(CLOSED, &1u64.to_le_bytes())?;
        self.write(BOOT, &[0; 16])
    }

    /// It was not moved after all.
    pub fn open_again(&self) -> Result<()> {
        self.write(CLOSED, &0u64.to_le_bytes())
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        file::write_at(&self.file, offset as u64, bytes).map_err(|source| self.page.error(source))
    }
}

/// Names the machine's current run; zeros, which match nothing written, where it can't be read.
fn boot_id() -> [u8; 16] {
    let mut id = [0; 16];
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter_map(|byte| char::from(byte).to_digit(16).map(|d| d as u8)).collect();
    for (byte, pair) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    if id == [0; 16] { [0xFF; 16] } else { id }
}

#[cfg(test)]
mod tests {
    use super::super::record::{STATE_DISABLED, STATE_ENABLED};
    use super::*;

    fn page() -> (tempfile::TempDir, Arc<Page>) {
        let directory = tempfile::tempdir().unwrap();
        Page::create(directory.path(), 0o600).unwrap();
        let page = Page::open(directory.path(), true).unwrap().unwrap();
        (directory, Arc::new(page))
    }

    #[test]
    fn a_new_page_refuses_every_key() {
        let (_directory, page) = page();
        assert_eq!(page.state(1, 0), STATE_UNKNOWN);
        assert_eq!(page.state(1, 1), STATE_UNKNOWN);
        assert_eq!(page.state(u32::MAX, 1), STATE_UNKNOWN);
    }

    #[test]
    fn what_is_written_is_seen_and_only_by_its_generation() {
        let (_directory, page) = page();
        let states = [(1, STATE_ENABLED), (2, STATE_DISABLED), (9_000, STATE_ENABLED)];
        page.writer().unwrap().rebuild(4, &[7; 16], 1, &states, 9_001).unwrap();
        assert_eq!(page.state(1, 1), STATE_ENABLED);
        assert_eq!(page.state(2, 1), STATE_DISABLED);
        assert_eq!(page.state(9_000, 1), STATE_ENABLED);
        assert_eq!(page.state(3, 1), STATE_DELETED);
        assert_eq!(page.state(9_001, 1), STATE_UNKNOWN);
        assert_eq!(page.state(1, 2), STATE_UNKNOWN);
        let stamp = page.stamp();
        assert_eq!((stamp.started, stamp.done, stamp.tag, stamp.this_boot), (4, 4, [7; 16], true));
    }

    #[test]
    fn a_page_of_another_boot_refuses_every_key() {
        let (directory, page) = page();
        page.writer().unwrap().rebuild(4, &[7; 16], 1, &[(1, STATE_ENABLED)], 2).unwrap();
        drop(page);
        let mut page = Page::open(directory.path(), true).unwrap().unwrap();
        page.boot = [1; 16];
        assert_eq!(page.state(1, 1), STATE_UNKNOWN);
    }
}
