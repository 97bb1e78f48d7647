//! Damaged, cut and locked sources; a full disk. Nothing is ever half done, and the source stays as it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Scene;
use super::stage::{self, PIN, TOKEN, is_root, output};

/// An RSA pair and an EC pair on SoftHSM's token.
fn token(scene: &Scene) {
    scene.stage.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.p8");
    scene.softhsm_util(&format!("--import rsa.p8 --token {TOKEN} --label rsa --id 01 --pin {PIN}"));
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label curve --id 02");
}

const SOFTHSM: &str = "--softhsm --source-pin-file source-pin";

#[test]
fn a_wrong_pin_of_softhsm_is_told_from_damage() {
    let scene = Scene::new();
    token(&scene);
    scene.secret_file("wrong", "not the PIN");
    let refusal = scene.refused("--softhsm --source-pin-file wrong");
    assert!(refusal.contains("isn't the user PIN"), "{refusal}");
    let file = scene.token_directory().join("token.object");
    let whole = fs::read(&file).unwrap();
    // The token's key under the user's PIN is the last attribute: 8 bytes of salt, 16 of vector, 48 encrypted.
    for at in [whole.len() - 1, whole.len() - 48, whole.len() - 64] {
        let mut bent = whole.clone();
        bent[at] ^= 1;
        fs::write(&file, bent).unwrap();
        let refusal = scene.refused(SOFTHSM);
        assert!(refusal.contains("damaged") && refusal.contains("token.object"), "{refusal}");
    }
}

/// The place of an attribute's value in an object's file: its number, form and length stand before it.
fn value_of(file: &[u8], attribute: u64) -> Option<std::ops::Range<usize>> {
    let mark = [attribute.to_be_bytes(), 3_u64.to_be_bytes()].concat();
    let start = file.windows(16).position(|window| window == mark)? + 24;
    let len = u64::from_be_bytes(file[start - 8..start].try_into().unwrap()) as usize;
    (len > 0).then_some(start..start + len)
}

