//! The `strongroom` command.
