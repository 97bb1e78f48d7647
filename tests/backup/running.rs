//! Backups and restores while programs use the vault, and deaths in the middle.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use strongroom::vault::*;

use crate::faults::*;
use crate::{Scene, back_up, contents, private, restore};

/// What the recorder's `_exit` leaves.
const KILLED: i32 = 9;

/// In a process of its own: creates secrets for a while, one commit each.
fn write_on(path: &Path, who: &str) {
    let vault = unlocked(path);
    let began = Instant::now();
    for number in 0.. {
        if began.elapsed() > Duration::from_secs(4) {
            break;
        }
        let label = format!("{who}-{number}");
        vault.create(vec![secret_draft(&label, label.as_bytes())]).unwrap();
    }
}

#[test]
fn load_backups_are_whole_while_four_processes_write() {
    const TEST: &str = "running::load_backups_are_whole_while_four_processes_write";
    if let Some((who, path)) = role() {
        return write_on(&path, &who);
    }
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let mut writers: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|who| process(TEST, who, &scene.vault).spawn().unwrap()).collect();
    let vault = unlocked(&scene.vault);
    let mut sizes = BTreeSet::new();
    let mut files = Vec::new();
    while writers.iter_mut().any(|writer| writer.try_wait().unwrap().is_none()) {
        let file = scene.path(&format!("backup-{}", files.len()));
        let label = back_up(&*vault, &file, None).unwrap();
        sizes.insert(label.objects());
        files.push((file, label));
        std::thread::sleep(Duration::from_millis(100));
    }
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    println!("{} backups of {} sizes, the last of {} objects", files.len(), sizes.len(), sizes.last().unwrap());
    assert!(sizes.len() > 3, "the vault grew while it was backed up: {sizes:?}");
    for (index, (file, label)) in files.iter().enumerate() {
        let to = scene.path(&format!("restored-{index}"));
        scene.restore(file, &to).unwrap();
        let restored = unlocked(&to);
        assert_eq!(restored.image().len() as u64, label.objects());
        // Of each writer the first so many, without a gap: one moment of the vault.
        for who in ["a", "b", "c", "d"] {
            let count =
                restored.image().objects().filter(|object| object.content.label.starts_with(who.as_bytes())).count();
            for number in 0..count {
                let label = format!("{who}-{number}");
                let image = restored.image();
                let object = image.with_name(Collection::Secrets, &label).next().expect(&label);
                assert_eq!(restored.secret(object.number).unwrap().expose(), label.as_bytes());
            }
        }
        std::fs::remove_dir_all(to).unwrap();
    }
}

#[test]
fn a_running_program_follows_a_restore_in_place_and_goes_on_signing() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let [kept, _] = pair(&*writer, "kept").unwrap();
    let [disabled, _] = pair(&*writer, "disabled").unwrap();
    enable(&*writer, disabled.number, false).unwrap();
    let gone = pair(&*writer, "gone").unwrap();
    let file = scene.back_up("backup");
    enable(&*writer, disabled.number, true).unwrap();
    writer.delete(&gone.each_ref().map(|object| object.number)).unwrap();
    let [newer, _] = pair(&*writer, "newer").unwrap();

    // As a worker: keys in hand, never looking at the vault again.
    let worker = unlocked(&scene.vault);
    let hold = |object: &Object| worker.private_key(object.number).unwrap();
    let (kept_key, disabled_key, newer_key) = (hold(&kept), hold(&disabled), hold(&newer));
    for key in [&kept_key, &disabled_key, &newer_key] {
        sign_with(&**key).unwrap();
    }
    restore(&*unlocked(&scene.vault), &file, &BackupKey::Vault, true).unwrap();
    sign_with(&*kept_key).unwrap();
    assert!(matches!(sign_with(&*disabled_key), Err(VaultError::Disabled)));
    assert!(matches!(sign_with(&*newer_key), Err(VaultError::Deleted)));

    // As a program that looks: what changed is loaded, what came back signs.
    worker.refresh().unwrap();
    assert_eq!(contents(&*worker), contents(&*unlocked(&scene.vault)));
    signs_correctly(&*worker, &private(&*worker, "gone")).unwrap();
    sign_with(&*kept_key).unwrap();
    // And goes on writing.
    pair(&*worker, "after").unwrap();
    writer.refresh().unwrap();
    signs_correctly(&*writer, &private(&*writer, "after")).unwrap();
}

