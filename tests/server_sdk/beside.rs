//! The vault that is served is the vault of PKCS#11 programs on the same machine.

use std::path::Path;

use crate::served::{Served, identity_with, python};
use crate::stage::nginx::{Nginx, Site};
use crate::stage::{PIN, Stage, TOKEN, is_ours, is_root, module, output, succeed};

#[test]
fn what_the_sdk_and_pkcs11_tool_make_the_other_uses() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let (id, secret) = identity_with(&stage, "stranger", &[]);
    let served = Served::vault(&stage);
    let variables = [
        ("STRANGER_ID", id),
        ("STRANGER_SECRET", secret),
        ("MODULE", module().to_str().unwrap().to_owned()),
        ("TOKEN", TOKEN.to_owned()),
        ("PIN", PIN.to_owned()),
    ];
    let printed = served.python(&stage, "beside_pkcs11.py", &variables);
    assert!(printed.contains("Ran 10 tests") && printed.contains("\nOK\n"), "{printed}");
}

/// Changes a key over REST.
fn set_enabled(stage: &Stage, served: &Served, key: &str, enabled: &str) {
    let script = format!(
        "import os; from azure.identity import DefaultAzureCredential; from azure.keyvault.keys import KeyClient\n\
         client = KeyClient(os.environ['VAULT_URL'], DefaultAzureCredential())\n\
         client.update_key_properties('{key}', enabled={enabled})\n"
    );
    succeed(served.client(stage, python()).args(["-c", &script]));
}

#[test]
fn a_key_that_is_disabled_over_rest_stops_signing_in_nginx_at_once() {
    if !is_root() || !is_ours() {
        return;
    }
    let stage = Stage::new();
    let served = Served::vault(&stage);
    let make = "import os; from azure.identity import DefaultAzureCredential; from azure.keyvault.keys import KeyClient\n\
                KeyClient(os.environ['VAULT_URL'], DefaultAzureCredential()).create_ec_key('www')\n";
    succeed(served.client(&stage, python()).args(["-c", make]));
    let certificate = stage.at("www.crt");
    let key = format!("pkcs11:token={TOKEN};object=www;type=private");
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2";
    stage
        .openssl_engine(&format!("req -new -x509 -engine pkcs11 -keyform engine -key {key} {name} -out {certificate}"));
    let site = Site::labelled(&certificate, "www");
    let nginx = Nginx::start(&stage, 2, std::slice::from_ref(&site));
    let shakes_hands = || {
        let address = format!("127.0.0.1:{}", site.port);
        output(stage.command("openssl").args(["s_client", "-brief", "-connect", &address])).status.success()
    };
    assert!(shakes_hands());
    set_enabled(&stage, &served, "www", "False");
    // Often enough that both workers are asked.
    for _ in 0..8 {
        assert!(!shakes_hands(), "a disabled key signed\n{}", nginx.log());
    }
    set_enabled(&stage, &served, "www", "True");
    for _ in 0..8 {
        assert!(shakes_hands(), "{}", nginx.log());
    }
}

/// The blocks of the README's section on the server that are marked so.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let from = readme.find("\n## A vault for many machines\n").expect("the section on the server");
    let section = readme[from + 1..].split("\n## ").next().unwrap();
    let mark = format!("```{language}\n");
    section.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The reader's two terminals are one script, in a network of its own: the page names the default port.
const READER: &str = r#"
set -eu
ip link set lo up
eval "exec $SERVE" 2>server.log &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 200); do ! grep -q '^Listening' server.log || break; sleep 0.05; done
{ cat /etc/hosts; grep '^ *127.0.0.1 ' server.log; } >hosts
mount --bind hosts /etc/hosts
eval "$(grep '^ *export ' server.log)"
"$PYTHON" -c "$PROGRAM"
"#;

#[test]
fn whoever_follows_the_readme_reaches_the_server_with_the_python_sdk() {
    if !is_ours() {
        return;
    }
    let (shell, program) = (blocks("sh"), blocks("python"));
    let [serve, install] = &shell[..] else { panic!("two blocks for the shell, not {shell:?}") };
    let [program] = &program[..] else { panic!("one program, not {program:?}") };
    let lines = [serve, install, program].into_iter().flat_map(|block| block.lines()).filter(|line| !line.is_empty());
    assert!(lines.count() < 10);
    let wanted = include_str!("../python/requirements.txt");
    let packages = install.split_whitespace().filter(|word| word.starts_with("azure-"));
    assert!(packages.clone().count() > 0 && packages.into_iter().all(|name| wanted.contains(&format!("\n{name}=="))));

    let stage = Stage::without_token();
    let mut reader = stage.command("unshare");
    reader.args(if is_root() { &["--mount", "--net"][..] } else { &["--mount", "--net", "--map-root-user"] });
    let path = format!("{}:{}", crate::stage::cli().parent().unwrap().display(), std::env::var("PATH").unwrap());
    reader.args(["sh", "-c", READER]).env_remove("STRONGROOM_VAULT").env("PATH", path);
    reader.env("SERVE", serve).env("PROGRAM", program).env("PYTHON", python());
    assert_eq!(succeed(&mut reader).trim(), "hello from the vault");
}
