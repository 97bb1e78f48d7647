//! A power loss at any moment: every acknowledged change is there afterwards, and nothing half-done.
//!
//! A process changes a vault in every way under a recorder that writes down each write and sync. For each prefix of that
//! record the directory is built as a disk may hold it then, with what wasn't synced kept, lost or torn, opened and
//! judged. `kill -9` alone would prove nothing about `fsync`: the page cache survives it.

#[path = "faults/disk.rs"]
mod disk;
mod faults;
#[path = "faults/story.rs"]
mod story;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use disk::{Disk, Event, Unsynced};
use faults::*;
use story::{Expected, carry_out};
use strongroom::vault::*;

/// Where `changes` names the run of the machine that it was written in.
const BOOT: std::ops::Range<usize> = 56..72;
const PATIENCE: Duration = Duration::from_secs(45);

/// What the writer does, one acknowledged change after the other.
const CHANGES: &[&str] = &[
    "create a",
    "create b",
    "secret s one",
    "disable a",
    "pin user-pin-2",
    "rotate b",
    "enable a",
    "secret s two",
    "delete a",
    "label b bee",
    "rekey",
    "create c",
    "disable b",
    "pin user-pin-3",
    "delete s",
    "purge",
    "create d",
    "delete c",
];

/// The process under the recorder: makes each change and acknowledges it.
fn change_in_every_way(path: &Path) {
    let vault = unlocked(path);
    let mut marks = Marks::open();
    let mut current = USER_PIN.to_owned();
    for change in CHANGES {
        marks.write(&format!("begin {change}"));
        carry_out(&*vault, change, &mut current).unwrap();
        marks.write(&format!("done {change}"));
    }
}

/// One moment at which the power is lost: so many events happened.
struct Moment {
    events: usize,
    acknowledged: Expected,
    in_flight: Option<Expected>,
}

fn moments(events: &[Event]) -> Vec<Moment> {
    let mut acknowledged = Expected { objects: BTreeMap::new(), pin: USER_PIN.into() };
    let mut in_flight = None;
    let mut moments = Vec::new();
    for count in 0..=events.len() {
        moments.push(Moment { events: count, acknowledged: acknowledged.clone(), in_flight: in_flight.clone() });
        match events.get(count) {
            Some(Event::Mark(mark)) if mark.starts_with("begin ") => in_flight = Some(acknowledged.after(&mark[6..])),
            Some(Event::Mark(mark)) if mark.starts_with("done ") => acknowledged = in_flight.take().unwrap(),
            _ => {}
        }
    }
    moments
}

/// Every moment beside a sync first, then the others, each group shuffled.
fn in_order_of_interest(events: &[Event], moments: Vec<Moment>, dice: &mut Dice) -> Vec<Moment> {
    let beside = |moment: &Moment| {
        let near = moment.events.saturating_sub(2)..(moment.events + 2).min(events.len());
        events[near].iter().any(|event| matches!(event, Event::Sync(_)))
    };
    let mut keyed: Vec<(bool, u64, Moment)> =
        moments.into_iter().map(|moment| (!beside(&moment), dice.next(), moment)).collect();
    keyed.sort_by_key(|(far, random, _)| (*far, *random));
    keyed.into_iter().map(|(_, _, moment)| moment).collect()
}

#[test]
fn rounds_of_power_losses_at_any_moment_lose_no_acknowledged_change() {
    if let Some((_, path)) = role() {
        return change_in_every_way(&path);
    }
    let place = place();
    let path = place.path().join("vault");
    let (log, marks) = (place.path().join("log"), place.path().join("marks"));
    make(&path);
    // The journal's creation is part of the record.
    std::fs::remove_file(path.join("vault.db-journal")).ok();
    let start = Disk::of(&path);
    let test = "rounds_of_power_losses_at_any_moment_lose_no_acknowledged_change";
    let mut writer = watched(process(test, "writer", &path), &recorder(place.path()), &path, &marks);
    assert!(writer.env("RECORD_LOG", &log).status().unwrap().success());
    let events = disk::read(&log);
    let acknowledged = events.iter().filter(|event| matches!(event, Event::Mark(mark) if mark.starts_with("done")));
    assert_eq!(acknowledged.count(), CHANGES.len());

    let seed = Dice::seed();
    let moments = in_order_of_interest(&events, moments(&events), &mut Dice::new(seed));
    let (all, next, cases) = (moments.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let judged = Judged::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while began.elapsed() < PATIENCE {
                    let Some(moment) = moments.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    cases.fetch_add(judge(place.path(), &start, &events, moment, seed, &judged), Ordering::Relaxed);
                }
            });
        }
    });
    let reached = next.into_inner().min(all);
    println!("{} writes and syncs, {reached} of {all} moments, {} disks judged", events.len(), cases.into_inner());
    assert!(reached > 100, "at least every sync");
}

