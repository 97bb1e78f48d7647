//! `strongroom group` and `strongroom access` as an operator uses them: the real program on a vault of its own, and the page
//! that leads through them, with a server.
#![cfg(feature = "server")]

mod command;
#[path = "../command_line/mod.rs"]
mod command_line;
mod elsewhere;
mod page;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use command_line::CommandLine;
use tempfile::TempDir;

/// A folder with vaults that open by themselves, and their configuration.
struct Place {
    folder: TempDir,
}

impl Place {
    /// Vaults of these names, of which the first keeps the identities.
    fn with(vaults: &[(&str, &str)]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        write_private(&place.path("pin"), "a good PIN\n");
        let mut conf = format!("vaults_dir = {:?}\n", place.path("vaults"));
        for (name, manner) in vaults {
            let (pin, path) = (place.path("pin"), place.path(name));
            conf.push_str(&format!(
                "[[vault]]\nname = {name:?}\npath = {path:?}\npin_file = {pin:?}\nserve_as = {manner:?}\n"
            ));
        }
        write_private(&place.path("config.toml"), &conf);
        for (name, _) in vaults {
            place.run(&["--vault", name, "init", "--label", name, "--pin-file", "pin"]);
        }
        place
    }

    /// Changes the configuration: what stands there once becomes this.
    fn configure(&self, old: &str, new: &str) {
        let conf = fs::read_to_string(self.path("config.toml")).unwrap();
        assert_eq!(conf.matches(old).count(), 1, "{conf}");
        write_private(&self.path("config.toml"), &conf.replace(old, new));
    }

    /// Runs a command as somebody who copied it into a shell.
    fn shell(&self, command: &str) {
        let script = command.replacen("strongroom", Self::program().to_str().unwrap(), 1);
        let output = self.command("sh".as_ref()).args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the command notes beside its answer.
    fn noted(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program() -> PathBuf {
        std::env::var_os("STRONGROOM_CLI").unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into()).into()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("STRONGROOM_CONF", self.path("config.toml"));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }
}

impl CommandLine for Place {
    fn output(&self, arguments: &[&str]) -> Output {
        self.command(&Self::program()).args(arguments).arg("--yes").output().unwrap()
    }
}

fn write_private(path: &Path, contents: &str) {
    fs::write(path, contents).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// The lines of a table, with one bar between their cells.
fn cells(table: &str) -> Vec<String> {
    let cells =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|");
    table.lines().map(cells).collect()
}
