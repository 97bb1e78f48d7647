//! Where SoftHSM 2 keeps its tokens, by the rules by which its module finds them.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::super::super::{Error, Result};
use super::TOKEN_FILE;
use crate::sys::env;

/// The directories of the tokens in `given`, which is a token itself or holds some; else where the configuration says.
pub(in super::super) fn token_directories(given: Option<&Path>) -> Result<Vec<PathBuf>> {
    let place = match given {
        Some(directory) => directory.to_owned(),
        None => configured()?,
    };
    if place.join(TOKEN_FILE).exists() {
        return Ok(vec![place]);
    }
    let entries = std::fs::read_dir(&place).map_err(|source| Error::File { path: place.clone(), source })?;
    let mut tokens = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::File { path: place.clone(), source })?.path();
        if path.join(TOKEN_FILE).exists() {
            tokens.push(path);
        } else if path.join(DATABASE).exists() {
            return Err(in_database(&path));
        }
    }
    tokens.sort();
    if tokens.is_empty() { Err(no_token(&place)) } else { Ok(tokens) }
}

pub(super) fn no_token(place: &Path) -> Error {
    if place.join(DATABASE).exists() {
        return in_database(place);
    }
    Error::refused(format!(
        "{} holds no token of SoftHSM 2: name the directory that its configuration calls `directories.tokendir`.",
        place.display()
    ))
}

fn in_database(path: &Path) -> Error {
    Error::refused(format!(
        "{} is a token in SoftHSM's database (`objectstore.backend = db`), which isn't read: only tokens in files are. \
         --module with SoftHSM's own module brings what that lets out.",
        path.display()
    ))
}

/// What `directories.tokendir` says.
fn configured() -> Result<PathBuf> {
    let (path, text) = configuration()?;
    let setting = |name: &str| {
        text.lines().rev().find_map(|line| {
            let (key, value) = line.split('#').next()?.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    setting("directories.tokendir").map(PathBuf::from).ok_or_else(|| {
        Error::refused(format!(
            "{} doesn't say where the tokens are (`directories.tokendir`): name the directory with --softhsm DIR.",
            path.display()
        ))
    })
}

/// The first configuration that there is: the environment's, the user's, the system's.
fn configuration() -> Result<(PathBuf, String)> {
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(Error::File { path, source }),
    };
    let variable = |name| CString::new(name).ok().and_then(|name| env::variable(&name)).map(PathBuf::from);
    if let Some(path) = variable("SOFTHSM2_CONF") {
        return read(path);
    }
    let users = variable("HOME").map(|home| home.join(".config/softhsm2/softhsm2.conf")).filter(|path| path.exists());
    read(users.unwrap_or_else(|| PathBuf::from("/etc/softhsm/softhsm2.conf"))).map_err(|error| {
        Error::refused(format!("{error}: SoftHSM's configuration can't be read; name its tokens with --softhsm DIR."))
    })
}

/// In the directory of a token that isn't kept in files.
const DATABASE: &str = "sqlite3.db";
