//! Whom a request is from, once that was proven.

use std::sync::Arc;

/// Somebody who may have roles: by themselves, and by the groups that they are in at this moment.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Their object id.
    pub oid: String,
    /// The object ids of their groups.
    pub groups: Arc<[Box<str>]>,
}

impl Caller {
    /// Somebody in no group.
    pub fn alone(oid: impl Into<String>) -> Self {
        Self { oid: oid.into(), groups: Arc::default() }
    }

    /// Everybody whose roles count for them: themselves, then their groups.
    pub fn principals(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(self.oid.as_str()).chain(self.groups.iter().map(|group| &**group))
    }

    /// Whether a role of this principal is theirs.
    pub fn is(&self, principal: &str) -> bool {
        self.principals().any(|own| own == principal)
    }
}
