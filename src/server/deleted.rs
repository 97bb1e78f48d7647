//! Keys, secrets and certificates between their deletion and their end: deleted with all versions, listed, shown, brought back, purged.
//!
//! What is past its date counts as gone at once: the gate purges before it looks at a request, a task does it without
//! requests, and should the vault refuse the write, nothing here shows it any more.

use std::sync::Arc;

use serde::Serialize;

use super::call::{Call, Reply};
use super::certificates::secret::managed;
use super::error::{Result, ServiceError};
use super::pool::Pools;
use super::{Served, Server, paging};
use crate::vault::{self, Change, Collection, Content, Deletion, Draft, Image, Name, Object};

/// Seconds between two looks at what is due without a request.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// A kind of object that is deleted softly.
pub trait Kind {
    /// Where it is listed.
    const COLLECTION: Collection;
    /// How the newest of its versions is shown.
    type Bundle<'a>: Serialize;
    /// How it is listed.
    type Item<'a>: Serialize;

    /// All versions and halves of what has this name.
    fn live<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
        image.with_name(Self::COLLECTION, name.as_str()).collect()
    }

    /// As [`live`](Self::live), of what was deleted.
    fn kept<'a>(image: &'a Image, name: &str) -> Vec<&'a Arc<Object>> {
        image.deleted_with_name(Self::COLLECTION, name).collect()
    }

    /// The names of what was deleted, in order, from one on.
    fn kept_names<'a>(image: &'a Image, from: &str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        Box::new(image.deleted_names(Self::COLLECTION, from))
    }

    /// The newest of these versions, which are in this image; `None` if they are no such object.
    fn bundle<'a>(call: &Call, image: &Image, versions: &[&'a Arc<Object>]) -> Result<Option<Self::Bundle<'a>>>;

    /// The same in a list, under this id.
    fn item<'a>(call: &Call, versions: &[&'a Arc<Object>], id: String) -> Option<Self::Item<'a>>;

    /// What a backup of this name holds.
    fn whole<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
        Self::live(image, name)
    }

    /// Whether a backup may hold such an object.
    fn is_part(content: &Content) -> bool {
        Collection::of(content) == Some(Self::COLLECTION)
    }

    /// What comes back with a backup and isn't in it.
    fn beside(_image: &Image, _parts: &[Draft]) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    /// Nothing of the kind is called so.
    fn not_found(name: &Name) -> ServiceError;
}

/// A bundle or item of what is deleted.
#[derive(Serialize)]
struct Deleted<T> {
    #[serde(flatten)]
    what: T,
    #[serde(rename = "recoveryId")]
    recovery_id: String,
    #[serde(rename = "deletedDate")]
    deleted: i64,
    #[serde(rename = "scheduledPurgeDate")]
    purge: i64,
}

impl<T> Deleted<T> {
    fn new<K: Kind>(call: &Call, name: &str, what: T, deletion: Deletion) -> Self {
        let recovery_id = call.recovery_id(K::COLLECTION, name);
        Self { what, recovery_id, deleted: deletion.at, purge: deletion.purge }
    }
}

/// DELETE `/keys/{name}`, `/secrets/{name}`: all versions.
pub fn delete<K: Kind>(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let versions = K::live(&call.image, name);
    let bundle = K::bundle(call, &call.image, &versions)?.ok_or_else(|| K::not_found(name))?;
    refuse_another_s::<K>(&versions, name)?;
    let deletion = vault::delete_softly(&*call.served.vault, K::COLLECTION, name, call.now)?;
    Reply::json(&Deleted::new::<K>(call, shown(&versions, name), bundle, deletion))
}

/// GET `/deletedkeys`, `/deletedsecrets`.
pub fn list<K: Kind>(call: &Call) -> Result<Reply> {
    paging::page(call, &format!("deleted{}", K::COLLECTION.segment()), |from| {
        K::kept_names(&call.image, from).filter_map(|folded| {
            let versions = kept::<K>(call, folded);
            let name = versions.first()?.name.as_ref()?;
            let deletion = versions.first()?.content.deleted?;
            let item = K::item(call, &versions, call.id(K::COLLECTION, name.as_str()))?;
            Some((folded.to_owned(), Deleted::new::<K>(call, name.as_str(), item, deletion)))
        })
    })
}

