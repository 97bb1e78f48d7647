//! Roles over REST: made, given and taken away, by whom, and that nobody gives what they may not.
#![cfg(feature = "server")]

mod serving;

use serde_json::{Value, json};
use serving::{Answer, Client, World};
use strongroom::server::guid;

const DEFINITIONS: &str = "/providers/Microsoft.Authorization/roleDefinitions";
const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";
const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";
const HSM_ADMINISTRATOR: &str = "a290e904-7015-4bba-90c8-60543313cdb4";
const READER: &str = "21090545-7ca7-4776-b22c-e363652d74d2";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const CERTIFICATE_USER: &str = "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba";
const DATA_ACCESS: &str = "8b54135c-b56d-4d72-a534-26097cfdc8d8";

fn id() -> String {
    guid::random().unwrap()
}

fn full(role: &str) -> String {
    format!("Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/{role}")
}

/// Gives a role at a scope; `""` is the whole vault.
fn give(client: &mut Client, token: &str, scope: &str, role: &str, principal: &str) -> Answer {
    let body = json!({ "properties": { "roleDefinitionId": full(role), "principalId": principal } });
    client.call(token, "PUT", &format!("{scope}{ASSIGNMENTS}/{}", id()), &body.to_string())
}

fn take(client: &mut Client, token: &str, scope: &str, assignment: &str) -> Answer {
    client.call(token, "DELETE", &format!("{scope}{ASSIGNMENTS}/{assignment}"), "")
}

/// Makes a role.
fn define(client: &mut Client, token: &str, id: &str, properties: Value) -> Answer {
    let body = json!({ "properties": properties });
    client.call(token, "PUT", &format!("{DEFINITIONS}/{id}"), &body.to_string())
}

fn allowing(name: &str, actions: &[&str]) -> Value {
    json!({ "roleName": name, "type": "CustomRole", "permissions": [{ "dataActions": actions }] })
}

fn is_refused(answer: &Answer, status: u16, code: &str) {
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{answer:?}");
}

fn is_denied(answer: &Answer) {
    is_refused(answer, 403, "Forbidden");
    assert_eq!(answer.inner_code().as_deref(), Some("ForbiddenByRbac"), "{answer:?}");
}

#[test]
fn a_role_is_given_and_taken_away_and_counts_at_once() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let somebody = world.somebody("somebody");
    let token = world.token_of(&somebody);
    let mut client = world.connect();
    let mut waiting = world.connect();
    client.call(&administrator, "PUT", "/secrets/a", r#"{"value":"v"}"#);
    is_denied(&waiting.call(&token, "GET", "/secrets/a", ""));
    let given = give(&mut client, &administrator, "/secrets/A", SECRETS_USER, &somebody.identity.oid);
    assert_eq!(given.status, 201, "{given:?}");
    let given = given.json();
    let name = given["name"].as_str().unwrap().to_owned();
    assert_eq!(given["id"], format!("/secrets/A{ASSIGNMENTS}/{name}"));
    assert_eq!(given["type"], "Microsoft.Authorization/roleAssignments");
    assert_eq!(
        given["properties"],
        json!({ "scope": "/secrets/A", "roleDefinitionId": full(SECRETS_USER), "principalId": somebody.identity.oid })
    );
    assert_eq!(waiting.call(&token, "GET", "/secrets/a", "").status, 200);
    is_denied(&waiting.call(&token, "GET", "/secrets/b", ""));
    // By its id alone, as `az` names it.
    let got = client.call(&administrator, "GET", &format!("//{}/{name}", &ASSIGNMENTS[1..]), "");
    assert_eq!(got.json(), given);
    let gone = take(&mut client, &administrator, "/secrets/a", &name);
    assert_eq!((gone.status, gone.json()), (200, given));
    is_denied(&waiting.call(&token, "GET", "/secrets/a", ""));
    is_refused(&take(&mut client, &administrator, "", &name), 404, "RoleAssignmentNotFound");
}

#[test]
fn an_assignment_is_not_seen_from_beside_it() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let given = give(&mut client, &administrator, "/keys/a", READER, &id()).json();
    let name = given["name"].as_str().unwrap();
    for scope in ["/keys/b", "/secrets/a"] {
        is_refused(&take(&mut client, &administrator, scope, name), 404, "RoleAssignmentNotFound");
    }
    assert_eq!(take(&mut client, &administrator, "", name).status, 200);
}

