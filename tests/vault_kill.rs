//! `kill -9` at every step of a write and at random moments: nothing acknowledged is lost, nobody is locked out, and a key
//! that was being disabled or deleted is never usable afterwards.

mod faults;
#[path = "faults/story.rs"]
mod story;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use faults::*;
use story::{Expected, carry_out, named};
use strongroom::vault::*;
use tempfile::TempDir;

/// What the recorder's `_exit` leaves.
const KILLED: i32 = 9;

/// A vault with one key, and copies of it for writers to die in.
struct Scene {
    place: TempDir,
    vault: PathBuf,
    recorder: PathBuf,
    test: &'static str,
}

impl Scene {
    fn new(test: &'static str) -> Self {
        let place = place();
        let vault = place.path().join("vault");
        make(&vault);
        pair(&*unlocked(&vault), "www").unwrap();
        let recorder = recorder(place.path());
        Self { place, vault, recorder, test }
    }

    fn copy_of(&self, vault: &Path, name: &str) -> PathBuf {
        let path = self.place.path().join(name);
        std::fs::remove_dir_all(&path).ok();
        copy(vault, &path);
        path
    }

    /// Runs a process in `path` until its call number `at`; true if it was killed by that.
    fn kill_at(&self, role: &str, path: &Path, at: usize) -> bool {
        let marks = self.place.path().join("marks");
        std::fs::remove_file(&marks).ok();
        let mut command = watched(process(self.test, role, path), &self.recorder, path, &marks);
        let status = command.env("RECORD_EXIT_AT", at.to_string()).status().unwrap();
        assert!(status.success() || status.code() == Some(KILLED), "{role}, call {at}: {status}");
        !status.success()
    }

    fn acknowledged(&self) -> bool {
        std::fs::read_to_string(self.place.path().join("marks")).unwrap().contains("done")
    }
}

fn www(vault: &dyn Vault) -> Arc<Object> {
    let image = vault.image();
    image.with_class(Class::PrivateKey).find(|object| object.content.label == b"www").unwrap().clone()
}

/// In a process of its own: makes one change between two marks, or logs in.
fn act(role: &str, path: &Path) {
    if role == "log in" {
        Marks::open().write("go");
        return drop(unlocked(path));
    }
    let vault = unlocked(path);
    let mut marks = Marks::open();
    marks.write("go");
    carry_out(&*vault, role, &mut USER_PIN.into()).unwrap();
    marks.write("done");
}

/// What the database says of the key, whatever processes believe: enabled, disabled, or a tombstone.
fn is_revoked_in_database(path: &Path, number: ObjectNumber) -> bool {
    let database = rusqlite::Connection::open(path.join("vault.db")).unwrap();
    let sql = "SELECT state FROM record WHERE number = ?1";
    database.query_row(sql, [number as i64], |row| row.get::<_, u8>(0)).unwrap() != 1
}

#[test]
fn a_key_being_revoked_is_never_usable_after_its_writer_died_at_any_step() {
    const TEST: &str = "a_key_being_revoked_is_never_usable_after_its_writer_died_at_any_step";
    if let Some((role, path)) = role() {
        return act(&role, &path);
    }
    let scene = Scene::new(TEST);
    let (mut cases, mut revoked, mut refused_for_safety) = (0, 0, 0);
    for change in ["disable www", "delete www"] {
        for at in 1.. {
            let path = scene.copy_of(&scene.vault, "victim");
            let reader = unlocked(&path);
            let number = www(&*reader).number;
            let held = reader.private_key(number).unwrap();
            sign_with(&*held).unwrap();
            let killed = scene.kill_at(change, &path, at);
            let refused = sign_with(&*held).is_err();
            let in_database = is_revoked_in_database(&path, number);
            assert!(in_database || !scene.acknowledged(), "{change}, call {at}: acknowledged but not done");
            assert!(refused || !in_database, "{change}, call {at}: revoked in the database, and it signs");
            let fresh = unlocked(&path);
            assert_eq!(sign(&*fresh, number).is_err(), in_database, "{change}, call {at}: after a login");
            assert_eq!(sign_with(&*held).is_err(), in_database, "{change}, call {at}: held, after a login");
            reader.refresh().unwrap();
            assert_eq!(sign(&*reader, number).is_err(), in_database, "{change}, call {at}: reloaded");
            cases += 1;
            revoked += usize::from(in_database);
            refused_for_safety += usize::from(refused && !in_database);
            if !killed {
                assert!(in_database && scene.acknowledged());
                break;
            }
        }
    }
    println!("{cases} deaths: {revoked} after the commit, {refused_for_safety} refused before it");
    assert!(revoked > 2 && refused_for_safety > 2 && cases > revoked + refused_for_safety);
}

