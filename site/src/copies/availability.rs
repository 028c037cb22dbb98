use jiff::civil::Date;
use serde::Deserialize;

use crate::date;

/// The status of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Maintenance,
    OnLoan,
    Available,
    Reserved,
}

impl Status {
    /// All statuses, in the order of the form.
    pub(crate) const ALL: [Self; 4] = [
        Self::Maintenance,
        Self::OnLoan,
        Self::Available,
        Self::Reserved,
    ];

    /// Returns the letter in the database.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Maintenance => "d",
            Self::OnLoan => "o",
            Self::Available => "a",
            Self::Reserved => "r",
        }
    }

    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Maintenance => "Maintenance",
            Self::OnLoan => "On loan",
            Self::Available => "Available",
            Self::Reserved => "Reserved",
        }
    }
}

/// The status of a copy as pages show it, its due date, and whether it is overdue today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Availability {
    pub(crate) words: &'static str,
    /// The CSS class that selects the colour of the status.
    pub(crate) class: &'static str,
    /// The due date as text. `None` for an available copy, even if the database has a date.
    pub(crate) due: Option<String>,
    pub(crate) overdue: bool,
    pub(crate) is_on_loan: bool,
}

impl Availability {
    /// Computes the availability from the status and the due date in the database.
    pub(crate) fn new(code: &str, due: Option<String>, today: Date) -> Self {
        // In a database that Django wrote, the status may be empty.
        let status = Status::of_code(code);
        let due = due.filter(|_| status != Some(Status::Available));
        let passed = due
            .as_ref()
            .and_then(|due| due.parse::<Date>().ok())
            .is_some_and(|due| due < today);
        let overdue = passed && status == Some(Status::OnLoan);
        Self {
            words: status.map_or("Status unknown", Status::words),
            class: match status {
                _ if overdue => "overdue",
                Some(Status::Available) => "available",
                _ => "away",
            },
            due: due.as_deref().map(date::display),
            overdue,
            is_on_loan: status == Some(Status::OnLoan),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn availability(code: &str, due: &str) -> Availability {
        Availability::new(code, Some(due.to_owned()), date(2026, 11, 23))
    }

    #[test]
    fn only_a_loan_whose_date_has_passed_is_overdue() {
        assert!(availability("o", "2026-11-22").overdue);
        assert!(!availability("o", "2026-11-23").overdue, "due today");
        for code in ["a", "d", "r", ""] {
            assert!(!availability(code, "2026-11-22").overdue, "{code}");
        }
    }

    #[test]
    fn an_available_copy_has_no_due_date() {
        assert_eq!(availability("a", "2026-11-22").due, None);
        assert_eq!(
            availability("r", "2026-11-22").due.as_deref(),
            Some("Nov. 22, 2026")
        );
    }
}
