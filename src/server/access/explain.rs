//! Why somebody may do something or may not: the assignments or policies that allow it, or what would. It goes through the
//! records one by one, and says of each request what the gate answers to it.

use super::action::{ActionSet, DataAction};
use super::assignment::{Assignment, assignments};
use super::definition::RoleDefinition;
use super::need::{Need, collection_of, space_of};
use super::permission::PolicyPermission;
use super::policy::{AccessPolicy, Model, policies};
use super::power::Power;
use super::scope::Scope;
pub use super::wish::{Wish, place};
use crate::config::Manner;
use crate::server::identity::Caller;
use crate::server::routes::{Route, TABLE};
use crate::vault::Image;

/// What gives somebody a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A role.
    Role(Assignment),
    /// A policy.
    Policy(AccessPolicy),
}

impl Grant {
    /// The object id of whom it is given to.
    pub fn principal(&self) -> &str {
        match self {
            Self::Role(assignment) => &assignment.principal,
            Self::Policy(policy) => &policy.principal,
        }
    }
}

/// What would allow what is denied.
#[derive(Debug)]
pub enum Remedy {
    /// This role, which allows least besides, on this scope.
    Role(RoleDefinition, Scope),
    /// This permission in a policy.
    Permission(PolicyPermission),
    /// Nothing over the server: it is done where the vault lies.
    WhereTheVaultLies,
}

/// Why it is so.
#[derive(Debug)]
pub enum Explanation {
    /// Each of these alone allows it; the narrowest first.
    Allowed(Vec<Grant>),
    /// Nothing does.
    Denied {
        /// What would.
        remedy: Remedy,
        /// What somebody could take for a reason to allow it.
        idle: Vec<Idle>,
    },
}

/// What was given and doesn't count for what is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Idle {
    /// A role that allows such a thing, on a scope that doesn't reach there.
    Elsewhere(Assignment),
    /// What would allow it if the vault didn't go by the other model.
    OtherModel(Grant),
}

/// Why the vault allows or denies this to somebody. The error says what can't be answered, a sentence without its end.
pub fn explain(image: &Image, caller: &Caller, wish: &Wish) -> Result<Explanation, String> {
    match Model::of(image, wish.manner()) {
        Model::Roles => Ok(by_roles(image, caller, wish)),
        Model::Policies if wish.is_operation() => Ok(by_policies(image, caller, wish)),
        Model::Policies => Err(format!(
            "this vault goes by access policies, which allow operations: {} is a data action, of roles",
            wish.name()
        )),
    }
}

fn by_roles(image: &Image, caller: &Caller, wish: &Wish) -> Explanation {
    let (here, elsewhere) = roles_that_allow(image, caller, wish);
    if !here.is_empty() {
        return Explanation::Allowed(here.into_iter().map(Grant::Role).collect());
    }
    let mut idle: Vec<Idle> = elsewhere.into_iter().map(Idle::Elsewhere).collect();
    if wish.manner() == Manner::KeyVault {
        idle.extend(policies_that_allow(image, caller, wish).into_iter().map(Grant::Policy).map(Idle::OtherModel));
    }
    Explanation::Denied { remedy: least_role(image, wish), idle }
}

/// What somebody has by roles that allow it: first what counts there, the narrowest first, then what counts elsewhere.
fn roles_that_allow(image: &Image, caller: &Caller, wish: &Wish) -> (Vec<Assignment>, Vec<Assignment>) {
    let (needs, manner) = (wish.needs(), wish.manner());
    let has = |given: &Assignment, need: &Need<'_>| {
        let role = RoleDefinition::find(image, manner, &given.role);
        role.is_some_and(|role| role.allowed(manner).contains(need.action))
    };
    let mut all = assignments(image);
    all.retain(|given| caller.is(&given.principal) && needs.iter().any(|need| has(given, need)));
    all.sort_by_cached_key(|given| (width(&given.scope), given.principal != caller.oid, given.id.clone()));
    let counts = |given: &Assignment| needs.iter().any(|need| has(given, need) && given.scope.counts_at(need.at));
    all.into_iter().partition(counts)
}

fn width(scope: &Scope) -> u8 {
    match scope {
        Scope::Object(..) => 0,
        Scope::All(_) => 1,
        Scope::Vault => 2,
    }
}

