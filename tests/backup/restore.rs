//! A vault comes back: where nothing lies, where it lies itself, and one thing of it.

use std::fs;
use std::path::Path;

use strongroom::backend::local::LocalVault;
use strongroom::config::VaultConfig;
use strongroom::vault::*;

use crate::faults::*;
use crate::stage::set_mode;
use crate::{PASSPHRASE, Scene, back_up, contents, passphrase, private, restore, zoo};

fn named(name: &Name) -> NamedInBackup<'_> {
    NamedInBackup { name, collection: None, rename: None, own: false }
}

#[test]
fn a_vault_of_every_kind_of_object_comes_back_as_it_was() {
    let scene = Scene::new();
    let objects = zoo::fill(&scene.vault);
    zoo::touch_everything(&scene.vault);
    let before = zoo::inspect(&scene.vault).unwrap();
    let info = open(&scene.vault).info().unwrap();
    let file = scene.back_up("backup");
    fs::remove_dir_all(&scene.vault).unwrap();
    let restored = scene.restore(&file, &scene.vault).unwrap();
    assert_eq!((restored.in_place, restored.written), (false, objects));
    assert_eq!(restored.label.objects(), objects as u64);
    // The same PIN, ids, numbers, versions, values; every private key has signed.
    assert_eq!(zoo::inspect(&scene.vault).unwrap(), before);
    let again = open(&scene.vault).info().unwrap();
    assert_eq!((again.serial, again.slot_id, again.label), (info.serial, info.slot_id, info.label));
    open(&scene.vault).unlock(&officer(SO_PIN)).unwrap();
    // And it goes on as a vault: new numbers, and a second backup.
    let vault = unlocked(&scene.vault);
    let highest = before.iter().map(|(object, _)| object.number).max().unwrap();
    assert!(pair(&*vault, "later").unwrap()[0].number > highest);
    back_up(&*vault, &scene.path("second"), None).unwrap();
}

#[test]
fn a_restored_vault_raises_its_generation_and_its_commit() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let page = |path: &std::path::Path| {
        let bytes = fs::read(path.join("changes")).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        (number(24), number(48))
    };
    let (commit, generation) = page(&scene.vault);
    let other = scene.path("other");
    scene.restore(&file, &other).unwrap();
    assert_eq!(page(&other), (commit + 1, generation + 1));
}

#[test]
fn a_new_pin_replaces_a_forgotten_one() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let new = pin("a new user pin");
    let wish = RestoreWish { new_pin: Some(&new), move_aside: false, ..RestoreWish::default() };
    for path in [scene.path("elsewhere"), scene.vault.clone()] {
        let key = scene.recovery();
        let source = BackupSource { file: &file, key: &key };
        open(&path).restore(&source, &wish, &mut |_| false, &mut |_, _| {}).unwrap();
        assert!(open(&path).unlock(&user(USER_PIN)).is_err());
        let vault = open(&path);
        vault.unlock(&user("a new user pin")).unwrap();
        signs_correctly(&*vault, &private(&*vault, "www")).unwrap();
    }
}

