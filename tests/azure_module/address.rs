//! A vault whose name means another address from some moment on. In a process of its own, which has an `/etc/hosts` of its
//! own.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;

use crate::program::{BUDGET, DIGEST, Program, TIMEOUT};
use crate::proxy::Proxy;
use crate::scene::{Scene, make_key};
use crate::stage::{is_ours, is_root};

/// Names what the process has as `/etc/hosts`.
const HOSTS: &str = "STRONGROOM_TEST_HOSTS";
const VAULT: &str = "dev.vault.example";
const LOGIN: &str = "login.vault.example";

#[test]
fn a_name_that_means_another_address_is_followed_by_the_same_session() {
    if !is_ours() {
        return;
    }
    if let Some(hosts) = env::var_os(HOSTS) {
        return inside(&hosts.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "").unwrap();
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["--mount"][..] } else { &["--mount", "--map-root-user"] });
    command.args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(&hosts);
    command.arg(env::current_exe().unwrap());
    let this = "address::a_name_that_means_another_address_is_followed_by_the_same_session";
    let output = command.args(["--exact", this, "--nocapture"]).env(HOSTS, &hosts).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn inside(hosts: &PathBuf) {
    let means = |address: &str| fs::write(hosts, format!("127.0.0.1 localhost\n{address} {VAULT} {LOGIN}\n")).unwrap();
    means("127.0.0.1");
    let scene = Scene::served("key-vault", VAULT, LOGIN, "[server]\ndomain = \"vault.example\"\n");
    let elsewhere = Proxy::at(&format!("127.0.0.2:{}", scene.proxy.port()), scene.socket(), &[VAULT, LOGIN]);
    make_key(&scene.session(), "www");
    let (client_id, secret) = scene.client("module", &["Key Vault Crypto User"]);
    let table = scene.table(&client_id, &secret, TIMEOUT);
    let both = format!("{}{}", scene.proxy.ca(), elsewhere.ca());
    fs::write(scene.path("proxy.pem"), both).unwrap();
    let mut program = Program::configured(scene.folder.path(), &table);
    program.log_in();
    program.signs("www");
    assert!(elsewhere.seen().is_empty());
    let key = program.private("www");

    // It has moved, and its name doesn't say so yet.
    scene.proxy.down(true);
    scene.proxy.close_connections();
    program.fails((BUDGET, RvError::DeviceError, &["can't be reached", "check"]), |session| {
        session.sign(&Mechanism::Ecdsa, key, &DIGEST)
    });
    means("127.0.0.2");
    scene.proxy.seen();
    program.signs("www");
    assert_eq!((elsewhere.seen().len(), scene.proxy.seen().len()), (1, 0));

    means("127.0.0.1");
    scene.proxy.down(false);
    program.signs("www");
    assert_eq!(elsewhere.seen().len(), 1, "a connection that lives is used, whatever the name means now");
    elsewhere.close_connections();
    program.signs("www");
    assert_eq!((elsewhere.seen().len(), scene.proxy.seen().len()), (0, 1));
}
