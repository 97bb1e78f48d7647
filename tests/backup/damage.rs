//! What happens to a backup's file between its making and its use.

use std::fs;
use std::path::Path;

use strongroom::vault::*;

use crate::faults::*;
use crate::{PASSPHRASE, Scene, back_up, passphrase, restore};

/// Bytes of a sealed piece of the body.
const PIECE: usize = 64 * 1024 + 16;

/// A backup whose body has several pieces, and where that begins.
fn several_pieces(scene: &Scene) -> (std::path::PathBuf, usize) {
    let writer = unlocked(&scene.vault);
    pair(&*writer, "www").unwrap();
    for number in 0..5 {
        writer.create(vec![secret_draft(&format!("large-{number}"), &[number; 40_000])]).unwrap();
    }
    let file = scene.back_up("backup");
    let bytes = fs::read(&file).unwrap();
    let header = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    (file, 32 + header + 32)
}

/// Opens these bytes as a backup; nothing may be left of it where it would have been restored.
fn refused(scene: &Scene, bytes: &[u8], case: &str) -> String {
    let (file, to) = (scene.path("damaged"), scene.path("restored"));
    fs::write(&file, bytes).unwrap();
    let error = scene.restore(&file, &to).expect_err(case);
    assert!(matches!(error, VaultError::BackupDamaged { .. } | VaultError::NotABackup(_)), "{case}: {error}");
    assert!(!to.exists(), "{case}");
    assert_eq!(fs::read_dir(scene.place.path()).unwrap().count(), 3, "{case}: only vault, backup and this file");
    error.to_string()
}

#[test]
fn every_region_of_the_file_is_checked_before_anything_is_restored() {
    let scene = Scene::new();
    let (file, body) = several_pieces(&scene);
    let good = fs::read(&file).unwrap();
    assert!(good.len() > body + 3 * PIECE, "the body has four pieces");
    // Every byte of what is readable; then of each piece its ends and every 997th byte between.
    let pieces = (0..).map(|piece| body + piece * PIECE).take_while(|start| *start < good.len());
    let ends = pieces.flat_map(|start| [start, (start + PIECE).min(good.len()) - 1]);
    for at in (0..body).chain(ends).chain((body..good.len()).step_by(997)) {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << (at % 8);
        let error = refused(&scene, &damaged, &format!("byte {at}"));
        assert!(error.contains("damaged"), "byte {at}: {error}");
    }
    scene.restore(&file, &scene.path("restored")).unwrap();
}

#[test]
fn a_file_that_ends_too_early_or_too_late_is_named_so() {
    let scene = Scene::new();
    let (file, body) = several_pieces(&scene);
    let good = fs::read(&file).unwrap();
    let borders = (0..).map(|piece| body + piece * PIECE).take_while(|start| *start < good.len());
    let cuts = borders.flat_map(|border| [border - 1, border, border + 1, border + 8, border + PIECE / 2]);
    for end in cuts.filter(|end| *end < good.len()).chain([16, 31, 32, 40, body - 32, good.len() - 1]) {
        let error = refused(&scene, &good[..end], &format!("{end} bytes"));
        assert!(error.contains(&format!("cut off at byte {end}")), "{end} bytes: {error}");
    }
    for end in [0, 1, 15] {
        assert!(refused(&scene, &good[..end], "a beginning").contains("is no backup"));
    }
    let longer = [&good[..], b"more"].concat();
    let error = refused(&scene, &longer, "four bytes more");
    assert!(error.contains("after its end") || error.contains("damaged"), "{error}");
    let (first, rest) = good[body..].split_at(PIECE);
    let swapped = [&good[..body], &rest[..PIECE], first, &rest[PIECE..]].concat();
    assert!(refused(&scene, &swapped, "two pieces exchanged").contains("damaged between byte"));
}

#[test]
fn pieces_of_another_backup_of_the_same_vault_are_refused() {
    let scene = Scene::new();
    let (file, body) = several_pieces(&scene);
    let other = fs::read(scene.back_up("other")).unwrap();
    fs::remove_file(scene.path("other")).unwrap();
    let good = fs::read(&file).unwrap();
    let mixed = [&good[..body], &other[body..body + PIECE], &good[body + PIECE..]].concat();
    refused(&scene, &mixed, "a piece of another backup");
}

#[test]
fn a_newer_format_is_named_by_its_number() {
    let scene = Scene::new();
    let file = scene.back_up("backup");
    let mut bytes = fs::read(&file).unwrap();
    bytes[16..20].copy_from_slice(&7u32.to_le_bytes());
    // As a newer release would write it: the number, and the checksum over it.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes[..24]);
    bytes[24..32].copy_from_slice(&digest.as_ref()[..8]);
    fs::write(&file, bytes).unwrap();
    let error = scene.restore(&file, &scene.path("restored")).unwrap_err();
    assert!(matches!(error, VaultError::NewerFormat { found: 7, known: 1, .. }), "{error}");
}

