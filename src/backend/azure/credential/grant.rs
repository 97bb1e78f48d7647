//! The authority's token endpoint: `client_credentials` with a secret or an assertion (RFC 6749 §4.4, RFC 7523 §2.2).

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Asking, Denied, Granted};
use crate::backend::remote::{Repeat, Request, Response, Token};
use crate::config::Origin;

/// How a client shows who it is.
pub(super) enum Proof<'a> {
    /// It knows a secret.
    Secret(&'a str),
    /// A JWT that it, or an issuer that the authority trusts, has signed.
    Assertion(&'a str),
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The endpoint's address, which an assertion is made out to.
pub(super) fn endpoint(asking: &Asking<'_>) -> Result<String, Denied> {
    Ok(format!("{}{}", asking.challenge.authority, path(asking)?))
}

fn path(asking: &Asking<'_>) -> Result<String, Denied> {
    asking.challenge.check_authority(asking.config).map_err(Denied::Refused)?;
    let tenant = asking.challenge.tenant(asking.config.tenant.as_deref()).map_err(Denied::Refused)?;
    Ok(format!("/{tenant}/oauth2/v2.0/token"))
}

/// A token for the resource of the challenge.
pub(super) fn ask(asking: &Asking<'_>, client_id: &str, proof: &Proof<'_>) -> Result<Token, Denied> {
    let target = path(asking)?;
    let scope = format!("{}/.default", asking.challenge.resource);
    let mut fields = vec![("grant_type", "client_credentials"), ("client_id", client_id), ("scope", &scope)];
    match proof {
        Proof::Secret(secret) => fields.push(("client_secret", secret)),
        Proof::Assertion(assertion) => {
            fields.push(("client_assertion_type", JWT_BEARER));
            fields.push(("client_assertion", assertion));
        }
    }
    fields.extend(asking.claims.map(|claims| ("claims", claims)));
    let form = form(&fields);
    let request = Request {
        method: "POST",
        target: &target,
        headers: &[],
        bearer: None,
        body: Some(("application/x-www-form-urlencoded", form.as_bytes())),
    };
    // An assertion counts once.
    let repeat = if matches!(proof, Proof::Secret(_)) { Repeat::Safe } else { Repeat::Never };
    let response = asking.authority.send(&request, repeat, asking.budget)?;
    let authority = &asking.challenge.authority;
    if response.status == 200 {
        let granted: Granted = serde_json::from_slice(&response.body)
            .map_err(|_| Denied::Invalid(format!("{authority} answered a request for a token with something else")))?;
        return granted.token();
    }
    Err(denied(authority, client_id, &response))
}

/// What an answer without a token means.
fn denied(authority: &Origin, client_id: &str, response: &Response) -> Denied {
    let refused: Refused = serde_json::from_slice(&response.body).unwrap_or_default();
    if !matches!(response.status, 400..=403) {
        return Denied::Unreachable(format!(
            "{authority} answered a request for a token with {}: check its health, or try again later",
            response.status
        ));
    }
    let why = refused.error_description.lines().next().unwrap_or_default().trim_end_matches('.');
    let why = if why.is_empty() { refused.error.as_str() } else { why };
    let status = format!("it answered {}", response.status);
    let why = if why.is_empty() { &status } else { why };
    Denied::Refused(format!(
        "{authority} gives {client_id} no token ({why}): check `client_id`, what proves it, and `tenant`"
    ))
}

/// The form, in memory that is wiped and never grows. What isn't plainly harmless is escaped.
fn form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let room = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut form = Zeroizing::new(String::with_capacity(room));
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        escape(value, &mut form);
    }
    form
}

/// Every byte but letters, digits and `-._~` as `%XX` (RFC 3986 §2.1).
pub(super) fn escape(value: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_escapes_what_would_end_a_field() {
        let form = form(&[("a", "x&y=z +%ä"), ("b", "plain-._~")]);
        assert_eq!(form.as_str(), "a=x%26y%3Dz%20%2B%25%C3%A4&b=plain-._~");
    }
}
