//! `az`, unmodified, against `strongroom serve --dev`: registered and logged in by the lines that the server prints, then every
//! `az keyvault` command that needs no resource manager.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::served::Served;
use crate::stage::{Stage, is_ours, output, succeed};

/// Commands, each with a word that its answer has. Later lines use what earlier ones made; `$VAULT` and `$HSM` name the two
/// vaults, `$ID` and `$NAME` are the last answer's, `$RESULT` is its result.
const SECRETS: &[(&str, &str)] = &[
    ("secret set $VAULT -n s --value hello --tags a=b", "/secrets/s/"),
    ("secret show $VAULT -n s", "hello"),
    ("secret list $VAULT", "/secrets/s"),
    ("secret list-versions $VAULT -n s", "/secrets/s/"),
    ("secret set-attributes $VAULT -n s --content-type text/plain", "text/plain"),
    ("secret download $VAULT -n s --file s.txt", ""),
    ("secret backup $VAULT -n s --file s.backup", ""),
    ("secret delete $VAULT -n s", "scheduledPurgeDate"),
    ("secret list-deleted $VAULT", "/deletedsecrets/s"),
    ("secret show-deleted $VAULT -n s", "/deletedsecrets/s"),
    ("secret recover $VAULT -n s", "/secrets/s/"),
    ("secret delete $VAULT -n s", "scheduledPurgeDate"),
    ("secret purge $VAULT -n s", ""),
    ("secret restore $VAULT --file s.backup", "/secrets/s/"),
];

