//! What can be wrong with the configuration. Each text names the place and what to do.

use std::io;
use std::path::PathBuf;

/// A reason why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that can't be read.
    #[error("can't read {}: {source}: {hint}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Who named the file, or what to do.
        hint: String,
    },
    /// A file that is open to others, or no file.
    #[error("{} is refused: {problem}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong and the command that mends it.
        problem: String,
    },
    /// Text that is no TOML, or a value of a wrong type.
    #[error("{}:{line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that isn't known.
    #[error("{}:{line}: unknown key `{key}`: {advice}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The nearest known key, or all of them.
        advice: String,
    },
    /// A value that can't be, or values that don't go together.
    #[error("{}:{line}: `{key}`: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A value in the environment that can't be.
    #[error("the variable {variable} {problem}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// `pin_command` failed.
    #[error("`pin_command` of the vault {vault}: {problem}")]
    PinCommand {
        /// The vault's name.
        vault: String,
        /// What happened.
        problem: String,
    },
}
