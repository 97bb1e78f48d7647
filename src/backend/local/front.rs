//! What [`Vault`] offers: finding and using keys without a lock, changing objects through `write.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::key::{self, KeyCache, LocalKey};
use super::loaded::Entry;
use super::*;

impl Vault for LocalVault {
    fn info(&self) -> Result<VaultInfo> {
        self.describe()
    }

    fn location(&self) -> String {
        self.directory.text()
    }

    fn unlock(&self, how: &Unlock) -> Result<()> {
        let _wipe = WipeStack;
        self.log_in(how)
    }

    fn is_unlocked(&self) -> bool {
        self.unlocked.load(Ordering::Acquire)
    }

    fn lock(&self) {
        self.unlocked.store(false, Ordering::Release);
        if self.heir {
            return;
        }
        let mut state = self.state();
        state.forget();
        self.publish(&state);
        self.private_keys.clear();
        self.secret_keys.clear();
    }

    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.published.load().image)
    }

    fn refresh(&self) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        if !self.published.load().verified && !self.directory.exists()? {
            return Ok(());
        }
        let _wipe = WipeStack;
        let mut state = self.state();
        if self.sees_newest() {
            return Ok(());
        }
        match self.reload(&mut state) {
            Ok(()) => {
                self.publish(&state);
                Ok(())
            }
            // The process gave its rights up after it had logged in: it goes on with what it has.
            Err(VaultError::Io { source, path }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                match state.loaded.verified {
                    true => Ok(()),
                    false => Err(VaultError::Io { source, path }),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn is_fresh(&self) -> bool {
        self.heir || self.sees_newest()
    }

    fn private_key(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>> {
        let key = self.key(number, &self.private_keys, |pkcs8, _| crypto::PrivateKey::from_pkcs8(pkcs8.expose()))?;
        key.check_usable()?;
        Ok(key)
    }

    fn secret_key(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>> {
        let key = self.key(number, &self.secret_keys, |value, algorithm| crypto::SecretKey::new(algorithm, value))?;
        key.usable()?;
        Ok(key)
    }

    fn private_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>> {
        let parse: Parse<_> = |pkcs8, _| crypto::PrivateKey::from_pkcs8(pkcs8.expose());
        let key = self.key(number, &self.private_keys, parse)?.at_any_time();
        key.check_usable()?;
        Ok(Arc::new(key))
    }

    fn secret_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>> {
        let parse: Parse<_> = |value, algorithm| crypto::SecretKey::new(algorithm, value);
        let key = self.key(number, &self.secret_keys, parse)?.at_any_time();
        key.usable()?;
        Ok(Arc::new(key))
    }

    fn secret(&self, number: ObjectNumber) -> Result<SecretBytes> {
        self.secret_part(number, true)
    }

    fn secret_in_any_state(&self, number: ObjectNumber) -> Result<SecretBytes> {
        self.secret_part(number, false)
    }

    fn create(&self, drafts: Vec<Draft>) -> Result<Vec<Arc<Object>>> {
        self.create_together(drafts, false)
    }

    fn generate_pair(&self, algorithm: KeyAlgorithm, private: Draft, public: Draft) -> Result<[Arc<Object>; 2]> {
        let (key, pkcs8) = crypto::PrivateKey::generate(algorithm)?;
        self.create_pair(&key, pkcs8, private, public)
    }

    fn generate_secret(&self, algorithm: KeyAlgorithm, mut draft: Draft) -> Result<Arc<Object>> {
        let bytes = algorithm.secret_len().ok_or(VaultError::Unsupported("this is no kind of secret key"))?;
        draft.secret = Some(SecretBytes::filled(bytes, crypto::random)?);
        draft.content.key = Some(KeyDescription { algorithm, public: Arc::from([]) });
        draft.content.local = true;
        if draft.content.id.is_empty() {
            let mut id = [0; 16];
            crypto::random(&mut id)?;
            draft.content.id = id.to_vec();
        }
        let created = self.create(vec![draft])?;
        created.into_iter().next().ok_or(VaultError::NotFound)
    }

    fn change(
        &self,
        numbers: &[ObjectNumber],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>> {
        self.write(&mut |state, _, plan| plan.change(state, numbers, edit))
    }

    fn delete(&self, numbers: &[ObjectNumber]) -> Result<()> {
        self.write(&mut |state, _, plan| plan.end(state, numbers)).map(drop)
    }

    fn transact(&self, decide: &mut dyn FnMut(&Image) -> Result<Vec<Change>>) -> Result<Vec<Arc<Object>>> {
        self.write(&mut |state, counters, plan| {
            let mut drafts = Vec::new();
            for change in decide(&state.loaded.image)? {
                match change {
                    Change::Create(draft) => drafts.push(draft),
                    Change::Set(number, content) => plan.set(state, number, content)?,
                    Change::Delete(number) => plan.purge(state, &[number])?,
                }
            }
            plan.create(state, counters, drafts, false)
        })
    }

    fn in_forked_child(&self) -> Result<Arc<dyn VaultAdmin>> {
        self.child()
    }
}

/// Makes a key of its secret part.
type Parse<K> = fn(SecretBytes, KeyAlgorithm) -> crypto::Result<K>;

impl LocalVault {
    /// Whether `changes` says that what is published is the newest that was acknowledged. A change that somebody is in
    /// the middle of isn't: nobody waits for it, and a key that it takes away is refused by its byte already. What a
    /// writer left that died is mended by a load.
    fn sees_newest(&self) -> bool {
        let published = self.published.load();
        let Some(header) = &published.header else { return false };
        let page = self.page.load();
        // One look at the disk: nobody writes to a page whose file is gone.
        if page.as_ref().is_some_and(|page| page.is_replaced()) {
            return false;
        }
        let stamp = page.as_ref().map(|page| page.stamp());
        match published.verified {
            true => stamp.is_some_and(|stamp| {
                let same = stamp.done == header.commit && stamp.tag == header::tag(header);
                same && stamp.this_boot
                    && stamp.generation == published.generation
                    && (stamp.started == stamp.done || self.directory.is_being_written())
            }),
            false => stamp.is_some_and(|stamp| stamp.done == header.commit && stamp.started == stamp.done),
        }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.get().copied().unwrap_or(false)
    }

    /// The page, if it can say anything of keys: where nothing can be written, one of another boot never will.
    fn page_of_keys(&self) -> Option<Arc<Page>> {
        self.page().filter(|page| self.heir || !self.is_read_only() || page.stamp().this_boot)
    }

    /// The secret part of an object; `usable`: only if it may be used now.
    pub(super) fn secret_part(&self, number: ObjectNumber, usable: bool) -> Result<SecretBytes> {
        let _wipe = WipeStack;
        let mut published = self.published.load();
        if usable && published.entries.get(&number).is_none_or(|entry| entry.key_number == 0) {
            // What is no key has no byte that says at once what others did to it: only the newest state does.
            self.refresh()?;
            published = self.published.load();
            let content = published.entries.get(&number).map(|entry| &entry.object.content);
            match content {
                Some(content) if content.deleted.is_some() => return Err(VaultError::Deleted),
                Some(content) if !content.enabled => return Err(VaultError::Disabled),
                _ => {}
            }
        }
        let Some(entry) = published.entries.get(&number) else { return Err(VaultError::NotFound) };
        let Some(header) = &published.header else { return Err(VaultError::NotFound) };
        if usable && entry.key_number != 0 {
            let page = self.page_of_keys();
            key::check_state(key::state(page.as_deref(), entry, published.generation, self.is_read_only()))?;
        }
        entry.open_secret(header, published.root.as_deref(), &self.directory.database())
    }

    /// A key, from the cache or out of its record.
    fn key<K>(&self, number: ObjectNumber, cache: &KeyCache<K>, parse: Parse<K>) -> Result<Arc<LocalKey<K>>> {
        let published = self.published.load();
        let Some(entry) = published.entries.get(&number) else { return Err(VaultError::NotFound) };
        match cache.get(number) {
            Some(key) if key.revision == entry.code.seq && key.generation == published.generation => Ok(key),
            other => self.load_key(&published, entry, other, cache, parse),
        }
    }

    fn load_key<K>(
        &self,
        published: &Published,
        entry: &Entry,
        cached: Option<Arc<LocalKey<K>>>,
        cache: &KeyCache<K>,
        parse: Parse<K>,
    ) -> Result<Arc<LocalKey<K>>> {
        let Some(header) = &published.header else { return Err(VaultError::Locked) };
        let _wipe = WipeStack;
        if !published.verified {
            return Err(VaultError::Locked);
        }
        let key = match cached {
            // Attributes changed, never the key itself.
            Some(cached) => Arc::clone(&cached.key),
            None => {
                let description = entry.object.content.key.as_ref().ok_or(VaultError::NotFound)?;
                let file = self.directory.database();
                Arc::new(parse(entry.open_secret(header, published.root.as_deref(), &file)?, description.algorithm)?)
            }
        };
        let content = &entry.object.content;
        let page = self.page_of_keys();
        let key = Arc::new(LocalKey {
            key,
            number: entry.object.number,
            revision: entry.code.seq,
            key_number: entry.key_number,
            generation: published.generation,
            unmapped_state: key::state(None, entry, published.generation, self.is_read_only()),
            not_before: content.not_before,
            expires: content.expires,
            page,
        });
        if key.page.is_some() || self.is_read_only() {
            cache.put(Arc::clone(&key));
        }
        Ok(key)
    }

    fn create_together(&self, drafts: Vec<Draft>, one_key: bool) -> Result<Vec<Arc<Object>>> {
        let mut drafts = Some(drafts);
        self.write(&mut |state, counters, plan| {
            plan.create(state, counters, drafts.take().unwrap_or_default(), one_key)
        })
    }

    fn create_pair(
        &self,
        key: &crypto::PrivateKey,
        pkcs8: SecretBytes,
        mut private: Draft,
        mut public: Draft,
    ) -> Result<[Arc<Object>; 2]> {
        let half = KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() };
        for draft in [&mut private, &mut public] {
            draft.content.key = Some(half.clone());
            draft.content.local = true;
            if draft.content.id.is_empty() {
                draft.content.id = key.public_key().key_id().to_vec();
            }
        }
        private.secret = Some(pkcs8);
        let created = self.create_together(vec![private, public], true)?;
        created.try_into().map_err(|_| VaultError::NotFound)
    }
}
