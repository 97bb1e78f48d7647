//! The operation that makes a certificate, as clients poll it: how far it is, and what came of it.
//!
//! Here a certificate is either there before its operation is first asked for, or it waits for people: for one who brings
//! it, or for one who asks an authority elsewhere. The operation is a note of the request, and of the certificate afterwards.

use std::sync::Arc;

use axum::http::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bundle::CertificateVersion;
use super::parts::Request;
use super::policy::{Issuer, UNKNOWN};
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::vault::{Change, Class, Collection, Content, Image, Name, Object};

/// The note that keeps an operation, in JSON.
pub const NOTE: &str = "certificate-operation";

/// Seconds until it is worth asking again.
const RETRY_AFTER: &str = "1";

/// An operation as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    issuer: Issuer,
    /// PKCS#10 in base64.
    csr: String,
    status: Status,
    error: Option<Failure>,
    #[serde(default)]
    cancelled: bool,
    request_id: String,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Somebody is waited for.
    #[serde(rename = "inProgress")]
    InProgress,
    /// The certificate is there.
    #[serde(rename = "completed")]
    Completed,
    /// Its issuer can't sign.
    #[serde(rename = "failed")]
    Failed,
}

/// Why an issuer can't sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// In a word.
    pub code: String,
    /// In a sentence.
    pub message: String,
}

/// The body of an update.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateOperationUpdateParameter")]
pub struct UpdateParameters {
    cancellation_requested: bool,
}

/// `CertificateOperation`
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    issuer: &'a Issuer,
    csr: &'a str,
    cancellation_requested: bool,
    status: &'static str,
    status_details: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(rename = "preserveCertOrder")]
    preserve_order: bool,
    request_id: &'a str,
}

/// An operation and the object whose note it is.
struct Found<'a> {
    object: &'a Arc<Object>,
    operation: Operation,
}

/// GET `/certificates/{name}/pending`.
pub fn get(call: &Call) -> Result<Reply> {
    let found = Found::of(&call.image, call.name()?)?;
    found.operation.answer(call, found.object, found.operation.shown_status())
}

/// PATCH `/certificates/{name}/pending`: nobody is waited for any longer. What is answered is from before that.
pub fn cancel(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    let name = call.name()?;
    call.transact(&mut |image| {
        let Found { object, mut operation } = Found::of(image, name)?;
        if !given.cancellation_requested {
            return Ok(Vec::new());
        }
        if operation.issuer.is(UNKNOWN) {
            let what = "An operation whose issuer is Unknown can't be cancelled: delete it, or merge a certificate.";
            return Err(ServiceError::bad_parameter(what));
        }
        if operation.status != Status::InProgress {
            return Err(ServiceError::bad_parameter(
                "The operation has ended: nothing is left that could be cancelled.",
            ));
        }
        operation.cancelled = true;
        let mut content = object.content.clone();
        operation.note(&mut content);
        Ok(vec![Change::Set(object.number, content)])
    })?;
    let image = call.served.vault.image();
    let found = Found::of(&image, name)?;
    found.operation.answer(call, found.object, found.operation.status.name())
}

/// DELETE `/certificates/{name}/pending`: answers the operation that there was. A certificate that never was issued stays
/// under its name, without a key, until it is deleted or another one is made.
pub fn delete(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let mut gone = None;
    call.transact(&mut |image| {
        let Found { object, operation } = Found::of(image, name)?;
        gone = Some((Arc::clone(object), operation));
        let mut content = object.content.clone();
        content.notes.remove(NOTE);
        if object.content.class == Class::Certificate {
            return Ok(vec![Change::Set(object.number, content)]);
        }
        let only = image.with_name(Collection::Certificates, name.as_str()).next().is_none();
        let shell = only.then(|| Request::without_key(object, content)).flatten().map(Change::Create);
        Ok([Change::Delete(object.number)].into_iter().chain(shell).collect())
    })?;
    let (object, operation) = gone.ok_or_else(|| not_found(name))?;
    operation.answer(call, &object, operation.shown_status())
}

