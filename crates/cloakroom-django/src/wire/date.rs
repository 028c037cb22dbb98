//! Dates as Django writes them: in `_session_expiry`, in the column `expire_date` and in
//! `Set-Cookie`.
//!
//! Python's dates have years from 1 to 9999 and a precision of one microsecond. A time outside
//! these years becomes the nearest time within them, and fractions of a microsecond are rounded
//! down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};

/// Formats a time like Python's `isoformat` in UTC: `YYYY-MM-DDTHH:MM:SS[.ffffff]+00:00`. The
/// fraction is left out if it is zero.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use cloakroom_django::wire::date::iso;
///
/// let at = UNIX_EPOCH + Duration::from_millis(1_767_323_045_250);
/// assert_eq!(iso(at), "2026-01-02T03:04:05.250000+00:00");
/// ```
pub fn iso(at: SystemTime) -> String {
    format(at, 'T') + "+00:00"
}

/// Parses a date with an offset, in any ISO 8601 form that Python 3.11's `fromisoformat` accepts.
///
/// This includes forms that Django does not write: `Z`, the forms without `-` and `:`, week dates,
/// any character between date and time, and any number of digits in the fraction.
///
/// Returns `None` for text without an offset, which Django itself cannot use. Also returns `None`
/// for the few forms that Python accepts but ISO 8601 does not define:
///
/// * an offset whose minutes or seconds are above 59, or whose seconds have a fraction;
/// * a time with a fraction of a minute;
/// * a week date with a digit or a hyphen between the date and the time.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::date::{iso, parse_iso};
///
/// let at = parse_iso("2026-01-02T08:34:05.25+05:30").unwrap();
/// assert_eq!(iso(at), "2026-01-02T03:04:05.250000+00:00");
/// assert_eq!(parse_iso("2026-01-02T03:04:05.25"), None, "it has no offset");
/// ```
pub fn parse_iso(text: &str) -> Option<SystemTime> {
    let (date_time, offset) = parse(text)?;
    instant(date_time, offset?)
}

/// Formats a time as in the column `expire_date` of SQLite and MySQL:
/// `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC.
///
/// SQLite compares the column as text, and `T` sorts after the space. With a `T` between date and
/// time, Django would therefore still load sessions that have expired.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use cloakroom_django::wire::date::expire_date;
///
/// let at = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
/// assert_eq!(expire_date(at), "2026-01-02 03:04:05");
/// ```
pub fn expire_date(at: SystemTime) -> String {
    format(at, ' ')
}

/// Parses the column `expire_date`: what [`expire_date`] or Django wrote, and any other ISO form
/// that another program may have written. Text without an offset is in UTC.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::date::parse_expire_date;
///
/// let at = parse_expire_date("2026-01-02 03:04:05");
/// assert!(at.is_some());
/// assert_eq!(parse_expire_date("2026-01-02T03:04:05+00:00"), at);
/// assert_eq!(parse_expire_date("tomorrow"), None);
/// ```
pub fn parse_expire_date(text: &str) -> Option<SystemTime> {
    let (date_time, offset) = parse(text)?;
    instant(date_time, offset.unwrap_or(0))
}

/// Formats a time as in HTTP headers: `Fri, 16 Jan 2026 03:04:05 GMT`. Fractions of a second are
/// dropped.
///
/// # Examples
/// ```
/// use std::time::UNIX_EPOCH;
///
/// use cloakroom_django::wire::date::http_date;
///
/// assert_eq!(http_date(UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
/// ```
pub fn http_date(at: SystemTime) -> String {
    let at = utc(at);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        DAYS[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())],
        at.day(),
        MONTHS[usize::from(at.month().unsigned_abs()) - 1],
        at.year(),
        at.hour(),
        at.minute(),
        at.second(),
    )
}

/// Returns the microseconds since 1970, clamped to Python's years.
fn micros(at: SystemTime) -> i64 {
    let micros = match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(LAST_MICRO),
        Err(before) => {
            let nanos = i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX);
            i64::try_from((-nanos).div_euclid(1_000)).unwrap_or(FIRST_MICRO)
        }
    };
    micros.clamp(FIRST_MICRO, LAST_MICRO)
}

/// Returns the time that is `micros` microseconds after 1970, clamped to Python's years.
fn from_micros(micros: i64) -> SystemTime {
    let micros = micros.clamp(FIRST_MICRO, LAST_MICRO);
    let since = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        // Some systems cannot represent such an early time. Such a time becomes 1970, which is in
        // the past, too.
        UNIX_EPOCH.checked_sub(since).unwrap_or(UNIX_EPOCH)
    } else {
        UNIX_EPOCH + since
    }
}

/// Returns the date and time in UTC. Adds the time since 1970 to a date without a time zone,
/// because jiff's last `Timestamp` is a day before the end of the year 9999.
fn utc(at: SystemTime) -> DateTime {
    let since = SignedDuration::from_micros(micros(at));
    EPOCH
        .checked_add(since)
        .expect("clamped to years that jiff can represent")
}

