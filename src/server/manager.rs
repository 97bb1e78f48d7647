//! What `az` asks of Azure's resource manager and directory on its way to a vault, answered at the login host: where everything
//! is, that there are no subscriptions, and what the identities are called that roles are given to. Vaults aren't made or
//! found here, so that commands which do that can't work.
//!
//! Where everything is, every challenge tells too, and nobody needs a token for it. The directory answers who has a token for
//! the resource manager, which counts at no vault, and finds an identity by its id or name alone: it lists none.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Query;
use super::error::ServiceError;
use super::identity::{Group, Identity, Known};
use super::listen::read_body;
use super::names::port_of;
use super::token::Audience;
use super::{Server, body};
use crate::config::Manner;

/// Longest list of ids, in bytes, and how many are looked up.
const MAX_BODY: usize = 64 * 1024;
const MOST_IDS: usize = 1000;

/// The addresses that `az login`, `az cloud register` and `az keyvault role assignment` ask.
pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/metadata/endpoints", get(endpoints))
        .route("/subscriptions", get(subscriptions))
        .route("/v1.0/directoryObjects/getByIds", post(directory_objects))
        .route("/v1.0/servicePrincipals", get(service_principals))
        .route("/v1.0/{*rest}", any(async || refused(StatusCode::NOT_FOUND, "There is no such directory object.")))
}

/// GET `/metadata/endpoints`: one cloud, as `az cloud register` reads it.
async fn endpoints(State(server): State<Arc<Server>>, request: Request) -> Json<Value> {
    let port = port_of(&request);
    let authority = server.names.authority(port);
    let suffix = |manner| server.names.suffix(manner, port);
    Json(json!({
        "name": "Strongroom",
        "authentication": {
            "loginEndpoint": authority,
            "audiences": [authority],
            "tenant": "adfs",
            "identityProvider": "ADFS",
        },
        "resourceManager": authority,
        "microsoftGraphResourceId": authority,
        "suffixes": { "keyVaultDns": suffix(Manner::KeyVault), "mhsmDns": suffix(Manner::ManagedHsm) },
    }))
}

/// GET `/subscriptions`.
async fn subscriptions() -> Json<Value> {
    Json(json!({ "value": [] }))
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

/// POST `/v1.0/directoryObjects/getByIds`: what these object ids are called; one that nobody has is left out.
async fn directory_objects(State(server): State<Arc<Server>>, headers: HeaderMap, content: Body) -> Response {
    let asked = match read_body(content, MAX_BODY).await {
        Ok(content) => body::read::<Ids>(&content),
        Err(error) => Err(format!("{error}.")),
    };
    let asked = asked.and_then(|asked| match asked.ids.len() > MOST_IDS {
        true => Err(format!("At most {MOST_IDS} ids are looked up at a time.")),
        false => Ok(asked),
    });
    match asked {
        Err(what) => refused(StatusCode::BAD_REQUEST, &what),
        Ok(asked) => {
            let ids: HashSet<String> = asked.ids.iter().map(|id| id.to_ascii_lowercase()).collect();
            found(&server, &headers, |known| {
                let identities = known.identities().filter(|identity| ids.contains(&identity.oid)).map(shown);
                let groups = known.groups().iter().filter(|group| ids.contains(&group.oid)).map(shown_group);
                identities.chain(groups).collect()
            })
            .await
        }
    }
}

/// GET `/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'NAME')`.
async fn service_principals(State(server): State<Arc<Server>>, headers: HeaderMap, request: Request) -> Response {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let filter = query.get("$filter").unwrap_or_default();
    let name = filter.strip_prefix("servicePrincipalNames/any(c:c eq '").and_then(|rest| rest.strip_suffix("')"));
    match name {
        Some(name) => {
            let is_called = |identity: &&Identity| {
                [&identity.oid, &identity.appid, &identity.name].iter().any(|known| known.eq_ignore_ascii_case(name))
            };
            found(&server, &headers, |known| known.identities().filter(is_called).map(shown).collect()).await
        }
        None => refused(StatusCode::BAD_REQUEST, "$filter must be servicePrincipalNames/any(c:c eq 'NAME')."),
    }
}

/// Answers with what is found among those who are known, if the token allows it.
async fn found(server: &Server, headers: &HeaderMap, find: impl Fn(&Known) -> Vec<Value>) -> Response {
    let known = server.newest_known().await;
    let allowed = server.authenticate_token(headers, Audience::ResourceManager).await;
    match known.and_then(|known| allowed.map(|_| known)) {
        Ok(known) => Json(json!({ "value": find(&known) })).into_response(),
        Err(ServiceError { status, message, .. }) => refused(status, &message),
    }
}

/// A `servicePrincipal` of Microsoft Graph, as far as `az` reads it.
fn shown(identity: &Identity) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": identity.oid,
        "appId": identity.appid,
        "displayName": identity.name,
        "servicePrincipalNames": [identity.name, identity.appid],
        "servicePrincipalType": "Application",
    })
}

/// A `group` of Microsoft Graph, as far as `az` reads it.
fn shown_group(group: &Group) -> Value {
    json!({ "@odata.type": "#microsoft.graph.group", "id": group.oid, "displayName": group.name })
}

/// Microsoft Graph's error body.
fn refused(status: StatusCode, message: &str) -> Response {
    let code = status.canonical_reason().unwrap_or_default().replace(' ', "");
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}
