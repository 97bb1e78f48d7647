//! A disk that loses power: what `tests/c/recorder.c` wrote down, played up to a moment, with what was not synced by then
//! kept, lost, or torn.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::faults::Dice;

/// A disk writes sectors whole.
const SECTOR: usize = 512;

/// One call that the recorder saw.
#[derive(Clone, Debug)]
pub enum Event {
    Create(String),
    Write { name: String, offset: usize, bytes: Vec<u8> },
    Truncate { name: String, len: usize },
    Sync(String),
    Unlink(String),
    Mark(String),
}

/// What becomes of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    Kept,
    Lost,
    /// Each write by itself is kept or lost.
    Some,
    /// Each sector of each write by itself is kept or lost.
    Torn,
}

/// Reads a record.
pub fn read(log: &Path) -> Vec<Event> {
    let bytes = std::fs::read(log).unwrap();
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        let words: Vec<&str> = line.split(' ').collect();
        let mut take = |len: &str| {
            let (taken, left) = rest.split_at(len.parse().unwrap());
            rest = left;
            taken.to_vec()
        };
        events.push(match words[..] {
            ["O", name, _] => Event::Create(name.to_owned()),
            ["W", name, offset, len] => {
                Event::Write { name: name.to_owned(), offset: offset.parse().unwrap(), bytes: take(len) }
            }
            ["T", name, len] => Event::Truncate { name: name.to_owned(), len: len.parse().unwrap() },
            ["S", name] => Event::Sync(name.to_owned()),
            ["U", name] => Event::Unlink(name.to_owned()),
            ["M", len] => Event::Mark(String::from_utf8(take(len)).unwrap().trim().to_owned()),
            _ => panic!("the recorder wrote {line:?}"),
        });
    }
    events
}

#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    /// Its name in the directory was synced.
    named: bool,
    pending: Vec<Event>,
}

/// The files of one directory.
#[derive(Clone)]
pub struct Disk(BTreeMap<String, File>);

impl Disk {
    /// What lies in `directory`, all of it durable.
    pub fn of(directory: &Path) -> Self {
        let files = std::fs::read_dir(directory).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, File { durable: std::fs::read(path).unwrap(), named: true, pending: Vec::new() })
        });
        Self(files.collect())
    }

    /// One more call.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Mark(_) => {}
            Event::Create(name) => drop(self.0.insert(name.clone(), File::default())),
            Event::Write { name, .. } | Event::Truncate { name, .. } => {
                self.0.entry(name.clone()).or_default().pending.push(event.clone());
            }
            Event::Sync(name) if name == "." => self.0.values_mut().for_each(|file| file.named = true),
            Event::Sync(name) => {
                let file = self.0.entry(name.clone()).or_default();
                for event in std::mem::take(&mut file.pending) {
                    play(&mut file.durable, &event, |_| true);
                }
            }
            Event::Unlink(name) => panic!("nothing in a vault is unlinked, but {name} was"),
        }
    }

    /// The files after the power was lost.
    pub fn after_power_loss(&self, unsynced: Unsynced, dice: &mut Dice) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (name, file) in &self.0 {
            let mut luck = |_| match unsynced {
                Unsynced::Kept => true,
                Unsynced::Lost => false,
                Unsynced::Some | Unsynced::Torn => dice.below(2) == 0,
            };
            if !file.named && !luck(0) {
                continue;
            }
            let mut bytes = file.durable.clone();
            for event in &file.pending {
                match unsynced {
                    Unsynced::Torn => play(&mut bytes, event, &mut luck),
                    _ => {
                        let kept = luck(0);
                        play(&mut bytes, event, |_| kept);
                    }
                }
            }
            files.insert(name.clone(), bytes);
        }
        files
    }
}

/// Does to `bytes` what `event` did, for the sectors that `kept` names.
fn play(bytes: &mut Vec<u8>, event: &Event, mut kept: impl FnMut(usize) -> bool) {
    match event {
        Event::Truncate { len, .. } if kept(0) => bytes.resize(*len, 0),
        Event::Truncate { .. } => {}
        Event::Write { offset, bytes: written, .. } => {
            let end = offset + written.len();
            let mut start = *offset;
            while start < end {
                let stop = (start / SECTOR * SECTOR + SECTOR).min(end);
                if kept(start / SECTOR) {
                    if bytes.len() < stop {
                        bytes.resize(stop, 0);
                    }
                    bytes[start..stop].copy_from_slice(&written[start - offset..stop - offset]);
                }
                start = stop;
            }
        }
        _ => {}
    }
}

/// Puts files into a new directory, as a vault has them.
pub fn put(files: &BTreeMap<String, Vec<u8>>, directory: &Path) {
    std::fs::DirBuilder::new().mode(0o700).create(directory).unwrap();
    for (name, bytes) in files {
        use std::io::Write;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(directory.join(name)).unwrap().write_all(bytes).unwrap();
    }
}
