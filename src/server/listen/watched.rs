//! A connection whose reads and writes are noted in its [`Pulse`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Pulse;

/// The plain side of a connection: above TLS where there is any.
pub(super) struct Watched<T> {
    connection: T,
    pulse: Arc<Pulse>,
}

impl<T> Watched<T> {
    pub(super) fn new(connection: T, pulse: Arc<Pulse>) -> Self {
        Self { connection, pulse }
    }

    fn note<R>(&self, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match &written {
            Poll::Ready(_) => self.pulse.has_written(),
            Poll::Pending => self.pulse.cannot_write(),
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.pulse.flooded() {
            return Poll::Ready(Err(io::Error::other("the client sends what leads to nothing")));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.pulse.has_read(bytes);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(cx, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.connection).poll_flush(cx);
        match flushed {
            Poll::Ready(_) => self.pulse.has_flushed(),
            Poll::Pending => self.pulse.cannot_write(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.connection).poll_shutdown(cx);
        self.note(closed)
    }
}
