//! Jobs, one at a time, and what stays when a vault goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use strongroom::config::Manner;
use strongroom::server::access::{ADMINISTRATOR, Model, PolicyPermission, remove_policy, set_policy, unassign};
use strongroom::server::identity::{self, group};
use strongroom::vault::{Change, Collection, Name, Pin, Retention};

use crate::serving::{Answer, Client, World};

const STORAGE: &str = "https://backup.vault.test:8443/nightly";

/// Whoever may do everything, on one connection.
struct Operator {
    client: Client,
    token: String,
}

impl Operator {
    fn of(world: &World) -> Self {
        Self { client: world.connect(), token: world.token_with(ADMINISTRATOR).1 }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.call(&self.token, method, path, &body)
    }

    fn begin_backup(&mut self) -> Answer {
        self.ask("POST", "/backup", &json!({ "storageResourceUri": STORAGE }))
    }

    fn begin_restore(&mut self, folder: &str) -> Answer {
        let body = json!({ "sasTokenParameters": { "storageResourceUri": STORAGE }, "folderToRestore": folder });
        self.ask("PUT", "/restore", &body)
    }

    fn told(&mut self, family: &str, id: &str) -> Value {
        let answer = self.ask("GET", &format!("/{family}/{id}/pending"), &Value::Null);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What became of a job that was begun.
    fn end_of(&mut self, family: &str, begun: &Answer) -> Value {
        assert_eq!(begun.status, 202, "{begun:?}");
        let id = begun.json()["jobId"].as_str().unwrap().to_owned();
        loop {
            let told = self.told(family, &id);
            if told["status"] != "InProgress" {
                return told;
            }
            std::thread::yield_now();
        }
    }

    /// The name of a backup that was just made.
    fn backed_up(&mut self) -> String {
        let begun = self.begin_backup();
        let told = self.end_of("backup", &begun);
        assert_eq!(told["status"], "Succeeded", "{told}");
        let uri = told["azureStorageBlobContainerUri"].as_str().unwrap();
        uri.strip_prefix(&format!("{STORAGE}/")).unwrap().to_owned()
    }

    fn restored(&mut self, folder: &str) -> Value {
        let begun = self.begin_restore(folder);
        self.end_of("restore", &begun)
    }

    fn set(&mut self, name: &str, value: &str) {
        let answer = self.ask("PUT", &format!("/secrets/{name}"), &json!({ "value": value }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let answer = self.ask("GET", &format!("/secrets/{name}"), &Value::Null);
        Some(answer.json()["value"].as_str()?.to_owned())
    }
}

#[test]
fn a_vault_does_one_backup_or_restore_at_a_time() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    for number in 0..200 {
        operator.set(&format!("s-{number}"), &"x".repeat(20_000));
    }
    // Each of them is either told that another runs, or begins because that one has ended.
    let (mut refused, mut begun) = (0, 0);
    while refused == 0 {
        let first = operator.begin_backup();
        assert!(begun < 50, "no two of {begun} backups met");
        begun += 1;
        let second = operator.begin_restore("one-20200101T000000Z.backup");
        assert_eq!(second.status, 404, "what can be said at once is");
        let second = operator.begin_backup();
        match second.status {
            409 => {
                assert_eq!(second.inner_code().as_deref(), Some("BackupOrRestoreInProgress"));
                refused += 1;
            }
            _ => assert_eq!(operator.end_of("backup", &second)["status"], "Succeeded"),
        }
        assert_eq!(operator.end_of("backup", &first)["status"], "Succeeded");
    }
}

#[test]
fn jobs_are_told_as_they_ended_after_the_vault_went_back_and_after_a_restart() {
    let mut world = World::new();
    let mut operator = Operator::of(&world);
    operator.set("s", "before");
    let begun = operator.begin_backup();
    let backup = begun.json()["jobId"].as_str().unwrap().to_owned();
    let made = operator.end_of("backup", &begun);
    let folder = made["azureStorageBlobContainerUri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    operator.set("s", "after");
    let begun = operator.begin_restore(&folder);
    let restore = begun.json()["jobId"].as_str().unwrap().to_owned();
    assert_eq!(operator.end_of("restore", &begun)["status"], "Succeeded");
    assert_eq!(operator.value("s").as_deref(), Some("before"));
    // The backup holds a record that says that it is being made.
    assert_eq!(operator.told("backup", &backup), made);
    world.restart();
    operator.client = world.connect();
    assert_eq!(operator.told("backup", &backup), made);
    assert_eq!(operator.told("restore", &restore)["status"], "Succeeded");
}

#[test]
fn others_read_sign_and_write_while_a_vault_is_backed_up_and_restored() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    assert_eq!(operator.ask("POST", "/keys/k/create", &json!({ "kty": "EC" })).status, 200);
    for number in 0..100 {
        operator.set(&format!("s-{number}"), &"x".repeat(20_000));
    }
    operator.set("s", "before");
    let folder = operator.backed_up();
    operator.set("s", "after");
    let (over, token) = (AtomicBool::new(false), operator.token.clone());
    let (told, seen) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_and_sign(&world, &token, &over));
        let begun = operator.begin_backup();
        let mut writes = 0;
        // Changes are made while the backup is, and it is of one moment.
        while operator.told("backup", begun.json()["jobId"].as_str().unwrap())["status"] == "InProgress" {
            operator.set("counter", &writes.to_string());
            writes += 1;
        }
        let told = operator.restored(&folder);
        over.store(true, Ordering::SeqCst);
        (told, reader.join().unwrap())
    });
    assert_eq!(told["status"], "Succeeded", "{told}");
    let changes = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!((seen.first().map(String::as_str), seen.last().map(String::as_str)), (Some("after"), Some("before")));
    assert_eq!(changes, 1, "it went back once");
}