/// GET `/deletedkeys/{name}`, `/deletedsecrets/{name}`.
pub fn get<K: Kind>(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let versions = kept::<K>(call, name.as_str());
    let deletion = versions.first().and_then(|object| object.content.deleted).ok_or_else(|| not_deleted::<K>(name))?;
    let bundle = K::bundle(call, &call.image, &versions)?.ok_or_else(|| not_deleted::<K>(name))?;
    Reply::json(&Deleted::new::<K>(call, shown(&versions, name), bundle, deletion))
}

/// POST `/deletedkeys/{name}/recover`, `/deletedsecrets/{name}/recover`: all versions come back.
pub fn recover<K: Kind>(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let versions = kept::<K>(call, name.as_str());
    let bundle = K::bundle(call, &call.image, &versions)?.ok_or_else(|| not_deleted::<K>(name))?;
    refuse_another_s::<K>(&versions, name)?;
    vault::recover(&*call.served.vault, K::COLLECTION, name, call.now)?;
    Reply::json(&bundle)
}

/// DELETE `/deletedkeys/{name}`, `/deletedsecrets/{name}`: gone before its date.
pub fn purge<K: Kind>(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let versions = kept::<K>(call, name.as_str());
    if versions.is_empty() {
        return Err(not_deleted::<K>(name));
    }
    refuse_another_s::<K>(&versions, name)?;
    vault::purge(&*call.served.vault, K::COLLECTION, name, call.now)?;
    Ok(Reply::empty())
}

/// What is deleted under this name and not past its date.
fn kept<'a, K: Kind>(call: &'a Call, name: &str) -> Vec<&'a Arc<Object>> {
    let mut kept = K::kept(&call.image, name);
    kept.retain(|object| !vault::is_due(object, call.now));
    kept
}

/// What is shown here and is no object of its own, a certificate's secret, goes where that goes.
pub fn refuse_another_s<K: Kind>(versions: &[&Arc<Object>], name: &Name) -> Result<()> {
    match versions.iter().all(|object| K::is_part(&object.content)) {
        true => Ok(()),
        false => Err(managed(name)),
    }
}

/// The name as it was written when the object was made.
fn shown<'a>(versions: &[&'a Arc<Object>], asked: &'a Name) -> &'a str {
    versions.first().and_then(|object| object.name.as_ref()).unwrap_or(asked).as_str()
}

fn not_deleted<K: Kind>(name: &Name) -> ServiceError {
    let code = K::not_found(name).code;
    ServiceError::not_found(code, format!("A deleted object with the name {name} was not found in this key vault."))
}

impl Served {
    /// Whether something is past its date.
    pub(super) fn has_due(&self, now: i64) -> bool {
        self.vault.image().next_purge().is_some_and(|date| date <= now)
    }

    /// Purges what is past its date. What can't be purged is said in the log: it counts as gone all the same.
    pub(super) async fn purge_due(self: &Arc<Self>, pools: &Pools, now: i64) {
        let served = Arc::clone(self);
        match pools.write(move || served.purge_due_now(now)).await {
            Ok(()) => {}
            Err(error) => tracing::warn!("what is due could not be purged: {}", error.message),
        }
    }

    /// [`purge_due`](Self::purge_due) on this thread.
    pub(super) fn purge_due_now(&self, now: i64) {
        match vault::purge_due(&*self.vault, now) {
            Ok(0) => {}
            Ok(objects) => tracing::info!("purged {objects} objects whose retention has ended"),
            Err(error) => tracing::warn!("what is due could not be purged: {error}"),
        }
    }
}

impl Server {
    /// Purges in every vault what is past its date, again and again, until it is dropped.
    pub async fn purge_regularly(self: Arc<Self>) {
        let mut interval = tokio::time::interval(LOOK_EVERY);
        loop {
            interval.tick().await;
            for served in self.vaults.values() {
                if let Err(error) = served.vault.refresh() {
                    tracing::warn!("a vault can't be looked at for what is due: {error}");
                } else if served.has_due(self.clock.now()) {
                    served.purge_due(&self.pools, self.clock.now()).await;
                }
            }
        }
    }
}
