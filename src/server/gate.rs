//! The one place that every request to a vault passes: which vault, which operation, who, whether they may, and what
//! came of it.
//!
//! A request without a token is answered with the challenge before anything else of it is looked at: clients send their
//! first one so, without body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::Response;
use tokio::time::timeout;

use super::access::{Need, Rights, Scope};
use super::administration::full_backup;
use super::authentication::{self, Authenticated};
use super::call::{Call, Query, Reply};
use super::error::{Result, ServiceError};
use super::identity::Caller;
use super::listen::{BodyError, Origin, Peer, read_body};
use super::names::{host_of, port_of};
use super::routes::{self, Found, Parameters, Route, Work};
use super::token::Audience;
use super::{Served, Server, cross_site, keys, secrets};
use crate::config::Manner;
use crate::vault::{Image, Name, VersionId};

/// The answer to a method that a known path doesn't have.
pub fn wrong_method() -> Response {
    with_headers(of_error(&other_method()), None)
}

fn other_method() -> ServiceError {
    ServiceError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method is not allowed on this path.")
}

/// What `api-version` may be.
pub const API_VERSIONS: &[&str] = &[
    "2016-10-01",
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6",
    "7.5-preview.1",
    "7.6-preview.1",
    "7.6-preview.2",
    "2025-06-01-preview",
    "2025-07-01",
    "2026-01-01-preview",
    "2026-03-01-preview",
    "2026-04-01",
];

/// Longest body, in bytes, of every operation but a restore.
pub const MAX_BODY: usize = 1024 * 1024;

/// What of a body that nobody wanted is read and thrown away, in bytes, and how long that may take.
const MAX_REST: usize = 64 * 1024;
const REST_TIME: Duration = Duration::from_secs(1);

/// Where a request was sent.
struct Target {
    served: Arc<Served>,
    base: String,
    port: Option<u16>,
}

/// Answers a request to a vault.
pub async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response {
    let client_id = request.headers().get("x-ms-client-request-id").cloned();
    let target = target(&server, &request);
    let (parts, mut body) = request.into_parts();
    let mut answer = match target {
        Ok(target) => match answer(&server, &target, &parts, &mut body).await {
            Ok(response) => response,
            Err(error) => refused(&server, &error, Some(&target)),
        },
        Err(error) => refused(&server, &error, None),
    };
    if !is_read(&mut body).await && parts.version < Version::HTTP_2 {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    with_headers(answer, client_id)
}

/// Whether a body is at its end, once what little is left of it was thrown away. A connection with a rest in it can't
/// serve another request: a client that isn't told so loses its next one.
async fn is_read(body: &mut Body) -> bool {
    body.is_end_stream() || matches!(timeout(REST_TIME, read_body(body, MAX_REST)).await, Ok(Ok(_)))
}

async fn answer(server: &Arc<Server>, target: &Target, parts: &Parts, body: &mut Body) -> Result<Response> {
    target.served.check_origin(parts.extensions.get())?;
    see_changes(server, &target.served).await?;
    let identities = server.home.vault.image();
    let Authenticated { caller, by_connection } = authenticated(server, &target.served, parts).await?;
    if by_connection {
        cross_site::refuse_other_sites(parts, &target.base)?;
    }
    if let Some(requests) = &server.requests {
        requests.count(&caller.oid).map_err(ServiceError::throttled)?;
    }
    let segments = segments(parts.uri.path())?;
    let (route, parameters) = route_of(target.served.manner, parts, &segments)?;
    let read_before = if by_connection { body_or_challenge(route, parts, body).await? } else { None };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    check_version(route, &query)?;
    let now = server.clock.now();
    if target.served.has_due(now) {
        target.served.purge_due(&server.pools, now).await;
    }
    let mut call = call(server, target, &parameters, query, (caller, now))?;
    permit(route, &call)?;
    if route.body.is_some() {
        check_media_type(&parts.headers)?;
        call.body = match read_before {
            Some(body) => body,
            None => read(body, route.max_body).await?,
        };
        permit_still(route, &mut call, &identities, parts).await?;
    }
    let reply = run(server, route, call).await?;
    Ok(written(route.status, reply))
}

/// Sees what other processes did to the vault that is asked and to the one that says who may.
async fn see_changes(server: &Server, served: &Arc<Served>) -> Result<()> {
    refresh(&server.home).await?;
    match Arc::ptr_eq(&server.home, served) {
        true => Ok(()),
        false => refresh(served).await,
    }
}

async fn authenticated(server: &Server, served: &Served, parts: &Parts) -> Result<Authenticated> {
    let audience = Audience::Vaults(served.manner);
    server.authenticate(&parts.headers, parts.extensions.get(), audience).await
}

/// The body of an operation that needs one. Without it the request is a client's first, which asks where tokens are from
/// ([`Authenticated::by_connection`]), whether or not this connection's identity may do what it is about.
async fn body_or_challenge(route: &Route, parts: &Parts, body: &mut Body) -> Result<Option<Bytes>> {
    if route.body.is_none() {
        cross_site::refuse_simple_bodies(parts, !body.is_end_stream())?;
        return Ok(None);
    }
    match read(body, route.max_body).await? {
        empty if empty.is_empty() => Err(authentication::missing()),
        whole => {
            cross_site::refuse_simple_bodies(parts, true)?;
            Ok(Some(whole))
        }
    }
}

/// What is asked for, but for its body.
fn call(
    server: &Arc<Server>,
    target: &Target,
    parameters: &Parameters<'_>,
    query: Query,
    (caller, now): (Caller, i64),
) -> Result<Call> {
    let served = Arc::clone(&target.served);
    let image = served.vault.image();
    let settings = served.settings(&image)?;
    Ok(Call {
        server: Arc::clone(server),
        served,
        home: Arc::clone(&server.home),
        pools: Arc::clone(&server.pools),
        image,
        settings,
        base: target.base.clone(),
        name: parameters.name.map(name).transpose()?,
        version: version(parameters.version)?,
        id: parameters.id.map(str::to_owned),
        scope: parameters.scope.map(scope).transpose()?,
        query,
        body: Bytes::new(),
        caller,
        now,
    })
}

/// The operation that is asked for, and what its path names.
fn route_of<'a>(manner: Manner, parts: &Parts, segments: &'a [String]) -> Result<(&'static Route, Parameters<'a>)> {
    match routes::find(manner, &parts.method, segments) {
        Found::Route(route, parameters) => Ok((route, parameters)),
        Found::OtherMethod => Err(other_method()),
        Found::Nothing => {
            let what = format!("The path {} was not found: this vault has no such operation.", parts.uri.path());
            Err(ServiceError::not_found("NotFound", what))
        }
    }
}

