//! Who may do what over the server: every operation, asked by every built-in role with every reach, against a table that is
//! written here by hand.
#![cfg(feature = "server")]

mod serving;

use std::collections::HashMap;

use serving::{Answer, Client, Somebody, World};
use strongroom::config::Manner;
use strongroom::server::access::{ADMINISTRATOR, BUILT_IN, HSM_ADMINISTRATOR, Scope, assign, assignments, unassign};
use strongroom::server::identity::{self, Identity};
use strongroom::server::routes::{Route, TABLE};
use strongroom::vault::VaultError;

/// `+` allowed, `.` denied, `p` allowed with an asymmetric key only, whose public part is enough. `vault`: a role on one
/// object doesn't allow it, because it names none.
///
/// The roles: Administrator, Reader, Certificates Officer, Certificate User, Crypto Officer, Crypto User, Crypto Service
/// Encryption User, Crypto Service Release User, Secrets Officer, Secrets User, Data Access Administrator.
const ALLOWED: &str = "
                        reach   Ad Re CO CU KO KU KE KR SO SU DA
    KeyCreate           object  +  .  .  .  +  .  .  .  .  .  .
    KeyImport           object  +  .  .  .  +  .  .  .  .  .  .
    KeyGet              object  +  +  .  +  +  +  +  .  .  .  .
    KeyUpdate           object  +  .  .  .  +  +  .  .  .  .  .
    KeyList             vault   +  +  .  +  +  +  +  .  .  .  .
    KeyListVersions     object  +  +  .  +  +  +  +  .  .  .  .
    KeySign             object  +  .  .  .  +  +  .  .  .  .  .
    KeyVerify           object  +  p  .  p  +  +  p  .  .  .  .
    KeyEncrypt          object  +  p  .  p  +  +  p  .  .  .  .
    KeyDecrypt          object  +  .  .  .  +  +  .  .  .  .  .
    KeyWrap             object  +  p  .  p  +  +  +  .  .  .  .
    KeyUnwrap           object  +  .  .  .  +  +  +  .  .  .  .
    KeyRotate           object  +  .  .  .  +  .  .  .  .  .  .
    KeyRotationPolicyGet object +  +  .  .  +  .  .  .  .  .  .
    KeyRotationPolicySet object +  .  .  .  +  .  .  .  .  .  .
    KeyRelease          object  +  .  .  .  +  .  .  +  .  .  .
    KeyGetAttestation   object  +  +  .  +  +  +  +  .  .  .  .
    KeyDelete           object  +  .  .  .  +  .  .  .  .  .  .
    KeyListDeleted      vault   +  +  .  +  +  +  +  .  .  .  .
    KeyGetDeleted       object  +  +  .  +  +  +  +  .  .  .  .
    KeyRecover          object  +  .  .  .  +  .  .  .  .  .  .
    KeyPurge            object  +  .  .  .  +  .  .  .  .  .  .
    KeyBackup           object  +  .  .  .  +  +  .  .  .  .  .
    KeyRestore          vault   +  .  .  .  +  .  .  .  .  .  .
    RandomBytesGet      vault   +  +  .  +  +  +  +  .  .  .  .
    SecretSet           object  +  .  .  .  .  .  .  .  +  .  .
    SecretGet           object  +  .  .  +  .  .  .  .  +  +  .
    SecretUpdate        object  +  .  .  .  .  .  .  .  +  .  .
    SecretList          vault   +  +  .  +  .  .  .  .  +  +  .
    SecretListVersions  object  +  +  .  +  .  .  .  .  +  +  .
    SecretDelete        object  +  .  .  .  .  .  .  .  +  .  .
    SecretListDeleted   vault   +  +  .  +  .  .  .  .  +  +  .
    SecretGetDeleted    object  +  +  .  +  .  .  .  .  +  +  .
    SecretRecover       object  +  .  .  .  .  .  .  .  +  .  .
    SecretPurge         object  +  .  .  .  .  .  .  .  +  .  .
    SecretBackup        object  +  .  .  .  .  .  .  .  +  .  .
    SecretRestore       vault   +  .  .  .  .  .  .  .  +  .  .
    CertificateCreate       object  +  .  +  .  .  .  .  .  .  .  .
    CertificateImport       object  +  .  +  .  .  .  .  .  .  .  .
    CertificateGet          object  +  +  +  +  .  .  .  .  .  .  .
    CertificateUpdate       object  +  .  +  .  .  .  .  .  .  .  .
    CertificateList         vault   +  +  +  +  .  .  .  .  .  .  .
    CertificateListVersions object  +  +  +  +  .  .  .  .  .  .  .
    CertificatePolicyGet    object  +  +  +  +  .  .  .  .  .  .  .
    CertificatePolicySet    object  +  .  +  .  .  .  .  .  .  .  .
    CertificatePendingGet   object  +  +  +  +  .  .  .  .  .  .  .
    CertificatePendingUpdate object  +  .  +  .  .  .  .  .  .  .  .
    CertificatePendingDelete object  +  .  +  .  .  .  .  .  .  .  .
    CertificatePendingMerge object  +  .  +  .  .  .  .  .  .  .  .
    CertificateDelete       object  +  .  +  .  .  .  .  .  .  .  .
    CertificateListDeleted  vault   +  +  +  +  .  .  .  .  .  .  .
    CertificateGetDeleted   object  +  +  +  +  .  .  .  .  .  .  .
    CertificateRecover      object  +  .  +  .  .  .  .  .  .  .  .
    CertificatePurge        object  +  .  +  .  .  .  .  .  .  .  .
    CertificateBackup       object  +  .  +  .  .  .  .  .  .  .  .
    CertificateRestore      vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateIssuersList  vault   +  +  +  .  .  .  .  .  .  .  .
    CertificateIssuerGet    vault   +  +  +  .  .  .  .  .  .  .  .
    CertificateIssuerSet    vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateIssuerUpdate vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateIssuerDelete vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateContactsGet  vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateContactsSet  vault   +  .  +  .  .  .  .  .  .  .  .
    CertificateContactsDelete vault   +  .  +  .  .  .  .  .  .  .  .
    RoleDefinitionList  vault   +  +  .  .  .  .  .  .  .  .  +
    RoleDefinitionGet   vault   +  +  .  .  .  .  .  .  .  .  +
    RoleDefinitionSet   vault   +  .  .  .  .  .  .  .  .  .  .
    RoleDefinitionDelete vault  +  .  .  .  .  .  .  .  .  .  .
    RoleAssignmentList  vault   +  +  .  .  .  .  .  .  .  .  +
    RoleAssignmentGet   vault   +  +  .  .  .  .  .  .  .  .  +
    RoleAssignmentCreate vault  +  .  .  .  .  .  .  .  .  .  +
    RoleAssignmentDelete vault  +  .  .  .  .  .  .  .  .  .  +
    SettingsGet         vault   +  +  .  .  .  .  .  .  .  .  .
    SettingGet          vault   +  +  .  .  .  .  .  .  .  .  .
    SettingUpdate       vault   +  .  .  .  .  .  .  .  .  .  .
    FullBackup          vault   +  .  .  .  .  .  .  .  .  .  .
    PreFullBackup       vault   +  .  .  .  .  .  .  .  .  .  .
    FullBackupStatus    vault   +  .  .  .  .  .  .  .  .  .  .
    FullRestore         vault   +  .  .  .  .  .  .  .  .  .  .
    PreFullRestore      vault   +  .  .  .  .  .  .  .  .  .  .
    FullRestoreStatus   vault   +  .  .  .  .  .  .  .  .  .  .
    SelectiveKeyRestore object  +  .  .  .  .  .  .  .  .  .  .
