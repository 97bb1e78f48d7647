//! A vault that is served as a Managed HSM: who may do what there, every operation asked by every role on every scope, against
//! a table that is written here by hand; and what such a vault hasn't.
#![cfg(feature = "server")]

mod serving;

use std::collections::HashMap;

use serving::{Client, HSM_RESOURCE, RESOURCE, Somebody, VAULT, World};
use strongroom::config::Manner;
use strongroom::server::access::{MANAGED_HSM, unassign};
use strongroom::server::routes::{Route, TABLE};

/// `+` allowed, `.` denied. The reach says which scopes of a role allow it: `object`: `/`, `/keys` and the key's own; `keys`:
/// `/` and `/keys`; `hsm`: `/`.
///
/// The roles: Administrator, Crypto Officer, Crypto User, Policy Administrator, Crypto Auditor, Crypto Service Encryption User,
/// Crypto Service Release User, Backup, Restore.
const ALLOWED: &str = "
                         reach   Ad CO CU PA Au EU RU Ba Re
    KeyCreate            object  .  .  +  .  .  .  .  .  .
    KeyImport            object  .  .  +  .  .  .  .  .  .
    KeyGet               object  .  .  +  .  +  +  .  .  .
    KeyUpdate            object  .  .  +  .  .  .  .  .  .
    KeyList              keys    .  .  +  .  +  +  .  .  .
    KeyListVersions      object  .  .  +  .  +  +  .  .  .
    KeySign              object  .  .  +  .  .  .  .  .  .
    KeyVerify            object  .  .  +  .  .  .  .  .  .
    KeyEncrypt           object  .  .  +  .  .  .  .  .  .
    KeyDecrypt           object  .  .  +  .  .  .  .  .  .
    KeyWrap              object  .  .  +  .  .  +  .  .  .
    KeyUnwrap            object  .  .  +  .  .  +  .  .  .
    KeyRotate            object  .  .  +  .  .  .  .  .  .
    KeyRotationPolicyGet object  .  .  +  .  +  +  .  .  .
    KeyRotationPolicySet object  .  .  +  .  .  .  .  .  .
    KeyRelease           object  .  .  +  .  .  .  +  .  .
    KeyGetAttestation    object  .  .  +  .  +  +  .  .  .
    KeyDelete            object  .  .  +  .  .  .  .  .  .
    KeyListDeleted       keys    .  +  .  .  .  .  .  .  .
    KeyGetDeleted        object  .  +  .  .  .  .  .  .  .
    KeyRecover           object  .  +  .  .  .  .  .  .  .
    KeyPurge             object  .  +  .  .  .  .  .  .  .
    KeyBackup            object  .  .  +  .  .  .  .  +  .
    KeyRestore           keys    .  .  +  .  .  .  .  .  +
    RandomBytesGet       hsm     .  .  +  .  .  .  .  .  .
    RoleDefinitionList   hsm     +  +  +  +  +  .  .  .  .
    RoleDefinitionGet    hsm     +  +  +  +  +  .  .  .  .
    RoleDefinitionSet    hsm     +  +  .  +  .  .  .  .  .
    RoleDefinitionDelete hsm     +  +  .  +  .  .  .  .  .
    RoleAssignmentList   hsm     +  +  +  +  +  .  .  .  .
    RoleAssignmentGet    hsm     +  +  +  +  +  .  .  .  .
    RoleAssignmentCreate hsm     +  +  .  +  .  .  .  .  .
    RoleAssignmentDelete hsm     +  +  .  +  .  .  .  .  .
    SettingsGet          hsm     +  .  .  .  .  .  .  .  .
    SettingGet           hsm     +  .  .  .  .  .  .  .  .
    SettingUpdate        hsm     +  .  .  .  .  .  .  .  .
    FullBackup           hsm     +  .  .  .  .  .  .  +  .
    PreFullBackup        hsm     +  .  .  .  .  .  .  +  .
    FullBackupStatus     hsm     +  .  .  .  .  .  .  +  .
    FullRestore          hsm     +  .  .  .  .  .  .  .  +
    PreFullRestore       hsm     +  .  .  .  .  .  .  .  +
    FullRestoreStatus    hsm     +  .  .  .  .  .  .  .  +
    SelectiveKeyRestore  object  +  .  .  .  .  .  .  .  +
