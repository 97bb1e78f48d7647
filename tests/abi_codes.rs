//! Every C function, called wrongly in one way at a time, answers the specification's one code, and nothing crashes. Calls and
//! codes stand in `tests/c/abi_codes.c` (functions, pointers, handles, order), `tests/c/abi_values.c` (mechanisms, lengths,
//! buffers, templates, rights, PINs), `tests/c/abi_ciphers.c` (the same of encryption, MACs, recovery, dual functions, saved
//! states), `tests/c/abi_messages.c` (of messages) and `tests/c/abi_wrap.c` (of wrapping, unwrapping and deriving).

mod stage;

use stage::{Stage, is_ours, module, succeed};

/// Runs the checks of one program, of which there are at least so many.
fn check(source: &str, floor: usize) {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let program = stage.compile(source, &["-ldl"]);
    let printed = succeed(stage.command(program).arg(module()).env("STRONGROOM_LOG", "off"));
    let checked = printed.lines().find_map(|line| line.strip_suffix(" checks, 0 wrong"));
    let checked: usize = checked.unwrap_or_else(|| panic!("{printed}")).parse().unwrap();
    assert!(checked >= floor, "only {checked} checks");
}

#[test]
fn functions_pointers_handles_and_order() {
    check("tests/c/abi_codes.c", 1140);
}

#[test]
fn mechanisms_lengths_buffers_templates_rights_and_pins() {
    check("tests/c/abi_values.c", 600);
}

#[test]
fn encryption_macs_recovery_dual_functions_and_saved_states() {
    check("tests/c/abi_ciphers.c", 4200);
}

#[test]
fn messages() {
    check("tests/c/abi_messages.c", 920);
}

#[test]
fn wrapping_unwrapping_and_deriving() {
    check("tests/c/abi_wrap.c", 840);
}