/// Sees what other processes did. Reading it may wait for one that writes, and so isn't done where others are served.
pub async fn refresh(served: &Arc<Served>) -> Result<()> {
    if served.vault.is_fresh() {
        return Ok(());
    }
    let stale = Arc::clone(served);
    match tokio::task::spawn_blocking(move || stale.vault.refresh()).await {
        Ok(refreshed) => Ok(refreshed?),
        Err(_) => Err(ServiceError::unavailable("The vault can't be read now: try again.")),
    }
}

/// Does the work where it belongs.
async fn run(server: &Server, route: &'static Route, call: Call) -> Result<Reply> {
    let pools = &server.pools;
    match route.work {
        Work::Key if keys::is_slow(&call) => pools.rsa(move || (route.run)(&call)).await?,
        Work::Secret if secrets::is_slow(&call) => pools.read(move || (route.run)(&call)).await?,
        Work::Short | Work::Key | Work::Secret => (route.run)(&call),
        Work::Read => pools.read(move || (route.run)(&call)).await?,
        Work::Make => pools.make(move || (route.run)(&call)).await?,
        Work::Write => pools.write(move || (route.run)(&call)).await?,
    }
}

/// Denies what nothing allows.
fn permit(route: &Route, call: &Call) -> Result<()> {
    let manner = call.served.manner;
    let rights = call.served.rights(&call.image);
    let folded = match &call.scope {
        Some(Scope::Object(_, name)) => Some(name.folded()),
        Some(_) => None,
        None => call.name.as_ref().map(Name::folded),
    };
    let need = Need::of(route, manner, call.scope.as_ref(), folded.as_deref());
    let public = need.of_public(route, manner);
    let allowed = rights.allow(&call.caller, &need)
        || route.of_job && full_backup::is_own_job(call)
        || public.is_some_and(|need| keys::is_asymmetric(call) && rights.allow(&call.caller, &need));
    match allowed {
        true => Ok(()),
        false => Err(denied(&rights, &need, &call.caller.oid)),
    }
}

/// Asks again once the body is here, which may take half a minute: by what was taken from its sender meanwhile nothing is
/// done any more. `identities` is the first vault as the sender was looked up in it.
async fn permit_still(route: &Route, call: &mut Call, identities: &Arc<Image>, parts: &Parts) -> Result<()> {
    let server = Arc::clone(&call.server);
    see_changes(&server, &call.served).await?;
    let image = call.served.vault.image();
    if Arc::ptr_eq(&image, &call.image) && Arc::ptr_eq(identities, &server.home.vault.image()) {
        return Ok(());
    }
    call.caller = authenticated(&server, &call.served, parts).await?.caller;
    call.settings = call.served.settings(&image)?;
    call.image = image;
    permit(route, call)
}

