//! Every route of the server's own document with everything that can be wrong about a request, each with the status that
//! it must have. A refusal is Key Vault's error body, whatever was sent.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Answer, Client, Connection};
use crate::scene::Scene;

const METHODS: [&str; 6] = ["GET", "PUT", "POST", "PATCH", "DELETE", "BREW"];

/// An operation of the document with a request for it that is as it should be.
#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    /// The path with a name and, where it has one, an empty version.
    path: String,
    pattern: String,
    /// What is sent when nothing is wrong; `Null` if the operation takes no body.
    body: Value,
    /// What is answered to it.
    status: u16,
    /// The schema of the body.
    schema: Value,
    list: bool,
}

impl Operation {
    fn target(&self) -> String {
        format!("{}?api-version=7.6", self.path)
    }
}

/// A vault with a key of each kind, a secret, a certificate and an issuer, and a client that opens a new connection when the server ended its last.
struct Place {
    document: Value,
    client: Client,
    connection: Option<Connection>,
    _served: crate::scene::Served,
    _scene: Scene,
}

impl Place {
    fn new() -> Self {
        let (scene, served) = Scene::new();
        let client = scene.client(&served);
        for (name, kty) in [("ec", "EC"), ("rsa", "RSA"), ("oct", "oct")] {
            client.ask("POST", &format!("/keys/{name}/create"), &json!({ "kty": kty })).with(200);
        }
        client.ask("PUT", "/secrets/sec", &json!({"value": "the value"})).with(200);
        client.ask("POST", "/certificates/cert/create", &json!({ "policy": policy() })).with(202);
        client.ask("PUT", "/certificates/issuers/iss", &json!({ "provider": "Test" })).with(200);
        let document = client.ask("GET", "/openapi.json", &Value::Null).with(200);
        Self { document, client, connection: None, _served: served, _scene: scene }
    }

    /// The document's operations, each with a good request.
    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (pattern, methods) in self.document["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let id = described["operationId"].as_str().unwrap();
                let (name, body, status) = good(id, pattern);
                let path = path_of(pattern, name);
                let reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
                let schema = reference.and_then(|reference| self.document.pointer(&reference[1..]));
                assert_eq!(schema.is_some(), !body.is_null(), "{id}");
                operations.push(Operation {
                    id: id.to_owned(),
                    method: method.to_ascii_uppercase(),
                    path: path.strip_suffix('/').unwrap_or(&path).to_owned(),
                    pattern: pattern.clone(),
                    body,
                    status,
                    schema: schema.cloned().unwrap_or_default(),
                    list: id.contains("List"),
                });
            }
        }
        assert!(operations.len() >= 18, "{operations:?}");
        operations
    }

    fn exchange(&mut self, request: &[u8]) -> Answer {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.connect().unwrap(),
        };
        let answer = connection.exchange(request).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&request[..request.len().min(1000)]));
        });
        if !answer.header.contains("connection: close") {
            self.connection = Some(connection);
        }
        answer
    }

    /// The request must be answered with one of these; a refusal as Key Vault refuses.
    fn expect(&mut self, statuses: &[u16], what: &str, method: &str, target: &str, media: &str, body: &[u8]) {
        let request = self.client.request(method, target, media, body);
        let answer = self.exchange(&request);
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
        assert!(statuses.contains(&answer.status), "{what}: {method} {target} {shown}: {}", answer.text());
        is_key_vaults(&answer, &format!("{what}: {method} {target} {shown}"));
    }

    fn with_body(&mut self, status: u16, what: &str, operation: &Operation, body: &[u8]) {
        self.expect(&[status], what, &operation.method, &operation.target(), "application/json", body);
    }

    fn with_target(&mut self, status: u16, what: &str, operation: &Operation, target: &str) {
        let body = body_of(operation);
        self.expect(&[status], what, &operation.method, target, "application/json", &body);
    }
}

/// The only setting.
const SETTING: &str = "AllowKeyManagementOperationsThroughARM";

/// A built-in role, which stands for the id of anything.
const ID: &str = "21090545-7ca7-4776-b22c-e363652d74d2";

/// A path of this pattern.
fn path_of(pattern: &str, name: &str) -> String {
    pattern.replace("{name}", name).replace("{version}", "").replace("{id}", ID).replace("/{scope}", "")
}

fn body_of(operation: &Operation) -> Vec<u8> {
    if operation.body.is_null() { Vec::new() } else { operation.body.to_string().into_bytes() }
}

