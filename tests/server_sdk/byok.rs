//! Bring your own key: what `strongroom byok wrap` makes of keys in files, in a vault and on other tokens, the official SDK
//! takes in.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::served::{Served, identity_with, python};
use crate::stage::{PIN, SO_PIN, Stage, TOKEN, fail, is_ours, module, output, set_mode, succeed};

/// SoftHSM's own module, as Debian installs it.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A vault with a key for keys, and whoever wraps for it.
struct Scene {
    stage: Stage,
    served: Served,
    stranger: [(&'static str, String); 2],
    kid: String,
    good: Vec<Value>,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let (id, secret) = identity_with(&stage, "stranger", &[]);
        let served = Served::vault(&stage);
        let make = "import os; from azure.identity import DefaultAzureCredential; from azure.keyvault.keys import KeyClient\n\
                    client = KeyClient(os.environ['VAULT_URL'], DefaultAzureCredential())\n\
                    client.create_rsa_key('other', size=2048)\n\
                    print(client.create_rsa_key('kek', size=3072, hardware_protected=True, key_operations=['import']).id)\n";
        let kid = succeed(served.client(&stage, python()).args(["-c", make])).trim().to_owned();
        let pin = stage.file("source-pin", PIN);
        set_mode(Path::new(&pin), 0o600);
        let stranger = [("STRANGER_ID", id), ("STRANGER_SECRET", secret)];
        Self { stage, served, stranger, kid, good: Vec::new() }
    }

    fn kek(&self) -> String {
        format!("{}/keys/kek", self.served.url())
    }

    fn wrap_command(&self, out: &str, kek: &str, source: &str) -> Command {
        let arguments = format!("byok wrap --ca ca.pem --kek {kek} --out {out} {source}");
        let mut command = self.stage.strongroom_command(&arguments);
        command.envs(self.served.variables().filter(|(name, _)| name.starts_with("AZURE_")));
        command
    }

    /// Wraps a key, which must then be taken in as this.
    fn wrap(&mut self, out: &str, source: &str, about: Value) {
        succeed(&mut self.wrap_command(out, &self.kek(), source));
        let blob: Value = serde_json::from_slice(&std::fs::read(self.stage.path(out)).unwrap()).unwrap();
        assert_eq!((&blob["schema_version"], &blob["header"]["kid"]), (&json!("1.0.0"), &json!(self.kid)));
        assert_eq!((&blob["header"]["alg"], &blob["header"]["enc"]), (&json!("dir"), &json!("CKM_RSA_AES_KEY_WRAP")));
        let mut about = about;
        about["file"] = json!(out);
        self.good.push(about);
    }

    fn refused(&self, source: &str) -> String {
        let text = fail(&mut self.wrap_command("refused.byok", &self.kek(), source));
        assert!(!self.stage.path("refused.byok").exists());
        text
    }

    fn openssl_key(&self, name: &str, algorithm: &str) -> Value {
        self.stage.openssl(&format!("genpkey {algorithm} -out {name}"));
        self.stage.openssl(&format!("pkey -in {name} -pubout -out {name}.pub"));
        json!(format!("{name}.pub"))
    }

    /// `pkcs11-tool` on a module's token, logged in.
    fn token(&self, module: &str, arguments: &str) -> String {
        let mut command = self.stage.command("pkcs11-tool");
        command.args(["--module", module, "--login", "--pin", PIN, "--token-label", TOKEN]);
        succeed(command.args(arguments.split_whitespace()))
    }

    fn taken_in(&self, wrong: &Value) {
        let keys = json!({ "good": self.good, "wrong": wrong });
        self.stage.file("keys.json", keys.to_string());
        let variables = [("FILES", self.stage.at("")), ("KEK", "kek".to_owned())];
        let printed = self.served.python(&self.stage, "byok.py", &[&variables[..], &self.stranger].concat());
        assert!(printed.contains("Ran 3 tests") && printed.contains("\nOK\n"), "{printed}");
    }
}

#[test]
fn keys_from_files_and_from_a_vault_are_wrapped_and_taken_in() {
    if !is_ours() {
        return;
    }
    let mut scene = Scene::new();
    let public = scene.openssl_key("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072");
    scene.wrap("rsa.byok", "rsa", json!({ "kty": "RSA", "public": public }));
    let passphrase = scene.stage.file("passphrase.txt", "secret words");
    set_mode(Path::new(&passphrase), 0o600);
    for (curve, name) in [("P-256", "P-256"), ("P-384", "P-384"), ("P-521", "P-521"), ("secp256k1", "P-256K")] {
        let public = scene.openssl_key(name, &format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}"));
        scene.stage.openssl(&format!("pkcs8 -topk8 -in {name} -out {name}.p8 -passout file:passphrase.txt"));
        let source = format!("{name}.p8 --passphrase-file passphrase.txt");
        scene.wrap(&format!("{name}.byok"), &source, json!({ "kty": "EC", "crv": name, "public": public }));
    }
    let bytes: Vec<u8> = (0..32).collect();
    std::fs::write(scene.stage.path("aes"), &bytes).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    scene.wrap("aes.byok", "aes --kind aes-256", json!({ "kty": "oct", "hex": hex }));

    scene.stage.strongroom("key create leaves --kind rsa-2048 --exportable");
    let public = output(&mut scene.stage.strongroom_command("key public leaves")).stdout;
    scene.stage.file("leaves.pub", public);
    scene.wrap("leaves.byok", "--key leaves", json!({ "kty": "RSA", "public": "leaves.pub" }));
    scene.stage.strongroom("key create stays --kind rsa-2048");
    assert!(scene.refused("--key stays").contains("isn't exportable"));
    scene.stage.openssl("genpkey -algorithm ED25519 -out ed");
    assert!(scene.refused("ed").contains("no place in Key Vault's API"));
    assert!(scene.refused("rsa --key leaves").contains("cannot be used with"));
    assert!(scene.refused("").contains("required"));
    // The file is somebody's, and stays.
    assert!(fail(&mut scene.wrap_command("rsa.byok", &scene.kek(), "rsa")).contains("exists"));
    succeed(&mut scene.wrap_command("rsa.byok", &scene.kek(), "rsa --force"));

    // For a key that does other things, for one that nobody named, and for another one than the file says.
    let other = format!("{}/keys/other", scene.served.url());
    assert!(fail(&mut scene.wrap_command("refused.byok", &other, "rsa")).contains("takes no keys in"));
    scene.openssl_key("foreign", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072");
    assert!(fail(&mut scene.wrap_command("refused.byok", "foreign.pub", "rsa")).contains("--kid"));
    succeed(&mut scene.wrap_command("foreign.byok", "foreign.pub", &format!("rsa --kid {}", scene.kid)));
    scene.openssl_key("weak", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    let weak = fail(&mut scene.wrap_command("refused.byok", "weak.pub", &format!("rsa --kid {}", scene.kid)));
    assert!(weak.contains("2048 bits"), "{weak}");
    scene.taken_in(&json!([
        { "file": "foreign.byok", "kty": "RSA" },
        { "file": "rsa.byok", "kty": "EC", "crv": "P-256" },
        { "file": "P-256.byok", "kty": "EC", "crv": "P-384" },
        { "file": "aes.byok", "kty": "RSA" },
    ]));
}

#[test]
fn keys_leave_other_tokens_wrapped_and_are_taken_in() {
    if !is_ours() {
        return;
    }
    let mut scene = Scene::new();
    let kinds = [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", json!({ "kty": "RSA" })),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:3072", json!({ "kty": "RSA" })),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", json!({ "kty": "EC", "crv": "P-256" })),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", json!({ "kty": "EC", "crv": "P-384" })),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", json!({ "kty": "EC", "crv": "P-521" })),
    ];
    let make = format!("--init-token --free --label {TOKEN} --so-pin {SO_PIN} --pin {PIN}");
    succeed(scene.stage.command("softhsm2-util").args(make.split_whitespace()));
    // The vault under test is such a token too.
    let ours = module().to_str().unwrap().to_owned();
    for (name, module) in [("soft", SOFTHSM), ("own", &ours)] {
        for (number, (kind, mut about)) in kinds.iter().cloned().enumerate() {
            let label = format!("{name}-{number}");
            about["public"] = scene.openssl_key(&label, kind);
            scene.stage.openssl(&format!("pkcs8 -topk8 -nocrypt -in {label} -outform DER -out {label}.der"));
            let write = format!("--write-object {label}.der --type privkey --label {label} --id 0{number}");
            scene.token(module, &format!("{write} --usage-sign --extractable"));
            let source = format!("--module {module} --token {TOKEN} --label {label} --source-pin-file source-pin");
            scene.wrap(&format!("{label}.byok"), &source, about);
        }
        scene.token(module, &format!("--keygen --key-type AES:32 --label {name}-aes --id 10 --extractable"));
        let source = format!("--module {module} --token {TOKEN} --id 10 --source-pin-file source-pin");
        scene.wrap(&format!("{name}-aes.byok"), &source, json!({ "kty": "oct" }));

        scene.token(module, &format!("--keypairgen --key-type EC:prime256v1 --label {name}-stays --id 20"));
        let of = |more: &str| format!("--module {module} --token {TOKEN} --source-pin-file source-pin {more}");
        assert!(scene.refused(&of(&format!("--label {name}-stays"))).contains("CKA_EXTRACTABLE is false"));
        assert!(scene.refused(&of("--label none")).contains("has no such"));
        assert!(scene.refused(&of("")).contains("--label or --id"));
        let left = scene.token(module, "--list-objects");
        assert_eq!(left.matches("AES").count(), 1, "the key that wrapped was left: {left}");
    }
    scene.token(SOFTHSM, "--keypairgen --key-type EC:prime256v1 --label soft-0 --id 30 --extractable");
    let twice = format!("--module {SOFTHSM} --token {TOKEN} --label soft-0 --source-pin-file source-pin");
    assert!(scene.refused(&twice).contains("several"));
    scene.taken_in(&json!([{ "file": "soft-0.byok", "kty": "oct" }]));
}
