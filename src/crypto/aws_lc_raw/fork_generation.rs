//! How AWS-LC learns of a fork, without its locks.
//!
//! For each random number and each blinding of an RSA key AWS-LC asks whether the process was forked, and takes
//! process-wide locks for that. A fork in the middle of another thread's signature leaves them locked in the child, whose
//! first signature then hangs for ever. So the two functions that ask (in AWS-LC's `crypto/ube/ube.c` and
//! `fork_ube_detect.c`) are ours: the linker takes them from here and leaves AWS-LC's files in their archive. Their names
//! hold AWS-LC's version and change with it; `tests/module_file.rs` fails when they weren't changed here.
//!
//! AWS-LC also asks whether the machine itself was copied, from `/dev/sysgenid`, which no released kernel has. We don't.

use std::ffi::c_int;

use crate::sys::fork;

/// `CRYPTO_get_fork_ube_generation`: what was made under another number belongs to a parent.
extern "C" fn fork_generation() -> u64 {
    fork::generation()
}

/// `CRYPTO_get_ube_generation_number`: the same, with an answer to whether it can be known at all.
unsafe extern "C" fn generation_number(number: *mut u64) -> c_int {
    if number.is_null() {
        return 0;
    }
    // SAFETY: not NULL, and AWS-LC passes the address of a local variable.
    unsafe { number.write(fork::generation()) };
    1
}

// Hidden, so that the module exports nothing but PKCS#11's functions: Rust would export a name that it doesn't mangle.
macro_rules! hidden_function {
    ($name:literal, $target:path) => {
        #[cfg(target_arch = "x86_64")]
        hidden_function!($name, "jmp", $target);
        #[cfg(target_arch = "aarch64")]
        hidden_function!($name, "b", $target);
    };
    ($name:literal, $jump:literal, $target:path) => {
        std::arch::global_asm!(
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ", %function"),
            concat!($name, ":"),
            concat!($jump, " {target}"),
            target = sym $target,
        );
    };
}

hidden_function!("aws_lc_0_47_0_CRYPTO_get_fork_ube_generation", fork_generation);
hidden_function!("aws_lc_0_47_0_CRYPTO_get_ube_generation_number", generation_number);
