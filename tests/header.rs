//! `include/strongroom.h` is what cbindgen makes of the entry points now.

use std::process::Command;

const MAKE: [&str; 2] = ["--config", "cbindgen.toml"];

#[test]
fn the_header_is_current() {
    let made = Command::new("cbindgen")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("--quiet")
        .args(MAKE)
        .arg(".")
        .output()
        .expect("this test runs cbindgen: install it with `cargo install cbindgen` or from the distribution");
    assert!(made.status.success(), "cbindgen failed: {}", String::from_utf8_lossy(&made.stderr));
    let kept = include_str!("../include/strongroom.h");
    assert!(
        String::from_utf8_lossy(&made.stdout) == kept,
        "include/strongroom.h is out of date: make it again with `cbindgen {} --output include/strongroom.h .`",
        MAKE.join(" ")
    );
}

#[test]
fn the_header_declares_every_function_of_the_newest_list() {
    let header = include_str!("../include/strongroom.h");
    let functions = header.lines().filter(|line| line.starts_with("CK_RV C_")).count();
    assert_eq!(functions, 104);
}