#[test]
fn a_private_value_with_a_flipped_bit_is_never_taken() {
    let scene = Scene::new();
    token(&scene);
    // CKA_PRIVATE_EXPONENT to CKA_COEFFICIENT, CKA_MODULUS, and CKA_VALUE of the curve.
    let parts = [0x120, 0x123, 0x124, 0x125, 0x126, 0x127, 0x128, 0x11];
    let mut tried = 0;
    for (path, whole) in scene.token_files() {
        let is_private = whole.windows(24).any(|window| window[7] == 0 && window[15] == 2 && window[23] == 3);
        if path.extension().is_none_or(|extension| extension != "object") || !is_private {
            continue;
        }
        for range in parts.iter().filter_map(|part| value_of(&whole, *part)) {
            for at in [range.start, range.start + 16, range.end - 17, range.end - 1] {
                let mut bent = whole.clone();
                bent[at] ^= 0x10;
                fs::write(&path, &bent).unwrap();
                let refusal = stage::fail(&mut scene.stage.strongroom_command(&format!("import {SOFTHSM}")));
                assert!(refusal.contains("damaged"), "byte {at} of {}: {refusal}", path.display());
                tried += 1;
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(tried >= 4 * 8, "{tried}");
    assert_eq!(scene.import_softhsm().imported().len(), 4, "all comes when all is whole again");
}

#[test]
fn a_file_of_a_token_that_is_cut_short_stops_the_import() {
    let scene = Scene::new();
    token(&scene);
    for (path, whole) in scene.token_files() {
        if path.extension().is_none_or(|extension| extension != "object") {
            continue;
        }
        for len in [4, 9, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            let refusal = scene.refused(SOFTHSM);
            assert!(refusal.contains(path.file_name().unwrap().to_str().unwrap()), "{len} bytes: {refusal}");
        }
        fs::write(&path, &whole).unwrap();
    }
    // SoftHSM creates a file before it knows what to write: an empty one was never an object.
    fs::write(scene.token_directory().join("00000000-new.object"), "").unwrap();
    let outcome = scene.import_softhsm();
    assert_eq!(outcome.imported().len(), 4);
    assert!(outcome.reason("00000000-new").contains("cut off"));
}

#[test]
fn a_pair_whose_halves_do_not_match_stops_the_import() {
    let scene = Scene::new();
    mixed_pair(&scene, "one", "one");
    let refusal = scene.refused(SOFTHSM);
    assert!(refusal.contains("doesn't match the public key"), "{refusal}");
}

/// A private key beside the public key of another: the two have one id.
fn mixed_pair(scene: &Scene, private: &str, public: &str) {
    scene.softhsm(&format!("--keypairgen --key-type EC:prime256v1 --label {private} --id 01"));
    scene.softhsm(&format!("--keypairgen --key-type EC:prime256v1 --label {public} --id 02"));
    scene.softhsm("--delete-object --type pubkey --id 01");
    scene.softhsm("--delete-object --type privkey --id 02");
    scene.softhsm("--set-id 01 --type pubkey --id 02");
}

#[test]
fn a_private_key_beside_anothers_public_key_stays_and_the_rest_comes() {
    let scene = Scene::new();
    mixed_pair(&scene, "one", "two");
    let outcome = scene.import_softhsm();
    assert_eq!(outcome.imported(), ["public key two"]);
    assert!(outcome.reason("one").contains("for another key"));
}

#[test]
fn a_private_key_without_its_public_half_is_held_against_its_certificate_or_comes_with_a_remark() {
    let scene = Scene::new();
    for id in ["01", "02"] {
        scene.stage.openssl(&format!("ecparam -genkey -name prime256v1 -noout -out {id}.key"));
        scene.stage.openssl(&format!("pkcs8 -topk8 -nocrypt -in {id}.key -out {id}.p8"));
        scene.softhsm(&format!("--write-object {id}.p8 --type privkey --label curve --id {id} --usage-sign"));
    }
    assert_eq!(
        scene
            .import("--softhsm --source-pin-file source-pin --dry-run")
            .remarks("curve")
            .matches("nothing to check")
            .count(),
        2
    );
    scene.stage.openssl("ecparam -genkey -name prime256v1 -noout -out other.key");
    for (id, key) in [("01", "01.key"), ("02", "other.key")] {
        scene.stage.openssl(&format!("req -x509 -key {key} -subj /CN=curve -days 3 -outform DER -out {id}.der"));
        scene.softhsm(&format!("--write-object {id}.der --type cert --label curve --id {id}"));
    }
    let outcome = scene.import_softhsm();
    assert_eq!(outcome.list("left_behind"), ["private key curve"], "{:#}", outcome.0);
    assert_eq!(outcome.0["left_behind"][0]["id"], "02", "the certificate with its id is for another key");
    assert!(!outcome.remarks("curve").contains("nothing to check"), "the certificate spoke for the other");
}

/// Two curves under one id, one of them without a public key: nothing is wrong with such a token.
#[test]
fn a_key_of_another_kind_with_the_same_id_is_no_damage() {
    let scene = Scene::new();
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label a --id 01");
    scene.softhsm("--delete-object --type pubkey --id 01");
    scene.softhsm("--keypairgen --key-type EC:secp384r1 --label b --id 01");
    let outcome = scene.import_softhsm();
    assert_eq!(outcome.imported(), ["private key a", "private key b", "public key b"]);
    assert!(outcome.remarks("a").contains("nothing to check"));
}

#[test]
fn a_pkcs12_file_that_is_bent_or_cut_anywhere_is_refused() {
    let scene = Scene::new();
    scene.stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout www.key -out www.crt -subj /CN=www -days 3");
    scene.secret_file("passphrase", "secret");
    scene.stage.openssl("pkcs12 -export -inkey www.key -in www.crt -passout pass:secret -iter 1 -out whole.p12");
    let whole = fs::read(scene.stage.path("whole.p12")).unwrap();
    let listed = scene.listed();
    let refused = |bytes: &[u8], what: &str| {
        scene.stage.file("bent.p12", bytes);
        let mut command = scene.stage.strongroom_command("import bent.p12 --passphrase-file passphrase");
        let text = stage::fail(&mut command);
        assert!(text.contains("bent.p12"), "{what}: {text}");
    };
    for step in 0..60 {
        let at = step * whole.len() / 60;
        let mut bent = whole.clone();
        bent[at] ^= 0x04;
        refused(&bent, &format!("byte {at} bent"));
        refused(&whole[..at], &format!("{at} bytes left"));
    }
    assert_eq!(scene.listed(), listed);
    assert_eq!(scene.import("whole.p12 --passphrase-file passphrase").imported().len(), 3);
}

#[test]
fn one_bad_file_among_good_ones_stops_all_of_them() {
    let scene = Scene::new();
    scene.stage.openssl("genpkey -algorithm ed25519 -out good.pem");
    scene.stage.file("bad.pem", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n");
    scene.stage.file("text", "no key at all");
    for bad in ["bad.pem", "text", "nowhere.pem"] {
        let refusal = scene.refused(&format!("good.pem {bad}"));
        assert!(refusal.contains(bad), "{refusal}");
    }
}

#[test]
fn softhsms_database_store_is_named_and_not_read() {
    let scene = Scene::new();
    fs::create_dir(scene.stage.path("tokens/database")).unwrap();
    scene.stage.file("tokens/database/sqlite3.db", "SQLite format 3");
    assert!(scene.refused(SOFTHSM).contains("objectstore.backend = db"));
    assert!(scene.refused("--softhsm tokens/database --source-pin-file source-pin").contains("database"));
}

/// Where attributes of an object's file begin, and where the last one ends.
fn boundaries(file: &[u8]) -> Vec<usize> {
    let number = |at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let mut all = vec![8];
    while let Some(at) = all.last().copied().filter(|at| *at < file.len()) {
        let value = at + 16;
        all.push(match number(at + 8) {
            1 => value + 1,
            2 => value + 8,
            3 | 4 => value + 8 + number(value),
            5 => value + 8 + 8 * number(value),
            form => panic!("a form {form}"),
        });
    }
    all
}

#[test]
fn a_key_whose_file_is_cut_between_two_attributes_never_passes_as_whole() {
    let scene = Scene::new();
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label curve --id 02");
    scene.softhsm("--keygen --key-type AES:16 --label aes --id 03 --usage-decrypt");
    let import = || output(&mut scene.stage.strongroom_command(&format!("--json import {SOFTHSM} --dry-run")));
    let says = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let remark = "CKA_ALLOWED_MECHANISMS";
    let whole = says(&import().stdout);
    assert!(!whole.contains(remark), "{whole}");
    let is_object = |path: &Path| path.extension().is_some_and(|extension| extension == "object");
    for (path, file) in scene.object_files().into_iter().filter(|(path, _)| is_object(path)) {
        let all = boundaries(&file);
        assert!(all.len() > 15 && all.last() == Some(&file.len()), "{all:?}");
        for len in &all[..all.len() - 1] {
            fs::write(&path, &file[..*len]).unwrap();
            let outcome = import();
            let (said, refusal) = (says(&outcome.stdout), says(&outcome.stderr));
            match (outcome.status.success(), *len) {
                (false, _) => assert!(refusal.contains("damaged"), "{len} bytes: {refusal}"),
                // Nothing was written yet: SoftHSM doesn't show it either.
                (true, 8) => assert!(said.contains("cut off"), "{said}"),
                (true, _) => assert!(said.contains(remark), "{len} bytes of {}: {said}", path.display()),
            }
        }
        fs::write(&path, &file).unwrap();
    }
    assert_eq!(says(&import().stdout), whole);
}

#[test]
fn what_is_no_file_in_a_token_is_named_and_never_waited_for() {
    let scene = Scene::new();
    let token = scene.token_directory();
    let odd = token.join("odd.object");
    stage::succeed(Command::new("mkfifo").arg(&odd));
    let refusal = scene.refused(SOFTHSM);
    assert!(refusal.contains("odd.object") && refusal.contains("no regular file"), "{refusal}");
    fs::remove_file(&odd).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &odd).unwrap();
    assert!(scene.refused(SOFTHSM).contains("odd.object"));
    fs::remove_file(&odd).unwrap();
    let named = token.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xFF.object"));
    fs::write(&named, "").unwrap();
    assert!(scene.refused(SOFTHSM).contains("such a name"));
    fs::remove_file(&named).unwrap();
    let about = token.join("token.object");
    fs::remove_file(&about).unwrap();
    stage::succeed(Command::new("mkfifo").arg(&about));
    let refusal = scene.refused(&format!("{SOFTHSM} --token {TOKEN}"));
    assert!(refusal.contains("no such token"), "{refusal}");
    assert!(scene.refused("/dev/zero").contains("more than"), "a file that never ends");
}

#[test]
fn a_bundle_whose_last_block_is_cut_is_refused() {
    let scene = Scene::new();
    scene.stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout www.key -out www.crt -subj /CN=www -days 3");
    let [key, certificate] = ["www.key", "www.crt"].map(|file| fs::read_to_string(scene.stage.path(file)).unwrap());
    for cut in [30, 300, certificate.len() - 8] {
        scene.stage.file("bundle.pem", format!("{key}{}", &certificate[..cut]));
        let refusal = scene.refused("bundle.pem");
        assert!(refusal.contains("bundle.pem") && refusal.contains("PEM is damaged"), "{refusal}");
    }
}

/// A file system that is unmounted when the test ends.
struct Disk<'a>(&'a Path);

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = output(Command::new("umount").arg(self.0));
    }
}