";

/// The roles in the table's order.
const ROLES: [&str; 11] = [
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "21090545-7ca7-4776-b22c-e363652d74d2",
    "a4417e6f-fecd-4de8-b567-7b0420556985",
    "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
    "12338af0-0e69-4776-bea7-57ae8d297424",
    "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "4633458b-17de-408a-b874-0445c86b69e6",
    "8b54135c-b56d-4d72-a534-26097cfdc8d8",
];

/// An asymmetric key, a symmetric one, and names that nothing has: what may be done to them changes nothing.
const ASYMMETRIC: &str = "rsa";
const SYMMETRIC: &str = "oct";
const NO_KEY: &str = "no-key";
const NO_SECRET: &str = "no-secret";
const NO_CERTIFICATE: &str = "no-certificate";
const NO_ROLE: &str = "00000000-0000-4000-8000-000000000000";

/// What each role was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Nothing,
    Vault,
    ThisObject,
    OtherObjects,
}

impl Reach {
    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Vault => &["/"],
            Self::ThisObject => {
                &["/keys/rsa", "/keys/OCT", "/keys/no-key", "/secrets/no-secret", "/certificates/no-certificate"]
            }
            // The same names elsewhere are others too.
            Self::OtherObjects => &[
                "/keys/other",
                "/secrets/other",
                "/secrets/no-key",
                "/keys/no-secret",
                "/secrets/rsa",
                "/certificates/oct",
                "/certificates/no-key",
                "/secrets/no-certificate",
            ],
        }
    }

    fn covers(self, row: &Row) -> bool {
        match self {
            Self::Vault => true,
            Self::ThisObject => row.reach == "object",
            Self::Nothing | Self::OtherObjects => false,
        }
    }
}