#[test]
fn the_same_right_is_given_once() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let (principal, name) = (id(), id());
    let mut put = |role: &str, name: &str| {
        let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } }).to_string();
        client.call(&administrator, "PUT", &format!("{ASSIGNMENTS}/{name}"), &body)
    };
    assert_eq!(put(READER, &name).status, 201);
    assert_eq!(put(READER, &name.to_uppercase()).status, 201, "who asks again is told the same");
    is_refused(&put(READER, &id()), 409, "RoleAssignmentExists");
    is_refused(&put(SECRETS_USER, &name), 409, "RoleAssignmentExists");
}

#[test]
fn what_is_no_assignment_is_refused() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    for scope in ["/keys", "/secrets", "/keys/a/b", "/locks/a", "/keys/a_b", "/subscriptions/x"] {
        is_refused(&give(&mut client, &administrator, scope, READER, &id()), 400, "BadParameter");
    }
    for (role, principal) in [(id(), id()), (READER.to_owned(), "me".to_owned()), ("Reader".to_owned(), id())] {
        is_refused(&give(&mut client, &administrator, "", &role, &principal), 400, "BadParameter");
    }
    let body = json!({ "properties": { "roleDefinitionId": full(READER), "principalId": id() } }).to_string();
    is_refused(&client.call(&administrator, "PUT", &format!("{ASSIGNMENTS}/one"), &body), 400, "BadParameter");
}

#[test]
fn a_list_is_what_counts_at_a_scope_and_below_it() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let principal = id();
    for scope in ["/", "/keys/a", "/keys/b"] {
        world.assign(&principal, READER, scope);
    }
    let mut client = world.connect();
    let mut scopes = |path: &str| {
        let answer = client.call(&administrator, "GET", path, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let all = answer.json()["value"].as_array().unwrap().clone();
        let own = all.iter().filter(|one| one["properties"]["principalId"] == principal.as_str());
        let mut scopes: Vec<_> = own.map(|one| one["properties"]["scope"].as_str().unwrap().to_owned()).collect();
        scopes.sort();
        (scopes, all.len())
    };
    let all: Vec<String> = ["/", "/keys/a", "/keys/b"].map(str::to_owned).to_vec();
    assert_eq!(scopes(ASSIGNMENTS), (all.clone(), 4));
    assert_eq!(scopes(&format!("/{ASSIGNMENTS}")), (all.clone(), 4));
    assert_eq!(scopes(&format!("//{ASSIGNMENTS}")), (all, 4));
    assert_eq!(scopes(&format!("{ASSIGNMENTS}?$filter=atScope()")).0, ["/"]);
    assert_eq!(scopes(&format!("/keys/A{ASSIGNMENTS}")).0, ["/", "/keys/a"]);
    assert_eq!(scopes(&format!("/%2Fkeys%2Fa{ASSIGNMENTS}")).0, ["/", "/keys/a"]);
    assert_eq!(scopes(&format!("{ASSIGNMENTS}?%24filter=principalId%20eq%20'{principal}'")).1, 3);
    assert_eq!(client.call(&administrator, "GET", &format!("{ASSIGNMENTS}?$filter=x"), "").status, 400);
}

#[test]
fn long_lists_come_in_pages_that_keep_scope_and_filter() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let principal = id();
    for number in 0..60 {
        world.assign(&principal, READER, &format!("/keys/key-{number}"));
    }
    let mut client = world.connect();
    let mut next = Some(format!("{ASSIGNMENTS}?$filter=principalId+eq+'{principal}'&api-version=7.5"));
    let (mut names, mut pages) = (std::collections::BTreeSet::new(), 0);
    while let Some(path) = next {
        let bearer = format!("Bearer {administrator}");
        let answer = client.send("GET", serving::VAULT, &path, &[("authorization", &bearer)], "");
        let page = answer.json();
        let values = page["value"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
        names.extend(values.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        next = page["nextLink"].as_str().map(|link| link.split_once(":8443").unwrap().1.to_owned());
        pages += 1;
    }
    assert_eq!((names.len(), pages), (60, 3));
}

#[test]
fn an_administrator_of_one_object_gives_roles_on_it_alone() {
    let world = World::new();
    let somebody = world.somebody("keeper");
    world.assign(&somebody.identity.oid, ADMINISTRATOR, "/keys/www");
    let token = world.token_of(&somebody);
    let mut client = world.connect();
    assert_eq!(give(&mut client, &token, "/keys/WWW", ADMINISTRATOR, &id()).status, 201);
    for scope in ["", "/keys/other", "/secrets/www"] {
        is_denied(&give(&mut client, &token, scope, READER, &id()));
    }
    is_denied(&define(&mut client, &token, &id(), allowing("mine", &["Microsoft.KeyVault/vaults/keys/read"])));
}

#[test]
fn the_data_access_administrator_gives_eight_roles_and_no_other() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let (_, token) = world.token_with(DATA_ACCESS);
    let mut client = world.connect();
    let all = client.call(&administrator, "GET", DEFINITIONS, "").json();
    let custom = id();
    let made = define(&mut client, &administrator, &custom, allowing("nothing", &[]));
    assert_eq!(made.status, 201, "{made:?}");
    let roles = all["value"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap().to_owned());
    let roles: Vec<String> = roles.chain([custom]).collect();
    assert_eq!(roles.len(), 12);
    let mut given = 0;
    for role in roles {
        let principal = id();
        let answer = give(&mut client, &token, "", &role, &principal);
        // What it may not give it may not take away either.
        let taken = give(&mut client, &administrator, "", &role, &id()).json()["name"].as_str().unwrap().to_owned();
        let taken = take(&mut client, &token, "", &taken);
        match answer.status {
            201 => {
                given += 1;
                assert_eq!(taken.status, 200, "{role}");
            }
            _ => {
                is_denied(&answer);
                is_denied(&taken);
                assert!(![ADMINISTRATOR, READER, SECRETS_USER].contains(&role.as_str()), "{role}");
            }
        }
    }
    assert_eq!(given, 8);
    is_denied(&give(&mut client, &token, "", CERTIFICATE_USER, &id()));
    is_denied(&give(&mut client, &token, "", DATA_ACCESS, &id()));
    is_denied(&define(&mut client, &token, &id(), allowing("mine", &["Microsoft.KeyVault/vaults/keys/read"])));
}