#[test]
fn a_running_program_whose_vault_was_lost_and_restored_sees_later_changes_once_it_looked() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let [www, _] = pair(&*writer, "www").unwrap();
    let [gone, _] = pair(&*writer, "gone").unwrap();
    enable(&*writer, gone.number, false).unwrap();
    let file = scene.back_up("backup");
    enable(&*writer, gone.number, true).unwrap();
    pair(&*writer, "later").unwrap();
    let running = unlocked(&scene.vault);
    sign(&*running, www.number).unwrap();
    std::fs::remove_dir_all(&scene.vault).unwrap();
    scene.restore(&file, &scene.vault).unwrap();

    running.refresh().unwrap();
    assert_eq!(contents(&*running), contents(&*unlocked(&scene.vault)));
    sign(&*running, www.number).unwrap();
    assert!(matches!(sign(&*running, gone.number), Err(VaultError::Disabled)));
    // From here on as ever: a change reaches it without another look, and it writes.
    enable(&*unlocked(&scene.vault), www.number, false).unwrap();
    assert!(matches!(sign(&*running, www.number), Err(VaultError::Disabled)));
    pair(&*running, "after").unwrap();
    // A program that logs in again needs no look.
    writer.unlock(&user(USER_PIN)).unwrap();
    assert_eq!(contents(&*writer), contents(&*running));
}

#[test]
fn a_running_program_refuses_keys_of_a_vault_that_came_back_from_before_its_rekey() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let [disabled, _] = pair(&*writer, "disabled").unwrap();
    let [www, _] = pair(&*writer, "www").unwrap();
    let file = scene.back_up("backup");
    writer.delete(&[www.number]).unwrap();
    enable(&*writer, disabled.number, false).unwrap();
    // The numbers in its page are others from now on, and the restored vault's generation is the same.
    writer.rekey(&[user(USER_PIN)], true, &mut |_, _| {}).unwrap();
    let running = unlocked(&scene.vault);
    pair(&*running, "new").unwrap();
    let new = private(&*running, "new").number;
    sign(&*running, new).unwrap();
    std::fs::remove_dir_all(&scene.vault).unwrap();
    scene.restore(&file, &scene.vault).unwrap();
    assert!(matches!(running.refresh(), Err(VaultError::Rekeyed)));
    assert!(sign(&*running, new).is_err() && sign(&*running, disabled.number).is_err());
    running.unlock(&user(USER_PIN)).unwrap();
    signs_correctly(&*running, &private(&*running, "www")).unwrap();
}

#[test]
fn a_restore_in_place_that_dies_at_any_step_leaves_the_old_state_or_the_new() {
    const TEST: &str = "running::a_restore_in_place_that_dies_at_any_step_leaves_the_old_state_or_the_new";
    if let Some((_, path)) = role() {
        let vault = unlocked(&path);
        let mut marks = Marks::open();
        marks.write("go");
        restore(&*vault, &path.with_file_name("backup"), &BackupKey::Vault, true).unwrap();
        return marks.write("done");
    }
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    pair(&*writer, "kept").unwrap();
    let [disabled, _] = pair(&*writer, "disabled").unwrap();
    enable(&*writer, disabled.number, false).unwrap();
    let gone = pair(&*writer, "gone").unwrap().map(|object| object.number);
    let new = contents(&*writer);
    scene.back_up("backup");
    enable(&*writer, disabled.number, true).unwrap();
    writer.delete(&gone).unwrap();
    pair(&*writer, "newer").unwrap();
    let old = contents(&*writer);

    let recorder = recorder(scene.place.path());
    let (victim, marks) = (scene.path("victim"), scene.path("marks"));
    let (mut olds, mut news) = (0, 0);
    for at in 1.. {
        std::fs::remove_dir_all(&victim).ok();
        copy(&scene.vault, &victim);
        std::fs::remove_file(&marks).ok();
        let mut command = watched(process(TEST, "restore", &victim), &recorder, &victim, &marks);
        let status = command.env("RECORD_EXIT_AT", at.to_string()).status().unwrap();
        assert!(status.success() || status.code() == Some(KILLED), "call {at}: {status}");
        let found = contents(&*unlocked(&victim));
        let done = std::fs::read_to_string(&marks).unwrap().contains("done");
        assert!(found == new || found == old && !done, "call {at}: neither the old state nor the new");
        let vault = unlocked(&victim);
        for object in vault.image().with_class(Class::PrivateKey).filter(|object| object.content.enabled) {
            signs_correctly(&*vault, object).unwrap();
        }
        if found == new {
            news += 1
        } else {
            olds += 1
        }
        if status.success() {
            break;
        }
    }
    println!("{olds} deaths before the commit, {news} runs after it");
    assert!(olds > 5 && news > 2);
}

