//! How the module is linked.
//!
//! `nodelete`: AWS-LC registers thread-local destructors, so that unloading the library would crash a thread at its
//! exit. `now`: every symbol is resolved when the library is loaded, none for the first time after a fork.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
}
