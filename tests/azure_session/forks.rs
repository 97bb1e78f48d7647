//! A forked child has connections and tokens of its own, and leaves its parent's alone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strongroom::backend::azure::session::Session;
use strongroom::config::{AzureCredential, SecretText};
use strongroom::sys::{fork as forks, socket};

use crate::child::fork;
use crate::scene::{Scene, is_signed_by, make_key, sign};

/// The inodes of the sockets that this process has.
fn sockets() -> Vec<PathBuf> {
    let links =
        std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).collect()
}

/// At the server itself, whose TLS is another process's: the proxy's threads would be forked in the middle of theirs.
fn session(scene: &Scene) -> Session {
    let credential = AzureCredential::ClientSecret {
        client_id: scene.client_id.clone(),
        secret: Some(SecretText::new(scene.secret.clone())),
    };
    Session::new(&scene.config_at_server(credential)).unwrap()
}

/// What a child finds; a number for each fault.
fn child_of(parents: &Session, inherited: &[PathBuf], key: &str) -> i32 {
    if sockets().iter().any(|socket| inherited.contains(socket)) {
        return 1;
    }
    let ours = parents.in_forked_child();
    if !signs(&ours, key) {
        return 2;
    }
    let own = socket::open();
    ours.log_out();
    if own == 0 || socket::open() != 0 {
        return 3;
    }
    if signs(&ours, key) { 0 } else { 4 }
}

/// Rightly.
fn signs(session: &Session, key: &str) -> bool {
    sign(session, key).is_ok_and(|answer| is_signed_by(session, key, &answer))
}

#[test]
fn a_child_signs_over_connections_of_its_own_and_the_parent_goes_on_with_its() {
    forks::register();
    let scene = Scene::new();
    let tests_own = sockets();
    let session = session(&scene);
    let key = make_key(&session, "www");
    sign(&session, &key).unwrap();
    let inherited: Vec<_> = sockets().into_iter().filter(|socket| !tests_own.contains(socket)).collect();
    let before = socket::open();
    assert!(before >= 2, "{before}");
    for _ in 0..3 {
        assert_eq!(fork(|| child_of(&session, &inherited, &key)).code(), 0);
        sign(&session, &key).unwrap();
        assert_eq!(socket::open(), before, "the parent kept its connections");
    }
}

#[test]
fn rounds_of_forks_in_the_middle_of_requests() {
    const FORKS: usize = 60;
    forks::register();
    let scene = Scene::new();
    let session = session(&scene);
    let key = make_key(&session, "www");
    let (stop, signed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert!(signs(&session, &key));
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..FORKS {
            let before = signed.load(Ordering::Relaxed);
            let code = fork(|| {
                let ours = session.in_forked_child();
                if signs(&ours, &key) { 0 } else { 1 }
            })
            .code();
            assert_eq!(code, 0);
            while signed.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{FORKS} forks, {} signatures of the parent's threads, none failed", signed.load(Ordering::Relaxed));
}
