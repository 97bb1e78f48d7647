//! Lifetime actions: what is done with a certificate, and when, before it expires.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::body::object;
use crate::server::error::{Result, ServiceError};

/// Days that every month has at least: a trigger must lie within the certificate's life.
const DAYS_OF_A_MONTH: i64 = 27;

/// What is done when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LifetimeAction")]
pub struct LifetimeAction {
    #[serde(deserialize_with = "object")]
    trigger: Trigger,
    #[serde(deserialize_with = "object")]
    action: Action,
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Trigger {
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_percentage: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_before_expiry: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Action {
    action_type: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CertificatePolicyAction")]
enum Kind {
    EmailContacts,
    AutoRenew,
}

/// What is done where nobody says: a new version when four fifths of the life are over.
pub fn default_actions() -> Vec<LifetimeAction> {
    let trigger = Trigger { lifetime_percentage: Some(80), days_before_expiry: None };
    vec![LifetimeAction { trigger, action: Action { action_type: Kind::AutoRenew } }]
}

/// Refuses what can't be done in a life of so many months, and two actions of one kind.
pub fn check(actions: &[LifetimeAction], validity_months: u32) -> Result<()> {
    let wrong = |what: String| Err(ServiceError::bad_parameter(what));
    for kind in [Kind::EmailContacts, Kind::AutoRenew] {
        if actions.iter().filter(|action| action.action.action_type == kind).count() > 1 {
            return wrong(format!("policy.lifetime_actions may hold one {kind:?} action, not several."));
        }
    }
    let most = i64::from(validity_months) * DAYS_OF_A_MONTH;
    for action in actions {
        match (action.trigger.lifetime_percentage, action.trigger.days_before_expiry) {
            (Some(1..=99), None) => {}
            (Some(_), None) => return wrong("A trigger's lifetime_percentage is 1 to 99.".into()),
            (None, Some(days)) if (1..=most).contains(&days) => {}
            (None, Some(_)) => {
                return wrong(format!(
                    "A trigger's days_before_expiry is 1 to {most} for a validity of {validity_months} months."
                ));
            }
            _ => return wrong("A trigger has either lifetime_percentage or days_before_expiry.".into()),
        }
    }
    Ok(())
}
