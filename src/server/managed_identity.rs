//! Managed identities: tokens for programs of the server's own machine, in the two forms that Azure's SDKs ask for them.
//!
//! At App Service a program has a secret header, which says whose token it gets; a virtual machine has one identity, and
//! everybody on it gets that one's tokens (the instance metadata service, IMDS). Both are for programs that ask directly: what
//! makes a request for somebody else (a proxy, a page in a browser, a service that fetches addresses it is given) can't set
//! `Metadata` or the secret header, or adds a header of its own, or sends another host's name; each of those is refused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Server;
use super::call::Query;
use super::identity::{self, Client};
use super::listen::{Origin, Peer};
use super::names::{host_of, split_port};
use super::token::{Issuer, OlderAnswer, TokenError, written};

/// Who asks for their own token was asked by nobody.
const OF_PROXIES: [&str; 17] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "true-client-ip",
    "x-original-host",
    "x-originating-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-azure-clientip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "cdn-loop",
    "max-forwards",
    "proxy-connection",
    "proxy-authorization",
];

/// What the headers of proxies begin with besides.
const OF_PROXIES_BEGIN: [&str; 2] = ["x-forwarded", "x-envoy-"];

/// Parameters that say which identity is meant, by its client id or object id.
const WHOSE: [&str; 3] = ["client_id", "object_id", "principal_id"];

/// The same by an id of Azure's resources, which nothing has here.
const WHOSE_RESOURCE: [&str; 2] = ["msi_res_id", "mi_res_id"];

/// The two forms, and nothing else.
pub(super) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/metadata/identity/oauth2/token", get(of_the_machine))
        .route("/msi/token", get(of_a_header))
        .method_not_allowed_fallback(async || {
            let what = "a token of a managed identity is asked for with GET.";
            TokenError::new("invalid_request", 900561, what).with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .fallback(async || {
            let what =
                "there is nothing at this address: tokens are at /metadata/identity/oauth2/token and /msi/token.";
            TokenError::new("invalid_request", 900144, what).with_status(StatusCode::NOT_FOUND)
        })
}

/// As a virtual machine's instance metadata service does it.
async fn of_the_machine(State(server): State<Arc<Server>>, request: Request) -> Result<Response, TokenError> {
    check_direct(&request)?;
    if text(request.headers(), "metadata").is_none_or(|given| !given.eq_ignore_ascii_case("true")) {
        return Err(TokenError::new("invalid_request", 90014, "the header Metadata: true is missing."));
    }
    let name = server.imds_identity.clone();
    answer(server, request, move |issuer| {
        let named = name.and_then(|name| issuer.known.named(&name).cloned());
        named.ok_or_else(|| not_here("no identity is given to this machine: `imds_identity` names one that is enabled"))
    })
    .await
}

/// As App Service does it.
async fn of_a_header(State(server): State<Arc<Server>>, request: Request) -> Result<Response, TokenError> {
    check_direct(&request)?;
    let given = Zeroizing::new(text(request.headers(), "x-identity-header").unwrap_or_default().to_owned());
    answer(server, request, move |issuer| {
        let key = identity::hash_key(issuer.vault)?;
        issuer.known.with_header(&key, &given, issuer.now).cloned().ok_or_else(|| {
            let what =
                "the header X-IDENTITY-HEADER is missing or nobody's: `strongroom identity header add` makes one.";
            TokenError::new("invalid_client", 7000215, what)
        })
    })
    .await
}

/// Finds out who asks, and makes the token, where that may wait for the vault.
async fn answer(
    server: Arc<Server>,
    request: Request,
    who: impl FnOnce(&Issuer<'_>) -> Result<Arc<Client>, TokenError> + Send + 'static,
) -> Result<Response, TokenError> {
    server.logins.attempt(request.extensions().get::<Peer>()).map_err(TokenError::too_many)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let make = move |issuer: &Issuer<'_>| {
        let client = who(issuer)?;
        check_whose(&query, &client)?;
        let missing = || TokenError::new("invalid_request", 900144, "the query must have the parameter 'resource'.");
        let issued = issuer.for_client(&client, query.get("resource").ok_or_else(missing)?)?;
        Ok((issued, client))
    };
    let (issued, client) = server.issue(None, make).await?;
    Ok(written(&Answer { token: OlderAnswer::of(&issued), client_id: &client.identity.appid }))
}

/// Everything is a text; clients of one form need `expires_in`, of the other `expires_on`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    token: OlderAnswer<'a>,
    client_id: &'a str,
}

/// Refuses what doesn't come straight from a program of this machine to this address.
fn check_direct(request: &Request) -> Result<(), TokenError> {
    let refused = |what: String| TokenError::new("access_denied", 530003, what).with_status(StatusCode::FORBIDDEN);
    let is_of_proxy = |name: &&HeaderName| {
        let name = name.as_str();
        OF_PROXIES.contains(&name) || OF_PROXIES_BEGIN.iter().any(|begin| name.starts_with(begin))
    };
    if let Some(name) = request.headers().keys().find(is_of_proxy) {
        return Err(refused(format!(
            "the request was forwarded (it has {name}), and nobody's token is given through others."
        )));
    }
    let peer = request.extensions().get::<Peer>().map(|peer| &peer.origin);
    let is_local = matches!(peer, Some(Origin::Network { address, .. }) if address.ip().to_canonical().is_loopback());
    if !is_local || request.method() == Method::CONNECT {
        return Err(refused("tokens of managed identities are for programs of this machine.".to_owned()));
    }
    // A name that a stranger's resolver gave this machine's address (DNS rebinding) is no name of it.
    match is_loopback(host_of(request)) {
        true => Ok(()),
        false => Err(refused("the host must be localhost or a loopback address.".to_owned())),
    }
}

fn is_loopback(authority: &str) -> bool {
    let (host, port) = split_port(authority);
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whoever names an identity means this one.
fn check_whose(query: &Query, client: &Client) -> Result<(), TokenError> {
    let own = [&client.identity.appid, &client.identity.oid];
    let mut named = WHOSE.iter().filter_map(|name| query.get(name));
    let is_other = named.any(|id| !own.iter().any(|own| own.eq_ignore_ascii_case(id)));
    match is_other || WHOSE_RESOURCE.iter().any(|name| query.get(name).is_some()) {
        true => Err(not_here("the identity that the query names isn't the one that is given here")),
        false => Ok(()),
    }
}

fn not_here(what: &str) -> TokenError {
    TokenError::new("invalid_request", 70001, format!("Identity not found: {what}."))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_host_is_this_machine_by_its_own_names_alone() {
        for good in ["localhost", "LOCALHOST:8480", "127.0.0.1", "127.0.0.1:8480", "127.8.9.1:1", "[::1]:8480", "[::1]"]
        {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "localhost.evil.example",
            "evil.example:8480",
            "169.254.169.254",
            "10.0.0.1:8480",
            "[2001:db8::1]",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "localhost:80@evil.example",
            "localhost:",
            "0.0.0.0:8480",
            "2130706433",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
