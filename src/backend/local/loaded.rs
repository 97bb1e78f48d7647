//! What is in memory of a vault: every object, with its sealed private part, verified against the header's sum.
//!
//! Persistent maps throughout: a copy is cheap, so that a load which fails half-way changed nothing, and what was
//! published before stays as it was.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use globset::GlobSet;
use rpds::HashTrieMapSync;

use super::header::{self, Counters};
use super::record::{self, TOMBSTONE};
use super::seal::{self, Part, PartKey, RootKey, RowCode};
use super::store::{HeaderRow, Row, Snapshot};
use super::sum::RecordSum;
use super::wrapped;
use crate::crypto::SecretBytes;
use crate::sys::memory::{SecretPool, SecretSlot};
use crate::vault::{Class, Image, Object, ObjectNumber, Result, Usage, VaultError};

/// One object and what its row says beside it.
pub struct Entry {
    /// The object.
    pub object: Arc<Object>,
    /// Its byte in `changes`, or 0.
    pub key_number: u32,
    /// What its row says of its state.
    pub state: u8,
    /// Its place in the sum; only of a verified row.
    pub code: RowCode,
    /// The row without its attributes: what the private part's seal binds, and that part.
    row: Row,
    /// The key of the private part, for keys that a forked child may use.
    ring: Option<SecretSlot>,
}

impl Entry {
    /// Keeps the ring's key in memory in a forked child too.
    pub fn lock_again(&self) {
        if let Some(slot) = &self.ring {
            slot.lock_again();
        }
    }

    /// Opens the private part, which lies in `file` under this header: with the ring's key if there is one, else with the
    /// root key.
    pub fn open_secret(&self, header: &HeaderRow, root: Option<&RootKey>, file: &Path) -> Result<SecretBytes> {
        let vault = &header.vault_id;
        if self.row.secret.is_empty() {
            return Err(VaultError::NotFound);
        }
        let key = match (&self.ring, root) {
            (Some(slot), _) => PartKey::from_bytes(slot.expose()),
            // Replaced between a look at the image and one at the root key.
            (None, Some(root)) if root.number() != header.root_number => return Err(VaultError::Rekeyed),
            (None, Some(root)) => root.part_key(vault, &self.row.id, Part::Private, &self.row.salt)?,
            (None, None) => return Err(VaultError::Locked),
        };
        let opened = key.open(&seal::row_binding(vault, &self.row), &self.row.secret)?;
        opened.ok_or_else(|| VaultError::Damaged {
            file: file.display().to_string(),
            what: format!("the private part of record {} was changed by somebody else", hex(&self.row.id)),
        })
    }
}

/// Everything of one vault at one commit.
#[derive(Clone, Default)]
pub struct Loaded {
    /// As it was read; `None` before the first load.
    pub header: Option<HeaderRow>,
    /// Read with the root key, and found whole.
    pub verified: bool,
    /// All objects.
    pub image: Image,
    /// By object number.
    pub entries: HashTrieMapSync<ObjectNumber, Arc<Entry>>,
}

/// What loading needs to know of the vault around it.
pub struct Surroundings<'a> {
    /// The database's path, for messages.
    pub file: &'a str,
    /// Which keys a forked child may use.
    pub filter: Option<&'a GlobSet>,
    /// Where their private parts' keys lie.
    pub ring: &'a SecretPool,
}

impl Loaded {
    /// An object that wasn't deleted softly.
    pub fn live(&self, number: ObjectNumber) -> Result<&Arc<Entry>> {
        match self.entries.get(&number) {
            None => Err(VaultError::NotFound),
            Some(entry) if entry.object.content.deleted.is_some() => Err(VaultError::Deleted),
            Some(entry) => Ok(entry),
        }
    }

    /// Reads the public objects, which nothing vouches for.
    pub fn load_public(&mut self, snapshot: &dyn Snapshot, around: &Surroundings<'_>) -> Result<()> {
        let header = snapshot.header()?;
        header::check_format(&header, around.file)?;
        if self.header.as_ref() == Some(&header) {
            return Ok(());
        }
        let mut fresh = Self::default();
        snapshot.scan(0, &mut |row| {
            if row.kind == TOMBSTONE || row.readable.is_empty() {
                return Ok(());
            }
            let object = fresh.decode(&row, &row.readable, around)?;
            fresh.insert(object, row, None);
            Ok(())
        })?;
        fresh.image.commit = header.commit;
        fresh.header = Some(header);
        *self = fresh;
        Ok(())
    }