/// What is said to whom nothing allows it, with the codes that Azure tells both ways apart by.
fn denied(rights: &Rights, need: &Need<'_>, oid: &str) -> ServiceError {
    let (code, what) = match (rights, need.permission) {
        (Rights::Roles(_), _) => (
            "ForbiddenByRbac",
            format!(
                "Caller is not authorized to perform action {} on this resource. Caller: oid={oid}. An administrator can \
                 assign a role that has it: `strongroom role assign`.",
                need.action.name(),
            ),
        ),
        (Rights::Policies(_), Some(permission)) => (
            "AccessDenied",
            format!(
                "The user, group or application 'oid={oid}' does not have {permission} permission on this vault. Its \
                 operator can give it: `strongroom access policy set`.",
            ),
        ),
        (Rights::Policies(_), None) => (
            "AccessDenied",
            "This vault goes by access policies, and no policy allows this: its operator does it where the vault lies."
                .to_owned(),
        ),
    };
    ServiceError::forbidden(code, what)
}

fn target(server: &Server, request: &Request) -> Result<Target> {
    let host = host_of(request);
    let local = request.extensions().get::<Peer>().and_then(|peer| match peer.origin {
        Origin::Network { local, .. } => Some(local),
        Origin::Machine { .. } => None,
    });
    let served = server.served(host, local).ok_or_else(|| {
        let what = format!(
            "No vault is called {host:?} here: the address is https://NAME.{}.",
            server.names.domain(Manner::KeyVault)
        );
        ServiceError::not_found("VaultNotFound", format!("{what} The vault was not found."))
    })?;
    Ok(Target { served, base: format!("https://{host}"), port: port_of(request) })
}

/// The decoded parts of a path, without an empty one at the end.
fn segments(path: &str) -> Result<Vec<String>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let decode = |part: &str| {
        let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| ServiceError::bad_parameter("The path is not UTF-8."))
    };
    path.split('/').map(decode).collect()
}

fn name(text: &str) -> Result<Name> {
    Name::new(text)
        .map_err(|error| ServiceError::bad_parameter(format!("The request URI contains an invalid name: {error}.")))
}

fn scope(parts: &[String]) -> Result<Scope> {
    let wrong = |error| ServiceError::bad_parameter(format!("{error}."));
    Scope::of_path(parts.iter().map(String::as_str)).map_err(wrong)
}

fn version(text: &str) -> Result<Option<VersionId>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || ServiceError::bad_parameter(format!("{text:?} is no version: it has 32 hexadecimal digits."));
    let mut id = [0; 16];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != id.len() || !rest.is_empty() {
        return Err(wrong());
    }
    for (byte, pair) in id.iter_mut().zip(pairs) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or_else(wrong);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Ok(Some(id))
}

fn check_version(route: &Route, query: &Query) -> Result<()> {
    match query.get("api-version") {
        Some(version) if API_VERSIONS.contains(&version) => Ok(()),
        Some(version) => Err(ServiceError::bad_parameter(format!(
            "The specified version ({version}) is not recognized. Consider using the latest supported version (7.6)."
        ))),
        None if route.without_version => Ok(()),
        None => Err(ServiceError::bad_parameter("api-version must be specified.")),
    }
}

pub(super) fn check_media_type(headers: &HeaderMap) -> Result<()> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let what = "The body must be application/json.";
    Err(ServiceError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BadParameter", what))
}

async fn read(body: &mut Body, most: usize) -> Result<Bytes> {
    read_body(body, most).await.map_err(|error| {
        let status = match error {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        };
        ServiceError::new(status, "BadParameter", format!("{error}."))
    })
}

fn written(status: u16, reply: Reply) -> Response {
    let json = !reply.body.is_empty();
    let body = if json { Bytes::from_owner(reply.body) } else { Bytes::new() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    // Our own addresses and numbers; a header that can't be written is left out.
    for (name, text) in reply.headers {
        HeaderValue::from_str(&text).into_iter().for_each(|value| drop(response.headers_mut().insert(&name, value)));
    }
    if json {
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
    response
}

fn of_error(error: &ServiceError) -> Response {
    let mut response = Response::new(Body::from(error.body()));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn refused(server: &Server, error: &ServiceError, target: Option<&Target>) -> Response {
    let mut response = of_error(error);
    if let Some(target) = target.filter(|_| error.status == StatusCode::UNAUTHORIZED)
        && let Ok(challenge) = HeaderValue::from_str(&server.challenge(target.served.manner, target.port))
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Headers that every answer of the service has.
fn with_headers(mut response: Response, client_id: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    let set = [
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("x-content-type-options", "nosniff"),
        ("x-ms-keyvault-region", "local"),
        ("x-ms-keyvault-service-version", concat!("strongroom/", env!("CARGO_PKG_VERSION"))),
        ("x-ms-keyvault-network-info", "conn_type=Ipv4"),
    ];
    for (name, value) in set {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(id) = super::guid::random()
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        headers.insert("x-ms-request-id", id);
    }
    if let Some(id) = client_id {
        headers.insert("x-ms-client-request-id", id);
    }
    response
}
