//! The local vault as its front ends use it.

use std::path::Path;
use std::sync::Arc;

use super::LocalVault;
use crate::config::{Backend, LocalConfig, VaultConfig};
use crate::crypto::{Curve, PublicKey};
use crate::vault::*;

pub(super) fn config(path: &Path) -> VaultConfig {
    let mut local = LocalConfig::at(path);
    local.max_attempts = 3;
    VaultConfig { backend: Backend::Local(local), ..VaultConfig::local("test", path) }
}

pub(super) struct Fixture {
    _directory: tempfile::TempDir,
    config: VaultConfig,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("vault"));
        let vault = LocalVault::open(&config).unwrap();
        vault.initialize("web", &pin("so-pin-1")).unwrap();
        vault.unlock(&Unlock::Pin(Role::SecurityOfficer, pin("so-pin-1"))).unwrap();
        vault.set_pin(Role::User, &pin("user-pin-1")).unwrap();
        vault.lock();
        Self { _directory: directory, config }
    }

    pub(super) fn open(&self) -> Arc<dyn VaultAdmin> {
        LocalVault::open(&self.config).unwrap()
    }

    pub(super) fn unlocked(&self) -> Arc<dyn VaultAdmin> {
        let vault = self.open();
        vault.unlock(&user("user-pin-1")).unwrap();
        vault
    }
}

fn pin(text: &str) -> Pin {
    Pin::new(text.as_bytes().to_vec())
}

fn user(text: &str) -> Unlock {
    Unlock::Pin(Role::User, pin(text))
}

pub(super) fn pair(vault: &dyn Vault, name: &str, naming: Naming) -> [Arc<Object>; 2] {
    let draft = |class, usage| {
        let mut content = Content::new(class);
        content.label = name.as_bytes().to_vec();
        content.usage = usage;
        Draft { content, naming: naming.clone(), secret: None }
    };
    let private = draft(Class::PrivateKey, Usage::SIGN);
    let public = draft(Class::PublicKey, Usage::VERIFY);
    vault.generate_pair(KeyAlgorithm::Ec(Curve::P256), private, public).unwrap()
}

fn sign(vault: &dyn Vault, number: ObjectNumber) -> Result<Vec<u8>> {
    let mut out = vec![0; 64];
    let len = vault.private_key(number)?.sign(&SignScheme::Ecdsa, &[7; 32], &mut out)?;
    out.truncate(len);
    Ok(out)
}

pub(super) fn secret_draft(name: &str, value: &[u8]) -> Draft {
    let mut content = Content::new(Class::Data);
    content.private = true;
    content.label = name.as_bytes().to_vec();
    Draft { content, naming: Naming::Set(Name::new(name).unwrap()), secret: Some(SecretBytes::from_slice(value)) }
}

#[test]
fn a_key_made_in_one_process_signs_in_the_next() {
    let fixture = Fixture::new();
    let [private, public] = pair(&*fixture.unlocked(), "www", Naming::FromLabel);
    assert_eq!((private.name.as_ref().unwrap().as_str(), private.version), ("www", public.version));
    assert_eq!(private.content.id, public.content.id);
    let vault = fixture.unlocked();
    let signature = sign(&*vault, private.number).unwrap();
    let key = PublicKey::from_spki(&public.content.key.as_ref().unwrap().public).unwrap();
    key.verify(&SignScheme::Ecdsa, &[7; 32], &signature).unwrap();
    assert_eq!(vault.image().len(), 2);
}

#[test]
fn before_login_only_public_objects_are_there_and_nothing_can_be_written() {
    let fixture = Fixture::new();
    let [private, public] = pair(&*fixture.unlocked(), "www", Naming::FromLabel);
    let vault = fixture.open();
    assert!(vault.image().is_empty());
    vault.refresh().unwrap();
    assert!(vault.image().get(private.number).is_none() && vault.image().get(public.number).is_some());
    assert!(matches!(vault.create(vec![secret_draft("s", b"v")]), Err(VaultError::Locked)));
    assert!(sign(&*vault, private.number).is_err());
}

