//! What the verbs answer, refuse and leave behind.

use serde_json::{Value, json};

use super::command_line::CommandLine;
use super::{Place, cells};

fn web() -> Place {
    let place = Place::with(&[("web", "key-vault")]);
    place.run(&["identity", "create", "app"]);
    place.run(&["key", "create", "www", "--kind", "p-256"]);
    place
}

#[test]
fn a_group_is_made_filled_shown_emptied_and_deleted() {
    let place = web();
    let made = place.json(&["group", "create", "signers"]);
    assert_eq!((&made["members"], &made["foreign"]), (&json!([]), &json!([])));
    assert_eq!(place.json(&["group", "member", "add", "signers", "app"])["added"], true);
    assert_eq!(place.json(&["group", "member", "add", "SIGNERS", "app"])["added"], false);
    place.run(&["group", "foreign", "add", "signers", "https://id.test", "staff"]);
    place.run(&["role", "assign", "Crypto User", "signers", "--scope", "/keys/www"]);
    let shown = place.json(&["group", "show", made["object_id"].as_str().unwrap()]);
    assert_eq!(shown["members"][0]["name"], "app");
    assert_eq!(shown["foreign"], json!([{ "issuer": "https://id.test", "value": "staff" }]));
    assert_eq!(shown["roles"][0]["role"], "Key Vault Crypto User");
    assert_eq!((&shown["roles"][0]["group"], &shown["roles"][0]["identity"]), (&json!("signers"), &Value::Null));
    let app = place.json(&["identity", "show", "app"]);
    assert_eq!((&app["groups"][0]["name"], &app["roles"][0]["group"]), (&json!("signers"), &json!("signers")));
    assert!(place.run(&["identity", "show", "app"]).contains("on /keys/www, by the group signers"));
    place.run(&["group", "foreign", "remove", "signers", "https://id.test", "staff"]);
    place.run(&["group", "member", "remove", "signers", "app"]);
    assert_eq!(place.json(&["group", "list"])[0]["members"], json!([]));
    place.run(&["group", "delete", "signers"]);
    assert_eq!(place.json(&["group", "list"]), json!([]));
    assert_eq!(place.json(&["role", "assignments"])[0]["group"], Value::Null);
}

#[test]
fn what_no_group_can_be_is_refused_with_a_sentence() {
    let place = web();
    place.run(&["group", "create", "signers"]);
    place.run(&["group", "create", "others"]);
    place.run(&["group", "foreign", "add", "others", "https://id.test", "staff"]);
    let stranger = "0d7f22f5-6d0a-4f0e-8f0c-6c1c4f1a2b3c";
    for (arguments, code, said) in [
        (vec!["group", "create", "app"], 1, "already"),
        (vec!["group", "create", "Signers"], 1, "already"),
        (vec!["identity", "create", "signers"], 1, "already"),
        (vec!["group", "create", " x"], 2, "no blanks"),
        (vec!["group", "member", "add", "signers", "others"], 1, "groups hold no groups"),
        (vec!["group", "member", "add", "signers", "nobody"], 1, "no identity or group"),
        (vec!["group", "member", "add", "signers", stranger], 1, "--force"),
        (vec!["group", "member", "add", "nothing", "app"], 1, "no group"),
        (vec!["group", "member", "remove", "signers", "app"], 1, "isn't in the group"),
        (vec!["group", "foreign", "add", "signers", "https://id.test", "staff"], 1, "counts as the group others"),
        (vec!["group", "foreign", "remove", "signers", "https://id.test", "staff"], 1, "doesn't count"),
        (vec!["group", "delete", "nothing"], 1, "no group"),
    ] {
        assert!(place.fails(code, &arguments).contains(said), "{arguments:?}");
    }
    place.run(&["group", "member", "add", "signers", stranger, "--force"]);
    assert_eq!(place.json(&["group", "show", "signers"])["members"][0]["object_id"], stranger);
}

