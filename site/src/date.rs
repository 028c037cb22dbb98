//! Dates: today, and how the site writes one.

use jiff::{Timestamp, civil, tz::TimeZone};

const MONTHS: [&str; 12] = [
    "Jan.", "Feb.", "March", "April", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.",
    "Dec.",
];

/// Today in UTC: due dates of the library count by it.
pub(crate) fn today() -> civil::Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// A date of the database as readers see it: `2026-11-26` becomes `Nov. 26, 2026`.
///
/// SQLite takes any text for a date. What is not one is shown as it stands, which is better than no page.
pub(crate) fn display(stored: &str) -> String {
    match stored.parse::<civil::Date>() {
        Ok(date) => {
            let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
            format!("{month} {}, {}", date.day(), date.year())
        }
        Err(_) => stored.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_django_writes_them() {
        for (stored, shown) in [
            ("2026-11-26", "Nov. 26, 2026"),
            ("1616-04-02", "April 2, 1616"),
            ("2026-09-01", "Sept. 1, 2026"),
        ] {
            assert_eq!(display(stored), shown);
        }
    }

    #[test]
    fn what_is_not_a_date_is_shown_as_it_stands() {
        assert_eq!(display("soon"), "soon");
    }
}
