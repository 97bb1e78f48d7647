//! `kill -9` of the server while it backs up and while it restores.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::scene::{Scene, Served};

const ROUNDS: u32 = 8;
const SECRETS: usize = 60;
const STORAGE: &str = "https://backup.vault.localhost/nightly";

/// A server that comes back after each death, and a client of it.
struct Story {
    scene: Scene,
    served: Served,
    client: Client,
}

impl Story {
    fn new() -> Self {
        let (scene, served) = Scene::new();
        let client = scene.client(&served);
        Self { scene, served, client }
    }

    fn die(&mut self) {
        self.served.signal_kill();
        self.served = self.scene.serve();
        self.client.address = self.served.address;
    }

    fn begin(&self, method: &str, path: &str, body: &Value) -> String {
        self.client.ask(method, path, body).with(202)["jobId"].as_str().unwrap().to_owned()
    }

    fn begin_backup(&self) -> String {
        self.begin("POST", "/backup", &json!({ "storageResourceUri": STORAGE }))
    }

    fn begin_restore(&self, path: &str, folder: &str) -> String {
        let storage = json!({ "storageResourceUri": STORAGE });
        self.begin("PUT", path, &json!({ "sasTokenParameters": storage, "folderToRestore": folder }))
    }

    fn told(&self, family: &str, id: &str) -> Value {
        self.client.ask("GET", &format!("/{family}/{id}/pending"), &Value::Null).with(200)
    }

    fn end_of(&self, family: &str, id: &str) -> Value {
        loop {
            let told = self.told(family, id);
            if told["status"] != "InProgress" {
                return told;
            }
            sleep(Duration::from_millis(2));
        }
    }

    fn set_all(&self, value: &str) {
        let mut connection = self.client.connect().unwrap();
        for number in 0..SECRETS {
            let body = json!({ "value": format!("{value}{}", "x".repeat(10_000)) });
            connection.ask(&self.client, "PUT", &format!("/secrets/s-{number}"), &body).unwrap().with(200);
        }
    }

    /// The first letters of all values, which must be the same.
    fn value_of_all(&self) -> String {
        let mut connection = self.client.connect().unwrap();
        let mut first = |number: usize| {
            let path = format!("/secrets/s-{number}");
            let answer = connection.ask(&self.client, "GET", &path, &Value::Null).unwrap().with(200);
            answer["value"].as_str().unwrap().trim_end_matches('x').to_owned()
        };
        let values: Vec<String> = (0..SECRETS).map(&mut first).collect();
        assert!(values.iter().all(|value| *value == values[0]), "half of it: {values:?}");
        values[0].clone()
    }

    /// Backups under their own names, and what else lies there.
    fn files(&self) -> (Vec<String>, Vec<String>) {
        let entries = fs::read_dir(self.scene.backups()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.partition(|name| !name.starts_with('.'))
    }
}

#[test]
fn a_backup_that_the_server_dies_in_is_whole_or_not_there() {
    let mut story = Story::new();
    story.set_all("v");
    let begun = Instant::now();
    let first = story.begin_backup();
    story.end_of("backup", &first);
    let takes = begun.elapsed();
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let before = story.files().0.len();
        let job = story.begin_backup();
        sleep(takes * round / ROUNDS);
        story.die();
        let told = story.told("backup", &job);
        match told["status"].as_str() {
            Some("Succeeded") => {
                let uri = told["azureStorageBlobContainerUri"].as_str().unwrap();
                assert!(story.files().0.iter().any(|name| uri.ends_with(name)), "{told}");
            }
            status => {
                assert_eq!((status, &told["error"]["code"]), (Some("Failed"), &json!("Interrupted")), "{told}");
                assert_eq!(story.files().0.len(), before, "a backup that is there is called none");
                interrupted += 1;
            }
        }
        for name in story.files().0 {
            let check = story.begin_restore("/prerestore", &name);
            let told = story.end_of("restore", &check);
            assert_eq!(told["status"], "Succeeded", "{name}: {told}");
        }
    }
    assert!(interrupted > 0, "no death fell into a backup");
    let last = story.begin_backup();
    assert_eq!(story.end_of("backup", &last)["status"], "Succeeded");
    // One that was made and not written yet may be somebody's: it goes later.
    let is_empty = |name: &String| fs::metadata(story.scene.backups().join(name)).unwrap().len() == 0;
    assert!(story.files().1.iter().all(is_empty), "left behind: {:?}", story.files().1);
}

#[test]
fn a_restore_that_the_server_dies_in_is_done_or_not() {
    let mut story = Story::new();
    story.set_all("before");
    let backup = story.begin_backup();
    story.end_of("backup", &backup);
    let folder = story.files().0.remove(0);
    let begun = Instant::now();
    let first = story.begin_restore("/restore", &folder);
    assert_eq!(story.end_of("restore", &first)["status"], "Succeeded");
    let takes = begun.elapsed();
    let (mut interrupted, mut outcomes) = (0, Vec::new());
    for round in 0..ROUNDS {
        story.set_all("after");
        let job = story.begin_restore("/restore", &folder);
        // It takes longer when there is something to do.
        sleep(takes * 2 * round / ROUNDS);
        story.die();
        let told = story.told("restore", &job);
        let value = story.value_of_all();
        match told["status"].as_str() {
            Some("Succeeded") => assert_eq!(value, "before"),
            status => {
                assert_eq!((status, &told["error"]["code"]), (Some("Failed"), &json!("Interrupted")), "{told}");
                interrupted += 1;
            }
        }
        outcomes.push(value);
    }
    println!("{outcomes:?}");
    assert!(interrupted > 0, "no death fell into a restore");
}