#[test]
fn who_has_a_role_of_their_own_gives_what_they_may_do_themselves() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let (keeper, narrow) = (id(), id());
    let of = |names: &[&str]| names.iter().map(|name| format!("Microsoft.KeyVault/vaults/{name}")).collect::<Vec<_>>();
    let actions =
        of(&["roleAssignments/*", "roleDefinitions/*", "secrets/getSecret/action", "secrets/readMetadata/action"]);
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    define(&mut client, &administrator, &keeper, allowing("keeper", &actions));
    let somebody = world.somebody("somebody");
    world.assign(&somebody.identity.oid, &keeper, "/");
    let token = world.token_of(&somebody);
    assert_eq!(give(&mut client, &token, "", SECRETS_USER, &id()).status, 201);
    assert_eq!(give(&mut client, &token, "", &keeper, &id()).status, 201);
    for role in [ADMINISTRATOR, READER, DATA_ACCESS] {
        is_denied(&give(&mut client, &token, "", role, &somebody.identity.oid));
    }
    // Nor by making a role that allows more, or making their own so.
    let made = define(
        &mut client,
        &token,
        &narrow,
        allowing("narrow", &["Microsoft.KeyVault/vaults/secrets/getSecret/action"]),
    );
    assert_eq!(made.status, 201, "{made:?}");
    for name in [&narrow, &keeper] {
        is_denied(&define(&mut client, &token, name, allowing("wide", &["Microsoft.KeyVault/vaults/secrets/*"])));
    }
    is_denied(&client.call(&token, "PUT", "/secrets/a", r#"{"value":"v"}"#));
}

#[test]
fn a_role_is_emptied_by_who_might_give_what_it_allowed() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let (writer, mut client) = (world.somebody("writer"), world.connect());
    let [signers, writers] = [id(), id()];
    let sign = "Microsoft.KeyVault/vaults/keys/sign/action";
    let write = "Microsoft.KeyVault/vaults/roleDefinitions/write";
    assert_eq!(define(&mut client, &administrator, &signers, allowing("signers", &[sign])).status, 201);
    assert_eq!(define(&mut client, &administrator, &writers, allowing("writers", &[write])).status, 201);
    world.assign(&writer.identity.oid, &writers, "/");
    let token = world.token_of(&writer);
    is_denied(&define(&mut client, &token, &signers, allowing("signers", &[])));
    is_denied(&define(&mut client, &token, &signers, allowing("signers", &[write])));
    assert_eq!(define(&mut client, &token, &id(), allowing("empty", &[])).status, 201);
    assert_eq!(define(&mut client, &administrator, &signers, allowing("signers", &[])).status, 201);
}

