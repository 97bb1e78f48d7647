//! Certificates from both sides: what the SDK makes serves TLS through the module, and what the command line makes the SDK
//! exports.

use crate::served::{Served, python};
use crate::stage::nginx::{Nginx, Site};
use crate::stage::{Stage, is_ours, is_root, output, succeed};

const CLIENTS: &str = "import os\n\
    from azure.identity import DefaultAzureCredential as Credential\n\
    from azure.keyvault.certificates import CertificateClient, CertificatePolicy\n\
    from azure.keyvault.secrets import SecretClient\n\
    url = os.environ['VAULT_URL']\n\
    certificates, secrets = CertificateClient(url, Credential()), SecretClient(url, Credential())\n";

fn run(stage: &Stage, served: &Served, program: &str) -> String {
    succeed(served.client(stage, python()).args(["-c", &format!("{CLIENTS}{program}")]))
}

/// A vault with an authority, whose certificate lies in `ca.crt`.
fn with_authority() -> Stage {
    let stage = Stage::new();
    stage.strongroom("key create ca --kind p-256");
    stage.strongroom("cert create ca --authority --subject CN=Example-CA --out ca.crt");
    stage
}

/// The chain comes out of the secret, which has no key: that stays in the vault, where nginx uses it.
#[test]
fn a_certificate_of_the_sdk_serves_tls_in_nginx_through_the_module() {
    if !is_root() || !is_ours() {
        return;
    }
    let stage = with_authority();
    let served = Served::vault(&stage);
    run(
        &stage,
        &served,
        "certificates.create_issuer('ca', 'Strongroom')\n\
         policy = CertificatePolicy('ca', subject='CN=localhost', san_dns_names=['localhost'], key_type='EC',\n\
         \x20   key_curve_name='P-256', exportable=False, content_type='application/x-pem-file', validity_in_months=3)\n\
         made = certificates.begin_create_certificate('www', policy, _polling_interval=0.1).result()\n\
         secret = secrets.get_secret('www').value\n\
         assert made.properties.enabled and 'PRIVATE' not in secret and secret.count('BEGIN CERTIFICATE') == 2\n\
         open('www.crt', 'w').write(secret)\n",
    );
    let site = Site::labelled(&stage.at("www.crt"), "www");
    let nginx = Nginx::start(&stage, 2, std::slice::from_ref(&site));
    let options = format!("--silent --show-error --fail --cacert {}", stage.at("ca.crt"));
    let resolve = format!("localhost:{}:127.0.0.1", site.port);
    for _ in 0..8 {
        let mut curl = stage.command("curl");
        curl.args(options.split(' ')).args(["--resolve", &resolve, &format!("https://localhost:{}/", site.port)]);
        assert_eq!(succeed(&mut curl), "served by the vault's key\n", "{}", nginx.log());
    }
}

#[test]
fn a_certificate_of_the_command_line_is_exported_by_the_sdk_and_read_by_openssl() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    stage.strongroom("key create www --kind p-256 --exportable");
    stage.strongroom("cert create www --subject CN=www.example.org --out www.crt");
    stage.strongroom("key create kept --kind p-256");
    stage.strongroom("cert create kept --subject CN=kept");
    let served = Served::vault(&stage);
    run(
        &stage,
        &served,
        "import base64\n\
         made = certificates.get_certificate('www')\n\
         assert made.key_id.endswith('/keys/www/' + made.key_id[-32:]) and made.policy.subject == 'CN=www.example.org'\n\
         secret = secrets.get_secret('www', made.properties.version)\n\
         assert secret.properties.content_type == 'application/x-pkcs12' and secret.properties.managed\n\
         open('www.pfx', 'wb').write(base64.b64decode(secret.value))\n\
         open('kept.pfx', 'wb').write(base64.b64decode(secrets.get_secret('kept').value))\n",
    );
    let read = |what: &str| succeed(stage.command("openssl").args(what.split(' ')));
    read("pkcs12 -in www.pfx -passin pass: -nodes -out www.pem");
    let modulus = |what: &str| read(&format!("{what} -noout -pubkey"));
    assert_eq!(modulus("x509 -in www.pem"), modulus("x509 -in www.crt"));
    assert_eq!(read("pkey -in www.pem -pubout"), modulus("x509 -in www.crt"));
    let kept = read("pkcs12 -in kept.pfx -passin pass: -nodes");
    assert!(kept.contains("BEGIN CERTIFICATE") && !kept.contains("PRIVATE KEY"), "{kept}");
}

