//! Which certificates count as those of authorities, and from when to when.

use rcgen::{IsCa, KeyUsagePurpose};
use strongroom::server::client_certificate::AuthoritiesFiles;

use crate::scene::{Authority, DAY, Says, Scene};
use crate::serving::NOW;

#[test]
fn what_is_no_authoritys_certificate_is_refused_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.pem");
    let refusal = |first: &Authority, second: &Authority| {
        std::fs::write(&file, first.pem() + &second.pem()).unwrap();
        AuthoritiesFiles::read(&file, None).map(drop).map_err(|error| error.to_string())
    };
    let good = Authority::new("Clients");
    assert_eq!(refusal(&good, &good), Ok(()));
    let bad = [
        ("CA:TRUE", Authority::made("Leaf", |params| params.is_ca = IsCa::NoCa)),
        ("CA:TRUE", Authority::made("Leaf", |params| params.is_ca = IsCa::ExplicitNoCa)),
        ("keyCertSign", Authority::made("Leaf", |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature])),
    ];
    for (lacks, bad) in bad {
        let error = refusal(&good, &bad).unwrap_err();
        for said in ["clients.pem", "Leaf", lacks, "identity certificate add"] {
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}

#[test]
fn an_authority_counts_within_its_own_dates_alone() {
    let ends = Authority::within("Ends", NOW - DAY, NOW + 20);
    let begins = Authority::within("Begins", NOW + 10, NOW + DAY);
    let scene = Scene::of_several(&[&ends, &begins], None);
    scene.somebody_named("web", "dns:one.test");
    let mut of_ends = scene.connect(Some(&ends.issue(&Says::names(&["dns:one.test"]))));
    let mut of_begins = scene.connect(Some(&begins.issue(&Says::names(&["dns:one.test"]))));
    for (moment, first, second) in
        [(0, 200, 401), (9, 200, 401), (10, 200, 200), (20, 200, 200), (21, 401, 200), (15, 200, 200), (5, 200, 401)]
    {
        scene.world.clock.set(NOW + moment);
        for (client, status) in [(&mut of_ends, first), (&mut of_begins, second)] {
            let answer = client.ask("GET", "/secrets", "");
            assert_eq!(answer.status, status, "{moment}: {answer:?}");
            assert!(status == 200 || answer.body.contains("authority whose own certificate"), "{answer:?}");
        }
    }
    scene.world.clock.set(NOW + 21);
    let named: Vec<String> =
        scene.files.as_ref().unwrap().current().out_of_date(NOW + 21).map(ToString::to_string).collect();
    assert!(named.len() == 1 && named[0].contains("Ends"), "{named:?}");
}

#[test]
fn of_authorities_that_have_all_ended_none_counts() {
    let ended = Authority::within("Ended", NOW - 2 * DAY, NOW - DAY);
    let scene = Scene::of(&ended, Some(ended.list(&[], NOW + DAY)));
    scene.somebody_named("web", "dns:one.test");
    let answer = scene.connect(Some(&ended.issue(&Says::names(&["dns:one.test"])))).ask("GET", "/secrets", "");
    assert!(answer.status == 401 && answer.body.contains("authority whose own certificate"), "{answer:?}");
}
