//! The module's state, from `C_Initialize` to `C_Finalize` (PKCS#11 v3.2 §5.4), and what becomes of it in a forked child.
//!
//! One pointer is published; every call reads it without a lock and keeps what it points to alive until it returns, so
//! that `C_Finalize` never waits. In a child the parent's state is not its own: calls answer
//! `CKR_CRYPTOKI_NOT_INITIALIZED` until the child's `C_Initialize` makes a new state from the parent's vaults, and then the
//! old one is left as it lies, with its sessions and locks, neither dropped nor freed.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use cryptoki_sys::*;

use super::error::Rv;
use super::mechanism::Allowed;
use super::session::table::Table;
use super::slot::Slot;
use super::slot::token::{MANUFACTURER, library_version, padded};
use crate::backend::open_all;
use crate::config::{Config, ConfigError};
use crate::crypto::{Digest, DigestAlgorithm};
use crate::sys::{env, exit, fork};
use crate::vault::{VaultAdmin, VaultInfo};
use crate::{crypto, log};

/// Everything between `C_Initialize` and `C_Finalize`.
pub struct Module {
    /// [`fork::epoch`] of the process that made it.
    epoch: u64,
    config: Config,
    /// Its vaults were a parent's: nothing could open them anew here.
    inherited: bool,
    /// `STRONGROOM_ALLOW_PARAMS` was set; a child goes by its parent's environment.
    parameters_allowed: bool,
    slots: ArcSwap<Vec<Arc<Slot>>>,
    discovering: Mutex<()>,
    /// Open sessions.
    pub sessions: Table,
}

/// What `C_Initialize` was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments {
    /// How many of the four mutex callbacks are not NULL.
    pub callbacks: usize,
    /// `CKF_LIBRARY_CANT_CREATE_OS_THREADS`, `CKF_OS_LOCKING_OK`.
    pub flags: CK_FLAGS,
    /// `pReserved` is not NULL.
    pub reserved: bool,
}

/// The state of a running call.
pub struct Running(Guard<Option<Arc<Module>>>);

static CURRENT: ArcSwapOption<Module> = ArcSwapOption::const_empty();

/// In a forked child, what `C_Finalize` ended: a new `C_Initialize` there goes on with its vaults.
static FINALIZED: ArcSwapOption<Module> = ArcSwapOption::const_empty();

/// The state, if this process is initialised.
pub fn current() -> Result<Running, Rv> {
    let running = CURRENT.load();
    match &*running {
        Some(module) if module.epoch == fork::epoch() => Ok(Running(running)),
        _ => Err(Rv(CKR_CRYPTOKI_NOT_INITIALIZED)),
    }
}

/// `C_Initialize`.
pub fn initialize(arguments: Arguments) -> Result<(), Rv> {
    fork::register();
    exit::register();
    let epoch = fork::epoch();
    let present = CURRENT.load_full();
    let finalized = FINALIZED.load_full();
    let parameters_allowed =
        present.as_ref().or(finalized.as_ref()).map_or_else(parameters_allowed, |module| module.parameters_allowed);
    check(arguments, parameters_allowed)?;
    let module = match (&present, &finalized) {
        (Some(module), _) if module.epoch == epoch => return Err(Rv(CKR_CRYPTOKI_ALREADY_INITIALIZED)),
        (None, Some(earlier)) if earlier.epoch == epoch => earlier.again(),
        (Some(parents), _) | (None, Some(parents)) => parents.in_forked_child(epoch)?,
        (None, None) => {
            let may_start_programs = arguments.flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS == 0;
            Module::load(epoch, may_start_programs, parameters_allowed)?
        }
    };
    publish(present, module)
}

/// Puts `module` in the place of `present`, unless another thread was faster.
fn publish(present: Option<Arc<Module>>, module: Module) -> Result<(), Rv> {
    let replaced = Guard::into_inner(CURRENT.compare_and_swap(&present, Some(Arc::new(module))));
    let faster = replaced.as_ref().map(Arc::as_ptr) != present.as_ref().map(Arc::as_ptr);
    // A parent's state: its sessions' locks may be held by threads that don't exist here. Both counts are kept for ever.
    std::mem::forget((present, replaced));
    if faster { Err(Rv(CKR_CRYPTOKI_ALREADY_INITIALIZED)) } else { Ok(()) }
}