#[test]
fn the_ids_of_both_manners_built_in_roles_are_taken() {
    let (vault, hsm) = (World::new(), World::of_hsm());
    for (world, role, own) in
        [(&vault, ADMINISTRATOR, "KeyVault/vaults"), (&hsm, HSM_ADMINISTRATOR, "KeyVault/managedHsm")]
    {
        let (_, administrator) = world.token_with(role);
        for id in [ADMINISTRATOR, HSM_ADMINISTRATOR] {
            let properties = allowing("mine", &[&format!("Microsoft.{own}/keys/*")]);
            let answer = define(&mut world.connect(), &administrator, id, properties);
            is_refused(&answer, 403, "Forbidden");
        }
    }
}

#[test]
fn the_last_administrator_stays_whoever_asks() {
    let world = World::new();
    let (somebody, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let own = world.assign(&somebody.identity.oid, ADMINISTRATOR, "/");
    let refused = take(&mut client, &administrator, "", &own);
    is_refused(&refused, 403, "Forbidden");
    assert!(refused.body.contains("administrator"), "{refused:?}");
    // Somebody whom the server doesn't know is no other administrator.
    assert_eq!(give(&mut client, &administrator, "", ADMINISTRATOR, &id()).status, 201);
    is_refused(&take(&mut client, &administrator, "", &own), 403, "Forbidden");
    let second = world.somebody("second");
    assert_eq!(give(&mut client, &administrator, "", ADMINISTRATOR, &second.identity.oid).status, 201);
    assert_eq!(take(&mut client, &administrator, "", &own).status, 200);
    is_denied(&client.call(&administrator, "GET", ASSIGNMENTS, ""));
}

#[test]
fn a_role_that_is_made_here_lives_its_life() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let (somebody, mut client) = (world.somebody("somebody"), world.connect());
    let token = world.token_of(&somebody);
    client.call(&administrator, "PUT", "/secrets/a", r#"{"value":"v"}"#);
    let name = id();
    let properties = json!({
        "roleName": "Reads secrets", "description": "all but their values", "type": "CustomRole",
        "assignableScopes": ["/secrets/a"],
        "permissions": [{
            "actions": [], "notActions": [],
            "dataActions": ["microsoft.keyvault/vaults/secrets/*"],
            "notDataActions": ["Microsoft.KeyVault/vaults/secrets/getSecret/action", "*/delete"],
        }],
    });
    let made = define(&mut client, &administrator, &name.to_uppercase(), properties.clone());
    assert_eq!(made.status, 201, "{made:?}");
    let role = made.json();
    assert_eq!((role["name"].as_str(), role["id"].as_str()), (Some(name.as_str()), Some(full(&name).as_str())));
    assert_eq!((&role["type"], &role["properties"]), (&json!("Microsoft.Authorization/roleDefinitions"), &properties));
    assert_eq!(client.call(&administrator, "GET", &format!("{DEFINITIONS}/{name}"), "").json(), role);
    // Where it may be given.
    is_refused(&give(&mut client, &administrator, "", &name, &somebody.identity.oid), 400, "BadParameter");
    let given = give(&mut client, &administrator, "/secrets/a", &name, &somebody.identity.oid);
    assert_eq!(given.status, 201, "{given:?}");
    // What it allows, from the next request on.
    let mut try_all = || {
        let statuses =
            [("GET", "/secrets/a"), ("PATCH", "/secrets/a"), ("DELETE", "/secrets/a"), ("GET", "/secrets/a/versions")];
        statuses
            .map(|(method, path)| client.call(&token, method, path, if method == "PATCH" { "{}" } else { "" }).status)
    };
    assert_eq!(try_all(), [403, 200, 403, 200]);
    let narrower =
        json!({ "roleName": "Reads secrets", "permissions": [{ "dataActions": ["*/secrets/getSecret/action"] }] });
    assert_eq!(define(&mut world.connect(), &administrator, &name, narrower).status, 201);
    assert_eq!(try_all(), [200, 403, 403, 403]);
    // Nobody loses it unseen.
    let in_use = client.call(&administrator, "DELETE", &format!("{DEFINITIONS}/{name}"), "");
    is_refused(&in_use, 409, "Conflict");
    let assignment = given.json()["name"].as_str().unwrap().to_owned();
    take(&mut client, &administrator, "", &assignment);
    let gone = client.call(&administrator, "DELETE", &format!("{DEFINITIONS}/{name}"), "");
    assert_eq!((gone.status, gone.json()["name"].as_str()), (200, Some(name.as_str())));
    let absent = client.call(&administrator, "GET", &format!("{DEFINITIONS}/{name}"), "");
    is_refused(&absent, 404, "RoleDefinitionNotFound");
    assert!(absent.body.contains("not found"), "{absent:?}");
}

#[test]
fn a_role_of_no_more_than_an_id_allows_nothing() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let name = id();
    let made = define(&mut world.connect(), &administrator, &name, json!({})).json();
    let wanted = json!({
        "roleName": name, "description": "", "type": "CustomRole", "permissions": [], "assignableScopes": ["/"],
    });
    assert_eq!(made["properties"], wanted);
}