/// The secret's values in the order in which they were read, until somebody says that it is over and once more.
fn read_and_sign(world: &World, token: &str, over: &AtomicBool) -> Vec<String> {
    let mut client = world.connect();
    let mut seen = Vec::new();
    loop {
        let last = over.load(Ordering::SeqCst);
        let answer = client.call(token, "GET", "/secrets/s", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.push(answer.json()["value"].as_str().unwrap().to_owned());
        let digest = format!(r#"{{"alg":"ES256","value":"{}"}}"#, "A".repeat(43));
        let answer = client.call(token, "POST", "/keys/k//sign", &digest);
        assert_eq!(answer.status, 200, "{answer:?}");
        if last {
            return seen;
        }
    }
}

#[test]
fn who_is_known_and_what_they_may_do_stays_when_a_vault_goes_back() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    let (removed, token) = world.token_with("Key Vault Secrets User");
    operator.set("s", "v");
    let folder = operator.backed_up();
    // An administrator who isn't one any more may restore by a role that was made here, and by no other.
    let fallen = world.somebody("fallen");
    let fallen_token = world.token_of(&fallen);
    let role = world.assign(&fallen.identity.oid, ADMINISTRATOR, "/");
    let with_administrator = operator.backed_up();
    unassign(&*world.vault, Manner::KeyVault, &role).unwrap();
    let restorer = "11111111-2222-3333-4444-555555555555";
    let path = format!("/providers/Microsoft.Authorization/roleDefinitions/{restorer}");
    let permissions = json!([{ "dataActions": ["Microsoft.KeyVault/vaults/restore/*"] }]);
    let body = json!({ "properties": { "roleName": "restorer", "permissions": permissions } });
    assert_eq!(operator.ask("PUT", &path, &body).status, 201);
    world.assign(&fallen.identity.oid, restorer, "/");
    let mut fallen = Operator { client: world.connect(), token: fallen_token.clone() };
    assert_eq!(fallen.restored(&with_administrator)["status"], "Succeeded");
    assert_eq!(fallen.ask("GET", "/secrets/s", &Value::Null).status, 403);
    assert_eq!(operator.ask("GET", &path, &Value::Null).status, 200);

    identity::delete(&*world.vault, Manner::KeyVault, &removed.identity.oid).unwrap();
    let (newer, newer_token) = world.token_with("Key Vault Secrets Officer");
    let read = |token: &str| world.connect().call(token, "GET", "/secrets/s", "").status;
    assert_eq!((read(&token), read(&newer_token)), (401, 200));
    assert_eq!(operator.restored(&folder)["status"], "Succeeded");
    assert_eq!((read(&token), read(&newer_token)), (401, 200));
    assert_eq!(operator.value("s").as_deref(), Some("v"));
    // A new login too: the keys that sign tokens and hash secrets are as they were.
    assert_eq!(read(&world.token_of(&newer)), 200);
}

#[test]
fn who_was_taken_out_of_a_group_or_lost_their_policy_is_not_let_in_again() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    let (vault, member) = (&*world.vault, world.somebody("member"));
    let (oid, token) = (&member.identity.oid, world.token_of(&member));
    let readers = group::create(vault, "readers", 0).unwrap().oid;
    group::add_member(vault, &readers, oid).unwrap();
    world.assign(&readers, "Key Vault Secrets User", "/");
    set_policy(vault, oid, &mut |policy| policy.set(Collection::Secrets, &[PolicyPermission::SECRETS_GET])).unwrap();
    operator.set("s", "v");
    let read = || world.connect().call(&token, "GET", "/secrets/s", "").status;
    assert_eq!(read(), 200);
    Model::Policies.choose(vault).unwrap();
    assert_eq!(read(), 200);
    Model::Roles.choose(vault).unwrap();
    let folder = operator.backed_up();
    group::remove_member(vault, Manner::KeyVault, &readers, oid).unwrap();
    remove_policy(vault, oid).unwrap();
    assert_eq!(operator.restored(&folder)["status"], "Succeeded");
    assert_eq!(read(), 403);
    Model::Policies.choose(vault).unwrap();
    assert_eq!(read(), 403);
    // Nor goes a vault by what it went by before.
    Model::Roles.choose(vault).unwrap();
    let by_roles = operator.backed_up();
    group::add_member(vault, &readers, oid).unwrap();
    assert_eq!(operator.restored(&by_roles)["status"], "Succeeded");
    assert_eq!(read(), 200);
}

