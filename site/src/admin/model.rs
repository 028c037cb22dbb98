use crate::{
    copies::{CopyId, Status},
    date,
};

/// A kind of record in the staff area, such as books: its list, its form and its history. The SQL
/// texts are written in `models` and contain no input of a user.
pub(super) struct Model {
    pub(super) kind: ModelKind,
    /// The app and the name, as in Django's tables and in URLs.
    pub(super) app: &'static str,
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    /// The table, and the tables that are joined to it.
    pub(super) from: &'static str,
    /// The SQL expression for the id of a record.
    pub(super) key: &'static str,
    /// The SQL expression for the name of a record.
    pub(super) title: &'static str,
    pub(super) order: &'static str,
    pub(super) columns: &'static [Column],
    /// The SQL expression for the text that is searched.
    pub(super) search: &'static str,
    pub(super) filters: &'static [Filter],
    /// The SQL expressions for the values in the form. Each expression is named like its field. If
    /// the name ends in `[]`, the expression returns several values, joined by commas.
    pub(super) values: &'static str,
    /// The layout of the form. Without sections, each field is on its own line.
    pub(super) sections: &'static [Section],
    pub(super) inline: Option<Inline>,
    /// The plural noun for the records, such as `books`, that must be deleted before a record of
    /// this model.
    pub(super) blocked_by: Option<&'static str>,
    /// The statement that selects a line of text for each thing that is removed together with the
    /// records. The ids of the records are in the JSON array `?1`.
    pub(super) cascades: Option<&'static str>,
}

/// Identifies a model, for code that differs between models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    Author,
    Book,
    Copy,
    Genre,
    Language,
    Group,
    User,
}

/// A column of the list.
pub(super) struct Column {
    pub(super) label: &'static str,
    pub(super) sql: &'static str,
    pub(super) shows: ColumnFormat,
}

/// How a column is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnFormat {
    Text,
    Date,
    Flag,
    Status,
    CopyId,
}

/// Fields under a heading, in rows of one or more fields side by side.
pub(super) struct Section {
    pub(super) heading: Option<&'static str>,
    pub(super) rows: &'static [&'static [&'static str]],
}

/// A filter of a list. Its links add parameters to the URL.
pub(super) struct Filter {
    pub(super) title: &'static str,
    /// The label of the link that removes the filter.
    pub(super) any: &'static str,
    pub(super) params: &'static [Param],
    pub(super) choices: FilterChoices,
}

/// A parameter of the URL, and the SQL condition that it adds. The value of the parameter replaces
/// the `?` in the condition.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// The choices of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterChoices {
    Flag,
    Statuses,
    Dates,
    Groups,
}

/// A table of child records below the form of their parent.
pub(super) struct Inline {
    pub(super) kind: ModelKind,
    /// The prefix of the names of the fields in the table.
    pub(super) prefix: &'static str,
    pub(super) heading: &'static str,
    /// The column with the id of the parent.
    pub(super) parent: &'static str,
    /// The fields of a row, and the headings of their columns.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// The fields that have a value even in an empty row.
    pub(super) prefilled: &'static [&'static str],
}

/// An action on the records of a model. Each action requires a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    View,
    Add,
    Change,
    Delete,
}

impl Model {
    /// Returns the code of the permission that `action` requires, as in Django's tables.
    pub(super) fn permission(&self, action: Action) -> String {
        let verb = match action {
            Action::View => "view",
            Action::Add => "add",
            Action::Change => "change",
            Action::Delete => "delete",
        };
        format!("{}.{verb}_{}", self.app, self.name)
    }

    /// Returns the URL of the list.
    pub(super) fn url(&self) -> String {
        format!("/admin/{}/{}/", self.app, self.name)
    }

    /// Returns the URL of a page of a record.
    pub(super) fn url_of(&self, key: &RecordKey, page: &str) -> String {
        format!("{}{key}/{page}/", self.url())
    }

    /// Returns a number of records as text: `1 author`, `40 authors`.
    pub(super) fn count(&self, count: u64) -> String {
        match count {
            1 => format!("1 {}", self.singular),
            _ => format!("{count} {}", self.plural),
        }
    }

    /// Returns the capitalised plural, for headings.
    pub(super) fn heading(&self) -> String {
        let (first, rest) = self.plural.split_at(1);
        first.to_uppercase() + rest
    }
}

impl ColumnFormat {
    /// Returns a stored value as text. An empty value is shown as a dash.
    pub(super) fn in_words(self, stored: Option<String>) -> String {
        let stored = stored.filter(|text| !text.is_empty());
        match (self, stored) {
            (_, None) => "–".to_owned(),
            (Self::Text, Some(text)) => text,
            (Self::Date, Some(text)) => date::display(&text),
            (Self::Flag, Some(text)) => if text == "1" { "Yes" } else { "No" }.to_owned(),
            (Self::Status, Some(code)) => match Status::of_code(&code) {
                Some(status) => status.words().to_owned(),
                None => "Status unknown".to_owned(),
            },
            (Self::CopyId, Some(digits)) => CopyId::stored(digits).to_string(),
        }
    }
}

/// The id of a record: a number, or the UUID of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordKey {
    Number(i64),
    Copy(CopyId),
}

impl RecordKey {
    /// Parses an id from a URL or a form.
    pub(super) fn parse(kind: ModelKind, text: &str) -> Option<Self> {
        match kind {
            ModelKind::Copy => CopyId::parse(text).map(Self::Copy),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().map(Self::Number)
            }
            _ => None,
        }
    }

    /// Parses an id from the database.
    pub(super) fn from_stored(kind: ModelKind, text: String) -> Option<Self> {
        match kind {
            ModelKind::Copy => Some(Self::Copy(CopyId::stored(text))),
            _ => text.parse().ok().map(Self::Number),
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Copy(_) => None,
        }
    }
}

impl std::fmt::Display for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Copy(id) => id.fmt(f),
        }
    }
}

impl From<&RecordKey> for serde_json::Value {
    fn from(key: &RecordKey) -> Self {
        match key {
            RecordKey::Number(number) => (*number).into(),
            RecordKey::Copy(id) => id.as_stored().into(),
        }
    }
}
