//! Session objects: vault objects that live in memory, as long as the session that made them.
//!
//! They are published as one immutable [`Image`] beside their secrets, so that the same code finds and reads them as
//! token objects, without locks. A forked child starts with none.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use cryptoki_sys::*;
use rpds::HashTrieMapSync;

use crate::crypto;
use crate::pkcs11::error::Rv;
use crate::sys::memory::OwnSecret;
use crate::vault::{
    self, Class, Content, Draft, EncryptScheme, Image, KeyAlgorithm, Object, ObjectNumber, PrivateKey, SecretBytes,
    SecretKey, SignScheme, UsableKey, VaultError,
};

/// Set in the number of every session object.
const SESSION_BIT: ObjectNumber = 1 << 63;

/// Whether this is the number of a session object.
pub fn is_session_object(number: ObjectNumber) -> bool {
    number & SESSION_BIT != 0
}

/// The session objects of one slot.
#[derive(Default)]
pub struct SessionObjects {
    published: ArcSwap<Published>,
    changing: Mutex<()>,
}

/// The session objects at one moment.
#[derive(Clone, Default)]
pub struct Published {
    image: Image,
    kept: HashTrieMapSync<ObjectNumber, Kept>,
}

/// What is kept beside an object.
#[derive(Clone)]
struct Kept {
    owner: CK_SESSION_HANDLE,
    /// In memory that a fork wipes.
    secret: Option<Arc<OwnSecret>>,
    key: Option<ReadyKey>,
}

/// A key that was parsed when its object was made.
#[derive(Clone)]
enum ReadyKey {
    Private(Arc<SessionKey<crypto::PrivateKey>>),
    Secret(Arc<SessionKey<crypto::SecretKey>>),
}

/// A key in a session. A copy of a vault's key is valid no longer than that.
struct SessionKey<K> {
    key: K,
    not_before: Option<i64>,
    expires: Option<i64>,
}

impl<K> SessionKey<K> {
    fn check(&self) -> vault::Result<()> {
        if self.not_before.is_none() && self.expires.is_none() {
            return Ok(());
        }
        Content::validity(self.not_before, self.expires, now())
    }
}

impl PrivateKey for SessionKey<crypto::PrivateKey> {
    fn algorithm(&self) -> KeyAlgorithm {
        self.key.algorithm()
    }

    fn check_usable(&self) -> vault::Result<()> {
        self.check()
    }

    fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> vault::Result<usize> {
        self.check()?;
        Ok(self.key.sign(scheme, input, out)?)
    }

    fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> vault::Result<usize> {
        self.check()?;
        Ok(self.key.decrypt(scheme, input, out)?)
    }

    fn agree(&self, peer: &[u8]) -> vault::Result<SecretBytes> {
        self.check()?;
        Ok(self.key.agree(peer)?)
    }
}

impl SecretKey for SessionKey<crypto::SecretKey> {
    fn usable(&self) -> vault::Result<UsableKey<'_>> {
        self.check()?;
        Ok(UsableKey::Here(&self.key))
    }
}

impl ReadyKey {
    /// Of what has a value that is used; a key of a type that is only kept has none.
    fn of(draft: &Draft) -> Result<Option<Self>, Rv> {
        let (Some(description), Some(secret)) = (&draft.content.key, &draft.secret) else { return Ok(None) };
        let (not_before, expires) = (draft.content.not_before, draft.content.expires);
        Ok(match draft.content.class {
            Class::PrivateKey if !matches!(description.algorithm, KeyAlgorithm::Other(_)) => {
                let key = crypto::PrivateKey::from_pkcs8(secret.expose())?;
                Some(Self::Private(Arc::new(SessionKey { key, not_before, expires })))
            }
            Class::SecretKey => {
                let key = crypto::SecretKey::new(description.algorithm, secret.clone())?;
                Some(Self::Secret(Arc::new(SessionKey { key, not_before, expires })))
            }
            _ => None,
        })
    }
}

