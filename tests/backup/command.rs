//! `strongroom backup` and `restore` as an operator and a timer use them: the real program on a vault of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use strongroom::crypto::PrivateKey;
use strongroom::vault::{Class, Content, Draft, KeyAlgorithm, KeyDescription, Naming};

use crate::Scene;
use crate::faults::{pair, unlocked};
use crate::stage::{Stage, cli, fail, is_root, output, set_mode, succeed, wait_until};

/// A stage with a vault, its recovery key and a passphrase in files.
pub struct Desk(pub Stage);

impl Desk {
    pub fn new() -> Self {
        let desk = Self(Stage::without_token());
        let made = desk.json("init --label Test");
        desk.secret("recovery-key", made["recovery_key"].as_str().unwrap());
        desk.secret("passphrase", "a long passphrase");
        desk
    }

    pub fn secret(&self, name: &str, text: &str) {
        set_mode(Path::new(&self.0.file(name, format!("{text}\n"))), 0o600);
    }

    pub fn run(&self, arguments: &str) -> String {
        self.0.strongroom(arguments)
    }

    pub fn json(&self, arguments: &str) -> Value {
        let printed = output(&mut self.0.strongroom_command(&format!("--json {arguments}")));
        assert!(printed.status.success(), "{arguments}: {}", String::from_utf8_lossy(&printed.stderr));
        serde_json::from_slice(&printed.stdout).unwrap()
    }

    pub fn refused(&self, arguments: &str) -> String {
        fail(&mut self.0.strongroom_command(arguments))
    }

