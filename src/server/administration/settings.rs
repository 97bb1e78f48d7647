//! `/settings`: the one setting that Managed HSM has. It is kept and shown, and changes nothing here, where no resource manager
//! asks for keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::record::{self, Record, Stored};
use crate::vault::Image;

/// Whether Azure's resource manager may make and list keys.
const ALLOW_RESOURCE_MANAGER: &str = "AllowKeyManagementOperationsThroughARM";

/// The body of a change.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "UpdateSettingRequest")]
pub struct UpdateParameters {
    value: String,
}

/// A setting as the vault keeps it, once it was changed.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    value: bool,
}

impl Record for Kept {
    const KIND: &'static str = "service-setting";

    fn id(&self) -> &str {
        &self.name
    }
}

/// `Setting`.
#[derive(Serialize)]
struct Setting {
    name: &'static str,
    value: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// `SettingsListResult`.
#[derive(Serialize)]
struct Settings {
    settings: [Setting; 1],
}

/// GET `/settings`.
pub fn all(call: &Call) -> Result<Reply> {
    Reply::json(&Settings { settings: [shown(value(&call.image))] })
}

/// GET `/settings/{name}`.
pub fn get(call: &Call) -> Result<Reply> {
    check_name(call)?;
    Reply::json(&shown(value(&call.image)))
}

/// PATCH `/settings/{name}`.
pub fn update(call: &Call) -> Result<Reply> {
    check_name(call)?;
    let given: UpdateParameters = call.read()?;
    let value = match given.value.as_str() {
        "true" => true,
        "false" => false,
        _ => return Err(ServiceError::bad_parameter("value must be the text true or false.")),
    };
    let kept = Kept { name: ALLOW_RESOURCE_MANAGER.to_owned(), value };
    call.transact(&mut |image| {
        Ok(vec![match stored(image) {
            Some(before) => record::replace(before.number, &kept),
            None => record::create(&kept, None),
        }])
    })?;
    Reply::json(&shown(value))
}

fn stored(image: &Image) -> Option<Stored<Kept>> {
    record::find(image, ALLOW_RESOURCE_MANAGER)
}

fn value(image: &Image) -> bool {
    stored(image).is_some_and(|stored| stored.record.value)
}

fn shown(value: bool) -> Setting {
    Setting { name: ALLOW_RESOURCE_MANAGER, value: value.to_string(), kind: "boolean" }
}

fn check_name(call: &Call) -> Result<()> {
    match call.name()?.as_str().eq_ignore_ascii_case(ALLOW_RESOURCE_MANAGER) {
        true => Ok(()),
        false => {
            let what = format!("The setting was not found: there is {ALLOW_RESOURCE_MANAGER} alone.");
            Err(ServiceError::not_found("SettingNotFound", what))
        }
    }
}
