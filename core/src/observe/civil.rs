//! Unix time as RFC 3339 text in UTC, with microseconds. Proleptic Gregorian, no leap seconds (Unix time has none).
//!
//! Not a clock: the caller says what time it is. Not for local time.

/// Length of the text, `2026-11-23T16:55:17.123456Z`.
pub const LENGTH: usize = 27;

/// The last microsecond that four digits of a year can show; later times are shown as this one.
const LAST_US: u64 = 253_402_300_799_999_999;

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
///
/// Counts in years that begin with March, so that the leap day is the last of its year: a 400-year cycle then has a fixed
/// 146,097 days, and months alternate in a pattern of 153 days each five.
pub fn date_of(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01.
    let days = days + 719_468;
    let cycle = days / 146_097;
    let in_cycle = days % 146_097;
    let year_of_cycle =
        (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let day_of_year = in_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    (year, month, day)
}

/// Makes the text; remembers the second, so that in most cases only the microseconds are written anew.
#[derive(Debug)]
pub struct Stamp {
    second: u64,
    text: [u8; LENGTH],
}

impl Default for Stamp {
    fn default() -> Self {
        Stamp {
            second: 0,
            text: *b"1970-01-01T00:00:00.000000Z",
        }
    }
}

impl Stamp {
    /// The text for a Unix time in microseconds. ASCII.
    pub fn at(&mut self, unix_us: u64) -> &[u8; LENGTH] {
        let unix_us = unix_us.min(LAST_US);
        let second = unix_us / 1_000_000;
        if second != self.second {
            self.second = second;
            let (year, month, day) = date_of(second / 86_400);
            let of_day = second % 86_400;
            digits(&mut self.text[0..4], year);
            digits(&mut self.text[5..7], month);
            digits(&mut self.text[8..10], day);
            digits(&mut self.text[11..13], of_day / 3_600);
            digits(&mut self.text[14..16], of_day / 60 % 60);
            digits(&mut self.text[17..19], of_day % 60);
        }
        digits(&mut self.text[20..26], unix_us % 1_000_000);
        &self.text
    }
}

/// `n` in decimal, with leading zeros, as many digits as there are places.
fn digits(places: &mut [u8], mut n: u64) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let table: [(u64, &str); 12] = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (86_399_999_999, "1970-01-01T23:59:59.999999Z"),
            (68_169_600_000_000, "1972-02-29T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
            (1_000_000_000_000_000, "2001-09-09T01:46:40.000000Z"),
            (1_234_567_890_123_456, "2009-02-13T23:31:30.123456Z"),
            (2_147_483_647_000_000, "2038-01-19T03:14:07.000000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (LAST_US, "9999-12-31T23:59:59.999999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999999Z"),
        ];
        let mut stamp = Stamp::default();
        for (us, text) in table {
            assert_eq!(std::str::from_utf8(stamp.at(us)), Ok(text), "{us}");
            assert_eq!(Stamp::default().at(us), text.as_bytes(), "{us}, fresh");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let leap =
            |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..400_000 {
            assert_eq!(date_of(days), (year, month, day), "day {days}");
            let last = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