    /// Without the PIN.
    pub fn bare(&self, arguments: &str) -> Command {
        let mut command = self.0.command(cli());
        command.args(arguments.split_whitespace());
        command
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// One of everything that a check tries in its own way.
    fn fill(&self) {
        for kind in ["rsa-2048", "p-256", "p-384", "p-521", "p-256k", "ed25519", "x25519", "aes-128", "generic-256"] {
            self.run(&format!("key create my-{kind} --kind {kind}"));
        }
        self.run("key create agrees --kind p-256 --usage derive");
        self.run("key rotate my-p-256");
        self.run("key disable my-ed25519");
        self.run("key create past --kind p-256 --expires 2020-01-01");
        self.run("cert create www --subject CN=www.example.org --key my-p-256");
        let value = self.0.file("value", "a value");
        self.run(&format!("secret set note --file {value}"));
    }

    pub fn names(&self) -> Vec<String> {
        let listed = self.json("key list");
        listed.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Where `verify` restores to.
fn scratches() -> BTreeSet<std::ffi::OsString> {
    let names = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("strongroom-verify-")).collect()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_backup_is_made_shown_verified_and_restored_where_nothing_is_left() {
    let desk = Desk::new();
    desk.fill();
    // Whatever the umask is.
    let mut create = Command::new("sh");
    create.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(cli());
    create.args(["--pin-file", "pin", "--json", "backup", "create", "backup"]);
    create.current_dir(desk.path("")).env("STRONGROOM_VAULT", desk.0.vault());
    let made: Value = serde_json::from_str(&succeed(&mut create)).unwrap();
    assert_eq!(mode(&desk.path("backup")), 0o600);
    assert_eq!((made["vault"].as_str(), made["opens_with"].as_str()), (Some("Test"), Some("recovery-key")));

    let shown = succeed(&mut desk.bare("backup show backup"));
    assert!(shown.contains("Test") && shown.contains("recovery key") && shown.contains("private keys"), "{shown}");

    let before = scratches();
    let by_pin = desk.json("backup verify backup");
    let by_paper = succeed(&mut desk.bare("--json backup verify backup --recovery-key-file recovery-key"));
    assert_eq!(by_pin, serde_json::from_str::<Value>(&by_paper).unwrap());
    assert_eq!(by_pin["problems"], serde_json::json!([]));
    let names = by_pin["names"]["keys"].to_string();
    assert!(names.contains("\"my-p-256\"") && names.contains("\"my-aes-128\""), "{names}");
    let tried = by_pin["tried"].to_string();
    for what in [
        "\"signed and verified\":7",
        "\"signed, verified and decrypted\":1",
        "\"signed, verified and agreed\":1",
        "\"agreed\":1",
        "\"decrypted what they encrypted\":1",
        "\"authenticated\":1",
        "\"parsed\":1",
        "\"opened\":1",
    ] {
        assert!(tried.contains(what), "{what}: {tried}");
    }
    // Other tests have theirs for a while; one that was there before is nobody's of this test.
    wait_until("scratch directories are gone", || scratches().is_subset(&before));

    let (keys, uri) = (desk.run("key list"), desk.run("pkcs11 uri my-p-256"));
    fs::remove_dir_all(desk.0.vault()).unwrap();
    succeed(&mut desk.bare("restore backup --recovery-key-file recovery-key"));
    assert_eq!((desk.run("key list"), desk.run("pkcs11 uri my-p-256")), (keys, uri));
    assert_eq!(mode(&desk.0.vault()), 0o700);
    for file in ["vault.db", "changes", "lock"] {
        assert_eq!(mode(&desk.0.vault().join(file)), 0o600);
    }
}

#[test]
fn a_passphrase_of_its_own_opens_a_backup_on_another_machine() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup --passphrase-file passphrase");
    desk.secret("wrong", "another passphrase");
    let wrong = fail(&mut desk.bare("restore backup --path elsewhere --passphrase-file wrong"));
    assert!(wrong.contains("this passphrase doesn't open the backup backup"), "{wrong}");
    let none = fail(&mut desk.bare("restore backup --path elsewhere"));
    assert!(none.contains("--passphrase-file"), "{none}");
    assert!(!desk.path("elsewhere").exists());
    desk.secret("new-pin", "a new pin for it");
    let restored =
        succeed(&mut desk.bare("restore backup --path elsewhere --passphrase-file passphrase --new-pin-file new-pin"));
    assert!(restored.contains("[[vault]]") && restored.contains("elsewhere"), "{restored}");
    let shown = succeed(&mut desk.bare("--vault elsewhere --pin-file new-pin key show www"));
    assert!(shown.contains("p-256"), "{shown}");
}

#[test]
fn a_vault_with_a_machine_key_comes_back_with_both_keys() {
    let desk = Desk(Stage::without_token());
    let made = desk.json("init --label Test --path bound --machine-key machine-key");
    desk.secret("recovery-key", made["recovery_key"].as_str().unwrap());
    let text = format!(
        "[[vault]]\nname = \"bound\"\npath = {:?}\nmachine_key = {:?}\n",
        desk.path("bound"),
        desk.path("machine-key")
    );
    desk.secret("config.toml", &text);
    let configured = |arguments: &str| {
        let mut command = desk.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", desk.path("config.toml"));
        command
    };
    succeed(&mut configured("--pin-file pin key create www --kind p-256"));
    let created = succeed(&mut configured("--pin-file pin backup create backup"));
    assert!(created.contains("machine key together"), "{created}");
    assert!(succeed(&mut configured("--pin-file pin backup verify backup")).contains("1 signed and verified"));
    let without = fail(&mut desk.bare("restore backup --path elsewhere --recovery-key-file recovery-key"));
    assert!(without.contains("--machine-key"), "{without}");
    let restored = succeed(
        &mut desk.bare("restore backup --path elsewhere --recovery-key-file recovery-key --machine-key machine-key"),
    );
    assert!(restored.contains(&format!("machine_key = {:?}", desk.path("machine-key"))), "{restored}");
}

#[test]
fn what_a_new_machine_has_not_yet_stands_in_no_way() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup");
    let configured = |unlock: &str, arguments: &str| {
        let text = format!("[[vault]]\nname = \"www\"\npath = {:?}\n{unlock}\n", desk.0.vault());
        desk.secret("config.toml", &text);
        let mut command = desk.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", desk.path("config.toml"));
        command
    };
    desk.secret("wrong", "not-the-pin");
    for unlock in
        ["pin_file = \"missing\"", "pin_command = [\"false\"]", "pin_file = \"wrong\"", "machine_key = \"missing\""]
    {
        succeed(&mut configured(unlock, "backup show backup"));
        succeed(&mut configured(unlock, "backup verify backup --recovery-key-file recovery-key"));
        succeed(&mut configured(unlock, "restore backup --recovery-key-file recovery-key"));
        if unlock.starts_with("pin") {
            let said = fail(&mut configured(unlock, "backup verify backup"));
            assert!(said.contains("is no help") && said.contains("--recovery-key-file"), "{said}");
        }
    }
    fs::remove_dir_all(desk.0.vault()).unwrap();
    let missing = "pin_file = \"missing\"";
    let restored = output(&mut configured(missing, "restore backup --recovery-key-file recovery-key"));
    let said = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(restored.status.success() && said.contains("restart them"), "{said}");
    assert_eq!(desk.names(), ["www"]);
}

#[test]
fn a_wrong_recovery_key_is_called_one() {
    let desk = Desk::new();
    desk.secret("wrong-key", &["0000"; 16].join("-"));
    let database = desk.0.vault().join("vault.db");
    let old = fs::read(&database).unwrap();
    desk.run("key create lost --kind p-256");
    fs::write(&database, old).unwrap();
    let refused = fail(&mut desk.bare("restore --accept --yes --recovery-key-file wrong-key"));
    assert!(refused.contains("the recovery key doesn't open this vault") && !refused.contains("PIN"), "{refused}");
}

#[test]
fn a_target_that_exists_is_kept_unless_it_is_to_be_replaced() {
    let desk = Desk::new();
    desk.0.file("backup", "something of somebody");
    let refused = desk.refused("backup create backup");
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(fs::read(desk.path("backup")).unwrap(), b"something of somebody");
    desk.run("backup create backup --force");
    desk.run("backup verify backup");
    assert!(desk.refused("backup create .").contains("is no regular file"));
    assert!(desk.refused("backup create missing/backup").contains("No such file"));
}

#[test]
fn newer_objects_are_named_before_they_are_lost() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup");
    for number in 0..12 {
        desk.run(&format!("key create newer-{number} --kind ed25519"));
    }
    let refused = desk.refused("restore backup");
    assert!(refused.contains("24 objects are not in the backup"), "{refused}");
    assert!(refused.contains("newer-0") && refused.contains("…") && !refused.contains("newer-11"), "{refused}");
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!(desk.names().len(), 13);
    let done = desk.json("restore backup --yes");
    assert_eq!((done["in_place"].as_bool(), done["deleted"].as_u64()), (Some(true), Some(24)));
    assert_eq!(desk.names(), ["www"]);
}

