//! What lies in the memory of a worker that was forked off between calls and gave root's rights up: the keys that
//! `objects` allows, and nothing else of the vault.

#![allow(unsafe_code)]

#[path = "faults/child.rs"]
#[allow(dead_code, reason = "only forking and rights")]
mod child;
mod faults;
#[path = "faults/keys.rs"]
mod keys;

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use child::{become_nobody, fork, is_root};
use faults::*;
use keys::Canary;
use strongroom::config::VaultConfig;
use strongroom::crypto::{CipherScheme, DigestAlgorithm, Direction, MacScheme, Text};
use strongroom::pkcs11::slot::session_objects::SessionObjects;
use strongroom::sys;
use strongroom::vault::*;

/// Bytes at the start of each canary by which it is looked for.
const HEAD: usize = 8;

/// Which canaries lie in the writable memory of a process.
fn found_in(process: i32, canaries: &[Canary]) -> Vec<String> {
    let mut heads: HashMap<[u8; HEAD], Vec<&Canary>> = HashMap::new();
    for canary in canaries {
        heads.entry(canary.1[..HEAD].try_into().unwrap()).or_default().push(canary);
    }
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut found = Vec::new();
    let mut searched = 0;
    for line in std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words[1].starts_with("rw") {
            continue;
        }
        let (start, end) = words[0].split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        searched += bytes.len();
        for at in 0..bytes.len().saturating_sub(HEAD) {
            let Some(candidates) = heads.get(&bytes[at..at + HEAD]) else { continue };
            for (name, canary) in candidates.iter().filter(|(_, canary)| bytes[at..].starts_with(canary)) {
                let place = words.get(5).copied().unwrap_or("anonymous");
                found.push(format!("{name} ({} bytes) at {:#x} in {place}", canary.len(), start + at as u64));
            }
        }
    }
    println!("process {process}: {} KiB searched for {} canaries", searched / 1024, canaries.len());
    assert!(searched > 100_000);
    found
}

fn filtered(path: &Path) -> VaultConfig {
    VaultConfig { objects: vec!["allowed*".into()], ..config(path) }
}

fn number_of(vault: &dyn Vault, label: &str) -> ObjectNumber {
    let image = vault.image();
    image.with_label(label.as_bytes()).find(|object| object.content.class != Class::PublicKey).unwrap().number
}

/// Secret keys of the vault, all allowed by name: two that are used, and two whose copies in a session are.
const SECRET_KEYS: [(&str, KeyAlgorithm); 4] = [
    ("allowed-aes", KeyAlgorithm::Aes { bits: 256 }),
    ("allowed-hmac", KeyAlgorithm::Generic { bytes: 64 }),
    ("allowed-copied-aes", KeyAlgorithm::Aes { bits: 128 }),
    ("allowed-copied-hmac", KeyAlgorithm::Generic { bytes: 48 }),
];

fn secret_key_draft(label: &str) -> Draft {
    let content = Content {
        label: label.as_bytes().to_vec(),
        usage: Usage::ENCRYPT | Usage::SIGN,
        ..Content::new(Class::SecretKey)
    };
    Draft { content, naming: Naming::Set(name(label)), secret: None }
}

/// What encryption or a MAC makes of a message with this key, by whichever it is for.
fn used(key: &dyn SecretKey) -> Vec<u8> {
    let key = key.usable().unwrap().here().unwrap();
    let mut out = vec![0; 64];
    let len = match key.algorithm() {
        KeyAlgorithm::Aes { .. } => {
            // An expanded key begins with the key itself.
            let mut messages = key.gcm_messages(Direction::Encrypt).unwrap();
            messages.at_work().begin(&[0; 12], &[]).unwrap();
            messages.at_work().pass(Text::InPlace(&mut out)).unwrap();
            messages.at_work().tag(&mut [0; 16]).unwrap();
            let scheme = CipherScheme::AesGcm { iv: &[0; 12], aad: &[], tag_len: 16 };
            key.cipher(&scheme, Direction::Encrypt).unwrap().whole(b"message", &mut out)
        }
        _ => {
            let mut mac = key.mac(MacScheme::Hmac(DigestAlgorithm::Sha256)).unwrap();
            mac.update(b"message");
            mac.finish(&mut out)
        }
    };
    out.truncate(len.unwrap());
    out
}

