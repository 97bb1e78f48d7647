//! A vault that isn't there at the start or in the middle, that is busy, or that shows another certificate.

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;

use crate::program::{BUDGET, DIGEST, Program, TIMEOUT};
use crate::proxy::Fault;
use crate::scene::{Scene, make_key};
use crate::stage::served::Way;
use crate::stage::{Stage, is_ours};

const UNREACHABLE: &str = "can't be reached";

#[test]
fn a_vault_that_is_down_at_the_start_is_used_by_the_same_session_once_it_is_up() {
    if !is_ours() {
        return;
    }
    let mut stage = Stage::at_server(Way::Tls, &["Key Vault Crypto User"]);
    let table = format!("{}{TIMEOUT}", stage.served.as_ref().unwrap().table(Way::Tls));
    let served = stage.served.as_mut().unwrap();
    served.strongroom(&["key", "create", "www", "--kind", "p-256"]);
    served.kill();
    let mut program = Program::configured(&stage.path(""), &table);
    assert_eq!(program.log(), "", "nothing is asked before it is needed");
    let down = (BUDGET, RvError::DeviceError, &[UNREACHABLE, "refused", "check", "that the server runs"][..]);
    for _ in 0..2 {
        program.fails(down, |session| session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY)]));
        program.fails(down, |session| session.login(UserType::User, None));
    }
    stage.served.as_mut().unwrap().run();
    program.log_in();
    program.signs("www");
    let key = program.private("www");
    // And in the middle.
    stage.served.as_mut().unwrap().kill();
    for _ in 0..2 {
        program.fails(down, |session| session.sign(&Mechanism::Ecdsa, key, &DIGEST));
    }
    stage.served.as_mut().unwrap().run();
    let signature = program.session.sign(&Mechanism::Ecdsa, key, &DIGEST).unwrap();
    program.session.verify(&Mechanism::Ecdsa, program.public("www"), &DIGEST, &signature).unwrap();
}

#[test]
fn a_busy_or_broken_server_is_said_and_the_session_goes_on() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let (mut program, key) = Program::signing(&scene, &["Key Vault Crypto User"], TIMEOUT);
    for (fault, why) in [
        (Fault::Answer(429, "Retry-After: 60\r\n", ""), "is busy"),
        (Fault::Answer(429, "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n", ""), "is busy"),
        (Fault::Answer(429, "", ""), "is busy"),
        (Fault::Answer(503, "", ""), "answered 503"),
        (Fault::Stall, "in time"),
        (Fault::StallInside, "in time"),
        (Fault::Reset, "check"),
        (Fault::Truncate, "broke off"),
    ] {
        scene.proxy.always(fault);
        program.fails((BUDGET, RvError::DeviceError, &[why]), |session| session.sign(&Mechanism::Ecdsa, key, &DIGEST));
        scene.proxy.always(Fault::None);
        program.signs("www");
    }
}

#[test]
fn what_answers_in_the_vaults_place_before_the_login_is_no_wrong_pin() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    make_key(&scene.session(), "www");
    let mut program = Program::at(&scene, &["Key Vault Crypto User"], TIMEOUT);
    for (fault, why) in [
        (Fault::Html, "200 to a request without a token"),
        (Fault::Answer(404, "", ""), "404 to a request without a token"),
        (Fault::Answer(429, "Retry-After: 60\r\n", ""), "answered 429"),
        (Fault::Answer(503, "", ""), "answered 503"),
    ] {
        scene.proxy.always(fault);
        program.fails((BUDGET, RvError::DeviceError, &[why]), |session| session.login(UserType::User, None));
        scene.proxy.always(Fault::None);
    }
    // The vault says once who gives tokens, and that one answers with something else.
    scene.proxy.plan(&[Fault::None]);
    for fault in [Fault::Html, Fault::Garble, Fault::Body(|body| body[..body.len() / 2].to_owned())] {
        scene.proxy.plan(&[fault]);
        let why = ["a request for a token with something else"];
        program.fails((BUDGET, RvError::DeviceError, &why), |session| session.login(UserType::User, None));
        assert_eq!(scene.proxy.planned(), 0);
    }
    program.session.login(UserType::User, None).unwrap();
    let private = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    for fault in [Fault::Html, Fault::Garble, Fault::Body(|body| body[..body.len() / 2].to_owned())] {
        scene.proxy.plan(&[fault]);
        let why = ["answered something that can't be used"];
        program.fails((BUDGET, RvError::DeviceError, &why), |session| session.find_objects(&private));
    }
    program.signs("www");
}

#[test]
fn a_new_certificate_of_the_same_authority_is_taken_and_one_of_another_is_not() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let (mut program, key) = Program::signing(&scene, &["Key Vault Crypto User"], TIMEOUT);
    scene.proxy.changes_its_key(false);
    program.signs("www");
    assert_eq!(program.log(), "");
    scene.proxy.changes_its_key(true);
    scene.proxy.seen();
    for _ in 0..2 {
        let why = [UNREACHABLE, "certificate", "`ca_file`"];
        program.fails((BUDGET, RvError::DeviceError, &why), |session| session.sign(&Mechanism::Ecdsa, key, &DIGEST));
    }
    assert_eq!(scene.proxy.seen(), [], "nothing was sent");
    scene.proxy.has_its_first_key();
    program.signs("www");
}

#[test]
fn another_key_than_the_pinned_one_is_not_taken_though_the_authority_signed_it() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let lines = format!("{TIMEOUT}tls_pins = [\"{}\"]\n", scene.proxy.pin);
    let (mut program, key) = Program::signing(&scene, &["Key Vault Crypto User"], &lines);
    scene.proxy.changes_its_key(false);
    scene.proxy.seen();
    let why = [UNREACHABLE, "`tls_pins`", "put its pin into the configuration"];
    program.fails((BUDGET, RvError::DeviceError, &why), |session| session.sign(&Mechanism::Ecdsa, key, &DIGEST));
    assert_eq!(scene.proxy.seen(), [], "nothing was sent");
    scene.proxy.has_its_first_key();
    program.signs("www");
}
