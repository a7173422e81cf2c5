//! The process log: what the program says about itself, as single lines on stderr, written by a thread of its own.
//!
//! ```text
//! 2026-11-23T16:55:17.123456Z INFO  configuration applied routes=12 path=/etc/ringway.toml
//! ```
//!
//! Time, level, message, `key=value`. Values with spaces, quotes or control characters are quoted, control characters in a message
//! are escaped, so one event is one line whatever it holds. Colours only on a terminal. Not the access log.

use std::fmt::{self, Debug, Write};
use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use super::civil::Stamp;

/// Lines that may wait for stderr; more are dropped and counted. About a megabyte.
const QUEUE: usize = 8 * 1024;

/// Keeps the log's thread; dropping it writes what waits. Hold it until the end of `main`.
#[must_use = "dropping it ends the log"]
#[derive(Debug)]
pub struct Guard {
    drops: ErrorCounter,
    _thread: WorkerGuard,
}

impl Guard {
    /// Counts lines that were dropped because the queue was full, for [`super::Registry::set_process_log`].
    pub fn drops(&self) -> ErrorCounter {
        self.drops.clone()
    }
}

/// Start the process log. `level` is `off`, `error`, `warn`, `info`, `debug` or `trace`, with exceptions for parts of the
/// program if wanted (`info,ringway_io=debug`); what cannot be read as that means `info`, and is said. Only the first call
/// of a process has an effect on where events go.
pub fn init(level: &str) -> Guard {
    let (stderr, thread) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE)
        .thread_name("ringway-stderr")
        .finish(io::stderr());
    let drops = stderr.error_counter();
    let wanted = level.parse::<Targets>();
    let understood = wanted.is_ok();
    let targets = wanted.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    // Fails only if a log was started before, which then stays in use.
    let _ = subscriber(stderr, targets, io::stderr().is_terminal()).try_init();
    if !understood {
        tracing::warn!(level, "log level not understood, using info");
    }
    Guard {
        drops,
        _thread: thread,
    }
}

fn subscriber(to: NonBlocking, targets: Targets, colours: bool) -> impl Subscriber + Send + Sync {
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(Line { colours })
        .with_writer(to);
    tracing_subscriber::registry().with(targets).with(layer)
}

/// The format of one line. Spans are not used in this program and not shown. The colours are our own (the library's would be
/// in the fields too), so the library is told that there are none.
struct Line {
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        write_line(&mut to, unix_us, self.colours, event)
    }
}

fn write_line(to: &mut dyn Write, unix_us: u64, colours: bool, event: &Event<'_>) -> fmt::Result {
    let mut stamp = Stamp::default();
    let time = std::str::from_utf8(stamp.at(unix_us)).map_err(|_| fmt::Error)?;
    let (level, colour) = match *event.metadata().level() {
        Level::ERROR => ("ERROR", 31),
        Level::WARN => ("WARN ", 33),
        Level::INFO => ("INFO ", 32),
        Level::DEBUG => ("DEBUG", 34),
        Level::TRACE => ("TRACE", 35),
    };
    if colours {
        write!(to, "{time} \x1b[{colour}m{level}\x1b[0m")?;
    } else {
        write!(to, "{time} {level}")?;
    }
    for part in [Part::Message, Part::Fields] {
        let mut fields = Fields {
            to: &mut *to,
            part,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
    }
    to.write_char('\n')
}

/// What a walk over an event's fields writes: the message comes first wherever it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Message,
    Fields,
}

struct Fields<'w> {
    to: &'w mut dyn Write,
    part: Part,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        let is_message = field.name() == "message";
        match self.part {
            Part::Message if is_message => {
                self.to.write_char(' ')?;
                OneLine(self.to).write_fmt(value)
            }
            Part::Fields if !is_message => {
                write!(self.to, " {}=", field.name())?;
                let text = value.to_string();
                let bare = !text.is_empty()
                    && !text.contains(|c: char| {
                        c.is_control() || c.is_whitespace() || c == '"' || c == '='
                    });
                if bare {
                    self.to.write_str(&text)
                } else {
                    write!(self.to, "{text:?}")
                }
            }
            _ => Ok(()),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.write(field, format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            self.result = self.write(field, format_args!("{value:?}"));
        }
    }
}

/// Writes text with its control characters escaped.
struct OneLine<'w>(&'w mut dyn Write);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of what `say` logs, each split into time and rest.
    fn lines(level: &str, colours: bool, say: impl Fn()) -> Vec<String> {
        let memory = Memory::default();
        let (to, guard) = tracing_appender::non_blocking(memory.clone());
        tracing::subscriber::with_default(subscriber(to, level.parse().unwrap(), colours), say);
        drop(guard);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| {
                let (time, rest) = line.split_once(' ').unwrap();
                assert!(
                    time.len() == 27 && time.starts_with("20") && time.ends_with('Z'),
                    "{line}"
                );
                rest.to_owned()
            })
            .collect()
    }

    #[test]
    fn events_are_single_lines() {
        let found = lines("debug", false, || {
            tracing::info!(
                routes = 12,
                path = "/etc/ringway.toml",
                "configuration applied"
            );
            tracing::warn!(reason = "two words", empty = "", quote = "a\"b", "careful");
            tracing::error!(error = %io::Error::other("x\ny"), "first\nsecond \x1b[31m");
            tracing::debug!(list = ?["a"], ok = true);
        });
        let expected = [
            "INFO  configuration applied routes=12 path=/etc/ringway.toml",
            r#"WARN  careful reason="two words" empty="" quote="a\"b""#,
            r#"ERROR first\nsecond \u{1b}[31m error="x\ny""#,
            r#"DEBUG list="[\"a\"]" ok=true"#,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn levels_hold_for_parts_of_the_program() {
        let say = || {
            tracing::info!("one");
            tracing::debug!("two");
            tracing::debug!(target: "ringway_io::ring", "three");
        };
        assert_eq!(lines("off", false, say), [""; 0]);
        assert_eq!(lines("info", false, say), ["INFO  one"]);
        assert_eq!(lines("warn,ringway_io=debug", false, say), ["DEBUG three"]);
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(
            lines("info", true, || tracing::info!("x")),
            ["\x1b[32mINFO \x1b[0m x"]
        );
    }

    #[test]
    fn a_level_that_cannot_be_read_does_not_stop_the_start() {
        let guard = init("no, such=level=");
        assert_eq!(guard.drops().dropped_lines(), 0);
    }
}
