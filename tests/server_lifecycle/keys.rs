//! What a key may become, and what of a request comes back in its ids.

use serde_json::json;

use crate::scene::*;

#[test]
fn a_key_that_opens_imports_never_decrypts_and_the_other_way_round() {
    let scene = Scene::new();
    scene.post("/keys/kek/create", json!({ "kty": "RSA-HSM", "key_ops": ["import"] })).with(200);
    scene.post("/keys/other/create", json!({ "kty": "RSA", "key_ops": ["decrypt"] })).with(200);
    let forbidden = ("Forbidden".to_owned(), "KeyOperationForbidden".to_owned());
    for (name, ops) in [("kek", json!(["decrypt", "unwrapKey"])), ("kek", json!([])), ("other", json!(["import"]))] {
        let answer = scene.ask("PATCH", &format!("/keys/{name}/"), json!({ "key_ops": ops }));
        assert_eq!(answer.refused(403), forbidden, "{name} {ops}");
    }
    assert_eq!(scene.get("/keys/kek").with(200)["key"]["key_ops"], json!(["import"]));
    scene.ask("PATCH", "/keys/other/", json!({ "key_ops": ["sign"] })).with(200);
}

#[test]
fn a_host_whose_port_is_none_names_no_vault() {
    let scene = Scene::new();
    for host in ["web.vault.example.com:x", "web.vault.example.com:@evil.example", "web.vault.example.com:70000"] {
        assert_eq!(scene.ask_host(host, "/secrets").status, 404, "{host}");
    }
    assert_eq!(scene.ask_host("web.vault.example.com:8443", "/secrets").status, 200);
}
