//! No remedy leads nginx to another key than the one that was named, or puts an older certificate over a newer one.

use serde_json::Value;

use crate::scene;
use crate::scene::Scene;

const URI: &str = "token=stage;object=www;type=private";

/// A key that nobody named, with a certificate, and a name like that of the one that is.
fn another_key(scene: &Scene) {
    scene.strongroom("key create wwwex --kind p-256");
    scene.strongroom("cert create wwwex --subject CN=ex.example.org");
}

fn certificate(scene: &Scene) -> String {
    std::fs::read_to_string(scene.stage.path("www.crt")).unwrap()
}

/// A CA's certificate for the key's current version, as its file.
fn certificate_of_ca(scene: &Scene) {
    let script = "unset OPENSSL_CONF; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \
        ca.key -subj /CN=CA -days 300 -out ca.crt && strongroom --pin-file www.pin cert csr www --subject \
        CN=localhost --out www.csr && openssl x509 -req -in www.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
        -days 200 -out www.crt && rm www.csr";
    let made = scene.shell(script, "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_uri_that_nginx_does_not_take_for_one_is_mended_and_no_file_of_a_certificate_touched() {
    let Some(scene) = scene() else { return };
    another_key(&scene);
    let before = certificate(&scene);
    let quoted = |name: &str| format!("\"{name}{URI}\"");
    let right = quoted("engine:pkcs11:pkcs11:");
    for wrong in [
        format!("engine:pkcs11:pkcs11:{URI}"),
        format!("engine:pkcs11:pkcs11:{URI}?pin-source=file:{}", scene.stage.at("bare.pin")),
        quoted("pkcs11:"),
        quoted("engine:pkcs11:"),
    ] {
        scene.stage.file("bare.pin", crate::stage::PIN);
        scene.nginx_configuration(&format!("engine:pkcs11:pkcs11:{URI}"));
        scene.edit("nginx.conf", &right, &wrong);
        scene.mends_nginx("nginx-uri", "");
        assert_eq!(certificate(&scene), before, "{wrong}");
    }
    // The URI alone, with a PIN in it, is no scheme to be repeated.
    scene.nginx_configuration(&format!("engine:pkcs11:{URI}?pin-value={}", crate::stage::PIN));
    let report = scene.doctor();
    assert!(report.remedy("nginx-uri").is_some() && !report.text("nginx-uri").contains(crate::stage::PIN));
}

#[test]
fn a_uri_without_an_object_is_no_choice_among_several_keys() {
    let Some(scene) = scene() else { return };
    another_key(&scene);
    let before = certificate(&scene);
    scene.nginx_configuration("engine:pkcs11:pkcs11:token=stage;type=private");
    scene.mends("nginx-uri", "");
    assert!(scene.nginx_starts() && certificate(&scene) == before);
    let text = std::fs::read_to_string(scene.stage.path("nginx.conf")).unwrap();
    assert!(text.contains("token=stage;object=www;type=private"), "{text}");
}

#[test]
fn an_id_of_a_version_that_is_not_current_is_taken_out_of_the_uri() {
    let Some(scene) = scene() else { return };
    let shown: Value = serde_json::from_str(&scene.strongroom("--json key show www")).unwrap();
    let id = shown["versions"][0]["id"].as_str().unwrap();
    let id: String = id.as_bytes().chunks(2).map(|digits| format!("%{}", str::from_utf8(digits).unwrap())).collect();
    scene.strongroom("key rotate www");
    certificate_of_ca(&scene);
    let before = certificate(&scene);
    for uri in [
        format!("token=stage;object=www;id={id};type=private"),
        format!("id={id};token=stage;object=www;type=private"),
        format!("token=stage;id={id};type=private"),
    ] {
        scene.nginx_configuration(&format!("engine:pkcs11:pkcs11:{uri}"));
        assert!(!scene.nginx_starts(), "{uri}");
        let report = scene.mends_alone("nginx-uri-version", "");
        assert!(report.remedy("nginx-uri-object").is_none() && report.remedy("nginx-certificate-stale").is_none());
        assert!(scene.nginx_starts() && certificate(&scene) == before, "{uri}");
    }
}

#[test]
fn a_certificate_of_a_ca_is_asked_for_anew_and_never_put_over_by_a_self_signed_one() {
    let Some(scene) = scene() else { return };
    certificate_of_ca(&scene);
    let before = certificate(&scene);
    scene.strongroom("key rotate www");
    scene.strongroom("cert create www --renew --key www --subject CN=localhost");
    assert!(!scene.nginx_starts());
    let remedy = scene.names("nginx-certificate-stale");
    assert!(remedy.contains("cert csr www --subject CN=localhost") && !remedy.contains("www.crt"), "{remedy}");
    assert!(scene.shell(&remedy, "").status.success() && certificate(&scene) == before);
    // Until the CA answers nginx starts with the version before.
    let text = scene.doctor().text("nginx-certificate-stale").to_owned();
    let said = |command: &str| text.contains(&format!("`strongroom --vault www {command}"));
    assert!(said("cert import www ") && said("key disable www`") && said("key enable www`"), "{text}");
    scene.strongroom("key disable www");
    assert!(scene.nginx_starts() && scene.doctor().remedy("nginx-certificate-stale").is_none());
    scene.strongroom("key enable www");
    // One that the CA issued since, and that lies in the vault, is taken.
    certificate_of_ca(&scene);
    scene.strongroom("cert import www-ca www.crt");
    let newer = certificate(&scene);
    scene.stage.file("www.crt", before);
    scene.mends_nginx("nginx-certificate-stale", "");
    assert!(newer.contains(certificate(&scene).lines().nth(1).unwrap()));
}

#[test]
fn a_file_that_may_hold_a_certificate_in_another_format_is_kept() {
    let Some(scene) = scene() else { return };
    let old_label = certificate(&scene).replace("CERTIFICATE", "X509 CERTIFICATE");
    scene.stage.file("www.crt", old_label);
    assert!(scene.nginx_starts());
    scene.is_well();
    let made = scene.shell("openssl x509 -in www.crt -outform DER -out www.der && cp www.der www.crt", "");
    assert!(made.status.success());
    scene.mends_nginx("nginx-certificate", "");
    let read = |file| std::fs::read(scene.stage.path(file)).unwrap();
    assert_eq!(read("www.crt.old"), read("www.der"));
}

#[test]
fn a_newest_version_that_is_turned_off_is_turned_on_before_anything_is_made_anew() {
    let Some(scene) = scene() else { return };
    scene.strongroom("key rotate www");
    scene.strongroom("cert create www --renew --key www --subject CN=localhost --out www.crt");
    let before = certificate(&scene);
    scene.strongroom("key disable www");
    let report = scene.doctor();
    let remedy = report.remedy("nginx-key-disabled").unwrap();
    assert!(remedy.starts_with("strongroom --vault www key enable www --version "), "{remedy}");
    assert_eq!(report.remedy("certificate-stale"), Some(remedy));
    scene.mends_nginx("nginx-key-disabled", "");
    assert_eq!(certificate(&scene), before);
}

#[test]
fn a_key_that_was_deleted_comes_back_from_a_backup_and_no_other_one_takes_its_place() {
    let Some(scene) = scene() else { return };
    another_key(&scene);
    scene.strongroom("key delete www --yes");
    assert_eq!(scene.names("nginx-uri-object"), "strongroom --vault www pkcs11 uri --type private");
    let backup = "www-20261127T120000Z.backup";
    let Some(report) = scene.doctor_with_backup(backup, "--json") else { return };
    let remedy = format!("restore /var/backups/strongroom/{backup} --object www --kind key");
    assert!(report.contains(&remedy), "{report}");
    // A key that nothing tells of isn't looked for in a backup.
    scene.nginx_configuration("engine:pkcs11:pkcs11:token=stage;object=shop;type=private");
    let Some(report) = scene.doctor_with_backup(backup, "--json") else { return };
    assert!(report.contains("nginx-uri-object") && !report.contains("--object shop"), "{report}");
}

#[test]
fn of_what_nothing_uses_nothing_is_said() {
    let Some(scene) = scene() else { return };
    let report = scene.doctor();
    assert!(report.text("nginx-store").is_empty() && report.text("nginx-pin-wrong").is_empty());
    scene.stage.file("bare.pin", crate::stage::PIN);
    let uri = format!("{URI}?pin-source=file:{}", scene.stage.at("bare.pin"));
    scene.nginx_configuration(&format!("engine:pkcs11:pkcs11:{uri}"));
    assert_eq!(scene.doctor().text("nginx-pin-wrong"), "the PIN that a URI gives is right");
}

#[test]
fn a_certificate_that_nginx_serves_already_goes_into_the_vault_as_it_is() {
    let Some(scene) = scene() else { return };
    scene.strongroom("key rotate www");
    certificate_of_ca(&scene);
    let served = certificate(&scene);
    assert!(scene.names("certificate-stale").ends_with("www.crt --renew"));
    scene.mends("certificate-stale", "");
    assert_eq!(scene.strongroom("cert show www --pem").lines().nth(1), served.lines().nth(1));
}

/// As `import` made it before it refused: another key with the label of the one that nginx serves with.
#[test]
fn a_label_that_two_keys_have_is_made_exact_and_no_certificate_touched() {
    let Some(scene) = scene() else { return };
    let made = scene.shell(
        "unset OPENSSL_CONF; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout www.key \
         -subj /CN=other.example.org -days 300 -out other.crt && cat www.key other.crt > www.pem",
        "",
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    scene.strongroom("import www.pem --same-labels");
    let before = certificate(&scene);
    let report = scene.doctor();
    assert!(
        report.text("nginx-uri-ambiguous").contains("have the label www: www, www-"),
        "{}",
        report.text("nginx-uri-ambiguous")
    );
    assert!(report.remedy("nginx-certificate-stale").is_none());
    scene.mends("nginx-uri-ambiguous", "");
    assert!(scene.nginx_starts() && certificate(&scene) == before);
    // The id in the URI is the next version's after a rotation: without one the label means two keys again.
    scene.strongroom("key rotate www");
    scene.strongroom("cert create www --renew --key www --subject CN=localhost --out www.crt");
    scene.mends_nginx("nginx-uri-version", "");
    // Where no certificate tells which key is meant, they are shown, and nothing is done.
    scene.nginx_configuration(&format!("engine:pkcs11:pkcs11:{URI}"));
    std::fs::remove_file(scene.stage.path("www.crt")).unwrap();
    assert_eq!(scene.names("nginx-uri-ambiguous"), "strongroom --vault www pkcs11 uri --type private");
}

#[test]
fn a_certificate_of_another_site_is_never_written_over_and_what_is_replaced_stays_beside() {
    let Some(scene) = scene() else { return };
    another_key(&scene);
    let before = certificate(&scene);
    // The slip is in the URI: the file is www's.
    scene.nginx_configuration("engine:pkcs11:pkcs11:token=stage;object=wwwex;type=private");
    assert!(!scene.nginx_starts());
    assert_eq!(scene.names("nginx-certificate-stale"), "strongroom --vault www pkcs11 uri --type private");
    assert_eq!(certificate(&scene), before);
    scene.nginx_configuration(&format!("engine:pkcs11:pkcs11:{URI}"));
    scene.strongroom("key rotate www");
    scene.mends_nginx("nginx-certificate-stale", "");
    assert_eq!(std::fs::read_to_string(scene.stage.path("www.crt.old")).unwrap(), before);
}
