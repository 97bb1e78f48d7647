//! Who may do what: roles and their assignments, or access policies, and the decision, which denies what nothing allows.
//!
//! Assignments, policies and roles that were made here are records in the vault whose objects they concern. What they allow is
//! worked out once after each change of them ([`Rights`]), and asked at every request, so that a permission taken away counts
//! at once. [`explain`] says why it is so.

mod action;
mod assignment;
mod definition;
mod error;
pub mod explain;
mod need;
mod permission;
mod policy;
mod power;
mod rights;
mod role;
mod scope;
mod standing;
mod wish;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

pub use action::{ActionSet, DataAction, prefix};
pub use assignment::{Assignment, assign, assignments, put as put_assignment, removal, unassign};
pub use definition::{CustomRole, Permission, RoleDefinition, define, undefine};
pub use error::RoleError;
pub use need::{At, Need};
pub use permission::{PermissionSet, PolicyPermission};
pub(super) use policy::Chosen;
pub use policy::{AccessPolicy, Model, policies, remove_policy, set_policy};
pub use rights::Rights;
pub use role::{ADMINISTRATOR, Assigns, BUILT_IN, BuiltInRole, HSM_ADMINISTRATOR, MANAGED_HSM, built_in, full_rights};
pub use scope::Scope;
pub use standing::{Identities, Less, has_administrator, keep_an_administrator};

use super::identity::Caller;
use super::record;
use crate::config::Manner;
use crate::vault::{Collection, Image, Object, ObjectNumber};

/// What the assignments of one vault allow.
#[derive(Debug, Default)]
pub struct Grants {
    by_principal: HashMap<Box<str>, Granted>,
}

#[derive(Debug, Default)]
struct Granted {
    everywhere: ActionSet,
    collections: HashMap<Collection, ActionSet>,
    objects: HashMap<Collection, HashMap<Box<str>, ActionSet>>,
}

impl Grants {
    /// Works out what the assignments in this image allow, in a vault of this manner.
    pub fn of(image: &Image, manner: Manner) -> Self {
        // What a role allows is worked out once, however many have it.
        let roles = RoleDefinition::all(image, manner);
        let allowed: HashMap<&str, ActionSet> = roles.iter().map(|role| (role.id(), role.allowed(manner))).collect();
        let mut grants = Self::default();
        for stored in record::all::<Assignment>(image) {
            let Assignment { principal, role, scope, .. } = stored.record;
            let Some(allowed) = allowed.get(role.as_str()) else { continue };
            let granted = grants.by_principal.entry(principal.into()).or_default();
            let set = match scope {
                Scope::Vault => &mut granted.everywhere,
                Scope::All(collection) => granted.collections.entry(collection).or_default(),
                Scope::Object(collection, name) => {
                    granted.objects.entry(collection).or_default().entry(name.folded().into()).or_default()
                }
            };
            *set |= *allowed;
        }
        grants
    }

    /// Whether somebody may do this there, by themselves or by one of their groups.
    pub fn allow(&self, caller: &Caller, action: DataAction, at: At<'_>) -> bool {
        caller.principals().any(|principal| self.allow_principal(principal, action, at))
    }

    fn allow_principal(&self, principal: &str, action: DataAction, at: At<'_>) -> bool {
        let Some(granted) = self.by_principal.get(principal) else { return false };
        if granted.everywhere.contains(action) {
            return true;
        }
        let in_all = |collection| granted.collections.get(&collection).is_some_and(|set| set.contains(action));
        match at {
            At::Vault => false,
            At::All(collection) => in_all(collection),
            At::Object(collection, name) => {
                let own = granted.objects.get(&collection).and_then(|objects| objects.get(name));
                in_all(collection) || own.is_some_and(|set| set.contains(action))
            }
        }
    }
}

