//! `$filter` of the lists of roles, as far as Azure documents it: a function of the scope, a comparison with a text, or several
//! of them.

use crate::server::call::Call;
use crate::server::error::{Result, ServiceError};

/// What a list is cut down to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `atScope()`: what counts at the scope, not what counts below it.
    pub at_scope: bool,
    /// `member eq 'text'`.
    equal: Vec<(&'static str, String)>,
}

impl Filter {
    /// What the query of a call says, of these members.
    pub fn of(call: &Call, members: &'static [&'static str]) -> Result<Self> {
        let text = call.query.get("$filter").unwrap_or_default();
        Self::parse(text, members).ok_or_else(|| {
            let compared: Vec<String> = members.iter().map(|member| format!("{member} eq 'text'")).collect();
            let what = format!("$filter: use atScope(), atScopeAndBelow(), {}, joined by `and`.", compared.join(", "));
            ServiceError::bad_parameter(what)
        })
    }

    fn parse(text: &str, members: &'static [&'static str]) -> Option<Self> {
        let mut filter = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            rest = filter.term(rest, members)?.trim_start();
            if !rest.is_empty() {
                let (word, after) = rest.split_at_checked(3)?;
                let joined = word.eq_ignore_ascii_case("and") && after.starts_with(' ') && !after.trim().is_empty();
                rest = joined.then(|| after.trim_start())?;
            }
        }
        Some(filter)
    }

    /// Takes one condition off the beginning, and gives back what is left.
    fn term<'a>(&mut self, text: &'a str, members: &'static [&'static str]) -> Option<&'a str> {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if let Some(rest) = rest.strip_prefix("()") {
            let at_scope = word.eq_ignore_ascii_case("atScope");
            self.at_scope |= at_scope;
            return (at_scope || word.eq_ignore_ascii_case("atScopeAndBelow")).then_some(rest);
        }
        let member = members.iter().find(|member| member.eq_ignore_ascii_case(word))?;
        let rest = rest.trim_start().strip_prefix("eq ")?.trim_start();
        let (value, rest) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'')?,
            // Azure's own page writes a GUID without quotes.
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        (!value.is_empty()).then(|| self.equal.push((member, value.to_owned())))?;
        Some(rest)
    }

    /// Whether a member has the text that was asked for, without regard to case.
    pub fn admits(&self, member: &str, value: &str) -> bool {
        self.equal.iter().all(|(asked, text)| *asked != member || text.eq_ignore_ascii_case(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: &[&str] = &["principalId", "roleName"];

    fn parsed(text: &str) -> Option<Filter> {
        Filter::parse(text, MEMBERS)
    }

    #[test]
    fn what_azure_documents_is_understood() {
        assert_eq!(parsed(""), Some(Filter::default()));
        assert!(parsed("atScope()").is_some_and(|filter| filter.at_scope));
        assert!(parsed("atScopeAndBelow()").is_some_and(|filter| !filter.at_scope));
        for text in ["principalId eq 'a-1'", "principalid eq a-1", " PrincipalId  eq  'a-1' "] {
            let filter = parsed(text).unwrap_or_else(|| panic!("{text}"));
            assert!(filter.admits("principalId", "A-1") && !filter.admits("principalId", "b"), "{text}");
            assert!(filter.admits("roleName", "anything"), "{text}");
        }
        let both = parsed("atScope() and roleName eq 'Key Vault Reader'").expect("a filter");
        assert!(both.at_scope && both.admits("roleName", "key vault reader"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "x",
            "atScope",
            "atScope() or atScope()",
            "principalId",
            "principalId ne 'a'",
            "principalId eq 'a",
            "principalId eq",
            "principalId eq ''",
            "other eq 'a'",
            "atScope() and",
            "atScope() principalId eq 'a'",
            "atScope() and unknown()",
            "unknown()",
            "principalId eq 'a' and'",
            "and",
            "é",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
