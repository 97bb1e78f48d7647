//! The files that say whose certificates of clients count: read when the server starts, and again while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::super::{Result, time};
use super::failed;
use crate::config::ClientCertificates;
use crate::server::client_certificate::AuthoritiesFiles;

/// How long what an authority revoked may go on counting, once its list lies there.
const READ_EVERY: Duration = Duration::from_secs(60);

/// What the configuration names, if it names any.
pub(super) fn read(configured: &ClientCertificates) -> Result<Option<Arc<AuthoritiesFiles>>> {
    let Some(authorities) = &configured.authorities else { return Ok(None) };
    let read = AuthoritiesFiles::read(authorities, configured.revoked.as_deref()).map_err(failed)?;
    Ok(Some(Arc::new(read)))
}

/// Reads them again every minute and at `SIGHUP`. What is wrong with them is said when it begins.
pub(super) async fn read_regularly(files: Arc<AuthoritiesFiles>, mut asked: Signal) {
    let mut said: Option<String> = None;
    loop {
        let again = Arc::clone(&files);
        let read = tokio::task::spawn_blocking(move || again.read_again()).await;
        let wrong = match read {
            Ok(Ok(())) => too_old(&files),
            Ok(Err(error)) => Some(format!("whose client certificates count can't be read again: {error}")),
            Err(error) => Some(format!("whose client certificates count can't be read again: {error}")),
        };
        if let Some(wrong) = wrong.as_ref().filter(|wrong| said.as_ref() != Some(wrong)) {
            tracing::error!("{wrong}");
        }
        said = wrong;
        let _ = tokio::time::timeout(READ_EVERY, asked.recv()).await;
    }
}

fn too_old(files: &AuthoritiesFiles) -> Option<String> {
    let end = files.current().lists_end().filter(|end| *end < time::now())?;
    Some(format!(
        "a revocation list in client_crl_file was to be replaced at {}: no certificate of its authority counts until a newer \
         one is there",
        time::text(end)
    ))
}
