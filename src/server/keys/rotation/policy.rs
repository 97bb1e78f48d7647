//! Rotation policies: when a key gets a new version, when somebody is told, and how long a version lives.
//!
//! A policy that is put is checked and completed as Key Vault does it, and kept as a note of the key. A duration is text
//! of ISO 8601 and stays the text that it was; months and years have the length that they have from now on.

use jiff::fmt::temporal::SpanParser;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::body::{maybe_object, object};
use crate::server::error::{Result, ServiceError};

const DAY: i64 = 24 * 3600;

/// Shortest life of a version, in days.
const MIN_EXPIRY_DAYS: i64 = 28;

/// Fewest days from the making of a version to its rotation, and from its rotation to its end.
const MIN_ROTATION_DAYS: i64 = 7;

/// Longest text of a duration; the longest that says anything is far shorter.
const MAX_TEXT: usize = 64;

/// When nobody said otherwise, somebody is told so long before a version expires.
const DEFAULT_NOTICE: &str = "P30D";

/// The body of a put; what an answer says besides is passed over.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyRotationPolicy")]
pub struct PolicyParameters {
    #[serde(rename = "lifetimeActions")]
    lifetime_actions: Option<Vec<LifetimeAction>>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenPolicyAttributes>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyRotationPolicyAttributes")]
struct GivenPolicyAttributes {
    #[serde(rename = "expiryTime")]
    expiry_time: Option<String>,
}

/// A policy as it is kept and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// At most one of each kind.
    #[serde(rename = "lifetimeActions")]
    pub lifetime_actions: Vec<LifetimeAction>,
    /// What holds for the whole.
    pub attributes: PolicyAttributes,
}

/// Life of a version, and when the policy was put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAttributes {
    /// How long a version lives that a rotation made; for ever without.
    #[serde(rename = "expiryTime", skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<String>,
    /// Seconds since 1970; absent in the policy that a key has without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<i64>,
}

/// What is done at some time in the life of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LifetimeActions")]
pub struct LifetimeAction {
    #[serde(deserialize_with = "object")]
    trigger: Trigger,
    #[serde(deserialize_with = "object")]
    action: Action,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LifetimeActionsTrigger")]
struct Trigger {
    #[serde(rename = "timeAfterCreate", skip_serializing_if = "Option::is_none")]
    time_after_create: Option<String>,
    #[serde(rename = "timeBeforeExpiry", skip_serializing_if = "Option::is_none")]
    time_before_expiry: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LifetimeActionsType")]
struct Action {
    #[serde(rename = "type")]
    kind: ActionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "KeyRotationPolicyAction")]
enum ActionKind {
    #[serde(alias = "rotate")]
    Rotate,
    #[serde(alias = "notify")]
    Notify,
}

impl Policy {
    /// What a key has for which none was put: somebody is told before it expires.
    pub fn without_any() -> Self {
        Self { lifetime_actions: vec![default_notice()], attributes: PolicyAttributes::default() }
    }

    /// What is put, checked and completed; `created` of the one that it replaces stays.
    pub fn put(given: PolicyParameters, before: Option<&Self>, now: i64) -> Result<Self> {
        let expiry_time = given.attributes.and_then(|attributes| attributes.expiry_time);
        let expiry = expiry_time.as_deref().map(|text| seconds("attributes.expiryTime", text, now)).transpose()?;
        if expiry.is_some_and(|expiry| expiry < MIN_EXPIRY_DAYS * DAY) {
            return wrong(format!("attributes.expiryTime must be {MIN_EXPIRY_DAYS} days or more."));
        }
        let mut lifetime_actions = given.lifetime_actions.unwrap_or_default();
        for kind in [ActionKind::Rotate, ActionKind::Notify] {
            if lifetime_actions.iter().filter(|action| action.action.kind == kind).count() > 1 {
                return wrong(format!("lifetimeActions may hold one {kind:?} action, not several."));
            }
        }
        lifetime_actions.iter().try_for_each(|action| action.check(expiry, now))?;
        if !lifetime_actions.iter().any(|action| action.action.kind == ActionKind::Notify) {
            lifetime_actions.push(default_notice());
        }
        let before = before.map(|before| &before.attributes);
        let created = before.and_then(|before| before.created).unwrap_or(now);
        // Of several versions' policies the one that was put last counts, also where a clock went backward.
        let now = before.and_then(|before| before.updated).map_or(now, |updated| now.max(updated.saturating_add(1)));
        let attributes = PolicyAttributes { expiry_time, created: Some(created), updated: Some(now) };
        Ok(Self { lifetime_actions, attributes })
    }

