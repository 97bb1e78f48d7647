//! What a configuration file may say, and what the errors name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::{BackupTarget, Config, Manner};

struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let written = Self { folder: tempfile::tempdir().unwrap() };
        written.put("config.toml", text, 0o600);
        written
    }

    fn put(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn read(&self) -> Result<Read, ConfigError> {
        read(&self.folder.path().join("config.toml"), &Environment::of_process(), "")
    }

    fn error(&self) -> String {
        self.read().err().expect("the file is refused").to_string()
    }
}

fn pin_of(vault: &VaultConfig) -> &[u8] {
    match &vault.unlock {
        Some(UnlockConfig::Pin(pin)) => pin,
        _ => panic!("no PIN"),
    }
}

fn local(vault: &VaultConfig) -> &LocalConfig {
    vault.as_local().unwrap()
}

#[test]
fn every_known_key_is_accepted() {
    let written = Written::new(
        r#"
        log = "info"
        free_slot = true
        vaults_dir = "vaults"
        [[vault]]
        name = "www"
        backend = "local"
        path = "/srv/www"
        pin = "a long enough PIN"
        objects = ["www-*", "cert?"]
        show_versions = "all"
        allow_conflicting_usage = true
        reinitialize = true
        owner_uid = 33
        group = "root"
        min_pin_length = 6
        max_attempts = 3
        machine_key = "machine.key"
        "#,
    );
    let read = written.read().unwrap();
    let vault = &read.vaults[0];
    assert_eq!((read.log.as_deref(), read.free_slot), (Some("info"), true));
    assert_eq!(read.vaults_dir, Some(written.folder.path().join("vaults")));
    assert_eq!((vault.name.as_str(), pin_of(vault)), ("www", b"a long enough PIN".as_slice()));
    assert_eq!(vault.objects, ["www-*", "cert?"]);
    assert!(vault.show_all_versions && vault.allow_conflicting_usage);
    let local = local(vault);
    assert_eq!(local.path, Path::new("/srv/www"));
    assert_eq!((local.owner_uid, local.group_gid, local.reinitialize), (Some(33), Some(0), true));
    assert_eq!((local.min_pin_len, local.max_attempts), (6, 3));
    assert_eq!(local.machine_key, Some(written.folder.path().join("machine.key")));
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let error = Written::new("log = \"info\"\n\n[[vault]]\nname = \"a\"\npin_fiel = \"x\"\n").error();
    assert!(error.contains("config.toml:5: unknown key `pin_fiel`: did you mean `pin_file`?"), "{error}");
    let error = Written::new("free_slots = true\n").error();
    assert!(error.contains(":1:") && error.contains("`free_slot`"), "{error}");
}

#[test]
fn a_word_like_no_key_lists_the_nearest_and_all() {
    let error = Written::new("colour = 1\n").error();
    assert!(error.contains("nearest known is") && error.contains("`vaults_dir`"), "{error}");
}

#[test]
fn a_value_of_a_wrong_type_names_line_and_key() {
    let error = Written::new("[[vault]]\nname = \"a\"\nreinitialize = \"yes\"\n").error();
    assert!(error.contains(":3: `reinitialize`:") && error.contains("boolean"), "{error}");
}

#[test]
fn text_that_is_no_toml_names_the_line() {
    let error = Written::new("log = \"info\"\n[[vault\n").error();
    assert!(error.contains("config.toml:2:"), "{error}");
}

#[test]
fn values_that_cannot_be_name_their_key() {
    let table = |line: &str| format!("[[vault]]\nname = \"a\"\n{line}\n");
    for (text, key) in [
        ("log = \"loud\"".to_owned(), "`log`"),
        (table("backend = \"cloud\""), "`backend`"),
        (table("show_versions = \"newest\""), "`show_versions`"),
        (table("objects = [\"[\"]"), "`objects`"),
        (table("group = \"no-such-group-here\""), "`group`"),
        (table("min_pin_length = 2"), "`min_pin_length`"),
        (table("max_attempts = 0"), "`max_attempts`"),
        (table("pin_command = []"), "`pin_command`"),
        (table("credential = \"../x\""), "`credential`"),
        ("[[vault]]\nname = \"a/b\"".to_owned(), "`name`"),
        ("[[vault]]\nreinitialize = true".to_owned(), "`path`"),
        (format!("{}{}", table(""), table("")), "`name`"),
        ("[[vault]]\nname = \"a\"\npath = \"/x\"\n[[vault]]\nname = \"b\"\npath = \"/x\"".to_owned(), "`path`"),
    ] {
        let error = Written::new(&text).error();
        assert!(error.contains(key), "{text}\n{error}");
    }
}