#[test]
fn in_place_the_objects_become_the_backups_and_the_present_ways_to_unlock_stay() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    pair(&*writer, "kept").unwrap();
    let deleted = pair(&*writer, "deleted").unwrap().map(|object| object.number);
    let [disabled, _] = pair(&*writer, "disabled").unwrap();
    let before = contents(&*writer);
    let file = scene.back_up("backup");

    writer.delete(&deleted).unwrap();
    enable(&*writer, disabled.number, false).unwrap();
    let [newer, _] = pair(&*writer, "newer").unwrap();
    let held = writer.private_key(newer.number).unwrap();
    writer.change_pin(Role::User, &pin(USER_PIN), &pin("changed-pin-1")).unwrap();

    let mut asked = Losses::default();
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let mut refuse = |losses: &Losses| {
        asked = losses.clone();
        false
    };
    let refused = writer.restore(&source, &RestoreWish::default(), &mut refuse, &mut |_, _| {});
    assert!(matches!(refused, Err(VaultError::Declined)));
    let numbers = |objects: &[std::sync::Arc<Object>]| objects.iter().map(|object| object.number).collect::<Vec<_>>();
    assert_eq!(numbers(&asked.missing), [newer.number, newer.number + 1]);
    assert_eq!(numbers(&asked.changed), [disabled.number]);
    let revived: std::collections::BTreeSet<_> = numbers(&asked.revived).into_iter().collect();
    assert_eq!(revived, [deleted[0], disabled.number].into());
    assert!(sign_with(&*held).is_ok(), "nothing was done");

    let restored = restore(&*writer, &file, &BackupKey::Vault, true).unwrap();
    assert_eq!((restored.in_place, restored.written, restored.deleted), (true, 3, 2));
    assert!(matches!(sign_with(&*held), Err(VaultError::Deleted)), "at once");
    let fresh = open(&scene.vault);
    assert!(fresh.unlock(&user(USER_PIN)).is_err());
    fresh.unlock(&user("changed-pin-1")).unwrap();
    assert_eq!(contents(&*fresh), before, "with their numbers and unique ids");
    for name in ["kept", "deleted", "disabled"] {
        signs_correctly(&*fresh, &private(&*fresh, name)).unwrap();
    }
    // Once more finds nothing to do.
    let again = restore(&*fresh, &file, &BackupKey::Vault, false).unwrap();
    assert_eq!((again.written, again.deleted), (0, 0));
}

#[test]
fn a_key_that_was_deleted_comes_back_only_after_a_question() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let leaked = pair(&*writer, "leaked").unwrap().map(|object| object.number);
    let file = scene.back_up("backup");
    writer.delete(&leaked).unwrap();
    let refused = restore(&*writer, &file, &BackupKey::Vault, false);
    assert!(matches!(refused, Err(VaultError::Declined)), "{refused:?}");
    assert_eq!(writer.image().len(), 0);
}

#[test]
fn a_backup_from_before_a_rekey_comes_back_under_the_present_root_key() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let doomed = pair(&*writer, "www").unwrap().map(|object| object.number);
    let before = contents(&*writer);
    let file = scene.back_up("backup");
    writer.rekey(&[user(USER_PIN)], true, &mut |_, _| {}).unwrap();
    writer.delete(&doomed).unwrap();
    writer.rekey(&[user(USER_PIN)], false, &mut |_, _| {}).unwrap();

    // Its own root key opens the backup, but not the vault any more.
    let locked = restore(&*open(&scene.vault), &file, &scene.recovery(), true);
    assert!(matches!(locked, Err(VaultError::Locked)));
    let vault = unlocked(&scene.vault);
    assert!(matches!(restore(&*vault, &file, &BackupKey::Vault, true), Err(VaultError::BackupKeyMissing { .. })));
    restore(&*vault, &file, &scene.recovery(), true).unwrap();
    let fresh = unlocked(&scene.vault);
    // The rekey left no trace of the old numbers, so none of them is given again.
    let unnumbered = |all: Vec<(Object, Option<SecretBytes>)>| -> Vec<_> {
        all.into_iter().map(|(object, secret)| (Object { number: 0, ..object }, secret)).collect()
    };
    assert_eq!(unnumbered(contents(&*fresh)), unnumbered(before));
    let www = private(&*fresh, "www");
    assert!(www.number > doomed[1]);
    signs_correctly(&*fresh, &www).unwrap();
}

#[test]
fn another_vault_or_a_damaged_one_is_in_the_way_until_it_is_moved_aside() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let other = scene.path("other");
    make(&other);
    let damaged = scene.path("damaged");
    copy(&scene.vault, &damaged);
    fs::write(damaged.join("vault.db"), vec![0x5A; 20_000]).unwrap();
    let files = scene.path("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("somebody's"), "x").unwrap();
    for path in [&other, &damaged, &files] {
        let error = scene.restore(&file, path).unwrap_err();
        assert!(matches!(error, VaultError::InTheWay { .. }), "{error}");
        assert!(error.to_string().contains("--move-aside"));
        let wish = RestoreWish { new_pin: None, move_aside: true, ..RestoreWish::default() };
        let key = scene.recovery();
        let source = BackupSource { file: &file, key: &key };
        let restored = open(path).restore(&source, &wish, &mut |_| false, &mut |_, _| {}).unwrap();
        assert!(std::path::Path::new(&restored.moved_aside.unwrap()).is_dir());
        signs_correctly(&*unlocked(path), &private(&*unlocked(path), "www")).unwrap();
    }
}