    /// When a version ends that a rotation makes now.
    pub fn expires(&self, now: i64) -> Option<i64> {
        let span = parse(self.attributes.expiry_time.as_deref()?)?;
        after(now, span)
    }
}

impl LifetimeAction {
    fn check(&self, expiry: Option<i64>, now: i64) -> Result<()> {
        let rotates = self.action.kind == ActionKind::Rotate;
        let (text, what, before) = match (&self.trigger.time_after_create, &self.trigger.time_before_expiry) {
            (Some(text), None) => (text, "timeAfterCreate", false),
            (None, Some(text)) => (text, "timeBeforeExpiry", true),
            _ => return wrong("A trigger has either timeAfterCreate or timeBeforeExpiry."),
        };
        let time = seconds(what, text, now)?;
        if rotates && time < MIN_ROTATION_DAYS * DAY {
            return wrong(format!("{what} of a rotation must be {MIN_ROTATION_DAYS} days or more."));
        }
        match expiry {
            None if rotates && before => wrong("A rotation before expiry needs attributes.expiryTime."),
            Some(expiry) if time >= expiry => wrong(format!("{what} must be shorter than attributes.expiryTime.")),
            Some(expiry) if rotates && expiry - time < MIN_ROTATION_DAYS * DAY => {
                let end = if before { "after a version was made" } else { "before attributes.expiryTime" };
                wrong(format!("A rotation must be {MIN_ROTATION_DAYS} days or more {end}."))
            }
            _ => Ok(()),
        }
    }
}

fn default_notice() -> LifetimeAction {
    LifetimeAction {
        trigger: Trigger { time_before_expiry: Some(DEFAULT_NOTICE.to_owned()), ..Trigger::default() },
        action: Action { kind: ActionKind::Notify },
    }
}

/// The length of a duration from now on.
fn seconds(what: &str, text: &str, now: i64) -> Result<i64> {
    let end = parse(text).and_then(|span| after(now, span)).filter(|end| *end > now);
    let end = end.ok_or_else(|| {
        ServiceError::bad_parameter(format!("{what} must be a duration of ISO 8601, such as P90D or P2Y."))
    })?;
    Ok(end - now)
}

fn parse(text: &str) -> Option<Span> {
    (text.len() <= MAX_TEXT).then(|| SpanParser::new().parse_span(text).ok()).flatten()
}

fn after(now: i64, span: Span) -> Option<i64> {
    let end = TimeZone::UTC.to_datetime(Timestamp::from_second(now).ok()?).checked_add(span).ok()?;
    Some(TimeZone::UTC.to_timestamp(end).ok()?.as_second())
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ServiceError::bad_parameter(what))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// 2027-01-15T08:00:00Z.
    const NOW: i64 = 1_800_000_000;

    fn put(given: Value) -> Result<Value> {
        let given = serde_json::from_value(given).map_err(|error| ServiceError::bad_parameter(error.to_string()))?;
        Ok(serde_json::to_value(Policy::put(given, None, NOW)?).expect("JSON"))
    }

    fn action(kind: &str, trigger: Value) -> Value {
        json!({ "trigger": trigger, "action": { "type": kind } })
    }

    fn attributes(expiry: Value) -> Value {
        let mut attributes = json!({ "created": NOW, "updated": NOW });
        if !expiry.is_null() {
            attributes["expiryTime"] = expiry;
        }
        attributes
    }

    #[test]
    fn a_policy_is_completed_as_key_vault_does_it() {
        let notify = || action("Notify", json!({ "timeBeforeExpiry": "P30D" }));
        let earlier = || action("Notify", json!({ "timeBeforeExpiry": "P45D" }));
        let rotate = || action("Rotate", json!({ "timeAfterCreate": "P60D" }));
        for (given, completed) in [
            (json!(null), json!([notify()])),
            (json!([]), json!([notify()])),
            (json!([rotate()]), json!([rotate(), notify()])),
            (json!([earlier()]), json!([earlier()])),
            (json!([rotate(), earlier()]), json!([rotate(), earlier()])),
        ] {
            let answer =
                put(json!({ "lifetimeActions": given, "attributes": { "expiryTime": "P90D" } })).expect("sound");
            assert_eq!(answer, json!({ "lifetimeActions": completed, "attributes": attributes(json!("P90D")) }));
        }
        let empty = put(json!({})).expect("sound");
        assert_eq!(empty, json!({ "lifetimeActions": [notify()], "attributes": attributes(json!(null)) }));
    }