#[test]
fn the_command_line_shows_a_certificate_of_the_sdk_and_deletes_it_with_its_key() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let served = Served::vault(&stage);
    run(
        &stage,
        &served,
        "policy = CertificatePolicy('Self', subject='CN=managed', key_type='EC', reuse_key=True)\n\
         for _ in range(2):\n\
         \x20   certificates.begin_create_certificate('www', policy, _polling_interval=0.1).result()\n",
    );
    let listed = |what: &str| -> serde_json::Value {
        serde_json::from_slice(&output(&mut stage.strongroom_command(&format!("--json {what} list"))).stdout).unwrap()
    };
    assert_eq!(listed("cert").as_array().unwrap().len(), 1);
    assert!(stage.strongroom("cert show www").contains("CN=managed"));
    for refused in ["key delete www", "key delete www --purge --yes", "key rotate www"] {
        let done = output(&mut stage.strongroom_command(refused));
        assert!(!done.status.success(), "{refused}");
    }
    assert!(stage.strongroom("cert delete www").contains("and its key"));
    assert_eq!((listed("cert"), listed("key")), (serde_json::json!([]), serde_json::json!([])));
    stage.strongroom("deleted recover www --kind certificate");
    assert_eq!(listed("key").as_array().unwrap().len(), 1);
    stage.strongroom("cert delete www --purge --yes");
    assert_eq!(
        (listed("cert"), listed("key"), listed("deleted")),
        (serde_json::json!([]), serde_json::json!([]), serde_json::json!([]))
    );
}

#[test]
fn a_certificate_of_the_sdk_that_the_command_line_renews_is_whole_to_the_sdk() {
    if !is_ours() {
        return;
    }
    let stage = with_authority();
    let served = Served::vault(&stage);
    run(
        &stage,
        &served,
        "certificates.create_issuer('ca', 'Strongroom')\n\
         policy = CertificatePolicy('ca', subject='CN=www', key_type='EC', key_curve_name='P-256', reuse_key=True,\n\
         \x20   content_type='application/x-pem-file')\n\
         for _ in range(2):\n\
         \x20   certificates.begin_create_certificate('www', policy, tags={'team': 'web'}, _polling_interval=0.1).result()\n",
    );
    stage.strongroom("cert renew www --out renewed.crt");
    run(
        &stage,
        &served,
        "made = certificates.get_certificate('www')\n\
         version = made.properties.version\n\
         assert made.key_id.endswith('/keys/www/' + version) and made.secret_id.endswith('/secrets/www/' + version)\n\
         assert made.policy.issuer_name == 'ca' and made.policy.reuse_key and made.properties.tags == {'team': 'web'}\n\
         assert len(list(certificates.list_properties_of_certificate_versions('www'))) == 3\n\
         secret = secrets.get_secret('www', version).value\n\
         assert secret.count('BEGIN CERTIFICATE') == 2 and secret.count('BEGIN PRIVATE KEY') == 1\n\
         open('www.pem', 'w').write(secret)\n",
    );
    let read = |what: &str| succeed(stage.command("openssl").args(what.split(' ')));
    assert!(read("verify -x509_strict -CAfile ca.crt www.pem").contains("OK"));
    let public = read("pkey -in www.pem -pubout");
    assert_eq!(public, read("x509 -in renewed.crt -noout -pubkey"));
    assert_eq!(public, stage.strongroom("key public www"));
}

#[test]
fn what_waits_for_an_authority_is_seen_by_the_command_line_only_once_it_is_deleted() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let served = Served::vault(&stage);
    run(
        &stage,
        &served,
        "policy = CertificatePolicy('Unknown', subject='CN=waits', key_type='EC')\n\
         for name in ['waits', 'gone']:\n\
         \x20   certificates.begin_create_certificate(name, policy).result()\n\
         certificates.begin_delete_certificate('gone', _polling_interval=0.1).result()\n",
    );
    for what in ["cert list", "key list", "deleted list"] {
        assert!(!stage.strongroom(what).contains("waits"), "{what}");
    }
    assert!(stage.strongroom("deleted list").contains("gone"));
    assert!(stage.strongroom("deleted show gone").contains("certificate"));
    stage.strongroom("deleted purge gone --yes");
    assert!(!stage.strongroom("deleted list").contains("gone"));
    let backup = "backup create whole.backup --passphrase-file pin";
    stage.strongroom(backup);
    run(
        &stage,
        &served,
        "operation = certificates.get_certificate_operation('waits')\n\
         assert operation.status == 'inProgress' and operation.csr\n",
    );
}