#[test]
fn one_key_comes_back_and_another_vault_is_never_overwritten() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("cert create www --subject CN=www --key www");
    desk.run("key rotate www");
    let uri = desk.run("pkcs11 uri www");
    desk.run("backup create backup");
    desk.run("key delete www --yes");
    assert!(desk.refused("restore backup --object www").contains("--kind"));
    desk.run("restore backup --object www --kind key");
    assert_eq!(desk.run("pkcs11 uri www"), uri);
    assert_eq!(desk.json("key show www")["version_count"], 2);
    assert!(desk.refused("restore backup --object www --kind key").contains("is taken"));
    desk.run("restore backup --object www --kind key --as www-again");
    assert_eq!(desk.names(), ["www", "www-again"]);

    desk.run("--vault other init --path other --label Other");
    let refused = fail(&mut desk.bare("restore backup --path other --recovery-key-file recovery-key"));
    assert!(refused.contains("holds another vault, called Other") && refused.contains("--move-aside"), "{refused}");
    let moved = desk.json("restore backup --path other --recovery-key-file recovery-key --move-aside");
    assert!(Path::new(moved["moved_aside"].as_str().unwrap()).join("vault.db").is_file());
    assert!(succeed(&mut desk.bare("--vault other --pin-file pin key list")).contains("www"));
}

