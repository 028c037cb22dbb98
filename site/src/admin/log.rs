//! The history of the staff area, in Django's table `django_admin_log`.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    model::{Model, RecordKey},
    record::RecordTitle,
};
use crate::{date, users::User};

const INSERT: &str = "\
    INSERT INTO django_admin_log (object_id, object_repr, action_flag, change_message, \
    content_type_id, user_id, action_time) \
    SELECT r.value ->> 0, SUBSTR(r.value ->> 1, 1, 200), ?2, ?3, \
    (SELECT id FROM django_content_type WHERE app_label = ?4 AND model = ?5), ?6, ?7 \
    FROM json_each(?1) r";

/// An action on a record. The numbers are those that Django stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogAction {
    Added = 1,
    Changed = 2,
    Deleted = 3,
}

impl LogAction {
    pub(super) fn from_flag(number: i64) -> Self {
        match number {
            1 => Self::Added,
            3 => Self::Deleted,
            _ => Self::Changed,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// The changes to a record, and to the related records that are edited on the same page, in
/// Django's JSON format.
#[derive(Debug, Default)]
pub(super) struct ChangeLog(Vec<Value>);

impl ChangeLog {
    /// Returns the log of a new record.
    pub(super) fn added() -> Self {
        Self(vec![json!({ "added": {} })])
    }

    /// Returns the log of a record in which these fields have changed.
    pub(super) fn changed(fields: &[&str]) -> Self {
        match fields {
            [] => Self::default(),
            fields => Self(vec![json!({ "changed": { "fields": fields } })]),
        }
    }

    /// Adds an action on a record in the table below the form.
    pub(super) fn push(&mut self, action: LogAction, kind: &str, name: &str, fields: &[&str]) {
        let mut change = json!({ "name": kind, "object": name });
        if action == LogAction::Changed {
            change["fields"] = json!(fields);
        }
        self.0.push(json!({ action.word(): change }));
    }
}

/// Adds an entry to the history for each of these records.
pub(super) async fn write(
    db: &mut SqliteConnection,
    user: &User,
    model: &Model,
    records: &[RecordTitle],
    action: LogAction,
    changes: &ChangeLog,
) -> Result<(), sqlx::Error> {
    let message = match action {
        LogAction::Deleted => String::new(),
        _ => Value::from(changes.0.clone()).to_string(),
    };
    let records: Vec<_> = records
        .iter()
        .map(|record| json!([record.key.to_string(), record.name]))
        .collect();
    let insert = sqlx::query(INSERT)
        .bind(Value::from(records).to_string())
        .bind(action as i64)
        .bind(message)
        .bind(model.app)
        .bind(model.name)
        .bind(user.id)
        .bind(date::timestamp());
    insert.execute(db).await.map(drop)
}

/// Returns an entry of the history as text, in the wording of Django.
pub(super) fn in_words(action: LogAction, message: &str) -> String {
    let Ok(Value::Array(changes)) = serde_json::from_str(message) else {
        // Entries of old versions of Django are plain text. Entries of deletions are empty.
        return match message {
            "" => format!("{}.", capitalize(action.word())),
            text => text.to_owned(),
        };
    };
    if changes.is_empty() {
        return "No fields changed.".to_owned();
    }
    let sentences: Vec<_> = changes.iter().filter_map(sentence).collect();
    sentences.join(" ")
}

fn sentence(change: &Value) -> Option<String> {
    let (verb, change) = change.as_object()?.iter().next()?;
    let object = match (change["name"].as_str(), change["object"].as_str()) {
        (Some(kind), Some(name)) => format!(" {kind} “{name}”"),
        _ => String::new(),
    };
    let fields = change["fields"].as_array().map(Vec::as_slice);
    let fields = fields.unwrap_or_default().iter().filter_map(Value::as_str);
    let fields = join_words(&fields.collect::<Vec<_>>());
    let verb = capitalize(verb);
    Some(match (fields.as_str(), object.as_str()) {
        ("", object) => format!("{verb}{object}."),
        (fields, "") => format!("{verb} {fields}."),
        (fields, object) => format!("{verb} {fields} of{object}."),
    })
}

fn join_words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn capitalize(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Returns the URL of the record in an entry, or `None` if the entry records its deletion.
pub(super) fn url(model: &Model, action: LogAction, id: &str) -> Option<String> {
    let key = RecordKey::parse(model.kind, id).filter(|_| action != LogAction::Deleted)?;
    Some(model.url_of(&key, "change"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_wording_of_django() {
        for (message, words) in [
            (r#"[{"added": {}}]"#, "Added."),
            ("[]", "No fields changed."),
            (
                r#"[{"changed": {"fields": ["Title", "Summary", "Genre"]}}]"#,
                "Changed Title, Summary and Genre.",
            ),
            (
                concat!(
                    r#"[{"changed": {"fields": ["Died"]}}, "#,
                    r#"{"added": {"name": "book", "object": "Emma"}}]"#
                ),
                "Changed Died. Added book “Emma”.",
            ),
            (
                r#"[{"changed": {"name": "book", "object": "Emma", "fields": ["ISBN"]}}]"#,
                "Changed ISBN of book “Emma”.",
            ),
            ("[{}, 1, null]", ""),
            ("Changed by hand.", "Changed by hand."),
        ] {
            assert_eq!(in_words(LogAction::Changed, message), words);
        }
        assert_eq!(in_words(LogAction::Deleted, ""), "Deleted.");
    }

    #[test]
    fn a_change_log_has_the_format_of_django() {
        let mut changes = ChangeLog::changed(&["Died"]);
        changes.push(LogAction::Added, "book", "Emma", &[]);
        changes.push(LogAction::Changed, "book", "Persuasion", &["ISBN"]);
        let written = Value::from(changes.0).to_string();
        assert_eq!(
            in_words(LogAction::Changed, &written),
            "Changed Died. Added book “Emma”. Changed ISBN of book “Persuasion”."
        );
    }
}