";

/// The roles in the table's order.
const ROLES: [&str; 9] = [
    "a290e904-7015-4bba-90c8-60543313cdb4",
    "515eb02d-2335-4d2d-92f2-b1cbdf9c3778",
    "21dbd100-6940-42c2-9190-5d6cb909625b",
    "4bd23610-cdcf-4971-bdee-bdc562cc28e4",
    "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3",
    "33413926-3206-4cdd-b39a-83574fe37a17",
    "21dbd100-6940-42c2-9190-5d6cb909625c",
    "7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8",
    "6efe6056-5259-49d2-8b3d-d3d73544b20b",
];

/// What a role is given on, and the reaches that it covers then.
const SCOPES: [(Option<&str>, &[&str]); 5] = [
    (None, &[]),
    (Some("/"), &["object", "keys", "hsm"]),
    (Some("/keys"), &["object", "keys"]),
    (Some("/keys/No-Key"), &["object"]),
    (Some("/keys/other"), &[]),
];

const NO_KEY: &str = "no-key";
const NO_ROLE: &str = "00000000-0000-4000-8000-000000000000";

fn rows() -> HashMap<&'static str, (&'static str, Vec<&'static str>)> {
    let lines = ALLOWED.lines().map(str::split_whitespace).map(Iterator::collect::<Vec<_>>);
    lines.filter(|line| line.len() == 11).map(|line| (line[0], (line[1], line[2..].to_vec()))).collect()
}

fn operations() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().filter(|route| route.action_in(Manner::ManagedHsm).is_some())
}

/// Asks for an operation of something that isn't there, with a body that is none.
fn ask(client: &mut Client, token: &str, route: &Route) -> serving::Answer {
    let path = route.path.replace("{scope}/", "").replace("{id}", NO_ROLE);
    let path = path.replace("{name}", NO_KEY).replace("{version}", "");
    client.call(token, route.method.as_str(), &path, if route.body.is_some() { "{" } else { "" })
}

#[test]
fn every_role_may_do_in_a_managed_hsm_what_its_table_says_and_nothing_else() {
    let world = World::of_hsm();
    let mut client = world.connect();
    let people: Vec<Somebody> = ROLES.iter().map(|role| world.somebody(&format!("has {role}"))).collect();
    let tokens: Vec<String> = people.iter().map(|somebody| world.token_of(somebody)).collect();
    let rows = rows();
    // Whose rights are taken away again below isn't the last who has them.
    world.assign(&world.somebody("stays").identity.oid, ROLES[0], "/");
    for (scope, reaches) in SCOPES {
        let give = |(somebody, role): (&Somebody, &str)| Some(world.assign(&somebody.identity.oid, role, scope?));
        let given: Vec<String> = people.iter().zip(ROLES).filter_map(give).collect();
        for route in operations() {
            let (reach, signs) = rows.get(route.operation).unwrap_or_else(|| panic!("no row for {}", route.operation));
            for (column, token) in tokens.iter().enumerate() {
                let allowed = reaches.contains(reach) && signs[column] == "+";
                let answer = ask(&mut client, token, route);
                let case = format!("{} by {} on {scope:?}: {answer:?}", route.operation, ROLES[column]);
                let denied = answer.inner_code().as_deref() == Some("ForbiddenByRbac");
                assert_eq!(denied, !allowed, "{case}");
                assert_eq!(denied, answer.status == 403, "{case}");
                assert!(answer.status != 401 && answer.status < 500, "{case}");
            }
        }
        for id in given {
            unassign(&*world.vault, Manner::ManagedHsm, &id).unwrap();
        }
    }
}

#[test]
fn the_table_names_every_role_and_every_operation() {
    let mut known: Vec<&str> = MANAGED_HSM.iter().map(|role| role.id).collect();
    let mut here = ROLES.to_vec();
    known.sort_unstable();
    here.sort_unstable();
    assert_eq!(known, here);
    assert_eq!(rows().len(), operations().count());
}

