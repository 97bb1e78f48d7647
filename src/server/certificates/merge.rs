//! A certificate is merged: somebody brings what an authority made of the request that waits here.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use schemars::JsonSchema;
use serde::Deserialize;

use super::bundle::Bundle;
use super::create::issued;
use super::operation::{Operation, not_found};
use super::parts::{Key, Request, private_half};
use super::{chain, note};
use crate::certificate::{self, Certificate};
use crate::server::attributes::{GivenAttributes, Tags, checked_tags};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::vault::{Change, Image, Name, Object};

/// The body of a merge.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateMergeParameters")]
pub struct MergeParameters {
    /// The certificate and those above it, each DER in base64.
    x5c: Vec<String>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
}

/// POST `/certificates/{name}/pending/merge`.
pub fn merge(call: &Call) -> Result<Reply> {
    let given: MergeParameters = call.read()?;
    let name = call.name()?;
    let tags = given.tags.map(checked_tags).transpose()?;
    let request = Arc::clone(pending(&call.image, name)?);
    let mut version = Request::version(&request)?;
    version.tags = tags.unwrap_or(version.tags);
    version.enabled = given.attributes.and_then(|attributes| attributes.enabled).unwrap_or(version.enabled);
    let operation = Operation::of(&request.content).ok_or_else(|| not_found(name))?.completed();
    let key = key(call, &request, name)?;
    let (certificate, above) = certificates(&given.x5c, &key, version.preserve_order)?;
    call.transact(&mut |image| {
        // Somebody may have merged, cancelled or deleted it meanwhile.
        let same = pending(image, name)?;
        if same.unique_id != request.unique_id {
            return Err(ServiceError::unavailable("The pending certificate was changed at the same time: try again."));
        }
        let mut changes = vec![Change::Delete(same.number)];
        changes.extend(issued(image, &version, &key, &certificate, &above, Some(&operation))?);
        Ok(changes)
    })?;
    Reply::json(&Bundle::found(call, &call.served.vault.image(), name, Some(version.id))?)
}

/// The request that waits under this name.
fn pending<'a>(image: &'a Image, name: &Name) -> Result<&'a Arc<Object>> {
    let request = image.request(name.as_str()).filter(|request| note::has_operation(&request.content));
    let request = request.ok_or_else(|| not_found(name))?;
    match Operation::of(&request.content).is_some_and(|operation| operation.is_cancelled()) {
        false => Ok(request),
        true => Err(ServiceError::bad_parameter("The operation was cancelled: create the certificate anew.")),
    }
}

/// The key for which the request is.
fn key(call: &Call, request: &Object, name: &Name) -> Result<Key> {
    if let Some(id) = note::key_version(&request.content) {
        let kept = private_half(&call.image, name, id).and_then(|key| Key::kept(key));
        return kept
            .ok_or_else(|| ServiceError::bad_parameter("The key of the pending certificate is gone: create it anew."));
    }
    Key::brought(call.served.vault.secret_in_any_state(request.number)?, true)
}

/// The certificate for this key, and those above it.
fn certificates(x5c: &[String], key: &Key, preserve_order: bool) -> Result<(Certificate, Vec<Certificate>)> {
    let wrong = |what: String| Err(ServiceError::bad_parameter(what));
    if x5c.is_empty() || x5c.len() > certificate::chain::MOST {
        return wrong(format!("x5c holds 1 to {} certificates.", certificate::chain::MOST));
    }
    let mut read = Vec::with_capacity(x5c.len());
    for (index, text) in x5c.iter().enumerate() {
        let der = Base64::decode_vec(text).ok().filter(|der| der.len() <= chain::MAX_LEN);
        let parsed = der.and_then(|der| Certificate::from_der(&der).ok());
        let Some(certificate) = parsed else {
            return wrong(format!("x5c[{index}] is no certificate: it is DER in base64."));
        };
        read.push(certificate);
    }
    super::chained(&key.description().public, read, preserve_order)
}