/// `$IN` is `$VAULT` and then `$HSM`.
const KEYS: &[(&str, &str)] = &[
    ("key create $IN -n k --kty EC-HSM --curve P-256", "EC-HSM"),
    ("key create $IN -n r --kty RSA-HSM --size 2048", "RSA-HSM"),
    ("key create $IN -n o --kty oct-HSM --size 256", "oct-HSM"),
    ("key show $IN -n r", "/keys/r/"),
    ("key list $IN", "/keys/o"),
    ("key list-versions $IN -n r", "/keys/r/"),
    ("key set-attributes $IN -n r --tags x=y", "\"x\": \"y\""),
    ("key encrypt $IN -n r --algorithm RSA-OAEP-256 --value aGVsbG8= --data-type base64", "RSA-OAEP-256"),
    ("key decrypt $IN -n r --algorithm RSA-OAEP-256 --value $RESULT --data-type base64", "aGVsbG8="),
    ("key sign $IN -n r --algorithm RS256 --digest AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "signature"),
    (
        "key verify $IN -n r --algorithm RS256 --digest AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= --signature $RESULT",
        "\"isValid\": true",
    ),
    ("key rotate $IN -n r", "/keys/r/"),
    ("key rotation-policy show $IN -n r", "rotationpolicy"),
    ("key rotation-policy update $IN -n r --value policy.json", "P90D"),
    ("key import $IN -n i --pem-file imported.pem", "/keys/i/"),
    ("key download $IN -n k -e PEM --file k.pem", ""),
    ("key backup $IN -n k --file k.backup", ""),
    ("key delete $IN -n k", "scheduledPurgeDate"),
    ("key list-deleted $IN", "/deletedkeys/k"),
    ("key show-deleted $IN -n k", "/deletedkeys/k"),
    ("key recover $IN -n k", "/keys/k/"),
    ("key delete $IN -n k", "scheduledPurgeDate"),
    ("key purge $IN -n k", ""),
    ("key restore $IN --file k.backup", "/keys/k/"),
];

const ADMINISTRATION: &[(&str, &str)] = &[
    ("key random $HSM --count 16", "value"),
    ("key get-policy-template", "anyOf"),
    ("role definition list $HSM", "Managed HSM Crypto User"),
    ("role definition create $HSM --role-definition @role.json", "My role"),
    ("role definition show $HSM --name $NAME", "My role"),
    ("role definition delete $HSM --name $NAME", ""),
    ("role definition update $HSM --role-definition @role.json", "6b6d5a0c-6c2b-4d8e-9d3b-1f2e3d4c5b6a"),
    ("role assignment create $HSM --role My_role --assignee-object-id $SOMEBODY --scope /keys/k", "/keys/k/providers"),
    ("role assignment delete $HSM --ids $ID", ""),
    (
        "role assignment create $HSM --role Managed_HSM_Crypto_User --assignee dev-administrator --scope /keys",
        "dev-administrator",
    ),
    ("role assignment list $HSM --scope /keys", "ServicePrincipal"),
    ("role assignment list $HSM --assignee dev-administrator", "\"scope\": \"/\""),
    ("role assignment delete $HSM --assignee dev-administrator --role Managed_HSM_Crypto_User --scope /keys", ""),
    ("role definition delete $HSM --name 6b6d5a0c-6c2b-4d8e-9d3b-1f2e3d4c5b6a", ""),
    ("setting list $HSM", "AllowKeyManagementOperationsThroughARM"),
    ("setting show $HSM --name AllowKeyManagementOperationsThroughARM", "\"value\": \"false\""),
    ("setting update $HSM --name AllowKeyManagementOperationsThroughARM --value true", "\"value\": \"true\""),
];

const CERTIFICATES: &[(&str, &str)] = &[
    ("certificate get-default-policy", "issuerParameters"),
    ("certificate create $VAULT -n c --policy @policy.json", "completed"),
    ("certificate show $VAULT -n c", "/certificates/c/"),
    ("certificate list $VAULT", "/certificates/c"),
    ("certificate list-versions $VAULT -n c", "/certificates/c/"),
    ("certificate set-attributes $VAULT -n c --tags a=b", "\"a\": \"b\""),
    ("certificate download $VAULT -n c --file c.pem", ""),
    ("secret download $VAULT -n c --file c.pfx --encoding base64", ""),
    ("certificate import $VAULT -n i --file imported.pfx --password secret", "/certificates/i/"),
    ("certificate backup $VAULT -n c --file c.backup", ""),
    ("certificate delete $VAULT -n c", "scheduledPurgeDate"),
    ("certificate list-deleted $VAULT", "/deletedcertificates/c"),
    ("certificate show-deleted $VAULT -n c", "/deletedcertificates/c"),
    ("certificate recover $VAULT -n c", "/certificates/c/"),
    ("certificate delete $VAULT -n c", "scheduledPurgeDate"),
    ("certificate purge $VAULT -n c", ""),
    ("certificate restore $VAULT --file c.backup", "/certificates/c/"),
    ("certificate create $VAULT -n p --policy @unknown.json", "inProgress"),
    ("certificate pending show $VAULT -n p", "inProgress"),
    ("certificate pending delete $VAULT -n p", "/certificates/p/"),
    ("certificate contact add $VAULT --email a@b.example --name n", "a@b.example"),
    ("certificate contact list $VAULT", "a@b.example"),
    ("certificate contact delete $VAULT --email a@b.example", "contactList"),
    ("certificate issuer create $VAULT --issuer-name i --provider-name Test", "issuers/i"),
    ("certificate issuer show $VAULT --issuer-name i", "issuers/i"),
    ("certificate issuer update $VAULT --issuer-name i --organization-id o", "\"o\""),
    ("certificate issuer list $VAULT", "issuers/i"),
    (
        "certificate issuer admin add $VAULT --issuer-name i --email a@b.example --first-name f --last-name l --phone 1",
        "a@b",
    ),
    ("certificate issuer admin list $VAULT --issuer-name i", "a@b.example"),
    ("certificate issuer admin delete $VAULT --issuer-name i --email a@b.example", ""),
    ("certificate issuer delete $VAULT --issuer-name i", "issuers/i"),
];

/// What the tests say for themselves.
const ELSEWHERE: [(&str, &str); 3] = [("backup start", ""), ("restore start", ""), ("certificate pending merge", "")];

/// `az` and a server at which it is logged in.
struct Az {
    stage: Stage,
    served: Served,
    vault: String,
    hsm: String,
    answer: serde_json::Value,
}

impl Az {
    fn at(stage: Stage, served: Served, vault: &str, hsm: &str) -> Self {
        let az = Self {
            stage,
            served,
            vault: format!("--vault-name {vault}"),
            hsm: format!("--hsm-name {hsm}"),
            answer: serde_json::Value::Null,
        };
        let lines = az.served.az_lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        for line in lines {
            succeed(az.client("sh").args(["-c", line]));
        }
        az
    }

    fn client(&self, program: &str) -> Command {
        let mut command = self.served.client(&self.stage, program);
        let path = format!("{}:{}", program_directory().display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", path)
            .env("AZURE_CONFIG_DIR", self.stage.path("az"))
            .env("AZURE_CORE_COLLECT_TELEMETRY", "no");
        command
    }

    /// Runs these commands in turn.
    fn run(&mut self, commands: &[(&str, &str)], vault: &str) {
        for (line, wanted) in commands {
            let text = |name: &str| self.answer[name].as_str().unwrap_or_default().to_owned();
            let result = ["result", "signature"].map(text).concat();
            let words = line.split(' ').flat_map(|word| match word {
                "$VAULT" => self.vault.split(' ').map(str::to_owned).collect(),
                "$HSM" => self.hsm.split(' ').map(str::to_owned).collect(),
                "$IN" => vault.split(' ').map(str::to_owned).collect(),
                "$ID" => vec![text("id")],
                "$NAME" => vec![text("name")],
                "$RESULT" => vec![result.clone()],
                "$SOMEBODY" => vec!["0b5f9a63-65d5-4b0f-9c7b-1c2d3e4f5a6b".to_owned()],
                // A name with blanks in it.
                word if word.contains("My_role") || word.contains("Managed_HSM") => vec![word.replace('_', " ")],
                word => vec![word.to_owned()],
            });
            let words: Vec<String> = words.collect();
            let done = output(self.client("az").arg("keyvault").args(&words).args(["--output", "json"]));
            let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success() && said.contains(wanted), "az keyvault {words:?}: {said}{complained}");
            self.answer = serde_json::from_slice(&done.stdout).unwrap_or_default();
        }
    }

    /// Has a certificate issued elsewhere, and merged.
    fn merge(&mut self, name: &str) {
        self.run(&[(&format!("certificate create $VAULT -n {name} --policy @unknown.json"), "inProgress")], "");
        let request = self.answer["csr"].as_str().unwrap();
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{request}\n-----END CERTIFICATE REQUEST-----\n");
        let csr = self.stage.file("request.pem", pem);
        self.stage.openssl("req -x509 -new -key imported.pem -subj /CN=authority -days 2 -out authority.crt");
        let issue = "-CA authority.crt -CAkey imported.pem -CAcreateserial -days 2 -out issued.pem";
        self.stage.openssl(&format!("x509 -req -in {csr} {issue}"));
        self.run(&[(&format!("certificate pending merge $VAULT -n {name} --file issued.pem"), "/certificates/m/")], "");
    }

    /// Makes the files that the commands name.
    fn prepare(&self) {
        let stage = &self.stage;
        stage.openssl("genrsa -out imported.pem 2048");
        stage.openssl("req -x509 -new -key imported.pem -subj /CN=imported -days 2 -out imported.crt");
        stage.openssl("pkcs12 -export -inkey imported.pem -in imported.crt -passout pass:secret -out imported.pfx");
        let rotation = r#"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}}]}"#;
        stage.file("policy.json", rotation);
        let role = r#"{"name":"6b6d5a0c-6c2b-4d8e-9d3b-1f2e3d4c5b6a","roleName":"My role","actions":[],"notActions":[],
            "dataActions":["Microsoft.KeyVault/managedHsm/keys/read/action"],"notDataActions":[]}"#;
        stage.file("role.json", role);
    }
}

