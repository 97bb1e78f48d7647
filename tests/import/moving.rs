//! An nginx moves from SoftHSM: one changed path, the same URI, the same certificate.

use std::path::Path;

use super::stage::nginx::{Nginx, Site};
use super::stage::{self, PIN, Stage, TOKEN, is_ours, is_root, succeed};
use super::{SOFTHSM, Scene};

/// Fetches the page, and the certificate that was served with it.
fn fetch(stage: &Stage, site: &Site) -> (String, String) {
    let (url, resolve) = (format!("https://localhost:{}/", site.port), format!("localhost:{}:127.0.0.1", site.port));
    let options = format!("--silent --show-error --fail --cacert {}", site.certificate);
    let page = succeed(stage.command("curl").args(options.split(' ')).args(["--resolve", &resolve, &url]));
    let mut client = stage.command("openssl");
    client.args(["s_client", "-connect", &format!("127.0.0.1:{}", site.port)]);
    let shown = String::from_utf8(stage::output(&mut client).stdout).unwrap();
    let begin = shown.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
    let end = shown.find("-----END CERTIFICATE-----").expect("its end");
    (page, shown[begin..end].to_owned())
}

/// A certificate for localhost by openssl's engine on SoftHSM's module, whose key has this label.
fn certificate(scene: &Scene, label: &str) -> String {
    let (key, file) =
        (format!("pkcs11:token={TOKEN};object={label};type=private"), scene.stage.at(&format!("{label}.crt")));
    let mut openssl = scene.stage.command("openssl");
    openssl.env("OPENSSL_CONF", scene.stage.engine_configuration_for(Path::new(SOFTHSM)));
    openssl.args("req -new -x509 -engine pkcs11 -keyform engine -days 2 -subj /CN=localhost".split(' '));
    openssl.args(["-addext", "subjectAltName=DNS:localhost", "-key", &key, "-out", &file]);
    succeed(&mut openssl);
    file
}

#[test]
fn nginx_moves_from_softhsm_by_import_and_one_changed_path() {
    if !is_root() || !is_ours() {
        return;
    }
    let scene = Scene::new();
    scene.stage.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out outside.p8");
    scene.softhsm_util(&format!("--import outside.p8 --token {TOKEN} --label outside --id 0101 --pin {PIN}"));
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label inside --id 0202");
    let sites = ["outside", "inside"].map(|label| Site::labelled(&certificate(&scene, label), label));

    // SoftHSM's workers open the token themselves, so they must be able to: that is what is being left.
    stage::set_mode(&scene.stage.path(""), 0o755);
    let tokens = scene.stage.at("tokens");
    succeed(scene.stage.command("chown").args(["-R", "www-data", &tokens]));
    let before = {
        let _nginx = Nginx::start_with(&scene.stage, Path::new(SOFTHSM), 2, &sites);
        sites.each_ref().map(|site| fetch(&scene.stage, site))
    };
    let files = scene.token_files();

    let outcome = scene.import_softhsm();
    assert!(outcome.list("left_behind").is_empty(), "{:#}", outcome.0);
    assert!(outcome.0["remarks"].as_array().unwrap().is_empty(), "{:#}", outcome.0);
    assert_eq!(scene.token_files(), files);
    succeed(scene.stage.command("rm").args(["-r", &tokens]));

    // The same sites, so the same URIs; only the module's path is another.
    let nginx = Nginx::start(&scene.stage, 2, &sites);
    let after = sites.each_ref().map(|site| fetch(&scene.stage, site));
    assert_eq!(after, before);
    assert_eq!(nginx.log(), "");
}