/// The role that allows it and least besides.
fn least_role(image: &Image, wish: &Wish) -> Remedy {
    let (manner, scope, needs) = (wish.manner(), wish.scope(), wish.needs());
    let mut roles = RoleDefinition::all(image, manner);
    roles.retain(|role| {
        let allowed = role.allowed(manner);
        role.is_assignable(&scope) && needs.iter().any(|need| allowed.contains(need.action))
    });
    let least = roles.into_iter().min_by_key(|role| Power::of(role.allowed(manner)));
    least.map_or(Remedy::WhereTheVaultLies, |role| Remedy::Role(role, scope))
}

fn by_policies(image: &Image, caller: &Caller, wish: &Wish) -> Explanation {
    let causes = policies_that_allow(image, caller, wish);
    if !causes.is_empty() {
        return Explanation::Allowed(causes.into_iter().map(Grant::Policy).collect());
    }
    let (roles, _) = roles_that_allow(image, caller, wish);
    let idle = roles.into_iter().map(Grant::Role).map(Idle::OtherModel).collect();
    let permission = wish.needs().first().and_then(|need| need.permission);
    Explanation::Denied { remedy: permission.map_or(Remedy::WhereTheVaultLies, Remedy::Permission), idle }
}

/// Somebody's policies that allow it, their own first.
fn policies_that_allow(image: &Image, caller: &Caller, wish: &Wish) -> Vec<AccessPolicy> {
    let Some(permission) = wish.needs().first().and_then(|need| need.permission) else { return Vec::new() };
    let mut all = policies(image);
    all.retain(|policy| caller.is(&policy.principal) && policy.allowed().contains(permission));
    all.sort_by_key(|policy| policy.principal != caller.oid);
    all
}

/// What somebody may do at a place, and by what.
#[derive(Debug)]
pub struct Held {
    /// What gives it.
    pub by: Grant,
    /// What it allows there: names of data actions, or of permissions.
    pub allows: Vec<String>,
    /// Whether that is all that can be done there.
    pub is_everything: bool,
}

/// Who may do what at a place: what is given that counts there, with what of it concerns such a place.
pub fn held_at(image: &Image, manner: Manner, place: &Scope) -> Vec<Held> {
    match Model::of(image, manner) {
        Model::Roles => roles_at(image, manner, place),
        Model::Policies => policies_at(image, place),
    }
}

fn roles_at(image: &Image, manner: Manner, place: &Scope) -> Vec<Held> {
    let actions = || TABLE.iter().filter(|route| concerns(route, place)).filter_map(|route| route.action_in(manner));
    let concerned: ActionSet = actions().collect();
    let folded = match place {
        Scope::Object(_, name) => Some(name.folded()),
        _ => None,
    };
    let at = Need::at(Some(place), folded.as_deref());
    let held = assignments(image).into_iter().filter(|given| given.scope.counts_at(at)).filter_map(|given| {
        let allowed = RoleDefinition::find(image, manner, &given.role)?.allowed(manner);
        let both = DataAction::all(manner).filter(|action| allowed.contains(*action) && concerned.contains(*action));
        let allows = both.map(|action| action.name().to_owned()).collect();
        Some(Held { allows, is_everything: allowed.contains_all(concerned), by: Grant::Role(given) })
    });
    held.filter(|held| !held.allows.is_empty()).collect()
}

fn policies_at(image: &Image, place: &Scope) -> Vec<Held> {
    let is_concerned = |permission: &PolicyPermission| {
        TABLE.iter().any(|route| route.permission == Some(*permission) && concerns(route, place))
    };
    let concerned: Vec<PolicyPermission> = PolicyPermission::all().filter(is_concerned).collect();
    let held = policies(image).into_iter().map(|policy| {
        let allowed = policy.allowed();
        let both = concerned.iter().filter(|permission| allowed.contains(**permission));
        let allows: Vec<String> = both.map(PolicyPermission::to_string).collect();
        Held { is_everything: allows.len() == concerned.len(), allows, by: Grant::Policy(policy) }
    });
    held.filter(|held| !held.allows.is_empty()).collect()
}

/// Whether an operation is done to such a place. Everything is done to the vault or to something in it.
fn concerns(route: &Route, place: &Scope) -> bool {
    match place {
        Scope::Vault => true,
        Scope::All(of) => space_of(route.path) == Some(*of),
        Scope::Object(of, _) => collection_of(route.path) == Some(*of),
    }
}