/// Whether somebody may give this role there, and take it away: an administrator, who may give every role; who has a role
/// that names the roles it gives; and with a role that was made here, who may do themselves all that they give.
pub fn may_assign(image: &Image, manner: Manner, caller: &Caller, role: &RoleDefinition, scope: &Scope) -> bool {
    let held = roles_of(image, manner, caller, scope);
    let named = |held: &RoleDefinition| matches!(held, RoleDefinition::BuiltIn(held) if held.may_assign(role.id()));
    if held.iter().any(named) {
        return true;
    }
    // A role that gives others isn't measured by what it allows itself.
    let gives_others = matches!(role, RoleDefinition::BuiltIn(role) if role.assigns != Assigns::None);
    let write = match manner {
        Manner::KeyVault => DataAction::ROLE_ASSIGNMENTS_WRITE,
        Manner::ManagedHsm => DataAction::HSM_ROLE_ASSIGNMENTS_WRITE,
    };
    let is_own = |held: &RoleDefinition| matches!(held, RoleDefinition::Custom(_));
    let by_own = held.iter().any(|held| is_own(held) && held.allowed(manner).contains(write));
    by_own && !gives_others && together(&held, manner).contains_all(role.allowed(manner))
}

/// Whether somebody may give every role of the vault, or may do all of this themselves in the whole vault.
fn holds_everything(image: &Image, manner: Manner, caller: &Caller, actions: ActionSet) -> bool {
    let held = roles_of(image, manner, caller, &Scope::Vault);
    let gives_all =
        |held: &RoleDefinition| matches!(held, RoleDefinition::BuiltIn(role) if role.assigns == Assigns::Every);
    held.iter().any(gives_all) || together(&held, manner).contains_all(actions)
}

fn roles_of(image: &Image, manner: Manner, caller: &Caller, scope: &Scope) -> Vec<RoleDefinition> {
    let held = assignments(image).into_iter().filter(|held| caller.is(&held.principal) && held.scope.covers(scope));
    held.filter_map(|held| RoleDefinition::find(image, manner, &held.role)).collect()
}

fn together(roles: &[RoleDefinition], manner: Manner) -> ActionSet {
    roles.iter().fold(ActionSet::default(), |mut all, role| {
        all |= role.allowed(manner);
        all
    })
}

type Records = Arc<std::collections::BTreeMap<ObjectNumber, Arc<Object>>>;

/// Something that is made of a vault's records, and made anew only when one of them changed: by one thread, for which the
/// others wait, since each would do the same work.
#[derive(Debug)]
pub struct Compiled<T> {
    newest: ArcSwapOption<(Records, Arc<T>)>,
    making: Mutex<()>,
}

impl<T> Default for Compiled<T> {
    fn default() -> Self {
        Self { newest: ArcSwapOption::empty(), making: Mutex::default() }
    }
}

impl<T> Compiled<T> {
    /// What this image's records make; `make` is called if they are others than last time.
    pub fn of(&self, image: &Image, make: impl FnOnce(&Image) -> T) -> Arc<T> {
        let records = image.service();
        if let Some(known) = self.made_of(records) {
            return known;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.made_of(records) {
            return known;
        }
        let made = Arc::new(make(image));
        self.newest.store(Some(Arc::new((Arc::clone(records), Arc::clone(&made)))));
        made
    }

    fn made_of(&self, records: &Records) -> Option<Arc<T>> {
        let newest = self.newest.load();
        newest.as_ref().filter(|newest| Arc::ptr_eq(&newest.0, records)).map(|newest| Arc::clone(&newest.1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_changed_is_worked_out_once_however_many_ask() {
        let (compiled, image, made) = (Compiled::default(), Image::default(), AtomicUsize::new(0));
        let all_there = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    all_there.wait();
                    compiled.of(&image, |_| {
                        // Long enough for the others to come meanwhile.
                        thread::sleep(Duration::from_millis(50));
                        made.fetch_add(1, Ordering::SeqCst)
                    })
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