/// Disks that were judged, with what was expected of them: many moments leave the same.
#[derive(Default)]
struct Judged(Mutex<HashSet<u64>>);

impl Judged {
    fn is_new(&self, files: &BTreeMap<String, Vec<u8>>, moment: &Moment) -> bool {
        let mut hasher = DefaultHasher::new();
        (files, format!("{:?}{:?}", moment.acknowledged, moment.in_flight)).hash(&mut hasher);
        self.0.lock().unwrap().insert(hasher.finish())
    }
}

/// Builds and judges the disks that one moment may leave; says how many.
fn judge(place: &Path, start: &Disk, events: &[Event], moment: &Moment, seed: u64, judged: &Judged) -> usize {
    let mut played = start.clone();
    events[..moment.events].iter().for_each(|event| played.apply(event));
    let mut dice = Dice::new(seed ^ (moment.events as u64) << 32);
    let losses =
        [Unsynced::Kept, Unsynced::Lost, Unsynced::Some, Unsynced::Some, Unsynced::Torn, Unsynced::Torn].into_iter();
    let mut cases = 0;
    // The last is `kill -9`: the machine goes on, and with it its page cache.
    for (unsynced, boot_goes_on) in losses.map(|unsynced| (unsynced, false)).chain([(Unsynced::Kept, true)]) {
        let mut files = played.after_power_loss(unsynced, &mut dice);
        if let Some(page) = files.get_mut("changes").filter(|page| !boot_goes_on && page.len() >= BOOT.end) {
            page[BOOT].fill(0x5A);
        }
        if !judged.is_new(&files, moment) {
            continue;
        }
        let path = place.join(format!("{}-{cases}", moment.events));
        disk::put(&files, &path);
        let case = format!(
            "after {} events, unsynced {unsynced:?}, same boot {boot_goes_on}, last {:?}",
            moment.events,
            moment.events.checked_sub(1).map(|last| short(&events[last]))
        );
        let result = std::panic::catch_unwind(|| opens_with_everything(&path, moment, &case));
        if let Err(panic) = result {
            println!("FAILED: {case}, expected {:?} or {:?}", moment.acknowledged, moment.in_flight);
            std::panic::resume_unwind(panic);
        }
        std::fs::remove_dir_all(&path).unwrap();
        cases += 1;
    }
    cases
}

fn short(event: &Event) -> String {
    match event {
        Event::Write { name, offset, bytes } => format!("write {name} {offset} {}", bytes.len()),
        other => format!("{other:?}"),
    }
}

fn opens_with_everything(path: &Path, moment: &Moment, case: &str) {
    let vault = open(path);
    let pins = [Some(&moment.acknowledged), moment.in_flight.as_ref()];
    let mut pins: Vec<&str> = pins.into_iter().flatten().map(|expected| expected.pin.as_str()).collect();
    pins.dedup();
    let opened = pins.iter().find(|text| match vault.unlock(&user(text)) {
        Ok(()) => true,
        Err(VaultError::PinIncorrect { .. }) => false,
        Err(error) => panic!("{case}: {error}"),
    });
    let found = Expected::found(&*vault, opened.unwrap_or_else(|| panic!("{case}: no PIN opens it")));
    assert!(found == moment.acknowledged || Some(&found) == moment.in_flight.as_ref(), "{case}: found {found:?}");
    vault.create(vec![secret_draft("afterwards", b"v")]).unwrap_or_else(|error| panic!("{case}: {error}"));
    open(path).unlock(&officer(SO_PIN)).unwrap_or_else(|error| panic!("{case}: the officer: {error}"));
}
