//! How the module is linked.
//!
//! `nodelete`: AWS-LC registers thread-local destructors, so that unloading the library would crash a thread at its
//! exit. `now`: every symbol is resolved when the library is loaded, none for the first time after a fork. `module.ld`
//! says why there are no destructors.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells a build script where its package is");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=module.ld");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{folder}/module.ld");
}
