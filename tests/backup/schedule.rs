//! A directory that a timer fills: clocks that lie, files of others, runs that were killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::command::Desk;
use crate::stage::{cli, fail, is_root, output, succeed};

const DAY: i64 = 24 * 60 * 60;

/// A desk whose backups go into `kept`, made by a machine whose clock is wrong by so many seconds.
struct Timer {
    desk: Desk,
    clock: PathBuf,
}

impl Timer {
    fn new() -> Self {
        let desk = Desk::new();
        let clock = desk.0.compile("tests/c/clock.c", &["-shared", "-fPIC"]);
        Self { desk, clock }
    }

    fn command(&self, offset: i64, keep: u32) -> Command {
        self.at(offset, &format!("--json backup create --into kept --keep {keep}"))
    }

    fn at(&self, offset: i64, arguments: &str) -> Command {
        let mut command = self.desk.0.strongroom_command(arguments);
        command.env("LD_PRELOAD", &self.clock).env("CLOCK_OFFSET", offset.to_string());
        command
    }

    fn run(&self, offset: i64, keep: u32) -> (PathBuf, Value) {
        let made: Value = serde_json::from_str(&succeed(&mut self.command(offset, keep))).unwrap();
        (self.desk.path(made["file"].as_str().unwrap()), made)
    }

    fn there(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.desk.path("kept")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

#[test]
fn a_backup_that_was_just_made_is_kept_whatever_the_clock_says() {
    let timer = Timer::new();
    let (ahead, made) = timer.run(3650 * DAY, 1);
    let (now, next) = timer.run(0, 1);
    assert_eq!((&next["removed"], &next["dated_later"]), (&json!([]), &json!([made["file"]])));
    let (behind, last) = timer.run(-3650 * DAY, 1);
    assert_eq!(last["removed"], json!([]), "both are dated later");
    assert_eq!(timer.there(), [behind, now.clone(), ahead.clone()]);
    let (newest, _) = timer.run(DAY, 2);
    assert_eq!(timer.there(), [now, newest, ahead], "the oldest of those that are dated before it is gone");
}

#[test]
fn what_differs_is_asked_about_though_its_time_says_that_it_is_older() {
    let timer = Timer::new();
    succeed(&mut timer.at(3650 * DAY, "key create www --kind p-256"));
    timer.desk.run("backup create backup");
    timer.desk.run("key disable www");
    let asked = timer.desk.refused("restore backup");
    assert!(asked.contains("2 objects are different now and will be as in the backup: private key www"), "{asked}");
    assert!(asked.contains("1 object is disabled or deleted now and can be used again: private key www"), "{asked}");
    assert!(timer.desk.run("key list").contains("disabled"));
}

#[test]
fn names_that_a_person_gave_and_what_is_no_file_stay() {
    let timer = Timer::new();
    let (first, _) = timer.run(-2 * DAY, 1);
    let given = first.with_file_name("vault-before-migration.backup");
    fs::copy(&first, &given).unwrap();
    let pipe = first.with_file_name("vault-20200101T000000Z.backup");
    succeed(Command::new("mkfifo").arg(&pipe));
    let folder = first.with_file_name("vault-20200102T000000Z.backup");
    fs::create_dir(&folder).unwrap();
    let (now, made) = timer.run(0, 1);
    assert_eq!(made["removed"], json!([Path::new("kept").join(first.file_name().unwrap())]));
    assert_eq!(timer.there(), [pipe.clone(), folder, now, given]);
    for verb in ["show", "verify"] {
        let said = fail(timer.desk.0.strongroom_command(&format!("backup {verb}")).arg(&pipe));
        assert!(said.contains("is no regular file"), "{said}");
    }
}

#[test]
fn a_backup_that_was_made_is_told_of_also_where_an_old_one_stays() {
    if !is_root() {
        return;
    }
    let timer = Timer::new();
    let (old, _) = timer.run(-DAY, 1);
    // A file that nothing can remove.
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(&old).arg(&old).status();
    if !mount(&["--bind"]).is_ok_and(|status| status.success()) {
        return;
    }
    let printed = output(&mut timer.command(0, 1));
    succeed(Command::new("umount").arg(&old));
    let said = String::from_utf8_lossy(&printed.stderr).into_owned();
    let made: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(!printed.status.success() && timer.desk.path(made["file"].as_str().unwrap()).is_file());
    assert!(said.contains("The backup was made") && said.contains("could not be removed"), "{said}");
}

#[test]
fn what_a_killed_run_left_unfinished_is_removed_by_the_next_unless_somebody_writes_it() {
    let timer = Timer::new();
    fs::create_dir(timer.desk.path("kept")).unwrap();
    let unfinished = |suffix: &str| {
        let path = timer.desk.path(&format!("kept/.vault-20200101T000000Z.backup.new-{suffix}"));
        fs::write(&path, "a beginning").unwrap();
        path
    };
    let (stale, written) = (unfinished("0123456789abcdef"), unfinished("fedcba9876543210"));
    let somebodys = timer.desk.path("kept/.vault-notes.backup.new-0123456789abcdef");
    fs::write(&somebodys, "notes").unwrap();
    let writer = File::open(&written).unwrap();
    writer.lock().unwrap();
    timer.run(0, 2);
    assert!(!stale.exists() && written.exists() && somebodys.exists());
}

#[test]
fn a_directory_that_is_missing_with_those_above_it_is_made_for_its_owner_alone() {
    let desk = Desk::new();
    succeed(Command::new(cli()).current_dir(desk.path("")).env("STRONGROOM_VAULT", desk.0.vault()).args([
        "--pin-file",
        "pin",
        "backup",
        "create",
        "--into",
        "a/b/c",
    ]));
    use std::os::unix::fs::MetadataExt;
    for path in ["a", "a/b", "a/b/c"] {
        assert_eq!(fs::metadata(desk.path(path)).unwrap().mode() & 0o777, 0o700);
    }
}
