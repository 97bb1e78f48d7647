//! What keys, secrets and certificates have in common on the wire: attributes and tags, read and written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::error::{Result, ServiceError};
use crate::vault::{Content, Object};

/// Tags as they are sent.
pub type Tags = BTreeMap<String, String>;

/// `attributes` in a request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct GivenAttributes {
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Seconds since 1970.
    pub nbf: Option<i64>,
    /// Seconds since 1970.
    pub exp: Option<i64>,
    /// Whether the private part may leave; keys only.
    pub exportable: Option<bool>,
}

/// `attributes` in an answer.
#[derive(Debug, Serialize)]
pub struct ShownAttributes {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    created: i64,
    updated: i64,
    #[serde(rename = "recoveryLevel", skip_serializing_if = "Option::is_none")]
    recovery_level: Option<&'static str>,
    #[serde(rename = "recoverableDays", skip_serializing_if = "Option::is_none")]
    recoverable_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
}

impl ShownAttributes {
    /// Of this version.
    pub fn of(call: &Call, object: &Object) -> Self {
        let content = &object.content;
        Self {
            enabled: content.enabled,
            nbf: content.not_before,
            exp: content.expires,
            created: object.created,
            updated: object.updated,
            recovery_level: Some(call.settings.recovery_level()),
            recoverable_days: Some(call.settings.retention_days),
            exportable: None,
        }
    }

    /// With `exportable`, as keys have it.
    pub fn with_exportable(self, exportable: bool) -> Self {
        Self { exportable: Some(exportable), ..self }
    }

    /// Without what says for how long it can be brought back, as certificates in lists have it.
    pub fn without_recovery(self) -> Self {
        Self { recovery_level: None, recoverable_days: None, ..self }
    }

    /// Not enabled, whatever the object says: a certificate still to be issued.
    pub fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }
}

impl GivenAttributes {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.enabled.is_none() && self.nbf.is_none() && self.exp.is_none() && self.exportable.is_none()
    }

    /// Puts what is given in; what is absent stays.
    pub fn apply(&self, content: &mut Content) -> Result<()> {
        content.enabled = self.enabled.unwrap_or(content.enabled);
        content.not_before = self.nbf.or(content.not_before);
        content.expires = self.exp.or(content.expires);
        if let (Some(start), Some(end)) = (content.not_before, content.expires)
            && start >= end
        {
            return Err(ServiceError::bad_parameter("attributes.nbf must be earlier than attributes.exp."));
        }
        Ok(())
    }
}

/// Checks tags: at most 15, names to 512 and values to 256 characters.
pub fn checked_tags(tags: Tags) -> Result<Tags> {
    let wrong = |what: &str| Err(ServiceError::bad_parameter(what));
    if tags.len() > 15 {
        return wrong("There are at most 15 tags.");
    }
    if tags.keys().any(|name| name.is_empty() || name.chars().count() > 512) {
        return wrong("A tag's name has 1 to 512 characters.");
    }
    if tags.values().any(|value| value.chars().count() > 256) {
        return wrong("A tag's value has at most 256 characters.");
    }
    Ok(tags)
}