#[test]
fn a_vault_that_was_moved_aside_is_no_second_one_beside_the_restored() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    desk.run("backup create backup");
    desk.secret("config.toml", "vaults_dir = \"vaults\"");
    let found = |arguments: &str| {
        let mut command = desk.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", desk.path("config.toml"));
        succeed(&mut command)
    };
    // Where the configuration would make the first one; then once more over a damaged one.
    found("restore backup --recovery-key-file recovery-key");
    fs::write(desk.path("vaults/default/vault.db"), "damaged").unwrap();
    found("restore backup --recovery-key-file recovery-key --move-aside");
    assert!(desk.path("vaults/default.old-1/vault.db").is_file());
    assert!(found("--pin-file pin key list").contains("www"));
}

#[test]
fn a_vault_that_was_put_back_goes_on_after_a_question() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    let database = desk.0.vault().join("vault.db");
    let old = fs::read(&database).unwrap();
    desk.run("key create lost --kind p-256");
    fs::write(&database, old).unwrap();
    assert!(desk.refused("key list").contains("strongroom restore --accept"));
    let asked = desk.refused("restore --accept");
    assert!(asked.contains("One change was acknowledged") && asked.contains("--yes"), "{asked}");
    // The PIN may be one that nobody remembers: the recovery key does too.
    succeed(&mut desk.bare("restore --accept --yes --recovery-key-file recovery-key"));
    assert_eq!(desk.names(), ["www"]);
    assert!(desk.refused("restore --accept --yes").contains("nothing to accept"));
}

#[test]
fn a_key_that_does_not_fit_its_public_half_is_found_by_verify() {
    let scene = Scene::new();
    let vault = unlocked(&scene.vault);
    pair(&*vault, "good").unwrap();
    let made = |label: &str| {
        let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let mut content = Content::new(Class::PrivateKey);
        content.label = label.as_bytes().to_vec();
        content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() });
        Draft { content, naming: Naming::FromLabel, secret: Some(pkcs8) }
    };
    // Another key's public half, as a program may have written it by mistake.
    let mut wrong = made("wrong");
    wrong.content.key = made("another").content.key;
    vault.create(vec![made("right"), wrong]).unwrap();
    let mut certificate = Content::new(Class::Certificate);
    certificate.value = Some(vec![0x30; 100].into());
    vault.create(vec![Draft { content: certificate, naming: Naming::None, secret: None }]).unwrap();
    let file = scene.back_up("backup");
    let stage = Stage::without_token();
    set_mode(Path::new(&stage.file("recovery-key", scene.recovery_key.as_str())), 0o600);
    let mut verify = stage.command(cli());
    verify.args(["backup", "verify"]).arg(&file).args(["--recovery-key-file", "recovery-key"]);
    let said = fail(&mut verify);
    assert!(said.contains("can't be relied on: wrong (private keys, object 4)"), "{said}");
    assert!(said.contains("2 signed and verified") && said.contains("1 read, but no X.509"), "{said}");
}

#[test]
fn a_backup_inside_the_vaults_directory_is_refused() {
    let desk = Desk::new();
    assert!(desk.refused("backup create vault/backup").contains("would be lost with it"));
    let named = |name: &std::ffi::OsStr| name.to_string_lossy().contains("backup");
    assert!(!fs::read_dir(desk.0.vault()).unwrap().any(|entry| named(&entry.unwrap().file_name())));
}

