//! What a forked child inherits: no descriptor of the vault, no writable page, no right to open it; and the keys that its
//! parent had loaded, which it uses.

#![allow(unsafe_code)]

#[path = "faults/child.rs"]
mod child;
mod faults;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use child::{become_nobody, can_be_made_writable, fork, is_root, mapping_of, open_files_in};
use faults::*;
use strongroom::sys;
use strongroom::vault::*;
use tempfile::TempDir;

/// A vault with a key, in a place that everybody may enter, so that the vault's own modes are what keeps others out.
fn scene() -> (TempDir, PathBuf) {
    let place = place();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = place.path().join("vault");
    make(&path);
    pair(&*unlocked(&path), "www").unwrap();
    (place, path)
}

fn www(vault: &dyn Vault) -> ObjectNumber {
    vault.image().with_class(Class::PrivateKey).next().unwrap().number
}

/// Runs this test again in a process of its own, where other tests' threads don't disturb a fork.
fn in_own_process(test: &str, path: &Path) {
    let mut forker = process(test, "forker", path);
    assert!(forker.stdout(std::process::Stdio::inherit()).status().unwrap().success());
}

/// What a child of a fork in the middle of other threads' calls finds; a number for each fault.
fn look_around(vault: &dyn VaultAdmin, path: &Path) -> i32 {
    let torn = sys::descriptor::torn();
    if !open_files_in(path).is_empty() {
        return 1;
    }
    let ours = vault.in_forked_child().unwrap();
    if ours.unlock(&user(USER_PIN)).is_err() {
        return 2;
    }
    if signs_correctly(&*ours, &ours.image().get(www(&*ours)).unwrap().clone()).is_err() {
        return 3;
    }
    let created = ours.create(vec![secret_draft(&format!("child-{}", std::process::id()), b"v")]);
    match (torn, created) {
        (true, Err(VaultError::ForkedReader(_))) => {}
        (true, _) => return 4,
        (false, Ok(_)) => {}
        (false, Err(_)) => return 5,
    }
    // Neither a new vault nor a refresh opens anything.
    if torn && (open(path).unlock(&user(USER_PIN)).is_ok() || ours.refresh().is_err()) {
        return 6;
    }
    if !open_files_in(path).is_empty() {
        return 7;
    }
    if torn { 50 } else { 0 }
}

