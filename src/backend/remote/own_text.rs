//! A secret text of this process alone: tokens, and a PIN that is a client's secret. A fork wipes it, because the child of
//! a server is often somebody who was never meant to have it.

use std::io;

use crate::sys::memory::OwnSecret;

/// Such a text.
pub struct OwnText(OwnSecret);

impl OwnText {
    /// Copies it; the caller wipes its own copy. Fails where there is no memory that a fork wipes.
    pub fn new(text: &str) -> io::Result<Self> {
        OwnSecret::new(text.as_bytes()).map(Self)
    }

    /// The text; `None` in a process that was forked off since.
    pub fn expose(&self) -> Option<&str> {
        std::str::from_utf8(self.0.expose()?).ok()
    }
}