/// Whether a key refuses everything, as one of a parent does; not with zeros as its value.
fn refuses(key: &dyn SecretKey) -> bool {
    let key = key.usable().unwrap().here().unwrap();
    let scheme = CipherScheme::AesGcm { iv: &[0; 12], aad: &[], tag_len: 16 };
    key.value().is_err()
        && key.cipher(&scheme, Direction::Encrypt).is_err()
        && key.gcm_messages(Direction::Encrypt).is_err()
        && key.mac(MacScheme::Hmac(DigestAlgorithm::Sha256)).is_err()
        && key.mac(MacScheme::AesCmac).is_err()
}

/// The last two of [`SECRET_KEYS`] in a session.
fn copies(vault: &dyn Vault, session: &SessionObjects) -> Vec<Arc<dyn SecretKey>> {
    let copy = |label| {
        let number = number_of(vault, label);
        let content = vault.image().get(number).unwrap().content.clone();
        let secret = Some(vault.secret(number).unwrap());
        let copy = session.create(1, Draft { content, naming: Naming::None, secret }, || Ok(())).unwrap();
        session.load().secret_key(copy).unwrap()
    };
    SECRET_KEYS[2..].iter().map(|(label, _)| copy(label)).collect()
}

/// The host: logs in, signs, changes and reads, and forks a worker that signs; both then wait to be looked at.
fn host(path: &Path) {
    sys::fork::register();
    let vault = open_with(&filtered(path));
    vault.unlock(&user(USER_PIN)).unwrap();
    sign(&*vault, number_of(&*vault, "allowed")).unwrap();
    vault.create(vec![secret_draft("allowed-by-name-only", b"another value")]).unwrap();
    // Another process has changed something since, which this one loads.
    std::fs::write(path.with_file_name("ready-to-load"), "").unwrap();
    while !path.with_file_name("changed").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    vault.refresh().unwrap();
    vault.secret(number_of(&*vault, "allowed-secret")).unwrap();
    let session = SessionObjects::default();
    let mut keys = copies(&*vault, &session);
    keys.extend(SECRET_KEYS[..2].iter().map(|(label, _)| vault.secret_key(number_of(&*vault, label)).unwrap()));
    keys.iter().for_each(|key| assert!(!used(&**key).is_empty()));
    // One that overwrites nothing of what it got.
    let idle = fork(|| {
        // SAFETY: waits to be ended by whoever looks.
        unsafe { libc::pause() };
        0
    });
    let worker_says = std::fs::File::create(path.with_file_name("worker")).unwrap();
    let worker = fork(|| {
        become_nobody();
        let ours = vault.in_forked_child().unwrap();
        ours.unlock(&user(USER_PIN)).unwrap();
        sign(&*ours, number_of(&*ours, "allowed")).unwrap();
        assert!(keys.iter().all(|key| refuses(&**key)));
        (&worker_says).write_all(b"done").unwrap();
        std::thread::sleep(Duration::from_secs(60));
        0
    });
    std::fs::write(path.with_file_name("pids"), format!("{} {} {}", std::process::id(), worker.0, idle.0)).unwrap();
    // Ended by whoever looks.
    std::thread::sleep(Duration::from_secs(60));
}

