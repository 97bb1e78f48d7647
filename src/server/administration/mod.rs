//! What concerns a whole vault: its backups.

pub mod full_backup;
