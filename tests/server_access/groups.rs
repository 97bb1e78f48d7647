//! The tables hold for who has a role by themselves, by a group, or one that was made here; and a membership counts as long as
//! it lasts.

use serde_json::json;
use strongroom::config::Manner;
use strongroom::server::access::{ADMINISTRATOR, prefix};
use strongroom::server::guid;
use strongroom::server::identity::{self, ForeignGroup, Group, Known, group};
use strongroom::vault::VaultError;

use crate::matrix::Matrix;
use crate::serving::{Somebody, World};

const MANNERS: [Manner; 2] = [Manner::KeyVault, Manner::ManagedHsm];

#[test]
fn every_role_may_do_over_rest_what_its_table_says_and_nothing_else() {
    for matrix in MANNERS.map(Matrix::new) {
        let people = matrix.people();
        matrix.holds(&people, |column, reach| matrix.give(&people[column].identity.oid, matrix.roles[column], reach));
    }
}

#[test]
fn a_role_of_a_group_allows_its_members_the_same_and_nobody_else_anything() {
    for matrix in MANNERS.map(Matrix::new) {
        let people = matrix.people();
        let groups: Vec<Group> =
            people.iter().map(|somebody| group_of(&matrix.world, &[&somebody.identity.oid])).collect();
        matrix.holds(&people, |column, reach| matrix.give(&groups[column].oid, matrix.roles[column], reach));
    }
}

#[test]
fn a_role_that_was_made_here_with_the_actions_of_a_built_in_one_allows_the_same() {
    for matrix in MANNERS.map(Matrix::new) {
        let people = matrix.people();
        let made: Vec<String> = (0..people.len()).map(|column| copy(&matrix, column)).collect();
        // Half of them have it by a group.
        let to = |(column, somebody): (usize, &Somebody)| match column % 2 {
            0 => somebody.identity.oid.clone(),
            _ => group_of(&matrix.world, &[&somebody.identity.oid]).oid,
        };
        let to: Vec<String> = people.iter().enumerate().map(to).collect();
        matrix.holds(&people, |column, reach| matrix.give(&to[column], &made[column], reach));
    }
}

