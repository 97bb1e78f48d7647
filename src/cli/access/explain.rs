//! `strongroom access explain WHO WHAT WHERE`.

use clap::Args;
use serde_json::{Value, json};

use super::super::doctor::shell::quote;
use super::super::open::Opened;
use super::super::principal::{Principal, put_names, shown_name};
use super::super::role::role_name;
use super::super::{Context, Error, Result};
use super::Home;
use crate::server::access::explain::{Explanation, Grant, Idle, Remedy, Wish, explain, place};
use crate::server::access::{Model, Scope};
use crate::server::identity::{Caller, Known};
use crate::vault::Image;

/// A question.
#[derive(Args)]
pub(in super::super) struct Explain {
    /// The name, object id or client id of an identity, or a group's name or object id
    who: String,
    /// What is to be done: an operation (KeySign), its verb (sign), a permission (wrapKey), or a data action (keys/sign/action)
    what: String,
    /// To what: /, /keys, /keys/NAME, /secrets/NAME, /certificates/NAME
    #[arg(value_name = "WHERE", value_parser = place)]
    place: Scope,
    /// As if they were in this group too, as an issuer may say of them; may be given several times
    #[arg(long, value_name = "GROUP")]
    with_group: Vec<String>,
}

/// Who asks, as the server would know them.
struct Asker {
    principal: Principal,
    caller: Caller,
}

impl Asker {
    fn find(home: &Image, explain: &Explain) -> Result<Self> {
        let principal = Principal::find(home, &explain.who)?;
        let mut caller = Known::of(home).caller(principal.oid().to_owned());
        let mut groups = caller.groups.to_vec();
        for name in &explain.with_group {
            match Principal::find(home, name)? {
                Principal::Identity(_) => return Err(Error::Usage(format!("{name} is an identity, and no group."))),
                found => groups.push(found.oid().into()),
            }
        }
        caller.groups = groups.into();
        Ok(Self { principal, caller })
    }

    fn is_disabled(&self) -> bool {
        matches!(&self.principal, Principal::Identity(identity) if !identity.enabled)
    }
}

pub(super) fn run(context: &Context, asked: &Explain) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let home = Home::of(context, &opened)?;
    let asker = Asker::find(&home.image, asked)?;
    let wrong = |error: String| Error::Usage(format!("This can't be answered: {error}."));
    let wish = Wish::read(&image, opened.manner, &asked.what, &asked.place).map_err(wrong)?;
    let explanation = explain(&image, &asker.caller, &wish).map_err(wrong)?;
    let answer = Answer { opened: &opened, image: &image, home: &home, asked, asker: &asker, wish: &wish };
    answer.print(context, &explanation)
}

/// What is printed, and what that takes.
struct Answer<'a> {
    opened: &'a Opened,
    image: &'a Image,
    home: &'a Home,
    asked: &'a Explain,
    asker: &'a Asker,
    wish: &'a Wish,
}