/// `C_Finalize`. Calls that are still running end as they would have; sessions, login and session objects are gone.
pub fn finalize() -> Result<(), Rv> {
    let running = current()?;
    let present = Some(Arc::clone(&running));
    let replaced = Guard::into_inner(CURRENT.compare_and_swap(&present, None));
    match replaced {
        Some(module) if module.epoch == fork::epoch() => {
            module.close();
            if module.inherited {
                keep_finalized(&FINALIZED, module);
            }
            Ok(())
        }
        _ => Err(Rv(CKR_CRYPTOKI_NOT_INITIALIZED)),
    }
}

/// Keeps `module` in the place of an earlier one. In a child of a child that may be its parent's, whose sessions and keys
/// must not be dropped here.
fn keep_finalized(place: &ArcSwapOption<Module>, module: Arc<Module>) {
    let epoch = module.epoch;
    if let Some(earlier) = place.swap(Some(module))
        && earlier.epoch != epoch
    {
        std::mem::forget(earlier);
    }
}

/// Our locks are the operating system's whatever the caller offers, so that four callbacks are as good as none.
fn check(arguments: Arguments, parameters_allowed: bool) -> Result<(), Rv> {
    if !matches!(arguments.callbacks, 0 | 4) {
        return Err(Rv(CKR_ARGUMENTS_BAD));
    }
    if arguments.reserved && !parameters_allowed {
        return Err(Rv(CKR_ARGUMENTS_BAD));
    }
    Ok(())
}

fn parameters_allowed() -> bool {
    env::variable(c"STRONGROOM_ALLOW_PARAMS").is_some_and(|value| value == "1")
}

impl Module {
    /// From the configuration: the one place that reads it.
    fn load(epoch: u64, may_start_programs: bool, parameters_allowed: bool) -> Result<Self, Rv> {
        log::start(None);
        report_panics();
        let mut config = Config::load().map_err(unreadable)?;
        log::start(config.log.as_deref());
        if let Some(file) = &config.passed_over {
            let file = file.display();
            log::tell_operator(format_args!(
                "this program's user may not read {file} and goes without it: if it is meant to use a vault, `strongroom \
                 doctor --user` says what is missing"
            ));
        }
        for vault in &mut config.vaults {
            match may_start_programs {
                // The vault can still be unlocked by a PIN that is given.
                true => drop(vault.run_pin_command().map_err(unreadable)),
                false => vault.forbid_programs(),
            }
        }
        // The generator and AWS-LC's own tables are made now, not for the first time after a fork.
        crypto::random(&mut [0; 1])?;
        let slots = slots(configured(&config)?, &[]);
        Ok(Self { parameters_allowed, ..Self::new(epoch, config, false, slots) })
    }

    /// From a parent's, without its environment or files.
    fn in_forked_child(&self, epoch: u64) -> Result<Self, Rv> {
        let slots = self.slots.load();
        let slots: Result<_, Rv> = slots.iter().map(|slot| slot.in_forked_child().map(Arc::new)).collect();
        Ok(self.successor(epoch, slots?))
    }

    /// From what was finalised in the same forked child.
    fn again(&self) -> Self {
        let slots = self.slots.load().iter().map(|slot| Arc::new(slot.again())).collect();
        self.successor(self.epoch, slots)
    }

    fn successor(&self, epoch: u64, slots: Vec<Arc<Slot>>) -> Self {
        let parameters_allowed = self.parameters_allowed;
        Self { parameters_allowed, ..Self::new(epoch, self.config.clone(), true, slots) }
    }

    fn new(epoch: u64, config: Config, inherited: bool, slots: Vec<Arc<Slot>>) -> Self {
        Self {
            epoch,
            config,
            inherited,
            parameters_allowed: false,
            slots: ArcSwap::from_pointee(slots),
            discovering: Mutex::default(),
            sessions: Table::new(),
        }
    }

    fn close(&self) {
        for handle in self.sessions.handles(|_| true) {
            let _ = self.close_session(handle);
        }
        for slot in self.slots.load().iter() {
            slot.close();
        }
    }