/// Makes a role like the built-in one of this column; its id.
fn copy(matrix: &Matrix, column: usize) -> String {
    let (role, id) = (matrix.role(column), guid::random().unwrap());
    let others = role.actions.iter().map(|action| format!("{}{action}", prefix(matrix.manner())));
    let actions: Vec<String> = role.patterns().chain(others).collect();
    let name = format!("like {}", role.name);
    let properties = json!({ "roleName": name, "type": "CustomRole", "permissions": [{ "dataActions": actions }] });
    let path = format!("/providers/Microsoft.Authorization/roleDefinitions/{id}");
    let body = json!({ "properties": properties }).to_string();
    let answer = matrix.world.connect().call(&matrix.administrator.1, "PUT", &path, &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    id
}

/// A group of these.
pub fn group_of(world: &World, members: &[&str]) -> Group {
    let name = format!("group {}", guid::random().unwrap());
    let made = group::create(&*world.vault, &name, 0).unwrap();
    for member in members {
        assert!(group::add_member(&*world.vault, &made.oid, member).unwrap());
    }
    made
}

#[test]
fn a_membership_counts_at_the_next_request_and_no_longer_once_it_is_taken_away() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let somebody = world.somebody("member");
    let (token, oid) = (world.token_of(&somebody), &somebody.identity.oid);
    let readers = group_of(&world, &[]);
    world.assign(&readers.oid, "Key Vault Secrets User", "/secrets/a");
    let mut client = world.connect();
    assert_eq!(client.call(&administrator, "PUT", "/secrets/a", r#"{"value":"v"}"#).status, 200);
    let mut got = || client.call(&token, "GET", "/secrets/a", "").status;
    for _ in 0..3 {
        assert_eq!(got(), 403);
        assert!(group::add_member(&*world.vault, &readers.oid, oid).unwrap());
        assert_eq!(got(), 200);
        assert!(group::remove_member(&*world.vault, Manner::KeyVault, &readers.oid, oid).unwrap());
    }
    assert_eq!(got(), 403);
    group::add_member(&*world.vault, &readers.oid, oid).unwrap();
    assert_eq!(got(), 200);
    group::delete(&*world.vault, Manner::KeyVault, &readers.oid).unwrap();
    assert_eq!(got(), 403);
}

#[test]
fn somebody_in_several_groups_may_do_what_each_allows() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let somebody = world.somebody("member");
    let (token, oid) = (world.token_of(&somebody), somebody.identity.oid.as_str());
    let (secrets, keys) = (group_of(&world, &[oid]), group_of(&world, &[oid]));
    world.assign(&secrets.oid, "Key Vault Secrets User", "/");
    world.assign(&keys.oid, "Key Vault Crypto Officer", "/keys/k");
    let mut client = world.connect();
    client.call(&administrator, "PUT", "/secrets/a", r#"{"value":"v"}"#);
    assert_eq!(client.call(&token, "GET", "/secrets/a", "").status, 200);
    assert_eq!(client.call(&token, "POST", "/keys/k/create", r#"{"kty":"EC"}"#).status, 200);
    assert_eq!(client.call(&token, "POST", "/keys/other/create", r#"{"kty":"EC"}"#).status, 403);
}

#[test]
fn a_role_is_given_to_a_group_over_rest_and_its_members_give_what_it_lets_them_give() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let somebody = world.somebody("member");
    let token = world.token_of(&somebody);
    let managers = group_of(&world, &[&somebody.identity.oid]);
    let mut client = world.connect();
    let mut give = |token: &str, role: &str, principal: &str| {
        let id = guid::random().unwrap();
        let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } }).to_string();
        client.call(token, "PUT", &format!("/providers/Microsoft.Authorization/roleAssignments/{id}"), &body).status
    };
    let (data_access, reader) = ("8b54135c-b56d-4d72-a534-26097cfdc8d8", "21090545-7ca7-4776-b22c-e363652d74d2");
    let stranger = guid::random().unwrap();
    assert_eq!(give(&token, reader, &stranger), 403);
    assert_eq!(give(&administrator, data_access, &managers.oid), 201);
    assert_eq!(give(&token, reader, &stranger), 201);
    assert_eq!(give(&token, data_access, &stranger), 403, "what its role doesn't name");
    assert_eq!(give(&administrator, ADMINISTRATOR, &managers.oid), 201);
    assert_eq!(give(&token, data_access, &stranger), 201);
    // And who administers by a group makes roles, also ones that allow everything.
    let permissions = json!([{ "dataActions": ["*"] }]);
    let body = json!({ "properties": { "roleName": "all", "permissions": permissions } }).to_string();
    let path = format!("/providers/Microsoft.Authorization/roleDefinitions/{}", guid::random().unwrap());
    assert_eq!(client.call(&token, "PUT", &path, &body).status, 201);
    group::remove_member(&*world.vault, Manner::KeyVault, &managers.oid, &somebody.identity.oid).unwrap();
    assert_eq!(client.call(&token, "PUT", &path, &body).status, 403);
}

#[test]
fn an_issuers_group_counts_as_ours_by_issuer_and_value_together() {
    let world = World::new();
    let vault = &*world.vault;
    let (ours, other) = (group_of(&world, &["someone"]), group_of(&world, &[]));
    let foreign = |issuer: &str, value: &str| ForeignGroup { issuer: issuer.into(), value: value.into() };
    let entra = foreign("https://login.example/v2.0", "signers");
    assert!(group::add_foreign(vault, &other.oid, &entra).unwrap());
    assert!(!group::add_foreign(vault, &other.oid, &entra).unwrap());
    assert!(matches!(group::add_foreign(vault, &ours.oid, &entra), Err(VaultError::NameTaken(_))));
    let groups = |issuer: &str, values: &[&str]| {
        let caller = Known::of(&vault.image()).caller_from("someone".into(), issuer, values);
        let mut groups: Vec<String> = caller.groups.iter().map(|group| group.to_string()).collect();
        groups.sort();
        groups
    };
    let mut both = vec![ours.oid.clone(), other.oid.clone()];
    both.sort();
    assert_eq!(groups(&entra.issuer, &["x", "signers", "signers"]), both);
    for (issuer, value) in [("https://login.example/v2.0/", "signers"), (&*entra.issuer, "Signers"), ("", "")] {
        assert_eq!(groups(issuer, &[value]), std::slice::from_ref(&ours.oid), "{issuer} {value}");
    }
    assert!(group::remove_foreign(vault, Manner::KeyVault, &other.oid, &entra).unwrap());
    assert_eq!(groups(&entra.issuer, &["signers"]), [ours.oid]);
}

#[test]
fn a_name_means_one_identity_or_one_group() {
    let world = World::new();
    let vault = &*world.vault;
    group::create(vault, "Signers", 0).unwrap();
    assert!(matches!(identity::create(vault, "signers", 0), Err(VaultError::NameTaken(_))));
    assert!(matches!(group::create(vault, "SIGNERS", 0), Err(VaultError::NameTaken(_))));
    world.somebody("app");
    assert!(matches!(group::create(vault, "App", 0), Err(VaultError::NameTaken(_))));
}

#[test]
fn who_is_deleted_is_in_no_group() {
    let world = World::new();
    let somebody = world.somebody("member");
    let group = group_of(&world, &["another", &somebody.identity.oid]);
    identity::delete(&*world.vault, Manner::KeyVault, &somebody.identity.oid).unwrap();
    let left = group::find(&world.vault.image(), &group.oid).unwrap().record;
    assert_eq!(left.members, ["another"]);
}
