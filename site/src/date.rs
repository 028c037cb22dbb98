//! Dates: today's date, and how the site reads and displays dates and times.

use std::{ops::RangeInclusive, time::SystemTime};

use jiff::{Timestamp, civil, tz::TimeZone};

const MONTHS: [&str; 12] = [
    "Jan.", "Feb.", "March", "April", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.",
    "Dec.",
];

/// Returns today's date in UTC. Due dates are compared with it.
pub(crate) fn today() -> civil::Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Formats a date from the database: `2026-11-26` becomes `Nov. 26, 2026`.
///
/// SQLite stores any text in a date column. Text that is not a date is returned unchanged, so the
/// page can still be shown.
pub(crate) fn display(stored: &str) -> String {
    match stored.parse::<civil::Date>() {
        Ok(date) => {
            let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
            format!("{month} {}, {}", date.day(), date.year())
        }
        Err(_) => stored.to_owned(),
    }
}

/// Formats a time in UTC: `Nov. 26, 2026, 14:05 UTC`.
pub(crate) fn display_time(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => {
            let time = time.to_zoned(TimeZone::UTC);
            format!(
                "{}, {} UTC",
                display(&time.date().to_string()),
                time.strftime("%H:%M")
            )
        }
        Err(_) => "unknown".to_owned(),
    }
}

/// Formats a timestamp from the database: `2026-11-26 14:05:10.123456` becomes
/// `Nov. 26, 2026, 14:05 UTC`.
pub(crate) fn display_timestamp(stored: &str) -> String {
    match stored.split_once(' ') {
        Some((day, time)) => format!("{}, {} UTC", display(day), time.get(..5).unwrap_or(time)),
        None => stored.to_owned(),
    }
}

/// Formats the date of `time` in UTC: `Nov. 26, 2026`.
pub(crate) fn display_day(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => display(&time.to_zoned(TimeZone::UTC).date().to_string()),
        Err(_) => "unknown".to_owned(),
    }
}

/// Parses a date in any of the formats that Django's forms accept. Returns `None` for other text.
pub(crate) fn parse(typed: &str) -> Option<civil::Date> {
    let typed = typed.trim();
    let (year, month, day) = if let Some((year, rest)) = typed.split_once('-') {
        let (month, day) = rest.split_once('-')?;
        (full_year(year)?, number(month)?, number(day)?)
    } else if let Some((month, rest)) = typed.split_once('/') {
        let (day, year) = rest.split_once('/')?;
        let year = full_year(year).or_else(|| short_year(year))?;
        (year, number(month)?, number(day)?)
    } else {
        parse_with_month_name(typed)?
    };
    civil::Date::new(year, month, day).ok()
}

/// Parses `Nov 23 2026`, `Nov 23, 2026`, `23 Nov 2026` and `23 Nov, 2026`, also with the full name
/// of the month.
fn parse_with_month_name(typed: &str) -> Option<(i16, i8, i8)> {
    let mut words = typed.split_whitespace();
    let (first, second, year) = (words.next()?, words.next()?, words.next()?);
    let second = second.strip_suffix(',').unwrap_or(second);
    if words.next().is_some() {
        return None;
    }
    let (month, day) = match month_named(first) {
        Some(month) => (month, number(second)?),
        None => (month_named(second)?, number(first)?),
    };
    Some((full_year(year)?, month, day))
}

fn month_named(name: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = name.to_ascii_lowercase();
    let matches = |full: &&str| **full == name || full[..3] == name;
    let index = NAMES.iter().position(matches)?;
    i8::try_from(index + 1).ok()
}

fn number(text: &str) -> Option<i8> {
    digits(text, 1..=2)?.parse().ok()
}

fn full_year(text: &str) -> Option<i16> {
    let year = digits(text, 4..=4)?.parse().ok()?;
    (year > 0).then_some(year)
}

/// Parses two digits as a year between 1969 and 2068, as Django and POSIX do.
fn short_year(text: &str) -> Option<i16> {
    let year: i16 = digits(text, 2..=2)?.parse().ok()?;
    Some(if year < 69 { 2000 + year } else { 1900 + year })
}

fn digits(text: &str, lengths: RangeInclusive<usize>) -> Option<&str> {
    (lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(text)
}

/// Returns the current time as Django stores it: in UTC, with microseconds and without an offset.
pub(crate) fn timestamp() -> String {
    Timestamp::now()
        .strftime("%Y-%m-%d %H:%M:%S.%6f")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_displayed_as_django_displays_them() {
        for (stored, shown) in [
            ("2026-11-26", "Nov. 26, 2026"),
            ("1616-04-02", "April 2, 1616"),
            ("2026-09-01", "Sept. 1, 2026"),
        ] {
            assert_eq!(display(stored), shown);
        }
    }

    #[test]
    fn a_date_is_parsed_in_the_formats_of_djangos_forms() {
        for typed in [
            "2026-11-23",
            " 2026-11-23 ",
            "11/23/2026",
            "11/23/26",
            "Nov 23 2026",
            "Nov 23, 2026",
            "23 Nov 2026",
            "23 Nov, 2026",
            "November 23 2026",
            "November 23, 2026",
            "23 November 2026",
            "23 november, 2026",
        ] {
            assert_eq!(parse(typed), Some(civil::date(2026, 11, 23)), "{typed}");
        }
        assert_eq!(parse("1/2/69"), Some(civil::date(1969, 1, 2)));
    }

    #[test]
    fn text_that_is_not_a_date_is_not_parsed() {
        for typed in [
            "",
            " ",
            "2026-02-30",
            "0000-01-01",
            "2026-13-01",
            "26-11-23",
            "2026-11-23x",
            "2026/11/23",
            "23.11.2026",
            "Novem 23 2026",
            "23 2026 Nov",
            "Nov 23 2026 1",
            "99999-01-01",
            "+026-11-23",
            "tomorrow",
            "\0",
            "２０２６-11-23",
        ] {
            assert_eq!(parse(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn text_that_is_not_a_date_is_displayed_unchanged() {
        assert_eq!(display("soon"), "soon");
    }
}
