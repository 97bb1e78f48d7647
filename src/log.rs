//! Our log in other people's processes: `tracing`'s macros, a sink that a fork and a daemon can't break.
//!
//! A line is formatted on the stack and handed to [`sys::output`](crate::sys::output) in one piece. Nothing here takes a
//! lock or allocates, and [`start`] makes sure that nothing of `tracing` is first initialised after a fork.

use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::sys::{env, output};

/// Longest line; what is longer is cut.
const LINE: usize = 1024;

const OFF: u8 = 0;
const WARN: u8 = 2;
const INFO: u8 = 3;

/// What is written: 0 nothing, 1 errors, 2 also warnings, up to 5 everything.
static LEVEL: AtomicU8 = AtomicU8::new(WARN);

/// Starts the log, once in a process family; a further call only sets the level. `STRONGROOM_LOG` goes before
/// `configured`, which goes before warnings and errors.
///
/// A forked child inherits all of it and doesn't call this.
pub fn start(configured: Option<&str>) {
    let chosen = env::variable(c"STRONGROOM_LOG").and_then(|value| rank(value.to_str()?));
    LEVEL.store(chosen.or_else(|| rank(configured?)).unwrap_or(WARN), Ordering::Relaxed);
    output::remember_stderr();
    static STARTED: AtomicBool = AtomicBool::new(false);
    if !STARTED.swap(true, Ordering::Relaxed) {
        // A program that links the library and brings its own subscriber keeps it.
        let _ = tracing::subscriber::set_global_default(Sink);
    }
}

/// Says what is for who runs this machine to know, and none of the user's business who started this program: to the
/// system's log, and not where somebody sits at a terminal. Who asks for `info` sees it like any other line.
pub fn tell_operator(text: fmt::Arguments<'_>) {
    if LEVEL.load(Ordering::Relaxed) >= INFO {
        tracing::info!("{text}");
    } else if LEVEL.load(Ordering::Relaxed) >= WARN && !std::io::stderr().is_terminal() {
        let mut line = Line::new();
        // Writing into the line can't fail.
        let _ = line.write_fmt(text);
        output::write_to_system_log(output::Severity::Info, line.text());
    }
}

/// Writes a panic as one line, in place of the standard library's message, which goes to standard error even when that
/// has become a client's socket.
pub fn report_panic(location: Option<&std::panic::Location<'_>>, message: &str) {
    match location {
        Some(place) => tracing::error!("internal failure at {}:{}: {message}", place.file(), place.line()),
        None => tracing::error!("internal failure: {message}"),
    }
}

fn rank(level: &str) -> Option<u8> {
    Some(match level {
        "off" => OFF,
        "error" => 1,
        "warn" => WARN,
        "info" => INFO,
        "debug" => 4,
        "trace" => 5,
        _ => return None,
    })
}

fn rank_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => WARN,
        Level::INFO => INFO,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Sink;

impl Subscriber for Sink {
    /// Never a fixed answer: the level changes at a later `C_Initialize`, and rebuilding `tracing`'s cache of answers
    /// would take its lock.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && rank_of(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::new();
        event.record(&mut line);
        let severity = match *event.metadata().level() {
            Level::ERROR => output::Severity::Error,
            Level::WARN => output::Severity::Warning,
            Level::INFO => output::Severity::Info,
            Level::DEBUG | Level::TRACE => output::Severity::Debug,
        };
        output::write_line(severity, line.text());
    }

    // Spans are not used in what a host loads.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A line on the stack: the message, then ` name=value` for each field.
struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; LINE], len: 0 }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().take(LINE - self.len) {
            // One event is one line, and no label can forge another.
            self.bytes[self.len] = if byte.is_ascii_control() { b' ' } else { byte };
            self.len += 1;
        }
        Ok(())
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into the line can't fail.
        let _ = match field.name() {
            "message" => write!(self, "{value:?}"),
            name => write!(self, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_end_and_holds_no_line_break() {
        let mut line = Line::new();
        write!(line, "a\nb{}", "x".repeat(2 * LINE)).unwrap();
        assert_eq!(line.text().len(), LINE);
        assert!(line.text().starts_with(b"a bxx"));
    }

    #[test]
    fn levels_are_read_by_name_and_nothing_else() {
        assert_eq!(rank("info"), Some(3));
        assert_eq!(rank("INFO "), None);
    }
}
