//! Workload identity: a token of another issuer (Kubernetes, a CI service) that the authority takes in the place of a
//! secret. It lies in a file that whoever projects it replaces, so it is read each time.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Denied, MOST_TOKEN, checked};
use crate::config::SecretText;

/// The token that lies there now.
pub(super) fn projected(file: &Path) -> Result<SecretText, Denied> {
    let refused = |what: String| Denied::Refused(format!("`token_file` {}: {what}", file.display()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_TOKEN + 1));
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MOST_TOKEN as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(format!("{error}: check that it is mounted here and that this user may read it")))?;
    let text = std::str::from_utf8(&bytes).ok().and_then(checked);
    text.ok_or_else(|| refused("it holds no token".into()))
}