#[test]
fn an_explanation_names_assignment_role_scope_and_group_and_the_identity_that_is_disabled() {
    let place = web();
    let group = place.json(&["group", "create", "signers"])["object_id"].clone();
    place.run(&["group", "member", "add", "signers", "app"]);
    let explain = || place.json(&["access", "explain", "app", "sign", "/keys/www"]);
    let denied = explain();
    assert_eq!(
        (&denied["allowed"], &denied["what"], &denied["model"]),
        (&json!(false), &json!("KeySign"), &json!("roles"))
    );
    assert_eq!(denied["remedy"]["scope"], "/keys/www");
    let by_group = place.json(&["role", "assign", "Crypto User", "signers"])["id"].clone();
    let own = place.json(&["role", "assign", "Crypto Officer", "app", "--scope", "/keys/www"])["id"].clone();
    let allowed = explain();
    assert_eq!(allowed["allowed"], true);
    let by: Vec<_> = allowed["by"].as_array().unwrap().iter().map(|one| (&one["assignment"], &one["scope"])).collect();
    assert_eq!(by, [(&own, &json!("/keys/www")), (&by_group, &json!("/"))]);
    assert_eq!((&allowed["by"][1]["object_id"], &allowed["by"][1]["group"]), (&group, &json!("signers")));
    place.run(&["identity", "disable", "app"]);
    let disabled = explain();
    assert_eq!((&disabled["allowed"], &disabled["enabled"]), (&json!(false), &json!(false)));
    assert!(place.run(&["access", "explain", "app", "sign", "/keys/www"]).contains("strongroom identity enable app"));
    assert!(place.fails(2, &["access", "explain", "app", "sign", "/secrets/www"]).contains("no operation"));
    assert!(place.fails(2, &["access", "explain", "app", "sign", "/locks/www"]).contains("no scope"));
    assert!(place.fails(1, &["access", "explain", "nobody", "sign", "/keys/www"]).contains("no identity or group"));
}

