//! nginx's own configuration, its certificates, its workers. Where it shows, nginx itself refuses before and starts
//! after.

use std::os::unix::fs::chown;

use crate::scene::Scene;
use crate::stage::{self, PIN, TOKEN, set_mode};
use crate::{STRANGER, scene};

fn key(rest: &str) -> String {
    format!("engine:pkcs11:pkcs11:{rest}")
}

#[test]
fn a_uri_with_a_slip_in_it_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    for (uri, id) in [
        ("token=stage;object=wwww;type=private", "nginx-uri-object"),
        ("token=stage;object=www;id=%01%02;type=private", "nginx-uri-object"),
        ("token=stagee;object=www;type=private", "nginx-uri-token"),
        ("token=elsewhere;object=www;type=private", "nginx-uri-token"),
        ("token=stage;objekt=www;type=private", "nginx-uri"),
        ("token=stage;object=www;type=cert", "nginx-uri-type"),
    ] {
        scene.nginx_configuration(&key(uri));
        scene.mends(id, "");
        assert!(scene.nginx_starts(), "{uri}");
    }
    for slip in ["engine:pkcs11:pkcs1:", "engine:pkcs1:pkcs11:"] {
        scene.nginx_configuration(&format!("{slip}token=stage;object=www;type=private"));
        scene.mends_nginx("nginx-uri", "");
    }
}

#[test]
fn a_uri_that_names_no_vault_is_named_where_there_are_several() {
    let Some(scene) = scene() else { return };
    scene.configuration(&format!(
        "objects = [\"www*\"]\n[[vault]]\nname = \"mail\"\npath = {:?}\npin_file = {:?}",
        scene.stage.path("mail"),
        scene.stage.path("www.pin")
    ));
    scene.strongroom(&format!("init --path {}", scene.stage.at("mail")));
    scene.nginx_configuration(&key("object=www;type=private"));
    scene.mends_nginx("nginx-uri-token", "");
}

#[test]
fn a_store_is_named_where_nginx_is_too_old_for_one() {
    let Some(scene) = scene() else { return };
    let version = scene.shell("nginx -v", "");
    if !String::from_utf8_lossy(&version.stderr).contains("nginx/1.2") {
        println!("not run: this nginx may know `store:`");
        return;
    }
    scene.nginx_configuration(&format!("store:pkcs11:token={TOKEN};object=www;type=private"));
    scene.mends_nginx("nginx-store", "");
}

#[test]
fn a_key_that_is_hidden_disabled_or_expired_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    scene.strongroom("key disable www");
    scene.mends_nginx("nginx-key-disabled", "");
    scene.configuration("objects = [\"mail*\"]");
    scene.strongroom("key create mail --kind p-256");
    scene.mends_nginx("nginx-key-hidden", "");
    scene.configuration("objects = [\"www*\"]");
    scene.strongroom("key create www-old --kind p-256 --expires 2020-01-01");
    scene.nginx_configuration(&key("token=stage;object=www-old;type=private"));
    let report = scene.mends_alone("nginx-key-expired", "");
    // The certificate is the other key's, and is made anew for this one.
    assert!(report.remedy("nginx-certificate-stale").is_some());
    scene.mends_nginx("nginx-certificate-stale", "");
}

#[test]
fn a_certificate_that_is_gone_damaged_or_stale_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    std::fs::remove_file(scene.stage.path("www.crt")).unwrap();
    scene.mends_nginx("nginx-certificate", "");
    scene.stage.file("www.crt", "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n");
    scene.mends_nginx("nginx-certificate", "");
    scene.strongroom("key rotate www");
    assert!(!scene.nginx_starts());
    let report = scene.mends_alone("nginx-certificate-stale", "");
    // Made anew in the vault too.
    assert!(report.remedy("certificate-stale").is_none() && scene.nginx_starts());
    scene.is_well();
}