fn fork_while_others_call(path: &Path) {
    const FORKS: usize = 100;
    sys::fork::register();
    let vault = unlocked(path);
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut torn, mut clean) = (0, 0);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (stop, calls) = (&stop, &calls);
            scope.spawn(move || {
                let vault = unlocked(path);
                while !stop.load(Ordering::Relaxed) {
                    let call = calls.fetch_add(1, Ordering::Relaxed);
                    vault.create(vec![secret_draft(&format!("thread-{thread}-{call}"), b"v")]).unwrap();
                    vault.refresh().unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            });
        }
        for number in 0..FORKS {
            match fork(|| look_around(&*vault, path)).code() {
                0 => clean += 1,
                50 => torn += 1,
                fault => {
                    stop.store(true, Ordering::Relaxed);
                    panic!("fork {number}: fault {fault}");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{FORKS} forks during {} calls: {torn} torn, {clean} between calls", calls.into_inner());
    assert!(torn > 0);
}

#[test]
fn rounds_of_forks_during_other_threads_calls_leave_no_descriptor_and_children_that_serve() {
    const TEST: &str = "rounds_of_forks_during_other_threads_calls_leave_no_descriptor_and_children_that_serve";
    if let Some((_, path)) = role() {
        return fork_while_others_call(&path);
    }
    let (_place, path) = scene();
    in_own_process(TEST, &path);
    // Whatever the children did, the parent's rows are all there and the vault is whole.
    let vault = unlocked(&path);
    assert!(vault.image().len() > 10);
    vault.create(vec![secret_draft("after", b"v")]).unwrap();
}

#[test]
fn the_mapping_of_changes_cannot_be_made_writable() {
    let (_place, path) = scene();
    let vault = unlocked(&path);
    sign(&*vault, www(&*vault)).unwrap();
    let start = mapping_of(&path.join("changes")).expect("`changes` is mapped");
    assert!(!can_be_made_writable(start));
    let code = fork(|| i32::from(can_be_made_writable(start))).code();
    assert_eq!(code, 0, "nor in a child");
}

/// What a worker that gave root's rights up can do.
fn serve_as_nobody(vault: &dyn VaultAdmin, path: &Path, told: &Path) -> i32 {
    become_nobody();
    for name in ["vault.db", "changes", "lock"] {
        let opened = std::fs::File::open(path.join(name));
        assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EACCES), "{name}");
    }
    assert_eq!(std::fs::read_dir(path).unwrap_err().raw_os_error(), Some(libc::EACCES));
    let ours = vault.in_forked_child().unwrap();
    assert!(matches!(ours.unlock(&user("wrong-pin-1")), Err(VaultError::PinIncorrect { .. })));
    ours.unlock(&user(USER_PIN)).unwrap();
    let number = www(&*ours);
    signs_correctly(&*ours, &ours.image().get(number).unwrap().clone()).unwrap();
    assert!(matches!(enable(&*ours, number, false), Err(VaultError::ForkedReader(_))));
    ours.refresh().unwrap();
    assert!(ours.info().unwrap().read_only);
    // Logging out and in again brings nothing back that was lost, because nothing was.
    ours.lock();
    ours.unlock(&user(USER_PIN)).unwrap();
    let held = ours.private_key(number).unwrap();
    while !told.exists() {
        let signed = sign_with(&*held);
        assert!(matches!(signed, Ok(_) | Err(VaultError::Disabled)), "{signed:?}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(matches!(sign_with(&*held), Err(VaultError::Disabled)));
    assert!(matches!(sign(&*ours, number), Err(VaultError::Disabled)));
    assert!(open_files_in(path).is_empty());
    0
}

#[test]
fn a_worker_without_rights_cannot_open_the_vault_signs_and_sees_a_disabled_key_at_once() {
    const TEST: &str = "a_worker_without_rights_cannot_open_the_vault_signs_and_sees_a_disabled_key_at_once";
    if let Some((_, path)) = role() {
        sys::fork::register();
        let vault = unlocked(&path);
        let told = path.with_file_name("told");
        let worker = fork(|| serve_as_nobody(&*vault, &path, &told));
        std::thread::sleep(std::time::Duration::from_millis(300));
        enable(&*vault, www(&*vault), false).unwrap();
        std::fs::write(&told, "").unwrap();
        assert_eq!(worker.code(), 0);
        return;
    }
    if !is_root() {
        println!("not root: a process without root's rights can't give them up, so there is nothing to see here");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let (_place, path) = scene();
    in_own_process(TEST, &path);
}

#[test]
fn a_child_with_rights_logs_in_by_itself() {
    const TEST: &str = "a_child_with_rights_logs_in_by_itself";
    if let Some((_, path)) = role() {
        sys::fork::register();
        let vault = unlocked(&path);
        let child = fork(|| {
            let ours = vault.in_forked_child().unwrap();
            assert!(!ours.is_unlocked() && ours.image().is_empty());
            assert!(matches!(ours.unlock(&user("wrong-pin-1")), Err(VaultError::PinIncorrect { .. })));
            ours.unlock(&user(USER_PIN)).unwrap();
            sign(&*ours, www(&*ours)).unwrap();
            pair(&*ours, "made-by-the-child").unwrap();
            0
        });
        assert_eq!(child.code(), 0);
        vault.refresh().unwrap();
        assert_eq!(vault.image().with_label(b"made-by-the-child").count(), 2);
        return;
    }
    let (_place, path) = scene();
    in_own_process(TEST, &path);
}
