//! What doesn't lie in the vault that is asked: identities and groups in the server's first one, issuers and addresses in the
//! configuration.

use serde_json::json;

use super::Place;
use super::command_line::CommandLine;

#[test]
fn identities_and_groups_of_the_first_vault_are_known_when_another_is_asked() {
    let place = Place::with(&[("web", "key-vault"), ("hsm", "managed-hsm")]);
    let app = place.json(&["--vault", "web", "identity", "create", "app"])["object_id"].as_str().unwrap().to_owned();
    let group = place.json(&["--vault", "web", "group", "create", "signers"])["object_id"].as_str().unwrap().to_owned();
    place.run(&["--vault", "web", "group", "member", "add", "signers", "app"]);
    place.run(&["--vault", "hsm", "role", "assign", "Crypto User", &group, "--scope", "/keys", "--force"]);
    let explained = place.json(&["--vault", "hsm", "access", "explain", "app", "sign", "/keys/any"]);
    assert_eq!((&explained["allowed"], &explained["by"][0]["group"]), (&json!(true), &json!("signers")));
    assert_eq!(place.json(&["--vault", "hsm", "access", "list", "/keys"])[0]["identity"], "app");
    // Whose PIN is given, of that vault alone something is known.
    let alone = ["--vault", "hsm", "--pin-file", "pin", "access", "explain", &app, "sign", "/keys/any"];
    assert_eq!(place.json(&alone)["allowed"], false);
    assert!(place.fails(1, &["--vault", "hsm", "access", "model", "policies"]).contains("goes by roles"));
    assert!(
        place
            .fails(1, &["--vault", "hsm", "access", "policy", "set", &app, "--keys", "get", "--force"])
            .contains("roles")
    );
}

#[test]
fn what_no_server_of_this_machine_takes_for_its_first_vault_is_none() {
    let place = Place::with(&[("web", "key-vault"), ("two", "key-vault")]);
    let later = place.path("later");
    let before = format!(
        "[[vault]]\nname = \"far\"\nbackend = \"azure\"\nurl = \"https://127.0.0.1:1\"\ncredential = \"managed-identity\"\n\
         [[vault]]\nname = \"later\"\npath = {later:?}\n[[vault]]\nname = \"web\"\n"
    );
    place.configure("[[vault]]\nname = \"web\"\n", &before);
    place.run(&["--vault", "web", "identity", "create", "app"]);
    for vault in ["web", "two"] {
        let explained = place.json(&["--vault", vault, "access", "explain", "app", "sign", "/keys/www"]);
        assert_eq!(explained["who"], "app", "{vault}");
        assert_eq!(place.json(&["--vault", vault, "access", "list"]), json!([]));
    }
}

#[test]
fn the_command_that_is_named_as_remedy_is_the_remedy_in_another_vault_than_the_first_too() {
    let place = Place::with(&[("web", "key-vault"), ("two", "key-vault"), ("hsm", "managed-hsm")]);
    place.run(&["--vault", "web", "identity", "create", "app"]);
    place.run(&["--vault", "web", "group", "create", "signers"]);
    for (vault, model) in
        [("web", "roles"), ("web", "policies"), ("two", "roles"), ("two", "policies"), ("hsm", "roles")]
    {
        place.run(&["--vault", vault, "access", "model", model]);
        for who in ["app", "signers"] {
            let explain = || place.json(&["--vault", vault, "access", "explain", who, "sign", "/keys/www"]);
            let denied = explain();
            assert_eq!(denied["allowed"], false, "{vault} {denied}");
            place.shell(denied["remedy"]["command"].as_str().unwrap());
            assert_eq!(explain()["allowed"], true, "{vault} {denied}");
        }
    }
    place.run(&["--vault", "web", "identity", "disable", "app"]);
    let said = place.run(&["--vault", "two", "access", "explain", "app", "sign", "/keys/www"]);
    let command = said.split('`').find(|part| part.contains("identity enable")).unwrap();
    place.shell(command);
    assert_eq!(place.json(&["--vault", "two", "access", "explain", "app", "sign", "/keys/www"])["allowed"], true);
}

#[test]
fn who_is_known_by_an_object_id_alone_gets_a_remedy_that_takes_it() {
    let place = Place::with(&[("web", "key-vault")]);
    let stranger = "0d7f22f5-6d0a-4f0e-8f0c-6c1c4f1a2b3c";
    let explain = || place.json(&["access", "explain", stranger, "get", "/secrets/a"]);
    place.shell(explain()["remedy"]["command"].as_str().unwrap());
    assert_eq!(explain()["allowed"], true);
}

#[test]
fn who_names_an_issuer_that_the_configuration_does_not_have_is_told_so_and_of_the_nearest() {
    let place = Place::with(&[("web", "key-vault")]);
    place.run(&["identity", "create", "app"]);
    place.run(&["group", "create", "staff"]);
    let federation = |issuer: &str| place.noted(&["identity", "federation", "add", "app", issuer, "x"]);
    let foreign = |issuer: &str| place.noted(&["group", "foreign", "add", "staff", issuer, "x"]);
    for said in [federation("https://first.test"), foreign("https://first.test")] {
        assert!(said.contains("No `[[issuer]]` table") && said.contains("names none"), "{said}");
    }
    place.configure("[[vault]]\n", "[[issuer]]\nurl = \"https://id.test/realms/main\"\n[[vault]]\n");
    for said in [federation("https://id.test/realms/main/"), foreign("https://id.test/realms/main/")] {
        assert!(said.contains("No `[[issuer]]` table") && said.contains("`https://id.test/realms/main`"), "{said}");
    }
    for said in [federation("https://id.test/realms/main"), foreign("https://id.test/realms/main")] {
        assert!(!said.contains("[[issuer]]"), "{said}");
    }
    for (issuer, value) in
        [("https://id.test", ""), ("https://id.test", "a\u{7}b"), (" ", "x"), ("https://id.test\n", "x")]
    {
        for family in [["group", "foreign", "add", "staff"], ["identity", "federation", "add", "app"]] {
            let said = place.fails(2, &[&family[..], &[issuer, value]].concat());
            assert!(said.contains("empty or has control characters"), "{family:?} {issuer:?} {value:?}: {said}");
        }
    }
}

#[test]
fn an_explanation_says_that_a_vault_can_not_be_reached_from_everywhere() {
    let place = Place::with(&[("web", "key-vault")]);
    place.run(&["identity", "create", "app"]);
    place.run(&["role", "assign", "Crypto User", "app"]);
    let explain = ["access", "explain", "app", "sign", "/keys/www"];
    assert!(!place.run(&explain).contains("allow_from"));
    assert_eq!(place.json(&explain)["from_everywhere"], true);
    place.configure("serve_as = \"key-vault\"\n", "serve_as = \"key-vault\"\nallow_from = [\"10.0.0.0/8\"]\n");
    let said = place.run(&explain);
    assert!(said.contains("allowed: app") && said.contains("allow_from"), "{said}");
    assert_eq!(place.json(&explain)["from_everywhere"], false);
}
