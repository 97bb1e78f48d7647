//! A connection that something between has forgotten: nothing comes back, no end and no error. In a network of the test's
//! own, whose only link drops everything for a while.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::child::is_root;
use crate::faults::{impatient, warm};
use crate::scene::{Scene, sign};

fn done(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Set in the process that has the network of its own.
const INSIDE: &str = "STRONGROOM_TEST_INSIDE";

#[test]
fn a_link_that_drops_everything_is_noticed_and_costs_one_new_connection() {
    if std::env::var_os(INSIDE).is_some() {
        return inside_a_network_of_its_own();
    }
    let itself = std::env::current_exe().unwrap();
    let this = "silence::a_link_that_drops_everything_is_noticed_and_costs_one_new_connection";
    let mut inside = Command::new("unshare");
    // Without root's rights a network needs a user namespace; where there is none, this fails.
    inside.args(if is_root() { &["--net"][..] } else { &["--net", "--map-root-user"] });
    inside.arg(itself).args(["--exact", this, "--nocapture"]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn inside_a_network_of_its_own() {
    assert!(done("ip", &["link", "set", "lo", "up"]), "no `ip`: install iproute2");
    let scene = Scene::new();
    let (session, key) = warm(&scene, &impatient(&scene, Duration::from_secs(6)));
    let before = scene.proxy.connections();
    assert!(done("tc", &["qdisc", "add", "dev", "lo", "root", "blackhole"]));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Longer than what is sent may stay unacknowledged, a quarter of the budget.
            std::thread::sleep(Duration::from_millis(1800));
            assert!(done("tc", &["qdisc", "del", "dev", "lo", "root"]));
        });
        sign(&session, &key).unwrap();
    });
    println!("signed {:?} after the link began to drop, budget 6 s", begun.elapsed());
    assert_eq!(scene.proxy.connections(), before + 1);
    assert_eq!(scene.proxy.seen().len(), 1, "what was sent into the hole came to nobody");
    sign(&session, &key).unwrap();
    assert_eq!(scene.proxy.connections(), before + 1, "and the new connection is kept");
}
