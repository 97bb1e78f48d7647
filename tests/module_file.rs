//! What a host loads: the exported names, what the file needs and how it is linked (`docs/nginx.md` and `SECURITY.md` promise
//! it). Size and stripping are looked at in a release build, which `scripts/test` names by `STRONGROOM_MODULE`.

mod stage;

use std::process::Command;

use stage::{is_ours, module, succeed};

fn dynamic_section() -> String {
    succeed(Command::new("readelf").arg("-dW").arg(module()))
}

#[test]
fn only_the_functions_of_pkcs11_are_exported() {
    let names = succeed(Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(module()));
    let (functions, others): (Vec<&str>, Vec<&str>) = names.lines().partition(|name| name.starts_with("C_"));
    assert_eq!(others, Vec::<&str>::new());
    for required in ["C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface", "C_Initialize", "C_Sign"] {
        assert!(functions.contains(&required), "{required}");
    }
}

#[test]
fn it_stays_loaded_and_has_no_text_relocations() {
    let dynamic = dynamic_section();
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("Flags: NOW"), "{dynamic}");
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
}

#[test]
fn no_destructor_of_a_library_in_it_runs_at_exit() {
    let dynamic = dynamic_section();
    assert!(!dynamic.contains("FINI_ARRAY"), "module.ld was not used: {dynamic}");
}

/// A stripped module doesn't show it; the one that the tests build does.
#[test]
fn aws_lc_asks_us_and_not_its_locks_whether_the_process_was_forked() {
    let names = succeed(Command::new("nm").args(["--defined-only", "--format=just-symbols"]).arg(module()));
    assert!(
        !names.contains("fork_detect_ube_lock"),
        "the names in src/crypto/aws_lc_raw/fork_generation.rs are not those of this release of AWS-LC"
    );
}

#[test]
fn it_needs_nothing_but_the_c_library() {
    for line in dynamic_section().lines().filter(|line| line.contains("(NEEDED)")) {
        let name = line.split(['[', ']']).nth(1).unwrap();
        let allowed = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"].contains(&name) || name.starts_with("ld-linux");
        assert!(allowed, "it needs {name}");
    }
}

#[test]
fn the_release_build_is_stripped_and_under_11_megabytes() {
    if std::env::var_os("STRONGROOM_MODULE").is_none() || !is_ours() {
        return;
    }
    let size = std::fs::metadata(module()).unwrap().len();
    assert!(size < 11 * 1000 * 1000, "{size} bytes");
    let sections = succeed(Command::new("readelf").arg("-SW").arg(module()));
    assert!(!sections.contains(".symtab"), "it isn't stripped");
}