#[test]
fn rounds_a_restore_that_is_killed_leaves_no_vault_or_a_whole_one() {
    const TEST: &str = "running::rounds_a_restore_that_is_killed_leaves_no_vault_or_a_whole_one";
    if let Some((_, path)) = role() {
        let key = std::fs::read_to_string(path.with_file_name("key")).unwrap();
        let key = BackupKey::Recovery(RecoveryKey::parse(&key).unwrap());
        restore(&*open(&path), &path.with_file_name("backup"), &key, false).unwrap();
        return;
    }
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let drafts = (0..1000).map(|number| secret_draft(&format!("secret-{number}"), &[number as u8; 300]));
    writer.create(drafts.collect()).unwrap();
    let before = contents(&*writer);
    scene.back_up("backup");
    std::fs::write(scene.path("key"), &scene.recovery_key).unwrap();
    let (to, names) = (scene.path("restored"), || {
        let entries = std::fs::read_dir(scene.place.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    });
    let (mut none, mut whole) = (0, 0);
    // Killed sooner and later after it began to write, until both happened.
    for round in 0..200 {
        let wait = Duration::from_micros(300 * (round % 40));
        let mut restoring = process(TEST, "restore", &to).spawn().unwrap();
        while !names().iter().any(|name| name.contains("restored")) {
            assert!(restoring.try_wait().unwrap().is_none_or(|status| status.success()));
        }
        std::thread::sleep(wait);
        restoring.kill().unwrap();
        restoring.wait().unwrap();
        match to.exists() {
            false => none += 1,
            true => {
                assert_eq!(contents(&*unlocked(&to)), before, "killed after {wait:?}");
                whole += 1;
            }
        }
        for name in names().iter().filter(|name| name.contains("restored")) {
            std::fs::remove_dir_all(scene.path(name)).unwrap();
        }
        if none >= 3 && whole >= 3 {
            break;
        }
    }
    println!("{none} deaths left no vault, {whole} a whole one");
    assert!(none >= 3 && whole >= 3);
}

/// A vault whose database was put back while the page stayed: as a copy file by file leaves it.
fn put_back(scene: &Scene) -> (Vec<(Object, Option<SecretBytes>)>, u64) {
    let writer = unlocked(&scene.vault);
    pair(&*writer, "www").unwrap();
    let old = std::fs::read(scene.vault.join("vault.db")).unwrap();
    let then = contents(&*writer);
    let [lost, _] = pair(&*writer, "lost").unwrap();
    writer.create(vec![secret_draft("lost", b"v")]).unwrap();
    std::fs::write(scene.vault.join("vault.db"), old).unwrap();
    (then, lost.number)
}

#[test]
fn a_vault_that_was_put_back_is_refused_until_that_is_accepted() {
    let scene = Scene::new();
    let running = unlocked(&scene.vault);
    let (then, lost) = put_back(&scene);
    let refused = open(&scene.vault).unlock(&user(USER_PIN)).unwrap_err();
    assert!(matches!(refused, VaultError::RolledBack(_)));
    assert!(refused.to_string().contains("strongroom restore --accept"));
    assert!(matches!(back_up(&*running, &scene.path("backup"), None), Err(VaultError::RolledBack(_))));

    let vault = open(&scene.vault);
    let mut told = None;
    let declined = vault.accept_rollback(&user(USER_PIN), &mut |rollback| {
        told = Some(*rollback);
        false
    });
    assert!(matches!(declined, Err(VaultError::Declined)));
    let told = told.unwrap();
    assert_eq!(told.acknowledged - told.found, 2, "two commits are missing");
    assert!(open(&scene.vault).unlock(&user(USER_PIN)).is_err(), "nothing was done");

    vault.accept_rollback(&user(USER_PIN), &mut |_| true).unwrap();
    assert_eq!(contents(&*vault), then);
    let fresh = unlocked(&scene.vault);
    assert_eq!(contents(&*fresh), then);
    signs_correctly(&*fresh, &private(&*fresh, "www")).unwrap();
    // No number of a lost object is given again.
    assert!(pair(&*fresh, "next").unwrap()[0].number > lost + 1);
    let again = fresh.accept_rollback(&user(USER_PIN), &mut |_| true);
    assert!(matches!(again, Err(VaultError::NotRolledBack(_))));
    back_up(&*fresh, &scene.path("backup"), None).unwrap();
}

#[test]
fn an_image_of_the_lost_future_signs_no_more_once_the_past_was_accepted() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let old = std::fs::read(scene.vault.join("vault.db")).unwrap();
    let [lost, _] = pair(&*writer, "lost").unwrap();
    let held = writer.private_key(lost.number).unwrap();
    std::fs::write(scene.vault.join("vault.db"), old).unwrap();
    open(&scene.vault).accept_rollback(&user(USER_PIN), &mut |_| true).unwrap();
    assert!(sign_with(&*held).is_err());
    // A key made now may get the lost one's place in the page, and doesn't wake it.
    pair(&*unlocked(&scene.vault), "other").unwrap();
    assert!(sign_with(&*held).is_err());
    writer.refresh().unwrap();
    assert!(matches!(sign(&*writer, lost.number), Err(VaultError::NotFound)));
    signs_correctly(&*writer, &private(&*writer, "other")).unwrap();
}