impl Published {
    /// The objects.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// A private key.
    pub fn private_key(&self, number: ObjectNumber) -> Option<Arc<dyn PrivateKey>> {
        match &self.kept.get(&number)?.key {
            Some(ReadyKey::Private(key)) => Some(key.clone()),
            _ => None,
        }
    }

    /// A secret key.
    pub fn secret_key(&self, number: ObjectNumber) -> Option<Arc<dyn SecretKey>> {
        match &self.kept.get(&number)?.key {
            Some(ReadyKey::Secret(key)) => Some(key.clone()),
            _ => None,
        }
    }

    /// The secret part of an object.
    pub fn secret(&self, number: ObjectNumber) -> vault::Result<SecretBytes> {
        let secret = self.kept.get(&number).and_then(|kept| kept.secret.as_ref());
        secret.and_then(|secret| secret.expose()).map(SecretBytes::from_slice).ok_or(VaultError::NotFound)
    }
}

impl SessionObjects {
    /// As they are now.
    pub fn load(&self) -> Guard<Arc<Published>> {
        self.published.load()
    }

    /// Makes an object that belongs to this session. `allowed` is asked again in the moment in which the object appears:
    /// a logout of another thread either is seen by it, or sees the object.
    pub fn create(
        &self,
        owner: CK_SESSION_HANDLE,
        draft: Draft,
        allowed: impl FnOnce() -> Result<(), Rv>,
    ) -> Result<ObjectNumber, Rv> {
        let key = ReadyKey::of(&draft)?;
        let secret = draft.secret.as_ref().map(kept_apart).transpose()?.map(Arc::new);
        let object = new_object(draft.content, draft.secret.as_ref())?;
        let number = object.number;
        self.change(|published| {
            published.image.insert(Arc::new(object));
            published.kept.insert_mut(number, Kept { owner, secret, key });
            allowed()
        })?;
        Ok(number)
    }

    /// Changes an object.
    pub fn edit(&self, number: ObjectNumber, edit: impl FnOnce(&mut Content) -> Result<(), Rv>) -> Result<(), Rv> {
        self.change(|published| {
            let mut object = Object::clone(published.image.get(number).ok_or(Rv(CKR_OBJECT_HANDLE_INVALID))?);
            edit(&mut object.content)?;
            object.updated = now();
            published.image.insert(Arc::new(object));
            Ok(())
        })
    }

    /// Ends an object.
    pub fn delete(&self, number: ObjectNumber) {
        self.drop_if(|object, _| object.number == number);
    }

    /// Ends the objects of a session that is closed.
    pub fn drop_session(&self, owner: CK_SESSION_HANDLE) {
        if !self.load().image.is_empty() {
            self.drop_if(|_, kept| kept.owner == owner);
        }
    }

    /// Ends private objects, when the user logs out. Waits for one that is just being made, also if there is no other.
    pub fn drop_private(&self) {
        self.drop_if(|object, _| object.content.private);
    }

    fn drop_if(&self, unwanted: impl Fn(&Object, &Kept) -> bool) {
        let Ok(()) = self.change(|published| {
            let is_unwanted =
                |object: &&Arc<Object>| published.kept.get(&object.number).is_some_and(|kept| unwanted(object, kept));
            let numbers: Vec<_> = published.image.objects().filter(is_unwanted).map(|object| object.number).collect();
            for number in numbers {
                published.image.remove(number);
                published.kept.remove_mut(&number);
            }
            Ok::<_, Infallible>(())
        });
    }

