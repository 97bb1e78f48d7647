//! Restoring: a vault comes back from a backup, all of it or nothing.
//!
//! Where no vault lies it is made under another name and renamed ([`anew`]); where it lies itself, its objects become the
//! backup's in one transaction ([`in_place`]); one name of a backup can be brought into any unlocked vault ([`named`]). In
//! every case the whole file was read and checked before anything is written.

mod anew;
mod in_place;
mod named;

use std::collections::HashMap;

use super::LocalVault;
use super::backup::Opened;
use super::header::Counters;
use super::record::TOMBSTONE;
use super::reread::every_row;
use super::seal::{RootKey, RowCode};
use super::store::Snapshot;
use crate::sys::memory::WipeStack;
use crate::vault::{
    BackupLabel, BackupSource, Losses, ObjectNumber, RestoreWish, Restored, Result, UniqueId, VaultError,
};

/// What lies where a vault is to be restored.
enum Place {
    Empty,
    /// The vault that was backed up.
    Itself,
    /// Something else, or nothing that can be read.
    Taken(VaultError),
}

impl LocalVault {
    pub(super) fn restore_whole(
        &self,
        source: &BackupSource<'_>,
        wish: &RestoreWish<'_>,
        agree: &mut dyn FnMut(&Losses) -> bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored> {
        let _wipe = WipeStack;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        if let Some(pin) = wish.new_pin {
            self.check_pin_len(pin.expose())?;
        }
        let backup = self.open_backup(source, &mut |_, _| {})?;
        let place = match self.look_at_place(&backup) {
            // Whatever keeps us from looking at it, it is to be renamed.
            Err(error) if wish.move_aside => Place::Taken(error),
            looked => looked?,
        };
        match place {
            Place::Empty => self.restore_anew(&backup, self.ways_after(&backup, wish)?, false, progress),
            Place::Itself | Place::Taken(_) if wish.move_aside => {
                self.restore_anew(&backup, self.ways_after(&backup, wish)?, true, progress)
            }
            Place::Itself => self.restore_in_place(&backup, wish, agree, progress),
            Place::Taken(error) => Err(error),
        }
    }

    /// Everything that restoring does before it writes.
    pub(super) fn preview(&self, source: &BackupSource<'_>, wish: &RestoreWish<'_>) -> Result<(BackupLabel, Losses)> {
        let _wipe = WipeStack;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        let backup = self.open_backup(source, &mut |_, _| {})?;
        match self.look_at_place(&backup)? {
            Place::Empty => Ok((backup.label, Losses::default())),
            Place::Itself => Ok((backup.label.clone(), self.losses_in_place(&backup, wish)?)),
            Place::Taken(error) => Err(error),
        }
    }

    fn look_at_place(&self, backup: &Opened) -> Result<Place> {
        let path = self.directory.path();
        if path.symlink_metadata().is_ok() && !path.is_dir() {
            return Ok(Place::Taken(self.in_the_way("is no directory")));
        }
        if !self.directory.exists()? {
            // Files without a database are no vault, but somebody's.
            let entries = std::fs::read_dir(path);
            return match entries.is_ok_and(|mut entries| entries.next().is_some()) {
                true => Ok(Place::Taken(self.in_the_way("holds files, but no vault"))),
                false => Ok(Place::Empty),
            };
        }
        let mut header = None;
        let read = self.read(&mut |snapshot| {
            header = Some(snapshot.header()?);
            Ok(())
        });
        Ok(match (read, header) {
            (Err(error @ VaultError::Damaged { .. }), _) => {
                Place::Taken(self.in_the_way(&format!("holds a vault that can't be read ({error})")))
            }
            (Err(error), _) => return Err(error),
            (Ok(()), Some(header)) if header.vault_id == backup.saved.header.vault_id => Place::Itself,
            (Ok(()), Some(header)) => Place::Taken(self.in_the_way(&format!(
                "holds another vault, called {}, than the one that was backed up, called {}",
                header.label, backup.label.label
            ))),
            (Ok(()), None) => Place::Taken(self.in_the_way("holds a vault without a header")),
        })
    }

    fn in_the_way(&self, problem: &str) -> VaultError {
        VaultError::InTheWay { path: self.directory.text(), problem: problem.to_owned() }
    }
}

/// The rows that deleted objects left, by their ids: an object that comes back takes the place of its own.
struct Tombstones(HashMap<UniqueId, (RowCode, ObjectNumber)>);

impl Tombstones {
    /// Of the state that the image shows, which is checked once more: rows may have been exchanged since it was loaded.
    fn read(snapshot: &dyn Snapshot, root: &RootKey, counters: &Counters, file: &str) -> Result<Self> {
        let mut tombstones = HashMap::new();
        every_row(snapshot, root, counters, file, &mut |row, code| {
            if row.kind == TOMBSTONE {
                tombstones.insert(row.id, (code, row.number));
            }
        })?;
        Ok(Self(tombstones))
    }

    fn of(&self, id: &UniqueId) -> Option<&(RowCode, ObjectNumber)> {
        self.0.get(id)
    }
}