#[test]
fn only_what_it_was_made_with_opens_it() {
    let scene = Scene::new();
    pair(&*unlocked(&scene.vault), "www").unwrap();
    let by_recovery = scene.back_up("by-recovery");
    let by_passphrase = scene.path("by-passphrase");
    back_up(&*unlocked(&scene.vault), &by_passphrase, Some(PASSPHRASE)).unwrap();
    let to = |name: &str| open(&scene.path(name));
    let wrong = BackupKey::Recovery(RecoveryKey::new(SecretBytes::from_slice(&[1; 32])));
    let try_with = |file: &Path, key: &BackupKey| restore(&*to("nowhere"), file, key, false).unwrap_err();
    assert!(matches!(try_with(&by_recovery, &wrong), VaultError::BackupKeyWrong { .. }));
    assert!(matches!(try_with(&by_passphrase, &passphrase("another passphrase")), VaultError::BackupKeyWrong { .. }));
    assert!(matches!(try_with(&by_passphrase, &scene.recovery()), VaultError::BackupKeyMissing { .. }));
    assert!(matches!(try_with(&by_recovery, &passphrase(PASSPHRASE)), VaultError::BackupKeyMissing { .. }));
    // A PIN opens a vault, never a backup.
    assert!(matches!(try_with(&by_passphrase, &passphrase(USER_PIN)), VaultError::BackupKeyWrong { .. }));
    assert!(!scene.path("nowhere").exists());
    restore(&*to("one"), &by_recovery, &scene.recovery(), false).unwrap();
    restore(&*to("two"), &by_passphrase, &passphrase(PASSPHRASE), false).unwrap();
}

#[test]
fn a_short_passphrase_and_a_vault_without_a_recovery_key_are_refused() {
    let place = place();
    let vault = place.path().join("vault");
    make(&vault);
    let file = place.path().join("backup");
    let vault = unlocked(&vault);
    assert!(matches!(back_up(&*vault, &file, None), Err(VaultError::NoRecoveryKey(_))));
    for short in ["elevenchars", "élévén-chär"] {
        assert!(matches!(back_up(&*vault, &file, Some(short)), Err(VaultError::PassphraseLength { .. })));
    }
    assert!(!file.exists());
    back_up(&*vault, &file, Some(PASSPHRASE)).unwrap();
    assert!(matches!(back_up(&*vault, &file, Some(PASSPHRASE)), Err(VaultError::FileExists(_))));
}

#[test]
fn a_header_that_no_restore_would_read_is_not_written() {
    let place = place();
    let vault = open(&place.path().join("vault"));
    vault.initialize(&"x".repeat(70_000), &pin(SO_PIN)).unwrap();
    vault.unlock(&officer(SO_PIN)).unwrap();
    let file = place.path().join("backup");
    let refused = back_up(&*vault, &file, Some(PASSPHRASE)).unwrap_err();
    assert!(refused.to_string().contains("a label as long"), "{refused}");
    assert!(!file.exists());
}

#[test]
fn classes_of_other_programs_fill_no_header() {
    let scene = Scene::new();
    let vault = unlocked(&scene.vault);
    let drafts = (0..6000).map(|number| {
        let content = Content::new(Class::Other(0x8000_0000 + number));
        Draft { content, naming: Naming::None, secret: None }
    });
    vault.create(drafts.collect()).unwrap();
    let file = scene.back_up("backup");
    let restored = scene.restore(&file, &scene.path("restored")).unwrap();
    assert_eq!((restored.written, restored.label.tallies.len()), (6000, 1));
}

#[test]
fn a_backup_holds_no_key_in_clear_and_no_wrapped_key_of_a_pin() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let canary = b"this value must not be seen";
    let made = writer.create(vec![secret_draft("canary", canary)]).unwrap();
    assert_eq!(writer.secret(made[0].number).unwrap().expose(), canary);
    let [private, _] = pair(&*writer, "www").unwrap();
    let pkcs8 = writer.secret(private.number).unwrap();
    let database = rusqlite::Connection::open(scene.vault.join("vault.db")).unwrap();
    let wrapped = |kind: u8| -> Vec<u8> {
        database.query_row("SELECT body FROM wrapped_key WHERE kind = ?1", [kind], |row| row.get(0)).unwrap()
    };
    for (name, key) in [("recovery", None), ("passphrase", Some(PASSPHRASE))] {
        let file = scene.path(name);
        back_up(&*writer, &file, key).unwrap();
        let bytes = fs::read(&file).unwrap();
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        for secret in [canary.as_slice(), b"canary", &pkcs8.expose()[pkcs8.len() - 32..], PASSPHRASE.as_bytes()] {
            assert!(!holds(secret), "{name}");
        }
        // The user's, the officer's; the recovery key's only where it opens the file.
        assert!(!holds(&wrapped(1)) && !holds(&wrapped(2)));
        assert_eq!(holds(&wrapped(3)), key.is_none());
    }
}

#[test]
fn a_damaged_vault_is_never_backed_up_as_a_good_one() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    let made = writer.create(vec![secret_draft("note", &[7; 200])]).unwrap();
    let (file, number) = (scene.path("backup"), made[0].number as i64);
    let database = rusqlite::Connection::open(scene.vault.join("vault.db")).unwrap();
    let secret: Vec<u8> =
        database.query_row("SELECT secret FROM record WHERE number = ?1", [number], |row| row.get(0)).unwrap();
    // One bit of a private part: its tag, and so the sum over all rows, stays as it was.
    let mut flipped = secret.clone();
    flipped[100] ^= 1;
    let put = |secret: &[u8]| {
        database.execute("UPDATE record SET secret = ?1 WHERE number = ?2", rusqlite::params![secret, number]).unwrap()
    };
    put(&flipped);
    let error = back_up(&*writer, &file, None).unwrap_err();
    assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
    assert_eq!(fs::read_dir(scene.place.path()).unwrap().count(), 1, "nothing but the vault is there");
    put(&secret);
    database.execute("DELETE FROM record WHERE number = ?1", [number]).unwrap();
    let error = back_up(&*writer, &file, None).unwrap_err();
    assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
}
