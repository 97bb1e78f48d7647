//! A program that forks while a signature is under way.

use std::thread;
use std::time::Duration;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectClass;
use cryptoki::session::UserType;

use crate::child::fork;
use crate::program::{DIGEST, Program, find, opened};
use crate::proxy::Fault;
use crate::scene::{HANG, Scene, make_key};
use crate::stage::is_ours;

/// What a worker does; a number for each step that fails.
fn child_signs() -> i32 {
    let (_pkcs11, session) = opened();
    if session.login(UserType::User, None).is_err() {
        return 1;
    }
    let key = find(&session, ObjectClass::PRIVATE_KEY, "www");
    let public = find(&session, ObjectClass::PUBLIC_KEY, "www");
    for _ in 0..3 {
        let Ok(signature) = session.sign(&Mechanism::Ecdsa, key, &DIGEST) else { return 2 };
        if session.verify(&Mechanism::Ecdsa, public, &DIGEST, &signature).is_err() {
            return 3;
        }
    }
    0
}

#[test]
fn a_child_that_is_forked_off_in_the_middle_of_a_request_signs_rightly_and_so_does_its_parent() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    make_key(&scene.session(), "www");
    let mut program = Program::at(&scene, &["Key Vault Crypto User"], "timeout = 20\n");
    program.log_in();
    let (key, public) = (program.private("www"), program.public("www"));
    program.signs("www");
    for _ in 0..3 {
        scene.proxy.seen();
        let before = scene.proxy.connections();
        scene.proxy.plan(&[Fault::Delay(Duration::from_secs(2))]);
        let child = thread::scope(|scope| {
            // The child has this thread alone: the one whose signature is under way is gone there.
            let forking = scope.spawn(|| {
                let begun = std::time::Instant::now();
                while scene.proxy.seen().is_empty() {
                    assert!(begun.elapsed() < HANG);
                    thread::sleep(Duration::from_millis(2));
                }
                fork(child_signs)
            });
            let signature = program.session.sign(&Mechanism::Ecdsa, key, &DIGEST).unwrap();
            program.session.verify(&Mechanism::Ecdsa, public, &DIGEST, &signature).unwrap();
            forking.join().unwrap()
        });
        assert_eq!(child.code(), 0, "{}", program.log());
        let made = scene.proxy.connections();
        assert!(made > before, "the child has connections of its own");
        program.signs("www");
        assert_eq!(scene.proxy.connections(), made, "and the parent its own still");
    }
    assert_eq!(program.log(), "");
}
