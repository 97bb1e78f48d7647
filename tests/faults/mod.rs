//! A vault to be damaged: what the tests of faults share.
//!
//! A vault in memory (`/dev/shm`, else the temporary directory), the objects in it, and this test binary started again as
//! a process that uses the vault, by itself or under the recorder in `tests/c/recorder.c`.
#![allow(dead_code, reason = "each test uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use strongroom::backend::local::LocalVault;
use strongroom::config::VaultConfig;
use strongroom::crypto::{Curve, PublicKey};
use strongroom::vault::*;
use tempfile::TempDir;

/// Tells a process what to do instead of the test whose name it was started with.
pub const ROLE: &str = "STRONGROOM_FAULTS_ROLE";
/// The vault of such a process.
const VAULT: &str = "STRONGROOM_FAULTS_VAULT";

pub const USER_PIN: &str = "user-pin-1";
pub const SO_PIN: &str = "so-pin-1";

/// A directory that is gone with this value, in memory where the machine has such a place.
pub fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = tempfile::Builder::new();
    if memory.is_dir()
        && let Ok(place) = builder.tempdir_in(memory)
    {
        return place;
    }
    builder.tempdir().unwrap()
}

pub fn config(path: &Path) -> VaultConfig {
    VaultConfig::local("faults", path)
}

pub fn open_with(vault: &VaultConfig) -> Arc<dyn VaultAdmin> {
    LocalVault::open(vault).unwrap()
}

/// The vault in `path`, locked.
pub fn open(path: &Path) -> Arc<dyn VaultAdmin> {
    open_with(&config(path))
}

/// The vault in `path`, the user logged in.
pub fn unlocked(path: &Path) -> Arc<dyn VaultAdmin> {
    let vault = open(path);
    vault.unlock(&user(USER_PIN)).unwrap();
    vault
}

/// Makes a vault with both PINs in `path`.
pub fn make(path: &Path) {
    let vault = open(path);
    vault.initialize("faults", &pin(SO_PIN)).unwrap();
    vault.unlock(&officer(SO_PIN)).unwrap();
    vault.set_pin(Role::User, &pin(USER_PIN)).unwrap();
}

pub fn pin(text: &str) -> Pin {
    Pin::new(text.as_bytes().to_vec())
}

pub fn user(text: &str) -> Unlock {
    Unlock::Pin(Role::User, pin(text))
}

pub fn officer(text: &str) -> Unlock {
    Unlock::Pin(Role::SecurityOfficer, pin(text))
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A key pair, or a new version of one.
pub fn pair(vault: &dyn Vault, label: &str) -> Result<[Arc<Object>; 2]> {
    let draft = |class, usage| {
        let mut content = Content::new(class);
        content.label = label.as_bytes().to_vec();
        content.usage = usage;
        Draft { content, naming: Naming::Set(name(label)), secret: None }
    };
    vault.generate_pair(
        KeyAlgorithm::Ec(Curve::P256),
        draft(Class::PrivateKey, Usage::SIGN),
        draft(Class::PublicKey, Usage::VERIFY),
    )
}

pub fn secret_draft(label: &str, value: &[u8]) -> Draft {
    let mut content = Content::new(Class::Data);
    content.private = true;
    content.label = label.as_bytes().to_vec();
    Draft { content, naming: Naming::Set(name(label)), secret: Some(SecretBytes::from_slice(value)) }
}

pub fn enable(vault: &dyn Vault, number: ObjectNumber, enabled: bool) -> Result<()> {
    vault
        .change(&[number], &mut |content| {
            content.enabled = enabled;
            Ok(())
        })
        .map(drop)
}

pub fn sign(vault: &dyn Vault, number: ObjectNumber) -> Result<Vec<u8>> {
    sign_with(&*vault.private_key(number)?)
}

/// A signature over 32 bytes, with the scheme that is natural for the key.
pub fn sign_with(key: &dyn PrivateKey) -> Result<Vec<u8>> {
    let mut out = vec![0; key.algorithm().signature_len()];
    let len = key.sign(&scheme(key.algorithm()), &[7; 32], &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn scheme(algorithm: KeyAlgorithm) -> SignScheme {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => SignScheme::RsaPkcs1,
        KeyAlgorithm::Ed25519 => SignScheme::Ed25519,
        _ => SignScheme::Ecdsa,
    }
}

/// Signs with a private key and checks the signature with the public key that the object states.
pub fn signs_correctly(vault: &dyn Vault, object: &Object) -> Result<()> {
    let signature = sign(vault, object.number)?;
    let key = object.content.key.as_ref().unwrap();
    let public = PublicKey::from_spki(&key.public).unwrap();
    public.verify(&scheme(key.algorithm), &[7; 32], &signature).expect("a signature that verifies");
    Ok(())
}

/// Copies a vault's files; the copy has the modes of the original.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// This test binary as a process that does `role` in the test called `test`, with the vault in `path`.
pub fn process(test: &str, role: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(VAULT, path).stdout(std::process::Stdio::null());
    command
}

/// The role of this process, if it isn't the test itself, and its vault.
pub fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(VAULT)?.into()))
}

/// The recorder, compiled into `place`.
pub fn recorder(place: &Path) -> PathBuf {
    let library = place.join("recorder.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/recorder.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(compiler.status().expect("a C compiler").success());
    library
}

/// `command` under the recorder, which watches the vault in `path` and takes what is written to `marks` as marks.
pub fn watched(mut command: Command, recorder: &Path, path: &Path, marks: &Path) -> Command {
    command.env("LD_PRELOAD", recorder).env("RECORD_DIR", path).env("RECORD_MARKS", marks);
    command.env("STRONGROOM_FAULTS_MARKS", marks);
    command
}

/// Where a process under the recorder writes its marks, each in one write.
pub struct Marks(std::fs::File);

impl Marks {
    pub fn open() -> Self {
        let path = std::env::var_os("STRONGROOM_FAULTS_MARKS").expect("a process under the recorder");
        Self(std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap())
    }

    pub fn write(&mut self, text: &str) {
        use std::io::Write;
        self.0.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// Random numbers that can be had again: the seed is printed by who makes one.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed nobody chose, or the one in `STRONGROOM_FAULTS_SEED`, printed.
    pub fn seed() -> u64 {
        let given = std::env::var("STRONGROOM_FAULTS_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            strongroom::crypto::random(&mut bytes).unwrap();
            u64::from_le_bytes(bytes) >> 16
        });
        println!("seed {seed} (STRONGROOM_FAULTS_SEED={seed} repeats this)");
        seed
    }

    /// SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