fn wait_for(path: &Path) -> String {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if let Some(text) =
            std::fs::read_to_string(path).ok().filter(|text| path.ends_with("ready-to-load") || !text.is_empty())
        {
            return text;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("nobody wrote {}", path.display());
}

#[test]
fn a_worker_holds_the_keys_that_objects_allows_and_nothing_else() {
    const TEST: &str = "a_worker_holds_the_keys_that_objects_allows_and_nothing_else";
    if let Some((_, path)) = role() {
        return host(&path);
    }
    if !is_root() {
        println!("not root: a process without root's rights can't give them up, so there is nothing to see here");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let place = place();
    let path = place.path().join("vault");
    make(&path);
    let vault = unlocked(&path);
    let [allowed, _] = pair(&*vault, "allowed").unwrap();
    let [other, _] = pair(&*vault, "other").unwrap();
    let value = SecretBytes::filled(64, strongroom::crypto::random).unwrap();
    let secret = vault.create(vec![secret_draft("allowed-secret", value.expose())]).unwrap().remove(0);
    for (label, algorithm) in SECRET_KEYS {
        vault.generate_secret(algorithm, secret_key_draft(label)).unwrap();
    }

    let mut host = process(TEST, "host", &path).stdout(std::process::Stdio::inherit()).spawn().unwrap();
    wait_for(&path.with_file_name("ready-to-load"));
    vault
        .change(&[other.number], &mut |content| {
            content.tags.insert("changed".into(), "yes".into());
            Ok(())
        })
        .unwrap();
    std::fs::write(path.with_file_name("changed"), "").unwrap();
    let pids = wait_for(&path.with_file_name("pids"));
    let pids: Vec<i32> = pids.split(' ').map(|text| text.parse().unwrap()).collect();
    let [parent, worker, idle] = pids[..] else { panic!("{pids:?}") };
    // Until the worker has signed.
    wait_for(&path.with_file_name("worker"));

    let all = keys::of(&path, USER_PIN);
    let mut canaries = all.root;
    for (number, key) in &all.private_parts {
        if *number != allowed.number {
            canaries.push((format!("the key of record {number}'s private part"), key.clone()));
        }
    }
    canaries.push(("the other key's private number".into(), scalar(&*vault, other.number)));
    canaries.push(("the secret's value".into(), vault.secret(secret.number).unwrap().expose().to_vec()));
    let secret_keys = SECRET_KEYS.map(|(label, _)| {
        let value = vault.secret(number_of(&*vault, label)).unwrap().expose().to_vec();
        (format!("the value of {label}"), value)
    });
    for (name, value) in &secret_keys {
        let states = [0x36, 0x5C].map(|pad| (format!("an HMAC state with {name}"), keys::hmac_state(value, pad)));
        canaries.extend(states);
    }
    canaries.extend(secret_keys.iter().cloned());
    let in_worker = found_in(worker, &canaries);
    let in_idle = found_in(idle, &canaries);
    // The search finds what is there: the parent has the root key, the worker the key that it is allowed.
    let in_parent = found_in(parent, &canaries);
    let ring = all.private_parts.iter().find(|(number, _)| *number == allowed.number).unwrap();
    let ring_in_worker = found_in(worker, &[("the allowed key's ring slot".into(), ring.1.clone())]);
    // SAFETY: three processes that this test started.
    let killed = unsafe { [worker, idle, parent].map(|process| libc::kill(process, libc::SIGKILL)) };
    assert_eq!(killed, [0; 3]);
    host.wait().unwrap();
    println!("in the parent: {in_parent:#?}");
    assert!(in_parent.iter().any(|name| name.starts_with("the root key")), "the search is blind");
    for (name, _) in &secret_keys {
        assert!(in_parent.iter().any(|found| found.starts_with(name)), "the search is blind to {name}");
    }
    assert!(!ring_in_worker.is_empty(), "the search is blind");
    assert!(in_worker.is_empty(), "{in_worker:#?}");
    assert!(in_idle.is_empty(), "{in_idle:#?}");
}

/// The 32 bytes of a P-256 key, after version and tag in its PKCS#8.
fn scalar(vault: &dyn Vault, number: ObjectNumber) -> Vec<u8> {
    let pkcs8 = vault.secret(number).unwrap();
    let before = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = pkcs8.expose().windows(before.len()).position(|window| window == before).unwrap() + before.len();
    pkcs8.expose()[at..at + 32].to_vec()
}
