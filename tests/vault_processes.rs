//! Many processes on one vault: no acknowledged row is missing, no call fails, nobody is locked out.

#![allow(unsafe_code)]

mod faults;

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use faults::*;
use strongroom::vault::*;

const WRITING: Duration = Duration::from_secs(5);
const READERS: usize = 32;
const WRITERS: usize = 4;

/// What one process reports: names that were acknowledged, and how long each call took.
struct Report(std::fs::File);

impl Report {
    fn of(vault: &Path, who: &str) -> Self {
        let path = Self::path(vault, who);
        Self(std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap())
    }

    fn path(vault: &Path, who: &str) -> PathBuf {
        vault.with_file_name(format!("report-{who}"))
    }

    fn say(&mut self, text: &str, took: Duration) {
        self.0.write_all(format!("{text} {}\n", took.as_micros()).as_bytes()).unwrap();
    }

    /// The names and the times; a call that failed fails the test.
    fn read(vault: &Path, who: &str) -> (Vec<String>, Vec<u64>) {
        let text = std::fs::read_to_string(Self::path(vault, who)).unwrap();
        let lines = text.lines().map(|line| line.rsplit_once(' ').unwrap());
        lines
            .map(|(name, took)| {
                assert!(!name.starts_with("error"), "{who}: {name}");
                (name.to_owned(), took.parse::<u64>().unwrap())
            })
            .unzip()
    }
}