/// The headers of every answer, and the shape of one that refuses.
fn is_key_vaults(answer: &Answer, what: &str) {
    for header in ["x-ms-request-id: ", "cache-control: no-cache", "x-content-type-options: nosniff"] {
        assert!(answer.header.contains(header), "{what}: {}", answer.header);
    }
    if answer.status < 400 {
        return;
    }
    let body = answer.json();
    let members = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<BTreeSet<_>>());
    assert_eq!(members(&body), Some(BTreeSet::from(["error".to_owned()])), "{what}: {}", answer.text());
    let mut of_error = members(&body["error"]).unwrap();
    of_error.remove("innererror");
    assert_eq!(of_error, BTreeSet::from(["code".to_owned(), "message".to_owned()]), "{what}: {}", answer.text());
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with(['.', '`']) && !body["error"]["code"].as_str().unwrap().is_empty(), "{what}: {message}");
    assert!(answer.status != 401 || answer.header.contains("www-authenticate: bearer "), "{what}");
}

fn policy() -> Value {
    json!({ "issuer": { "name": "Self" }, "key_props": { "kty": "EC" }, "x509_props": { "subject": "CN=cert" } })
}

/// For each operation an object, a body and what comes of it. What would do away with an object is asked for one that
/// isn't there.
fn good(id: &str, pattern: &str) -> (&'static str, Value, u16) {
    const DIGEST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let attributes = json!({"enabled": true, "nbf": 1_000_000_000, "exp": 4_000_000_000_u64});
    let sealed = json!({"alg": "A256CBC", "value": "AAECAwQFBgcICQoLDA0ODw", "iv": "AAECAwQFBgcICQoLDA0ODw"});
    match id {
        "KeyCreate" => ("new", json!({"kty": "EC", "crv": "P-256", "key_ops": ["sign"], "tags": {"a": "b"}}), 200),
        "KeyImport" => ("brought", json!({"key": {"kty": "oct", "k": DIGEST}, "Hsm": false, "tags": {}}), 200),
        "KeyGet" | "KeyListVersions" => ("ec", Value::Null, 200),
        "KeyList" | "SecretList" | "KeyListDeleted" | "SecretListDeleted" => ("", Value::Null, 200),
        "CertificateList" | "CertificateListDeleted" | "CertificateIssuersList" => ("", Value::Null, 200),
        "KeyUpdate" => {
            ("ec", json!({"attributes": attributes, "tags": {"a": "b"}, "key_ops": ["sign", "verify"]}), 200)
        }
        "KeySign" => ("ec", json!({"alg": "ES256", "value": DIGEST}), 200),
        "KeyVerify" => ("ec", json!({"alg": "ES256", "digest": DIGEST, "value": "A".repeat(86)}), 200),
        "KeyEncrypt" | "KeyDecrypt" => ("oct", sealed, 200),
        "KeyWrap" => ("rsa", json!({"alg": "RSA-OAEP-256", "value": DIGEST}), 200),
        "KeyUnwrap" => ("rsa", json!({"alg": "RSA-OAEP-256", "value": DIGEST}), 400),
        "RandomBytesGet" => ("", json!({"count": 8}), 200),
        "SecretSet" => ("set", json!({"value": "v", "contentType": "text/plain", "attributes": attributes}), 200),
        "SecretUpdate" => ("sec", json!({"contentType": "text/plain", "attributes": attributes, "tags": {}}), 200),
        "SecretGet" | "SecretListVersions" => ("sec", Value::Null, 200),
        "KeyRestore" | "SecretRestore" => ("", json!({"value": "AAEC"}), 400),
        "CertificateGet" | "CertificateListVersions" | "CertificatePolicyGet" | "CertificatePendingGet" => {
            ("cert", Value::Null, 200)
        }
        "CertificateCreate" => ("made", json!({"policy": policy(), "tags": {}, "preserveCertOrder": true}), 202),
        "CertificateImport" => ("brought", json!({"value": "AAEC", "pwd": "p", "policy": policy(), "tags": {}}), 400),
        "CertificateUpdate" => ("cert", json!({"attributes": attributes, "tags": {"a": "b"}, "policy": {}}), 200),
        "CertificatePolicySet" => ("cert", json!({"x509_props": {"validity_months": 6}, "lifetime_actions": []}), 200),
        "CertificatePendingUpdate" => ("cert", json!({"cancellation_requested": false}), 200),
        "CertificatePendingMerge" => ("none", json!({"x5c": ["AAEC"], "tags": {}}), 404),
        "CertificateIssuerGet" => ("iss", Value::Null, 200),
        "CertificateIssuerSet" => ("iss", json!({"provider": "Test", "credentials": {"pwd": "p"}}), 200),
        "CertificateIssuerUpdate" => ("iss", json!({"attributes": {"enabled": true}, "org_details": {}}), 200),
        "CertificateContactsGet" | "CertificateContactsDelete" => ("", Value::Null, 404),
        "CertificateContactsSet" => ("", json!({"contacts": [{"email": "who@example.org"}]}), 200),
        "CertificateRestore" => ("", json!({"value": "AAEC"}), 400),
        "RoleDefinitionList" | "RoleAssignmentList" | "SettingsGet" => ("", Value::Null, 200),
        "RoleDefinitionGet" => ("", Value::Null, 200),
        "RoleDefinitionSet" => ("", json!({"properties": {"roleName": "r", "permissions": []}}), 403),
        "RoleDefinitionDelete" => ("", Value::Null, 403),
        "RoleAssignmentGet" | "RoleAssignmentDelete" => ("", Value::Null, 404),
        "RoleAssignmentCreate" => ("", json!({"properties": {"roleDefinitionId": "none", "principalId": ID}}), 400),
        "SettingGet" => (SETTING, Value::Null, 200),
        "SettingUpdate" => (SETTING, json!({"value": "false"}), 200),
        "FullBackup" | "PreFullBackup" => {
            ("", json!({"storageResourceUri": "https://x.example/none", "token": "t"}), 400)
        }
        "FullRestore" | "PreFullRestore" | "SelectiveKeyRestore" => (
            "none",
            json!({
                "sasTokenParameters": {"storageResourceUri": "https://x.example/none", "token": "t"}, "folderToRestore": "f", "folder": "f",
            }),
            400,
        ),
        "FullBackupStatus" | "FullRestoreStatus" => ("", Value::Null, 404),
        "KeyRotationPolicySet" => ("ec", json!({"lifetimeActions": [], "attributes": {}}), 200),
        "KeyRelease" => ("ec", json!({"target": "t"}), 400),
        "KeyGetAttestation" => ("ec", Value::Null, 400),
        _ if pattern.contains("{name}") => ("none", Value::Null, 404),
        _ => panic!("{id} has no request in the table"),
    }
}