#[test]
fn two_ways_to_unlock_are_refused() {
    let error = Written::new("[[vault]]\nname = \"a\"\npin = \"12345678\"\npin_file = \"x\"\n").error();
    assert!(error.contains(":4: `pin_file`") && error.contains("`pin`"), "{error}");
}

#[test]
fn a_configuration_that_others_may_write_is_refused() {
    let written = Written::new("");
    written.put("config.toml", "log = \"info\"\n", 0o666);
    assert!(written.error().contains("chmod go-w"));
}

#[test]
fn a_configuration_with_a_pin_is_refused_if_others_may_read_it() {
    let written = Written::new("");
    written.put("config.toml", "[[vault]]\nname = \"a\"\n", 0o644);
    assert!(written.read().is_ok());
    written.put("config.toml", "[[vault]]\nname = \"a\"\npin = \"12345678\"\n", 0o644);
    assert!(written.error().contains("chmod go-r"));
}

#[test]
fn a_pin_file_is_read_without_its_line_end_and_refused_if_others_may_read_it() {
    let written = Written::new("[[vault]]\nname = \"a\"\npin_file = \"pin\"\n");
    written.put("pin", "12345678\n", 0o600);
    let read = written.read().unwrap();
    assert_eq!(pin_of(&read.vaults[0]), b"12345678");
    assert!(read.vaults[0].unlock_file.as_ref().is_some_and(|file| file.is_absolute() && file.ends_with("pin")));
    written.put("pin", "12345678\n", 0o604);
    assert!(written.error().contains("chmod go-r"));
}

#[test]
fn a_pin_file_that_is_missing_names_the_key_that_named_it() {
    let error = Written::new("[[vault]]\nname = \"a\"\npin_file = \"nowhere\"\n").error();
    assert!(error.contains("nowhere") && error.contains("`pin_file`"), "{error}");
}

#[test]
fn a_key_files_contents_are_the_key() {
    let written = Written::new("[[vault]]\nname = \"a\"\nkey_file = \"key\"\n");
    written.put("key", "raw\n", 0o600);
    let read = written.read().unwrap();
    assert!(matches!(&read.vaults[0].unlock, Some(UnlockConfig::Key(key)) if key.as_slice() == b"raw\n"));
}

#[test]
fn a_credential_outside_its_service_leaves_the_vault_to_ask() {
    let written = Written::new("[[vault]]\nname = \"a\"\ncredential = \"pin\"\n");
    assert!(written.read().unwrap().vaults[0].unlock.is_none());
}

#[test]
fn a_pin_command_runs_only_when_asked_for() {
    let written = Written::new("[[vault]]\nname = \"a\"\npin_command = [\"echo\", \"a $PIN\"]\n");
    let mut vault = written.read().unwrap().vaults.remove(0);
    assert!(vault.unlock.is_none());
    vault.run_pin_command().unwrap();
    assert_eq!(pin_of(&vault), b"a $PIN");
}

#[test]
fn a_pin_command_that_fails_or_prints_nothing_says_so() {
    for (command, part) in
        [("[\"false\"]", "false failed"), ("[\"true\"]", "must print"), ("[\"/no/such\"]", "can't start")]
    {
        let written = Written::new(&format!("[[vault]]\nname = \"a\"\npin_command = {command}\n"));
        let error = written.read().unwrap().vaults.remove(0).run_pin_command().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("vault a"), "{error}");
    }
}

#[test]
fn a_vault_without_a_path_lies_under_the_vaults_directory() {
    let written = Written::new("vaults_dir = \"/srv/vaults\"\n[[vault]]\nname = \"www\"\n");
    assert_eq!(local(&written.read().unwrap().vaults[0]).path, Path::new("/srv/vaults/www"));
}

