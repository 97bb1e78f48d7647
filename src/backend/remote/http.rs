//! One request and its answer over an open connection: HTTP/1.1 (RFC 9112), as much of it as a client needs that names its
//! length and asks for no coding.
//!
//! Heads and bodies hold tokens, secrets and keys: every buffer is wiped, and one that grows wipes what it leaves.

use std::time::Instant;

use zeroize::Zeroizing;

use super::client::Request;
use super::stream::{Stopped, Stream};

/// Longest head of an answer.
const MOST_HEAD: usize = 64 << 10;
/// Most lines in it.
const MOST_HEADERS: usize = 100;
/// Longest body.
const MOST_BODY: usize = 8 << 20;
/// What may come in all: a body, and with it heads, interim answers, the lengths of chunks and what stands behind those.
const MOST: usize = MOST_BODY + (1 << 20);
/// Most interim answers before the one that counts.
const MOST_INTERIM: usize = 10;
/// What is read at first: most answers fit.
const FIRST_ROOM: usize = 2 << 10;
/// What is read at once after that.
const ROOM: usize = 8 << 10;

/// What a server answered.
pub struct Response {
    /// The status, 200 to 599.
    pub status: u16,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
    /// Name and value of each header, the names in small letters.
    headers: Vec<(String, String)>,
    /// Another request may follow on the same connection.
    pub(super) stays_open: bool,
}

impl Response {
    /// The first header with this name, which is given in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// Every header with this name.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer that can be used.
pub(super) enum Unanswered {
    /// While sending or receiving; whether a part of the answer had come.
    Stopped(Stopped, bool),
    /// What came is no answer.
    Malformed(String),
}

/// Until when each part of an answer is waited for.
#[derive(Clone, Copy)]
pub(super) struct Deadlines {
    /// Its first byte, where the other side hasn't even acknowledged the request.
    pub first: Instant,
    /// Its first byte, where it has.
    pub patient: Instant,
    /// Its last.
    pub last: Instant,
}

impl Deadlines {
    /// The same for all.
    pub(super) fn at(end: Instant) -> Self {
        Self { first: end, patient: end, last: end }
    }
}

/// The request's bytes, its body behind its head.
pub(super) fn encoded(request: &Request<'_>, authority: &str) -> Zeroizing<Vec<u8>> {
    let fixed =
        [request.method, " ", request.target, " HTTP/1.1\r\nHost: ", authority, "\r\nUser-Agent: ", AGENT, "\r\n"];
    let headers = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let token = request.bearer.map_or(0, str::len);
    let body = request.body.map_or(0, |(_, body)| body.len());
    let room = fixed.iter().map(|part| part.len()).sum::<usize>() + headers + token + body + 256;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
    put(&fixed);
    put(&["Accept: application/json\r\n"]);
    for (name, value) in request.headers {
        put(&[name, ": ", value, "\r\n"]);
    }
    if let Some(token) = request.bearer {
        put(&["Authorization: Bearer ", token, "\r\n"]);
    }
    match request.body {
        Some((kind, body)) => {
            put(&["Content-Type: ", kind, "\r\nContent-Length: ", &body.len().to_string(), "\r\n\r\n"])
        }
        // RFC 9110 §8.6: a method that expects content says that there is none.
        None if matches!(request.method, "POST" | "PUT" | "PATCH") => put(&["Content-Length: 0\r\n\r\n"]),
        None => put(&["\r\n"]),
    }
    if let Some((_, body)) = request.body {
        bytes.extend_from_slice(body);
    }
    bytes
}

const AGENT: &str = concat!("strongroom/", env!("CARGO_PKG_VERSION"));

/// Reads the answer to a request that was sent.
pub(super) fn answer(stream: &mut Stream, deadlines: Deadlines) -> Result<Response, Unanswered> {
    let mut input = Input { stream, bytes: Zeroizing::default(), read: 0, received: 0, deadlines };
    for _ in 0..=MOST_INTERIM {
        let head = input.head()?;
        // An interim answer (RFC 9110 §15.2).
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        let (body, ended) = input.body(&head)?;
        let stays_open = !head.closes && !ended && input.read == input.bytes.len();
        return Ok(Response { status: head.status, body, headers: head.headers, stays_open });
    }
    Err(malformed("it has interim answers without end"))
}

/// The status of a proxy's answer, behind which the tunnel begins.
pub(super) fn tunnel_answer(stream: &mut Stream, until: Instant) -> Result<u16, Stopped> {
    let mut head = Zeroizing::new(Vec::with_capacity(ROOM));
    // Byte by byte: what follows the head is the other end's.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == ROOM || stream.receive(&mut byte, until)? == 0 {
            return Err(std::io::Error::other("the proxy's answer is no answer of HTTP").into());
        }
        head.push(byte[0]);
    }
    match parsed(&head) {
        Ok(Some((head, _))) => Ok(head.status),
        _ => Err(std::io::Error::other("the proxy's answer is no answer of HTTP").into()),
    }
}