#[test]
fn a_backup_from_before_the_first_server_makes_a_vault_that_is_served() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    // As the vault was before any server: without one record.
    let bare = world.folder.path().join("backups/one-20200101T000000Z.backup");
    strip_records(&world, &bare);
    let begun = operator.begin_restore("one-20200101T000000Z.backup");
    assert_eq!(begun.status, 202, "{begun:?}");
    // Whoever asked is known all the while.
    assert_eq!(operator.end_of("restore", &begun)["status"], "Succeeded");
    assert_eq!(operator.ask("GET", "/secrets", &Value::Null).status, 200);
}

#[test]
fn a_vault_takes_nothing_from_a_backup_of_another_vault_with_the_same_passphrase() {
    use strongroom::backend::local::LocalVault;
    use strongroom::config::VaultConfig;
    use strongroom::vault::{BackupRequest, Class, Content, Draft, Naming, Role, Unlock, VaultAdmin};
    let world = World::new();
    let mut operator = Operator::of(&world);
    let pin = |text: &str| Pin::new(text.as_bytes().to_vec());
    let other: Arc<dyn VaultAdmin> =
        LocalVault::open(&VaultConfig::local("two", world.folder.path().join("other"))).unwrap();
    other.initialize("two", &pin("so-pin-93751")).unwrap();
    other.unlock(&Unlock::Pin(Role::SecurityOfficer, pin("so-pin-93751"))).unwrap();
    other.set_pin(Role::User, &pin("user-pin-9571")).unwrap();
    other.lock();
    other.unlock(&Unlock::Pin(Role::User, pin("user-pin-9571"))).unwrap();
    let name = Name::new("pay").unwrap();
    let content = Content::new(Class::PublicKey);
    other.create(vec![Draft { content, naming: Naming::New(name), secret: None }]).unwrap();
    let passphrase = pin("a passphrase of backups");
    // Under its own name, and under one of this vault's.
    for file in ["two-20200101T000000Z.backup", "one-20200101T000000Z.backup"] {
        let path = world.folder.path().join("backups").join(file);
        other
            .back_up(&BackupRequest { file: &path, replace: false, passphrase: Some(&passphrase) }, &mut |_, _| {})
            .unwrap();
        let storage = json!({ "storageResourceUri": STORAGE });
        let whole = json!({ "sasTokenParameters": storage, "folderToRestore": file });
        for (path, body) in [
            ("/restore", &whole),
            ("/prerestore", &whole),
            ("/keys/pay/restore", &json!({ "sasTokenParameters": storage, "folder": file })),
        ] {
            let answer = operator.ask("PUT", path, body);
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (400, &json!("BackupForeign")),
                "{path} {file}"
            );
        }
    }
    assert!(world.vault.image().with_name(Collection::Keys, "pay").next().is_none());
}

#[test]
fn who_began_a_job_may_ask_about_it_and_nobody_else_without_the_action() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    assert_eq!(operator.ask("POST", "/keys/gone/create", &json!({ "kty": "EC" })).status, 200);
    let folder = operator.backed_up();
    assert_eq!(operator.ask("DELETE", "/keys/gone", &Value::Null).status, 200);
    assert_eq!(operator.ask("DELETE", "/deletedkeys/gone", &Value::Null).status, 204);
    let of_one_key = |name: &str| {
        let somebody = world.somebody(name);
        world.assign(&somebody.identity.oid, ADMINISTRATOR, "/keys/gone");
        Operator { client: world.connect(), token: world.token_of(&somebody) }
    };
    let (mut owner, mut other) = (of_one_key("owner"), of_one_key("other"));
    let body = json!({ "sasTokenParameters": { "storageResourceUri": STORAGE }, "folder": folder });
    let begun = owner.ask("PUT", "/keys/gone/restore", &body);
    assert_eq!(owner.end_of("restore", &begun)["status"], "Succeeded");
    let path = format!("/restore/{}/pending", begun.json()["jobId"].as_str().unwrap());
    assert_eq!(other.ask("GET", &path, &Value::Null).status, 403);
    assert_eq!(owner.ask("GET", &path.replacen("restore", "backup", 1), &Value::Null).status, 404);
    assert_eq!(owner.ask("GET", "/restore/00000000-0000-0000-0000-000000000000/pending", &Value::Null).status, 403);
}

