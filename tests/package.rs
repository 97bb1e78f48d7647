//! The Debian package on machines that have nothing: it installs, clients find its token by themselves, and whatever
//! happens to the package, a vault stays as it is.

mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use stage::debian::{Debian, package};
use stage::succeed;

/// How a vault looks to who counts its bytes.
const FINGERPRINT: &str = "find /var/lib/strongroom /etc/strongroom -type f | sort | xargs sha256sum";

#[test]
fn load_the_package_shows_its_token_on_debian_12() {
    token_is_found_by_itself("bookworm");
}

#[test]
fn load_the_package_shows_its_token_on_debian_13() {
    token_is_found_by_itself("trixie");
}

fn token_is_found_by_itself(release: &str) {
    let debian = Debian::fresh(release);
    install(&debian, &package(), "opensc gnutls-bin man-db");
    let seen = debian.run(
        "umask 077; mkdir /etc/strongroom; echo fresh-machine-pin >/etc/strongroom/web.pin
         strongroom init --name web --label 'Web keys' --pin-file /etc/strongroom/web.pin 2>&1
         printf '[[vault]]\nname = \"web\"\npin_file = \"/etc/strongroom/web.pin\"\n' >/etc/strongroom/config.toml
         strongroom key create www --kind p-256
         echo == p11tool; p11tool --list-tokens
         echo == pkcs11-tool; pkcs11-tool --module libstrongroom.so --list-token-slots
         echo == signature; head -c 32 /dev/urandom >/tmp/hash
         pkcs11-tool --module libstrongroom.so --token-label 'Web keys' --login --pin fresh-machine-pin \
             --sign --mechanism ECDSA --label www --input-file /tmp/hash --output-file /tmp/signature
         pkcs11-tool --module libstrongroom.so --token-label 'Web keys' \
             --verify --mechanism ECDSA --label www --input-file /tmp/hash --signature-file /tmp/signature
         echo == manual; man -P cat strongroom-key-create | head -n 3
         echo == configuration; man -P cat 5 strongroom-config | head -n 3
         echo == completions; bash -c '. /usr/share/bash-completion/completions/strongroom; complete -p strongroom'
         ls /usr/share/zsh/vendor-completions/_strongroom /usr/share/fish/vendor_completions.d/strongroom.fish
         echo == end",
    );
    let part = |name: &str| {
        let after = seen.split_once(&format!("== {name}\n")).unwrap_or_else(|| panic!("{name} in\n{seen}")).1;
        after.split("\n==").next().unwrap().to_owned()
    };
    assert!(part("p11tool").contains("token=Web%20keys"), "{seen}");
    assert!(part("pkcs11-tool").contains("Web keys"), "{seen}");
    assert!(part("signature").contains("Signature is valid"), "{seen}");
    assert!(part("manual").to_lowercase().contains("strongroom-key-create"), "{seen}");
    assert!(part("configuration").contains("strongroom-config(5)"), "{seen}");
    assert!(part("completions").contains("-F _strongroom strongroom"), "{seen}");
}

#[test]
fn load_an_upgrade_a_removal_and_a_purge_leave_a_vault_untouched() {
    let debian = Debian::fresh("bookworm");
    let older = version(&package(), "0.0.1", &debian.path("/tmp"));
    install(&debian, &older, "");
    debian.run(
        "umask 077; mkdir /etc/strongroom; echo fresh-machine-pin >/etc/strongroom/web.pin
         strongroom init --name web --pin-file /etc/strongroom/web.pin 2>&1
         printf '[[vault]]\nname = \"web\"\npin_file = \"/etc/strongroom/web.pin\"\n' >/etc/strongroom/config.toml
         strongroom key create www --kind p-256",
    );
    let before = debian.run(FINGERPRINT);
    assert!(before.contains("vault.db") && before.contains("config.toml"), "{before}");
    install(&debian, &package(), "");
    assert_eq!(debian.run(FINGERPRINT), before, "an upgrade");
    let installed = debian.run("dpkg-query -W -f '${Version}' strongroom");
    assert!(installed.starts_with(env!("CARGO_PKG_VERSION")), "{installed}");
    debian.run("apt-get remove -y -qq strongroom");
    assert_eq!(debian.run(FINGERPRINT), before, "a removal");
    debian.run("dpkg --purge strongroom; test ! -e /usr/bin/strongroom");
    assert_eq!(debian.run(FINGERPRINT), before, "a purge");
    install(&debian, &package(), "");
    assert!(debian.run("strongroom key list").contains("www"));
}

#[test]
fn load_systemd_finds_no_fault_in_the_units_and_a_purge_leaves_none_enabled() {
    let debian = Debian::fresh("bookworm");
    install(&debian, &package(), "systemd");
    // What it only warns of, a misspelt setting, is a setting that doesn't hold.
    let said = debian.run("systemd-analyze verify --man=no strongroom-backup@web.timer strongroom-backup@web.service");
    assert_eq!(said, "");
    debian.run("systemctl enable strongroom-backup@web.timer");
    let enabled = "/etc/systemd/system/timers.target.wants/strongroom-backup@web.timer";
    assert!(debian.path(enabled).is_symlink());
    debian.run("dpkg --purge strongroom");
    assert!(!debian.path(enabled).is_symlink());
}

#[test]
fn load_the_units_restrictions_let_a_backup_be_made() {
    let debian = Debian::fresh("bookworm");
    install(&debian, &package(), "util-linux");
    // What of the unit doesn't need systemd: capabilities, privileges, umask, memory that is never both.
    debian.run(
        "umask 077; mkdir /etc/strongroom; echo fresh-machine-pin >/etc/strongroom/web.pin
         strongroom init --name web --pin-file /etc/strongroom/web.pin 2>&1
         printf '[[vault]]\nname = \"web\"\npin_file = \"/etc/strongroom/web.pin\"\n' >/etc/strongroom/config.toml
         strongroom key create www --kind p-256
         command=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/strongroom-backup@.service | sed 's/%i/web/')
         setpriv --bounding-set=-all,+dac_override --inh-caps=-all --no-new-privs $command
         ls /var/backups/strongroom/web-*.backup",
    );
}

/// Installs a package and further ones of Debian's.
fn install(debian: &Debian, package: &Path, more: &str) {
    debian.put(package, "/tmp/strongroom.deb");
    debian.run(&format!(
        "apt-get update -qq; apt-get install -y -qq --no-install-recommends --allow-downgrades /tmp/strongroom.deb {more}"
    ));
}

/// The same package with another version, in `folder`.
fn version(package: &Path, version: &str, folder: &Path) -> PathBuf {
    let parts = folder.join("parts");
    succeed(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&parts));
    let control = parts.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let changed = text.lines().map(|line| match line.starts_with("Version: ") {
        true => format!("Version: {version}\n"),
        false => format!("{line}\n"),
    });
    std::fs::write(&control, changed.collect::<String>()).unwrap();
    let made = folder.join("older.deb");
    succeed(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&parts).arg(&made));
    made
}
