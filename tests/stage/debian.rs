//! A fresh Debian in a folder: what a machine is to a package, without the machine. Its processes are in a namespace of
//! their own and end with the command that started them; the network is this machine's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::succeed;

/// The folder; removed when dropped.
pub struct Debian {
    folder: tempfile::TempDir,
}

/// Where who works in it is at home.
pub const HOME: &str = "/root";

impl Debian {
    /// A new one of this release (`bookworm`, `trixie`).
    pub fn fresh(release: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made =
            Command::new(repository.join("scripts/debian")).arg(release).stderr(Stdio::inherit()).output().unwrap();
        assert!(made.status.success(), "scripts/debian {release}: {}", made.status);
        let archive = String::from_utf8(made.stdout).unwrap();
        let archive = archive.lines().last().expect("the archive's path");
        let beside = Path::new(archive).parent().unwrap();
        let folder = tempfile::Builder::new().prefix(release).tempdir_in(beside).unwrap();
        succeed(Command::new("tar").args(["--extract", "--file", archive, "--directory"]).arg(folder.path()));
        Self { folder }
    }

    /// A path inside it, seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    /// Copies a file into it.
    pub fn put(&self, from: &Path, inside: &str) {
        fs::copy(from, self.path(inside)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }

    /// Runs a script in it, as root, that must succeed; returns what it printed, standard error first.
    pub fn run(&self, script: &str) -> String {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=10", "900", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "chroot"])
            .arg(self.folder.path());
        command.args(["/bin/sh", "-ec"]).arg(format!("mount -t proc proc /proc\n{script}"));
        command.env_clear().stdin(Stdio::null()).envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", HOME),
            ("LANG", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ]);
        succeed(&mut command)
    }
}

/// The package under test, which `scripts/package` makes.
pub fn package() -> PathBuf {
    let package =
        env::var_os("STRONGROOM_PACKAGE").expect("STRONGROOM_PACKAGE names the package that scripts/package makes");
    PathBuf::from(package)
}