#[test]
fn what_somebody_has_and_does_not_count_is_told() {
    let place = web();
    place.run(&["role", "assign", "Crypto User", "app", "--scope", "/keys/other"]);
    place.run(&["role", "assign", "Secrets User", "app"]);
    place.run(&["access", "policy", "set", "app", "--keys", "sign"]);
    let idle = || {
        let explained = place.json(&["access", "explain", "app", "sign", "/keys/www"]);
        let idle = explained["idle"].as_array().cloned().unwrap_or_default();
        idle.iter().map(|one| (one["why"].clone(), one["scope"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(idle(), [(json!("elsewhere"), json!("/keys/other")), (json!("other-model"), Value::Null)]);
    let said = place.run(&["access", "explain", "app", "sign", "/keys/www"]);
    assert!(said.contains("on /keys/other") && said.contains("it doesn't reach /keys/www"), "{said}");
    assert!(said.contains("an access policy: the vault goes by roles"), "{said}");
    place.run(&["access", "model", "policies"]);
    assert_eq!(idle(), [], "allowed");
    place.run(&["access", "policy", "remove", "app"]);
    place.run(&["role", "assign", "Crypto Officer", "app"]);
    assert_eq!(idle(), [(json!("other-model"), json!("/"))]);
}

#[test]
fn the_command_that_is_named_as_remedy_is_the_remedy() {
    let place = web();
    // A name that a shell would take for more than a word.
    let who = "o'brien $(exit 1)";
    place.run(&["identity", "create", who]);
    let allowed = |what: &str| place.json(&["access", "explain", who, what, "/keys/www"]);
    for model in ["roles", "policies"] {
        place.run(&["access", "model", model]);
        for what in ["get", "sign", "delete"] {
            let denied = allowed(what);
            assert_eq!(denied["allowed"], false, "{denied}");
            let command = denied["remedy"]["command"].as_str().unwrap();
            place.shell(command);
            assert_eq!(allowed(what)["allowed"], true, "{command}");
        }
        // The second and third added to the first.
        assert_eq!(allowed("get")["allowed"], true, "{model}");
    }
    assert_eq!(place.json(&["access", "policy", "list"])[0]["keys"], json!(["get", "delete", "sign"]));
}

#[test]
fn everybody_who_may_do_something_to_an_object_is_listed_by_what_gives_it() {
    let place = web();
    place.run(&["identity", "create", "other"]);
    place.run(&["identity", "disable", "other"]);
    place.run(&["group", "create", "signers"]);
    place.run(&["group", "member", "add", "signers", "app"]);
    place.run(&["group", "member", "add", "signers", "other"]);
    place.run(&["group", "foreign", "add", "signers", "https://id.test", "staff"]);
    place.run(&["role", "assign", "Crypto Service Encryption User", "signers", "--scope", "/keys/www"]);
    place.run(&["role", "assign", "Secrets Officer", "app"]);
    place.run(&["role", "assign", "Reader", "app", "--scope", "/keys/elsewhere"]);
    let listed = place.run(&["access", "list", "/keys/www"]);
    let role = "Key Vault Crypto Service Encryption User on /keys/www";
    let lines = cells(&listed);
    let allows = "keys/read, keys/wrap/action, keys/unwrap/action";
    assert_eq!(
        lines,
        [
            format!("app|enabled|{role}|signers|{allows}"),
            format!("other|disabled|{role}|signers|{allows}"),
            format!("staff of https://id.test|foreign|{role}|signers|{allows}"),
        ]
    );
    let secrets = place.json(&["access", "list", "/secrets/any"]);
    assert_eq!((secrets.as_array().unwrap().len(), &secrets[0]["identity"]), (1, &json!("app")));
    assert_eq!(place.json(&["access", "list", "/certificates/www"]), json!([]));
    place.run(&["access", "policy", "set", "signers", "--keys", "sign", "--secrets", "get"]);
    place.run(&["access", "model", "policies"]);
    let by_policy = place.json(&["access", "list", "/keys/www"]);
    assert_eq!(by_policy.as_array().unwrap().len(), 3);
    assert_eq!(by_policy[0]["allows"], json!(["keys sign"]));
}

#[test]
fn a_policy_says_what_was_asked_and_nothing_that_no_policy_can() {
    let place = web();
    let set = place.json(&["access", "policy", "set", "app", "--keys", "SIGN,get,sign", "--secrets", "list"]);
    assert_eq!((&set["keys"], &set["secrets"]), (&json!(["get", "sign"]), &json!(["list"])));
    // What isn't named stays as it is, and what is named is replaced.
    let set = place.json(&["access", "policy", "set", "app", "--keys", "wrapkey"]);
    assert_eq!((&set["keys"], &set["secrets"]), (&json!(["wrapKey"]), &json!(["list"])));
    assert!(
        place.fails(2, &["access", "policy", "set", "app", "--secrets", "sign"]).contains("no permission for secrets")
    );
    assert!(place.fails(2, &["access", "policy", "set", "app"]).contains("--keys"));
    assert!(place.fails(1, &["access", "policy", "set", "nobody", "--keys", "get"]).contains("no identity or group"));
    place.run(&["access", "policy", "set", "app", "--keys", "", "--secrets", ""]);
    assert_eq!(place.json(&["access", "policy", "list"]), json!([]));
    assert!(place.fails(1, &["access", "policy", "remove", "app"]).contains("nothing was done"));
    assert_eq!(place.json(&["access", "model"])["model"], "roles");
    place.run(&["access", "model", "policies"]);
    assert_eq!(place.json(&["access", "model"])["model"], "policies");
    let noted = place.output(&["role", "assign", "Reader", "app"]);
    assert!(String::from_utf8_lossy(&noted.stderr).contains("goes by access policies"));
    assert!(place.fails(2, &["access", "explain", "app", "keys/sign/action", "/keys/www"]).contains("data action"));
}