    /// What `C_GetInfo` answers.
    pub fn info(&self) -> CK_INFO {
        CK_INFO {
            cryptokiVersion: CK_VERSION { major: CRYPTOKI_VERSION_MAJOR, minor: CRYPTOKI_VERSION_MINOR },
            manufacturerID: padded(MANUFACTURER),
            flags: 0,
            libraryDescription: padded("Strongroom PKCS#11 module"),
            libraryVersion: library_version(),
        }
    }

    /// The slots: vaults in the configuration's order, a free place last.
    pub fn slots(&self) -> Guard<Arc<Vec<Arc<Slot>>>> {
        self.slots.load()
    }

    /// The slot with this id.
    pub fn slot(&self, id: CK_SLOT_ID) -> Result<Arc<Slot>, Rv> {
        self.slots().iter().find(|slot| slot.id == id).cloned().ok_or(Rv(CKR_SLOT_ID_INVALID))
    }

    /// Takes in vaults that other processes made, and the next free place. Only `C_GetSlotList` with a NULL buffer does
    /// this (PKCS#11 v3.2 §5.5.1), so that a list that a caller was given stays true.
    pub fn discover(&self) -> Result<(), Rv> {
        if self.inherited {
            return Ok(());
        }
        let _discovering = self.discovering.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.slots.load_full();
        let found = slots(configured(&self.config.rescanned().map_err(unreadable)?)?, &known);
        self.slots.store(Arc::new(found));
        Ok(())
    }
}

impl Deref for Running {
    type Target = Arc<Module>;

    fn deref(&self) -> &Arc<Module> {
        // `current` made this only with a module in it, and a guard never changes.
        self.0.as_ref().expect("a running call has a module")
    }
}

fn unreadable(error: ConfigError) -> Rv {
    tracing::error!("{error}");
    Rv(CKR_FUNCTION_FAILED)
}

/// The configuration's vaults, each with what it may be used with.
fn configured(config: &Config) -> Result<Vec<Configured>, Rv> {
    let allowed = config.vaults.iter().map(|vault| Allowed::of(vault, config.source.as_deref()));
    let allowed = allowed.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let within = |(vault, allowed): Configured| {
        let allowed = allowed.within(&|ability| vault.offers(ability));
        (vault, allowed)
    };
    Ok(open_all(config)?.into_iter().zip(allowed).map(within).collect())
}

type Configured = (Arc<dyn VaultAdmin>, Allowed);

/// A slot for each vault. Those whose vault's place is known already stay as they are, with their ids and sessions, also
/// while the vault can't say anything of itself.
fn slots(vaults: Vec<Configured>, known: &[Arc<Slot>]) -> Vec<Arc<Slot>> {
    let places: Vec<String> = vaults.iter().map(|(vault, _)| vault.location()).collect();
    let stays = |slot: &&Arc<Slot>| places.contains(&slot.vault.location());
    let mut taken: Vec<CK_SLOT_ID> = known.iter().filter(stays).map(|slot| slot.id).collect();
    let mut slots: Vec<Arc<Slot>> = Vec::with_capacity(vaults.len());
    for ((vault, allowed), place) in vaults.into_iter().zip(&places) {
        let info = vault.info().inspect_err(|error| tracing::warn!("a vault can't be used: {error}")).ok();
        let slot = match known.iter().find(|slot| slot.vault.location() == *place) {
            Some(slot) => slot.clone(),
            None => new_slot((vault, allowed), place, info.as_ref(), &mut taken),
        };
        if let Some(info) = &info {
            slot.note(info);
        }
        slots.push(slot);
    }
    // Initialised ones first, each group in the configuration's order.
    slots.sort_by_key(|slot| !slot.is_initialized());
    slots
}

/// A slot for a vault that wasn't known, with an id that no other has.
fn new_slot(
    (vault, allowed): Configured,
    place: &str,
    info: Option<&VaultInfo>,
    taken: &mut Vec<CK_SLOT_ID>,
) -> Arc<Slot> {
    let mut id = CK_SLOT_ID::from(info.map_or_else(|| fallback_id(place), |info| info.slot_id));
    while taken.contains(&id) {
        tracing::warn!("{place}: another vault has the slot id {id} too: is it a copy?");
        id = (id + 1) & 0x7FFF_FFFF;
    }
    taken.push(id);
    Arc::new(Slot::new(id, vault, allowed, info.unwrap_or(&VaultInfo::default())))
}