#[test]
fn a_disabled_or_deleted_key_is_refused_at_once_in_another_process() {
    let fixture = Fixture::new();
    let writer = fixture.unlocked();
    let [private, public] = pair(&*writer, "www", Naming::FromLabel);
    let reader = fixture.unlocked();
    let held = reader.private_key(private.number).unwrap();
    writer
        .change(&[private.number, public.number], &mut |content| {
            content.enabled = false;
            Ok(())
        })
        .unwrap();
    let mut out = [0; 64];
    assert!(matches!(held.sign(&SignScheme::Ecdsa, &[7; 32], &mut out), Err(VaultError::Disabled)));
    writer
        .change(&[private.number, public.number], &mut |content| {
            content.enabled = true;
            Ok(())
        })
        .unwrap();
    held.sign(&SignScheme::Ecdsa, &[7; 32], &mut out).unwrap();
    writer.delete(&[private.number]).unwrap();
    assert!(matches!(held.sign(&SignScheme::Ecdsa, &[7; 32], &mut out), Err(VaultError::Deleted)));
    assert!(matches!(sign(&*reader, private.number), Err(VaultError::Deleted)));
    reader.refresh().unwrap();
    assert!(matches!(sign(&*reader, private.number), Err(VaultError::NotFound)));
}

#[test]
fn an_expired_key_is_refused() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let [private, _] = pair(&*vault, "www", Naming::FromLabel);
    vault
        .change(&[private.number], &mut |content| {
            content.expires = Some(1);
            Ok(())
        })
        .unwrap();
    assert!(matches!(sign(&*vault, private.number), Err(VaultError::Expired(1))));
    vault
        .change(&[private.number], &mut |content| {
            content.expires = None;
            content.not_before = Some(i64::MAX);
            Ok(())
        })
        .unwrap();
    assert!(matches!(sign(&*vault, private.number), Err(VaultError::NotYetValid(_))));
}

#[test]
fn versions_share_a_name_and_a_changed_label() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let www = || Name::new("www").unwrap();
    let [first, _] = pair(&*vault, "www", Naming::New(www()));
    let [second, _] = pair(&*vault, "www", Naming::VersionOf(www()));
    assert_eq!((first.version.unwrap().ordinal, second.version.unwrap().ordinal), (1, 2));
    assert!(vault.image().is_current(&second) && !vault.image().is_current(&first));
    let again = Draft { content: Content::new(Class::PrivateKey), naming: Naming::New(www()), secret: None };
    assert!(matches!(vault.create(vec![again]), Err(VaultError::NameTaken(_))));
    vault
        .change(&[second.number], &mut |content| {
            content.label = b"new".to_vec();
            Ok(())
        })
        .unwrap();
    assert_eq!(vault.image().get(first.number).unwrap().content.label, b"new");
    assert_eq!(vault.image().with_label(b"www").count(), 2, "the public halves keep theirs");
    let [third, _] = pair(&*vault, "www", Naming::FromLabel);
    assert!(third.name.as_ref().unwrap().as_str().starts_with("www-"));
}

#[test]
fn wrong_pins_lock_and_the_same_wrong_pin_does_not() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    for _ in 0..10 {
        assert!(matches!(vault.unlock(&user("wrong-pin")), Err(VaultError::PinIncorrect { remaining: 2 })));
    }
    assert!(matches!(vault.unlock(&user("wrong-pin-2")), Err(VaultError::PinIncorrect { remaining: 1 })));
    vault.unlock(&user("user-pin-1")).unwrap();
    for (text, remaining) in [("wrong-a-1", 2), ("wrong-a-2", 1), ("wrong-a-3", 0)] {
        assert!(matches!(vault.unlock(&user(text)), Err(VaultError::PinIncorrect { remaining: r }) if r == remaining));
    }
    assert!(matches!(vault.unlock(&user("user-pin-1")), Err(VaultError::PinLocked)));
    let officer = fixture.open();
    officer.unlock(&Unlock::Pin(Role::SecurityOfficer, pin("so-pin-1"))).unwrap();
    officer.set_pin(Role::User, &pin("user-pin-2")).unwrap();
    vault.unlock(&user("user-pin-2")).unwrap();
}

#[test]
fn a_changed_pin_opens_and_the_old_one_does_not() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    vault.change_pin(Role::User, &pin("user-pin-1"), &pin("user-pin-2")).unwrap();
    assert!(!vault.is_unlocked());
    assert!(vault.unlock(&user("user-pin-1")).is_err());
    vault.unlock(&user("user-pin-2")).unwrap();
    assert!(matches!(
        vault.change_pin(Role::User, &pin("user-pin-2"), &pin("short")),
        Err(VaultError::PinLength { .. })
    ));
}

