//! A machine whose configuration is root's, and programs of users who have nothing to do with it. p11-kit loads the module
//! into all of them.

mod stage;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use stage::{PIN, Stage, cli, fail, is_root, module, set_mode, succeed};

/// A folder in the place of `/etc` and one in that of `/dev`, for one process and its children at a time.
struct Machine {
    stage: Stage,
    system_log: UnixDatagram,
}

impl Machine {
    /// `None` where nobody can be somebody else, or nothing can be mounted.
    fn new() -> Option<Self> {
        if !is_root() {
            println!("not run: only root can be another user");
            return None;
        }
        let stage = Stage::without_token();
        set_mode(&stage.path(""), 0o755);
        for folder in ["etc/strongroom", "dev", "home/.config/pkcs11/modules", "bin"] {
            std::fs::create_dir_all(stage.path(folder)).unwrap();
        }
        for file in ["passwd", "group", "nsswitch.conf", "ld.so.cache"] {
            std::fs::copy(Path::new("/etc").join(file), stage.path("etc").join(file)).unwrap();
        }
        succeed(Command::new("cp").arg("-a").args(["/dev/null", "/dev/zero", "/dev/urandom"]).arg(stage.path("dev")));
        // Where everybody can read them, as after an installation.
        std::fs::copy(module(), stage.path("libstrongroom.so")).unwrap();
        std::fs::copy(cli(), stage.path("bin/strongroom")).unwrap();
        set_mode(&stage.path("libstrongroom.so"), 0o755);
        stage.file(
            "home/.config/pkcs11/modules/strongroom.module",
            format!("module: {}\n", stage.path("libstrongroom.so").display()),
        );
        let pin = stage.file("web.pin", PIN);
        set_mode(Path::new(&pin), 0o600);
        stage.file("etc/strongroom/config.toml", format!("[[vault]]\nname = \"web\"\npin_file = {pin:?}\n"));
        set_mode(&stage.path("etc/strongroom/config.toml"), 0o600);
        let system_log = UnixDatagram::bind(stage.path("dev/log")).unwrap();
        set_mode(&stage.path("dev/log"), 0o666);
        system_log.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        succeed(Command::new("chown").args(["-R", "nobody"]).arg(stage.path("home")));
        let machine = Self { stage, system_log };
        let mounts = machine.command("root", "true").status().unwrap().success();
        if !mounts {
            println!("not run: no mounts of one's own here");
        }
        mounts.then_some(machine)
    }

    /// A script that a user runs.
    fn command(&self, user: &str, script: &str) -> Command {
        let mut command = self.stage.command("unshare");
        let mounts = "mount --bind etc /etc && mount --bind dev /dev && exec setpriv --init-groups --reuid \"$0\" --regid \
                      \"$(id -g \"$0\")\" -- sh -c \"$1\"";
        command.args(["--mount", "--", "sh", "-c", mounts, user, script]);
        let path = format!("{}:{}", self.stage.at("bin"), std::env::var("PATH").unwrap());
        command.env_remove("STRONGROOM_VAULT").env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command
            .env("HOME", self.stage.path("home"))
            .env("PATH", path)
            .env("MODULE", self.stage.path("libstrongroom.so"));
        command
    }

    /// What was written to the system's log since it was last looked at.
    fn system_log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = [0; 2048];
        while let Ok(length) = self.system_log.recv(&mut line) {
            lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
        }
        lines
    }
}

#[test]
fn a_users_programs_do_not_speak_of_a_configuration_that_is_roots() {
    let Some(machine) = Machine::new() else { return };
    // Through p11-kit, as every program of GnuTLS does it.
    let said = succeed(&mut machine.command("nobody", "p11tool --list-tokens"));
    assert!(!said.contains("strongroom") && !said.contains("failed"), "{said}");
    let logged = machine.system_log();
    assert!(logged.iter().any(|line| line.contains("may not read /etc/strongroom/config.toml")), "{logged:?}");
    let slots = succeed(&mut machine.command("nobody", "pkcs11-tool --module \"$MODULE\" --list-slots"));
    assert!(slots.contains("uninitialized") && !slots.contains("config.toml"), "{slots}");
    let asked = "STRONGROOM_LOG=info pkcs11-tool --module \"$MODULE\" --list-slots";
    let said = succeed(&mut machine.command("nobody", asked));
    assert!(said.contains("may not read /etc/strongroom/config.toml"), "{said}");
}

#[test]
fn a_configuration_that_a_service_is_told_of_must_be_one_that_it_can_read() {
    let Some(machine) = Machine::new() else { return };
    let told = "STRONGROOM_CONF=/etc/strongroom/config.toml pkcs11-tool --module \"$MODULE\" --list-slots";
    let said = fail(&mut machine.command("nobody", told));
    assert!(said.contains("can't read /etc/strongroom/config.toml: Permission denied"), "{said}");
}

#[test]
fn a_user_whose_vault_is_their_own_needs_no_configuration() {
    let Some(machine) = Machine::new() else { return };
    let refused = fail(&mut machine.command("nobody", "strongroom key list"));
    assert!(refused.contains("/etc/strongroom/config.toml isn't for you to read"), "{refused}");
    let refused = fail(&mut machine.command("nobody", "strongroom --vault web key list"));
    assert!(refused.contains("/etc/strongroom/config.toml isn't for you to read"), "{refused}");
    let script = format!(
        "umask 077; echo {PIN} >$HOME/pin; strongroom init --label mine --pin-file $HOME/pin
         strongroom --pin-file $HOME/pin key create www --kind p-256
         p11tool --list-token-urls; strongroom doctor --json --module \"$MODULE\""
    );
    let said = succeed(&mut machine.command("nobody", &script));
    assert!(said.contains("token=mine"), "{said}");
    assert!(said.contains("/etc/strongroom/config.toml isn't for this user: the defaults"), "{said}");
    assert!(said.contains("\"healthy\": true"), "{said}");
}

#[test]
fn the_doctor_names_a_service_without_a_configuration_and_what_gives_it_one() {
    let Some(machine) = Machine::new() else { return };
    let found = |user: &str, arguments: &str| {
        let script = format!("strongroom doctor --json --module \"$MODULE\" {arguments} || true");
        let output = stage::output(&mut machine.command(user, &script));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let failed = report["checks"].as_array().unwrap().clone();
        move |id: &str| {
            let check = failed.iter().find(|check| check["id"] == id && check["state"] != "ok")?;
            Some(check["remedy"].as_str().unwrap_or_default().to_owned())
        }
    };
    assert!(found("nobody", "")("config-unreadable").is_some());
    let report = found("root", "--user nobody");
    let remedy = report("user-without-configuration").expect("it is named");
    succeed(&mut machine.command("root", &remedy));
    let report = found("root", "--user nobody");
    assert_eq!(report("user-without-configuration"), None);
    // What the configuration names is the next thing that is out of reach.
    assert!(report("vault-missing").or_else(|| report("user-cannot-reach")).is_some());
}