#[test]
fn what_is_no_role_is_refused() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let mut wrong = |name: &str, properties: Value| define(&mut client, &administrator, name, properties);
    for properties in [
        allowing("x", &["Microsoft.KeyVault/vaults/keys/signs/action"]),
        allowing("x", &["Microsoft.KeyVault/managedHsm/keys/sign/action"]),
        allowing("x", &["keys/sign/action"]),
        allowing("x", &[""]),
        allowing("", &[]),
        allowing("a\nb", &[]),
        allowing(&"x".repeat(129), &[]),
        json!({ "type": "AKVBuiltInRole" }),
        json!({ "permissions": [{ "actions": ["*"] }] }),
        json!({ "permissions": [{ "dataActions": "*" }] }),
        json!({ "assignableScopes": [] }),
        json!({ "assignableScopes": ["/keys"] }),
        json!({ "assignableScopes": ["keys/a"] }),
        json!({ "description": "x".repeat(1025) }),
    ] {
        is_refused(&wrong(&id(), properties), 400, "BadParameter");
    }
    is_refused(&wrong("role", json!({})), 400, "BadParameter");
    is_refused(&wrong(READER, json!({})), 403, "Forbidden");
    is_refused(&wrong(&id(), allowing("key vault READER", &[])), 409, "Conflict");
    is_refused(&client.call(&administrator, "DELETE", &format!("{DEFINITIONS}/{READER}"), ""), 403, "Forbidden");
    is_refused(
        &client.call(&administrator, "PUT", &format!("/keys/a{DEFINITIONS}/{}", id()), "{}"),
        400,
        "BadParameter",
    );
}

#[test]
fn the_built_in_roles_are_listed_as_azure_shows_them() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    let all = client.call(&administrator, "GET", DEFINITIONS, "").json()["value"].as_array().unwrap().clone();
    let user = all.iter().find(|role| role["name"] == SECRETS_USER).unwrap();
    assert_eq!(
        *user,
        json!({
            "id": full(SECRETS_USER),
            "name": SECRETS_USER,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": "Key Vault Secrets User",
                "description": "",
                "type": "AKVBuiltInRole",
                "permissions": [{
                    "actions": [],
                    "notActions": [],
                    "dataActions": [
                        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
                    ],
                    "notDataActions": [],
                }],
                "assignableScopes": ["/"],
            },
        })
    );
    let mut names =
        |query: &str| client.call(&administrator, "GET", &format!("{DEFINITIONS}?$filter={query}"), "").json();
    let found = names("roleName+eq+'Key+Vault+Reader'")["value"].as_array().unwrap().clone();
    assert_eq!((found.len(), found[0]["name"].as_str()), (1, Some(READER)));
    assert_eq!(names("type+eq+'CustomRole'")["value"], json!([]));
}

#[test]
fn custom_managers_of_an_hsm_don_t_become_its_administrators() {
    let world = World::of_hsm();
    let (_, administrator) = world.token_with("Administrator");
    let mut client = world.connect();
    let keeper = id();
    let actions = ["Microsoft.KeyVault/managedHsm/role*"];
    assert_eq!(define(&mut client, &administrator, &keeper, allowing("keeper", &actions)).status, 201);
    let somebody = world.somebody("somebody");
    world.assign(&somebody.identity.oid, &keeper, "/");
    let token = world.token_of(&somebody);
    // A built-in role of the very same actions gives every role, and so isn't theirs to give.
    for role in [
        "4bd23610-cdcf-4971-bdee-bdc562cc28e4",
        "a290e904-7015-4bba-90c8-60543313cdb4",
        "21dbd100-6940-42c2-9190-5d6cb909625b",
    ] {
        is_denied(&give(&mut client, &token, "", role, &somebody.identity.oid));
    }
    // Which Azure's own roles for that do.
    let (_, policy) = world.token_with("Policy Administrator");
    for scope in ["", "/keys", "/keys/a"] {
        assert_eq!(give(&mut client, &policy, scope, "21dbd100-6940-42c2-9190-5d6cb909625b", &id()).status, 201);
    }
    is_refused(
        &give(&mut client, &policy, "/secrets/a", "21dbd100-6940-42c2-9190-5d6cb909625b", &id()),
        400,
        "BadParameter",
    );
    is_refused(&give(&mut client, &policy, "", READER, &id()), 400, "BadParameter");
}