#[test]
fn the_good_requests_of_the_table_are_good() {
    let mut place = Place::new();
    for operation in place.operations() {
        place.with_target(operation.status, "good", &operation, &operation.target());
    }
}

#[test]
fn a_body_that_is_no_json_is_a_bad_parameter() {
    let deep = [b"{\"value\":".as_slice(), &b"[".repeat(200_000)].concat();
    let bodies: [&[u8]; 11] = [
        b"{",
        b"nul",
        b"{'value':1}",
        b"{\"value\":NaN}",
        b"\xff",
        b"[]",
        b"\"text\"",
        b"7",
        b"{}{}",
        b"{\"value\":\"\x00\"}",
        &deep,
    ];
    let mut place = Place::new();
    for operation in place.operations().iter().filter(|operation| !operation.body.is_null()) {
        for body in bodies {
            place.with_body(400, "no JSON", operation, body);
        }
    }
}

#[test]
fn a_member_of_another_type_is_a_bad_parameter() {
    let mut place = Place::new();
    let mut cases = 0;
    for operation in place.operations().iter().filter(|operation| !operation.body.is_null()) {
        for (member, value) in operation.body.as_object().unwrap() {
            let wrong = match value {
                Value::String(_) => json!([1, -1, true, [], {}, ["AAEC"]]),
                Value::Number(_) => json!(["8", 1.5, true, [], {}, 1e300]),
                Value::Bool(_) => json!(["true", 1, [], {}]),
                Value::Array(_) => json!(["sign", 1, {}, [1], [null], [[]]]),
                _ => json!(["text", 1, [], [1], true]),
            };
            for wrong in wrong.as_array().unwrap() {
                let mut body = operation.body.clone();
                body[member] = wrong.clone();
                place.with_body(400, member, operation, body.to_string().as_bytes());
                cases += 1;
            }
        }
        for member in operation.schema["required"].as_array().unwrap_or(&Vec::new()) {
            for without in [true, false] {
                let mut body = operation.body.clone();
                body[member.as_str().unwrap()] = Value::Null;
                if without {
                    body.as_object_mut().unwrap().remove(member.as_str().unwrap());
                }
                place.with_body(400, "a required member", operation, body.to_string().as_bytes());
            }
        }
    }
    assert!(cases > 100, "{cases}");
}