/// What the head says that matters for the body.
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    length: Option<usize>,
    chunked: bool,
    closes: bool,
}

struct Input<'a> {
    stream: &'a mut Stream,
    bytes: Zeroizing<Vec<u8>>,
    /// So many of them are done with.
    read: usize,
    /// So many came in all.
    received: usize,
    deadlines: Deadlines,
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        // What is only room is wiped at once, and what is filled byte by byte.
        self.bytes.clear();
    }
}

impl Input<'_> {
    fn head(&mut self) -> Result<Head, Unanswered> {
        loop {
            let rest = &self.bytes[self.read..];
            if let Some((head, len)) = parsed(rest).map_err(Unanswered::Malformed)? {
                self.read += len;
                return Ok(head);
            }
            if rest.len() > MOST_HEAD {
                return Err(malformed("its head is too long"));
            }
            if !self.more()? {
                return Err(self.ended());
            }
        }
    }

    /// The body, and whether the connection ended with it.
    fn body(&mut self, head: &Head) -> Result<(Zeroizing<Vec<u8>>, bool), Unanswered> {
        if matches!(head.status, 204 | 304) {
            return Ok((Zeroizing::default(), false));
        }
        if head.chunked {
            return self.chunks().map(|body| (body, false));
        }
        let mut body = Zeroizing::new(Vec::new());
        match head.length {
            Some(length) if length > MOST_BODY => Err(malformed("its body is too long")),
            Some(length) => {
                self.take(length, &mut body)?;
                Ok((body, false))
            }
            None => {
                while self.more()? {
                    if self.bytes.len() - self.read > MOST_BODY {
                        return Err(malformed("its body is too long"));
                    }
                }
                append(&mut body, &self.bytes[self.read..]);
                self.read = self.bytes.len();
                Ok((body, true))
            }
        }
    }

    /// RFC 9112 §7.1.
    fn chunks(&mut self) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let length = self.chunk_length()?;
            if length > MOST_BODY.saturating_sub(body.len()) {
                return Err(malformed("its body is too long"));
            }
            if length == 0 {
                self.trailers()?;
                return Ok(body);
            }
            self.take(length, &mut body)?;
            let mut end = Zeroizing::new(Vec::new());
            self.take(2, &mut end)?;
            if *end != b"\r\n" {
                return Err(malformed("a chunk of its body has no end"));
            }
        }
    }

    fn chunk_length(&mut self) -> Result<usize, Unanswered> {
        loop {
            match httparse::parse_chunk_size(&self.bytes[self.read..]) {
                Ok(httparse::Status::Complete((len, length))) => {
                    self.read += len;
                    return usize::try_from(length).map_err(|_| malformed("its body is too long"));
                }
                Ok(httparse::Status::Partial) if self.bytes.len() - self.read < ROOM => {
                    if !self.more()? {
                        return Err(self.ended());
                    }
                }
                _ => return Err(malformed("a chunk of its body has no length")),
            }
        }
    }

    /// What follows the last chunk, up to an empty line; none of it is used.
    fn trailers(&mut self) -> Result<(), Unanswered> {
        loop {
            let rest = &self.bytes[self.read..];
            if let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
                self.read += end + 2;
                if end == 0 {
                    return Ok(());
                }
                continue;
            }
            if rest.len() > MOST_HEAD {
                return Err(malformed("its trailers are too long"));
            }
            if !self.more()? {
                return Err(self.ended());
            }
        }
    }

    /// Moves so many bytes to `body`.
    fn take(&mut self, length: usize, body: &mut Zeroizing<Vec<u8>>) -> Result<(), Unanswered> {
        let mut missing = length;
        loop {
            let piece = missing.min(self.bytes.len() - self.read);
            append(body, &self.bytes[self.read..self.read + piece]);
            self.read += piece;
            missing -= piece;
            if missing == 0 {
                return Ok(());
            }
            if !self.more()? {
                return Err(self.ended());
            }
        }
    }

    /// Receives more; false at the end.
    fn more(&mut self) -> Result<bool, Unanswered> {
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        let kept = self.bytes.len();
        let room = if self.has_begun() { ROOM } else { FIRST_ROOM };
        make_room(&mut self.bytes, room);
        self.bytes.resize(kept + room, 0);
        let outcome = self.receive(kept);
        self.bytes.truncate(kept + *outcome.as_ref().unwrap_or(&0));
        let begun = self.has_begun();
        let received = outcome.map_err(|stopped| Unanswered::Stopped(stopped, begun))?;
        self.received += received;
        match self.received > MOST {
            true => Err(malformed("it has no end")),
            false => Ok(received > 0),
        }
    }

    /// Receives into the room behind what is kept. Who has acknowledged the request and says nothing yet may be at work.
    fn receive(&mut self, kept: usize) -> Result<usize, Stopped> {
        let Deadlines { first, patient, last } = self.deadlines;
        let room = &mut self.bytes[kept..];
        if self.received > 0 {
            return self.stream.receive(room, last);
        }
        match self.stream.receive(room, first) {
            Err(Stopped::TimedOut) if first < patient && self.stream.is_acknowledged() => {
                self.stream.receive(room, patient)
            }
            Err(Stopped::TimedOut) if first < patient => Err(lost().into()),
            outcome => outcome,
        }
    }

    fn has_begun(&self) -> bool {
        self.received > 0
    }

    fn ended(&self) -> Unanswered {
        let ended =
            std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the connection ended before the answer did");
        Unanswered::Stopped(ended.into(), self.has_begun())
    }
}

