//! The two tables, written by hand, of what each built-in role may do with which reach; and asking a server for every cell.

use std::collections::HashMap;

use strongroom::config::Manner;
use strongroom::server::access::explain::{Wish, place};
use strongroom::server::access::{BuiltInRole, Scope, assign, built_in, unassign};
use strongroom::server::routes::{Route, TABLE};

use crate::serving::{Answer, Client, Somebody, World};

/// `+` allowed, `.` denied, `p` allowed with an asymmetric key only, whose public part is enough. `vault`: a role on one
/// object doesn't allow it, because it names none.
///
/// The roles: Administrator, Reader, Certificates Officer, Certificate User, Crypto Officer, Crypto User, Crypto Service
/// Encryption User, Crypto Service Release User, Secrets Officer, Secrets User, Data Access Administrator.
const KEY_VAULT: &str = "
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
const KEY_VAULT_ROLES: [&str; 11] = [
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

/// `+` allowed, `.` denied. The reach says which scopes of a role allow it: `object`: `/`, `/keys` and the key's own; `keys`:
/// `/` and `/keys`; `hsm`: `/`.
///
/// The roles: Administrator, Crypto Officer, Crypto User, Policy Administrator, Crypto Auditor, Crypto Service Encryption User,
/// Crypto Service Release User, Backup, Restore.
const MANAGED_HSM: &str = "
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
const HSM_ROLES: [&str; 9] = [
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

/// An asymmetric key, a symmetric one, and names that nothing has: what may be done to them changes nothing.
const ASYMMETRIC: &str = "rsa";
const SYMMETRIC: &str = "oct";
const NO_KEY: &str = "no-key";
const NO_SECRET: &str = "no-secret";
const NO_CERTIFICATE: &str = "no-certificate";
pub const NO_ROLE: &str = "00000000-0000-4000-8000-000000000000";

/// What a role is given on, and which reaches of the table it has then.
pub struct Reach {
    pub scopes: &'static [&'static str],
    covers: &'static [&'static str],
}

const NOTHING: Reach = Reach { scopes: &[], covers: &[] };

const KEY_VAULT_REACHES: [Reach; 4] = [
    NOTHING,
    Reach { scopes: &["/"], covers: &["object", "vault"] },
    Reach {
        scopes: &["/keys/rsa", "/keys/OCT", "/keys/no-key", "/secrets/no-secret", "/certificates/no-certificate"],
        covers: &["object"],
    },
    // The same names elsewhere are others too.
    Reach {
        scopes: &[
            "/keys/other",
            "/secrets/other",
            "/secrets/no-key",
            "/keys/no-secret",
            "/secrets/rsa",
            "/certificates/oct",
            "/certificates/no-key",
            "/secrets/no-certificate",
        ],
        covers: &[],
    },
];

const HSM_REACHES: [Reach; 5] = [
    NOTHING,
    Reach { scopes: &["/"], covers: &["object", "keys", "hsm"] },
    Reach { scopes: &["/keys"], covers: &["object", "keys"] },
    Reach { scopes: &["/keys/No-Key"], covers: &["object"] },
    Reach { scopes: &["/keys/other"], covers: &[] },
];

struct Row {
    reach: &'static str,
    signs: Vec<&'static str>,
}

/// A table, and a server to ask.
pub struct Matrix {
    pub world: World,
    pub roles: &'static [&'static str],
    pub reaches: &'static [Reach],
    /// Somebody who may give roles, and a token of theirs.
    pub administrator: (Somebody, String),
    rows: HashMap<&'static str, Row>,
}

/// One question: an operation, and the object with which it is tried.
#[derive(Clone, Copy)]
pub struct Cell {
    pub route: &'static Route,
    pub object: &'static str,
}

impl Matrix {
    pub fn new(manner: Manner) -> Self {
        let (world, table, roles, reaches): (_, _, &[&str], &[Reach]) = match manner {
            Manner::KeyVault => (World::new(), KEY_VAULT, &KEY_VAULT_ROLES, &KEY_VAULT_REACHES),
            Manner::ManagedHsm => (World::of_hsm(), MANAGED_HSM, &HSM_ROLES, &HSM_REACHES),
        };
        let lines = table.lines().map(str::split_whitespace).map(Iterator::collect::<Vec<_>>);
        let rows = lines.filter(|line| line.len() == roles.len() + 2);
        let rows = rows.map(|line| (line[0], Row { reach: line[1], signs: line[2..].to_vec() })).collect();
        // Whose rights are taken away again isn't the last who has them.
        let administrator = world.token_with(roles[0]);
        if manner == Manner::KeyVault {
            make_keys(&world, &administrator.1);
        }
        Self { world, roles, reaches, administrator, rows }
    }

    pub fn manner(&self) -> Manner {
        self.world.manner()
    }