/// Refuses another version while one is waited for. What was cancelled or failed is no longer.
pub fn refuse_pending(image: &Image, name: &Name) -> Result<()> {
    let waits = |operation: &Operation| operation.status == Status::InProgress && !operation.cancelled;
    match image.request(name.as_str()).and_then(|request| Operation::of(&request.content)).filter(waits) {
        None => Ok(()),
        Some(_) => Err(ServiceError::conflict(
            "PendingCertificateExists",
            format!("A pending certificate exists for {name}: merge it, cancel it or delete the operation first."),
        )),
    }
}

/// Where a name's operation is found.
pub fn address(call: &Call, name: &Name) -> String {
    format!("{}/pending", call.id(Collection::Certificates, name.as_str()))
}

/// Nothing of this name is being made.
pub fn not_found(name: &Name) -> ServiceError {
    ServiceError::not_found("PendingCertificateNotFound", format!("Pending certificate not found: {name}."))
}

impl<'a> Found<'a> {
    fn of(image: &'a Image, name: &Name) -> Result<Self> {
        let all = CertificateVersion::named(image, name);
        let found =
            all.last().and_then(|newest| Some(Self { object: newest.0, operation: Operation::of(&newest.0.content)? }));
        found.ok_or_else(|| not_found(name))
    }
}

impl Operation {
    /// A new one.
    pub fn new(issuer: &Issuer, csr: String, request_id: String, status: Status, error: Option<Failure>) -> Self {
        Self { issuer: issuer.clone(), csr, status, error, cancelled: false, request_id }
    }

    /// The one that an object keeps.
    pub fn of(content: &Content) -> Option<Self> {
        serde_json::from_str(content.notes.get(NOTE)?).ok()
    }

    /// Keeps it with an object.
    pub fn note(&self, content: &mut Content) {
        content.notes.insert(NOTE.into(), serde_json::to_string(self).unwrap_or_default());
    }

    /// The same, with its certificate.
    pub fn completed(self) -> Self {
        Self { status: Status::Completed, error: None, cancelled: false, ..self }
    }

    /// Whether somebody cancelled it.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// The answer of a create: in progress whatever came of it, and where to ask.
    pub fn accepted(&self, call: &Call, object: &Object) -> Result<Reply> {
        let name = object.name.as_ref().map_or_else(|| call.name(), Ok)?;
        let version = call.query.get("api-version").unwrap_or_default();
        let location = format!("{}?api-version={version}&request_id={}", address(call, name), self.request_id);
        let begun = Self { status: Status::InProgress, error: None, ..self.clone() };
        let reply = begun.answer(call, object, Status::InProgress.name())?;
        Ok(reply.with_header(header::LOCATION, location).with_header(header::RETRY_AFTER, RETRY_AFTER))
    }

    fn shown_status(&self) -> &'static str {
        if self.cancelled { "cancelled" } else { self.status.name() }
    }

    fn answer(&self, call: &Call, object: &Object, status: &'static str) -> Result<Reply> {
        let name = object.name.as_ref().map_or_else(|| call.name(), Ok)?;
        let completed = self.status == Status::Completed;
        Reply::json(&Shown {
            id: address(call, name),
            issuer: &self.issuer,
            csr: &self.csr,
            cancellation_requested: self.cancelled,
            status,
            status_details: self.details(),
            error: self.error.as_ref(),
            target: completed.then(|| call.id(Collection::Certificates, name.as_str())),
            preserve_order: super::note::preserves_order(&object.content),
            request_id: &self.request_id,
        })
    }

    fn details(&self) -> &'static str {
        match (self.cancelled, self.status) {
            (true, _) => "The request was cancelled.",
            (_, Status::Completed) => "The certificate was issued.",
            (_, Status::Failed) => "The issuer can't sign: the error says why.",
            _ if self.issuer.is(UNKNOWN) => {
                "The certificate's key and its signing request were made. Merge the certificate that an authority issues for it."
            }
            _ => {
                "The certificate's key and its signing request were made. Ask the issuer for the certificate, and ask again here."
            }
        }
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "inProgress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}