#[test]
fn a_pin_is_never_shown() {
    let written = Written::new("[[vault]]\nname = \"a\"\npin = \"very secret\"\n");
    let read = written.read().unwrap();
    let config = Config {
        source: None,
        vaults: read.vaults,
        vaults_dir: PathBuf::new(),
        log: None,
        server: None,
        discovery: None,
        passed_over: None,
    };
    assert!(!format!("{config:?}").contains("very secret"));
}

#[test]
fn the_example_names_every_key_and_is_accepted() {
    let example = include_str!("../../examples/config.toml");
    let without_pin_file = example.replace("pin_file = ", "# pin_file = ");
    Written::new(&without_pin_file).read().map(drop).unwrap();
    let tables = ["server", "backup_target", "issuer", "managed_identity", "vault"];
    let keys = [TOP_LEVEL_KEYS, VAULT_KEYS, SERVER_KEYS, BACKUP_TARGET_KEYS, ISSUER_KEYS, MANAGED_IDENTITY_KEYS];
    for key in keys.concat() {
        let said = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(tables.contains(&key) || example.lines().any(said), "{key}");
    }
}

#[test]
fn a_backup_target_is_a_name_and_a_directory() {
    let written = Written::new(
        "[[backup_target]]\nname = \"nightly\"\ndirectory = \"backups\"\npassphrase_file = \"/srv/passphrase\"\n",
    );
    let targets = written.read().unwrap().server.unwrap().backup_targets;
    let wanted = BackupTarget {
        name: "nightly".into(),
        directory: written.folder.path().join("backups"),
        passphrase_file: Some("/srv/passphrase".into()),
    };
    assert_eq!(targets, [wanted]);
    let table = |lines: &str| format!("log = \"info\"\n[[backup_target]]\n{lines}\n");
    for (text, line, named) in [
        (table("name = \"a\""), 2, "`directory`"),
        (table("directory = \"/srv\""), 2, "`name`"),
        (table("directory = \"/srv\"\nname = \"../a\""), 4, "`name`"),
        (table("directory = \"/srv\"\nname = \"\""), 4, "`name`"),
        (table("directory = \"\"\nname = \"a\""), 3, "`directory`"),
        (table("directory = 3\nname = \"a\""), 3, "`directory`"),
        (table("directory = \"/srv\"\nname = \"a\"\nkeep = 3"), 5, "unknown key `keep`"),
        (table("directory = \"/srv\"\nname = \"a\"\n[[backup_target]]\ndirectory = \"/b\"\nname = \"A\""), 7, "`name`"),
        ("[backup_target]\nname = \"a\"".to_owned(), 1, "`[[backup_target]]`"),
    ] {
        let error = Written::new(&text).error();
        assert!(error.contains(&format!("config.toml:{line}:")) && error.contains(named), "{text}: {error}");
    }
}

#[test]
fn a_vault_is_served_as_one_of_two_things() {
    let served_as = |word: &str| Written::new(&format!("[[vault]]\nname = \"a\"\nserve_as = \"{word}\"\n"));
    for (word, manner) in [("key-vault", Manner::KeyVault), ("managed-hsm", Manner::ManagedHsm)] {
        assert_eq!(served_as(word).read().unwrap().vaults[0].serve_as, manner);
    }
    assert_eq!(Written::new("[[vault]]\nname = \"a\"\n").read().unwrap().vaults[0].serve_as, Manner::KeyVault);
    let error = served_as("hsm").error();
    assert!(error.contains("config.toml:3: `serve_as`") && error.contains("`managed-hsm`"), "{error}");
}