#[test]
fn a_login_that_dies_while_it_mends_the_page_leaves_no_key_stuck() {
    const TEST: &str = "a_login_that_dies_while_it_mends_the_page_leaves_no_key_stuck";
    if let Some((role, path)) = role() {
        return act(&role, &path);
    }
    let scene = Scene::new(TEST);
    let (mut torn, mut cases) = (0, 0);
    for at in 1.. {
        let path = scene.copy_of(&scene.vault, "torn");
        let held = {
            let vault = unlocked(&path);
            vault.private_key(www(&*vault).number).unwrap()
        };
        if !scene.kill_at("disable www", &path, at) {
            break;
        }
        // Only deaths between the byte and the commit leave a page that disagrees with the database.
        if sign_with(&*held).is_ok() || is_revoked_in_database(&path, 1) || torn >= 3 {
            continue;
        }
        torn += 1;
        for step in 1.. {
            let path = scene.copy_of(&path, "mended");
            let killed = scene.kill_at("log in", &path, step);
            let vault = unlocked(&path);
            signs_correctly(&*vault, &www(&*vault))
                .unwrap_or_else(|error| panic!("death {at}, login killed at call {step}: {error}"));
            cases += 1;
            if !killed {
                break;
            }
        }
    }
    println!("{torn} torn pages, {cases} logins killed");
    assert!(torn > 0 && cases > 10);
}

const ROUNDS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: usize = 3;

/// In a process of its own, until it is killed: worker 0 changes the user's PIN and the root key, the others objects.
fn work(role: &str, path: &Path) {
    let words: Vec<&str> = role.split(' ').collect();
    let [_, worker, round, current] = words[..] else { panic!("{role}") };
    let mut current = current.to_owned();
    let mut journal = std::fs::OpenOptions::new().append(true).create(true).open(journal_of(path, worker)).unwrap();
    let mut say = |text: String| journal.write_all(format!("{text}\n").as_bytes()).unwrap();
    let vault = open(path);
    if let Err(error) = vault.unlock(&officer(SO_PIN)) {
        return say(format!("error login: {error}"));
    }
    for number in 0.. {
        let key = format!("w{worker}-{round}-{number}");
        let mut changes = vec![format!("create {key}"), format!("rotate {key}"), format!("disable {key}")];
        match number % 3 {
            0 => changes.push(format!("delete {key}")),
            1 => changes.push(format!("enable {key}")),
            _ => changes.push(format!("secret s{key} v{number}")),
        }
        if worker == "0" {
            changes = vec![format!("pin user-{round}-{number}"), "rekey".into()];
        }
        for change in changes {
            say(format!("begin {change}"));
            let mut result = carry_out(&*vault, &change, &mut current);
            while matches!(result, Err(VaultError::Rekeyed)) {
                result = vault.unlock(&officer(SO_PIN)).and_then(|()| carry_out(&*vault, &change, &mut current));
            }
            match result {
                Ok(()) => say(format!("done {change}")),
                Err(error) => return say(format!("error {change}: {error}")),
            }
        }
    }
}

fn journal_of(vault: &Path, worker: &str) -> PathBuf {
    vault.with_file_name(format!("worker-{worker}"))
}

