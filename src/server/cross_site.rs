//! Requests that a page of another site had a browser make. A browser shows its user's certificate to whatever such a page
//! asks for, so a certificate alone doesn't say that its holder wants what is asked. A token does: no browser adds one by
//! itself.
//!
//! Pages elsewhere may send forms and texts without asking, and are told no answer. So nothing that changes anything is
//! done for a certificate if the browser names another site, or if a body isn't called JSON, for which a page of another
//! site would have to ask first (and would be answered 405).

use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::error::{Result, ServiceError};
use super::gate::check_media_type;
use super::listen::{Origin, Peer};

/// Refuses what a browser says is another site's. `base` is ours, as the client wrote it.
pub(super) fn refuse_other_sites(parts: &Parts, base: &str) -> Result<()> {
    if !could_be(parts) {
        return Ok(());
    }
    let all = |name| parts.headers.get_all(name).iter().map(header::HeaderValue::as_bytes);
    let elsewhere = all("origin").any(|origin| !origin.eq_ignore_ascii_case(base.as_bytes()))
        || all("sec-fetch-site").any(|site| site != b"same-origin" && site != b"none");
    match elsewhere {
        false => Ok(()),
        true => Err(ServiceError::forbidden(
            "ForbiddenByOrigin",
            "A browser sent this for a page of another site, and a client certificate doesn't count for those. Send a \
             Bearer token.",
        )),
    }
}

/// Refuses a body, or what is called one, that a page of another site may send without asking.
pub(super) fn refuse_simple_bodies(parts: &Parts, has_body: bool) -> Result<()> {
    if !could_be(parts) {
        return Ok(());
    }
    if has_body && !parts.headers.contains_key(header::CONTENT_TYPE) {
        let what = "With a client certificate alone, a body needs the header Content-Type: application/json.";
        return Err(ServiceError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BadParameter", what));
    }
    check_media_type(&parts.headers)
}

/// Whether a page could have had it made, and it may change something. Browsers don't reach the Unix socket.
fn could_be(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<Peer>();
    !parts.method.is_safe() && !peer.is_some_and(|peer| matches!(peer.origin, Origin::Machine { .. }))
}