    /// Brings everything to the store's newest commit and verifies it. Reads only what changed if it can.
    pub fn load(
        &mut self,
        snapshot: &dyn Snapshot,
        root: &RootKey,
        counters: &mut Counters,
        around: &Surroundings<'_>,
    ) -> Result<()> {
        let header = snapshot.header()?;
        header::check_format(&header, around.file)?;
        if self.verified && self.header.as_ref() == Some(&header) {
            return Ok(());
        }
        if header.root_number != root.number() {
            return Err(VaultError::Rekeyed);
        }
        let sealed = Counters::open(root, &header, around.file)?;
        if wrapped::digest_of(&snapshot.wrapped_keys()?) != sealed.wrapped_digest {
            return Err(damaged(around, "a wrapped key was exchanged".into()));
        }
        let changed = self.changed_since(snapshot, root, counters, &header, &sealed, around)?;
        let mut fresh = match changed {
            Some(fresh) => fresh,
            None => Self::load_whole(snapshot, root, &header, &sealed, around)?,
        };
        fresh.verified = true;
        fresh.image.commit = header.commit;
        fresh.header = Some(header);
        *counters = sealed;
        *self = fresh;
        Ok(())
    }

    /// Takes in the rows of a commit of this process.
    pub fn extend(
        &mut self,
        rows: impl Iterator<Item = Row>,
        root: &RootKey,
        header: HeaderRow,
        counters: &mut Counters,
        sealed: Counters,
        around: &Surroundings<'_>,
    ) -> Result<()> {
        let mut sum = counters.sum;
        for row in rows {
            self.apply(row, root, &header, &mut sum, around)?;
        }
        self.image.commit = header.commit;
        self.header = Some(header);
        *counters = sealed;
        Ok(())
    }

    /// Only the rows after the last load; `None` if that can't be right, or nothing was loaded yet.
    fn changed_since(
        &self,
        snapshot: &dyn Snapshot,
        root: &RootKey,
        counters: &Counters,
        header: &HeaderRow,
        sealed: &Counters,
        around: &Surroundings<'_>,
    ) -> Result<Option<Self>> {
        if !self.verified || counters.generation != sealed.generation {
            return Ok(None);
        }
        let mut fresh = self.clone();
        let mut sum = counters.sum;
        snapshot.scan(counters.next_seq - 1, &mut |row| fresh.apply(row, root, header, &mut sum, around))?;
        Ok((sum == sealed.sum).then_some(fresh))
    }

    fn load_whole(
        snapshot: &dyn Snapshot,
        root: &RootKey,
        header: &HeaderRow,
        sealed: &Counters,
        around: &Surroundings<'_>,
    ) -> Result<Self> {
        let mut fresh = Self::default();
        let mut sum = RecordSum::default();
        let mut ids = HashSet::new();
        snapshot.scan(0, &mut |row| {
            // Else an old copy beside the newer one would cancel out of the sum.
            if !ids.insert(row.id) {
                return Err(damaged(around, format!("record {} is there twice", hex(&row.id))));
            }
            fresh.apply(row, root, header, &mut sum, around)
        })?;
        if sum == sealed.sum {
            return Ok(fresh);
        }
        let what = match ids.iter().find(|id| sum.count == sealed.sum.count && sealed.sum.explained_by(&sum, **id)) {
            Some(id) => format!("record {} is an older copy of itself", hex(id)),
            None => format!("records are missing or older copies: {} of {} were found", sum.count, sealed.sum.count),
        };
        Err(damaged(around, what))
    }

