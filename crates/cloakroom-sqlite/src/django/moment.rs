use std::time::SystemTime;

use cloakroom::store::{from_micros, micros};

/// The text that Django writes for an instant: UTC, and a fraction only if there is one.
///
/// SQLite compares it as text, so another spelling of the same instant would be before or after it.
pub(crate) fn text(at: SystemTime) -> String {
    let micros = micros(at);
    let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    match fraction {
        0 => text,
        _ => format!("{text}.{fraction:06}"),
    }
}

/// The instant that a text of this form says; `None` if it is no date.
///
/// A `T` between date and time is read as well, since Django reads it.
pub(crate) fn read(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_to(year, month, day);
    // A day that the month has not is another day of the next one.
    if self::date(days) != (year, month, day) {
        return None;
    }
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second;
    Some(from_micros(seconds * SECOND + millionths(fraction)?))
}

/// The numbers between the separators, each of so many digits.
fn numbers(text: &str, separator: char, lens: [usize; 3]) -> Option<[i64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(separator);
    for (number, len) in numbers.iter_mut().zip(lens) {
        *number = parts
            .next()
            .filter(|part| part.len() == len)
            .and_then(digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn millionths(fraction: &str) -> Option<i64> {
    let len = u32::try_from(fraction.len()).ok()?;
    let shift = 6_u32.checked_sub(len)?;
    Some(digits(fraction)? * 10_i64.pow(shift))
}

/// A number that is written in digits and nothing else: no sign, no blank.
fn digits(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Year, month and day of a day that is counted from the first of 1970, in the calendar of today.
///
/// The year is taken to begin in March, so that the odd day of a leap year is its last; four hundred of them are always
/// of one length.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + MARCH_OF_0;
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

/// What [`date`] takes apart.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + day - 1;
    cycle * CYCLE + 365 * year + year / 4 - year / 100 + day - MARCH_OF_0
}

const SECOND: i64 = 1_000_000;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// Four hundred years, in days.
const CYCLE: i64 = 146_097;

/// How many days before the first of 1970 the first of March of the year 0 was.
const MARCH_OF_0: i64 = 719_468;

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn an_instant_is_written_as_django_writes_it() {
        for (micros, expected) in [
            (1_768_532_645_250_000, "2026-01-16 03:04:05.250000"),
            (1_768_532_645_000_000, "2026-01-16 03:04:05"),
            (1_768_532_645_000_001, "2026-01-16 03:04:05.000001"),
            (1_768_532_645_100_000, "2026-01-16 03:04:05.100000"),
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000_000, "2000-02-29 00:00:00"),
        ] {
            assert_eq!(text(from_micros(micros)), expected);
            assert_eq!(read(expected), Some(from_micros(micros)));
        }
        let last = from_millis(i64::MAX);
        assert_eq!(text(last), "9999-12-31 23:59:59.999000");
        assert_eq!(read("9999-12-31 23:59:59.999000"), Some(last));
    }

    #[test]
    fn every_day_until_the_year_2400_is_the_one_that_sqlite_says() {
        let db = Connection::open_in_memory().unwrap();
        let mut said = db.prepare("SELECT datetime(?1, 'unixepoch')").unwrap();
        for day in 0..157_054_i64 {
            let at = from_micros(day * DAY * SECOND);
            let ours = text(at);
            assert_eq!(read(&ours), Some(at));
            let theirs: String = said.query_row([day * DAY], |row| row.get(0)).unwrap();
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "now",
            "0",
            "2461056.5",
            "2026-01-16",
            "2026-01-16 03:04",
            "2026-02-30 03:04:05",
            "2026-13-01 03:04:05",
            "2026-00-01 03:04:05",
            "2026-01-00 03:04:05",
            "2026-01-16 24:00:00",
            "2026-01-16 03:60:05",
            "2026-01-16 03:04:60",
            "2026-01-16 03:04:05.",
            "2026-01-16 03:04:05.1234567",
            "2026-01-16 03:04:05+00:00",
            "2026-01-16 03:04:05Z",
            "2026-01-16 +3:04:05",
            "2026-01-16 03:04:05.+1",
            " 2026-01-16 03:04:05",
            "26-01-16 03:04:05",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(
            read("2026-01-16T03:04:05.1"),
            read("2026-01-16 03:04:05.100000")
        );
    }
}
