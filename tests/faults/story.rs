//! Changes told in words ("create a", "disable a", "pin new-pin-1"): what each does to a vault, and what the vault should
//! hold after it.

use std::collections::BTreeMap;

use strongroom::vault::*;

use crate::faults::{SO_PIN, officer, pair, pin, secret_draft, sign, signs_correctly, user};

/// What a vault should hold: names with the state of each version, in their order, and label or value; and the PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub objects: BTreeMap<String, Vec<(bool, String)>>,
    pub pin: String,
}

impl Expected {
    /// After one more change.
    pub fn after(&self, change: &str) -> Self {
        let mut next = self.clone();
        let words: Vec<&str> = change.split(' ').collect();
        match words[..] {
            ["create" | "rotate", name] => next.objects.entry(name.into()).or_default().push((true, name.into())),
            ["secret", name, value] => next.objects.entry(name.into()).or_default().push((true, value.into())),
            [verb @ ("disable" | "enable"), name] => {
                next.objects.get_mut(name).unwrap().iter_mut().for_each(|version| version.0 = verb == "enable");
            }
            ["label", name, label] => {
                next.objects.get_mut(name).unwrap().iter_mut().for_each(|version| version.1 = label.into());
            }
            ["delete", name] => drop(next.objects.remove(name)),
            ["pin", pin] => next.pin = pin.into(),
            _ => {}
        }
        next
    }

    /// What the vault that `pin` opened holds; every enabled key signs, every other one refuses.
    pub fn found(vault: &dyn Vault, pin: &str) -> Self {
        let mut objects: BTreeMap<String, Vec<(bool, String)>> = BTreeMap::new();
        for object in vault.image().objects().filter(|object| object.content.class != Class::PublicKey) {
            let says = match object.content.class {
                Class::PrivateKey => String::from_utf8(object.content.label.clone()).unwrap(),
                _ => String::from_utf8(vault.secret(object.number).unwrap().expose().to_vec()).unwrap(),
            };
            if object.content.class == Class::PrivateKey {
                match object.content.enabled {
                    true => signs_correctly(vault, object).expect("an enabled key signs"),
                    false => assert!(matches!(sign(vault, object.number), Err(VaultError::Disabled))),
                }
            }
            let name = object.name.as_ref().unwrap().as_str().to_owned();
            objects.entry(name).or_default().push((object.content.enabled, says));
        }
        let public = vault.image().objects().filter(|object| object.content.class == Class::PublicKey).count();
        let private = vault.image().objects().filter(|object| object.content.class == Class::PrivateKey).count();
        assert_eq!(public, private, "both halves of each key");
        Self { objects, pin: pin.into() }
    }
}

/// Makes one change. `current` is the user's PIN.
pub fn carry_out(vault: &dyn VaultAdmin, change: &str, current: &mut String) -> Result<()> {
    let words: Vec<&str> = change.split(' ').collect();
    match words[..] {
        ["create" | "rotate", name] => pair(vault, name).map(drop),
        ["secret", name, value] => vault.create(vec![secret_draft(name, value.as_bytes())]).map(drop),
        [verb @ ("disable" | "enable"), name] => edit(vault, &named(vault, name), |content| {
            content.enabled = verb == "enable";
        }),
        ["label", name, label] => edit(vault, &named(vault, name)[..1], |content| {
            content.label = label.as_bytes().to_vec();
        }),
        ["delete", name] => vault.delete(&named(vault, name)),
        ["pin", new] => {
            vault.change_pin(Role::User, &pin(current), &pin(new))?;
            *current = new.to_owned();
            Ok(())
        }
        ["rekey"] => {
            vault.rekey(&[user(current), officer(SO_PIN)], false, &mut |_, _| {})?;
            vault.unlock(&user(current))
        }
        ["purge"] => vault.purge(),
        _ => panic!("unknown change {change}"),
    }
}

fn edit(vault: &dyn Vault, numbers: &[ObjectNumber], set: impl Fn(&mut Content)) -> Result<()> {
    let mut edit = |content: &mut Content| {
        set(content);
        Ok(())
    };
    vault.change(numbers, &mut edit).map(drop)
}

/// Every object of this name: both halves of each version.
pub fn named(vault: &dyn Vault, text: &str) -> Vec<ObjectNumber> {
    let image = vault.image();
    let has_name = |object: &&std::sync::Arc<Object>| object.name.as_ref().is_some_and(|name| name.as_str() == text);
    image.objects().filter(has_name).map(|object| object.number).collect()
}
