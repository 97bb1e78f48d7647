//! Every C function, called as no caller should. The calls and the codes that are allowed stand in `tests/c/abi_faults.c`.

mod stage;

use stage::{Stage, is_ours, module, succeed};

#[test]
fn wrong_calls_get_the_specifications_codes_and_never_crash() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let program = stage.compile("tests/c/abi_faults.c", &["-ldl"]);
    let printed = succeed(stage.command(program).arg(module()));
    assert!(printed.contains(" 0 wrong"), "{printed}");
}
