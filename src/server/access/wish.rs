//! What somebody may ask about: an operation, what people call one, or a data action; done to an object, to all of a kind, or
//! to the vault.

use super::action::{DataAction, prefix};
use super::need::{Need, collection_of, space_of};
use super::scope::Scope;
use crate::config::Manner;
use crate::server::keys;
use crate::server::routes::{Route, TABLE};
use crate::vault::{Collection, Image};

/// Something that may be allowed or denied.
#[derive(Debug)]
pub struct Wish {
    what: What,
    manner: Manner,
    scope: Option<Scope>,
    /// The object's name, in small letters.
    name: Option<String>,
    place: Scope,
    is_asymmetric: bool,
}

#[derive(Clone, Copy)]
enum What {
    Operation(&'static Route),
    Action(DataAction),
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Operation(route) => route.operation,
            Self::Action(action) => action.name(),
        })
    }
}

/// A place to ask about: a scope, or all secrets or certificates, on which nothing is given.
pub fn place(text: &str) -> Result<Scope, String> {
    let whole = text.strip_prefix('/').and_then(Collection::from_segment);
    whole.map_or_else(|| text.parse(), |collection| Ok(Scope::All(collection)))
}

impl Wish {
    /// What `what` means at this place in a vault of this manner: an operation's name (`KeySign`), its verb (`sign`), the name
    /// of a permission (`wrapKey`), or a data action (`keys/sign/action`). The error is a sentence without its end.
    pub fn read(image: &Image, manner: Manner, what: &str, place: &Scope) -> Result<Self, String> {
        let meant = named(manner, what, place).or_else(|| action(manner, what).map(What::Action)).ok_or_else(|| {
            format!(
                "{what:?} at {place} is no operation: write its name (`KeySign`), its verb (`sign`) with the object that it \
                 is done to, or a data action (`keys/sign/action`)"
            )
        })?;
        let name = match place {
            Scope::Object(_, name) => Some(name.folded()),
            _ => None,
        };
        let is_asymmetric = match place {
            Scope::Object(Collection::Keys, name) => keys::has_public_part(image, name, None),
            _ => false,
        };
        let mut wish = Self { what: meant, manner, scope: None, name, place: place.clone(), is_asymmetric };
        match meant {
            What::Operation(route) => wish.fit(route)?,
            // Its place is a scope like that of roles.
            What::Action(_) => wish.scope = Some(place.clone()),
        }
        Ok(wish)
    }

    /// Sees that the operation is one that is done to such a place.
    fn fit(&mut self, route: &Route) -> Result<(), String> {
        if route.path.starts_with("/{scope}") {
            self.place.check(self.manner)?;
            self.scope = Some(self.place.clone());
            return Ok(());
        }
        let (fits, wanted) = match (collection_of(route.path), space_of(route.path), &self.place) {
            (Some(of), _, Scope::Object(collection, _)) => (of == *collection, format!("/{}/NAME", of.segment())),
            (Some(of), ..) => (false, format!("/{}/NAME", of.segment())),
            (None, Some(of), Scope::All(collection)) => (of == *collection, format!("/{}", of.segment())),
            (None, Some(of), place) => (*place == Scope::Vault, format!("/{}", of.segment())),
            (None, None, place) => (*place == Scope::Vault, "/".to_owned()),
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{} is done to {wanted}, not to {}", route.operation, self.place)),
        }
    }

    /// What has to be allowed for it: one of these.
    pub fn needs(&self) -> Vec<Need<'_>> {
        let (scope, name) = (self.scope.as_ref(), self.name.as_deref());
        match self.what {
            What::Operation(route) => {
                let need = Need::of(route, self.manner, scope, name);
                let public = need.of_public(route, self.manner).filter(|_| self.is_asymmetric);
                [Some(need), public].into_iter().flatten().collect()
            }
            What::Action(action) => vec![Need { action, permission: None, at: Need::at(scope, name) }],
        }
    }

    /// Whether policies can be asked about it: what they allow are operations.
    pub fn is_operation(&self) -> bool {
        matches!(self.what, What::Operation(_))
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Operation(route) => route.operation,
            What::Action(action) => action.name(),
        }
    }

    /// The vault's manner.
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// The narrowest scope on which a role allows it.
    pub fn scope(&self) -> Scope {
        let is_of_object = self.needs().iter().any(|need| matches!(need.at, super::At::Object(..)));
        match (&self.place, self.manner) {
            (Scope::Object(..), _) if is_of_object => self.place.clone(),
            (Scope::All(Collection::Keys), Manner::ManagedHsm) => self.place.clone(),
            _ => Scope::Vault,
        }
    }
}

/// The operation with this name; at an object or a name space also with this verb or permission.
fn named(manner: Manner, what: &str, place: &Scope) -> Option<What> {
    let mut routes = TABLE.iter().filter(|route| route.action_in(manner).is_some());
    if let Some(route) = routes.clone().find(|route| route.operation.eq_ignore_ascii_case(what)) {
        return Some(What::Operation(route));
    }
    let (collection, is_object) = match place {
        Scope::Vault => return None,
        Scope::All(collection) => (*collection, false),
        Scope::Object(collection, _) => (*collection, true),
    };
    let is_here = |route: &Route| match is_object {
        true => collection_of(route.path) == Some(collection),
        false => collection_of(route.path).is_none() && space_of(route.path) == Some(collection),
    };
    let begins = match collection {
        Collection::Keys => "Key",
        Collection::Secrets => "Secret",
        Collection::Certificates => "Certificate",
    };
    let is_verb =
        |route: &Route| route.operation.strip_prefix(begins).is_some_and(|verb| verb.eq_ignore_ascii_case(what));
    let is_permission =
        |route: &Route| route.permission.is_some_and(|permission| permission.name().eq_ignore_ascii_case(what));
    let mut here = routes.by_ref().filter(|route| is_here(route)).collect::<Vec<_>>().into_iter();
    here.clone().find(|route| is_verb(route)).or_else(|| here.find(|route| is_permission(route))).map(What::Operation)
}

/// The data action with this whole name, or with what every name of the manner begins with left out.
fn action(manner: Manner, what: &str) -> Option<DataAction> {
    DataAction::all(manner).find(|action| {
        let name = action.name();
        let short = name.strip_prefix(prefix(manner)).unwrap_or(name);
        [name, short].iter().any(|known| known.eq_ignore_ascii_case(what))
    })
}