/// A key made outside and its certificate of 2020, both taken over into the vault.
fn expired_certificate(scene: &Scene) {
    let script = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key && \
        printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\n\
        policy=p\\nunique_subject=no\\n[p]\\ncommonName=supplied\\n[req]\\ndistinguished_name=n\\n[n]\\n' > ca.cnf && \
        : > index && echo 01 > serial && export OPENSSL_CONF=ca.cnf && \
        openssl req -new -key old.key -subj /CN=localhost -out old.csr && \
        openssl ca -batch -notext -selfsign -keyfile old.key -in old.csr -startdate 20200101000000Z -enddate \
        20200201000000Z -out old.crt";
    let made = scene.shell(script, "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    scene.strongroom("key import www-2020 old.key");
}

#[test]
fn a_certificate_that_has_expired_is_made_anew() {
    let Some(scene) = scene() else { return };
    expired_certificate(&scene);
    scene.stage.file("www.crt", std::fs::read(scene.stage.path("old.crt")).unwrap());
    scene.nginx_configuration(&key("token=stage;object=www-2020;type=private"));
    // nginx starts with it; its clients refuse it.
    assert!(scene.nginx_starts());
    scene.mends("nginx-certificate-expired", "");
    assert!(scene.nginx_starts());
    scene.strongroom("cert import www-old old.crt");
    scene.mends("certificate-expired", "");
}

#[test]
fn a_certificate_that_a_ca_must_renew_gets_a_request() {
    let Some(scene) = scene() else { return };
    let script = "unset OPENSSL_CONF; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj /CN=CA -days 30 -out ca.crt && strongroom --pin-file www.pin cert csr www --subject CN=localhost \
        --out www.csr && openssl x509 -req -in www.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -out www.crt";
    let made = scene.shell(script, "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let remedy = scene.names("nginx-certificate-expires-soon");
    assert!(remedy.contains("cert csr www --subject CN=localhost"), "{remedy}");
    std::fs::remove_file(scene.stage.path("www.csr")).unwrap();
    assert!(scene.shell(&remedy, "").status.success());
    scene.stage.openssl("req -verify -noout -in www.csr");
    // The CA's before the server's.
    let chain = scene.shell("cat ca.crt www.crt > chain && cat chain > www.crt && rm chain", "");
    assert!(chain.status.success() && !scene.nginx_starts());
    scene.mends_alone("nginx-certificate-order", "");
    assert!(scene.nginx_starts());
    let first = scene.stage.openssl("x509 -noout -issuer -in www.crt");
    assert!(first.contains("CN = CA"), "{first}");
}

#[test]
fn a_pin_that_nginx_lacks_or_has_wrong_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    let typed = format!("{PIN}\n");
    let pin_file = format!("pin_file = {:?}\n", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, "");
    scene.mends_nginx("nginx-pin-missing", &typed);
    // A vault that is found where vaults lie has no table of its own yet.
    scene.stage.file("strongroom/config.toml", format!("vaults_dir = {:?}\n", scene.stage.path("")));
    scene.mends_nginx("nginx-pin-missing", &typed);
    let uri = key("token=stage;object=www;type=private?pin-source=file:");
    scene.nginx_configuration(&format!("{uri}{}", scene.stage.at("nowhere.pin")));
    scene.mends_nginx("nginx-pin-source", &typed);
    scene.stage.file("nowhere.pin", &typed);
    scene.mends_nginx("nginx-pin-line-end", "");
    scene.stage.file("nowhere.pin", "another-pin-4711");
    scene.mends_nginx("nginx-pin-wrong", &typed);
    scene.nginx_configuration(&key("token=stage;object=www;type=private?pin-value=another-pin-4711"));
    set_mode(&scene.stage.path("nginx.conf"), 0o644);
    scene.mends_alone("nginx-pin-in-uri", "");
    scene.mends("nginx-pin-wrong", "");
    assert!(scene.nginx_starts());
}

#[test]
fn a_vault_whose_pin_only_nginx_has_is_opened_with_that() {
    let Some(scene) = scene() else { return };
    let pin_file = format!("pin_file = {:?}\n", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, "");
    let uri = key("token=stage;object=wwww;type=private?pin-source=file:");
    scene.nginx_configuration(&format!("{uri}{}", scene.stage.at("www.pin")));
    scene.stage.file("www.pin", PIN);
    scene.mends_nginx("nginx-uri-object", "");
    scene.stage.file("www.pin", "another-pin-4711");
    scene.mends_nginx("nginx-pin-wrong", &format!("{PIN}\n"));
    scene.nginx_configuration(&key("token=stage;object=www;type=private?pin-value=another-pin-4711"));
    assert!(scene.names("nginx-pin-wrong").starts_with("${EDITOR:-vi} +"));
}

#[test]
fn workers_that_reach_the_vault_or_the_pin_are_named_and_kept_out() {
    let Some(scene) = scene() else { return };
    scene.edit("strongroom/config.toml", "objects", "group = \"www-data\"\nobjects");
    let gid = std::fs::metadata("/var/www").map(|_| ()).ok();
    let group = scene.shell("id -g www-data", "");
    let group: u32 = String::from_utf8_lossy(&group.stdout).trim().parse().unwrap();
    assert!(gid.is_none() || group != 0);
    for (path, mode) in [(scene.stage.vault(), 0o770), (scene.vault_file(), 0o660)] {
        chown(&path, None, Some(group)).unwrap();
        set_mode(&path, mode);
    }
    let read = "setpriv --reuid www-data --regid www-data --init-groups cat";
    assert!(scene.shell(&format!("{read} vault/vault.db"), "").status.success());
    scene.mends("nginx-worker-reaches-vault", "");
    assert!(!scene.shell(&format!("{read} vault/vault.db"), "").status.success());
    chown(scene.stage.path("www.pin"), None, Some(group)).unwrap();
    set_mode(&scene.stage.path("www.pin"), 0o640);
    assert!(scene.shell(&format!("{read} www.pin"), "").status.success());
    scene.mends("nginx-worker-reaches-pin", "");
    assert!(!scene.shell(&format!("{read} www.pin"), "").status.success() && scene.nginx_starts());
}

#[test]
fn what_nginx_says_of_users_variables_and_core_dumps_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    scene.edit("nginx.conf", "user www-data;", "user www-dta;");
    scene.mends_nginx("nginx-user", "");
    scene.edit("nginx.conf", "user www-data;", "user root;");
    scene.mends("nginx-user-root", "");
    scene.edit("nginx.conf", "env STRONGROOM_CONF;\n", "");
    scene.mends("nginx-environment", "");
    scene.edit("nginx.conf", "events {", "worker_rlimit_core 1G;\nevents {");
    scene.mends("nginx-core-dumps", "");
    assert!(scene.nginx_starts());
    scene.edit("nginx.conf", "access_log off;", "access_log off; }");
    assert!(scene.names("nginx-config").starts_with("nginx -t -c ") && !scene.nginx_starts());
}

#[test]
fn a_vault_of_somebody_else_keeps_nginx_from_its_key_and_is_named_beside_the_key() {
    let Some(scene) = scene() else { return };
    chown(scene.vault_file(), Some(STRANGER), None).unwrap();
    let report = scene.doctor();
    // What can't be known isn't claimed: the key was not looked at.
    assert!(report.remedy("vault-owner").is_some() && report.text("nginx-uri-object").is_empty());
    assert!(stage::is_root());
}
