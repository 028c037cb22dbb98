use askama::Template;
use axum::response::Html;

use super::{
    guard::require_action,
    log::{self, LogAction},
    model::{Action, Model},
    record::{self, RecordInPath, RecordTitle},
};
use crate::{
    date,
    web::{error::PageError, layout::Layout, visit::Visit},
};

/// The largest number of entries on the page. Older entries stay in the table.
const SHOWN: i64 = 200;

const ENTRIES: &str = "\
    SELECT l.action_time, u.username, l.action_flag, l.change_message, l.object_repr \
    FROM django_admin_log l \
    JOIN django_content_type t ON t.id = l.content_type_id \
    LEFT JOIN auth_user u ON u.id = l.user_id \
    WHERE t.app_label = ? AND t.model = ? AND l.object_id = ? \
    ORDER BY l.action_time DESC, l.id DESC LIMIT ?";

type EntryRow = (String, Option<String>, i64, String, String);

#[derive(Template)]
#[template(path = "admin/history.html", whitespace = "minimize")]
struct History {
    layout: Layout,
    model: &'static Model,
    record: RecordTitle,
    entries: Vec<Entry>,
}

struct Entry {
    time: String,
    who: String,
    what: String,
    /// The name that the record had at the time of the entry.
    name: String,
}

/// The page with the history of a record, newest entries first.
pub(crate) async fn history(visit: Visit, at: RecordInPath) -> Result<Html<String>, PageError> {
    let RecordInPath { model, key } = at;
    require_action(&visit, model, &[Action::View, Action::Change]).await?;
    let mut db = visit.app().db.acquire().await?;
    let record = record::load_title(&mut db, model, &key).await?;
    let rows: Vec<EntryRow> = sqlx::query_as(ENTRIES)
        .bind(model.app)
        .bind(model.name)
        .bind(key.to_string())
        .bind(SHOWN)
        .fetch_all(&mut *db)
        .await?;
    let to_entry = |(time, who, flag, message, name): EntryRow| Entry {
        time: date::display_timestamp(&time),
        who: who.unwrap_or_else(|| "Unknown user".to_owned()),
        what: log::in_words(LogAction::from_flag(flag), &message),
        name,
    };
    let page = History {
        layout: Layout::of(&visit).await?,
        entries: rows.into_iter().map(to_entry).collect(),
        model,
        record,
    };
    Ok(Html(page.render()?))
}
