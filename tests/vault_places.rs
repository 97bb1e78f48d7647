//! Places where a vault can't work: full disk, failing disk, read-only mount, wrong owner or modes, links, file systems
//! whose locks don't hold. Each error names what and where, and the vault is intact afterwards.

#![allow(unsafe_code)]

#[path = "faults/child.rs"]
#[allow(dead_code, reason = "only forking and rights")]
mod child;
#[path = "faults/disk.rs"]
#[allow(dead_code, reason = "only its record")]
mod disk;
mod faults;

use std::ffi::CString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use child::{become_nobody, fork, is_root};
use disk::Event;
use faults::*;
use strongroom::vault::*;
use tempfile::TempDir;

fn scene() -> (TempDir, PathBuf) {
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    pair(&*unlocked(&path), "www").unwrap();
    (place, path)
}

fn www(vault: &dyn Vault) -> ObjectNumber {
    vault.image().with_class(Class::PrivateKey).next().unwrap().number
}

/// All is there, and can be changed.
fn is_intact(path: &Path) {
    let vault = unlocked(path);
    sign(&*vault, www(&*vault)).unwrap();
    vault.create(vec![secret_draft("intact", b"v")]).unwrap();
}

fn names(error: &VaultError, words: &[&str], case: &str) {
    let text = error.to_string();
    println!("{case}: {text}");
    assert!(words.iter().all(|word| text.contains(word)), "{case}: {text} doesn't say {words:?}");
}

/// A file system that is unmounted with this value.
struct Mount(PathBuf);

