//! A vault comes back where none lies: with its id, slot and serial, its ways to unlock, its objects' numbers and unique
//! ids, so that what other programs wrote down of it stays true. Its rows are put in as they are; the header is sealed
//! anew, one commit and one generation on, and `changes` is made from it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::LocalVault;
use super::super::backup::Opened;
use super::super::header::Counters;
use super::super::store::{self, HeaderRow};
use super::super::wrapped::{self, Opener, Stored, Way};
use crate::config::VaultConfig;
use crate::sys::memory::WipeStack;
use crate::vault::{BackupSource, RestoreWish, Restored, Result, VaultAdmin};

impl LocalVault {
    pub(super) fn restore_anew(
        &self,
        backup: &Opened,
        wrapped: Stored,
        move_aside: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored> {
        let rows = &backup.saved.rows;
        let header = header_after(backup, &wrapped)?;
        let mut aside = None;
        let mut fill = |directory: &Path| {
            self.lay_out(directory)?;
            store::create(directory, &mut |transaction| {
                transaction.set_header(&header)?;
                for (kind, body) in &wrapped {
                    transaction.set_wrapped_key(*kind, Some(body))?;
                }
                for (done, row) in rows.iter().enumerate() {
                    transaction.put(row, None)?;
                    progress(done + 1, rows.len());
                }
                transaction.commit()
            })?;
            self.seal_off(directory)
        };
        let made = self.make_whole(&mut fill, &mut |staging| {
            aside = if move_aside { Some(self.replace_by(staging, true)?) } else { None };
            if move_aside { Ok(()) } else { self.take_empty_place(staging) }
        });
        made.and_then(|()| self.enter_anew(backup)).map_err(|error| error.beside(aside.as_deref()))?;
        Ok(Restored {
            label: backup.label.clone(),
            in_place: false,
            moved_aside: aside.map(|path| path.display().to_string()),
            written: backup.loaded.image.everything().count(),
            deleted: 0,
        })
    }

    /// As a vault of its own in `scratch`, for trying what is in the backup. Nothing opens it afterwards: where it is left
    /// lying, by a machine that went down, it holds no wrapped key of a PIN that somebody could guess.
    pub(in super::super) fn restore_into_scratch(
        &self,
        source: &BackupSource<'_>,
        scratch: &Path,
    ) -> Result<Arc<dyn VaultAdmin>> {
        let _wipe = WipeStack;
        let backup = self.open_backup(source, &mut |_, _| {})?;
        let config = VaultConfig::local("scratch", scratch);
        let vault = LocalVault::build(&config)?;
        vault.restore_anew(&backup, Stored::new(), false, &mut |_, _| {})?;
        Ok(Arc::new(vault))
    }

    /// The ways to unlock, with a new PIN if one is wished for.
    pub(super) fn ways_after(&self, backup: &Opened, wish: &RestoreWish<'_>) -> Result<Stored> {
        let saved = &backup.saved;
        let Some(pin) = wish.new_pin else { return Ok(saved.wrapped.clone()) };
        let machine_key = self.machine_key()?;
        let opener = Opener { way: Way::UserPin, secret: pin.expose(), machine_key: machine_key.as_ref() };
        let header = &saved.header;
        let body = wrapped::wrap(&saved.root, &opener, &header.vault_id, header.root_number)?;
        Ok(wrapped::with(saved.wrapped.clone(), &[(Way::UserPin, body)]))
    }

    /// Forgets what this process knew of the place, and reads back what was written.
    fn enter_anew(&self, backup: &Opened) -> Result<()> {
        self.page.store(None);
        self.private_keys.clear();
        self.secret_keys.clear();
        let mut state = self.state();
        state.forget();
        self.adopt(&mut state, backup.saved.root.copy()?)?;
        self.publish(&state);
        drop(state);
        self.unlocked.store(true, Ordering::Release);
        Ok(())
    }
}

/// One commit and one generation on.
fn header_after(backup: &Opened, wrapped: &Stored) -> Result<HeaderRow> {
    let saved = &backup.saved;
    let counters = Counters {
        generation: backup.counters.generation + 1,
        wrapped_digest: wrapped::digest_of(wrapped),
        ..backup.counters
    };
    let mut header = HeaderRow { commit: saved.header.commit + 1, ..saved.header.clone() };
    counters.seal_into(&saved.root, &mut header)?;
    Ok(header)
}
