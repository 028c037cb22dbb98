use crate::{
    copies::{CopyId, Status},
    date,
};

/// A table as the staff area has it. All texts in it that are SQL are written here and in `models`, by nobody else.
pub(super) struct Model {
    pub(super) kind: ModelKind,
    /// App and name, as Django's tables and the addresses have them.
    pub(super) app: &'static str,
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    /// The table and those that are joined to it.
    pub(super) from: &'static str,
    /// The column of the id.
    pub(super) key: &'static str,
    /// What a record is called.
    pub(super) title: &'static str,
    pub(super) order: &'static str,
    pub(super) columns: &'static [Column],
    /// The text that a search looks in.
    pub(super) search: &'static str,
    pub(super) filters: &'static [Filter],
    /// The columns under the names of the form's fields; those with `[]` hold several values, between commas.
    pub(super) values: &'static str,
    /// How the form is laid out; without sections, one field under the other.
    pub(super) sections: &'static [Section],
    pub(super) inline: Option<Inline>,
    /// What the records are called that must be deleted before these can be: `books`.
    pub(super) blocked_by: Option<&'static str>,
    /// Selects a line for each thing that is deleted with the records whose ids are in the JSON of
    /// `?1`.
    pub(super) cascades: Option<&'static str>,
}

/// Which of the models it is, where that makes a difference.
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

/// How the text of a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnFormat {
    Text,
    Date,
    Flag,
    Status,
    CopyId,
}

/// Some fields under a heading, in rows of one or more side by side.
pub(super) struct Section {
    pub(super) heading: Option<&'static str>,
    pub(super) rows: &'static [&'static [&'static str]],
}

/// A way to see fewer records of a list: links that put parameters into the address.
pub(super) struct Filter {
    pub(super) title: &'static str,
    /// What it is called not to filter.
    pub(super) any: &'static str,
    pub(super) params: &'static [Param],
    pub(super) choices: FilterChoices,
}

/// A parameter of the address, and what it asks of a record; its value is `?`.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// What a filter offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterChoices {
    Flag,
    Statuses,
    Dates,
    Groups,
}

/// A table of records below the form of the one that they belong to.
pub(super) struct Inline {
    pub(super) kind: ModelKind,
    /// What the names of its fields begin with.
    pub(super) prefix: &'static str,
    pub(super) heading: &'static str,
    /// The column that says which record they belong to.
    pub(super) parent: &'static str,
    /// The fields of a row and the headings above them.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// The fields of an empty row that have a value all the same.
    pub(super) prefilled: &'static [&'static str],
}

/// What a user may be allowed to do with the records of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    View,
    Add,
    Change,
    Delete,
}

impl Model {
    /// The permission that `action` needs, by its code in Django's tables.
    pub(super) fn permission(&self, action: Action) -> String {
        let verb = match action {
            Action::View => "view",
            Action::Add => "add",
            Action::Change => "change",
            Action::Delete => "delete",
        };
        format!("{}.{verb}_{}", self.app, self.name)
    }

    /// The address of the list.
    pub(super) fn url(&self) -> String {
        format!("/admin/{}/{}/", self.app, self.name)
    }

    /// The address of a record, or of one of its pages.
    pub(super) fn url_of(&self, key: &RecordKey, page: &str) -> String {
        format!("{}{key}/{page}/", self.url())
    }

    /// `1 author`, `40 authors`.
    pub(super) fn count(&self, count: u64) -> String {
        match count {
            1 => format!("1 {}", self.singular),
            _ => format!("{count} {}", self.plural),
        }
    }

    /// The plural with a capital, as a heading.
    pub(super) fn heading(&self) -> String {
        let (first, rest) = self.plural.split_at(1);
        first.to_uppercase() + rest
    }
}

impl ColumnFormat {
    /// What readers see; nothing is a dash.
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

/// The id of a record: a number, or that of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordKey {
    Number(i64),
    Copy(CopyId),
}

impl RecordKey {
    /// As it stands in addresses and forms.
    pub(super) fn parse(kind: ModelKind, text: &str) -> Option<Self> {
        match kind {
            ModelKind::Copy => CopyId::parse(text).map(Self::Copy),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().map(Self::Number)
            }
            _ => None,
        }
    }

    /// As it stands in the database.
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