/// What a worker told before it was killed.
struct Told {
    acknowledged: Expected,
    in_flight: Option<Expected>,
    changes: usize,
}

fn told(vault: &Path, worker: usize, pin: &str) -> Told {
    let path = journal_of(vault, &worker.to_string());
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::remove_file(&path).ok();
    let mut acknowledged = Expected { objects: BTreeMap::new(), pin: pin.into() };
    let (mut in_flight, mut changes) = (None, 0);
    for line in text.lines() {
        match line.split_once(' ').unwrap() {
            ("begin", change) => in_flight = Some(acknowledged.after(change)),
            ("done", _) => {
                acknowledged = in_flight.take().unwrap();
                changes += 1;
            }
            _ => panic!("worker {worker}: {line}"),
        }
    }
    Told { acknowledged, in_flight, changes }
}

fn kill_all(workers: Vec<Child>) {
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
}

#[test]
fn rounds_of_processes_killed_at_random_lose_nothing_and_lock_nobody_out() {
    const TEST: &str = "rounds_of_processes_killed_at_random_lose_nothing_and_lock_nobody_out";
    if let Some((role, path)) = role() {
        return work(&role, &path);
    }
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    let mut dice = Dice::new(Dice::seed());
    let mut pin = USER_PIN.to_owned();
    let (mut rounds, mut acknowledged, mut cut_off) = (0, 0, 0);
    let began = Instant::now();
    while rounds < ROUNDS && began.elapsed() < PATIENCE {
        let start = |worker| -> Command { process(TEST, &format!("work {worker} {rounds} {pin}"), &path) };
        let workers = (0..WORKERS).map(|worker| start(worker).spawn().unwrap()).collect();
        std::thread::sleep(Duration::from_micros(30_000 + dice.next() % 200_000));
        kill_all(workers);
        let told: Vec<_> = (0..WORKERS).map(|worker| told(&path, worker, &pin)).collect();
        pin = judge(&path, &told, rounds);
        acknowledged += told.iter().map(|told| told.changes).sum::<usize>();
        cut_off += told.iter().filter(|told| told.in_flight.is_some()).count();
        rounds += 1;
    }
    println!("{rounds} rounds in {:?}, {acknowledged} changes acknowledged, {cut_off} cut off", began.elapsed());
    assert!(rounds > 20 && acknowledged > 0 && cut_off > 0);
}

/// Compares the vault with what the workers told, clears it for the next round, and gives the user's PIN.
fn judge(path: &Path, told: &[Told], round: usize) -> String {
    let vault = open(path);
    let states = [Some(&told[0].acknowledged), told[0].in_flight.as_ref()];
    let mut pins: Vec<&String> = states.into_iter().flatten().map(|state| &state.pin).collect();
    pins.dedup();
    let opened = pins.into_iter().find(|text| match vault.unlock(&user(text)) {
        Ok(()) => true,
        Err(VaultError::PinIncorrect { .. }) => false,
        Err(error) => panic!("round {round}: {error}"),
    });
    let pin = opened.unwrap_or_else(|| panic!("round {round}: no PIN opens it")).clone();
    let found = Expected::found(&*vault, &pin);
    for (worker, Told { acknowledged, in_flight, .. }) in told.iter().enumerate() {
        let theirs = |name: &str| name.trim_start_matches('s').starts_with(&format!("w{worker}-"));
        let mut found = found.objects.clone();
        found.retain(|name, _| theirs(name));
        let fits = found == acknowledged.objects || in_flight.as_ref().is_some_and(|next| found == next.objects);
        assert!(fits, "round {round}, worker {worker}: {found:?} instead of {acknowledged:?} or {in_flight:?}");
    }
    open(path).unlock(&officer(SO_PIN)).unwrap_or_else(|error| panic!("round {round}: the officer: {error}"));
    let all: Vec<_> = found.objects.keys().flat_map(|name| named(&*vault, name)).collect();
    vault.delete(&all).unwrap();
    if round % 20 == 19 {
        vault.purge().unwrap();
    }
    pin
}
