//! A vault that goes by access policies: every operation asked by who has one permission each, against a table that is written
//! here by hand.

use std::collections::HashMap;

use strongroom::config::Manner;
use strongroom::server::access::explain::{Explanation, Remedy, explain};
use strongroom::server::access::{ADMINISTRATOR, Model, PolicyPermission, remove_policy, set_policy};
use strongroom::server::identity::Caller;
use strongroom::vault::Collection;

use crate::groups::group_of;
use crate::matrix::{Cell, Matrix};
use crate::serving::World;

/// What allows each operation; `-` is nothing. Whoever has `manageissuers` may do all that the other issuers' permissions
/// allow.
const TABLE: &str = "
    KeyCreate create
    KeyImport import
    KeyGet get
    KeyUpdate update
    KeyList list
    KeyListVersions list
    KeySign sign
    KeyVerify verify
    KeyEncrypt encrypt
    KeyDecrypt decrypt
    KeyWrap wrapKey
    KeyUnwrap unwrapKey
    KeyRotate rotate
    KeyRotationPolicyGet getrotationpolicy
    KeyRotationPolicySet setrotationpolicy
    KeyRelease release
    KeyGetAttestation get
    KeyDelete delete
    KeyListDeleted list
    KeyGetDeleted get
    KeyRecover recover
    KeyPurge purge
    KeyBackup backup
    KeyRestore restore
    RandomBytesGet get
    SecretSet set
    SecretGet get
    SecretUpdate set
    SecretList list
    SecretListVersions list
    SecretDelete delete
    SecretListDeleted list
    SecretGetDeleted get
    SecretRecover recover
    SecretPurge purge
    SecretBackup backup
    SecretRestore restore
    CertificateCreate create
    CertificateImport import
    CertificateGet get
    CertificateUpdate update
    CertificateList list
    CertificateListVersions list
    CertificatePolicyGet get
    CertificatePolicySet update
    CertificatePendingGet get
    CertificatePendingUpdate update
    CertificatePendingDelete update
    CertificatePendingMerge create
    CertificateDelete delete
    CertificateListDeleted list
    CertificateGetDeleted get
    CertificateRecover recover
    CertificatePurge purge
    CertificateBackup backup
    CertificateRestore restore
    CertificateIssuersList listissuers
    CertificateIssuerGet getissuers
    CertificateIssuerSet setissuers
    CertificateIssuerUpdate setissuers
    CertificateIssuerDelete deleteissuers
    CertificateContactsGet managecontacts
    CertificateContactsSet managecontacts
    CertificateContactsDelete managecontacts
    RoleDefinitionList -
    RoleDefinitionGet -
    RoleDefinitionSet -
    RoleDefinitionDelete -
    RoleAssignmentList -
    RoleAssignmentGet -
    RoleAssignmentCreate -
    RoleAssignmentDelete -
    SettingsGet -
    SettingGet -
    SettingUpdate -
    FullBackup -
    PreFullBackup -
    FullBackupStatus -
    FullRestore -
    PreFullRestore -
    FullRestoreStatus -
    SelectiveKeyRestore -
";

/// Whether the table says that a permission allows an operation.
struct Allowed(HashMap<&'static str, &'static str>);

impl Allowed {
    fn read() -> Self {
        Self(TABLE.lines().filter_map(|line| line.trim().split_once(' ')).collect())
    }

    fn by(&self, permission: PolicyPermission, operation: &str) -> bool {
        let of = match permission.collection() {
            Collection::Keys => ["Key", "Random"],
            Collection::Secrets => ["Secret", "Secret"],
            Collection::Certificates => ["Certificate", "Certificate"],
        };
        let wanted = self.0.get(operation).unwrap_or_else(|| panic!("no row for {operation}"));
        let manages = permission.name() == "manageissuers" && wanted.ends_with("issuers");
        of.iter().any(|begins| operation.starts_with(begins)) && (*wanted == permission.name() || manages)
    }
}

fn allow(world: &World, principal: &str, permissions: &[PolicyPermission]) {
    set_policy(&*world.vault, principal, &mut |policy| {
        for of in [Collection::Keys, Collection::Secrets, Collection::Certificates] {
            let own: Vec<_> = permissions.iter().copied().filter(|one| one.collection() == of).collect();
            policy.set(of, &own);
        }
    })
    .unwrap();
}