/// Waits until all processes are told to begin at once.
fn wait_for_start(vault: &Path) {
    while !vault.with_file_name("start").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Creates secrets for a while; a fresh vault each ten, as programs come and go.
fn write_for(vault: &Path, who: &str, patience: Duration, fresh: &dyn Fn() -> Result<std::sync::Arc<dyn VaultAdmin>>) {
    let mut report = Report::of(vault, who);
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < patience {
        let opened = match fresh() {
            Ok(opened) => opened,
            Err(error) => return report.say(&format!("error login: {error}"), Duration::ZERO),
        };
        for _ in 0..10 {
            let name = format!("{who}-{number}");
            number += 1;
            let start = Instant::now();
            match opened.create(vec![secret_draft(&name, name.as_bytes())]) {
                Ok(_) => report.say(&name, start.elapsed()),
                Err(error) => report.say(&format!("error {name}: {error}"), start.elapsed()),
            }
        }
    }
}

fn log_in(path: &Path) -> Result<std::sync::Arc<dyn VaultAdmin>> {
    let vault = open(path);
    vault.unlock(&user(USER_PIN)).map(|()| vault)
}

/// A parent that writes, and its forked child that does the same.
fn write_as_family(path: &Path) {
    strongroom::sys::fork::register();
    let vault = unlocked(path);
    // SAFETY: the child uses the vault as a forked host does, and leaves with `_exit`.
    let child = match unsafe { libc::fork() } {
        0 => {
            let ours = vault.in_forked_child().unwrap();
            ours.unlock(&user(USER_PIN)).unwrap();
            write_for(path, "child", WRITING, &|| log_in(path));
            // SAFETY: nothing of the parent is to run again in here.
            unsafe { libc::_exit(0) }
        }
        child => child,
    };
    write_for(path, "parent", WRITING, &|| log_in(path));
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
}

/// Asks for what changed, finds an object and signs, again and again.
fn read_on(path: &Path, who: &str) {
    let mut report = Report::of(path, who);
    let vault = match log_in(path) {
        Ok(vault) => vault,
        Err(error) => return report.say(&format!("error login: {error}"), Duration::ZERO),
    };
    wait_for_start(path);
    let began = Instant::now();
    while began.elapsed() < WRITING {
        let start = Instant::now();
        let refreshed = vault.refresh();
        let took = start.elapsed();
        let image = vault.image();
        let number = image.with_class(Class::PrivateKey).next().unwrap().number;
        match refreshed.and_then(|()| sign(&*vault, number)) {
            Ok(_) => report.say("read", took),
            Err(error) => report.say(&format!("error read: {error}"), took),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn play(role: &str, path: &Path) {
    match role.split_once(' ').unwrap_or((role, "")) {
        ("family", _) => write_as_family(path),
        ("writer", who) => {
            wait_for_start(path);
            write_for(path, who, WRITING, &|| log_in(path));
        }
        ("reader", who) => read_on(path, who),
        ("login", _) => {
            wait_for_start(path);
            unlocked(path);
        }
        _ => panic!("unknown role {role}"),
    }
}

fn finish(processes: Vec<(String, Child)>) {
    for (who, mut process) in processes {
        assert!(process.wait().unwrap().success(), "{who}");
    }
}

/// The vault holds exactly what was acknowledged.
fn holds(path: &Path, names: &[String]) {
    let vault = unlocked(path);
    let image = vault.image();
    let secrets = image.with_class(Class::Data);
    let found: HashSet<String> = secrets
        .map(|object| String::from_utf8(vault.secret(object.number).unwrap().expose().to_vec()).unwrap())
        .collect();
    let missing: Vec<&String> = names.iter().filter(|name| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), names.len());
    assert_eq!(found.len(), names.len(), "and nothing else is there");
}

fn percentiles(what: &str, mut micros: Vec<u64>) {
    micros.sort_unstable();
    let at = |percent: usize| micros[(micros.len() * percent / 100).min(micros.len() - 1)] as f64 / 1000.0;
    let longest = micros[micros.len() - 1] as f64 / 1000.0;
    println!("{what}: {} calls, p50 {} ms, p99 {} ms, longest {longest} ms", micros.len(), at(50), at(99));
}

#[test]
fn load_of_parent_child_and_a_third_process_loses_no_row() {
    const TEST: &str = "load_of_parent_child_and_a_third_process_loses_no_row";
    if let Some((role, path)) = role() {
        return play(&role, &path);
    }
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    std::fs::write(path.with_file_name("start"), "").unwrap();
    let start = |role: &str| (role.to_owned(), process(TEST, role, &path).spawn().unwrap());
    finish(["family", "writer third"].map(start).into());
    let mut all = Vec::new();
    for who in ["parent", "child", "third"] {
        let (names, micros) = Report::read(&path, who);
        percentiles(who, micros);
        all.extend(names);
    }
    assert!(all.len() > 30);
    holds(&path, &all);
}

#[test]
fn load_of_thirty_two_readers_and_four_writers_loses_nothing_and_fails_no_call() {
    const TEST: &str = "load_of_thirty_two_readers_and_four_writers_loses_nothing_and_fails_no_call";
    if let Some((role, path)) = role() {
        return play(&role, &path);
    }
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    pair(&*unlocked(&path), "www").unwrap();
    let roles = (0..WRITERS).map(|n| format!("writer w{n}")).chain((0..READERS).map(|n| format!("reader r{n}")));
    let processes = roles.map(|role| (role.clone(), process(TEST, &role, &path).spawn().unwrap())).collect();
    // Time for all of them to log in.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::write(path.with_file_name("start"), "").unwrap();
    finish(processes);
    let (mut names, mut writes, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for writer in 0..WRITERS {
        let (theirs, micros) = Report::read(&path, &format!("w{writer}"));
        names.extend(theirs);
        writes.extend(micros);
    }
    (0..READERS).for_each(|reader| reads.extend(Report::read(&path, &format!("r{reader}")).1));
    assert!(names.len() >= WRITERS && reads.len() >= READERS);
    percentiles("writes", writes);
    percentiles("reads", reads);
    holds(&path, &names);
}

#[test]
fn load_of_thirty_two_logins_at_once_locks_nobody_out() {
    const TEST: &str = "load_of_thirty_two_logins_at_once_locks_nobody_out";
    if let Some((role, path)) = role() {
        return play(&role, &path);
    }
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    let start = |n: usize| (format!("login {n}"), process(TEST, "login", &path).spawn().unwrap());
    let processes: Vec<_> = (0..32).map(start).collect();
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    std::fs::write(path.with_file_name("start"), "").unwrap();
    finish(processes);
    println!("32 logins in {:?}", began.elapsed());
    assert_eq!(open(&path).info().unwrap().user_pin.unwrap().failed, 0);
    unlocked(&path);
}