#[test]
fn the_recovery_key_opens_and_resets_the_pin() {
    let fixture = Fixture::new();
    let recovery = fixture.unlocked().add_recovery_key().unwrap();
    let vault = fixture.open();
    vault.unlock(&Unlock::Recovery(RecoveryKey::parse(&recovery.display()).unwrap())).unwrap();
    vault.set_pin(Role::User, &pin("user-pin-9")).unwrap();
    fixture.open().unlock(&user("user-pin-9")).unwrap();
}

#[test]
fn after_a_rekey_a_running_process_logs_in_again_and_its_keys_go_on() {
    let fixture = Fixture::new();
    let old = fixture.unlocked();
    let [private, _] = pair(&*old, "www", Naming::FromLabel);
    let held = old.private_key(private.number).unwrap();
    let admin = fixture.open();
    let keep = [user("user-pin-1"), Unlock::Pin(Role::SecurityOfficer, pin("so-pin-1"))];
    let mut steps = 0;
    admin.rekey(&keep, false, &mut |_, _| steps += 1).unwrap();
    assert_eq!(steps, 2);
    let mut out = [0; 64];
    held.sign(&SignScheme::Ecdsa, &[7; 32], &mut out).unwrap();
    assert!(matches!(old.create(vec![secret_draft("s", b"v")]), Err(VaultError::Rekeyed)));
    assert!(!old.is_unlocked());
    held.sign(&SignScheme::Ecdsa, &[7; 32], &mut out).unwrap();
    old.unlock(&user("user-pin-1")).unwrap();
    old.create(vec![secret_draft("s", b"v")]).unwrap();
    sign(&*old, private.number).unwrap();
    sign(&*fixture.unlocked(), private.number).unwrap();
}

#[test]
fn a_purge_keeps_every_live_object_and_other_processes_follow() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let other = fixture.unlocked();
    let kept = vault.create(vec![secret_draft("kept", b"value")]).unwrap();
    let gone = vault.create(vec![secret_draft("gone", b"value")]).unwrap();
    vault.delete(&[gone[0].number]).unwrap();
    vault.purge().unwrap();
    other.refresh().unwrap();
    assert_eq!(other.image().len(), 1);
    assert_eq!(other.secret(kept[0].number).unwrap().expose(), b"value");
    other.create(vec![secret_draft("more", b"value")]).unwrap();
    vault.refresh().unwrap();
    assert_eq!((vault.image().len(), fixture.unlocked().image().len()), (2, 2));
}

#[test]
fn a_vault_that_holds_objects_is_not_initialised_again() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    assert!(matches!(fixture.open().initialize("new", &pin("so-pin-x")), Err(VaultError::PinIncorrect { .. })));
    fixture.open().initialize("new", &pin("so-pin-1")).unwrap();
    let info = fixture.open().info().unwrap();
    assert_eq!((info.label.as_str(), info.user_pin), ("new", None));
    assert!(matches!(vault.create(vec![secret_draft("s", b"v")]), Err(VaultError::Rekeyed)));
    vault.unlock(&Unlock::Pin(Role::SecurityOfficer, pin("so-pin-1"))).unwrap();
    vault.create(vec![secret_draft("s", b"v")]).unwrap();
    assert!(matches!(fixture.open().initialize("no", &pin("so-pin-1")), Err(VaultError::NotEmpty(_))));
}

#[test]
fn a_vault_with_purge_protection_is_never_initialised_again() {
    let mut fixture = Fixture::new();
    let local = fixture.config.as_local_mut().unwrap();
    local.reinitialize = true;
    let vault = fixture.unlocked();
    let made = vault.create(vec![secret_draft("s", b"v")]).unwrap();
    Retention::change(&*vault, &mut |retention| retention.purge_protection = true).unwrap();
    assert!(matches!(fixture.open().initialize("new", &pin("so-pin-1")), Err(VaultError::PurgeProtected)));
    assert_eq!(fixture.unlocked().secret(made[0].number).unwrap().expose(), b"v");
    // Without the protection the same configuration allows it.
    let other = Fixture::new();
    fixture.config.backend = other.config.backend.clone();
    let local = fixture.config.as_local_mut().unwrap();
    local.reinitialize = true;
    other.unlocked().create(vec![secret_draft("s", b"v")]).unwrap();
    fixture.open().initialize("new", &pin("so-pin-1")).unwrap();
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let fixture = &fixture;
            scope.spawn(move || {
                let vault = fixture.unlocked();
                for number in 0..25 {
                    vault.create(vec![secret_draft(&format!("s-{thread}-{number}"), b"v")]).unwrap();
                }
            });
        }
    });
    let vault = fixture.unlocked();
    assert_eq!(vault.image().len(), 100);
    assert!(vault.image().objects().all(|object| vault.secret(object.number).unwrap().expose() == b"v"));
}

