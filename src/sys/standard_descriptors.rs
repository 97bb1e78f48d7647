//! A vault's file never gets descriptor 0, 1 or 2.
//!
//! A daemon that closed them still has libraries that print: what they write to "standard error" would land in the file.
//! SQLite refuses such a number too, but leaves `/dev/null` there for good, which then counts as open at every fork.

use std::array;

/// Descriptors 0, 1 and 2 are in use as long as this lives, those that were free by something that takes no bytes.
pub(super) struct Taken([i32; 3]);

impl Taken {
    /// Takes those that are free.
    pub(super) fn hold() -> Self {
        // SAFETY: asks for a flag of a descriptor, which may well be none.
        let is_free = |number: i32| unsafe { libc::fcntl(number, libc::F_GETFD) } < 0;
        let free = (libc::STDIN_FILENO..=libc::STDERR_FILENO).filter(|number| is_free(*number)).count();
        Self(array::from_fn(|index| if index < free { placeholder() } else { NONE }))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for number in self.0.into_iter().filter(|number| *number != NONE) {
            // SAFETY: `hold` opened it and nobody else knows of it.
            unsafe { libc::close(number) };
        }
    }
}

const NONE: i32 = -1;

/// The lowest free number. It needs no file system, and to write to it is an error, as to a closed one.
fn placeholder() -> i32 {
    // SAFETY: takes no pointer.
    unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }
}
