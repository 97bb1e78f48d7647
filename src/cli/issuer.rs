//! Issuers on the command line: what they and what stands in their tokens may be called, and whether the configuration knows
//! them.

use super::{Context, Error, Result};
use crate::config::{Config, nearest};

/// Refuses what no token holds, or what nobody could see. Each text with what it is, at a sentence's beginning.
pub(super) fn check(texts: &[(&str, &str)]) -> Result<()> {
    match texts.iter().find(|(_, text)| text.trim().is_empty() || text.chars().any(char::is_control)) {
        Some((what, _)) => Err(Error::Usage(format!("{what} is empty or has control characters."))),
        None => Ok(()),
    }
}

/// Says that nobody's tokens are meant, where the configuration has no such issuer: a letter or a slash is enough.
pub(super) fn note_unknown(context: &Context, issuer: &str) -> Result<()> {
    let issuers = Config::load()?.server.map(|server| server.issuers).unwrap_or_default();
    let urls: Vec<&str> = issuers.iter().map(|known| known.url.as_str()).collect();
    if urls.contains(&issuer) {
        return Ok(());
    }
    let advice = match urls.is_empty() {
        true => "it names none".to_owned(),
        false => nearest(issuer, &urls),
    };
    context.output.note(&format!(
        "No `[[issuer]]` table of the configuration has the url {issuer}, so that its tokens don't count here: {advice}"
    ));
    Ok(())
}
