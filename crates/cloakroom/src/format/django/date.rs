//! Dates as Django spells them: in `_session_expiry`, in the column `expire_date`, and in `Set-Cookie`.
//!
//! Python's dates have the years 1 to 9999 and microseconds. A time outside of them is taken for the nearest they have, and
//! what is smaller than a microsecond is dropped, downwards.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::tz::Offset;

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]+00:00`, the fraction absent when it is zero: Python's `isoformat` in UTC.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use cloakroom::format::django::date::{iso, parse_iso};
///
/// let at = UNIX_EPOCH + Duration::from_millis(1_767_323_045_250);
/// assert_eq!(iso(at), "2026-01-02T03:04:05.250000+00:00");
/// assert_eq!(parse_iso("2026-01-02T08:34:05.25+05:30"), Some(at));
/// assert_eq!(parse_iso("2026-01-02T03:04:05.25"), None, "it does not say where");
/// ```
pub fn iso(at: SystemTime) -> String {
    spell(at, 'T') + "+00:00"
}

/// Reads a date with an offset in any of the forms of ISO 8601 that Python 3.11's `fromisoformat` reads.
///
/// That is more than Django writes: `Z`, the forms without `-` and `:`, week dates, any character between date and time,
/// any number of digits in the fraction. A text without an offset is nothing to read: Django itself fails on it. Nor are the
/// few forms that Python lets pass and ISO 8601 does not have, offsets of 60 minutes or with a fraction for instance.
pub fn parse_iso(text: &str) -> Option<SystemTime> {
    let (date_time, offset) = parse(text)?;
    instant(date_time, offset?)
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC: the text in the column `expire_date` of SQLite, and what MySQL takes.
///
/// SQLite compares it as text, so a single other character between date and time would keep expired sessions alive.
pub fn expire_date(at: SystemTime) -> String {
    spell(at, ' ')
}

/// Reads what [`expire_date`] or Django wrote, and what other programs may have put there: any ISO form, in UTC if it has no
/// offset.
pub fn parse_expire_date(text: &str) -> Option<SystemTime> {
    let (date_time, offset) = parse(text)?;
    instant(date_time, offset.unwrap_or(Offset::UTC))
}

/// `Fri, 16 Jan 2026 03:04:05 GMT`, the fraction dropped.
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

/// Microseconds since 1970, clamped to Python's years.
pub(super) fn micros(at: SystemTime) -> i64 {
    let micros = match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(LAST_MICRO),
        Err(before) => {
            let nanos = i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX);
            i64::try_from((-nanos).div_euclid(1_000)).unwrap_or(FIRST_MICRO)
        }
    };
    micros.clamp(FIRST_MICRO, LAST_MICRO)
}

/// The time that many microseconds after 1970, clamped to Python's years.
pub(super) fn from_micros(micros: i64) -> SystemTime {
    let micros = micros.clamp(FIRST_MICRO, LAST_MICRO);
    let since = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        UNIX_EPOCH - since
    } else {
        UNIX_EPOCH + since
    }
}

fn utc(at: SystemTime) -> DateTime {
    let at = Timestamp::from_microsecond(micros(at)).expect("clamped to years that jiff has");
    Offset::UTC.to_datetime(at)
}

fn spell(at: SystemTime, between: char) -> String {
    let at = utc(at);
    let mut text = format!(
        "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
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

fn instant(date_time: DateTime, offset: Offset) -> Option<SystemTime> {
    let at = offset.to_timestamp(date_time).ok()?.as_microsecond();
    (FIRST_MICRO..=LAST_MICRO)
        .contains(&at)
        .then(|| from_micros(at))
}

/// What `datetime.fromisoformat` makes of a text: a date and a time, and the offset if there is one.
fn parse(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let mut rest = Rest(text);
    let date = rest.date()?;
    if rest.0.is_empty() {
        return Some((DateTime::from_parts(date, Time::midnight()), None));
    }
    rest.any()?;
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
        Some(("Z", rest)) => rest.is_empty().then_some(Some(Offset::UTC))?,
        Some((sign, rest)) => {
            let [hour, minute, second, micros] = clock_of(rest)?;
            let secs = hour * 3_600 + minute * 60 + second;
            // Python knows offsets with a fraction; nobody has seen one.
            if secs >= 86_400 || micros > 0 || minute > 59 || second > 59 {
                return None;
            }
            Some(Offset::from_seconds(if sign == "-" { -secs } else { secs }).ok()?)
        }
    };
    Some((DateTime::from_parts(date, time.ok()?), offset))
}

/// Hours, minutes, seconds and microseconds of `HH[:MM[:SS[.f…]]]` or the same without colons.
fn clock_of(text: &str) -> Option<[i32; 4]> {
    let mut rest = Rest(text);
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
    // Only seconds have a fraction. Its digits after the sixth are dropped.
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

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// `YYYY-MM-DD`, `YYYYMMDD`, `YYYY-Www[-D]` or `YYYYWww[D]`.
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

    fn any(&mut self) -> Option<()> {
        let mut chars = self.0.chars();
        chars.next()?;
        self.0 = chars.as_str();
        Some(())
    }
}

/// 0001-01-01T00:00:00Z.
const FIRST_MICRO: i64 = -62_135_596_800_000_000;

/// 9999-12-31T23:59:59.999999Z.
const LAST_MICRO: i64 = 253_402_300_799_999_999;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