    #[test]
    fn a_policy_that_is_put_while_the_clock_is_behind_counts_as_the_later_one() {
        let given = || serde_json::from_value(json!({})).expect("sound");
        let before = Policy::put(given(), None, NOW).expect("sound");
        let later = Policy::put(given(), Some(&before), NOW - 1000).expect("sound");
        assert_eq!((later.attributes.created, later.attributes.updated), (Some(NOW), Some(NOW + 1)));
    }

    #[test]
    fn what_key_vault_refuses_is_refused() {
        let with_expiry = |expiry: &str, actions: Value| json!({ "lifetimeActions": actions, "attributes": { "expiryTime": expiry } });
        let rotate_after = |text: &str| action("Rotate", json!({ "timeAfterCreate": text }));
        let rotate_before = |text: &str| action("Rotate", json!({ "timeBeforeExpiry": text }));
        let wrong = [
            with_expiry("P27D", json!([])),
            with_expiry("P27DT23H59M59S", json!([])),
            with_expiry("P3W", json!([])),
            with_expiry("-P90D", json!([])),
            with_expiry("90 days", json!([])),
            with_expiry("90", json!([])),
            with_expiry("", json!([])),
            with_expiry("P", json!([])),
            with_expiry("P99999Y", json!([])),
            with_expiry(&"P1D".repeat(100), json!([])),
            with_expiry("P90D", json!([rotate_after("P90D")])),
            with_expiry("P90D", json!([rotate_after("P84D")])),
            with_expiry("P90D", json!([rotate_after("P6D")])),
            with_expiry("P90D", json!([rotate_before("P6D")])),
            with_expiry("P90D", json!([rotate_before("P84D")])),
            with_expiry("P90D", json!([rotate_after("P30D"), rotate_after("P60D")])),
            with_expiry("P90D", json!([action("Notify", json!({ "timeBeforeExpiry": "P91D" }))])),
            with_expiry("P90D", json!([action("Notify", json!({ "timeBeforeExpiry": "P0D" }))])),
            with_expiry("P90D", json!([action("Notify", json!({}))])),
            with_expiry("P90D", json!([action("Explode", json!({ "timeBeforeExpiry": "P30D" }))])),
            with_expiry(
                "P90D",
                json!([action("Rotate", json!({ "timeBeforeExpiry": "P30D", "timeAfterCreate": "P60D" }))]),
            ),
            json!({ "lifetimeActions": [rotate_before("P30D")] }),
            json!({ "lifetimeActions": 7 }),
            json!({ "attributes": { "expiryTime": 7 } }),
        ];
        for given in wrong {
            let refused = put(given.clone()).map_err(|error| error.code);
            assert_eq!(refused, Err("BadParameter"), "{given}");
        }
        for given in [
            with_expiry("P28D", json!([])),
            with_expiry("P4W", json!([])),
            with_expiry("P2Y", json!([rotate_before("P30D")])),
            with_expiry("P1Y6M", json!([rotate_after("P1Y")])),
            with_expiry("P90D", json!([rotate_after("P83D")])),
            json!({ "lifetimeActions": [rotate_after("P18M")] }),
        ] {
            put(given.clone()).unwrap_or_else(|error| panic!("{given}: {}", error.message));
        }
    }

    #[test]
    fn a_year_has_the_days_that_it_has_from_now_on() {
        let policy = |text: &str| Policy {
            lifetime_actions: Vec::new(),
            attributes: PolicyAttributes { expiry_time: Some(text.to_owned()), created: None, updated: None },
        };
        assert_eq!(policy("P90D").expires(NOW), Some(NOW + 90 * DAY));
        assert_eq!(policy("P1Y").expires(NOW), Some(NOW + 365 * DAY));
        assert_eq!(policy("P2Y").expires(NOW), Some(NOW + (365 + 366) * DAY), "2028 is a leap year");
        assert_eq!(policy("P1M").expires(NOW), Some(NOW + 31 * DAY));
        assert_eq!(Policy::without_any().expires(NOW), None);
    }
}