#[test]
fn bytes_that_are_not_base64url_are_a_bad_parameter() {
    let mut place = Place::new();
    let mut cases = 0;
    for operation in place.operations().iter().filter(|operation| operation.schema.is_object()) {
        for (member, schema) in operation.schema["properties"].as_object().unwrap() {
            if schema["format"] != "base64url" {
                continue;
            }
            for text in ["*", "AAEC+/==", "AAAAA", "AA=A", "AAEC\n", "ä", "\u{0}", "AAE===="] {
                let mut body = operation.body.clone();
                body[member] = text.into();
                place.with_body(400, member, operation, body.to_string().as_bytes());
                cases += 1;
            }
        }
    }
    assert!(cases > 50, "{cases}");
}

#[test]
fn what_is_not_known_in_a_body_is_passed_over_and_what_comes_twice_is_refused() {
    let mut place = Place::new();
    for operation in place.operations().iter().filter(|operation| !operation.body.is_null()) {
        let mut body = operation.body.clone();
        body["unknown"] = json!({"of": ["a", 1, null], "newer": "versions"});
        place.with_body(operation.status, "unknown", operation, body.to_string().as_bytes());
        let text = operation.body.to_string();
        let (member, value) = operation.body.as_object().unwrap().iter().next().unwrap();
        let twice = format!("{},\"{member}\":{value}}}", &text[..text.len() - 1]);
        place.with_body(400, "twice", operation, twice.as_bytes());
    }
}

#[test]
fn a_body_that_is_too_large_or_of_another_kind_is_said_to_be() {
    let (large, larger) = (vec![b' '; (1 << 20) + 1], vec![b' '; (8 << 20) + 1]);
    let mut place = Place::new();
    for operation in place.operations().iter().filter(|operation| !operation.body.is_null()) {
        let large = if operation.id.ends_with("Restore") { &larger } else { &large };
        place.with_body(413, "too large", operation, large);
        for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""] {
            let body = operation.body.to_string();
            place.expect(&[415], "media", &operation.method, &operation.target(), media, body.as_bytes());
        }
        let body = operation.body.to_string();
        let media = "Application/JSON; charset=utf-8";
        place.expect(&[operation.status], "media", &operation.method, &operation.target(), media, body.as_bytes());
    }
}

#[test]
fn an_api_version_that_is_missing_or_unknown_is_a_bad_parameter() {
    let mut place = Place::new();
    for operation in place.operations() {
        for query in ["", "?", "?api-version", "?api-version=", "?api-version=7.7", "?api-version=%FF", "?x=7.6"] {
            // Where a job is polled, clients name no version.
            let polls = operation.id.ends_with("Status") && ["", "?", "?x=7.6"].contains(&query);
            let status = if polls { operation.status } else { 400 };
            place.with_target(status, "api-version", &operation, &format!("{}{query}", operation.path));
        }
        for query in ["api%2Dversion=7.6", "API-Version=7.6", "x=%&&=&api-version=2026-04-01&api-version=x"] {
            place.with_target(operation.status, "api-version", &operation, &format!("{}?{query}", operation.path));
        }
    }
}

#[test]
fn a_name_that_is_none_is_a_bad_parameter_and_one_that_is_encoded_counts() {
    let long = "a".repeat(128);
    let mut place = Place::new();
    for operation in place.operations().iter().filter(|operation| operation.pattern.contains("{name}")) {
        let (name, ..) = good(&operation.id, &operation.pattern);
        let with = |text: &str| {
            let path = path_of(&operation.pattern, text);
            format!("{}?api-version=7.6", path.strip_suffix('/').unwrap_or(&path))
        };
        for bad in ["a_b", "a%2Fb", "%00", "%20", "%D0%BA", "%FF", "a.b", "%2e%2e", "a;b", "~", &long, "%", "%zz"] {
            place.with_target(400, "name", operation, &with(bad));
        }
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        place.with_target(operation.status, "encoded", operation, &with(&encoded));
    }
}