#[test]
fn a_backup_that_is_there_is_told_though_the_server_ended_before_it_said_so() {
    let mut world = World::new();
    let mut operator = Operator::of(&world);
    let begun = operator.begin_backup();
    let id = begun.json()["jobId"].as_str().unwrap().to_owned();
    let made = operator.end_of("backup", &begun);
    // As the record was between the file's renaming and the end.
    let label = format!("backup-job/{id}");
    world
        .vault
        .transact(&mut |image| {
            let record = image.service().values().find(|object| object.content.label == label.as_bytes()).unwrap();
            let mut content = record.content.clone();
            let mut job: Value = serde_json::from_slice(content.value.as_deref().unwrap()).unwrap();
            (job["ended"], job["details"]) = (Value::Null, Value::Null);
            content.value = Some(Arc::from(job.to_string().into_bytes()));
            Ok(vec![Change::Set(record.number, content)])
        })
        .unwrap();
    world.restart();
    operator.client = world.connect();
    let told = operator.told("backup", &id);
    for member in ["status", "azureStorageBlobContainerUri", "error", "statusDetails"] {
        assert_eq!(told[member], made[member], "{told}");
    }
    let name = made["azureStorageBlobContainerUri"].as_str().unwrap().rsplit('/').next().unwrap();
    std::fs::remove_file(world.folder.path().join("backups").join(name)).unwrap();
    let told = operator.told("backup", &id);
    assert_eq!((&told["status"], &told["error"]["code"]), (&json!("Failed"), &json!("Interrupted")), "{told}");
    assert_eq!(told["azureStorageBlobContainerUri"], Value::Null);
}

#[test]
fn a_target_takes_a_thousand_backups_of_a_vault_from_clients() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    for number in 2..1001 {
        let name = format!("one-20200101T000000Z-{number}.backup");
        std::fs::write(world.folder.path().join("backups").join(name), "").unwrap();
    }
    operator.backed_up();
    for path in ["/backup", "/prebackup"] {
        let begun = operator.ask("POST", path, &json!({ "storageResourceUri": STORAGE }));
        let told = operator.end_of("backup", &begun);
        assert_eq!((&told["status"], &told["error"]["code"]), (&json!("Failed"), &json!("TooManyBackups")), "{told}");
    }
}

/// Backs up the vault without what the server keeps in it, and brings that back.
fn strip_records(world: &World, file: &std::path::Path) {
    use strongroom::vault::{BackupKey, BackupRequest, BackupSource, RestoreWish};
    let passphrase = Pin::new(b"a passphrase of backups".to_vec());
    let back_up = |file: &std::path::Path| {
        let request = BackupRequest { file, replace: false, passphrase: Some(&passphrase) };
        world.vault.back_up(&request, &mut |_, _| {}).unwrap();
    };
    let whole = world.folder.path().join("whole");
    back_up(&whole);
    let records: Vec<_> = world.vault.image().service().keys().copied().collect();
    world.vault.delete(&records).unwrap();
    back_up(file);
    let source = BackupSource { file: &whole, key: &BackupKey::Vault };
    world.vault.restore(&source, &RestoreWish::default(), &mut |_| true, &mut |_, _| {}).unwrap();
}

#[test]
fn purge_protection_keeps_what_a_restore_would_end() {
    let world = World::new();
    let mut operator = Operator::of(&world);
    let folder = operator.backed_up();
    Retention::change(&*world.vault, &mut |retention| retention.purge_protection = true).unwrap();
    operator.set("newer", "v");
    for _ in 0..2 {
        let told = operator.restored(&folder);
        assert_eq!(
            (&told["status"], &told["error"]["code"]),
            (&json!("Failed"), &json!("ForbiddenByPolicy")),
            "{told}"
        );
        assert_eq!(operator.value("newer").as_deref(), Some("v"));
    }
    let name = Name::new("newer").unwrap();
    assert!(world.vault.image().with_name(Collection::Secrets, name.as_str()).next().is_some());
}
