//! `access explain` says of every cell of the tables what the server answers, names what is the cause of it, and what would
//! allow what is denied does.

use std::collections::HashMap;

use strongroom::config::Manner;
use strongroom::server::access::explain::{Explanation, Grant, Remedy, Wish, explain, held_at, place};
use strongroom::server::access::{CustomRole, Permission, define};
use strongroom::server::guid;
use strongroom::server::identity::{Caller, Group, Known};

use crate::groups::group_of;
use crate::matrix::{Cell, Matrix, Reach};
use crate::serving::{Client, Somebody};

/// A table whose roles are given to groups, each of one person.
struct Asked {
    matrix: Matrix,
    people: Vec<Somebody>,
    groups: Vec<Group>,
    tokens: Vec<String>,
    client: Client,
}

impl Asked {
    fn new(manner: Manner) -> Self {
        let matrix = Matrix::new(manner);
        let people = matrix.people();
        let groups = people.iter().map(|somebody| group_of(&matrix.world, &[&somebody.identity.oid])).collect();
        let (tokens, client) = (matrix.tokens(&people), matrix.world.connect());
        Self { matrix, people, groups, tokens, client }
    }

    fn caller(&self, column: usize) -> Caller {
        Known::of(&self.matrix.world.vault.image()).caller(self.people[column].identity.oid.clone())
    }