/// Restores whole, whatever lies there.
fn restore_aside(scene: &Scene, file: &Path, to: &Path) -> Result<Restored> {
    let wish = RestoreWish { new_pin: None, move_aside: true, ..RestoreWish::default() };
    let key = scene.recovery();
    open(to).restore(&BackupSource { file, key: &key }, &wish, &mut |_| false, &mut |_, _| {})
}

/// What somebody or a disk did to a vault.
type Spoil = fn(&Path);

#[test]
fn whatever_keeps_a_vault_from_being_read_is_moved_aside_with_it() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let spoil: [(&str, Spoil); 7] = [
        ("no lock", |path| fs::remove_file(path.join("lock")).unwrap()),
        ("a mode", |path| set_mode(path, 0o755)),
        ("a folder for a lock", |path| {
            fs::remove_file(path.join("lock")).unwrap();
            fs::create_dir(path.join("lock")).unwrap();
        }),
        ("a folder for a database", |path| {
            fs::remove_file(path.join("vault.db")).unwrap();
            fs::create_dir(path.join("vault.db")).unwrap();
        }),
        ("no page", |path| fs::write(path.join("changes"), "x").unwrap()),
        ("a file", |path| {
            fs::remove_dir_all(path).unwrap();
            fs::write(path, "somebody's").unwrap();
        }),
        ("a link", |path| {
            fs::rename(path, path.with_extension("target")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("target"), path).unwrap();
        }),
    ];
    for (index, (what, spoil)) in spoil.into_iter().enumerate() {
        let to = scene.path(&format!("vault-{index}"));
        copy(&scene.vault, &to);
        spoil(&to);
        let restored = restore_aside(&scene, &file, &to).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(Path::new(&restored.moved_aside.unwrap()).symlink_metadata().is_ok(), "{what}");
        signs_correctly(&*unlocked(&to), &private(&*unlocked(&to), "www")).unwrap();
    }
}

#[test]
fn a_program_with_the_old_vault_signs_no_more_once_it_was_moved_aside() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let [www, _] = pair(&*writer, "www").unwrap();
    let file = scene.back_up("backup");
    let held = writer.private_key(www.number).unwrap();
    // Also where nobody can lock it any more.
    fs::remove_file(scene.vault.join("lock")).unwrap();
    restore_aside(&scene, &file, &scene.vault).unwrap();
    assert!(matches!(sign_with(&*held), Err(VaultError::StateUnknown)));
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_what_is_being_made_is_not() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let to = scene.path("restored");
    let sibling = |suffix: &str| {
        let path = scene.path(&format!(".restored.new-{suffix}"));
        copy(&scene.vault, &path);
        path
    };
    let (left, others) = (sibling("0123456789abcdef"), sibling("notes"));
    scene.restore(&file, &to).unwrap();
    assert!(!left.exists() && others.exists());
    // One in the middle of another: it finds the other's, and lets it be.
    let at_once = scene.path("at-once");
    let unfinished = || {
        let names = fs::read_dir(scene.place.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".at-once.new-")).count()
    };
    let mut found = Vec::new();
    let key = scene.recovery();
    let source = BackupSource { file: &file, key: &key };
    let outer = open(&at_once).restore(&source, &RestoreWish::default(), &mut |_| false, &mut |_, _| {
        if found.is_empty() {
            found.push(unfinished());
            scene.restore(&file, &at_once).unwrap();
            found.push(unfinished());
        }
    });
    assert_eq!(found, [1, 1]);
    assert!(matches!(outer, Err(VaultError::Unsafe { .. })), "the place was taken meanwhile: {outer:?}");
    assert_eq!(unfinished(), 0);
}

#[test]
fn a_scratch_vault_holds_no_wrapped_key() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.back_up("backup");
    let key = scene.recovery();
    let scratch = scene.path("scratch");
    let copy = open(&scene.path("nowhere")).try_backup(&BackupSource { file: &file, key: &key }, &scratch).unwrap();
    signs_correctly(&*copy, &private(&*copy, "www")).unwrap();
    let database = rusqlite::Connection::open(scratch.join("vault.db")).unwrap();
    let wrapped: u32 = database.query_row("SELECT count(*) FROM wrapped_key", [], |row| row.get(0)).unwrap();
    assert_eq!(wrapped, 0);
    assert!(open(&scratch).unlock(&user(USER_PIN)).is_err());
}