#[test]
fn versions_may_be_empty_and_paths_end_in_a_slash() {
    let mut place = Place::new();
    for operation in place.operations() {
        let slash = format!("{}/?api-version=7.6", operation.path);
        place.with_target(operation.status, "a slash", &operation, &slash);
        if operation.pattern.contains("{version}") {
            let (name, ..) = good(&operation.id, &operation.pattern);
            let with = |version: &str| operation.pattern.replace("{name}", name).replace("{version}", version);
            for bad in ["x", "0123", "%00", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef0"] {
                place.with_target(400, "version", &operation, &format!("{}?api-version=7.6", with(bad)));
            }
            let unknown = with("0123456789abcdef0123456789ABCDEF");
            // What is refused for every key is refused for one that isn't there.
            let status = if operation.id == "KeyRelease" { 400 } else { 404 };
            place.with_target(status, "version", &operation, &format!("{unknown}?api-version=7.6"));
        }
    }
}

#[test]
fn paths_that_are_nobodys_are_not_found() {
    let mut place = Place::new();
    for path in [
        "/",
        "//",
        "///",
        "/key",
        "/keys/a/b/c/d",
        "//keys/ec",
        "/keys//sign/x/y",
        "/KEYS/ec",
        "/.",
        "/%2e%2e/keys",
        "/keys/ec/0123456789abcdef0123456789abcdef/sing",
        "/%FF",
        "/certificate",
        "/certificates/a/pending/b/c",
        "/secrets/a/b/c",
    ] {
        for method in ["GET", "POST", "PUT"] {
            let target = format!("{path}?api-version=7.6");
            place.expect(&[400, 404], "a path", method, &target, "application/json", b"");
        }
    }
}

#[test]
fn another_method_is_not_allowed() {
    let mut place = Place::new();
    let operations = place.operations();
    let mut cases = 0;
    for operation in &operations {
        for method in METHODS {
            let taken = operations.iter().any(|other| other.method == method && fits(&other.pattern, &operation.path));
            if !taken {
                place.expect(&[405], "method", method, &operation.target(), "application/json", b"{}");
                cases += 1;
            }
        }
    }
    assert!(cases > 50, "{cases}");
}

/// Whether a path may be of this pattern.
fn fits(pattern: &str, path: &str) -> bool {
    let pattern = pattern.replace("/{scope}", "");
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let optional = pattern.last() == Some(&"{version}") && pattern.len() == path.len() + 1;
    (pattern.len() == path.len() || optional)
        && pattern.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
}

#[test]
fn a_page_has_one_to_twenty_five_items() {
    let mut place = Place::new();
    for operation in place.operations().iter().filter(|operation| operation.list) {
        let with = |query: &str| format!("{}&{query}", operation.target());
        for bad in ["0", "26", "-1", "1000000", "99999999999999999999999", "x", "", "1.0", "%00", "٣"] {
            place.with_target(400, "maxresults", operation, &with(&format!("maxresults={}", encoded(bad))));
        }
        for bad in ["!", "AAAAA", "%2F", "_w"] {
            place.with_target(400, "$skiptoken", operation, &with(&format!("$skiptoken={bad}")));
        }
        for good in ["maxresults=1", "maxresults=25", "%24skiptoken=", "$skiptoken=enp6"] {
            place.with_target(200, "page", operation, &with(good));
        }
    }
}

fn encoded(text: &str) -> String {
    if text.starts_with('%') { text.to_owned() } else { text.bytes().map(|byte| format!("%{byte:02X}")).collect() }
}

#[test]
fn without_a_token_everything_is_answered_with_the_challenge() {
    let mut place = Place::new();
    for operation in place.operations() {
        for authorization in
            ["", "authorization: Bearer\r\n", "authorization: Bearer x.y.z\r\n", "authorization: Basic eA==\r\n"]
        {
            for target in [operation.target(), operation.path.clone(), "/nothing/here".to_owned()] {
                let (method, host) = (&operation.method, &place.client.host);
                let request =
                    format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n{authorization}content-length: 0\r\n\r\n");
                let answer = place.exchange(request.as_bytes());
                assert_eq!(answer.status, 401, "{request}: {}", answer.text());
                is_key_vaults(&answer, &request);
            }
        }
    }
}

#[test]
fn a_host_that_is_no_vault_is_not_found() {
    let mut place = Place::new();
    for host in ["", "x", "other.vault.localhost", "dev.vault.localhost.example.com", "a b"] {
        let request = format!("GET /keys?api-version=7.6 HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let answer = place.exchange(request.as_bytes());
        assert!([400, 404].contains(&answer.status), "{host}: {}", answer.text());
    }
}
