//! The module in a process that isn't ours: forks, exits, unloading, small stacks, other users, closed descriptors. What the
//! host does is in `tests/c/host_process.c`; here is what it is called with, and how often.

mod stage;

use std::process::Command;

use stage::{Stage, is_ours, is_root, module, succeed};

/// A token with the keys and the secret that the program uses, and the program.
fn host(stage: &Stage) -> impl Fn(&[&str]) -> Command {
    stage.key_pair("rsa:2048", "rsa", "01");
    stage.key_pair("EC:prime256v1", "curve", "02");
    stage.file("value", b"canary-of-the-secret");
    stage.pkcs11_tool_logged_in("--write-object value --type data --label secret --private");
    let program = stage.compile("tests/c/host_process.c", &["-ldl"]);
    move |arguments: &[&str]| {
        let mut command = stage.command(&program);
        command.arg(module()).args(arguments);
        command
    }
}

/// The number of Debian's `www-data`.
const WWW_DATA: &str = "33";

#[test]
fn rounds_of_forks_while_eight_threads_sign() {
    let stage = Stage::new();
    let host = host(&stage);
    if is_root() {
        succeed(
            host(&["forks", "2000", WWW_DATA, "10"]).env("STRONGROOM_LOG", "trace").stderr(std::process::Stdio::null()),
        );
    }
}

#[test]
fn rounds_of_forks_whose_children_open_the_vault_themselves() {
    let stage = Stage::new();
    // Each of these logs in in full, beside eight busy threads.
    succeed(&mut host(&stage)(&["forks", "20", "0", "60"]));
}

#[test]
fn rounds_of_exits_while_four_threads_sign() {
    let stage = Stage::new();
    let host = host(&stage);
    for round in 0..200 {
        succeed(&mut host(&["exit", &(round * 37 % 5000).to_string()]));
    }
}

#[test]
fn a_call_after_exit_began_is_refused() {
    if is_ours() {
        let stage = Stage::new();
        succeed(&mut host(&stage)(&["late"]));
    }
}

#[test]
fn a_thread_may_end_after_the_module_was_unloaded() {
    let stage = Stage::new();
    succeed(&mut host(&stage)(&["unload"]));
}

#[test]
fn every_operation_fits_on_a_stack_of_128_kib() {
    let stage = Stage::new();
    succeed(&mut host(&stage)(&["stack"]));
}

#[test]
fn a_worker_without_rights_signs_with_its_parents_keys_and_can_do_nothing_else() {
    if is_root() && is_ours() {
        let stage = Stage::new();
        succeed(&mut host(&stage)(&["worker", WWW_DATA, stage.vault().to_str().unwrap()]));
    }
}

#[test]
fn a_secret_is_not_in_a_workers_memory() {
    if is_root() && is_ours() {
        let stage = Stage::new();
        succeed(&mut host(&stage)(&["canary", WWW_DATA]));
    }
}

#[test]
fn descriptors_that_the_host_closes_or_replaces_are_not_used() {
    let stage = Stage::new();
    succeed(&mut host(&stage)(&["descriptors", &stage.at("hosts-own")]));
}
