//! A certificate of a backup, and those that stand above it.

use std::sync::Arc;

use strongroom::vault::*;

use crate::faults::*;
use crate::{Scene, contents};

#[test]
fn a_certificate_comes_with_those_above_it_that_the_vault_lacks() {
    let (scene, other) = (Scene::new(), Scene::new());
    let certificate = |label: &str, naming: Naming| {
        let mut content = Content::new(Class::Certificate);
        (content.label, content.id) = (label.into(), format!("id of {label}").into());
        content.value = Some(Arc::from(format!("certificate {label}").into_bytes()));
        Draft { content, naming, secret: None }
    };
    let mut leaf = certificate("www", Naming::New(name("www")));
    leaf.content.set_chain(&["Issuing", "Root", "Other"].map(|of| (of.to_owned(), "x".to_owned())));
    let members = ["Issuing", "Root", "Other", "Unneeded"].map(|label| {
        let mut draft = certificate(label, Naming::None);
        draft.content.set_chain_member(label);
        draft
    });
    let writer = unlocked(&scene.vault);
    writer.create([leaf].into_iter().chain(members).collect()).unwrap();
    let before = contents(&*writer);
    let file = scene.back_up("backup");
    let (key, www) = (scene.recovery(), name("www"));
    let source = BackupSource { file: &file, key: &key };
    let labels = |vault: &dyn Vault| {
        let mut labels: Vec<_> =
            contents(vault).iter().map(|(of, _)| String::from_utf8(of.content.label.clone()).unwrap()).collect();
        labels.sort();
        labels
    };

    let all: Vec<_> = before.iter().map(|(object, _)| object.number).collect();
    writer.delete(&all).unwrap();
    let restored = writer
        .restore_named(&source, &NamedInBackup { name: &www, collection: None, rename: None, own: false })
        .unwrap();
    assert_eq!(restored.iter().filter(|object| object.name.is_some()).count(), 1);
    assert_eq!(labels(&*writer), ["Issuing", "Other", "Root", "www"]);
    assert!(contents(&*writer).iter().all(|object| before.contains(object)), "as they were, numbers too");

    // One that is there isn't there twice, and none takes the place of what programs find by its label.
    let another = unlocked(&other.vault);
    let root = certificate("Root", Naming::None);
    another.create(vec![root, certificate("Other", Naming::New(name("Other")))]).unwrap();
    let renamed = name("renamed");
    another
        .restore_named(&source, &NamedInBackup { name: &www, rename: Some(&renamed), collection: None, own: false })
        .unwrap();
    assert_eq!(labels(&*another), ["Issuing", "Other", "Root", "renamed"]);
}
