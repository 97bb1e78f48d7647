//! Who may do what: roles, assignments, and the decision, which denies what nothing allows.
//!
//! Assignments are records in the vault whose objects they concern. What they allow is worked out once after each change of
//! them ([`Grants`]), and asked at every request, so that a permission taken away counts at once.

mod action;
mod assignment;
mod role;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub use action::{ActionSet, DataAction};
pub use assignment::{Assignment, Scope, assign, assignments, has_administrator, keep_an_administrator, unassign};
pub use role::{ADMINISTRATOR, BUILT_IN, BuiltInRole};

use super::record;
use crate::vault::{Collection, Image, Object, ObjectNumber};

/// What the assignments of one vault allow.
#[derive(Debug, Default)]
pub struct Grants {
    by_principal: HashMap<Box<str>, Granted>,
}

#[derive(Debug, Default)]
struct Granted {
    everywhere: ActionSet,
    objects: HashMap<(Collection, Box<str>), ActionSet>,
}

impl Grants {
    /// Works out what the assignments in this image allow.
    pub fn of(image: &Image) -> Self {
        let mut grants = Self::default();
        for stored in record::all::<Assignment>(image) {
            let Assignment { principal, role, scope, .. } = stored.record;
            let Some(role) = BuiltInRole::find(&role) else { continue };
            let granted = grants.by_principal.entry(principal.into()).or_default();
            let set = match scope {
                Scope::Vault => &mut granted.everywhere,
                Scope::Object(collection, name) => {
                    granted.objects.entry((collection, name.folded().into())).or_default()
                }
            };
            *set |= role.actions();
        }
        grants
    }

    /// Whether `principal` may do this to the object with this name (in small letters), or to the whole vault.
    pub fn allow(&self, principal: &str, action: DataAction, object: Option<(Collection, &str)>) -> bool {
        let Some(granted) = self.by_principal.get(principal) else { return false };
        if granted.everywhere.contains(action) {
            return true;
        }
        let Some((collection, name)) = object.filter(|_| !granted.objects.is_empty()) else { return false };
        granted.objects.get(&(collection, Box::from(name))).is_some_and(|set| set.contains(action))
    }
}

type Records = Arc<std::collections::BTreeMap<ObjectNumber, Arc<Object>>>;

/// Something that is made of a vault's records, and made anew only when one of them changed.
#[derive(Debug)]
pub struct Compiled<T>(ArcSwapOption<(Records, Arc<T>)>);

impl<T> Default for Compiled<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> Compiled<T> {
    /// What this image's records make; `make` is called if they are others than last time.
    pub fn of(&self, image: &Image, make: impl FnOnce(&Image) -> T) -> Arc<T> {
        let records = image.service();
        if let Some(known) = &*self.0.load()
            && Arc::ptr_eq(&known.0, records)
        {
            return Arc::clone(&known.1);
        }
        let made = Arc::new(make(image));
        self.0.store(Some(Arc::new((Arc::clone(records), Arc::clone(&made)))));
        made
    }
}
