//! Bytes to and from a server, with TLS or without, each step with a moment at which it ends.
//!
//! What AWS-LC computes is done inside a section that a fork waits for, and never together with waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use rustls::ClientConnection;

use crate::sys::fork::Section;
use crate::sys::socket::{Ready, Socket, wait};

/// An open connection.
pub(super) struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The moment has come.
    TimedOut,
    /// The connection ended or broke.
    Broken(io::Error),
    /// TLS itself refused.
    Tls(rustls::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Broken(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "{error}"),
        }
    }
}

impl Stream {
    /// Without TLS.
    pub(super) fn plain(socket: Socket) -> Self {
        Self { socket, tls: None }
    }

    /// Shakes hands over this one.
    pub(super) fn shake_hands(self, mut tls: Box<ClientConnection>, until: Instant) -> Result<Self, Stopped> {
        tls.set_buffer_limit(None);
        let mut stream = Self { socket: self.socket, tls: Some(tls) };
        loop {
            stream.flush(until)?;
            match &stream.tls {
                Some(tls) if tls.is_handshaking() => {}
                _ => return Ok(stream),
            }
            if let Err(stopped) = stream.wait_and_take_in(until) {
                // The alert that says why, if there is room for it.
                let _ = stream.flush(Instant::now());
                return Err(stopped);
            }
        }
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, bytes: &[u8], until: Instant) -> Result<(), Stopped> {
        let Some(tls) = &mut self.tls else { return send_all(&self.socket, bytes, until) };
        let section = Section::enter();
        tls.writer().write_all(bytes)?;
        drop(section);
        self.flush(until)
    }

    /// Receives some of what comes, at least a byte; 0 is the end.
    pub(super) fn receive(&mut self, into: &mut [u8], until: Instant) -> Result<usize, Stopped> {
        loop {
            let Some(tls) = &mut self.tls else {
                wait_for(&self.socket, Ready::ToRead, until)?;
                match self.socket.receive(into) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    outcome => return Ok(outcome?),
                }
            };
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_and_take_in(until)?,
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Whether nothing has happened on it while nobody used it, and nothing is left of what came before.
    pub(super) fn is_quiet(&mut self) -> bool {
        // TLS has messages of its own, such as tickets for a later session.
        if !self.socket.is_quiet() && (self.tls.is_none() || self.take_in().is_err() || !self.socket.is_quiet()) {
            return false;
        }
        // What was opened and read by nobody would be the next request's answer.
        let mut one = [0];
        self.tls
            .as_mut()
            .is_none_or(|tls| tls.reader().read(&mut one).is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }

    /// Whether everything that was sent has come to the other side's system.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.socket.is_acknowledged()
    }

    /// Lets the connection end by itself when what is sent isn't acknowledged.
    pub(super) fn give_up_after(&self, time: std::time::Duration) {
        self.socket.give_up_after(time);
    }

    fn wait_and_take_in(&mut self, until: Instant) -> Result<(), Stopped> {
        wait_for(&self.socket, Ready::ToRead, until)?;
        self.take_in()
    }

    /// Receives the records that are there, and opens them.
    fn take_in(&mut self) -> Result<(), Stopped> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        match tls.read_tls(&mut Ends(&self.socket)) {
            Ok(0) if tls.is_handshaking() => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            outcome => outcome?,
        };
        let _section = Section::enter();
        tls.process_new_packets().map(drop).map_err(Stopped::Tls)
    }

    /// Sends the records that are ready.
    fn flush(&mut self, until: Instant) -> Result<(), Stopped> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match tls.write_tls(&mut Ends(&self.socket)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for(&self.socket, Ready::ToWrite, until)?,
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }
}

fn send_all(socket: &Socket, mut bytes: &[u8], until: Instant) -> Result<(), Stopped> {
    while !bytes.is_empty() {
        match socket.send(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for(socket, Ready::ToWrite, until)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_for(socket: &Socket, ready: Ready, until: Instant) -> Result<(), Stopped> {
    wait(&[socket], ready, until)?.map(drop).ok_or(Stopped::TimedOut)
}

/// The socket as rustls reads and writes it.
struct Ends<'a>(&'a Socket);

impl Read for Ends<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.receive(into)
    }
}

impl Write for Ends<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
