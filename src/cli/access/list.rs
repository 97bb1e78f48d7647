//! `strongroom access list WHERE`: everybody who may do something there, one line for each thing that was given.

use clap::Args;
use serde_json::{Value, json};

use super::super::principal::{Principal, put_names, shown_name};
use super::super::role::definition::short_name;
use super::super::role::role_name;
use super::super::{Context, Result};
use super::Home;
use crate::config::Manner;
use crate::server::access::Scope;
use crate::server::access::explain::{Grant, Held, held_at, place};
use crate::server::identity::Group;
use crate::vault::Image;

/// A place.
#[derive(Args)]
pub(in super::super) struct List {
    /// Where: /, /keys, /keys/NAME, /secrets/NAME, /certificates/NAME
    #[arg(value_name = "WHERE", default_value = "/", value_parser = place)]
    place: Scope,
}

pub(super) fn run(context: &Context, list: &List) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let home = Home::of(context, &opened)?.image;
    let mut lines: Vec<Line> = Vec::new();
    for held in held_at(&image, opened.manner, &list.place) {
        lines.extend(
            people(&home, held.by.principal())
                .into_iter()
                .map(|who| Line::of(&image, &home, opened.manner, &held, who)),
        );
    }
    lines.sort_by(|one, other| one.row.cmp(&other.row));
    let rows: Vec<Vec<String>> = lines.iter().map(|line| line.row.clone()).collect();
    let values = lines.into_iter().map(|line| line.value).collect();
    let headings = ["who", "state", "by", "group", "allows"];
    context.output.list(&headings, &rows, &Value::Array(values), "Nobody may do anything there over the server.")
}

/// Somebody whom a right comes to.
struct Person {
    /// Their object id; `None` for whoever an issuer says is in its group.
    oid: Option<String>,
    name: String,
    state: &'static str,
    /// The group by which it comes to them.
    group: Option<String>,
}

/// Everybody whom a right comes to that was given to this object id.
fn people(home: &Image, oid: &str) -> Vec<Person> {
    match Principal::find(home, oid) {
        Ok(Principal::Group(group)) => in_group(home, &group),
        _ => vec![Person::of(home, oid, None)],
    }
}

fn in_group(home: &Image, group: &Group) -> Vec<Person> {
    let own = group.members.iter().map(|member| Person::of(home, member, Some(&group.name)));
    let foreign = group.foreign.iter().map(|foreign| Person {
        oid: None,
        name: format!("{} of {}", foreign.value, foreign.issuer),
        state: "foreign",
        group: Some(group.name.clone()),
    });
    own.chain(foreign).collect()
}

impl Person {
    fn of(home: &Image, oid: &str, group: Option<&str>) -> Self {
        let state = match Principal::find(home, oid) {
            Ok(Principal::Identity(identity)) if identity.enabled => "enabled",
            Ok(Principal::Identity(_)) => "disabled",
            _ => "unknown",
        };
        Self { oid: Some(oid.to_owned()), name: shown_name(home, oid), state, group: group.map(str::to_owned) }
    }
}

/// One line of the list.
struct Line {
    row: Vec<String>,
    value: Value,
}

impl Line {
    fn of(image: &Image, home: &Image, manner: Manner, held: &Held, who: Person) -> Self {
        let (by, mut value) = match &held.by {
            Grant::Role(given) => {
                let role = role_name(image, manner, &given.role);
                let value = json!({
                    "assignment": given.id,
                    "role": role,
                    "role_id": given.role,
                    "scope": given.scope.to_string(),
                });
                (format!("{role} on {}", given.scope), value)
            }
            Grant::Policy(_) => ("access policy".to_owned(), json!({})),
        };
        if let Some(oid) = &who.oid {
            put_names(&mut value, home, oid);
        } else {
            value["foreign"] = json!(who.name);
        }
        value["group"] = json!(who.group);
        value["state"] = json!(who.state);
        value["allows"] = json!(held.allows);
        let names = || held.allows.iter().map(|name| short_name(name)).collect::<Vec<_>>().join(", ");
        let allows = if held.is_everything { "everything".to_owned() } else { names() };
        let row = vec![who.name, who.state.to_owned(), by, who.group.unwrap_or_default(), allows];
        Self { row, value }
    }
}
