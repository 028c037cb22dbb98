use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use sqlx::SqliteConnection;

use super::{
    deletion,
    guard::require_action,
    log::{self, ChangeLog, LogAction},
    model::{Action, Model, ModelKind, RecordKey},
    record::{self, RecordInPath, RecordTitle},
};
use crate::{
    accounts,
    id_list::IdList,
    users::User,
    visitor,
    web::{
        error::{PageError, redirect},
        layout::Layout,
        visit::Visit,
    },
};

const SUPERUSERS: &str = "\
    SELECT EXISTS (SELECT 1 FROM auth_user \
    WHERE is_superuser AND id IN (SELECT value FROM json_each(?)))";

#[derive(Template)]
#[template(path = "admin/delete.html", whitespace = "minimize")]
struct Delete {
    layout: Layout,
    model: &'static Model,
    records: Vec<RecordTitle>,
    /// The plural noun for the records that must be deleted first.
    others: &'static str,
    /// The URL and name of each record that must be deleted first.
    blockers: Vec<(String, String)>,
    /// A line for each thing that is removed together with the records.
    cascades: Vec<String>,
    /// Whether the user would delete their own account.
    is_own_account: bool,
}

/// The page that asks for confirmation before a record is deleted. If other records block the
/// deletion, the page lists those records and asks nothing.
pub(crate) async fn confirm(visit: Visit, at: RecordInPath) -> Result<Response, PageError> {
    require_action(&visit, at.model, &[Action::Delete]).await?;
    ask_first(&visit, at.model, &[at.key]).await
}

/// Deletes a record, unless other records block the deletion.
pub(crate) async fn delete_one(visit: Visit, at: RecordInPath) -> Result<Response, PageError> {
    require_action(&visit, at.model, &[Action::Delete]).await?;
    delete(&visit, at.model, &[at.key]).await
}

/// Returns the page that asks for confirmation before records are deleted. The caller has checked
/// the permission.
pub(super) async fn ask_first(
    visit: &Visit,
    model: &'static Model,
    keys: &[RecordKey],
) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    let mut db = visit.app().db.acquire().await?;
    refuse_superusers(&mut db, user, model, keys).await?;
    let records = record::load_titles(&mut db, model, keys).await?;
    if records.is_empty() {
        return Err(PageError::NotFound);
    }
    let page = Delete {
        blockers: deletion::load_blockers(&mut db, model, keys).await?,
        cascades: deletion::load_cascades(&mut db, model, keys).await?,
        is_own_account: is_own_account(user, model, keys),
        others: model.blocked_by.unwrap_or_default(),
        layout: Layout::of(visit).await?,
        model,
        records,
    };
    Ok(Html(page.render()?).into_response())
}

/// Deletes either all of the records or none. The caller has checked the permission.
pub(super) async fn delete(
    visit: &Visit,
    model: &'static Model,
    keys: &[RecordKey],
) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    // This locks the database for other writers, so no blocking record is added in the meantime.
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    refuse_superusers(&mut db, user, model, keys).await?;
    let records = record::load_titles(&mut db, model, keys).await?;
    let is_blocked = !deletion::load_blockers(&mut db, model, keys)
        .await?
        .is_empty();
    if records.is_empty() || is_blocked || is_own_account(user, model, keys) {
        drop(db);
        return ask_first(visit, model, keys).await;
    }
    deletion::delete(&mut db, model, keys).await?;
    log::write(
        &mut db,
        user,
        model,
        &records,
        LogAction::Deleted,
        &ChangeLog::default(),
    )
    .await?;
    db.commit().await?;

    if model.kind == ModelKind::User {
        for id in records.iter().filter_map(|record| record.key.number()) {
            accounts::sessions::end_all(visit, id).await?;
        }
    }
    let message = match records.as_slice() {
        [one] => format!("The {} “{}” was deleted.", model.singular, one.name),
        many => format!("{} were deleted.", model.count(many.len() as u64)),
    };
    visitor::add_message(&visit.session().await?, message)?;
    Ok(redirect(&model.url()))
}

/// Fails if one of the records is a superuser and `user` is not. The permission to delete accounts
/// does not extend to accounts with more rights.
async fn refuse_superusers(
    db: &mut SqliteConnection,
    user: &User,
    model: &Model,
    keys: &[RecordKey],
) -> Result<(), PageError> {
    if model.kind != ModelKind::User || user.is_superuser() {
        return Ok(());
    }
    let ids = IdList::from_iter(keys);
    let superusers = sqlx::query_scalar(SUPERUSERS).bind(ids.as_json());
    match superusers.fetch_one(db).await? {
        true => Err(PageError::Forbidden),
        false => Ok(()),
    }
}

/// Returns whether the user would delete their own account. Such a deletion is refused, because the
/// history would lose the entry that records it: a user's entries are deleted with the account.
fn is_own_account(user: &User, model: &Model, keys: &[RecordKey]) -> bool {
    model.kind == ModelKind::User && keys.contains(&RecordKey::Number(user.id))
}

impl Delete {
    fn heading(&self) -> String {
        match self.records.as_slice() {
            [one] => format!("Delete {}: {}", self.model.singular, one.name),
            many => format!("Delete {}", self.model.count(many.len() as u64)),
        }
    }
}
