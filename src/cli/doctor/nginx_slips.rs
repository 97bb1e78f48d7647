//! Slips by which nginx doesn't see the URI that is meant: no quotes around it, no `engine:pkcs11:` before it.

use super::nginx::{Key, Scheme, at};
use super::report::finding;
use super::{Examination, shell, uri};

/// Whether there is such a slip, which is then told. What the URI says can be judged only without it.
pub(super) fn examine(examination: &mut Examination, key: &Key<'_>) -> bool {
    let line = key.directive.line;
    let (problem, edit) = if !key.cut.is_empty() {
        ("`;` ends a word without quotes, and so the URI: put it in quotes", quoting(key))
    } else if key.scheme == Scheme::File {
        let problem = "nginx takes this URI for the name of a file: `engine:pkcs11:` comes before it";
        (problem, Some(shell::replace(line, "pkcs11:", "engine:pkcs11:pkcs11:")))
    } else if key.scheme == Scheme::Engine && uri::lacks_scheme(key.uri) {
        let problem = "after `engine:pkcs11:` comes a whole URI, which begins with another `pkcs11:`";
        (problem, Some(shell::replace(line, "engine:pkcs11:", "engine:pkcs11:pkcs11:")))
    } else {
        return false;
    };
    examination.report.found(at(finding("nginx-uri"), key).with("problem", problem).maybe("edit", edit));
    true
}

/// sed's command that puts the name into quotes. It goes by the last attribute's name: the value may be a PIN.
fn quoting(key: &Key<'_>) -> Option<String> {
    let last = key.cut.last()?.words[0].rsplit(['?', '&']).next()?;
    let name = last.split('=').next().filter(|name| uri::is_attribute(name))?;
    let start = key.directive.value().split(':').next()?;
    Some(format!("{}s/{start}:[^[:blank:]]*{name}=[^;[:blank:]]*/\"&\"/", key.directive.line))
}