/// Sees that the server's answer is the table's, and that it is explained so.
fn check(matrix: &Matrix, client: &mut crate::serving::Client, token: &str, caller: &Caller, cell: Cell, wanted: bool) {
    let case = (cell.route.operation, cell.object);
    assert_eq!(matrix.ask(client, token, cell, "AccessDenied"), wanted, "{case:?}");
    match explain(&matrix.world.vault.image(), caller, &matrix.wish(cell)).unwrap() {
        Explanation::Allowed(grants) => {
            assert!(wanted, "{case:?}");
            assert_eq!(grants.iter().map(|grant| grant.principal()).collect::<Vec<_>>(), [&*caller.groups[0]]);
        }
        Explanation::Denied { remedy, .. } => {
            assert!(!wanted, "{case:?}");
            let is_of_vault = cell.route.permission.is_none();
            assert_eq!(matches!(remedy, Remedy::WhereTheVaultLies), is_of_vault, "{case:?}");
        }
    }
}

#[test]
fn each_permission_allows_what_its_table_says_and_nothing_else_and_that_is_explained() {
    let matrix = Matrix::new(Manner::KeyVault);
    let world = &matrix.world;
    // Roles are kept meanwhile, and count for nothing.
    let (somebody, token) = &matrix.administrator;
    let group = group_of(world, &[&somebody.identity.oid]);
    let caller = Caller { oid: somebody.identity.oid.clone(), groups: [Box::from(group.oid.as_str())].into() };
    Model::Policies.choose(&*world.vault).unwrap();
    let (allowed, cells) = (Allowed::read(), matrix.cells());
    let mut client = world.connect();
    for permission in PolicyPermission::all() {
        allow(world, &group.oid, &[permission]);
        for cell in &cells {
            check(&matrix, &mut client, token, &caller, *cell, allowed.by(permission, cell.route.operation));
        }
    }
    // All of them together allow what one of them does.
    allow(world, &group.oid, &PolicyPermission::all().collect::<Vec<_>>());
    for cell in &cells {
        check(&matrix, &mut client, token, &caller, *cell, allowed.0[cell.route.operation] != "-");
    }
    remove_policy(&*world.vault, &group.oid).unwrap().expect("a policy");
    for cell in &cells {
        check(&matrix, &mut client, token, &caller, *cell, false);
    }
    Model::Roles.choose(&*world.vault).unwrap();
    for cell in &cells {
        assert!(matrix.ask(&mut client, token, *cell, "ForbiddenByRbac"), "{}", cell.route.operation);
    }
}

#[test]
fn a_vault_goes_by_roles_until_it_is_said_otherwise_and_policies_count_for_nothing_then() {
    let world = World::new();
    let (_, administrator) = world.token_with(ADMINISTRATOR);
    let somebody = world.somebody("reader");
    let token = world.token_of(&somebody);
    allow(&world, &somebody.identity.oid, &[PolicyPermission::SECRETS_GET]);
    let mut client = world.connect();
    client.call(&administrator, "PUT", "/secrets/a", r#"{"value":"v"}"#);
    let mut codes = || {
        let answer = client.call(&token, "GET", "/secrets/a", "");
        (answer.status, answer.inner_code())
    };
    assert_eq!(codes(), (403, Some("ForbiddenByRbac".to_owned())));
    Model::Policies.choose(&*world.vault).unwrap();
    assert_eq!(codes(), (200, None));
    let denied = client.call(&token, "PUT", "/secrets/a", r#"{"value":"w"}"#);
    assert!(denied.body.contains("does not have secrets set permission"), "{denied:?}");
    Model::Roles.choose(&*world.vault).unwrap();
    assert_eq!(client.call(&token, "GET", "/secrets/a", "").status, 403);
}

#[test]
fn a_managed_hsm_goes_by_roles_whatever_was_chosen() {
    let world = World::of_hsm();
    let (_, token) = world.token_with("Crypto User");
    Model::Policies.choose(&*world.vault).unwrap();
    assert_eq!(world.connect().call(&token, "GET", "/keys", "").status, 200);
}