fn format(at: SystemTime, separator: char) -> String {
    let at = utc(at);
    let mut text = format!(
        "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
    );
    let micros = at.subsec_nanosecond() / 1_000;
    if micros > 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    text
}

fn instant(date_time: DateTime, offset_secs: i32) -> Option<SystemTime> {
    let since = date_time.duration_since(EPOCH) - SignedDuration::from_secs(offset_secs.into());
    let at = i64::try_from(since.as_micros()).ok()?;
    (FIRST_MICRO..=LAST_MICRO)
        .contains(&at)
        .then(|| from_micros(at))
}

/// Parses text as `datetime.fromisoformat` does. Returns the date and time, and the offset in
/// seconds if the text has one.
fn parse(text: &str) -> Option<(DateTime, Option<i32>)> {
    let mut rest = Parser(text);
    let date = rest.date()?;
    if rest.0.is_empty() {
        return Some((DateTime::from_parts(date, Time::midnight()), None));
    }
    rest.skip_char()?;
    let (clock, zone) = match rest.0.find(['+', '-', 'Z']) {
        Some(at) => rest.0.split_at(at),
        None => (rest.0, ""),
    };
    let [hour, minute, second, micros] = clock_of(clock)?;
    let time = Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        micros * 1_000,
    );
    let offset = match zone.split_at_checked(1) {
        None => None,
        Some(("Z", rest)) => rest.is_empty().then_some(Some(0))?,
        Some((sign, rest)) => {
            let [hour, minute, second, micros] = clock_of(rest)?;
            let secs = hour * 3_600 + minute * 60 + second;
            // Python also accepts an offset whose minutes or seconds are above 59, or whose seconds
            // have a fraction. No program writes such offsets.
            if secs >= 86_400 || micros > 0 || minute > 59 || second > 59 {
                return None;
            }
            Some(if sign == "-" { -secs } else { secs })
        }
    };
    Some((DateTime::from_parts(date, time.ok()?), offset))
}

/// Parses hours, minutes, seconds and microseconds of `HH[:MM[:SS[.f…]]]`, or the same without
/// colons.
fn clock_of(text: &str) -> Option<[i32; 4]> {
    let mut rest = Parser(text);
    let mut parts = [rest.number(2)?, 0, 0, 0];
    let colons = rest.0.starts_with(':');
    for part in &mut parts[1..3] {
        if rest.0.is_empty() || rest.0.starts_with(['.', ',']) {
            break;
        }
        if colons {
            rest.exactly(':')?;
        }
        *part = rest.number(2)?;
    }
    if rest.0.is_empty() {
        return Some(parts);
    }
    // Only seconds may have a fraction. Its digits after the sixth are dropped.
    let shortest = if colons {
        "HH:MM:SS".len()
    } else {
        "HHMMSS".len()
    };
    if text.len() - rest.0.len() < shortest {
        return None;
    }
    let digits = rest.0.strip_prefix(['.', ','])?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six = digits.bytes().chain(std::iter::repeat(b'0')).take(6);
    parts[3] = six.fold(0, |micros, digit| micros * 10 + i32::from(digit - b'0'));
    Some(parts)
}

/// The text that is left to parse.
struct Parser<'a>(&'a str);

impl Parser<'_> {
    /// Parses `YYYY-MM-DD`, `YYYYMMDD`, `YYYY-Www[-D]` or `YYYYWww[D]`.
    fn date(&mut self) -> Option<Date> {
        let year = i16::try_from(self.number(4)?)
            .ok()
            .filter(|&year| year > 0)?;
        let dashes = self.exactly('-').is_some();
        if self.exactly('W').is_some() {
            let week = i8::try_from(self.number(2)?).ok()?;
            let day = if dashes && self.0.starts_with('-') {
                self.exactly('-')?;
                self.number(1)?
            } else if !dashes && self.0.starts_with(|char: char| char.is_ascii_digit()) {
                self.number(1)?
            } else {
                1
            };
            let day = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
            return Some(ISOWeekDate::new(year, week, day).ok()?.date());
        }
        let month = i8::try_from(self.number(2)?).ok()?;
        if dashes {
            self.exactly('-')?;
        }
        let day = i8::try_from(self.number(2)?).ok()?;
        Date::new(year, month, day).ok()
    }

    fn number(&mut self, digits: usize) -> Option<i32> {
        let (text, rest) = self.0.split_at_checked(digits)?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        text.parse().ok()
    }

    fn exactly(&mut self, char: char) -> Option<()> {
        self.0 = self.0.strip_prefix(char)?;
        Some(())
    }

    fn skip_char(&mut self) -> Option<()> {
        let mut chars = self.0.chars();
        chars.next()?;
        self.0 = chars.as_str();
        Some(())
    }
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// 0001-01-01T00:00:00Z.
const FIRST_MICRO: i64 = -62_135_596_800_000_000;