    fn explain(&self, column: usize, cell: Cell) -> Explanation {
        let image = self.matrix.world.vault.image();
        explain(&image, &self.caller(column), &self.matrix.wish(cell)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn is_allowed(&mut self, column: usize, cell: Cell) -> bool {
        let token = self.tokens[column].clone();
        self.matrix.ask(&mut self.client, &token, cell, "ForbiddenByRbac")
    }

    /// Compares every explanation with the server's answer. The cells that are allowed, by the assignment that is named.
    fn causes(&mut self, reach: &Reach) -> HashMap<String, Vec<(usize, Cell)>> {
        let mut causes: HashMap<String, Vec<(usize, Cell)>> = HashMap::new();
        for column in 0..self.people.len() {
            for cell in self.matrix.cells() {
                let allowed = self.is_allowed(column, cell);
                let case = (cell.route.operation, cell.object, self.matrix.role(column).name, reach.scopes);
                assert_eq!(allowed, self.matrix.allows(reach, column, cell), "{case:?}");
                match self.explain(column, cell) {
                    Explanation::Denied { .. } => assert!(!allowed, "{case:?}"),
                    Explanation::Allowed(grants) => {
                        assert!(allowed, "{case:?}");
                        let [Grant::Role(given)] = &grants[..] else { panic!("{case:?}: {grants:?}") };
                        assert_eq!(given.principal, self.groups[column].oid, "{case:?}");
                        causes.entry(given.id.clone()).or_default().push((column, cell));
                    }
                }
            }
        }
        causes
    }
}

#[test]
fn what_is_explained_is_what_the_server_answers_and_its_cause_taken_away_denies() {
    for manner in [Manner::KeyVault, Manner::ManagedHsm] {
        let mut asked = Asked::new(manner);
        for reach in asked.matrix.reaches {
            let give = |column: usize| asked.matrix.give(&asked.groups[column].oid, asked.matrix.roles[column], reach);
            let mut given: Vec<String> = (0..asked.people.len()).flat_map(give).collect();
            for (assignment, cells) in asked.causes(reach) {
                asked.matrix.take(&assignment);
                given.retain(|id| *id != assignment);
                for (column, cell) in cells {
                    let case = (cell.route.operation, cell.object, asked.matrix.role(column).name, reach.scopes);
                    assert!(!asked.is_allowed(column, cell), "{case:?}");
                    assert!(matches!(asked.explain(column, cell), Explanation::Denied { .. }), "{case:?}");
                }
            }
            given.iter().for_each(|id| asked.matrix.take(id));
        }
    }
}

#[test]
fn the_role_that_would_allow_what_is_denied_does() {
    for manner in [Manner::KeyVault, Manner::ManagedHsm] {
        let mut asked = Asked::new(manner);
        let oid = asked.people[0].identity.oid.clone();
        for cell in asked.matrix.cells() {
            let case = (cell.route.operation, cell.object);
            let Explanation::Denied { remedy, .. } = asked.explain(0, cell) else { panic!("{case:?}") };
            let Remedy::Role(role, scope) = remedy else { panic!("{case:?}: {remedy:?}") };
            let id = asked.matrix.give_on(&oid, role.id(), &scope);
            assert!(asked.is_allowed(0, cell), "{case:?}: {} on {scope}", role.name());
            asked.matrix.take(&id);
            assert!(!asked.is_allowed(0, cell), "{case:?}");
        }
    }
}

fn wish(matrix: &Matrix, what: &str, at: &str) -> Result<Wish, String> {
    Wish::read(&matrix.world.vault.image(), matrix.manner(), what, &place(at)?)
}

#[test]
fn the_least_role_is_one_that_was_made_here_if_it_allows_less() {
    let matrix = Matrix::new(Manner::KeyVault);
    let image = matrix.world.vault.image();
    let nobody = Caller::alone(guid::random().unwrap());
    let remedy = || {
        let image = matrix.world.vault.image();
        match explain(&image, &nobody, &wish(&matrix, "sign", "/keys/rsa").unwrap()).unwrap() {
            Explanation::Denied { remedy: Remedy::Role(role, scope), .. } => {
                (role.name().to_owned(), scope.to_string())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(remedy(), ("Key Vault Crypto User".to_owned(), "/keys/rsa".to_owned()));
    let role = |name: &str, scope: &str| CustomRole {
        id: guid::random().unwrap(),
        name: name.to_owned(),
        description: String::new(),
        permissions: vec![Permission {
            data_actions: vec!["Microsoft.KeyVault/vaults/keys/sign/action".to_owned()],
            not_data_actions: Vec::new(),
        }],
        assignable_scopes: vec![scope.parse().unwrap()],
    };
    for (name, scope, wanted) in
        [("Elsewhere", "/keys/other", "Key Vault Crypto User"), ("Signer", "/keys/rsa", "Signer")]
    {
        let role = role(name, scope);
        matrix.world.vault.transact(&mut |image| Ok(define(image, Manner::KeyVault, &role, None).unwrap())).unwrap();
        assert_eq!(remedy().0, wanted);
    }
    drop(image);
}

#[test]
fn who_wants_to_look_is_told_no_role_that_opens_secrets_uses_keys_or_gives_roles() {
    let vault = [
        ("list", "/secrets", "Key Vault Reader"),
        ("SecretList", "/", "Key Vault Reader"),
        ("get", "/certificates/a", "Key Vault Reader"),
        ("list", "/certificates", "Key Vault Reader"),
        ("KeyList", "/", "Key Vault Reader"),
        ("get", "/keys/rsa", "Key Vault Reader"),
        ("verify", "/keys/rsa", "Key Vault Reader"),
        ("RoleAssignmentList", "/", "Key Vault Reader"),
        ("CertificateContactsSet", "/", "Key Vault Certificates Officer"),
        ("get", "/secrets/a", "Key Vault Secrets User"),
        ("unwrap", "/keys/rsa", "Key Vault Crypto Service Encryption User"),
        ("RoleAssignmentCreate", "/keys/rsa", "Key Vault Data Access Administrator"),
    ];
    let hsm = [
        ("list", "/keys", "Managed HSM Crypto Auditor"),
        ("get", "/keys/rsa", "Managed HSM Crypto Auditor"),
        ("RoleAssignmentList", "/", "Managed HSM Crypto Auditor"),
        ("wrapKey", "/keys/rsa", "Managed HSM Crypto Service Encryption User"),
        ("KeyBackup", "/keys/rsa", "Managed HSM Backup"),
        ("RoleAssignmentCreate", "/", "Managed HSM Policy Administrator"),
    ];
    for (manner, cases) in [(Manner::KeyVault, &vault[..]), (Manner::ManagedHsm, &hsm[..])] {
        let matrix = Matrix::new(manner);
        let nobody = Caller::alone(guid::random().unwrap());
        for (what, at, wanted) in cases {
            let wish = wish(&matrix, what, at).unwrap();
            match explain(&matrix.world.vault.image(), &nobody, &wish).unwrap() {
                Explanation::Denied { remedy: Remedy::Role(role, _), .. } => {
                    assert_eq!(role.name(), *wanted, "{what} {at}");
                }
                other => panic!("{what} {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_asked_about_has_several_names_and_only_places_that_it_is_done_to() {
    let matrix = Matrix::new(Manner::KeyVault);
    for (what, at, wanted) in [
        ("KeySign", "/keys/rsa", "KeySign"),
        ("keysign", "/keys/rsa", "KeySign"),
        ("sign", "/keys/rsa", "KeySign"),
        ("wrapKey", "/keys/rsa", "KeyWrap"),
        ("get", "/secrets/a", "SecretGet"),
        ("list", "/secrets", "SecretList"),
        ("SecretList", "/", "SecretList"),
        ("listDeleted", "/keys", "KeyListDeleted"),
        ("keys/sign/action", "/keys/rsa", "Microsoft.KeyVault/vaults/keys/sign/action"),
        ("Microsoft.KeyVault/vaults/KEYS/sign/action", "/", "Microsoft.KeyVault/vaults/keys/sign/action"),
        ("RoleAssignmentCreate", "/keys/rsa", "RoleAssignmentCreate"),
        ("FullBackup", "/", "FullBackup"),
    ] {
        assert_eq!(wish(&matrix, what, at).map(|wish| wish.name()), Ok(wanted), "{what} {at}");
    }
    for (what, at, said) in [
        ("KeySign", "/", "is done to /keys/NAME"),
        ("KeySign", "/secrets/a", "is done to /keys/NAME"),
        ("KeyList", "/keys/rsa", "is done to /keys"),
        ("FullBackup", "/keys", "is done to /"),
        ("sign", "/secrets/a", "no operation"),
        ("sign", "/", "no operation"),
        ("fly", "/keys/rsa", "no operation"),
        ("KeySign", "/locks/a", "no scope"),
        ("managedHsm/keys/sign/action", "/keys/rsa", "no operation"),
    ] {
        let error = wish(&matrix, what, at).map(|wish| wish.name()).unwrap_err();
        assert!(error.contains(said), "{what} {at}: {error}");
    }
}

#[test]
fn who_may_do_what_to_one_object_is_what_the_server_allows_there() {
    let mut asked = Asked::new(Manner::KeyVault);
    let reach = &asked.matrix.reaches[2];
    let columns = 0..asked.people.len();
    for column in columns.clone() {
        asked.matrix.give(&asked.groups[column].oid, asked.matrix.roles[column], reach);
    }
    for at in ["/keys/no-key", "/secrets/no-secret", "/certificates/no-certificate"] {
        let held = held_at(&asked.matrix.world.vault.image(), Manner::KeyVault, &place(at).unwrap());
        for column in columns.clone() {
            let own = held.iter().find(|held| held.by.principal() == asked.groups[column].oid);
            let object = at.rsplit('/').next().unwrap();
            let cells: Vec<Cell> = asked.matrix.cells().into_iter().filter(|cell| cell.object == object).collect();
            for cell in cells.into_iter().filter(|cell| cell.route.path.split('/').nth(2) == Some("{name}")) {
                let listed = own.is_some_and(|held| held.allows.iter().any(|name| name == cell.route.action.name()));
                let case = (at, cell.route.operation, asked.matrix.role(column).name);
                assert_eq!(listed, asked.is_allowed(column, cell), "{case:?}: {own:?}");
            }
        }
    }
}