/// The command where files can't grow beyond 20 KB.
fn with_small_files(desk: &Desk) -> Command {
    let mut limited = desk.0.command("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "sh"]).arg(cli());
    limited
}

#[test]
fn a_restore_without_room_leaves_what_was_there() {
    let desk = Desk::new();
    let value = desk.0.file("value", vec![b'x'; 25_000]);
    desk.run(&format!("secret set large --file {value}"));
    desk.run("backup create backup");
    desk.run("secret delete large --yes");
    desk.run("key create www --kind p-256");
    let before: Vec<_> = fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for aside in ["--move-aside", "--yes"] {
        let mut command = with_small_files(&desk);
        command.args(["--pin-file", "pin", "restore", "backup", "--recovery-key-file", "recovery-key", aside]);
        assert!(fail(&mut command).contains("vault.db"), "{aside}");
        let mut elsewhere = with_small_files(&desk);
        fail(elsewhere.args(["restore", "backup", "--path", "other", "--recovery-key-file", "recovery-key"]));
        assert_eq!(desk.names(), ["www"], "{aside}");
    }
    let after: Vec<_> = fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(after, before);
    desk.run("restore backup --yes");
    assert_eq!(desk.run("secret get large").len(), 25_000);
}

/// Runs `backup create` where files can't grow beyond what is there.
fn without_room(desk: &Desk, into: &Path, tiny_disk: bool) -> String {
    let file = into.join("backup");
    let mut command = if tiny_disk { desk.0.command(cli()) } else { with_small_files(desk) };
    fail(command.args(["--pin-file", "pin", "backup", "create"]).arg(file))
}

#[test]
fn a_full_disk_leaves_neither_a_backup_nor_half_of_one() {
    let desk = Desk::new();
    for number in 0..4 {
        let value = desk.0.file("value", vec![b'x'; 20_000]);
        desk.run(&format!("secret set large-{number} --file {value}"));
    }
    let disk = desk.path("disk");
    fs::create_dir(&disk).unwrap();
    let tiny_disk = is_root()
        && Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tiny"])
            .arg(&disk)
            .status()
            .is_ok_and(|status| status.success());
    let refused = std::panic::catch_unwind(|| without_room(&desk, &disk, tiny_disk));
    let left = fs::read_dir(&disk).unwrap().count();
    if tiny_disk {
        succeed(Command::new("umount").arg(&disk));
    }
    let refused = refused.unwrap();
    assert!(refused.contains("no room for the backup"), "{refused}");
    assert_eq!(left, 0);
    desk.run("backup create disk/backup");
}

#[test]
fn a_scheduled_backup_takes_what_unlocks_the_vault_and_nothing_else() {
    let desk = Desk::new();
    desk.run("key create www --kind p-256");
    let text = format!("[[vault]]\nname = \"www\"\npath = {:?}\npin_file = {:?}\n", desk.0.vault(), desk.path("pin"));
    desk.secret("config.toml", &text);
    let scheduled = |arguments: &str| {
        let mut command = desk.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", desk.path("config.toml"));
        succeed(&mut command)
    };
    scheduled("backup create backup");
    scheduled("backup verify backup");
    scheduled("restore backup --object www --as again");
    assert_eq!(desk.names(), ["again", "www"]);
    scheduled("rekey --renumber --recovery-key-file recovery-key --yes");
    let old = scheduled("backup verify backup --recovery-key-file recovery-key");
    assert!(old.contains("private keys"), "{old}");
    // The vault's own root key is another one by now: what is needed is said.
    let mut alone = desk.bare("backup verify backup");
    let refused = fail(alone.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", desk.path("config.toml")));
    assert!(refused.contains("from before a rekey") && refused.contains("--recovery-key-file"), "{refused}");
}

#[test]
fn a_timer_keeps_the_newest_backups_and_touches_nobody_elses() {
    let desk = Desk::new();
    let other = Desk::new();
    let kept = desk.path("kept");
    let into = format!("backup create --into {} --keep 2", kept.display());
    let first = desk.json(&into)["file"].as_str().unwrap().to_owned();
    // Names differ by the second.
    let next_second = || std::thread::sleep(std::time::Duration::from_millis(1100));
    next_second();
    // Two vaults whose directories have the same name, and a file that only looks like a backup.
    let others = other.json(&format!("backup create --into {}", kept.display()));
    fs::write(kept.join("vault-notes.backup"), "not ours").unwrap();
    let mut made = Vec::new();
    while made.len() < 2 {
        next_second();
        made.push(desk.json(&into));
    }
    assert_eq!(made[0]["removed"], serde_json::json!([]));
    assert_eq!(made[1]["removed"], serde_json::json!([first]));
    assert!(!Path::new(&first).exists());
    for there in [&made[0], &made[1], &others] {
        assert!(Path::new(there["file"].as_str().unwrap()).exists());
    }
    assert!(kept.join("vault-notes.backup").exists());
    assert!(desk.refused("backup create --keep 2 one.backup").contains("--keep"));
}
