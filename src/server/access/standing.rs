//! That a vault which has an administrator keeps one: what each change of assignments, identities and groups asks before.
//!
//! An administrator is an enabled identity that has the role on the whole vault, by itself or by a group that it is a member
//! of. Of whom nothing is known here (an identity or a group of another vault, whoever an issuer says is in a group) it can
//! only be hoped that they are there: they count where a vault has no better administrator.

use super::assignment::{Assignment, assignments};
use super::role::{ADMINISTRATOR, HSM_ADMINISTRATOR};
use super::scope::Scope;
use crate::config::Manner;
use crate::server::identity::{ForeignGroup, Group, Identity};
use crate::server::record;
use crate::vault::{Image, Result, VaultError};

/// Where the identities and groups lie that a vault's assignments name.
#[derive(Clone, Copy)]
pub enum Identities<'a> {
    /// In this image, all of them.
    In(&'a Image),
    /// In the vault itself, as far as is known; those that it hasn't may lie in the first vault of a server.
    Own,
}

/// What shall be no more.
#[derive(Clone, Copy)]
pub enum Less<'a> {
    /// The assignment with this id.
    Assignment(&'a str),
    /// The identity with this object id, or its tokens.
    Identity(&'a str),
    /// The group with this object id.
    Group(&'a str),
    /// Somebody's membership of a group.
    Member {
        /// The group's object id.
        group: &'a str,
        /// Theirs.
        oid: &'a str,
    },
    /// An issuer's group as a group here.
    Foreign {
        /// The object id of the group here.
        group: &'a str,
        /// The issuer's.
        foreign: &'a ForeignGroup,
    },
    /// Nothing.
    Nothing,
}

/// What is known of an administrator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Gone,
    Hoped,
    Known,
}

/// Refuses what would leave a vault without an administrator, when it has one, or without one who is known to be there.
pub fn keep_an_administrator(image: &Image, manner: Manner, identities: Identities<'_>, less: Less<'_>) -> Result<()> {
    let roster = Roster { image, identities };
    match roster.best(manner, less) < roster.best(manner, Less::Nothing) {
        true => Err(VaultError::LastAdministrator),
        false => Ok(()),
    }
}

/// Whether an enabled identity of this vault is its administrator, where it is served in this manner.
pub fn has_administrator(image: &Image, manner: Manner) -> bool {
    Roster { image, identities: Identities::Own }.best(manner, Less::Nothing) == Standing::Known
}

/// A vault's assignments, and whom they can mean.
struct Roster<'a> {
    image: &'a Image,
    identities: Identities<'a>,
}

impl Roster<'_> {
    /// What is known of the best administrator that is left.
    fn best(&self, manner: Manner, less: Less<'_>) -> Standing {
        let role = match manner {
            Manner::KeyVault => ADMINISTRATOR,
            Manner::ManagedHsm => HSM_ADMINISTRATOR,
        };
        let is_meant = |given: &Assignment| given.role == role && given.scope == Scope::Vault;
        let stays = |given: &Assignment| !matches!(less, Less::Assignment(id) if id == given.id);
        let all = assignments(self.image).into_iter().filter(|given| is_meant(given) && stays(given));
        all.map(|given| self.standing(&given.principal, less)).max().unwrap_or(Standing::Gone)
    }

    fn standing(&self, principal: &str, less: Less<'_>) -> Standing {
        match self.group(principal) {
            Some(group) if !matches!(less, Less::Group(oid) if oid == group.oid) => self.of_group(&group, less),
            Some(_) => Standing::Gone,
            None => self.of_identity(principal, less),
        }
    }

    fn of_identity(&self, oid: &str, less: Less<'_>) -> Standing {
        if matches!(less, Less::Identity(gone) if gone == oid) {
            return Standing::Gone;
        }
        match (record::find::<Identity>(self.known(), oid), self.identities) {
            (Some(identity), _) if identity.record.enabled => Standing::Known,
            (None, Identities::Own) => Standing::Hoped,
            _ => Standing::Gone,
        }
    }

    fn of_group(&self, group: &Group, less: Less<'_>) -> Standing {
        let has_left =
            |member: &str| matches!(less, Less::Member { group: of, oid } if of == group.oid && oid == member);
        let is_cut = |known: &ForeignGroup| matches!(less, Less::Foreign { group: of, foreign } if of == group.oid && foreign == known);
        let members = group.members.iter().filter(|member| !has_left(member));
        let own = members.map(|member| self.of_identity(member, less)).max().unwrap_or(Standing::Gone);
        let foreign = if group.foreign.iter().any(|known| !is_cut(known)) { Standing::Hoped } else { Standing::Gone };
        own.max(foreign)
    }

    fn group(&self, oid: &str) -> Option<Group> {
        record::find::<Group>(self.known(), oid).map(|stored| stored.record)
    }

    fn known(&self) -> &Image {
        match self.identities {
            Identities::In(known) => known,
            Identities::Own => self.image,
        }
    }
}
