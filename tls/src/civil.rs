//! Dates of certificates: Unix seconds from and to civil UTC. Proleptic Gregorian, no leap seconds.
//!
//! Not a clock.

/// The Unix time of a date; `None` for one that does not exist, or before 1970 (shown as 1970: nothing of then is still valid).
pub(crate) fn seconds(
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years that begin with March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // 719,468 days from 0000-03-01 to 1970-01-01.
    let days = days.saturating_sub(719_468);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// `2026-11-28 04:30 UTC`: to the minute, as one speaks of a certificate's end.
pub(crate) fn show(unix: u64) -> String {
    let days = unix / 86_400 + 719_468;
    let cycle = days / 146_097;
    let in_cycle = days % 146_097;
    let of_cycle = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let of_year = in_cycle - (365 * of_cycle + of_cycle / 4 - of_cycle / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = cycle * 400 + of_cycle + u64::from(month <= 2);
    let (hour, minute) = (unix % 86_400 / 3_600, unix % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for (date, unix) in [
            ((1970, 1, 1, 0, 0, 0), 0),
            ((2000, 2, 29, 12, 30, 0), 951_827_400),
            ((2026, 11, 28, 4, 22, 0), 1_795_839_720),
            ((9999, 12, 31, 23, 59, 0), 253_402_300_740),
        ] {
            let (year, month, day, hour, minute, second) = date;
            assert_eq!(seconds(year, month, day, hour, minute, second), Some(unix));
            assert_eq!(
                show(unix),
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
            );
        }
        for (year, month, day, hour) in [
            (2025, 2, 29, 0),
            (2026, 13, 1, 0),
            (2026, 4, 31, 0),
            (2026, 1, 1, 24),
        ] {
            assert_eq!(seconds(year, month, day, hour, 0, 0), None);
        }
        assert_eq!(seconds(1950, 1, 1, 0, 0, 0), Some(0), "long ago");
    }
}
