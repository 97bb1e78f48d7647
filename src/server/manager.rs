//! What `az` asks of Azure's resource manager before it comes to a vault, answered at the login host: where everything is, and
//! that there are no subscriptions. Vaults aren't made or found here, so that commands which do that can't work.
//!
//! Nothing here tells more than the names that every challenge tells, and so nobody needs a token for it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Server;
use super::names::port_of;
use crate::config::Manner;

/// The addresses that `az login` and `az cloud register` ask.
pub fn router() -> Router<Arc<Server>> {
    Router::new().route("/metadata/endpoints", get(endpoints)).route("/subscriptions", get(subscriptions))
}

/// GET `/metadata/endpoints`: one cloud, as `az cloud register` reads it.
async fn endpoints(State(server): State<Arc<Server>>, request: Request) -> Json<Value> {
    let port = port_of(&request);
    let authority = server.names.authority(port);
    let suffix = |manner| server.names.suffix(manner, port).trim_start_matches('.').to_owned();
    Json(json!({
        "name": "Strongroom",
        "authentication": {
            "loginEndpoint": authority,
            "audiences": [authority],
            "tenant": "adfs",
            "identityProvider": "ADFS",
        },
        "resourceManager": authority,
        "suffixes": { "keyVaultDns": suffix(Manner::KeyVault), "mhsmDns": suffix(Manner::ManagedHsm) },
    }))
}

/// GET `/subscriptions`.
async fn subscriptions() -> Json<Value> {
    Json(json!({ "value": [] }))
}
