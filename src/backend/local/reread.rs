//! Reading every row once more within a transaction that will put other rows in the place of some.
//!
//! The image was checked when it was loaded, and only the header since. Rows that somebody exchanged in between must not be
//! sealed anew, or counted out of the sum, as if they were right.

use super::header::Counters;
use super::seal::{RootKey, RowCode};
use super::store::{Row, Snapshot};
use super::sum::RecordSum;
use crate::vault::{Result, VaultError};

/// Hands every row to `each`. Fails if together they aren't what the sealed sum says: what `each` was given is to be
/// forgotten then. `file` is the database's path, for the message.
pub(super) fn every_row(
    snapshot: &dyn Snapshot,
    root: &RootKey,
    counters: &Counters,
    file: &str,
    each: &mut dyn FnMut(Row, RowCode),
) -> Result<()> {
    let mut found = RecordSum::default();
    snapshot.scan(0, &mut |row| {
        let code = RowCode::of(&row);
        found.add(row.id, root.code(&code));
        each(row, code);
        Ok(())
    })?;
    if found == counters.sum {
        return Ok(());
    }
    let what = "records were exchanged by somebody else since they were loaded".into();
    Err(VaultError::Damaged { file: file.to_owned(), what })
}
