//! What a denial says, and that a vault keeps its last administrator, whoever is one by themselves or by a group.

use strongroom::config::Manner;
use strongroom::server::access::{
    ADMINISTRATOR, HSM_ADMINISTRATOR, Scope, assign, assignments, has_administrator, unassign,
};
use strongroom::server::identity::{self, ForeignGroup, Identity, group};
use strongroom::vault::VaultError;

use crate::groups::group_of;
use crate::serving::World;

#[test]
fn a_denial_names_the_action_and_what_was_asked_is_not_done() {
    let world = World::new();
    let (_, reader) = world.token_with("Key Vault Reader");
    let (_, officer) = world.token_with("Key Vault Secrets Officer");
    let mut client = world.connect();
    let denied = client.call(&reader, "PUT", "/secrets/new", r#"{"value":"x"}"#);
    assert_eq!(denied.status, 403);
    assert!(denied.body.contains("Microsoft.KeyVault/vaults/secrets/setSecret/action"), "{}", denied.body);
    assert_eq!(client.call(&officer, "GET", "/secrets/new", "").status, 404);
}

#[test]
fn a_vault_whose_identities_lie_elsewhere_keeps_its_last_administrator() {
    let world = World::new();
    let vault = &*world.vault;
    let ids = ["31111111-2222-3333-4444-555555555551", "31111111-2222-3333-4444-555555555552"];
    for (manner, role) in [(Manner::KeyVault, ADMINISTRATOR), (Manner::ManagedHsm, HSM_ADMINISTRATOR)] {
        let [first, second] = ids.map(|id| assign(vault, id, role, &Scope::Vault).unwrap().id);
        unassign(vault, manner, &first).unwrap();
        // Administrators of the other manner are none of this one.
        assert!(matches!(unassign(vault, manner, &second), Err(VaultError::LastAdministrator)));
        let other = if manner == Manner::KeyVault { Manner::ManagedHsm } else { Manner::KeyVault };
        unassign(vault, other, &second).unwrap();
    }
    // Where the vault knows an administrator of its own, one whom it doesn't know is no other.
    let known = world.somebody("known");
    let role = world.assign(&known.identity.oid, ADMINISTRATOR, "/");
    assign(vault, ids[0], ADMINISTRATOR, &Scope::Vault).unwrap();
    assert!(matches!(unassign(vault, Manner::KeyVault, &role), Err(VaultError::LastAdministrator)));
}

fn enable(world: &World, oid: &str, enabled: bool) -> Result<Identity, VaultError> {
    identity::set_enabled(&*world.vault, Manner::KeyVault, oid, enabled)
}

#[test]
fn the_last_administrator_is_neither_unassigned_nor_disabled_nor_deleted() {
    let world = World::new();
    let (first, second) = (world.somebody("first"), world.somebody("second"));
    let (first, second) = (&first.identity.oid, &second.identity.oid);
    let assignment = world.assign(first, ADMINISTRATOR, "/");
    // None of these is another administrator of the vault.
    world.assign(second, ADMINISTRATOR, "/keys/www");
    world.assign(second, "Key Vault Crypto Officer", "/");
    let refused = |result: Result<(), VaultError>| assert!(matches!(result, Err(VaultError::LastAdministrator)));
    let all_refused = || {
        refused(unassign(&*world.vault, Manner::KeyVault, &assignment).map(drop));
        refused(enable(&world, first, false).map(drop));
        refused(identity::delete(&*world.vault, Manner::KeyVault, first));
    };
    all_refused();
    world.assign(second, ADMINISTRATOR, "/");
    enable(&world, second, false).unwrap();
    all_refused();
    enable(&world, second, true).unwrap();
    identity::delete(&*world.vault, Manner::KeyVault, first).unwrap();
    refused(enable(&world, second, false).map(drop));
    assert!(assignments(&world.vault.image()).iter().any(|given| given.principal == *second));
}

fn refused<T>(result: Result<T, VaultError>) {
    assert!(matches!(result.map(drop), Err(VaultError::LastAdministrator)));
}

#[test]
fn who_administers_by_a_group_alone_is_an_administrator_and_stays_one() {
    let world = World::new();
    let (vault, manner) = (&*world.vault, Manner::KeyVault);
    let (first, second) = (world.somebody("first"), world.somebody("second"));
    let (first, second) = (&first.identity.oid, &second.identity.oid);
    let group = group_of(&world, &[first]).oid;
    let assignment = world.assign(&group, ADMINISTRATOR, "/");
    assert!(has_administrator(&vault.image(), manner));
    let all_refused = || {
        refused(unassign(vault, manner, &assignment));
        refused(group::remove_member(vault, manner, &group, first));
        refused(group::delete(vault, manner, &group));
        refused(enable(&world, first, false));
        refused(identity::delete(vault, manner, first));
    };
    all_refused();
    // Who is in the group and may not log in is no other administrator, nor is whoever an issuer may say is in it.
    group::add_member(vault, &group, second).unwrap();
    enable(&world, second, false).unwrap();
    let foreign = ForeignGroup { issuer: "https://issuer.test".into(), value: "administrators".into() };
    group::add_foreign(vault, &group, &foreign).unwrap();
    all_refused();
    enable(&world, second, true).unwrap();
    assert!(group::remove_member(vault, manner, &group, first).unwrap());
    // The other that is left has the group alone.
    refused(identity::delete(vault, manner, second));
    world.assign(first, ADMINISTRATOR, "/");
    group::delete(vault, manner, &group).unwrap();
    refused(enable(&world, first, false));
}

#[test]
fn whom_an_issuer_says_is_an_administrator_is_kept_where_nobody_better_is_known() {
    let world = World::new();
    let (vault, manner) = (&*world.vault, Manner::KeyVault);
    let group = group_of(&world, &[]).oid;
    let foreign = ForeignGroup { issuer: "https://issuer.test".into(), value: "administrators".into() };
    let assignment = world.assign(&group, ADMINISTRATOR, "/");
    // A group that nobody is in administers nothing.
    group::add_foreign(vault, &group, &foreign).unwrap();
    assert!(!has_administrator(&vault.image(), manner));
    refused(unassign(vault, manner, &assignment));
    refused(group::remove_foreign(vault, manner, &group, &foreign));
    refused(group::delete(vault, manner, &group));
    let known = world.somebody("known");
    world.assign(&known.identity.oid, ADMINISTRATOR, "/");
    assert!(group::remove_foreign(vault, manner, &group, &foreign).unwrap());
    refused(enable(&world, &known.identity.oid, false));
}

#[test]
fn a_change_of_an_identity_neither_enables_nor_disables_it() {
    let world = World::new();
    let somebody = world.somebody("somebody");
    let changed = identity::change(&*world.vault, &somebody.identity.oid, &mut |identity| {
        identity.enabled = false;
        identity.secrets.clear();
    })
    .unwrap();
    assert!(changed.enabled && changed.secrets.is_empty());
}
