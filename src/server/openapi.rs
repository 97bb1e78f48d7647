//! The document that describes the data plane (OpenAPI 3.0), made from the table of routes: for generators of clients,
//! and for tests that hold it against the official SDKs. Nobody needs a token for it.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::certificates::ContentType;
use super::error::ErrorBody;
use super::gate::API_VERSIONS;
use super::paging;
use super::routes::{Route, TABLE};

/// GET `/openapi.json`.
pub async fn answer() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

fn document() -> Value {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let mut paths = Map::new();
    for route in TABLE.iter() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut schemas);
    }
    schemas.subschema_for::<ErrorBody<'_>>();
    let definitions = schemas.take_definitions(true);
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Strongroom",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Keys, secrets, certificates and backups over Azure Key Vault's REST API. A vault is a host. A version at the end of \
                a path may be left out, one in the middle be empty: the current one is meant.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": route.operation,
        "description": needed(route),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some(schema) = route.body {
        let content = json!({ "application/json": { "schema": schema(schemas) } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

fn needed(route: &Route) -> String {
    let in_hsm = match route.hsm_action {
        Some(action) => format!("in a Managed HSM {}", action.name()),
        None => "a Managed HSM has no such operation".to_owned(),
    };
    format!("Needs {}; {in_hsm}.", route.action.name())
}

fn parameters(route: &Route) -> Vec<Value> {
    let path = |name: &str, schema| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    let mut parameters = vec![json!({
        "name": "api-version", "in": "query", "required": !route.without_version, "schema": { "type": "string", "enum": API_VERSIONS },
    })];
    if route.path.contains("{name}") {
        let pattern = "^[0-9a-zA-Z-]+$";
        parameters.push(path(
            "name",
            json_schema!({ "type": "string", "pattern": pattern, "minLength": 1, "maxLength": 127 }),
        ));
    }
    if route.path.contains("{scope}") {
        let pattern = "^/*((keys|secrets|certificates)(/[0-9a-zA-Z-]+)?)?$";
        parameters.push(path("scope", json_schema!({ "type": "string", "pattern": pattern })));
    }
    if route.path.contains("{id}") {
        parameters.push(path("id", json_schema!({ "type": "string", "minLength": 1 })));
    }
    if route.path.contains("{version}") {
        parameters.push(path("version", json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" })));
    }
    if route.is_list() {
        let size = json_schema!({ "type": "integer", "minimum": 1, "maximum": paging::MOST });
        parameters.push(query("maxresults", size));
        parameters.push(query("$skiptoken", json_schema!({ "type": "string" })));
        if route.path.contains("{scope}") {
            parameters.push(query("$filter", json_schema!({ "type": "string" })));
        }
    }
    parameters.extend(own_parameter(route));
    parameters
}

fn query(name: &str, schema: impl Serialize) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

/// What one operation alone takes.
fn own_parameter(route: &Route) -> Option<Value> {
    match route.operation {
        "CertificateList" | "CertificateListDeleted" => {
            Some(query("includePending", json_schema!({ "type": "boolean" })))
        }
        "SecretGet" => {
            let names = [ContentType::Pkcs12, ContentType::Pem].map(ContentType::name);
            Some(query("outContentType", json_schema!({ "type": "string", "enum": names })))
        }
        _ => None,
    }
}

fn responses(route: &Route) -> Value {
    let mut good = json!({ "description": "Done." });
    if route.status != 204 {
        good["content"] = json!({ "application/json": { "schema": { "type": "object" } } });
    }
    let error = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/KeyVaultError" } } });
    json!({
        route.status.to_string(): good,
        "default": { "description": "Not done: the message says why.", "content": error },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for route in TABLE.iter() {
            let described = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            assert_eq!(described["operationId"], route.operation);
            assert_eq!(described["requestBody"].is_object(), route.body.is_some(), "{}", route.operation);
        }
        let text = document.to_string();
        for reference in text.split(r##""$ref":"#"##).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
