//! A program that prints a token, bare or in the JSON of `az account get-access-token`.
//!
//! It runs when a token is needed, on the thread that needs it, in what is left of the call's time; not in a host that
//! forbids to start threads, because who forbids those doesn't expect programs either.

use serde::Deserialize;

use super::{Denied, MOST_TOKEN, checked, lifetime_of};
use crate::backend::remote::{Budget, Token};
use crate::config::SecretText;
use crate::sys::program;

/// What `az` prints, and what its own tools print.
#[derive(Deserialize)]
struct Printed {
    #[serde(alias = "access_token", alias = "token")]
    #[serde(rename = "accessToken")]
    access_token: SecretText,
}

/// Runs it.
pub(super) fn run(command: &[String], allowed: bool, budget: &Budget) -> Result<Token, Denied> {
    if !allowed {
        return Err(Denied::Refused(
            "this program forbids the module to start threads, and so `token_command` isn't run: use another `credential`"
                .into(),
        ));
    }
    let printed = program::output(command, MOST_TOKEN, budget.end())
        .map_err(|problem| Denied::Refused(format!("`token_command`: {problem}")))?;
    let text = std::str::from_utf8(&printed).unwrap_or_default();
    let token = match serde_json::from_str::<Printed>(text) {
        Ok(printed) => checked(printed.access_token.expose()),
        Err(_) => checked(text),
    };
    let token = token.ok_or_else(|| Denied::Refused("`token_command` printed no token".into()))?;
    Ok(Token::new(token.expose(), lifetime_of(token.expose()))?)
}