#[test]
fn accepting_a_lost_past_that_dies_at_any_step_leaves_it_refused_or_accepted() {
    const TEST: &str = "running::accepting_a_lost_past_that_dies_at_any_step_leaves_it_refused_or_accepted";
    if let Some((_, path)) = role() {
        let vault = open(&path);
        let mut marks = Marks::open();
        let go = &mut |_: &Rollback| {
            marks.write("go");
            true
        };
        vault.accept_rollback(&user(USER_PIN), go).unwrap();
        return;
    }
    let scene = Scene::new();
    let (then, _) = put_back(&scene);
    let recorder = recorder(scene.place.path());
    let (victim, marks) = (scene.path("victim"), scene.path("marks"));
    let (mut refused, mut accepted) = (0, 0);
    for at in 1.. {
        std::fs::remove_dir_all(&victim).ok();
        copy(&scene.vault, &victim);
        let mut command = watched(process(TEST, "accept", &victim), &recorder, &victim, &marks);
        let status = command.env("RECORD_EXIT_AT", at.to_string()).status().unwrap();
        assert!(status.success() || status.code() == Some(KILLED), "call {at}: {status}");
        let vault = open(&victim);
        match vault.unlock(&user(USER_PIN)) {
            Ok(()) => {
                assert_eq!(contents(&*vault), then, "call {at}");
                accepted += 1;
            }
            Err(VaultError::RolledBack(_)) => refused += 1,
            Err(error) => panic!("call {at}: {error}"),
        }
        if status.success() {
            break;
        }
    }
    println!("{refused} deaths left it refused, {accepted} accepted");
    assert!(refused > 3 && accepted > 2);
}

#[test]
fn a_rekey_renumbers_keys_when_it_is_told_to() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    for round in 0..3 {
        let numbers = pair(&*writer, &format!("gone-{round}")).unwrap().map(|object| object.number);
        writer.delete(&numbers).unwrap();
    }
    pair(&*writer, "www").unwrap();
    let running = unlocked(&scene.vault);
    let held = running.private_key(private(&*running, "www").number).unwrap();
    sign_with(&*held).unwrap();
    let key_number = || -> u32 {
        let database = rusqlite::Connection::open(scene.vault.join("vault.db")).unwrap();
        database.query_row("SELECT max(key_number) FROM record", [], |row| row.get(0)).unwrap()
    };
    writer.rekey(&[user(USER_PIN)], false, &mut |_, _| {}).unwrap();
    assert_eq!(key_number(), 4);
    sign_with(&*held).unwrap();
    writer.rekey(&[user(USER_PIN)], true, &mut |_, _| {}).unwrap();
    assert_eq!(key_number(), 1);
    assert!(matches!(sign_with(&*held), Err(VaultError::StateUnknown)), "an image of the old numbers");
    let fresh = unlocked(&scene.vault);
    signs_correctly(&*fresh, &private(&*fresh, "www")).unwrap();
}
