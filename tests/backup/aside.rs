//! A vault is moved aside and a backup restored in its place: what one is told when something fails, and what a death leaves.

use std::fs;

use crate::command::Desk;
use crate::stage::{fail, output, succeed};

#[test]
fn an_error_after_a_vault_was_moved_aside_says_where_it_is() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup");
    let sync = desk.0.compile("tests/c/sync.c", &["-shared", "-fPIC"]);
    let restore = |error: i32| {
        let mut command = desk.bare("restore backup --recovery-key-file recovery-key --move-aside");
        command.env("LD_PRELOAD", &sync).env("SYNC_FAILS_AT", desk.path("")).env("SYNC_ERROR", error.to_string());
        command
    };
    let failed = fail(&mut restore(libc::EIO));
    assert!(failed.contains("what lay in the vault's place is at") && failed.contains("vault.old-1 now"), "{failed}");
    assert_eq!(desk.names(), ["www"]);
    // Where there is no such sync, nothing failed.
    succeed(&mut restore(libc::EINVAL));
    assert!(desk.path("vault.old-2/vault.db").is_file());
}

#[test]
fn a_death_while_a_vault_is_moved_aside_leaves_one_in_its_place() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup");
    desk.run("key create newer --kind p-256");
    let renames = desk.0.compile("tests/c/renames.c", &["-shared", "-fPIC"]);
    let mut deaths = 0;
    for at in 1.. {
        let mut command = desk.bare("restore backup --recovery-key-file recovery-key --move-aside");
        let status = output(command.env("LD_PRELOAD", &renames).env("EXIT_AT", at.to_string())).status;
        if status.success() {
            break;
        }
        assert_eq!(status.code(), Some(9), "rename {at}");
        assert_eq!(desk.names(), ["newer", "www"], "rename {at}: the old one is there, and opens");
        deaths += 1;
    }
    assert!(deaths >= 3, "{deaths}");
    assert_eq!(desk.names(), ["www"]);
    let left = fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().path());
    let unfinished = left.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".vault.new-"));
    assert!(!unfinished.into_iter().any(|path| path.join("vault.db").exists()), "the last run removed those of others");
}
