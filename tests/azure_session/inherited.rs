//! What a worker finds in its memory that was forked off a process in which somebody had logged in: neither the PIN, which
//! is a client's secret, nor a token.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use strongroom::backend::azure::session::Session;
use strongroom::config::{AzureConfig, AzureCredential, Origin};
use strongroom::vault::Pin;

use crate::child::fork;
use crate::credentials::token_of;
use crate::scene::{HANG, Scene, VAULT, make_key, sign, write};

/// Set in the process that forks: the scene's folder. Port, client and key stand in files there.
const INSIDE: &str = "STRONGROOM_TEST_INSIDE";

/// How often this lies in the writable memory of a process.
fn times_in(process: &str, wanted: &str) -> usize {
    let memory = fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut times = 0;
    for line in fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; (end - start) as usize];
        if words[1].starts_with("rw") && memory.read_exact_at(&mut bytes, start).is_ok() {
            times += bytes.windows(wanted.len()).filter(|part| *part == wanted.as_bytes()).count();
        }
    }
    times
}

fn written(path: &Path) -> String {
    let begun = Instant::now();
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(begun.elapsed() < HANG, "{}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_worker_inherits_neither_the_pin_nor_a_token() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return host(Path::new(&folder));
    }
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    let token = token_of(&scene);
    // Its first part says how it is signed, and is the same in all.
    let head = format!("{}.", token.split_once('.').unwrap().0);
    for (name, text) in [
        ("port", scene.proxy.port().to_string()),
        ("client", scene.client_id.clone()),
        ("socket", scene.socket().display().to_string()),
        ("key", key),
    ] {
        write(scene.path(name), &format!("{text}\n"));
    }
    write(scene.path("secret"), &scene.secret);
    let this = "inherited::a_worker_inherits_neither_the_pin_nor_a_token";
    let mut host = Command::new(std::env::current_exe().unwrap());
    let mut host = host.args(["--exact", this]).env(INSIDE, scene.folder.path()).spawn().unwrap();
    let worker = written(&scene.path("worker"));
    let found =
        [&scene.secret, &head].map(|canary| (times_in(&host.id().to_string(), canary), times_in(&worker, canary)));
    write(scene.path("looked"), "\n");
    assert!(host.wait().unwrap().success());
    for (in_host, in_worker) in found {
        assert!(in_host > 0, "the host itself has it");
        assert_eq!(in_worker, 0);
    }
}

/// Logs in at the socket, where no TLS has buffers of its own, signs, and forks.
fn host(folder: &Path) {
    strongroom::sys::fork::register();
    let of = |name: &str| written(&folder.join(name));
    let origin = Origin::parse(&format!("https://{VAULT}:{}", of("port"))).unwrap();
    let credential = AzureCredential::ClientSecret { client_id: of("client"), secret: None };
    let mut config = AzureConfig::at(origin, credential);
    config.remote.socket = Some(of("socket").into());
    let session = Session::new(&config).unwrap();
    let pin = Pin::new(fs::read(folder.join("secret")).unwrap());
    session.log_in(Some(&pin)).unwrap();
    drop(pin);
    sign(&session, &of("key")).unwrap();
    let worker = fork(|| {
        while !folder.join("looked").exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        i32::from(session.in_forked_child().can_ask())
    });
    write(folder.join("worker"), &format!("{}\n", worker.0));
    assert_eq!(worker.code(), 0);
}
