//! Keys that PKCS#11 programs bound to what only PKCS#11 has.

use serde_json::json;
use strongroom::vault::*;

use crate::faults;
use crate::scene::*;

#[test]
fn a_key_that_asks_for_a_pin_or_names_mechanisms_does_no_private_operation_over_rest() {
    let scene = Scene::new();
    faults::pair(&*scene.vault, "free").unwrap();
    // CKA_ALWAYS_AUTHENTICATE; CKA_ALLOWED_MECHANISMS with CKM_ECDSA.
    for (name, attribute, value) in [("pin", 0x202, vec![1]), ("ecdsa", 0x4000_0600, 0x1041_u64.to_le_bytes().into())] {
        let draft = |class, usage| {
            let mut content = Content { label: name.into(), usage, ..Content::new(class) };
            if class == Class::PrivateKey {
                content.attributes.insert(attribute, value.clone().into());
            }
            Draft { content, naming: Naming::FromLabel, secret: None }
        };
        let halves = (draft(Class::PrivateKey, Usage::SIGN), draft(Class::PublicKey, Usage::VERIFY));
        let algorithm = KeyAlgorithm::Ec(strongroom::crypto::Curve::P256);
        scene.vault.generate_pair(algorithm, halves.0, halves.1).unwrap();
    }
    let digest = "A".repeat(43);
    for (name, status) in [("free", 200), ("pin", 403), ("ecdsa", 403)] {
        let kid = scene.get(&format!("/keys/{name}")).with(200)["key"]["kid"].as_str().unwrap().to_owned();
        let signed = scene.post(&format!("{kid}/sign"), json!({ "alg": "ES256", "value": digest }));
        if status == 403 {
            assert_eq!(signed.refused(403).1, "KeyOperationForbidden");
        } else {
            signed.with(status);
        }
        let value = "A".repeat(86);
        let checked = scene.post(&format!("{kid}/verify"), json!({ "alg": "ES256", "digest": digest, "value": value }));
        assert_eq!(checked.with(200)["value"], false);
    }
}