#[test]
fn a_full_disk_leaves_the_vault_as_it_was() {
    let scene = Scene::new();
    let place = scene.stage.path("disk");
    fs::create_dir(&place).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1600k,mode=0700", "none"]).arg(&place);
    if !is_root() || !output(&mut mount).status.success() {
        return;
    }
    let disk = Disk(&place);
    let vault = place.join("vault");
    let run = |arguments: &str| {
        let mut command = scene.stage.strongroom_command(arguments);
        command.env("STRONGROOM_VAULT", &vault);
        command
    };
    stage::succeed(&mut run("init --label small"));
    scene.stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout www.key -out www.crt -subj /CN=www -days 3");
    // Certificates of half a megabyte together: more than there is room for.
    let certificate = fs::read(scene.stage.path("www.crt")).unwrap();
    let files: Vec<String> = (0..40)
        .map(|number| {
            let name = format!("many-{number}.pem");
            scene.stage.openssl(&format!("genpkey -algorithm ed25519 -out {name}"));
            let key = fs::read(scene.stage.path(&name)).unwrap();
            scene.stage.file(&name, [&key[..], &certificate].concat());
            name
        })
        .collect();
    let filling = fs::File::create(disk.0.join("filling")).unwrap();
    let mut len = 0;
    while std::os::unix::fs::FileExt::write_all_at(&filling, &[0; 4096], len).is_ok() {
        len += 4096;
    }
    filling.set_len(len - len.min(3 * 4096)).unwrap();
    let before = stage::succeed(&mut run("--json key list"));
    let text = stage::fail(&mut run(&format!("import {}", files.join(" "))));
    assert!(text.contains("full") || text.contains("No space"), "{text}");
    assert_eq!(stage::succeed(&mut run("--json key list")), before);
    drop(filling);
    fs::remove_file(disk.0.join("filling")).unwrap();
    stage::succeed(&mut run(&format!("import {}", files.join(" "))));
    let keys: serde_json::Value = serde_json::from_str(&stage::succeed(&mut run("--json key list"))).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 40);
}