    /// Publishes what `change` makes of the objects, unless it fails.
    fn change<E>(&self, change: impl FnOnce(&mut Published) -> Result<(), E>) -> Result<(), E> {
        let _changing = self.changing();
        let mut published = Published::clone(&self.published.load());
        change(&mut published)?;
        self.published.store(Arc::new(published));
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept_apart(secret: &SecretBytes) -> Result<OwnSecret, Rv> {
    OwnSecret::new(secret.expose()).map_err(|error| {
        tracing::warn!("no memory for a session object's value: {error}");
        Rv(CKR_HOST_MEMORY)
    })
}

fn new_object(content: Content, secret: Option<&SecretBytes>) -> Result<Object, Rv> {
    /// One count for the process: a handle is not used again, not even after `C_Initialize`.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut unique_id = [0; 16];
    crypto::random(&mut unique_id)?;
    let created = now();
    Ok(Object {
        number: SESSION_BIT | NEXT.fetch_add(1, Ordering::Relaxed),
        unique_id,
        name: None,
        version: None,
        created,
        updated: created,
        has_secret: secret.is_some(),
        secret_len: secret.map_or(0, SecretBytes::len),
        content,
    })
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{KeyDescription, Naming};

    fn draft(label: &str, private: bool) -> Draft {
        let mut content = Content::new(Class::Data);
        content.label = label.into();
        content.private = private;
        Draft { content, naming: Naming::None, secret: None }
    }

    #[test]
    fn a_session_takes_its_objects_with_it_and_leaves_those_of_others() {
        let objects = SessionObjects::default();
        let mine = objects.create(1, draft("mine", false), || Ok(())).unwrap();
        let other = objects.create(2, draft("other", false), || Ok(())).unwrap();
        assert!(is_session_object(mine) && mine != other);
        objects.drop_session(1);
        assert!(objects.load().image().get(mine).is_none());
        assert!(objects.load().image().get(other).is_some());
    }

    #[test]
    fn logging_out_ends_private_session_objects_only() {
        let objects = SessionObjects::default();
        let private = objects.create(1, draft("a", true), || Ok(())).unwrap();
        let public = objects.create(1, draft("b", false), || Ok(())).unwrap();
        objects.drop_private();
        assert!(objects.load().image().get(private).is_none());
        assert!(objects.load().image().get(public).is_some());
    }

    #[test]
    fn a_private_object_that_is_made_during_a_logout_does_not_outlive_it() {
        let objects = SessionObjects::default();
        std::thread::scope(|threads| {
            let log_out_and_allow = || {
                threads.spawn(|| objects.drop_private());
                // Long enough for a logout that doesn't wait.
                std::thread::sleep(std::time::Duration::from_millis(100));
                Ok(())
            };
            objects.create(1, draft("a", true), log_out_and_allow).unwrap();
        });
        assert!(objects.load().image().is_empty());
        let logged_out = || Err(Rv(CKR_USER_NOT_LOGGED_IN));
        assert_eq!(objects.create(1, draft("b", true), logged_out), Err(Rv(CKR_USER_NOT_LOGGED_IN)));
        assert!(objects.load().image().is_empty());
    }

    #[test]
    fn a_copy_of_a_key_is_valid_no_longer_than_the_key() {
        let pkcs8 = crypto::PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap().1;
        let usable = |not_before, expires| {
            let key = Some(KeyDescription { algorithm: KeyAlgorithm::Ed25519, public: Arc::new([]) });
            let content = Content { key, not_before, expires, ..Content::new(Class::PrivateKey) };
            let objects = SessionObjects::default();
            let copy = Draft { content, naming: Naming::None, secret: Some(pkcs8.clone()) };
            let number = objects.create(1, copy, || Ok(())).unwrap();
            let key = objects.load().private_key(number).unwrap();
            let signed = key.sign(&SignScheme::Ed25519, b"m", &mut [0; 64]).is_ok();
            assert_eq!(key.check_usable().is_ok(), signed);
            signed
        };
        assert!(usable(None, None) && usable(Some(now() - 9), Some(now() + 900)));
        assert!(!usable(Some(now() + 900), None) && !usable(None, Some(now() - 9)));
    }

    #[test]
    fn a_refused_edit_changes_nothing() {
        let objects = SessionObjects::default();
        let number = objects.create(1, draft("a", false), || Ok(())).unwrap();
        let refused = objects.edit(number, |content| {
            content.label = b"b".to_vec();
            Err(Rv(CKR_ATTRIBUTE_READ_ONLY))
        });
        assert_eq!(refused, Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
        assert_eq!(objects.load().image().get(number).unwrap().content.label, b"a");
    }
}
