//! What the login host answers `az` besides tokens: where vaults are, and what identities are called.

use serde_json::{Value, json};
use strongroom::server::identity::group;

use crate::serving::{Answer, Client, LOGIN, RESOURCE, VAULT, World};

/// What `az` takes for the resource manager's and the directory's address.
const AUTHORITY: &str = "https://login.vault.test:8443";

fn ask(client: &mut Client, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.send(method, LOGIN, path, &[("authorization", &bearer), ("content-type", "application/json")], &body)
}

/// A token of somebody for something.
fn token_for(world: &World, name: &str, resource: &str) -> (String, String, String) {
    let somebody = world.somebody(name);
    let answer = world.connect().login("adfs", &somebody.form_for(resource));
    let token = answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    (somebody.identity.oid.clone(), somebody.identity.appid.clone(), token)
}

#[test]
fn az_is_told_where_everything_is() {
    let world = World::new();
    let mut client = world.connect();
    let cloud = client.send("GET", LOGIN, "/metadata/endpoints?api-version=2022-09-01", &[], "").json();
    assert_eq!(cloud["authentication"]["loginEndpoint"], AUTHORITY);
    assert_eq!(cloud["authentication"]["audiences"], json!([AUTHORITY]));
    assert_eq!(cloud["resourceManager"], AUTHORITY);
    assert_eq!(cloud["suffixes"], json!({ "keyVaultDns": ".vault.test:8443", "mhsmDns": ".managedhsm.test:8443" }));
    assert_eq!(
        client.send("GET", LOGIN, "/subscriptions?api-version=2022-12-01", &[], "").json(),
        json!({ "value": [] })
    );
    // Only there: to a vault these are paths like others.
    assert_eq!(client.send("GET", VAULT, "/metadata/endpoints", &[], "").status, 401);
}

#[test]
fn an_identity_is_found_by_its_ids_or_name_and_nobody_is_listed() {
    let world = World::new();
    let (oid, appid, token) = token_for(&world, "app", AUTHORITY);
    let mut client = world.connect();
    let by_ids = json!({ "ids": [oid.to_uppercase(), appid, "7"], "types": ["user"] });
    let found = ask(&mut client, &token, "POST", "/v1.0/directoryObjects/getByIds", &by_ids);
    let wanted = json!({ "value": [{
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": oid, "appId": appid, "displayName": "app",
        "servicePrincipalNames": ["app", appid], "servicePrincipalType": "Application",
    }]});
    assert_eq!((found.status, found.json()), (200, wanted.clone()));
    for (name, answer) in
        [("APP", wanted.clone()), (&appid, wanted.clone()), (&oid, wanted), ("ap", json!({ "value": [] }))]
    {
        let path = format!("/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'{name}')");
        assert_eq!(ask(&mut client, &token, "GET", &path, &Value::Null).json(), answer, "{name}");
    }
    for (method, path, body, status) in [
        ("GET", "/v1.0/servicePrincipals", Value::Null, 400),
        ("GET", "/v1.0/servicePrincipals?$filter=displayName%20eq%20'app'", Value::Null, 400),
        ("GET", "/v1.0/applications", Value::Null, 404),
        ("POST", "/v1.0/directoryObjects/getByIds", json!({}), 400),
        ("POST", "/v1.0/directoryObjects/getByIds", json!({ "ids": vec!["x"; 1001] }), 400),
    ] {
        let refused = ask(&mut client, &token, method, path, &body);
        assert_eq!(refused.status, status, "{path}: {refused:?}");
        assert!(refused.json()["error"]["message"].is_string(), "{refused:?}");
    }
}

#[test]
fn a_group_is_found_by_its_id() {
    let world = World::new();
    let (oid, _, token) = token_for(&world, "app", AUTHORITY);
    let group = group::create(&*world.vault, "signers", 0).unwrap().oid;
    let body = json!({ "ids": [oid, group.to_uppercase()] });
    let found = ask(&mut world.connect(), &token, "POST", "/v1.0/directoryObjects/getByIds", &body).json();
    let shown = json!({ "@odata.type": "#microsoft.graph.group", "id": group, "displayName": "signers" });
    assert_eq!((found["value"].as_array().unwrap().len(), &found["value"][1]), (2, &shown));
}

#[test]
fn the_directory_wants_a_token_of_its_own() {
    let world = World::new();
    let (oid, _, of_a_vault) = token_for(&world, "app", RESOURCE);
    let mut client = world.connect();
    for token in ["", "x", of_a_vault.as_str()] {
        let body = json!({ "ids": [oid] });
        let refused = ask(&mut client, token, "POST", "/v1.0/directoryObjects/getByIds", &body);
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(!refused.body.contains("app\""), "{refused:?}");
    }
    let (.., of_the_manager) = token_for(&world, "other", AUTHORITY);
    assert_eq!(client.call(&of_the_manager, "GET", "/keys", "").status, 401);
}
