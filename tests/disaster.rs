//! The machine is gone: a backup, the recovery key on paper and the configuration make another one serve the same page with
//! the same key.

mod stage;

use std::fs;

use stage::debian::{Debian, package};
use stage::free_port;

/// What an operator keeps in a repository: how nginx is told about the vault.
fn configure(debian: &Debian, port: u16) {
    for (path, text) in [
        (
            "etc/strongroom/config.toml",
            "[[vault]]\nname = \"web\"\npin_file = \"/etc/strongroom/web.pin\"\nobjects = [\"www*\"]\n".to_owned(),
        ),
        ("etc/strongroom/web.pin", "a PIN of the service\n".to_owned()),
        (
            "etc/nginx/openssl.cnf",
            "openssl_conf = init\n[init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\nengine_id = pkcs11\n\
             MODULE_PATH = /usr/lib/x86_64-linux-gnu/libstrongroom.so\ninit = 1\n"
                .to_owned(),
        ),
        (
            "etc/nginx/conf.d/www.conf",
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate /etc/nginx/www.crt;\n\
                 ssl_certificate_key \"engine:pkcs11:pkcs11:token=web;object=www;type=private\";\n\
                 location / {{ return 200 \"the same key\\n\"; }} }}\n"
            ),
        ),
    ] {
        let path = debian.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        stage::set_mode(&path, 0o600);
    }
}

fn machine(port: u16) -> Debian {
    let debian = Debian::fresh("bookworm");
    debian.put(&package(), "/tmp/strongroom.deb");
    debian.run(
        "apt-get update -qq; apt-get install -y -qq --no-install-recommends /tmp/strongroom.deb nginx \
         libengine-pkcs11-openssl curl openssl",
    );
    configure(&debian, port);
    debian
}

/// The page, and the public key that its server proved to have.
fn served(debian: &Debian, port: u16) -> (String, String) {
    let seen = debian.run(&format!(
        "export OPENSSL_CONF=/etc/nginx/openssl.cnf; nginx
         curl --silent --retry 20 --retry-connrefused --cacert /etc/nginx/www.crt https://localhost:{port}/
         openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -pubkey
         nginx -s quit 2>/dev/null"
    ));
    let (page, key) = seen.split_once("-----BEGIN").unwrap_or_else(|| panic!("{seen}"));
    (page.trim().to_owned(), key.to_owned())
}

#[test]
fn load_a_new_machine_serves_the_same_page_from_a_backup() {
    let port = free_port();
    let lost = machine(port);
    let printed = lost.run(
        "strongroom init --name web --pin-file /etc/strongroom/web.pin 2>&1
         strongroom key create www --kind p-256
         strongroom cert create www --subject CN=www.example.org --san localhost --out /etc/nginx/www.crt
         printf secret | strongroom secret set kept",
    );
    let before = served(&lost, port);
    assert!(before.0.ends_with("the same key"), "{}", before.0);
    lost.run("strongroom backup create ~/web.backup");
    let recovery_key =
        printed.lines().map(str::trim).find(|line| line.matches('-').count() == 15).expect("printed once");

    let found = machine(port);
    for kept in ["root/web.backup", "etc/nginx/www.crt"] {
        found.put(&lost.path(kept), kept);
    }
    drop(lost);
    fs::write(found.path("root/recovery.key"), recovery_key).unwrap();
    stage::set_mode(&found.path("root/recovery.key"), 0o600);
    found.run("strongroom --vault web restore ~/web.backup --recovery-key-file ~/recovery.key");
    assert_eq!(served(&found, port), before);
    assert!(found.run("strongroom secret get kept").contains("secret"));
}