fn program_directory() -> std::path::PathBuf {
    let program =
        std::env::var_os("STRONGROOM_AZ").expect("STRONGROOM_AZ must name az: scripts/test installs it in target/az");
    Path::new(&program).parent().expect("a directory").to_owned()
}

fn scratch() -> Az {
    let stage = Stage::without_token();
    let served = Served::scratch(&stage);
    let az = Az::at(stage, served, "dev", "dev-hsm");
    az.prepare();
    az
}

#[test]
fn az_does_everything_with_secrets() {
    if is_ours() {
        let mut az = scratch();
        az.run(SECRETS, "");
        assert_eq!(std::fs::read_to_string(az.stage.path("s.txt")).unwrap(), "hello");
    }
}

#[test]
fn az_does_everything_with_keys_in_a_vault() {
    if is_ours() {
        let mut az = scratch();
        let vault = az.vault.clone();
        az.run(KEYS, &vault);
    }
}

#[test]
fn az_does_everything_with_keys_in_a_managed_hsm() {
    if is_ours() {
        let mut az = scratch();
        let hsm = az.hsm.clone();
        az.run(KEYS, &hsm);
    }
}

#[test]
fn az_gives_roles_and_changes_settings() {
    if is_ours() {
        let mut az = scratch();
        az.run(ADMINISTRATION, "");
    }
}

#[test]
fn az_gives_a_role_to_a_group_by_its_object_id_and_shows_its_name() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let made: serde_json::Value = serde_json::from_str(&stage.strongroom("--json group create signers")).unwrap();
    let group = made["object_id"].as_str().unwrap();
    let served = Served::hsm(&stage);
    let mut az = Az::at(stage, served, "none", "vault");
    let create = format!("role assignment create $HSM --role Managed_HSM_Crypto_User --assignee {group} --scope /keys");
    az.run(&[(&create, "signers"), ("role assignment list $HSM --scope /keys", "\"Group\"")], "");
    let delete = format!("role assignment delete $HSM --assignee {group} --role Managed_HSM_Crypto_User --scope /keys");
    az.run(&[(&delete, "")], "");
}

