//! A program that has the module loaded: the test's own process, which nextest makes for each test. What the module writes
//! to standard error, its log, is read on the way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};

use crate::scene::{Scene, make_key, write};
use crate::stage::module;

/// What is signed.
pub const DIGEST: [u8; 32] = [7; 32];

/// One session of a token that the configuration logs in to.
pub struct Program {
    pub session: Session,
    _finalized: Finalized,
    log: Log,
    _turn: MutexGuard<'static, ()>,
}

/// The module is one of the whole process: tests in one take turns.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    /// At the vault behind the scene's proxy, as an identity with these roles, configured with these lines more.
    pub fn at(scene: &Scene, roles: &[&str], lines: &str) -> Self {
        let (client_id, secret) = scene.client("module", roles);
        Self::configured(scene.folder.path(), &scene.table(&client_id, &secret, lines))
    }

    /// The same, logged in, at a vault that has the EC key `www`, with which it signed; and that key.
    pub fn signing(scene: &Scene, roles: &[&str], lines: &str) -> (Self, ObjectHandle) {
        make_key(&scene.session(), "www");
        let program = Self::at(scene, roles, lines);
        program.log_in();
        program.signs("www");
        let key = program.private("www");
        (program, key)
    }

    /// With this configuration, which it leaves in this directory.
    pub fn configured(folder: &Path, tables: &str) -> Self {
        let turn = turn();
        let configuration = folder.join("module.toml");
        write(configuration.clone(), &format!("vaults_dir = \"none\"\n{tables}"));
        // SAFETY: nothing else in this process reads its environment now; only who holds the turn touches it.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("STRONGROOM_CONF", configuration);
        }
        let log = Log::begin(&folder.join("module.log"));
        let (pkcs11, session) = opened();
        Self { session, _finalized: Finalized(pkcs11), log, _turn: turn }
    }

    /// Logs in as the configuration says, and knows its keys from then on.
    pub fn log_in(&self) {
        self.session.login(UserType::User, None).unwrap();
        self.session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
    }

    pub fn private(&self, label: &str) -> ObjectHandle {
        find(&self.session, ObjectClass::PRIVATE_KEY, label)
    }

    pub fn public(&self, label: &str) -> ObjectHandle {
        find(&self.session, ObjectClass::PUBLIC_KEY, label)
    }

    /// Signs with an EC key, and the public half says that it did.
    pub fn signs(&self, label: &str) {
        let signature = self.session.sign(&Mechanism::Ecdsa, self.private(label), &DIGEST).unwrap();
        self.session.verify(&Mechanism::Ecdsa, self.public(label), &DIGEST, &signature).unwrap();
    }

    /// What the module has written since the last look.
    pub fn log(&mut self) -> String {
        self.log.rest()
    }

    /// This fails so, within a budget, and the log says why in one line.
    pub fn fails<T: std::fmt::Debug>(
        &mut self,
        (budget, code, why): (Duration, RvError, &[&str]),
        act: impl FnOnce(&Session) -> Result<T>,
    ) {
        self.log.rest();
        let begun = Instant::now();
        let outcome = act(&self.session);
        // What a busy machine adds is no part of the claim.
        assert!(begun.elapsed() < budget * 10, "{:?}", begun.elapsed());
        match &outcome {
            Err(Error::Pkcs11(found, _)) if *found == code => {}
            other => panic!("{code:?} was expected with {why:?}: {other:?}, and the log says {}", self.log.rest()),
        }
        let said = self.log.rest();
        assert!(said.lines().count() == 1 && why.iter().all(|word| said.contains(word)), "{why:?} in {said}");
    }
}

/// The module, initialised, and a session of its first token.
pub fn opened() -> (Pkcs11, Session) {
    let pkcs11 = Pkcs11::new(module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let session = pkcs11.open_rw_session(pkcs11.get_slots_with_token().unwrap()[0]).unwrap();
    (pkcs11, session)
}

pub fn find(session: &Session, class: ObjectClass, label: &str) -> ObjectHandle {
    let template = [Attribute::Class(class), Attribute::Label(label.into())];
    *session.find_objects(&template).unwrap().first().unwrap_or_else(|| panic!("{label} isn't found"))
}

/// Ends the module when its sessions are closed.
struct Finalized(Pkcs11);

impl Drop for Finalized {
    fn drop(&mut self) {
        let _ = self.0.clone().finalize();
    }
}

/// Standard error goes into a file as long as this is there.
struct Log {
    file: File,
    read: u64,
    before: OwnedFd,
}

impl Log {
    fn begin(path: &Path) -> Self {
        let before = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        let into = File::create(path).unwrap();
        point_stderr_to(into.as_raw_fd());
        Self { file: File::open(path).unwrap(), read: 0, before }
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(self.read)).unwrap();
        self.read += self.file.read_to_string(&mut text).unwrap() as u64;
        text
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        point_stderr_to(self.before.as_raw_fd());
        // The panic's own message lies there too.
        if std::thread::panicking() {
            self.read = 0;
            eprintln!("{}", self.rest());
        }
    }
}

#[allow(unsafe_code)]
fn point_stderr_to(descriptor: i32) {
    // SAFETY: both descriptors are open, and nobody relies on what standard error was.
    assert_eq!(unsafe { libc::dup2(descriptor, 2) }, 2);
}

/// The time that a call may take where a test configures it.
pub const BUDGET: Duration = Duration::from_secs(2);
/// The same as a line of the configuration.
pub const TIMEOUT: &str = "timeout = 2\n";