#[test]
fn one_name_comes_back_with_all_its_versions() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    for _ in 0..3 {
        pair(&*writer, "www").unwrap();
    }
    writer.create(vec![secret_draft("note", b"value")]).unwrap();
    writer.create(vec![secret_draft("www", b"secret")]).unwrap();
    let before = contents(&*writer);
    let file = scene.back_up("backup");
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let www = name("www");
    let keys = NamedInBackup { collection: Some(Collection::Keys), ..named(&www) };

    let several = writer.restore_named(&source, &named(&www)).unwrap_err();
    assert!(several.to_string().contains("--kind"), "{several}");
    assert!(matches!(writer.restore_named(&source, &keys), Err(VaultError::NameTaken(_))));
    let nothing = name("nothing");
    assert!(matches!(writer.restore_named(&source, &named(&nothing)), Err(VaultError::NotInBackup { .. })));

    let numbers: Vec<_> = writer.image().with_name(Collection::Keys, "www").map(|object| object.number).collect();
    writer.delete(&numbers).unwrap();
    assert_eq!(writer.restore_named(&source, &keys).unwrap().len(), 6);
    assert_eq!(contents(&*writer), before, "versions, labels, ids, and numbers too");
    assert_eq!(contents(&*unlocked(&scene.vault)), before);
    signs_correctly(&*writer, &private(&*writer, "www")).unwrap();
}

#[test]
fn one_name_that_comes_back_takes_nothing_from_another_name() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let numbers = pair(&*writer, "www").unwrap().map(|object| object.number);
    let file = scene.back_up("backup");
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let (www, old) = (name("www"), name("www-old"));
    writer.delete(&numbers).unwrap();
    writer.restore_named(&source, &NamedInBackup { rename: Some(&old), ..named(&www) }).unwrap();
    let before = contents(&*writer);
    writer.restore_named(&source, &named(&www)).unwrap();
    let after = contents(&*writer);
    assert!(after.len() == 4 && before.iter().all(|object| after.contains(object)), "www-old is as it was");
    for name in ["www", "www-old"] {
        signs_correctly(&*writer, &private(&*writer, name)).unwrap();
    }
    // A half that was left is its key's again, under either name.
    writer.delete(&[private(&*writer, "www-old").number]).unwrap();
    writer.restore_named(&source, &NamedInBackup { rename: Some(&old), ..named(&www) }).unwrap();
    assert_eq!(contents(&*unlocked(&scene.vault)).len(), 4);
}

#[test]
fn one_name_comes_from_a_backup_of_its_own_vault_only_where_that_is_asked() {
    let (scene, other) = (Scene::new(), Scene::new());
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let file = scene.path("backup");
    back_up(&*unlocked(&scene.vault), &file, Some("a passphrase")).unwrap();
    let key = passphrase("a passphrase");
    let source = BackupSource { file: &file, key: &key };
    let www = name("www");
    let own = NamedInBackup { own: true, ..named(&www) };
    let writer = unlocked(&other.vault);
    assert!(matches!(writer.restore_named(&source, &own), Err(VaultError::InTheWay { .. })));
    assert!(contents(&*writer).is_empty());
    let itself = unlocked(&scene.vault);
    assert!(matches!(itself.restore_named(&source, &own), Err(VaultError::NameTaken(_))));
}