#[test]
fn az_does_everything_with_certificates() {
    if !is_ours() {
        return;
    }
    let mut az = scratch();
    az.run(&CERTIFICATES[..1], "");
    let policy = az.answer.to_string();
    az.stage.file("policy.json", &policy);
    az.stage.file("unknown.json", policy.replace("\"Self\"", "\"Unknown\""));
    az.run(&CERTIFICATES[1..], "");
    az.merge("m");
    az.stage.openssl("x509 -in c.pem -noout");
    az.stage.openssl("pkcs12 -in c.pfx -nodes -passin pass: -out c.key");
}

#[test]
fn az_backs_up_and_restores_a_managed_hsm() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let served = Served::hsm(&stage);
    let port = served.url().rsplit(':').next().unwrap().to_owned();
    let mut az = Az::at(stage, served, "none", "vault");
    let target = format!("--storage-resource-uri https://backup.vault.localhost:{port}/nightly");
    let hsm = az.hsm.clone();
    az.run(&KEYS[..1], &hsm);
    az.run(&[(&format!("backup start $HSM {target} --storage-container-SAS-token none"), "folderUrl")], "");
    let folder = az.answer["folderUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    az.run(&[("key delete $HSM -n k", "scheduledPurgeDate"), ("key purge $HSM -n k", "")], "");
    let restore = format!("restore start $HSM {target} --storage-container-SAS-token none --backup-folder {folder}");
    az.run(&[(&restore, "")], "");
    az.run(&[("key show $HSM -n k", "EC-HSM")], "");
}

#[test]
fn az_takes_in_what_byok_wrap_made() {
    if !is_ours() {
        return;
    }
    let mut az = scratch();
    az.run(&[("key create $VAULT -n kek --kty RSA-HSM --size 2048 --ops import", "/keys/kek/")], "");
    let kid = az.answer["key"]["kid"].as_str().unwrap().to_owned();
    az.run(&[("key download $VAULT -n kek -e PEM --file kek.pem", "")], "");
    let kinds = [
        ("r", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "--kty RSA"),
        ("e", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "--kty EC --curve P-384"),
    ];
    for (name, algorithm, kind) in kinds {
        az.stage.openssl(&format!("genpkey {algorithm} -out {name}.pem"));
        az.stage.strongroom(&format!("byok wrap {name}.pem --kek kek.pem --kid {kid} --out {name}.byok"));
        let import = format!("key import $VAULT -n {name} {kind} --byok-file {name}.byok");
        az.run(&[(&import, "/keys/"), (&format!("key download $VAULT -n {name} -e PEM --file {name}.pub"), "")], "");
        let own = az.stage.openssl(&format!("pkey -in {name}.pem -pubout"));
        assert_eq!(std::fs::read_to_string(az.stage.path(&format!("{name}.pub"))).unwrap().trim(), own.trim());
    }
}

/// What `az` can be told to do with vaults, as it says itself.
fn every_command() -> BTreeSet<String> {
    let ask = "from azure.cli.core import get_default_cli\n\
               from azure.cli.core.commands import AzCliCommandInvoker\n\
               cli = get_default_cli()\n\
               cli.invocation = cli.invocation_cls(cli_ctx=cli, parser_cls=cli.parser_cls,\n\
               \x20   commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls)\n\
               table = cli.invocation.commands_loader.load_command_table(['keyvault'])\n\
               print(*(name for name in table if name.startswith('keyvault ')), sep='\\n')\n";
    let stage = Stage::without_token();
    let mut python = stage.command(program_directory().join("python3"));
    python.args(["-c", ask]).env("AZURE_CONFIG_DIR", stage.path("az")).env("AZURE_CORE_COLLECT_TELEMETRY", "no");
    let printed = output(&mut python);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let names = String::from_utf8_lossy(&printed.stdout).into_owned();
    names.lines().map(|name| name.trim_start_matches("keyvault ").to_owned()).collect()
}

#[test]
fn the_page_names_every_az_command_that_is_not_tried_here() {
    if !is_ours() {
        return;
    }
    let tried = [SECRETS, KEYS, ADMINISTRATION, CERTIFICATES, &ELSEWHERE].concat();
    let is_word = |word: &&str| !word.starts_with(['$', '-']);
    let tried = tried.iter().map(|(line, _)| line.split(' ').take_while(is_word).collect::<Vec<_>>().join(" "));
    let tried: BTreeSet<String> = tried.collect();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/azure-compat.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("`az`")).expect("a section on az");
    let named: BTreeSet<String> = section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let all = every_command();
    assert!(all.len() > 100, "{all:?}");
    let forgotten: Vec<_> = all.iter().filter(|name| !tried.contains(*name) && !named.contains(*name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let unknown: Vec<_> = tried.iter().filter(|name| !all.contains(*name)).collect();
    assert!(unknown.is_empty(), "az has no {unknown:?}");
}