#[test]
fn a_filter_shows_this_host_only_its_objects() {
    let mut fixture = Fixture::new();
    let all = fixture.unlocked();
    pair(&*all, "www-1", Naming::FromLabel);
    pair(&*all, "mail-1", Naming::FromLabel);
    fixture.config.objects = vec!["www-*".into()];
    let filtered = fixture.unlocked();
    assert_eq!(filtered.image().len(), 2);
    pair(&*filtered, "www-2", Naming::FromLabel);
    assert_eq!((filtered.image().len(), fixture.unlocked().image().len()), (4, 4));
}

#[test]
fn a_key_that_is_deleted_softly_is_refused_everywhere_until_it_comes_back() {
    let fixture = Fixture::new();
    let (vault, other) = (fixture.unlocked(), fixture.unlocked());
    let [private, public] = pair(&*vault, "www", Naming::FromLabel);
    other.refresh().unwrap();
    let held = other.private_key(private.number).unwrap();
    let delete = |deleted: Option<Deletion>| {
        let both = [&private, &public];
        let changes = both.map(|half| Change::Set(half.number, Content { deleted, ..half.content.clone() }));
        let mut changes = Some(Vec::from(changes));
        vault.transact(&mut |_| Ok(changes.take().unwrap_or_default())).unwrap();
    };
    delete(Some(Deletion { at: 1, purge: 2 }));
    assert!(matches!(held.check_usable(), Err(VaultError::Deleted)));
    other.refresh().unwrap();
    assert_eq!((other.image().len(), fixture.unlocked().image().len()), (0, 0));
    let name = || Name::new("WWW").unwrap();
    for naming in [Naming::New(name()), Naming::Set(name()), Naming::VersionOf(name())] {
        let draft = || Draft { content: Content::new(Class::PublicKey), naming: naming.clone(), secret: None };
        assert!(matches!(other.create(vec![draft()]), Err(VaultError::NameDeleted(_))), "{naming:?}");
    }
    delete(None);
    sign(&*fixture.unlocked(), private.number).unwrap();
    held.check_usable().unwrap();
}

pub(super) fn www() -> Name {
    Name::new("www").unwrap()
}

#[test]
fn what_was_deleted_softly_is_not_ended_or_changed_by_a_process_that_missed_it() {
    let fixture = Fixture::new();
    let (vault, late) = (fixture.unlocked(), fixture.unlocked());
    Retention::change(&*vault, &mut |retention| retention.purge_protection = true).unwrap();
    let [private, public] = pair(&*vault, "www", Naming::FromLabel);
    late.refresh().unwrap();
    let www = Name::new("www").unwrap();
    delete_softly(&*vault, Collection::Keys, &www, 1_000_000).unwrap();
    for number in [private.number, public.number] {
        assert!(late.image().get(number).is_some(), "it missed the deletion");
        assert!(matches!(late.delete(&[number]), Err(VaultError::Deleted)));
        let mut disable = |content: &mut Content| {
            content.enabled = false;
            Ok(())
        };
        assert!(matches!(late.change(&[number], &mut disable), Err(VaultError::Deleted)));
        assert!(matches!(late.create_in_place_of(Vec::new(), &[number]), Err(VaultError::Deleted)));
    }
    recover(&*vault, Collection::Keys, &www, 1_000_000).unwrap();
    let image = fixture.unlocked().image();
    assert!(image.get(private.number).is_some_and(|key| key.content.enabled) && image.get(public.number).is_some());
}

#[test]
fn what_a_transaction_checks_holds_when_it_is_carried_out() {
    let fixture = Fixture::new();
    let add = |vault: &dyn VaultAdmin| {
        vault.transact(&mut |image| {
            let count = image.service().len() as u8;
            let mut content = Content::new(Class::Service);
            content.value = Some(Arc::from([count]));
            Ok(vec![Change::Create(Draft { content, naming: Naming::None, secret: None })])
        })
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let vault = fixture.unlocked();
                (0..8).for_each(|_| drop(add(&*vault).unwrap()));
            });
        }
    });
    let vault = fixture.unlocked();
    let mut seen: Vec<u8> = vault.image().service().values().map(|o| o.content.value.as_ref().unwrap()[0]).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..32).collect::<Vec<_>>());
    assert!(vault.image().is_empty());
}