#[test]
fn an_issuer_says_little_and_gets_what_is_safe() {
    let written = Written::new("[[issuer]]\nurl = \"https://login.example.com\"\nca_file = \"ca.pem\"\n");
    let issuers = written.read().unwrap().server.unwrap().issuers;
    assert_eq!(
        (issuers[0].algorithms.as_slice(), &*issuers[0].subject_claim),
        (&["RS256", "ES256"].map(str::to_owned)[..], "sub")
    );
    assert_eq!(issuers[0].ca_file, Some(written.folder.path().join("ca.pem")));
    let table = |lines: &str| format!("[[issuer]]\nurl = \"https://a.example\"\n{lines}\n");
    for (text, line, named) in [
        ("[[issuer]]\n".to_owned(), 1, "`url`"),
        ("[[issuer]]\nurl = \"http://a.example\"\n".to_owned(), 2, "https://"),
        (table("algorithms = [\"HS256\"]"), 3, "`algorithms`"),
        (table("algorithms = [\"none\"]"), 3, "`algorithms`"),
        (table("algorithms = \"RS256\""), 3, "it is a list"),
        (table("audience = [\"\"]"), 3, "`audience`"),
        (table("tenant = \" \""), 3, "`tenant`"),
        (table("serve_stale = 1000"), 3, "`serve_stale`"),
        ("[[issuer]]\nurl = \"http://localhost:1\"\nca_file = \"ca.pem\"\n".to_owned(), 3, "`ca_file`"),
        (table("audiences = []"), 3, "did you mean `audience`?"),
        (table("[[issuer]]\nurl = \"https://a.example\""), 4, "another table"),
        ("[issuer]\nurl = \"https://a.example\"\n".to_owned(), 1, "`[[issuer]]`"),
    ] {
        let error = Written::new(&text).error();
        assert!(error.contains(named) && error.contains(&format!("config.toml:{line}:")), "{text}: {error}");
    }
}

#[test]
fn tokens_without_a_proof_are_given_to_this_machine_alone() {
    let managed = |text: &str| Written::new(&format!("[managed_identity]\n{text}\n"));
    let read = managed("listen = \"[::1]:8480\"\nimds_identity = \"machine\"").read().unwrap().server.unwrap();
    assert_eq!(read.managed_identity.unwrap().imds_identity.as_deref(), Some("machine"));
    for text in
        ["", "listen = \"0.0.0.0:8480\"", "listen = \"10.0.0.1:8480\"", "listen = \"[::]:8480\"", "listen = 8480"]
    {
        let error = managed(text).error();
        assert!(error.contains("`listen`"), "{text}: {error}");
    }
}

#[test]
fn the_two_domains_are_domains_and_not_the_same() {
    let server = |text: &str| Written::new(&format!("[server]\n{text}\n"));
    let read = server("domain = \"v.example\"\nhsm_domain = \"hsm.example\"").read().unwrap().server.unwrap();
    assert_eq!(read.hsm_domain.as_deref(), Some("hsm.example"));
    for text in ["hsm_domain = \"a..b\"", "domain = \"v.example\"\nhsm_domain = \"V.example\""] {
        let error = server(text).error();
        assert!(error.contains("`hsm_domain`"), "{error}");
    }
}

#[test]
fn one_thing_where_a_list_belongs_is_told_in_words() {
    let error = Written::new("[vault]\nname = \"a\"\n").error();
    assert!(error.contains("`[[vault]]`") && error.contains("config.toml:1:"), "{error}");
    let error = Written::new("[[vault]]\nname = \"a\"\nobjects = \"www*\"\n").error();
    assert!(error.contains("[\"www*\"]") && error.contains("config.toml:3: `objects`"), "{error}");
}

/// What a `[server]` table with these lines is.
fn server(lines: &str) -> Result<crate::config::ServerConfig, String> {
    let written = Written::new(&format!("[server]\n{lines}\n"));
    written.read().map(|read| read.server.unwrap()).map_err(|error| error.to_string())
}

#[test]
fn clients_are_asked_for_certificates_only_if_the_file_says_so() {
    assert!(server("socket = \"/s\"").unwrap().client_certificates.is_none());
    assert!(server("client_certificates = false").unwrap().client_certificates.is_none());
    assert!(server("client_certificates = true").unwrap().client_certificates.unwrap().authorities.is_none());
    let both = server("client_ca_file = \"/ca.pem\"\nclient_crl_file = \"/crl.pem\"").unwrap();
    assert_eq!(both.client_certificates.unwrap().revoked.as_deref(), Some(Path::new("/crl.pem")));
    for (lines, key) in [
        ("client_crl_file = \"/crl.pem\"", "`client_crl_file`"),
        ("client_certificates = false\nclient_ca_file = \"/ca.pem\"", "`client_certificates`"),
    ] {
        let error = server(lines).unwrap_err();
        assert!(error.contains("config.toml:2:") && error.contains(key), "{error}");
    }
}

