//! Durations and sizes: text with a unit to a number, and back.
//! Not which values make sense for a key.

use std::time::Duration;

/// Why a text is not what it should be, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>) -> Fault {
        Fault {
            what: what.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

/// Longer is a slip of the pen: a year, and far from the overflow of any clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Units of time in milliseconds, as they are written.
const TIME: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Units of size in bytes, as they are written.
const SIZE: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// What people write for a unit of ours.
const SAME: [(&str, &str); 17] = [
    ("msec", "ms"),
    ("millis", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("k", "KiB"),
    ("kb", "KB"),
    ("m", "MiB"),
    ("mb", "MB"),
    ("g", "GiB"),
    ("gb", "GB"),
];

/// `"250ms"`, `"10s"`, `"5m"`, `"1h"`.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let ms = measure(text, &TIME, "duration", "10s")?;
    let value = Duration::from_millis(ms);
    if value > LONGEST {
        return Err(Fault::new(format!("{} is longer than a year", quote(text))));
    }
    Ok(value)
}

/// `"1024B"`, `"64KiB"`, `"10KB"`, `"16MiB"`: bytes.
pub(crate) fn size(text: &str) -> Result<u64, Fault> {
    measure(text, &SIZE, "size", "64KiB")
}

fn measure(text: &str, units: &[(&str, u64)], what: &str, example: &str) -> Result<u64, Fault> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if unit.starts_with('.') {
        return Err(Fault::new(format!(
            "{} has a fraction; write a whole number of a smaller unit",
            quote(text)
        )));
    }
    if digits == 0 {
        let sign = if text.starts_with('-') {
            " and never negative"
        } else {
            ""
        };
        return Err(Fault::new(format!(
            "{} is not a {what}: a number and a unit, like \"{example}\"{sign}",
            quote(text)
        )));
    }
    if unit.is_empty() {
        return Err(
            Fault::new(format!("{} needs a unit", quote(text))).help(unit_guess(number, what))
        );
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(unknown_unit(text, number, unit, units));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(*factor))
        .ok_or_else(|| Fault::new(format!("{} is too large", quote(text))))
}

/// What a bare number most likely meant: a large one is bytes or milliseconds, as other programs count.
pub(crate) fn unit_guess(number: &str, what: &str) -> String {
    /// A thousand of anything larger is rarely meant.
    const LARGE: u64 = 1000;
    let large = number.parse::<u64>().ok().filter(|value| *value >= LARGE);
    let text = match (what, large) {
        ("size", Some(bytes)) => show_size(bytes),
        ("size", None) => format!("{number}KiB"),
        (_, Some(ms)) => show_duration(Duration::from_millis(ms)),
        (_, None) => format!("{number}s"),
    };
    format!("e.g. \"{text}\"")
}

fn unknown_unit(text: &str, number: &str, unit: &str, units: &[(&str, u64)]) -> Fault {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let lower = unit.trim().to_lowercase();
    let known = |wanted: &str| names.iter().find(|name| **name == wanted).copied();
    let meant = names
        .iter()
        .find(|name| name.to_lowercase() == lower)
        .copied()
        .or_else(|| {
            SAME.iter()
                .filter(|(theirs, _)| *theirs == lower)
                .find_map(|(_, ours)| known(ours))
        });
    let fault = Fault::new(format!(
        "{} has no unit known here ({})",
        quote(text),
        names.join(", ")
    ));
    match meant {
        Some(meant) => fault.help(format!("did you mean \"{number}{meant}\"?")),
        None if unit.bytes().any(|byte| byte.is_ascii_digit()) => {
            fault.help("one number and one unit, e.g. \"90s\"")
        }
        None => fault,
    }
}

/// The shortest exact way to write a duration.
pub(crate) fn show_duration(value: Duration) -> String {
    let ms = value.as_millis();
    for (name, factor) in TIME.iter().rev() {
        let factor = u128::from(*factor);
        if ms >= factor && ms.is_multiple_of(factor) {
            return format!("{}{name}", ms / factor);
        }
    }
    format!("{ms}ms")
}

/// The shortest exact way to write a size.
pub(crate) fn show_size(bytes: u64) -> String {
    for (name, factor) in SIZE[1..5].iter().rev() {
        if bytes >= *factor && bytes.is_multiple_of(*factor) {
            return format!("{}{name}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// Text from a file inside a message: short, and without anything that a terminal would obey.
pub(crate) fn quote(text: &str) -> String {
    /// More is not needed to find it again.
    const SHOWN: usize = 80;
    let mut shown = String::from("\"");
    for (position, c) in text.chars().enumerate() {
        if position == SHOWN {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("8784h", Some(31_622_400_000)),
            ("8785h", None),
            ("10", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1m30s", None),
            ("10S", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("١s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                duration(text).ok(),
                expected.map(Duration::from_millis),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("1024B", Some(1024)),
            ("64KiB", Some(65536)),
            ("10KB", Some(10_000)),
            ("16MiB", Some(16 << 20)),
            ("1TiB", Some(1 << 40)),
            ("64kb", None),
            ("64", None),
            ("17000000000TiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn slips_get_a_suggestion() {
        let cases = [
            (duration("10sec"), "did you mean \"10s\"?"),
            (duration("10S"), "did you mean \"10s\"?"),
            (duration("5min"), "did you mean \"5m\"?"),
            (duration("5"), "e.g. \"5s\""),
            (
                size("64k").map(|_| Duration::ZERO),
                "did you mean \"64KiB\"?",
            ),
            (
                size("10kb").map(|_| Duration::ZERO),
                "did you mean \"10KB\"?",
            ),
            (
                size("16mib").map(|_| Duration::ZERO),
                "did you mean \"16MiB\"?",
            ),
        ];
        for (result, help) in cases {
            assert_eq!(result.unwrap_err().help.as_deref(), Some(help));
        }
    }

    #[test]
    fn shown_values_read_back() {
        for ms in [0, 1, 250, 1000, 1500, 75_000, 300_000, 3_600_000, 5_400_000] {
            let value = Duration::from_millis(ms);
            assert_eq!(duration(&show_duration(value)), Ok(value));
        }
        for bytes in [0, 1, 1000, 1024, 65536, 1 << 30, 3 << 40] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }
}