#[test]
fn a_managed_hsm_has_no_secrets_and_no_certificates() {
    let world = World::of_hsm();
    let (somebody, token) = world.token_with("Administrator");
    for role in ["Crypto User", "Crypto Officer"] {
        world.assign(&somebody.identity.oid, role, "/");
    }
    let mut client = world.connect();
    for path in ["/secrets", "/secrets/a", "/deletedsecrets", "/certificates", "/certificates/a/create"] {
        let answer = client.call(&token, "GET", path, "");
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(answer.body.contains("not found"), "{answer:?}");
    }
}

#[test]
fn a_managed_hsm_makes_its_own_kinds_of_keys_alone() {
    let world = World::of_hsm();
    let (_, token) = world.token_with("Crypto User");
    let mut client = world.connect();
    for (kty, status) in [("RSA", 400), ("EC", 400), ("oct", 400), ("EC-HSM", 200), ("oct-HSM", 200)] {
        let answer = client.call(&token, "POST", &format!("/keys/{kty}/create"), &format!(r#"{{"kty":"{kty}"}}"#));
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 400 {
            assert!(answer.body.contains("-HSM"), "{answer:?}");
        } else {
            assert_eq!(answer.json()["key"]["kty"], kty);
            let kid = answer.json()["key"]["kid"].as_str().unwrap().to_owned();
            assert!(kid.starts_with("https://one.managedhsm.test:8443/keys/"), "{kid}");
        }
    }
    let key = r#""key":{"kty":"oct","k":"AgICAgICAgICAgICAgICAg"}"#;
    for body in [format!("{{{key}}}"), format!("{{{key},\"Hsm\":true}}"), format!("{{{key},\"Hsm\":false}}")] {
        let answer = client.call(&token, "PUT", "/keys/brought", &body);
        assert_eq!((answer.status, answer.json()["key"]["kty"].as_str()), (200, Some("oct-HSM")), "{answer:?}");
    }
}

#[test]
fn a_key_that_was_made_elsewhere_is_shown_as_an_hsm_key() {
    use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey};
    use strongroom::vault::{Class, Content, Draft, KeyDescription, Name, Naming, Usage};

    let world = World::of_hsm();
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
    let mut content = Content::new(Class::PrivateKey);
    content.label = b"module".to_vec();
    content.usage = Usage::SIGN;
    content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() });
    let naming = Naming::Set(Name::new("module").unwrap());
    world.vault.create(vec![Draft { content, naming, secret: Some(pkcs8) }]).unwrap();
    let (_, token) = world.token_with("Crypto User");
    let answer = world.connect().call(&token, "GET", "/keys/module", "");
    assert_eq!(answer.json()["key"]["kty"], "EC-HSM", "{answer:?}");
}

#[test]
fn each_manner_has_its_own_host_challenge_and_tokens() {
    let world = World::of_hsm();
    let (somebody, token) = world.token_with("Crypto User");
    let mut client = world.connect();
    let challenge = client.send("GET", serving::HSM, "/keys", &[], "");
    assert_eq!(challenge.status, 401);
    let header = challenge.header("www-authenticate").unwrap();
    assert!(header.ends_with(&format!(r#"resource="{HSM_RESOURCE}""#)), "{header}");
    assert!(header.contains(r#"authorization="https://login.vault.test:8443/"#), "{header}");
    // The same vault isn't a key vault besides.
    assert_eq!(client.send("GET", VAULT, "/keys", &[], "").status, 404);
    // A token for key vaults doesn't count here, nor one for the resource manager.
    assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
    for resource in [RESOURCE, "https://login.vault.test:8443", "https://login.vault.test:8443/"] {
        let answer = client.login("adfs", &somebody.form_for(resource));
        let other = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(client.call(&other, "GET", "/keys", "").status, 401, "{resource}");
    }
    let nowhere = client.login("adfs", &somebody.form_for("https://management.azure.com"));
    assert_eq!(nowhere.json()["error"], "invalid_resource", "{nowhere:?}");
}
