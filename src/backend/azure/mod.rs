//! Vaults at the interface of Azure Key Vault and Managed HSM, which our own server speaks too.
//!
//! The keys stay there: this process has their public parts and asks for each signature. The official `azure_*` crates
//! aren't used: each of their calls needs an asynchronous runtime and its threads, which a host process has none of
//! (`CKF_LIBRARY_CANT_CREATE_OS_THREADS`) and which wouldn't survive a fork. What they promise towards the service is
//! kept: the challenge is checked before a token is sent, tokens are renewed ahead of their end, and requests have the
//! shapes of their models.
//!
//! [`session`] makes the requests; [`listing`] keeps what lies there; [`key`] uses it, [`create`] and [`change`] change it.

mod algorithm;
mod attributes;
mod challenge;
mod change;
mod create;
mod credential;
mod key;
mod listing;
mod objects;
pub mod reach;
mod refusal;
mod secret_text;
pub mod session;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use globset::GlobSet;

use self::algorithm::Service;
use self::key::{AzureKey, hexadecimal};
use self::listing::{Contents, Listing, Source};
use self::session::{Repeat, Session};
use self::wire::{RandomBytes, SecretBundle, invalid, read, secret_base64, secret_base64url};
use crate::config::{AzureConfig, VaultConfig};
use crate::crypto::{self, Digest, DigestAlgorithm};
use crate::vault::*;

/// A vault that is reached over the network or a Unix socket.
pub struct AzureVault {
    config: AzureConfig,
    /// As the configuration calls it: the token's label.
    name: String,
    location: Arc<str>,
    service: Service,
    filter: Option<GlobSet>,
    /// Those of the patterns that are names.
    names: Vec<Name>,
    show_all_versions: bool,
    allow_conflicting_usage: bool,
    session: Arc<Session>,
    unlocked: AtomicBool,
    published: ArcSwapOption<Listing>,
    /// Held by whoever reads the lists or changes something.
    reading: Mutex<Attempt>,
    /// What a parent knew, until this process uses it.
    inherited: Mutex<Option<(Contents, Option<Instant>)>>,
}

/// How the last reading went.
#[derive(Default)]
struct Attempt {
    failed: Option<Instant>,
}

/// How long nobody asks again for lists that couldn't be read, while older ones are there.
const PAUSE: Duration = Duration::from_secs(2);

/// Bytes of random that the interface gives at once.
const MOST_RANDOM: usize = 128;

/// Longest client secret that a PIN may carry, in bytes.
const LONGEST_PIN: usize = 1024;

impl AzureVault {
    /// Reads no file and sends nothing.
    pub fn open(vault: &VaultConfig, config: &AzureConfig) -> Result<Arc<dyn VaultAdmin>> {
        let session = Session::new(config)?;
        let location = session.origin().to_string();
        Ok(Arc::new(Self {
            config: config.clone(),
            name: vault.name.clone(),
            service: Service::of(config),
            location: location.into(),
            filter: super::globs(&vault.objects)?,
            names: vault.objects.iter().filter_map(|name| Name::new(name).ok()).collect(),
            show_all_versions: vault.show_all_versions,
            allow_conflicting_usage: vault.allow_conflicting_usage,
            session: Arc::new(session),
            unlocked: AtomicBool::new(false),
            published: ArcSwapOption::empty(),
            reading: Mutex::default(),
            inherited: Mutex::default(),
        }))
    }

