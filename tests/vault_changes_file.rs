//! The file `changes` missing, damaged, from an older copy, or ahead of its database: a login makes it right again or says
//! that acknowledged changes are gone, and a disabled key stays refused throughout.

mod faults;

use std::path::{Path, PathBuf};

use faults::*;
use strongroom::vault::*;
use tempfile::TempDir;

/// A vault with an enabled and a disabled key; a copy of it from before the one was disabled; and one from after another
/// change that only the copy saw.
struct Scene {
    place: TempDir,
    vault: PathBuf,
    older: PathBuf,
    other: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let place = place();
        let [vault, older, other] = ["vault", "older", "other"].map(|name| place.path().join(name));
        make(&vault);
        let writer = unlocked(&vault);
        pair(&*writer, "enabled").unwrap();
        let [private, _] = pair(&*writer, "disabled").unwrap();
        copy(&vault, &older);
        copy(&vault, &other);
        enable(&*writer, private.number, false).unwrap();
        unlocked(&other).create(vec![secret_draft("elsewhere", b"v")]).unwrap();
        Self { place, vault, older, other }
    }

    /// The newest vault, with another page.
    fn with_page(&self, page: Option<&[u8]>) -> PathBuf {
        let path = self.place.path().join("victim");
        std::fs::remove_dir_all(&path).ok();
        copy(&self.vault, &path);
        match page {
            Some(bytes) => std::fs::write(path.join("changes"), bytes).unwrap(),
            None => std::fs::remove_file(path.join("changes")).unwrap(),
        }
        path
    }

    fn page(&self) -> Vec<u8> {
        std::fs::read(self.vault.join("changes")).unwrap()
    }
}

/// Every key as it should be, and the vault can be written.
fn is_whole(path: &Path, case: &str) {
    let vault = open(path);
    vault.unlock(&user(USER_PIN)).unwrap_or_else(|error| panic!("{case}: {error}"));
    let image = vault.image();
    for object in image.with_class(Class::PrivateKey) {
        let signed = signs_correctly(&*vault, object);
        match object.content.label.as_slice() {
            b"enabled" => signed.unwrap_or_else(|error| panic!("{case}: {error}")),
            _ => assert!(matches!(signed, Err(VaultError::Disabled)), "{case}: {signed:?}"),
        }
    }
    let [private, _] = pair(&*vault, "new").unwrap_or_else(|error| panic!("{case}: {error}"));
    sign(&*unlocked(path), private.number).unwrap_or_else(|error| panic!("{case}: {error}"));
}

#[test]
fn a_missing_cut_or_overwritten_page_is_made_whole_by_a_login() {
    let scene = Scene::new();
    let page = scene.page();
    let mut random = vec![0; page.len()];
    strongroom::crypto::random(&mut random).unwrap();
    let mut long = page.clone();
    long[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut longer_than_file = page.clone();
    longer_than_file[8..16].copy_from_slice(&40_960u64.to_le_bytes());
    let cut = |len: usize| page[..len].to_vec();
    let cases: Vec<(&str, Option<Vec<u8>>)> = vec![
        ("missing", None),
        ("empty", Some(cut(0))),
        ("one byte", Some(cut(1))),
        ("100 bytes", Some(cut(100))),
        ("one byte short of a header", Some(cut(4095))),
        ("only a header", Some(cut(4096))),
        ("cut in the states", Some(cut(5000))),
        ("zeros", Some(vec![0; page.len()])),
        ("random bytes", Some(random)),
        ("a length beyond everything", Some(long)),
        ("a length beyond the file", Some(longer_than_file)),
    ];
    for (case, bytes) in &cases {
        is_whole(&scene.with_page(bytes.as_deref()), case);
    }
    println!("{} pages", cases.len());
}

#[test]
fn a_page_from_an_older_copy_allows_no_disabled_key_after_a_login() {
    let scene = Scene::new();
    let older = std::fs::read(scene.older.join("changes")).unwrap();
    is_whole(&scene.with_page(Some(&older)), "an older copy");
}

#[test]
fn a_damaged_byte_in_the_page_allows_no_disabled_key_after_a_login() {
    let scene = Scene::new();
    let page = scene.page();
    let mut rolled_back = 0;
    // The header's fields.
    for offset in 0..80 {
        let mut bytes = page.clone();
        bytes[offset] ^= 0x11;
        let path = scene.with_page(Some(&bytes));
        match open(&path).unlock(&user(USER_PIN)) {
            Err(error @ VaultError::RolledBack(_)) => {
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                rolled_back += 1;
            }
            // "Was moved aside".
            Err(error @ VaultError::Unsafe { .. }) if offset >= 72 => println!("byte {offset}: {error}"),
            Err(error) => panic!("byte {offset}: {error}"),
            Ok(()) => is_whole(&path, &format!("byte {offset}")),
        }
    }
    println!("80 bytes, {rolled_back} taken for a lost commit");
    assert!(rolled_back > 0);
}

#[test]
fn a_database_behind_its_page_is_refused_as_rolled_back() {
    let scene = Scene::new();
    for (case, database) in [("older", &scene.older), ("of the same number from elsewhere", &scene.other)] {
        let path = scene.with_page(Some(&scene.page()));
        std::fs::copy(database.join("vault.db"), path.join("vault.db")).unwrap();
        let vault = open(&path);
        let error = vault.unlock(&user(USER_PIN)).expect_err("acknowledged changes are gone");
        assert!(matches!(error, VaultError::RolledBack(_)), "{case}: {error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(!vault.is_unlocked() && vault.create(vec![secret_draft("s", b"v")]).is_err());
    }
}

#[test]
fn a_process_that_was_logged_in_refuses_a_database_that_goes_back() {
    let scene = Scene::new();
    let path = scene.with_page(Some(&scene.page()));
    let vault = unlocked(&path);
    std::fs::write(path.join("vault.db"), std::fs::read(scene.older.join("vault.db")).unwrap()).unwrap();
    let error = vault.create(vec![secret_draft("s", b"v")]).expect_err("acknowledged changes are gone");
    assert!(matches!(error, VaultError::RolledBack(_)), "{error}");
}
