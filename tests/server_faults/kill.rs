//! `kill -9` in the middle of writes by several clients: what they were told is done is there after the restart, and
//! opens. Each client keeps its own log of what it was told; the server's word is not asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Connection};
use crate::scene::Scene;

const ROUNDS: usize = 50;
const CLIENTS: usize = 4;

const DIGEST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// What a client was told of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Secret {
        value: String,
        tag: String,
    },
    /// The public point, and whether it may sign.
    Key {
        x: String,
        enabled: bool,
    },
}

/// What one client knows: by path, what was acknowledged, and besides what was asked and never answered.
#[derive(Default)]
struct Log {
    told: BTreeMap<String, Told>,
    open: BTreeMap<String, Told>,
    /// Names of secrets whose deletion was acknowledged.
    gone: Vec<String>,
    made: u64,
}

/// The path of an id.
fn path_of(id: &Value) -> String {
    let rest = id.as_str().unwrap().strip_prefix("https://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

/// A generator that needs no seed kept: what it decides is only the mixture.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

impl Log {
    /// One write after the other until the server is gone.
    fn write(&mut self, client: &Client, number: usize, dice: &mut Dice) {
        let Ok(mut connection) = client.connect() else { return };
        while self.one(client, &mut connection, number, dice).is_ok() {}
    }

    fn one(&mut self, client: &Client, to: &mut Connection, number: usize, dice: &mut Dice) -> std::io::Result<()> {
        self.made += 1;
        match dice.throw(8) {
            0 | 1 => {
                let value = format!("value {number}-{}-{}", self.made, "x".repeat(dice.throw(3000) as usize));
                let name = format!("s{number}-{}", dice.throw(6));
                let body = json!({"value": value, "tags": {"t": "0"}});
                let answer = to.ask(client, "PUT", &format!("/secrets/{name}"), &body)?.with(200);
                self.told.insert(path_of(&answer["id"]), Told::Secret { value, tag: "0".into() });
            }
            2 => {
                let name = format!("gone{number}-{}", self.made);
                to.ask(client, "PUT", &format!("/secrets/{name}"), &json!({"value": "v"}))?.with(200);
                to.ask(client, "DELETE", &format!("/secrets/{name}"), &Value::Null)?.with(200);
                self.gone.push(name);
            }
            3 | 4 => {
                let name = format!("k{number}-{}", dice.throw(6));
                let prefix = format!("/keys/{name}/");
                let (what, body) = match self.told.range(prefix.clone()..).next() {
                    Some((path, _)) if path.starts_with(&prefix) && dice.throw(2) == 0 => ("rotate", Value::Null),
                    _ => ("create", json!({"kty": "EC"})),
                };
                let answer = to.ask(client, "POST", &format!("{prefix}{what}"), &body)?.with(200);
                let x = answer["key"]["x"].as_str().unwrap().to_owned();
                self.told.insert(path_of(&answer["key"]["kid"]), Told::Key { x, enabled: true });
            }
            _ => {
                let nth = dice.throw(self.told.len().max(1) as u64) as usize;
                let Some((path, told)) = self.told.iter().nth(nth).map(|(path, told)| (path.clone(), told.clone()))
                else {
                    return Ok(());
                };
                self.update(client, to, path, told)?;
            }
        }
        Ok(())
    }

    /// Changes a version. Until the answer comes, either state may be there.
    fn update(&mut self, client: &Client, to: &mut Connection, path: String, told: Told) -> std::io::Result<()> {
        let (body, next) = match told {
            Told::Secret { value, .. } => {
                let tag = self.made.to_string();
                (json!({"tags": {"t": tag}}), Told::Secret { value, tag })
            }
            Told::Key { x, enabled } => {
                (json!({"attributes": {"enabled": !enabled}}), Told::Key { x, enabled: !enabled })
            }
        };
        self.open.insert(path.clone(), next.clone());
        to.ask(client, "PATCH", &path, &body)?.with(200);
        self.open.remove(&path);
        self.told.insert(path, next);
        Ok(())
    }

    /// Everything that was acknowledged is there and opens. What was open becomes what is found.
    fn compare(&mut self, client: &Client) {
        let mut connection = client.connect().unwrap();
        for (path, told) in &mut self.told {
            let found = read(client, &mut connection, path, told);
            let open = self.open.remove(path);
            let may = [Some(&*told), open.as_ref()].into_iter().flatten().any(|state| *state == found);
            assert!(may, "{path}: {found:?} instead of {told:?} or {open:?}");
            *told = found;
        }
        for name in &self.gone {
            connection.ask(client, "GET", &format!("/secrets/{name}"), &Value::Null).unwrap().with(404);
            connection.ask(client, "GET", &format!("/deletedsecrets/{name}"), &Value::Null).unwrap().with(200);
        }
    }
}

/// The state of a version as the server has it. A key that is enabled must sign, and one that isn't must not.
fn read(client: &Client, connection: &mut Connection, path: &str, told: &Told) -> Told {
    let answer = connection.ask(client, "GET", path, &Value::Null).unwrap().with(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match told {
        Told::Secret { .. } => Told::Secret { value: text(&answer["value"]), tag: text(&answer["tags"]["t"]) },
        Told::Key { .. } => {
            let enabled = answer["attributes"]["enabled"].as_bool().unwrap();
            let body = json!({"alg": "ES256", "value": DIGEST});
            let signed = connection.ask(client, "POST", &format!("{path}/sign"), &body).unwrap();
            let signature = signed.with(if enabled { 200 } else { 403 });
            if enabled {
                let body = json!({"alg": "ES256", "digest": DIGEST, "value": signature["value"]});
                let verified = connection.ask(client, "POST", &format!("{path}/verify"), &body).unwrap().with(200);
                assert_eq!(verified["value"], true, "{path}");
            }
            Told::Key { x: text(&answer["key"]["x"]), enabled }
        }
    }
}

#[test]
fn rounds_of_kill_9_under_writes_lose_nothing_that_was_acknowledged() {
    let (scene, mut served) = Scene::new();
    let mut client = scene.client(&served);
    let mut logs: Vec<Log> = (0..CLIENTS).map(|_| Log::default()).collect();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for round in 0..ROUNDS {
        let until = Duration::from_micros(50_000 + dice.throw(700_000));
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            for (number, log) in logs.iter_mut().enumerate() {
                let (client, killed) = (&client, &killed);
                scope.spawn(move || {
                    log.write(client, number, &mut Dice(0x2545_F491_4F6C_DD1D + (round * CLIENTS + number) as u64));
                    assert!(killed.load(Ordering::SeqCst), "the server gave up before it was killed");
                });
            }
            thread::sleep(until);
            killed.store(true, Ordering::SeqCst);
            served.signal_kill();
        });
        served = scene.serve();
        client.address = served.address;
        let client = &client;
        thread::scope(|scope| {
            for log in &mut logs {
                scope.spawn(move || log.compare(client));
            }
        });
    }
    let acknowledged: usize = logs.iter().map(|log| log.told.len()).sum();
    let gone: usize = logs.iter().map(|log| log.gone.len()).sum();
    println!("{ROUNDS} deaths, {acknowledged} versions acknowledged and there, {gone} deletions");
    assert!(gone > 0);
    assert!(acknowledged > ROUNDS * CLIENTS, "{acknowledged}: too few writes for the deaths to fall among");
}
