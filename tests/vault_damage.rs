//! Files that were damaged, forged, exchanged or put back: either every object is there and does its work, or the error
//! names the file and, where it can be known, the record.

#[allow(dead_code, reason = "only one kind of loss")]
#[path = "faults/disk.rs"]
mod disk;
mod faults;
#[allow(dead_code, reason = "only its changes")]
#[path = "faults/story.rs"]
mod story;
#[path = "faults/zoo.rs"]
mod zoo;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use disk::{Disk, Event, Unsynced};
use faults::*;
use rusqlite::Connection;
use strongroom::vault::*;
use tempfile::TempDir;
use zoo::{Whole, inspect};

/// A vault with everything in it, a copy of it from before each object was changed once, and what it holds.
struct Museum {
    place: TempDir,
    vault: PathBuf,
    older: PathBuf,
    everything: Vec<Whole>,
}

impl Museum {
    fn new() -> Self {
        let place = place();
        let (vault, older) = (place.path().join("vault"), place.path().join("older"));
        make(&vault);
        let count = zoo::fill(&vault);
        assert!(count > 200, "{count} objects");
        copy(&vault, &older);
        zoo::touch_everything(&vault);
        let everything = inspect(&vault).unwrap();
        assert_eq!(everything.len(), count);
        Self { place, vault, older, everything }
    }

    /// A copy to be damaged.
    fn victim(&self) -> PathBuf {
        let path = self.place.path().join("victim");
        std::fs::remove_dir_all(&path).ok();
        copy(&self.vault, &path);
        path
    }

    /// True if all is well, false if there was an error that names a record; anything else but a named file is a fault.
    fn judge(&self, path: &Path, case: &str, counts: &mut Counts) {
        match inspect(path) {
            Ok(found) => {
                assert_eq!(found.len(), self.everything.len(), "{case}: the number of objects");
                assert!(found == self.everything, "{case}: an object is another");
                counts.whole += 1;
            }
            Err(error) => {
                names_file(&error, path, case);
                counts.records += usize::from(error.to_string().contains("record "));
                counts.errors += 1;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    whole: usize,
    errors: usize,
    /// Of the errors.
    records: usize,
}

fn names_file(error: &VaultError, path: &Path, case: &str) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{case}: {text}");
    assert!(text.contains("vault.db") || matches!(error, VaultError::RolledBack(_)), "{case}: {text}");
    println!("{case}: {text}");
}

fn flip(file: &Path, offset: usize, mask: u8) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset as u64).unwrap();
    file.write_all_at(&[byte[0] ^ mask], offset as u64).unwrap();
}

#[test]
fn a_flipped_byte_on_any_page_is_harmless_or_named() {
    let museum = Museum::new();
    let mut dice = Dice::new(Dice::seed());
    let size = std::fs::metadata(museum.vault.join("vault.db")).unwrap().len() as usize;
    let mut counts = Counts::default();
    for page in 0..size / 4096 {
        for _ in 0..3 {
            let path = museum.victim();
            let (offset, mask) = (page * 4096 + dice.below(4096), 1 + dice.below(255) as u8);
            flip(&path.join("vault.db"), offset, mask);
            museum.judge(&path, &format!("vault.db byte {offset} ^ {mask:#x}"), &mut counts);
        }
    }
    println!("{} pages, {} objects: {counts:?}", size / 4096, museum.everything.len());
    assert!(counts.whole > 0 && counts.records > 0 && counts.errors > counts.records);
}

#[test]
fn a_flipped_byte_at_the_start_of_the_file_or_in_its_tables_of_keys_is_harmless_or_named() {
    let museum = Museum::new();
    let mut dice = Dice::new(Dice::seed());
    let mut counts = Counts::default();
    let roots = {
        let database = Connection::open(museum.vault.join("vault.db")).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name IN ('header', 'wrapped_key', 'attempts')";
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(|row| row.unwrap()).collect::<Vec<_>>()
    };
    // SQLite's own header, then whatever is not zero on the pages of the small tables.
    let bytes = std::fs::read(museum.vault.join("vault.db")).unwrap();
    let small =
        roots.iter().flat_map(|root| (*root as usize - 1) * 4096..*root as usize * 4096).filter(|at| bytes[*at] != 0);
    for offset in (0..100).chain(small) {
        let path = museum.victim();
        let mask = 1 << dice.below(8);
        flip(&path.join("vault.db"), offset, mask);
        museum.judge(&path, &format!("vault.db byte {offset} ^ {mask:#x}"), &mut counts);
    }
    println!("{counts:?}");
    assert!(counts.whole > 0 && counts.errors > 200);
}