struct Row {
    reach: &'static str,
    signs: Vec<&'static str>,
}

fn rows() -> HashMap<&'static str, Row> {
    let lines = ALLOWED.lines().map(str::split_whitespace).map(Iterator::collect::<Vec<_>>);
    let rows = lines.filter(|line| line.len() == 13);
    rows.map(|line| (line[0], Row { reach: line[1], signs: line[2..].to_vec() })).collect()
}

/// The objects with which an operation is tried.
fn objects(route: &Route, row: &Row) -> &'static [&'static str] {
    match route.operation {
        _ if row.signs.contains(&"p") => &[ASYMMETRIC, SYMMETRIC],
        operation if operation.starts_with("Secret") => &[NO_SECRET],
        operation if operation.starts_with("Certificate") => &[NO_CERTIFICATE],
        _ => &[NO_KEY],
    }
}

fn ask(client: &mut Client, token: &str, route: &Route, object: &str) -> Answer {
    let path = route.path.replace("{scope}/", "").replace("{id}", NO_ROLE);
    let path = path.replace("{name}", object).replace("{version}", "");
    // Whoever may do it is told that the body is none.
    let body = if route.body.is_some() { "{" } else { "" };
    client.call(token, route.method.as_str(), &path, body)
}

#[test]
fn every_role_may_do_over_rest_what_its_table_says_and_nothing_else() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let mut client = world.connect();
    for (name, kty) in [(ASYMMETRIC, "RSA"), (SYMMETRIC, "oct-HSM")] {
        let made =
            client.call(&administrator, "POST", &format!("/keys/{name}/create"), &format!(r#"{{"kty":"{kty}"}}"#));
        assert_eq!(made.status, 200, "{made:?}");
    }
    let people: Vec<Somebody> = ROLES.iter().map(|role| world.somebody(&format!("has {role}"))).collect();
    let tokens: Vec<String> = people.iter().map(|somebody| world.token_of(somebody)).collect();
    let rows = rows();
    for reach in [Reach::Nothing, Reach::Vault, Reach::ThisObject, Reach::OtherObjects] {
        let given: Vec<String> = people
            .iter()
            .zip(ROLES)
            .flat_map(|(somebody, role)| reach.scopes().iter().map(move |scope| (somebody, role, *scope)))
            .map(|(somebody, role, scope)| world.assign(&somebody.identity.oid, role, scope))
            .collect();
        for route in TABLE.iter() {
            let row = rows.get(route.operation).unwrap_or_else(|| panic!("no row for {}", route.operation));
            for (column, token) in tokens.iter().enumerate() {
                for object in objects(route, row) {
                    let sign = row.signs[column];
                    let allowed = reach.covers(row) && (sign == "+" || sign == "p" && *object == ASYMMETRIC);
                    let answer = ask(&mut client, token, route, object);
                    let role = BUILT_IN.iter().find(|role| role.id == ROLES[column]).unwrap().name;
                    let case = format!("{} of {object} by {role} with {reach:?}: {answer:?}", route.operation);
                    let denied = answer.inner_code().as_deref() == Some("ForbiddenByRbac");
                    assert_eq!(denied, !allowed, "{case}");
                    assert_eq!(denied, answer.status == 403, "{case}");
                    assert!(answer.status != 401 && answer.status < 500, "{case}");
                }
            }
        }
        for id in given {
            unassign(&*world.vault, Manner::KeyVault, &id).unwrap();
        }
    }
}

#[test]
fn the_table_names_every_built_in_role() {
    let mut known: Vec<&str> = BUILT_IN.iter().map(|role| role.id).collect();
    let mut here = ROLES.to_vec();
    known.sort_unstable();
    here.sort_unstable();
    assert_eq!(known, here);
}

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