    /// Verifies one row and takes it in, in place of an older one.
    fn apply(
        &mut self,
        row: Row,
        root: &RootKey,
        header: &HeaderRow,
        sum: &mut RecordSum,
        around: &Surroundings<'_>,
    ) -> Result<()> {
        let key = root.part_key(&header.vault_id, &row.id, Part::Attributes, &row.salt)?;
        let opened = key.open(&seal::row_binding(&header.vault_id, &row), &row.attributes)?;
        let Some(opened) = opened else {
            return Err(damaged(around, format!("record {} was changed by somebody else", hex(&row.id))));
        };
        if let Some(old) = self.image.any_with_unique_id(&row.id).map(|object| object.number)
            && let Some(entry) = self.entries.get(&old)
        {
            sum.remove(row.id, root.code(&entry.code));
            self.remove(old);
        }
        sum.add(row.id, root.code(&RowCode::of(&row)));
        if row.kind == TOMBSTONE {
            return Ok(());
        }
        let attributes = if row.readable.is_empty() { opened.expose() } else { &row.readable };
        let object = self.decode(&row, attributes, around)?;
        let ring = match may_be_inherited(&object, around.filter) {
            true if !row.secret.is_empty() => {
                let key = root.part_key(&header.vault_id, &row.id, Part::Private, &row.salt)?;
                Some(around.ring.put(key.expose()).map_err(seal::no_memory)?)
            }
            _ => None,
        };
        self.insert(object, row, ring);
        Ok(())
    }

    fn decode(&self, row: &Row, attributes: &[u8], around: &Surroundings<'_>) -> Result<Object> {
        record::decode(attributes, row.id, row.number, Class::from_number(row.kind))
            .ok_or_else(|| damaged(around, format!("record {} can't be read", hex(&row.id))))
    }

    fn insert(&mut self, object: Object, mut row: Row, ring: Option<SecretSlot>) {
        let object = Arc::new(object);
        let code = RowCode::of(&row);
        row.attributes = Vec::new();
        if row.secret.is_empty() {
            row.readable = Vec::new();
        }
        let entry =
            Entry { object: Arc::clone(&object), key_number: row.key_number, state: row.state, code, row, ring };
        self.entries.insert_mut(object.number, Arc::new(entry));
        self.image.insert(object);
    }

    fn remove(&mut self, number: ObjectNumber) {
        self.entries.remove_mut(&number);
        self.image.remove(number);
    }

    /// The bytes that `changes` should hold.
    pub fn states(&self) -> Vec<(u32, u8)> {
        let keys = self.entries.values().filter(|entry| entry.key_number != 0);
        keys.map(|entry| (entry.key_number, entry.state)).collect()
    }

    /// What of this may be shown without login.
    pub fn public_part(&self) -> Self {
        let mut public = Self { header: self.header.clone(), ..Self::default() };
        public.image.commit = self.image.commit;
        for entry in self.entries.values().filter(|entry| !entry.object.content.private) {
            public.entries.insert_mut(entry.object.number, Arc::clone(entry));
            public.image.insert(Arc::clone(&entry.object));
        }
        public
    }

    /// The objects that this host may see.
    pub fn visible(&self, filter: Option<&GlobSet>) -> Image {
        let Some(filter) = filter else { return self.image.clone() };
        let mut image = Image::default();
        image.commit = self.image.commit;
        for object in self.image.everything().filter(|object| passes(object, filter)) {
            image.insert(Arc::clone(object));
        }
        image
    }
}

/// Whether a host with this filter sees an object: by its name or its label.
pub fn passes(object: &Object, filter: &GlobSet) -> bool {
    if object.content.class == Class::Service {
        return false;
    }
    let label = std::str::from_utf8(&object.content.label);
    object.name.as_ref().is_some_and(|name| filter.is_match(name.as_str()))
        || label.is_ok_and(|label| filter.is_match(label))
}

fn may_be_inherited(object: &Object, filter: Option<&GlobSet>) -> bool {
    object.content.class == Class::PrivateKey
        && object.content.usage.intersects(Usage::SIGN | Usage::DECRYPT | Usage::DERIVE)
        && filter.is_none_or(|filter| passes(object, filter))
}

fn damaged(around: &Surroundings<'_>, what: String) -> VaultError {
    VaultError::Damaged { file: around.file.to_owned(), what }
}

/// Hexadecimal digits, for messages.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