/// An id for a vault that can't say its own: it gets a slot nevertheless, so that its errors can be read. It is the one
/// that a local vault is given where it is made, and so mostly its own.
fn fallback_id(place: &str) -> u32 {
    let mut sum = [0; 32];
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    digest.update(place.as_bytes());
    let known = digest.finish(&mut sum).is_ok();
    let first = sum.first_chunk().filter(|_| known);
    first.map_or(0, |bytes| u32::from_le_bytes(*bytes) & 0x7FFF_FFFF)
}

/// Panics are caught at the entry points; what the standard library would print goes to our log.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        log::report_panic(panic.location(), message);
    }));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    use super::*;
    use crate::config::VaultConfig;

    fn config(vaults: &[&std::path::Path]) -> Config {
        Config {
            source: None,
            vaults: vaults.iter().map(|path| VaultConfig::local("vault", *path)).collect(),
            vaults_dir: "/nonexistent".into(),
            log: None,
            server: None,
            discovery: None,
            passed_over: None,
        }
    }

    fn ids(slots: &[Arc<Slot>]) -> Vec<CK_SLOT_ID> {
        slots.iter().map(|slot| slot.id).collect()
    }

    #[test]
    fn a_vault_that_can_say_nothing_for_a_moment_keeps_its_slot() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        let config = config(&[&one, &other]);
        let known = slots(configured(&config).unwrap(), &[]);
        // Not a vault's directory: everybody may write.
        std::fs::DirBuilder::new().mode(0o700).create(&one).unwrap();
        std::fs::write(one.join("vault.db"), "").unwrap();
        std::fs::set_permissions(&one, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(open_all(&config).unwrap()[0].info().is_err());
        let found = slots(configured(&config).unwrap(), &known);
        assert!(found.len() == 2 && found.iter().zip(&known).all(|(found, known)| Arc::ptr_eq(found, known)));
        // In a process that begins now it has the same id, whatever the error.
        assert_eq!(ids(&slots(configured(&config).unwrap(), &[])), ids(&known));
        std::fs::set_permissions(&one, PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(ids(&slots(configured(&config).unwrap(), &[])), ids(&known));
    }

    #[test]
    fn what_a_parent_finalised_is_never_dropped_in_its_child() {
        let finalized = |epoch| Arc::new(Module::new(epoch, config(&[]), true, Vec::new()));
        let (parents, own) = (finalized(1), finalized(2));
        let (watch_parents, watch_own) = (Arc::downgrade(&parents), Arc::downgrade(&own));
        let place = ArcSwapOption::from(Some(parents));
        keep_finalized(&place, own);
        assert!(watch_parents.upgrade().is_some());
        keep_finalized(&place, finalized(2));
        assert!(watch_own.upgrade().is_none());
    }

    #[test]
    fn a_child_goes_by_its_parents_environment() {
        for allowed in [true, false] {
            let parents = Module { parameters_allowed: allowed, ..Module::new(1, config(&[]), false, Vec::new()) };
            let child = parents.in_forked_child(2).unwrap();
            assert_eq!((child.parameters_allowed, child.again().parameters_allowed), (allowed, allowed));
        }
    }

    #[test]
    fn four_callbacks_or_none_are_taken_and_reserved_must_be_null() {
        let with = |callbacks, reserved| check(Arguments { callbacks, flags: 0, reserved }, false);
        assert_eq!(check(Arguments { callbacks: 0, flags: 0, reserved: true }, true), Ok(()));
        assert_eq!(with(0, false), Ok(()));
        assert_eq!(with(4, false), Ok(()));
        for some in 1..4 {
            assert_eq!(with(some, false), Err(Rv(CKR_ARGUMENTS_BAD)));
        }
        assert_eq!(with(0, true), Err(Rv(CKR_ARGUMENTS_BAD)));
    }
}
