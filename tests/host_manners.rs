//! What a host sees of the module beside its answers: no traces between calls, nothing on its output, no descriptor that
//! others inherit, no memory that grows, no call that stops for another. The hosts are `tests/c/host_manners.c` and
//! `tests/c/host_load.c`; here is what they are called with.

mod stage;

use std::os::unix::fs::chown;
use std::process::Command;
use std::{fs, path};

use stage::{PIN, Stage, is_ours, is_root, module, output, set_mode};

/// The number of Debian's `www-data`: it can't open root's vault.
const WWW_DATA: &str = "33";

/// A token with the keys and the secret that the programs use, and one of them.
struct Host {
    stage: Stage,
    program: path::PathBuf,
}

impl Host {
    fn new(source: &str) -> Self {
        let stage = Stage::new();
        stage.key_pair("rsa:2048", "rsa", "01");
        stage.key_pair("EC:prime256v1", "curve", "02");
        stage.file("value", b"a secret");
        stage.pkcs11_tool_logged_in("--write-object value --type data --label secret --private");
        let program = stage.compile(source, &["-ldl"]);
        Self { stage, program }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(&self.program);
        command.arg(module()).args(arguments);
        command
    }

    /// Runs it. Beside its own "ok" nothing may come out of its standard output.
    fn run(&self, arguments: &[&str]) {
        run(&mut self.command(arguments));
    }

    fn vault(&self) -> String {
        self.stage.vault().to_str().unwrap().to_owned()
    }
}

fn run(command: &mut Command) {
    let output = output(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{command:?}: {told}");
    eprint!("{told}");
}

fn manners() -> Host {
    Host::new("tests/c/host_manners.c")
}

#[test]
fn no_handler_thread_descriptor_or_directory_is_other_after_a_call() {
    manners().run(&["traces"]);
}

#[test]
fn a_program_started_at_any_moment_inherits_nothing() {
    let host = manners();
    host.run(&["spawn", &host.vault(), "200"]);
}

#[test]
fn a_broken_pipe_at_standard_error_neither_ends_the_host_nor_reaches_its_handler() {
    manners().run(&["pipe"]);
}

#[test]
fn a_client_whose_socket_is_standard_error_is_sent_nothing() {
    manners().run(&["socket"]);
}

#[test]
fn a_daemon_without_standard_descriptors_is_served_and_gets_none_of_the_vaults() {
    let host = manners();
    host.run(&["daemon", &host.vault()]);
}

#[test]
fn a_cleared_environment_another_directory_and_another_root_change_nothing() {
    let host = manners();
    let empty = host.stage.path("empty");
    fs::create_dir(&empty).unwrap();
    if is_root() {
        // A relative path counts from where the module was initialised.
        run(host.command(&["cleared", WWW_DATA, empty.to_str().unwrap()]).env("STRONGROOM_VAULT", "vault"));
    }
}

#[test]
fn parent_child_and_grandchild_go_on_beside_each_other_with_the_same_handles() {
    let host = manners();
    host.run(&["family", "0"]);
    if is_root() {
        host.run(&["family", WWW_DATA]);
    }
}

#[test]
fn timing_a_login_in_a_child_that_can_not_open_the_vault_takes_a_millisecond_at_most() {
    if is_root() && is_ours() {
        manners().run(&["heir", WWW_DATA, "1"]);
    }
}

#[test]
fn initialising_and_finalising_again_and_again_takes_no_memory() {
    let user = if is_root() { WWW_DATA } else { "0" };
    manners().run(&["again", "100", user]);
}

#[test]
fn a_set_user_id_program_is_not_led_by_who_starts_it() {
    if !is_root() || !is_ours() {
        return;
    }
    let host = manners();
    // The program and the vault are somebody's whom root starts it as.
    set_mode(host.stage.path("").as_path(), 0o755);
    chown(&host.program, Some(65534), None).unwrap();
    set_mode(&host.program, 0o4755);
    let command = &mut host.command(&["privileged"]);
    let output = output(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
}

fn load() -> Host {
    Host::new("tests/c/host_load.c")
}

#[test]
fn load_64_threads_do_everything_at_once() {
    load().run(&["threads", "5"]);
}

#[test]
fn load_a_logout_in_the_middle_of_64_threads_calls_is_answered_by_each() {
    load().run(&["logouts", "5"]);
}

#[test]
fn load_finalising_in_the_middle_of_64_threads_calls_is_answered_by_each() {
    load().run(&["finalizes", "5"]);
}

#[test]
fn a_panic_unwinds_in_a_release_so_that_an_entry_point_can_catch_it() {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let release = manifest["profile"]["release"].as_table().unwrap();
    assert_eq!(release["panic"].as_str(), Some("unwind"));
}

#[test]
fn the_pin_is_nowhere_in_what_is_logged() {
    let host = manners();
    let output = output(host.command(&["family", "0"]).env("STRONGROOM_LOG", "trace"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains(PIN), "{told}");
}
