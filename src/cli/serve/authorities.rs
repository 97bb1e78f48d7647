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
            Ok(Ok(())) => out_of_date(&files),
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

/// What in them doesn't count any more, or not yet, by its own dates.
fn out_of_date(files: &AuthoritiesFiles) -> Option<String> {
    let (current, now) = (files.current(), time::now());
    let authorities = current.out_of_date(now).map(|subject| {
        format!(
            "the certificate of {subject} in client_ca_file isn't valid now: no certificate of that authority counts; put \
             its newer one there"
        )
    });
    let list = current.lists_end().filter(|end| *end < now).map(|end| {
        format!(
            "a revocation list in client_crl_file was to be replaced at {}: no certificate of its authority counts until a \
             newer one is there",
            time::text(end)
        )
    });
    let wrong: Vec<String> = authorities.chain(list).collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}