    fn source(&self) -> Source<'_> {
        Source {
            session: &self.session,
            service: self.service,
            location: &self.location,
            filter: self.filter.as_ref(),
            names: &self.names,
            secrets: self.config.secrets,
        }
    }

    fn publish(&self, contents: Contents, taken: Option<Instant>) {
        let listing = Listing::new(contents, taken, &self.session, self.service, &self.location);
        self.published.store(Some(Arc::new(listing)));
    }

    /// What is known, which a forked child takes over from its parent.
    fn listing(&self) -> Option<Arc<Listing>> {
        if let Some(listing) = self.published.load_full() {
            return Some(listing);
        }
        let mut inherited = self.inherited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((contents, taken)) = inherited.take() {
            self.publish(contents, taken);
        }
        drop(inherited);
        self.published.load_full()
    }

    fn reading(&self) -> MutexGuard<'_, Attempt> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the lists. What is there already serves on where they can't be read now.
    fn read_lists(&self, attempt: &mut Attempt, known: Option<&Listing>) -> Result<()> {
        let pausing = attempt.failed.is_some_and(|failed| failed.elapsed() < PAUSE);
        if known.is_some() && pausing {
            return Ok(());
        }
        let none = Contents::default();
        let contents = known.map_or(&none, |known| &known.contents);
        // The age counts from before the first request: what changes meanwhile isn't missed.
        let begun = Instant::now();
        match contents.read(&self.source()) {
            Ok(contents) => {
                attempt.failed = None;
                self.publish(contents, Some(begun));
                Ok(())
            }
            Err(error) if known.is_some() => {
                attempt.failed = Some(begun);
                tracing::warn!("{error}; what was listed before is served on");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts in what was just made or changed there.
    fn note(&self, change: impl FnOnce(&Contents) -> Contents) {
        match self.listing() {
            Some(listing) => self.publish(change(&listing.contents), listing.taken),
            None => self.publish(change(&Contents::default()), None),
        }
    }

    fn key(&self, number: ObjectNumber) -> Result<Arc<AzureKey>> {
        if !self.is_unlocked() {
            return Err(VaultError::Locked);
        }
        let listing = self.listing().ok_or(VaultError::NotFound)?;
        listing.keys.get(&number).cloned().ok_or(VaultError::NotFound)
    }

    /// An object as it is known, with its path there.
    fn object(&self, number: ObjectNumber) -> Result<(Arc<Object>, String)> {
        let object = self.image().get(number).cloned().ok_or(VaultError::NotFound)?;
        let (Some(name), Some(version), Some(collection)) = (&object.name, object.version, object.collection()) else {
            return Err(VaultError::NotFound);
        };
        let path = format!("/{}/{name}/{}", collection.segment(), hexadecimal(&version.id));
        Ok((object, path))
    }

    /// What people and programs tell the vault by: it follows from where it is.
    fn identity(&self) -> [u8; 32] {
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        digest.update(self.location.as_bytes());
        let mut sum = [0; 32];
        digest.finish(&mut sum).expect("a SHA-256 digest has 32 bytes");
        sum
    }
}

impl Vault for AzureVault {
    fn info(&self) -> Result<VaultInfo> {
        let identity = self.identity();
        let [first, second, third, fourth, ..] = identity;
        Ok(VaultInfo {
            initialized: true,
            label: self.name.clone(),
            serial: identity[8..16].iter().map(|byte| format!("{byte:02x}")).collect(),
            slot_id: u32::from_be_bytes([first, second, third, fourth]) & 0x7FFF_FFFF,
            location: self.location.to_string(),
            read_only: false,
            user_pin: Some(PinState::default()),
            pin_len: (1, LONGEST_PIN),
            unlock_configured: self.session.needs_no_pin(),
            show_all_versions: self.show_all_versions,
            allow_conflicting_usage: self.allow_conflicting_usage,
            ..VaultInfo::default()
        })
    }

    fn location(&self) -> String {
        self.location.to_string()
    }

    fn unlock(&self, how: &Unlock) -> Result<()> {
        match how {
            Unlock::Pin(Role::User, pin) => self.session.log_in(Some(pin))?,
            Unlock::Configured => self.session.log_in(None)?,
            // Whoever may give roles there does it there.
            Unlock::Pin(Role::SecurityOfficer, _) => return Err(VaultError::PinNotSet),
            Unlock::Recovery(_) => return Err(VaultError::KeyIncorrect("a recovery key")),
        }
        self.unlocked.store(true, Ordering::Release);
        Ok(())
    }

    fn is_unlocked(&self) -> bool {
        self.unlocked.load(Ordering::Acquire)
    }

    fn lock(&self) {
        self.unlocked.store(false, Ordering::Release);
        self.session.log_out();
    }

    /// Private objects are in it before [`unlock`](Vault::unlock) too, by what their names and public parts say.
    fn image(&self) -> Arc<Image> {
        self.listing().map(|listing| Arc::clone(&listing.image)).unwrap_or_default()
    }

    /// Costs requests when the list is older than configured, of one thread; the others go on with what they have.
    fn refresh(&self) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let read = || self.listing().filter(|listing| listing.taken.is_some());
        let mut attempt = match (read(), self.reading.try_lock()) {
            (_, Ok(attempt)) => attempt,
            (_, Err(TryLockError::Poisoned(poisoned))) => poisoned.into_inner(),
            (Some(_), Err(TryLockError::WouldBlock)) => return Ok(()),
            (None, Err(TryLockError::WouldBlock)) => self.reading(),
        };
        if self.is_fresh() {
            return Ok(());
        }
        self.read_lists(&mut attempt, read().as_deref())
    }

    fn is_fresh(&self) -> bool {
        let age = self.config.remote.refresh;
        self.listing().is_some_and(|listing| !listing.is_older_than(age)) || !self.session.can_ask()
    }

    fn offers(&self, ability: &Ability<'_>) -> bool {
        self.service.offers(ability)
    }

    fn random(&self, out: &mut [u8]) -> Result<()> {
        // Before a login nobody there knows us.
        if !self.config.random_from_vault || !self.is_unlocked() {
            return Ok(crypto::random(out)?);
        }
        for part in out.chunks_mut(MOST_RANDOM) {
            let body = format!("{{\"count\":{}}}", part.len());
            let reply = self.session.call("POST", "/rng", Some(body.as_bytes()), Repeat::Safe)?;
            let bytes: RandomBytes<'_> = read(&self.location, &reply.body)?;
            let bytes = secret_base64url(&bytes.value).filter(|bytes| bytes.len() == part.len());
            let bytes =
                bytes.ok_or_else(|| invalid(&self.location, "it gave fewer random bytes than were asked for"))?;
            part.copy_from_slice(bytes.expose());
        }
        Ok(())
    }

    fn private_key(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>> {
        let key = self.key(number)?;
        key.check()?;
        Ok(key)
    }

    fn secret_key(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>> {
        let key = self.key(number)?;
        key.check()?;
        Ok(key)
    }

    fn private_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>> {
        Ok(Arc::new(self.key(number)?.at_any_time()))
    }

    fn secret_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>> {
        Ok(Arc::new(self.key(number)?.at_any_time()))
    }

    /// The value of a secret, in one request; a key's never leaves.
    fn secret(&self, number: ObjectNumber) -> Result<SecretBytes> {
        if !self.is_unlocked() {
            return Err(VaultError::Locked);
        }
        let (object, path) = self.object(number)?;
        if object.content.class != Class::Data {
            return Err(VaultError::Unsupported("a key's value never leaves its vault"));
        }
        let reply = self.session.call("GET", &path, None, Repeat::Safe)?;
        let secret: SecretBundle<'_> = read(&self.location, &reply.body)?;
        if secret.content_type.as_deref() != Some(create::OCTETS) {
            return Ok(SecretBytes::from_slice(secret.value.as_bytes()));
        }
        secret_base64(&secret.value).ok_or_else(|| invalid(&self.location, "a secret of bytes isn't base64"))
    }

    fn secret_in_any_state(&self, number: ObjectNumber) -> Result<SecretBytes> {
        self.secret(number)
    }

    fn create(&self, drafts: Vec<Draft>) -> Result<Vec<Arc<Object>>> {
        self.create_all(drafts)
    }

    fn generate_pair(&self, algorithm: KeyAlgorithm, private: Draft, public: Draft) -> Result<[Arc<Object>; 2]> {
        self.make_pair(algorithm, &private, &public)
    }

    fn generate_secret(&self, algorithm: KeyAlgorithm, draft: Draft) -> Result<Arc<Object>> {
        self.make_secret(algorithm, &draft)
    }

    fn change(
        &self,
        numbers: &[ObjectNumber],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>> {
        numbers.iter().map(|number| self.change_one(*number, edit)).collect()
    }

    fn delete(&self, numbers: &[ObjectNumber]) -> Result<()> {
        numbers.iter().try_for_each(|number| self.delete_one(*number))
    }

    fn transact(&self, _decide: &mut dyn FnMut(&Image) -> Result<Vec<Change>>) -> Result<Vec<Arc<Object>>> {
        Err(VaultError::OnlyThere)
    }

    fn in_forked_child(&self) -> Result<Arc<dyn VaultAdmin>> {
        // The parent's locks may be held by threads that don't exist here: what is published is read without one.
        let known = self.published.load_full();
        let inherited = known.as_ref().map(|listing| (listing.contents.clone(), listing.taken));
        // Or what its own parent left it, and it never used.
        let inherited = inherited.or_else(|| self.inherited.try_lock().ok()?.clone());
        // Its keys hold the parent's session, which isn't dropped here.
        std::mem::forget(known);
        Ok(Arc::new(Self {
            config: self.config.clone(),
            name: self.name.clone(),
            location: Arc::clone(&self.location),
            service: self.service,
            filter: self.filter.clone(),
            names: self.names.clone(),
            show_all_versions: self.show_all_versions,
            allow_conflicting_usage: self.allow_conflicting_usage,
            session: Arc::new(self.session.in_forked_child()),
            unlocked: AtomicBool::new(false),
            published: ArcSwapOption::empty(),
            reading: Mutex::default(),
            inherited: Mutex::new(inherited),
        }))
    }
}

/// What only a vault on this machine can do is refused.
impl VaultAdmin for AzureVault {
    fn initialize(&self, _label: &str, _so_pin: &Pin) -> Result<()> {
        Err(VaultError::ReadOnly(self.location.to_string()))
    }
}
