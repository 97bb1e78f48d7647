//! The documentation's commands, run as they stand there, in a fresh Debian with the package: whoever follows a page gets
//! what it says.

mod stage;

use std::path::Path;

use stage::debian::{Debian, HOME, package};
use stage::free_port;

/// What systemd does with nginx's unit, where systemd isn't process 1: the environment of its drop-in, and the same
/// commands.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
daemon-reload | "enable --now strongroom-backup@web.timer" | "enable --now strongroom-backup@app.timer") exit 0 ;;
"restart app")
    # What systemd gives a service with a user of its own, and a service that signs.
    exec runuser -u app -- env --ignore-environment HOME=/var/lib/app "PATH=$PATH" \
        "$(sed -n 's/^Environment=//p' /etc/systemd/system/app.service.d/strongroom.conf)" /usr/local/bin/app
    ;;
"start strongroom-backup@app.service")
    settings=/etc/systemd/system/strongroom-backup@app.service.d/user.conf
    exec runuser -u "$(sed -n 's/^User=//p' $settings)" -- env "$(sed -n 's/^Environment=//p' $settings)" \
        $(sed -n 's/^ExecStart=\(.\)/\1/p' $settings)
    ;;
"restart nginx")
    if [ -s /run/nginx.pid ]; then kill "$(cat /run/nginx.pid)"; for _ in 1 2 3 4 5 6 7 8 9; do [ ! -s /run/nginx.pid ] || sleep 0.2; done; fi
    env "$(sed -n 's/^Environment=//p' /etc/systemd/system/nginx.service.d/strongroom.conf)" nginx
    ;;
"start strongroom-backup@web.service")
    command=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/strongroom-backup@.service)
    exec $(printf %s "$command" | sed 's/%i/web/g')
    ;;
*) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
"#;

/// The blocks of a page, or of one of its sections, that are marked `sh`, with the page's port replaced.
fn commands(page: &str, section: &str, port: u16) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let from = text.find(&format!("\n## {section}")).unwrap_or_else(|| panic!("{page} has no section {section}"));
    let text = &text[from + 1..];
    let text = if section.is_empty() { text } else { text.split("\n## ").next().unwrap() };
    let mut commands = String::new();
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match (block, line.trim()) {
            (None, "```sh") => block = Some(indent),
            (Some(_), "```") => block = None,
            (Some(depth), _) => {
                commands.push_str(line.get(depth..).unwrap_or_default());
                commands.push('\n');
            }
            (None, _) => assert!(!line.starts_with("    "), "{page}: a block that isn't marked: {line}"),
        }
    }
    assert!(commands.contains("strongroom"), "{page} has no commands");
    commands.replace("8443", &port.to_string())
}

/// A Debian with the package where the first page looks for it.
fn machine(release: &str) -> Debian {
    let debian = Debian::fresh(release);
    debian.put(&package(), &format!("{HOME}/strongroom_0_amd64.deb"));
    std::fs::write(debian.path("/usr/local/sbin/systemctl"), SYSTEMCTL).unwrap();
    stage::set_mode(&debian.path("/usr/local/sbin/systemctl"), 0o755);
    debian.run("apt-get update -qq; apt-get install -y -qq --no-install-recommends curl openssl");
    debian
}

#[test]
fn load_a_page_is_served_by_who_follows_the_first_pages() {
    let debian = machine("bookworm");
    let port = free_port();
    let script = ["getting-started.md", "nginx.md"].map(|page| commands(page, "", port)).concat();
    let seen = debian.run(&format!("cd /root; set -x\n{script}"));
    assert!(seen.contains("served with a key from the vault"), "{seen}");
    assert!(seen.contains("correct horse battery staple"), "{seen}");
}

#[test]
fn load_a_vault_comes_back_from_its_backups() {
    let debian = machine("bookworm");
    let script = ["getting-started.md", "backup.md"].map(|page| commands(page, "", 8443)).concat();
    // The person at the terminal: keeps what is printed once, and types it when it is asked for.
    let script = script.replace("web.pin\n(umask", "web.pin 2>&1 | tee ~/printed\n(umask").replace(
        "install -m 600 /dev/stdin",
        "grep -Eo '([0-9a-f]{4}-){15}[0-9a-f]{4}' ~/printed | install -m 600 /dev/stdin",
    );
    let seen = debian.run(&format!("cd /root; set -x\n{script}"));
    assert!(seen.contains("signed and verified"), "{seen}");
    let backups = debian.run("ls -l /var/backups/strongroom");
    assert!(backups.contains("-rw-------") && backups.contains("web"), "{backups}");
    assert!(debian.run("strongroom key list").contains("www"));
}

/// The service of the page: signs with its key, and its vault opens by itself.
const APP: &str = "#!/bin/sh
set -e
head -c 32 /dev/urandom >/tmp/app.hash
pkcs11-tool --module libstrongroom.so --login --sign --mechanism ECDSA --label api \
    --input-file /tmp/app.hash --output-file /tmp/app.signature
pkcs11-tool --module libstrongroom.so --verify --mechanism ECDSA --label api \
    --input-file /tmp/app.hash --signature-file /tmp/app.signature
";

#[test]
fn load_a_service_that_is_not_root_has_its_own_vault_or_shares_one() {
    let debian = machine("bookworm");
    debian.run("apt-get install -y -qq --no-install-recommends opensc");
    std::fs::write(debian.path("/usr/local/bin/app"), APP).unwrap();
    stage::set_mode(&debian.path("/usr/local/bin/app"), 0o755);
    let first = commands("getting-started.md", "", 8443);
    let seen = debian.run(&format!("cd /root; set -x\n{first}{}", commands("service.md", "", 8443)));
    assert!(seen.contains("Signature is valid"), "{seen}");
    // `-x` of the shell has each command on standard error, and answers on standard output.
    let answers = debian.run(
        "ls -l /var/lib/app/backups /var/lib/app/vaults/app
         echo == alone; runuser -u app -- env STRONGROOM_CONF=/etc/strongroom/app.toml strongroom key list
         echo == shared; runuser -u app -- strongroom key list
         echo == nobody; runuser -u nobody -- strongroom key list 2>&1 || true
         echo == doctor; STRONGROOM_CONF=/etc/strongroom/app.toml strongroom doctor --user app",
    );
    let part = |name: &str| {
        let after = answers.split_once(&format!("== {name}\n")).unwrap_or_else(|| panic!("{name} in {answers}")).1;
        after.split("\n==").next().unwrap().to_owned()
    };
    assert!(answers.contains(" app app ") && answers.contains(".backup"), "{answers}");
    assert!(part("alone").starts_with("api") && part("shared").starts_with("www"), "{answers}");
    assert!(part("nobody").contains("isn't for you to read"), "{answers}");
    assert!(!part("doctor").contains("backup-none"), "{answers}");
}

#[test]
fn load_openssl_uses_the_key_on_debian_12() {
    openssl_uses_the_key("bookworm", "Debian 12");
}

#[test]
fn load_openssl_uses_the_key_on_debian_13() {
    openssl_uses_the_key("trixie", "Debian 13");
}

fn openssl_uses_the_key(release: &str, section: &str) {
    let debian = machine(release);
    let first = commands("getting-started.md", "", 8443);
    let seen = debian.run(&format!("cd /root; set -x\n{first}{}", commands("openssl.md", section, 8443)));
    assert!(seen.contains("Verified OK"), "{seen}");
}
