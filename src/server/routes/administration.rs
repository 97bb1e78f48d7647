//! The routes that concern a whole vault.

use axum::http::Method;

use super::DataAction as A;
use super::Work::{Short, Write};
use super::{Route, schema};
use crate::server::administration::full_backup;

/// Backups of the whole vault, and restoring from them.
pub fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/backup", "FullBackup", A::BACKUP_START, Write, full_backup::back_up)
            .hsm(A::HSM_BACKUP_START)
            .body(schema::<full_backup::Storage>)
            .status(202),
        Route::new(Method::POST, "/prebackup", "PreFullBackup", A::BACKUP_START, Write, full_backup::check_backup)
            .hsm(A::HSM_BACKUP_START)
            .body(schema::<full_backup::CheckedStorage>)
            .status(202),
        Route::new(
            Method::GET,
            "/backup/{id}/pending",
            "FullBackupStatus",
            A::BACKUP_STATUS,
            Short,
            full_backup::backup_status,
        )
        .without_version()
        .of_job()
        .hsm(A::HSM_BACKUP_STATUS),
        Route::new(Method::PUT, "/restore", "FullRestore", A::RESTORE_START, Write, full_backup::restore)
            .hsm(A::HSM_RESTORE_START)
            .body(schema::<full_backup::RestoreParameters>)
            .status(202),
        Route::new(Method::PUT, "/prerestore", "PreFullRestore", A::RESTORE_START, Write, full_backup::check_restore)
            .hsm(A::HSM_RESTORE_START)
            .body(schema::<full_backup::CheckedRestoreParameters>)
            .status(202),
        Route::new(
            Method::GET,
            "/restore/{id}/pending",
            "FullRestoreStatus",
            A::RESTORE_STATUS,
            Short,
            full_backup::restore_status,
        )
        .without_version()
        .of_job()
        .hsm(A::HSM_RESTORE_STATUS),
        Route::new(
            Method::PUT,
            "/keys/{name}/restore",
            "SelectiveKeyRestore",
            A::RESTORE_START,
            Write,
            full_backup::restore_key,
        )
        .hsm(A::HSM_RESTORE_START)
        .body(schema::<full_backup::KeyRestoreParameters>)
        .status(202),
    ]
}