fn lost() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "what was sent wasn't acknowledged")
}

/// Appends, and wipes what a buffer leaves that becomes too small.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    make_room(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

/// Room for so many bytes more; what a buffer leaves that is too small is wiped.
fn make_room(buffer: &mut Zeroizing<Vec<u8>>, len: usize) {
    if buffer.capacity() - buffer.len() < len {
        let mut larger = Zeroizing::new(Vec::with_capacity((buffer.len() + len).max(2 * buffer.capacity())));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
}

/// A head and its length, if all of it is there.
fn parsed(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut lines);
    let len = match response.parse(bytes).map_err(|error| format!("this is no answer of HTTP ({error})"))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(len) => len,
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
    let headers: Vec<(String, String)> =
        response.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value))).collect();
    let named =
        |name: &str| headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
    let lengths: Vec<&str> = named("content-length");
    let codings: Vec<&str> = named("transfer-encoding");
    let connection: Vec<&str> = named("connection");
    let closes = response.version == Some(0) || connection.iter().any(|value| value.eq_ignore_ascii_case("close"));
    let chunked = match codings.as_slice() {
        [] => false,
        [coding] if coding.eq_ignore_ascii_case("chunked") => true,
        _ => return Err("its transfer coding isn't known".into()),
    };
    let length = match lengths.as_slice() {
        [] => None,
        [length, others @ ..] if others.iter().all(|other| other == length) => {
            Some(length.parse().map_err(|_| "its length is no number".to_owned())?)
        }
        _ => return Err("it has several lengths".into()),
    };
    // Two ways to say where it ends are none (RFC 9112 §6.3).
    if chunked && length.is_some() {
        return Err("it has a length and chunks too".into());
    }
    let status = response.code.unwrap_or_default();
    Ok(Some((Head { status, headers, length, chunked, closes }, len)))
}

fn malformed(what: &str) -> Unanswered {
    Unanswered::Malformed(what.to_owned())
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