impl Answer<'_> {
    fn print(&self, context: &Context, explanation: &Explanation) -> Result<()> {
        let (who, what, place) = (self.asker.principal.name(), self.wish.name(), &self.asked.place);
        let is_disabled = self.asker.is_disabled();
        let is_allowed = matches!(explanation, Explanation::Allowed(_)) && !is_disabled;
        let verdict = if is_allowed { "allowed" } else { "denied" };
        let mut fields = vec![("Answer", format!("{verdict}: {who}, {what} at {place}"))];
        let mut value = json!({
            "allowed": is_allowed,
            "who": who,
            "object_id": self.asker.caller.oid,
            "what": what,
            "where": place.to_string(),
            "model": Model::of(self.image, self.opened.manner).name(),
            "enabled": !is_disabled,
            "from_everywhere": !self.opened.is_fenced,
        });
        if is_disabled {
            let command = self.home.command(&self.home.vault, &format!("identity enable {}", quote(who)));
            fields.push(("Because", format!("the identity is disabled: `{command}`")));
        }
        self.add_reasons(explanation, &mut fields, &mut value);
        if is_allowed && self.opened.is_fenced {
            let only = "where `allow_from` in the configuration lets the vault be reached from, and nowhere else";
            fields.push(("From", only.to_owned()));
        }
        context.output.details(&fields, &value)
    }

    /// Adds what it is by, or what it lacks.
    fn add_reasons(&self, explanation: &Explanation, fields: &mut Vec<(&str, String)>, value: &mut Value) {
        match explanation {
            Explanation::Allowed(grants) => {
                let heading = if self.asker.is_disabled() { "Else by" } else { "By" };
                fields.extend(grants.iter().map(|grant| (heading, self.grant(grant))));
                value["by"] = grants.iter().map(|grant| self.grant_json(grant)).collect();
            }
            Explanation::Denied { remedy, idle } => {
                fields.push(("Because", "nothing that was given to them allows it".to_owned()));
                fields.extend(idle.iter().map(|idle| ("Not by", self.idle(idle))));
                value["idle"] = idle.iter().map(|idle| self.idle_json(idle)).collect();
                let (text, json) = self.remedy(remedy);
                fields.push(("Remedy", text));
                value["remedy"] = json;
            }
        }
    }

    fn grant(&self, grant: &Grant) -> String {
        let group = match grant.principal() == self.asker.caller.oid {
            true => String::new(),
            false => format!(", given to the group {}", shown_name(&self.home.image, grant.principal())),
        };
        match grant {
            Grant::Role(given) => {
                let role = role_name(self.image, self.opened.manner, &given.role);
                format!("the role {role} on {}{group} (assignment {})", given.scope, given.id)
            }
            Grant::Policy(_) => format!("an access policy{group}"),
        }
    }

    /// What they have and doesn't count here.
    fn idle(&self, idle: &Idle) -> String {
        match idle {
            Idle::Elsewhere(given) => {
                format!("{}: it doesn't reach {}", self.grant(&Grant::Role(given.clone())), self.asked.place)
            }
            Idle::OtherModel(grant) => {
                let model = Model::of(self.image, self.opened.manner).name();
                format!("{}: the vault goes by {model}", self.grant(grant))
            }
        }
    }

    fn idle_json(&self, idle: &Idle) -> Value {
        let (grant, why) = match idle {
            Idle::Elsewhere(given) => (&Grant::Role(given.clone()), "elsewhere"),
            Idle::OtherModel(grant) => (grant, "other-model"),
        };
        let mut value = self.grant_json(grant);
        value["why"] = json!(why);
        value
    }

    fn grant_json(&self, grant: &Grant) -> Value {
        let mut value = match grant {
            Grant::Role(given) => json!({
                "assignment": given.id,
                "role": role_name(self.image, self.opened.manner, &given.role),
                "role_id": given.role,
                "scope": given.scope.to_string(),
            }),
            Grant::Policy(policy) => json!({ "policy": policy }),
        };
        put_names(&mut value, &self.home.image, grant.principal());
        value
    }

    /// How a command for this vault calls who asks: by an object id, which needs `--force`, where nobody here has it.
    fn named_here(&self) -> (String, &'static str) {
        match Principal::find(self.image, self.asker.principal.oid()) {
            Ok(known @ (Principal::Identity(_) | Principal::Group(_))) => (quote(known.name()), ""),
            _ => (quote(self.asker.principal.oid()), " --force"),
        }
    }

    /// What would allow it, and the command that does.
    fn remedy(&self, remedy: &Remedy) -> (String, Value) {
        let (who, force) = self.named_here();
        match remedy {
            Remedy::Role(role, scope) => {
                let words = format!("role assign {} {who} --scope {scope}{force}", quote(role.name()));
                let command = self.home.command(&self.opened.name, &words);
                let text = format!("the role that allows it and least besides: `{command}`");
                (
                    text,
                    json!({ "role": role.name(), "role_id": role.id(), "scope": scope.to_string(), "command": command }),
                )
            }
            Remedy::Permission(permission) => {
                let of = permission.collection().segment();
                let words = format!("access policy set {who} --add --{of} {}{force}", permission.name());
                let command = self.home.command(&self.opened.name, &words);
                (
                    format!("a permission: `{command}`"),
                    json!({ "permission": permission.name(), "for": of, "command": command }),
                )
            }
            Remedy::WhereTheVaultLies => {
                let text = "nobody may do this over the server: it is done where the vault lies";
                (text.to_owned(), Value::Null)
            }
        }
    }
}