    /// The role of a column.
    pub fn role(&self, column: usize) -> &'static BuiltInRole {
        built_in(self.manner()).iter().find(|role| role.id == self.roles[column]).expect("a role")
    }

    /// Somebody for each role, without any.
    pub fn people(&self) -> Vec<Somebody> {
        self.roles.iter().map(|role| self.world.somebody(&format!("for {role}"))).collect()
    }

    pub fn tokens(&self, people: &[Somebody]) -> Vec<String> {
        people.iter().map(|somebody| self.world.token_of(somebody)).collect()
    }

    /// Every question.
    pub fn cells(&self) -> Vec<Cell> {
        let routes = TABLE.iter().filter(|route| route.action_in(self.manner()).is_some());
        routes.flat_map(|route| self.objects(route).iter().map(move |object| Cell { route, object })).collect()
    }

    /// The objects with which an operation is tried.
    fn objects(&self, route: &Route) -> &'static [&'static str] {
        match route.operation {
            operation if self.row(operation).signs.contains(&"p") => &[ASYMMETRIC, SYMMETRIC],
            operation if operation.starts_with("Secret") => &[NO_SECRET],
            operation if operation.starts_with("Certificate") => &[NO_CERTIFICATE],
            _ => &[NO_KEY],
        }
    }

    fn row(&self, operation: &str) -> &Row {
        self.rows.get(operation).unwrap_or_else(|| panic!("no row for {operation}"))
    }

    /// What the table says.
    pub fn allows(&self, reach: &Reach, column: usize, cell: Cell) -> bool {
        let row = self.row(cell.route.operation);
        let sign = row.signs[column];
        reach.covers.contains(&row.reach) && (sign == "+" || sign == "p" && cell.object == ASYMMETRIC)
    }

    /// Asks the server, and sees that its answer is one of the two that it can be. Whether it allowed it.
    pub fn ask(&self, client: &mut Client, token: &str, cell: Cell, code: &str) -> bool {
        let answer = self.answer(client, token, cell);
        let case = format!("{} of {}: {answer:?}", cell.route.operation, cell.object);
        let denied = answer.inner_code().as_deref() == Some(code);
        assert_eq!(denied, answer.status == 403, "{case}");
        assert!(answer.status != 401 && answer.status < 500, "{case}");
        !denied
    }

    fn answer(&self, client: &mut Client, token: &str, cell: Cell) -> Answer {
        let path = cell.route.path.replace("{scope}/", "").replace("{id}", NO_ROLE);
        let path = path.replace("{name}", cell.object).replace("{version}", "");
        // Whoever may do it is told that the body is none.
        let body = if cell.route.body.is_some() { "{" } else { "" };
        client.call(token, cell.route.method.as_str(), &path, body)
    }

    /// The same question as `access explain` reads it.
    pub fn wish(&self, cell: Cell) -> Wish {
        let path = cell.route.path;
        let segment = path.split('/').nth(1).unwrap().trim_start_matches("deleted");
        let is_of_object = path.split('/').nth(2) == Some("{name}") && place(&format!("/{segment}")).is_ok();
        let at = if is_of_object { format!("/{segment}/{}", cell.object) } else { "/".to_owned() };
        let at = place(&at).unwrap_or_else(|error| panic!("{error}"));
        let image = self.world.vault.image();
        Wish::read(&image, self.manner(), cell.route.operation, &at).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Gives the role with this id on all scopes of a reach.
    pub fn give(&self, oid: &str, role: &str, reach: &Reach) -> Vec<String> {
        reach.scopes.iter().map(|scope| self.give_on(oid, role, &scope.parse().unwrap())).collect()
    }

    pub fn give_on(&self, oid: &str, role: &str, scope: &Scope) -> String {
        assign(&*self.world.vault, oid, role, scope).unwrap().id
    }

    pub fn take(&self, id: &str) {
        unassign(&*self.world.vault, self.manner(), id).unwrap().expect("an assignment");
    }

    /// Asks every question of everybody with every reach, and compares with the table. `give` gives a column's role to whom it
    /// concerns, and answers the assignments.
    pub fn holds(&self, people: &[Somebody], give: impl Fn(usize, &Reach) -> Vec<String>) {
        let (tokens, cells) = (self.tokens(people), self.cells());
        let mut client = self.world.connect();
        for reach in self.reaches {
            let given: Vec<String> = (0..people.len()).flat_map(|column| give(column, reach)).collect();
            for cell in &cells {
                for (column, token) in tokens.iter().enumerate() {
                    let allowed = self.ask(&mut client, token, *cell, "ForbiddenByRbac");
                    let case = (cell.route.operation, cell.object, self.role(column).name, reach.scopes);
                    assert_eq!(allowed, self.allows(reach, column, *cell), "{case:?}");
                }
            }
            given.iter().for_each(|id| self.take(id));
        }
    }
}

fn make_keys(world: &World, administrator: &str) {
    let mut client = world.connect();
    for (name, kty) in [(ASYMMETRIC, "RSA"), (SYMMETRIC, "oct-HSM")] {
        let body = format!(r#"{{"kty":"{kty}"}}"#);
        let made = client.call(administrator, "POST", &format!("/keys/{name}/create"), &body);
        assert_eq!(made.status, 200, "{made:?}");
    }
}

#[test]
fn the_tables_name_every_built_in_role_and_every_operation() {
    for manner in [Manner::KeyVault, Manner::ManagedHsm] {
        let matrix = Matrix::new(manner);
        let mut known: Vec<&str> = built_in(manner).iter().map(|role| role.id).collect();
        let mut here = matrix.roles.to_vec();
        known.sort_unstable();
        here.sort_unstable();
        assert_eq!(known, here);
        let operations = TABLE.iter().filter(|route| route.action_in(manner).is_some());
        assert_eq!(matrix.rows.len(), operations.count());
    }
}
