//! Accepting connections, one loop a listener, which nothing but the server's end ends.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::admission::Admission;
use super::connection::{From, Router, Serving, Stage};
use super::lanes::Lanes;
use super::limits::Limits;
use super::peer::Origin;
use super::proxy::Proxies;
use crate::server::seldom::Seldom;
use crate::server::tls::Tls;
use crate::sys::peer_groups::peer_groups;

/// What a loop needs.
pub(super) struct Acceptor<R> {
    router: R,
    limits: Arc<Limits>,
    admission: Arc<Admission>,
    lanes: Arc<Lanes>,
    /// Dropped after the lanes: whoever waits for its end has them alone then.
    stage: watch::Receiver<Stage>,
    failures: Seldom,
    /// Processes of which the kernel doesn't say who they are.
    unknown: Seldom,
}

impl<R: Router> Acceptor<R> {
    pub(super) fn new(
        router: &R,
        limits: &Arc<Limits>,
        admission: &Arc<Admission>,
        lanes: &Arc<Lanes>,
        stage: &watch::Receiver<Stage>,
    ) -> Self {
        Self {
            router: router.clone(),
            limits: limits.clone(),
            admission: admission.clone(),
            lanes: lanes.clone(),
            stage: stage.clone(),
            failures: Seldom::default(),
            unknown: Seldom::default(),
        }
    }

    /// Starts to accept connections from the network.
    pub(super) fn network(mut self, listener: TcpListener, tls: Arc<Tls>, proxies: &Arc<Proxies>) {
        let proxies = Arc::clone(proxies);
        tokio::spawn(async move {
            while let Some(accepted) = until_ended(&mut self.stage, listener.accept()).await {
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        self.pause_after(&error).await;
                        continue;
                    }
                };
                let place = match proxies.lists(address.ip()) {
                    true => self.admission.proxy(),
                    false => self.admission.network(address.ip()),
                };
                let Some(place) = place else { continue };
                let Ok(local) = stream.local_addr() else { continue };
                let from = From { address, local, begins_with_header: proxies.begins_with_header(address.ip()) };
                let Ok(stream) = stream.into_std() else { continue };
                let (serving, tls) = (self.serving(), tls.clone());
                self.lanes.run(move || Ok(serving.network(TcpStream::from_std(stream)?, from, tls, place)));
            }
        });
    }

    /// Starts to accept connections of this machine, without TLS.
    pub(super) fn loopback(mut self, listener: TcpListener) {
        tokio::spawn(async move {
            while let Some(accepted) = until_ended(&mut self.stage, listener.accept()).await {
                match accepted {
                    Ok((stream, address)) => {
                        let Some(place) = self.admission.network(address.ip()) else { continue };
                        let Ok(local) = stream.local_addr() else { continue };
                        let origin = Origin::Network { address, local, is_client: true };
                        let Ok(stream) = stream.into_std() else { continue };
                        let serving = self.serving();
                        self.lanes.run(move || Ok(serving.loopback(TcpStream::from_std(stream)?, origin, place)));
                    }
                    Err(error) => self.pause_after(&error).await,
                }
            }
        });
    }

    /// Starts to accept connections on a Unix socket.
    pub(super) fn machine(mut self, listener: UnixListener) {
        tokio::spawn(async move {
            while let Some(accepted) = until_ended(&mut self.stage, listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => {
                        let Some(place) = self.admission.local() else { continue };
                        let Some(origin) = self.process(&stream) else { continue };
                        let Ok(stream) = stream.into_std() else { continue };
                        let serving = self.serving();
                        self.lanes.run(move || Ok(serving.machine(UnixStream::from_std(stream)?, origin, place)));
                    }
                    Err(error) => self.pause_after(&error).await,
                }
            }
        });
    }

    /// The process at the other end; none if the kernel doesn't say who it is, which is no client then.
    fn process(&self, stream: &UnixStream) -> Option<Origin> {
        static WITHOUT_GROUPS: Once = Once::new();
        let said = stream.peer_cred().and_then(|user| Ok((user, peer_groups(stream.as_fd())?)));
        match said {
            Ok((user, groups)) => {
                if groups.is_none() {
                    WITHOUT_GROUPS.call_once(|| {
                        tracing::warn!(
                            "this system doesn't say in which groups processes on the Unix socket are beside their own one: \
                             give identities users (`strongroom identity local add --uid`)"
                        );
                    });
                }
                let groups = groups.unwrap_or_default().into();
                Some(Origin::Machine { uid: user.uid(), gid: user.gid(), groups, pid: user.pid() })
            }
            Err(error) => {
                if let Some(times) = self.unknown.now() {
                    tracing::warn!(
                        "connections on the Unix socket were closed, {times} since this was said last: the system doesn't \
                         say whose they are: {error}; let clients come over TLS"
                    );
                }
                None
            }
        }
    }

    fn serving(&self) -> Serving<R> {
        Serving { router: self.router.clone(), limits: self.limits.clone(), stage: self.stage.clone() }
    }

    /// What failed is either one client's connection, gone before it was accepted, or the system has no descriptor or no
    /// memory: then the same error would come again at once, until a connection ends.
    async fn pause_after(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock) {
            return;
        }
        if let Some(times) = self.failures.now() {
            tracing::warn!(
                "connections can't be accepted, {times} times since this was said last: {error}; raise the limit of open files"
            );
        }
        sleep(PAUSE).await;
    }
}

/// What `accepted` gives; nothing once the server ends.
async fn until_ended<T>(stage: &mut watch::Receiver<Stage>, accepted: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stage.changed() => None,
        accepted = accepted => Some(accepted),
    }
}

const PAUSE: Duration = Duration::from_millis(100);
