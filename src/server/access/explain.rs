//! Why somebody may do something or may not: the assignments or policies that allow it, or what would. It goes through the
//! records one by one, and says of each request what the gate answers to it.

use super::action::{ActionSet, DataAction};
use super::assignment::{Assignment, assignments};
use super::definition::RoleDefinition;
use super::need::{Need, collection_of, space_of};
use super::permission::PolicyPermission;
use super::policy::{AccessPolicy, Model, policies};
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
    Denied(Remedy),
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
    let (needs, manner) = (wish.needs(), wish.manner());
    let allows = |given: &Assignment| {
        let Some(role) = RoleDefinition::find(image, manner, &given.role) else { return false };
        let allowed = role.allowed(manner);
        needs.iter().any(|need| allowed.contains(need.action) && given.scope.counts_at(need.at))
    };
    let mut causes = assignments(image);
    causes.retain(|given| caller.is(&given.principal) && allows(given));
    if causes.is_empty() {
        return Explanation::Denied(least_role(image, wish, &needs));
    }
    causes.sort_by_cached_key(|given| (width(&given.scope), given.principal != caller.oid, given.id.clone()));
    Explanation::Allowed(causes.into_iter().map(Grant::Role).collect())
}

fn width(scope: &Scope) -> u8 {
    match scope {
        Scope::Object(..) => 0,
        Scope::All(_) => 1,
        Scope::Vault => 2,
    }
}

/// The role that allows it and least besides.
fn least_role(image: &Image, wish: &Wish, needs: &[Need<'_>]) -> Remedy {
    let (manner, scope) = (wish.manner(), wish.scope());
    let mut roles = RoleDefinition::all(image, manner);
    roles.retain(|role| {
        let allowed = role.allowed(manner);
        role.is_assignable(&scope) && needs.iter().any(|need| allowed.contains(need.action))
    });
    let least = roles.into_iter().min_by_key(|role| role.allowed(manner).len());
    least.map_or(Remedy::WhereTheVaultLies, |role| Remedy::Role(role, scope))
}

fn by_policies(image: &Image, caller: &Caller, wish: &Wish) -> Explanation {
    let Some(permission) = wish.needs().first().and_then(|need| need.permission) else {
        return Explanation::Denied(Remedy::WhereTheVaultLies);
    };
    let mut causes = policies(image);
    causes.retain(|policy| caller.is(&policy.principal) && policy.allowed().contains(permission));
    if causes.is_empty() {
        return Explanation::Denied(Remedy::Permission(permission));
    }
    causes.sort_by_key(|policy| policy.principal != caller.oid);
    Explanation::Allowed(causes.into_iter().map(Grant::Policy).collect())
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