#[test]
fn one_name_comes_into_another_vault_and_under_another_name() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    for _ in 0..2 {
        pair(&*writer, "www").unwrap();
    }
    let file = scene.path("backup");
    back_up(&*writer, &file, Some(PASSPHRASE)).unwrap();
    let other = scene.path("other");
    make(&other);
    let other = unlocked(&other);
    let (www, renamed) = (name("www"), name("www-2026"));
    let key = passphrase(PASSPHRASE);
    let source = BackupSource { file: &file, key: &key };
    let as_2026 = NamedInBackup { rename: Some(&renamed), ..named(&www) };
    for vault in [&other, &writer] {
        assert_eq!(vault.restore_named(&source, &as_2026).unwrap().len(), 4);
        let (old, new) = (private(&*writer, "www"), private(&**vault, "www-2026"));
        assert_eq!((new.version, &new.content.id), (old.version, &old.content.id));
        // Whoever looks for the label of the old one finds the old one.
        assert_eq!(new.content.label, b"www-2026");
        signs_correctly(&**vault, &new).unwrap();
    }
    let unique: std::collections::BTreeSet<_> = writer.image().objects().map(|object| object.unique_id).collect();
    assert_eq!(unique.len(), 8);
    assert_eq!(contents(&*unlocked(&scene.vault)).len(), 8);
}

#[test]
fn a_machine_key_is_needed_beside_the_recovery_key_and_not_beside_a_passphrase() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    fs::write(path("machine-key"), [0x42; 32]).unwrap();
    let with_key = |path: std::path::PathBuf| {
        let mut config = VaultConfig::local("machine", path);
        let local = config.as_local_mut().unwrap();
        local.machine_key = Some(place.path().join("machine-key"));
        LocalVault::open(&config).unwrap()
    };
    let vault = with_key(path("vault"));
    vault.initialize("machine", &pin(SO_PIN)).unwrap();
    vault.unlock(&officer(SO_PIN)).unwrap();
    vault.set_pin(Role::User, &pin(USER_PIN)).unwrap();
    let recovery = BackupKey::Recovery(vault.add_recovery_key().unwrap());
    pair(&*vault, "www").unwrap();
    let label = back_up(&*vault, &path("backup"), None).unwrap();
    assert!(label.machine_key && vault.backup_label(&path("backup")).unwrap() == label);
    assert!(!back_up(&*vault, &path("by-passphrase"), Some(PASSPHRASE)).unwrap().machine_key);

    let error = restore(&*open(&path("without")), &path("backup"), &recovery, false).unwrap_err();
    assert!(error.to_string().contains("--machine-key"), "{error}");
    let restored = with_key(path("with"));
    restore(&*restored, &path("backup"), &recovery, false).unwrap();
    restored.lock();
    restored.unlock(&user(USER_PIN)).unwrap();
    restore(&*open(&path("without")), &path("by-passphrase"), &passphrase(PASSPHRASE), false).unwrap();
}

#[test]
fn an_older_backup_neither_ends_what_purge_protection_keeps_nor_turns_it_off() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    Retention::change(&*writer, &mut |retention| retention.days = 7).unwrap();
    pair(&*writer, "www").unwrap();
    let removed = Content { label: b"identity/removed".to_vec(), ..Content::new(Class::Service) };
    let removed = Draft { content: removed, naming: Naming::None, secret: None };
    let removed = writer.create(vec![removed]).unwrap()[0].number;
    let file = scene.back_up("backup");
    writer.delete(&[removed]).unwrap();
    Retention::change(&*writer, &mut |retention| retention.purge_protection = true).unwrap();
    let is_protected = || Retention::of(&unlocked(&scene.vault).image()).is_some_and(|kept| kept.purge_protection);

    let mut asked = Losses::default();
    let mut agree = |losses: &Losses| {
        asked = losses.clone();
        true
    };
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    writer.restore(&source, &RestoreWish::default(), &mut agree, &mut |_, _| {}).unwrap();
    assert_eq!(asked.readmitted.iter().map(|object| &*object.content.label).collect::<Vec<_>>(), [b"identity/removed"]);
    assert!(is_protected());

    let [newer, _] = pair(&*writer, "newer").unwrap();
    let refused = restore(&*writer, &file, &BackupKey::Vault, true);
    assert!(matches!(refused, Err(VaultError::RestoreProtected(_))), "{refused:?}");
    delete_softly(&*writer, Collection::Keys, &name("newer"), newer.created).unwrap();
    let refused = restore(&*writer, &file, &BackupKey::Vault, true);
    assert!(matches!(refused, Err(VaultError::RestoreProtected(_))), "{refused:?}");
    assert!(is_protected() && unlocked(&scene.vault).image().deleted().count() == 2);
}