fn ids(path: &Path) -> Vec<[u8; 16]> {
    let database = Connection::open(path.join("vault.db")).unwrap();
    let mut statement = database.prepare("SELECT id FROM record ORDER BY seq").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
}

/// Puts the row of `id` from the database in `from` into the one in `to`.
fn put_back(from: &Path, to: &Path, id: [u8; 16], in_place_of_the_newer: bool) {
    let database = Connection::open(to.join("vault.db")).unwrap();
    database.execute("ATTACH ?1 AS older", [from.join("vault.db").to_str().unwrap()]).unwrap();
    if in_place_of_the_newer {
        assert_eq!(database.execute("DELETE FROM main.record WHERE id = ?1", [id]).unwrap(), 1);
    }
    let sql = "INSERT INTO main.record SELECT * FROM older.record WHERE id = ?1";
    assert_eq!(database.execute(sql, [id]).unwrap(), 1);
}

fn hex(id: [u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_older_copy_of_any_record_is_named() {
    let museum = Museum::new();
    let mut cases = 0;
    for id in ids(&museum.older) {
        for in_place_of_the_newer in [true, false] {
            let path = museum.victim();
            put_back(&museum.older, &path, id, in_place_of_the_newer);
            let error = inspect(&path).expect_err("an older copy");
            assert!(error.to_string().contains(&hex(id)), "record {}: {error}", hex(id));
            names_file(&error, &path, "an older copy");
            cases += 1;
        }
    }
    println!("{cases} rows put back");
    assert!(cases >= 400);
}

#[test]
fn a_record_that_was_taken_away_is_missed() {
    let museum = Museum::new();
    for id in ids(&museum.vault).into_iter().step_by(7) {
        let path = museum.victim();
        let database = Connection::open(path.join("vault.db")).unwrap();
        database.execute("DELETE FROM record WHERE id = ?1", [id]).unwrap();
        drop(database);
        let error = inspect(&path).expect_err("a missing record");
        names_file(&error, &path, "a missing record");
    }
}

#[test]
fn a_purge_or_rekey_does_not_make_an_old_record_right() {
    let place = place();
    let (path, older) = (place.path().join("vault"), place.path().join("older"));
    make(&path);
    let vault = unlocked(&path);
    let number = vault.create(vec![secret_draft("gone", b"value")]).unwrap()[0].number;
    copy(&path, &older);
    let id = ids(&older)[0];
    vault.delete(&[number]).unwrap();
    for in_place_of_the_newer in [false, true] {
        let victim = place.path().join("victim");
        std::fs::remove_dir_all(&victim).ok();
        copy(&path, &victim);
        // These are logged in already, and read only what is newer than what they know.
        let (purger, rekeyer) = (unlocked(&victim), unlocked(&victim));
        put_back(&older, &victim, id, in_place_of_the_newer);
        let purged = purger.purge();
        assert!(matches!(purged, Err(VaultError::Damaged { .. })), "{purged:?}");
        let rekeyed = rekeyer.rekey(&[user(USER_PIN), officer(SO_PIN)], false, &mut |_, _| {});
        assert!(matches!(rekeyed, Err(VaultError::Damaged { .. })), "{rekeyed:?}");
        assert!(!open(&victim).is_unlocked());
    }
}

#[test]
fn a_header_from_an_older_copy_is_named() {
    let museum = Museum::new();
    let path = museum.victim();
    let database = Connection::open(path.join("vault.db")).unwrap();
    database.execute("ATTACH ?1 AS older", [museum.older.join("vault.db").to_str().unwrap()]).unwrap();
    database.execute("DELETE FROM main.header", []).unwrap();
    database.execute("INSERT INTO main.header SELECT * FROM older.header", []).unwrap();
    drop(database);
    let error = inspect(&path).expect_err("an older header");
    names_file(&error, &path, "an older header");
}

#[test]
fn a_forged_public_record_is_shown_before_login_and_named_by_it() {
    let museum = Museum::new();
    let path = museum.victim();
    let label = b"object-10";
    let database = Connection::open(path.join("vault.db")).unwrap();
    let sql = "SELECT id, readable FROM record WHERE instr(readable, ?1)";
    let (id, mut readable): ([u8; 16], Vec<u8>) =
        database.query_row(sql, [label], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let at = readable.windows(label.len()).position(|window| window == label).unwrap();
    readable[at..at + label.len()].copy_from_slice(b"forged-10");
    database.execute("UPDATE record SET readable = ?1 WHERE id = ?2", (readable, id)).unwrap();
    drop(database);
    let vault = open(&path);
    vault.refresh().unwrap();
    assert_eq!(vault.image().with_label(b"forged-10").count(), 1);
    let error = vault.unlock(&user(USER_PIN)).expect_err("a forged record");
    assert!(error.to_string().contains(&hex(id)), "{error}");
    names_file(&error, &path, "a forged record");
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let museum = Museum::new();
    let path = museum.victim();
    let database = Connection::open(path.join("vault.db")).unwrap();
    database.execute("UPDATE header SET format = 99", []).unwrap();
    drop(database);
    let error = inspect(&path).expect_err("a newer format");
    assert!(matches!(error, VaultError::NewerFormat { found: 99, .. }), "{error}");
    names_file(&error, &path, "a newer format");
    let error = open(&path).refresh().expect_err("a newer format");
    assert!(matches!(error, VaultError::NewerFormat { found: 99, .. }), "{error}");
}

#[test]
fn a_truncated_empty_or_foreign_file_is_named() {
    let museum = Museum::new();
    let size = std::fs::metadata(museum.vault.join("vault.db")).unwrap().len();
    let mut counts = Counts::default();
    for len in [0, 1, 99, 100, 512, 4095, 4096, 8192, size / 2, size - 4096, size - 1] {
        let path = museum.victim();
        let file = std::fs::OpenOptions::new().write(true).open(path.join("vault.db")).unwrap();
        file.set_len(len).unwrap();
        museum.judge(&path, &format!("vault.db cut to {len} bytes"), &mut counts);
    }
    for (case, contents) in [("text", "this is no vault\n".repeat(999)), ("zeros", "\0".repeat(8192))] {
        let path = museum.victim();
        std::fs::write(path.join("vault.db"), contents).unwrap();
        museum.judge(&path, &format!("vault.db holds {case}"), &mut counts);
    }
    println!("{counts:?}");
    assert_eq!(counts.whole, 0);
}

/// In a process of its own, under the recorder.
fn change_under_the_recorder(path: &Path) {
    let vault = unlocked(path);
    Marks::open().write("go");
    story::carry_out(&*vault, "label object-0 changed", &mut USER_PIN.into()).unwrap();
}

#[test]
fn a_flipped_byte_in_the_header_of_a_hot_journal_is_harmless_or_named() {
    const TEST: &str = "a_flipped_byte_in_the_header_of_a_hot_journal_is_harmless_or_named";
    if let Some((_, path)) = role() {
        return change_under_the_recorder(&path);
    }
    let museum = Museum::new();
    let (log, marks) = (museum.place.path().join("log"), museum.place.path().join("marks"));
    let mut played = Disk::of(&museum.vault);
    let library = recorder(museum.place.path());
    let mut writer = watched(process(TEST, "writer", &museum.vault), &library, &museum.vault, &marks);
    assert!(writer.env("RECORD_LOG", &log).status().unwrap().success());
    let events = disk::read(&log);
    let go = events.iter().position(|event| matches!(event, Event::Mark(_))).unwrap();
    let ends = |event: &Event| matches!(event, Event::Truncate { name, len: 0 } if name == "vault.db-journal");
    let end = go + events[go..].iter().position(ends).unwrap();
    let is_page = |at: &usize| matches!(&events[*at], Event::Write { name, .. } if name == "vault.db");
    let pages: Vec<usize> = (go..end).filter(is_page).collect();
    assert!(pages.len() > 2, "the transaction changed {} pages", pages.len());
    let after = inspect(&museum.vault).unwrap();
    let mut counts = Counts::default();
    let mut dice = Dice::new(Dice::seed());
    let mut played_to = 0;
    for page in &pages {
        events[played_to..=*page].iter().for_each(|event| played.apply(event));
        played_to = page + 1;
        let files = played.after_power_loss(Unsynced::Kept, &mut dice);
        // The 28 bytes of the journal's header and the number of the first page in it; once without any damage.
        for offset in std::iter::once(None).chain((0..28).map(Some)).chain((512..516).map(Some)) {
            let path = museum.place.path().join("victim");
            std::fs::remove_dir_all(&path).ok();
            disk::put(&files, &path);
            let mask = 1 << dice.below(8);
            if let Some(offset) = offset {
                flip(&path.join("vault.db-journal"), offset, mask);
            }
            let case = format!("{:?} pages written, journal byte {offset:?} ^ {mask:#x}", page - pages[0]);
            match inspect(&path) {
                Err(error) if offset.is_none() => panic!("{case}: an intact journal wasn't rolled back: {error}"),
                Ok(found) if found == after && offset.is_some() => counts.whole += 1,
                _ => museum.judge(&path, &case, &mut counts),
            }
        }
    }
    println!("{} pages in the transaction, {counts:?}", pages.len());
    assert!(counts.whole > 0 && counts.errors > 0);
}
