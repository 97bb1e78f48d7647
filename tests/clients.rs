//! Programs and libraries of others drive the module through each class of operation that they know.
//!
//! The Python scripts have a case for each class; scripts/test installs what they import, and names their Python.

mod stage;

use std::path::Path;
use std::process::Command;

use stage::{PIN, SO_PIN, Stage, TOKEN, module};

/// The Python that has the packages of `tests/python/requirements.txt`.
fn python() -> std::ffi::OsString {
    std::env::var_os("STRONGROOM_PYTHON").expect(
        "STRONGROOM_PYTHON must name a Python with the packages of tests/python/requirements.txt: scripts/test makes one in \
         target/python; by hand: python3 -m venv target/python, then target/python/bin/pip install -r \
         tests/python/requirements.txt",
    )
}

/// Runs a script's cases on a token of their own, and returns what it printed.
fn run_script(name: &str) -> String {
    let stage = Stage::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let mut command = stage.command(python());
    command.arg("-B").arg(script).env("MODULE", module()).env("TOKEN", TOKEN).env("PIN", PIN).env("SO_PIN", SO_PIN);
    report(&mut command)
}

/// What a program printed on both outputs; it must succeed.
fn report(command: &mut Command) -> String {
    let output = stage::output(command);
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}", output.status);
    printed
}

#[test]
fn python_pkcs11_does_every_class_of_operation() {
    let printed = run_script("with_python_pkcs11.py");
    assert!(printed.contains("Ran 30 tests") && printed.contains("\nOK"), "{printed}");
}

#[test]
fn pykcs11_does_every_class_of_operation() {
    let printed = run_script("with_pykcs11.py");
    assert!(printed.contains("Ran 18 tests") && printed.contains("\nOK"), "{printed}");
}