#[test]
fn proxies_are_listed_with_the_one_way_in_which_they_tell() {
    use crate::config::Forwarding::{Header, ProxyProtocol};
    let list = "trusted_proxies = [\"192.0.2.1\", \"10.0.0.0/8\"]\n";
    for (way, by) in [("forwarded = \"X-Forwarded-For\"", Header), ("proxy_protocol = true", ProxyProtocol)] {
        let read = server(&format!("{list}{way}")).unwrap().trusted_proxies.unwrap();
        assert_eq!((read.by, read.networks.len()), (by, 2));
    }
    assert!(server("proxy_protocol = false").unwrap().trusted_proxies.is_none());
    for (lines, said) in [
        (list.to_owned(), "`trusted_proxies`: say how"),
        ("trusted_proxies = []\nproxy_protocol = true".to_owned(), "`trusted_proxies`: it is empty"),
        ("trusted_proxies = [\"proxy\"]\nproxy_protocol = true".to_owned(), "`trusted_proxies`: \"proxy\" is no range"),
        ("trusted_proxies = [\"10.0.0.1\", \"::/0\"]\nproxy_protocol = true".to_owned(), "everybody would be believed"),
        ("trusted_proxies = [\"0.0.0.0/0\"]\nproxy_protocol = true".to_owned(), "everybody would be believed"),
        ("forwarded = \"x-forwarded-for\"".to_owned(), "`forwarded`: it needs `trusted_proxies`"),
        ("proxy_protocol = true".to_owned(), "`proxy_protocol`: it needs `trusted_proxies`"),
        (format!("{list}forwarded = \"forwarded\""), "`forwarded`: this release knows"),
        (
            format!("{list}forwarded = \"x-forwarded-for\"\nproxy_protocol = true"),
            "`proxy_protocol`: `forwarded` is set",
        ),
    ] {
        let error = server(&lines).unwrap_err();
        assert!(error.contains(said), "{lines}: {error}");
    }
}

#[test]
fn a_rate_has_a_burst_of_five_seconds_unless_it_has_its_own() {
    let rate = |lines: &str| server(lines).unwrap().requests.map(|rate| (rate.per_second.get(), rate.burst.get()));
    assert_eq!(rate("listen = []"), None);
    assert_eq!(rate("requests_per_second = 10"), Some((10, 50)));
    assert_eq!(rate("requests_per_second = 10\nrequest_burst = 10"), Some((10, 10)));
    assert_eq!(server("logins_per_second = 3").unwrap().logins.unwrap().burst.get(), 15);
    for (lines, said) in [
        ("requests_per_second = 0", "`requests_per_second`: it is at least 1"),
        ("requests_per_second = 1\nrequest_burst = 0", "`request_burst`: it is at least 1"),
        ("login_burst = 5", "`login_burst`: it needs `logins_per_second`"),
        ("requests_per_second = -1", "`requests_per_second`"),
    ] {
        let error = server(lines).unwrap_err();
        assert!(error.contains(said), "{lines}: {error}");
    }
}

#[test]
fn a_vault_says_from_where_it_is_reached() {
    let vault = |list: &str| Written::new(&format!("[[vault]]\nname = \"a\"\nallow_from = {list}\n"));
    assert!(Written::new("[[vault]]\nname = \"a\"\n").read().unwrap().vaults[0].allow_from.is_none());
    let read = vault("[\"10.0.0.0/8\", \"loopback\", \"socket\"]").read().unwrap().vaults.remove(0).allow_from.unwrap();
    assert!(read.socket && read.networks.iter().any(|network| network.contains("127.0.0.9".parse().unwrap())));
    assert!(!vault("[\"10.0.0.0/8\"]").read().unwrap().vaults.remove(0).allow_from.unwrap().socket);
    for (list, said) in [("[]", "it is empty"), ("[\"10.0.0.1/8\"]", "10.0.0.0/8"), ("\"socket\"", "it is a list")] {
        let error = vault(list).error();
        assert!(error.contains("config.toml:3: `allow_from`") && error.contains(said), "{error}");
    }
}