/// 9999-12-31T23:59:59.999999Z.
const LAST_MICRO: i64 = 253_402_300_799_999_999;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_and_written_as_in_python() {
        for (text, utc) in [
            ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02 03:04Z", "2026-01-02T03:04:00+00:00"),
            ("20260102é03-05", "2026-01-02T08:00:00+00:00"),
            (
                "20260102T030405,1234567890+0530",
                "2026-01-01T21:34:05.123456+00:00",
            ),
            (
                "2026-W01-5T00:00:00.000001-00:00:01",
                "2026-01-02T00:00:01.000001+00:00",
            ),
            ("2020W537x235959+23:59:59", "2021-01-03T00:00:00+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            (
                "1969-12-31T23:59:59.999999Z",
                "1969-12-31T23:59:59.999999+00:00",
            ),
            (
                "9999-12-31T23:59:59.999999Z",
                "9999-12-31T23:59:59.999999+00:00",
            ),
        ] {
            assert_eq!(parse_iso(text).map(iso).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_date_with_an_offset_is_refused() {
        for text in [
            "",
            "2026",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02+00:00",
            "2026-01-02T+00:00",
            "2026-1-2T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2025-W53-1T03:04:05Z",
            "0000-01-01T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T23:59:60Z",
            "2026-01-02T03:0405Z",
            "2026-01-02T03:04.5Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05z",
            "2026-01-02T03:04:05Z ",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05+5",
            "2026-01-02T03:04:05+",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "+2026-01-02T03:04:05Z",
            "২০২৬-01-02T03:04:05Z",
        ] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn a_row_may_contain_a_date_in_another_form() {
        let at = parse_iso("2026-01-02T03:04:05Z");
        for text in [
            "2026-01-02 03:04:05",
            "2026-01-02 03:04:05.000000",
            "2026-01-02T03:04:05+00:00",
            "2026-01-02 03:04:05.0000009",
            "20260102T030405",
        ] {
            assert_eq!(parse_expire_date(text), at, "{text}");
        }
        let midnight = parse_iso("2026-01-02T00:00:00Z");
        assert_eq!(parse_expire_date("2026-01-02"), midnight);
        assert_eq!(parse_expire_date("2026-01-02 00:00"), midnight);
    }

    #[test]
    fn text_in_a_row_that_is_not_a_date_is_refused() {
        for text in [
            "",
            "now",
            "0",
            "2461056.5",
            "2026-02-30 03:04:05",
            "2026-13-01 03:04:05",
            "2026-00-01 03:04:05",
            "2026-01-00 03:04:05",
            "2026-01-16 24:00:00",
            "2026-01-16 03:60:05",
            "2026-01-16 03:04:60",
            "2026-01-16 03:04:05.",
            "2026-01-16 03:04:05 ",
            "2026-01-16 +3:04:05",
            "2026-01-16 03:04:05.+1",
            " 2026-01-16 03:04:05",
            "26-01-16 03:04:05",
        ] {
            assert_eq!(parse_expire_date(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_time_outside_of_pythons_range_becomes_the_nearest_time_in_it() {
        let long = Duration::from_secs(1 << 40);
        assert_eq!(iso(UNIX_EPOCH + long), "9999-12-31T23:59:59.999999+00:00");
        assert_eq!(expire_date(UNIX_EPOCH - long), "0001-01-01 00:00:00");
        let nanos = Duration::from_nanos(1_999);
        assert_eq!(iso(UNIX_EPOCH + nanos), "1970-01-01T00:00:00.000001+00:00");
        assert_eq!(iso(UNIX_EPOCH - nanos), "1969-12-31T23:59:59.999998+00:00");
        assert_eq!(
            http_date(UNIX_EPOCH - nanos),
            "Wed, 31 Dec 1969 23:59:59 GMT"
        );
    }

    proptest! {
        #[test]
        fn a_date_is_read_as_it_was_written(at in FIRST_MICRO..=LAST_MICRO) {
            let at = from_micros(at);
            prop_assert_eq!(parse_iso(&iso(at)), Some(at));
            prop_assert_eq!(parse_expire_date(&expire_date(at)), Some(at));
        }

        #[test]
        fn the_texts_of_dates_in_a_row_sort_like_the_dates(
            one in FIRST_MICRO..=LAST_MICRO,
            by in 0..3_000_000_i64,
        ) {
            let (one, other) = (one, one.saturating_add(by).min(LAST_MICRO));
            let (earlier, later) = (expire_date(from_micros(one)), expire_date(from_micros(other)));
            prop_assert_eq!(earlier.cmp(&later), one.cmp(&other));
        }

        #[test]
        fn parsing_never_panics(
            text in ".*",
            like in concat!(
                "[0-9]{4}-?(W|[0-9]{2})-?[0-9]{1,2}[Té]?",
                "[0-9:.,]{0,12}([+-][0-9:]{0,8}|Z)?",
            ),
        ) {
            for text in [text, like] {
                let _ = (parse_iso(&text), parse_expire_date(&text));
            }
        }
    }
}