impl Mount {
    /// `None`, after saying why, where nothing can be mounted.
    fn new(place: &Path, kind: &str, source: &Path, flags: u64, options: &str) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let text = |path: &Path| CString::new(path.to_str().unwrap()).unwrap();
        let (source, target) = (text(source), text(place));
        let (kind, options) = (CString::new(kind).unwrap(), CString::new(options).unwrap());
        // SAFETY: every string ends with a NUL and lives through the call.
        let mounted = unsafe {
            libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) == 0
        };
        if !mounted {
            let error = std::io::Error::last_os_error();
            println!("not run: nothing can be mounted here ({error})");
            assert!(std::env::var_os("CI").is_none(), "CI runs as root and may mount");
            return None;
        }
        Some(Self(place.to_owned()))
    }

    fn remount(&self, flags: u64) {
        let target = CString::new(self.0.to_str().unwrap()).unwrap();
        let none = std::ptr::null();
        // SAFETY: the string ends with a NUL and lives through the call.
        let result = unsafe { libc::mount(none, target.as_ptr(), none, libc::MS_REMOUNT | flags, none.cast()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let target = CString::new(self.0.to_str().unwrap()).unwrap();
        // SAFETY: the string ends with a NUL; a mount of this test alone.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

/// A small file system, and its place.
fn small_disk(place: &Path) -> Option<Mount> {
    Mount::new(&place.join("disk"), "tmpfs", Path::new("none"), 0, "size=256k,mode=0755")
}

fn fill_up(disk: &Path) -> PathBuf {
    use std::io::Write;
    let path = disk.join("filling");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[7; 512]).is_ok() {}
    path
}

#[test]
fn a_full_disk_is_named_and_the_vault_goes_on_when_there_is_room() {
    let place = place();
    let Some(disk) = small_disk(place.path()) else { return };
    let path = disk.0.join("vault");
    make(&path);
    let vault = unlocked(&path);
    pair(&*vault, "www").unwrap();
    let number = www(&*vault);
    let filling = fill_up(&disk.0);
    let large = || secret_draft("large", &[7; 60_000]);
    let error = vault.create(vec![large()]).expect_err("a full disk");
    names(&error, &[path.to_str().unwrap(), "disk is full"], "create on a full disk");
    sign(&*vault, number).expect("a key that is loaded goes on signing");
    match open(&path).unlock(&user(USER_PIN)) {
        Ok(()) => println!("login on a full disk: the journal's old blocks were enough"),
        Err(error) => names(&error, &[path.to_str().unwrap(), "full"], "login on a full disk"),
    }
    let other = open(&disk.0.join("other"));
    let error = other.initialize("other", &pin(SO_PIN)).expect_err("a full disk");
    names(&error, &[disk.0.to_str().unwrap(), "other", "No space left"], "init on a full disk");
    let left: Vec<_> = std::fs::read_dir(&disk.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the vault and what fills the disk: {left:?}");
    std::fs::remove_file(filling).unwrap();
    assert_eq!(vault.image().len(), 2);
    vault.create(vec![large()]).unwrap();
    is_intact(&path);
}

/// In a process of its own: one change that meets a failing disk. Says what it answered.
fn change_on_a_failing_disk(path: &Path) {
    let vault = unlocked(path);
    let number = www(&*vault);
    let held = vault.private_key(number).unwrap();
    let mut marks = Marks::open();
    marks.write("go");
    let result = enable(&*vault, number, false);
    match &result {
        Ok(()) => assert!(sign_with(&*held).is_err(), "disabled, and it signs"),
        Err(error) => assert!(error.to_string().contains(path.to_str().unwrap()), "{error}"),
    }
    marks.write(&match result {
        Ok(()) => "answer ok".to_owned(),
        Err(error) => format!("answer {error}"),
    });
    marks.write("stop");
    let database = rusqlite::Connection::open(path.join("vault.db")).unwrap();
    let sql = "SELECT state FROM record WHERE number = ?1";
    let state: u8 = database.query_row(sql, [number as i64], |row| row.get(0)).unwrap();
    drop(database);
    assert!(state == 1 || sign_with(&*held).is_err(), "disabled in the database, and it signs");
    // The process goes on with what the disk holds.
    vault.refresh().unwrap();
    vault.create(vec![secret_draft("afterwards", b"v")]).unwrap();
}

/// How many calls to the disk one change makes.
fn calls_of_a_change(place: &Path, original: &Path, library: &Path, test: &str) -> usize {
    let (path, log, marks) = (place.join("counted"), place.join("log"), place.join("counted-marks"));
    copy(original, &path);
    let mut writer = watched(process(test, "writer", &path), library, &path, &marks);
    assert!(writer.env("RECORD_LOG", &log).status().unwrap().success());
    let events = disk::read(&log);
    let mark = |text: &str| events.iter().position(|event| matches!(event, Event::Mark(mark) if mark == text)).unwrap();
    mark("stop") - mark("go")
}

#[test]
fn whichever_call_a_disk_fails_the_answer_is_true_and_the_vault_intact() {
    const TEST: &str = "whichever_call_a_disk_fails_the_answer_is_true_and_the_vault_intact";
    if let Some((_, path)) = role() {
        return change_on_a_failing_disk(&path);
    }
    let (place, original) = scene();
    let library = recorder(place.path());
    let marks = place.path().join("marks");
    let calls = calls_of_a_change(place.path(), &original, &library, TEST);
    let (mut cases, mut refused) = (0, 0);
    for (errno, forever) in [(libc::EIO, false), (libc::ENOSPC, false), (libc::ENOSPC, true)] {
        for at in 1..=calls {
            let path = place.path().join("victim");
            std::fs::remove_dir_all(&path).ok();
            std::fs::remove_file(&marks).ok();
            copy(&original, &path);
            let mut command = watched(process(TEST, "writer", &path), &library, &path, &marks);
            command.env("RECORD_FAIL_AT", at.to_string()).env("RECORD_ERRNO", errno.to_string());
            if forever {
                command.env("RECORD_FOREVER", "1");
            }
            let case = format!("error {errno} at call {at}, forever {forever}");
            assert!(command.status().unwrap().success(), "{case}");
            let told = std::fs::read_to_string(&marks).unwrap();
            let answer = told.lines().find_map(|line| line.strip_prefix("answer ")).unwrap();
            let vault = unlocked(&path);
            let disabled = matches!(sign(&*vault, www(&*vault)), Err(VaultError::Disabled));
            if !disabled {
                sign(&*vault, www(&*vault)).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            // Where the answer itself can't be found out because the disk goes on failing, it may be an error.
            assert!(disabled == (answer == "ok") || forever, "{case}: answered {answer:?}, disabled {disabled}");
            assert!(disabled || answer != "ok", "{case}");
            cases += 1;
            refused += usize::from(answer != "ok");
        }
    }
    println!("{calls} calls in a change, {cases} failures, {refused} refused");
    assert!(refused > 10);
}

#[test]
fn on_a_read_only_mount_keys_sign_and_changes_are_refused_by_name() {
    let place = place();
    let Some(disk) = Mount::new(&place.path().join("disk"), "tmpfs", Path::new("none"), 0, "mode=0755") else { return };
    let (_original_place, original) = scene();
    for (case, boot) in [("this boot's page", Some(0)), ("another boot's page", Some(0x5A)), ("no page", None)] {
        // A mount with deleted files that are still mapped can't become read-only.
        let path = disk.0.join(format!("vault with {case}"));
        copy(&original, &path);
        let page = path.join("changes");
        match boot {
            None => std::fs::remove_file(page).unwrap(),
            Some(mask) => {
                let mut bytes = std::fs::read(&page).unwrap();
                bytes[56..72].iter_mut().for_each(|byte| *byte ^= mask);
                std::fs::write(page, bytes).unwrap();
            }
        }
        disk.remount(libc::MS_RDONLY);
        let vault = open(&path);
        assert!(vault.info().unwrap().read_only, "{case}");
        vault.unlock(&user(USER_PIN)).unwrap_or_else(|error| panic!("{case}: {error}"));
        let number = www(&*vault);
        sign(&*vault, number).unwrap_or_else(|error| panic!("{case}: {error}"));
        let refused = [
            vault.create(vec![secret_draft("s", b"v")]).map(drop),
            enable(&*vault, number, false),
            vault.delete(&[number]),
            vault.change_pin(Role::User, &pin(USER_PIN), &pin("user-pin-2")),
            vault.purge(),
        ];
        for result in refused {
            names(&result.expect_err("read-only"), &[path.to_str().unwrap(), "read-only"], case);
        }
        assert!(matches!(vault.unlock(&user("wrong-pin-1")), Err(VaultError::PinIncorrect { .. })));
        let other = open(&disk.0.join("other")).initialize("other", &pin(SO_PIN)).expect_err("read-only");
        names(&other, &[disk.0.to_str().unwrap(), "read-only"], "init");
        disk.remount(0);
        is_intact(&path);
    }
}

#[test]
fn a_cut_off_transaction_on_a_read_only_mount_is_named() {
    const TEST: &str = "a_cut_off_transaction_on_a_read_only_mount_is_named";
    if let Some((_, path)) = role() {
        let vault = unlocked(&path);
        Marks::open().write("go");
        return drop(vault.create(vec![secret_draft("cut-off", b"v")]).unwrap());
    }
    let place = place();
    let Some(disk) = Mount::new(&place.path().join("disk"), "tmpfs", Path::new("none"), 0, "mode=0755") else { return };
    let original = place.path().join("vault");
    make(&original);
    pair(&*unlocked(&original), "www").unwrap();
    let library = recorder(place.path());
    let marks = place.path().join("marks");
    let mut named = 0;
    for at in 1..30 {
        // A mount with deleted files that are still mapped can't become read-only.
        let path = disk.0.join(format!("vault-{at}"));
        copy(&original, &path);
        let mut writer = watched(process(TEST, "writer", &path), &library, &path, &marks);
        writer.env("RECORD_EXIT_AT", at.to_string()).status().unwrap();
        disk.remount(libc::MS_RDONLY);
        match open(&path).unlock(&user(USER_PIN)) {
            Ok(()) => {}
            Err(error) => {
                names(&error, &[path.to_str().unwrap(), "interrupted", "writable"], "a hot journal");
                named += 1;
            }
        }
        disk.remount(0);
        is_intact(&path);
    }
    assert!(named > 0);
}

#[test]
fn wrong_modes_are_refused_by_name() {
    let (_place, path) = scene();
    for (name, mode, right) in [
        ("", 0o755, 0o700),
        ("", 0o770, 0o700),
        ("vault.db", 0o644, 0o600),
        ("vault.db", 0o660, 0o600),
        ("changes", 0o604, 0o600),
        ("lock", 0o666, 0o600),
    ] {
        let file = if name.is_empty() { path.clone() } else { path.join(name) };
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let vault = open(&path);
        for result in [vault.unlock(&user(USER_PIN)), vault.info().map(drop), vault.refresh()] {
            let error = result.expect_err("a wrong mode");
            names(&error, &[file.to_str().unwrap(), &format!("{mode:03o}"), "chmod"], "a wrong mode");
        }
        std::fs::set_permissions(&file, PermissionsExt::from_mode(right)).unwrap();
        is_intact(&path);
        unlocked(&path).delete(&named_intact(&path)).unwrap();
    }
}

fn named_intact(path: &Path) -> Vec<ObjectNumber> {
    let vault = unlocked(path);
    let image = vault.image();
    image.with_label(b"intact").map(|object| object.number).collect()
}

#[test]
fn a_wrong_owner_is_refused_by_name() {
    if !is_root() {
        println!("not run: only root can give files away");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let (_place, path) = scene();
    for name in ["", "vault.db", "changes", "lock"] {
        let file = if name.is_empty() { path.clone() } else { path.join(name) };
        std::os::unix::fs::chown(&file, Some(1234), None).unwrap();
        let error = open(&path).unlock(&user(USER_PIN)).expect_err("a wrong owner");
        names(&error, &[file.to_str().unwrap(), "1234", "owner_uid"], "a wrong owner");
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
    }
    is_intact(&path);
    // A vault of root's, opened by somebody else.
    std::fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let code = fork(|| {
        become_nobody();
        let error = open(&path).unlock(&user(USER_PIN)).expect_err("no rights");
        names(&error, &[path.to_str().unwrap(), "ermission denied"], "no rights");
        0
    });
    assert_eq!(code.code(), 0);
}

#[test]
fn links_are_refused_by_name() {
    for name in ["", "vault.db", "changes", "lock", "vault.db-journal"] {
        let (place, path) = scene();
        let file = if name.is_empty() { path.clone() } else { path.join(name) };
        let elsewhere = place.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        let error = open(&path).unlock(&user(USER_PIN)).expect_err("a link");
        names(&error, &[path.to_str().unwrap(), "symbolic link"], &format!("link {name:?}"));
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(&elsewhere, &file).unwrap();
        is_intact(&path);
    }
}

#[test]
fn something_else_in_the_place_of_a_file_is_refused_by_name() {
    let (_place, path) = scene();
    std::fs::remove_file(path.join("lock")).unwrap();
    std::fs::create_dir(path.join("lock")).unwrap();
    let error = open(&path).unlock(&user(USER_PIN)).expect_err("a directory");
    names(&error, &[path.join("lock").to_str().unwrap(), "not a file"], "a directory");
    std::fs::remove_dir(path.join("lock")).unwrap();
    let error = open(&path).unlock(&user(USER_PIN)).expect_err("no lock");
    names(&error, &[path.join("lock").to_str().unwrap()], "no lock");
}

#[test]
fn a_file_system_whose_locks_do_not_hold_is_refused_by_name() {
    const TEST: &str = "a_file_system_whose_locks_do_not_hold_is_refused_by_name";
    const KINDS: [(u32, &str); 5] =
        [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x6573_5546, "FUSE"), (0x0102_1997, "9p")];
    if let Some((kind, path)) = role() {
        // `statfs` answers here as that file system's does.
        let (place, other) = (path.to_str().unwrap(), path.with_file_name("other"));
        let error = open(&path).unlock(&user(USER_PIN)).expect_err("refused");
        names(&error, &[place, &kind, "local disk"], "login");
        let error = open(&path).refresh().expect_err("refused");
        names(&error, &[place, &kind, "local disk"], "refresh");
        let error = open(&other).initialize("other", &pin(SO_PIN)).expect_err("refused");
        names(&error, &[other.to_str().unwrap(), &kind, "local disk"], "init");
        return;
    }
    let (place, path) = scene();
    let library = recorder(place.path());
    for (number, kind) in KINDS {
        let mut command = watched(process(TEST, kind, &path), &library, &path, &place.path().join("marks"));
        assert!(command.env("RECORD_STATFS", number.to_string()).status().unwrap().success(), "{kind}");
    }
    is_intact(&path);
}
