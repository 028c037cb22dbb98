use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use sqlx::{Row as _, SqliteConnection};

use super::{
    guard::who_may,
    log::{self, Deed, Story},
    model::{self, Action, Key, Kind, Model},
    models,
    record::{self, Named, RecordInPath},
};
use crate::{
    accounts,
    users::User,
    visitor,
    web::{
        error::{PageError, redirect},
        layout::Layout,
        visit::Visit,
    },
};

const SUPERUSERS: &str = "\
    SELECT EXISTS (SELECT 1 FROM auth_user WHERE is_superuser AND id IN (SELECT value FROM json_each(?)))";

#[derive(Template)]
#[template(path = "admin/delete.html", whitespace = "minimize")]
struct Delete {
    layout: Layout,
    model: &'static Model,
    records: Vec<Named>,
    /// What the records in the way are called, with the address and the name of each.
    others: &'static str,
    in_the_way: Vec<(String, String)>,
    goes_with: Vec<String>,
    /// Whether the user would delete their own account.
    is_own: bool,
}

/// Asks before a record is deleted, or says what is in the way.
pub(crate) async fn confirm(visit: Visit, at: RecordInPath) -> Result<Response, PageError> {
    who_may(&visit, at.model, &[Action::Delete]).await?;
    ask(&visit, at.model, &[at.key]).await
}

/// Deletes a record, if nothing is in the way.
pub(crate) async fn delete_one(visit: Visit, at: RecordInPath) -> Result<Response, PageError> {
    who_may(&visit, at.model, &[Action::Delete]).await?;
    take(&visit, at.model, &[at.key]).await
}

/// Asks before records are deleted. The caller has seen to it that the user may.
pub(super) async fn ask(
    visit: &Visit,
    model: &'static Model,
    keys: &[Key],
) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    let mut db = visit.app().db.acquire().await?;
    refuse_superusers(&mut db, user, model, keys).await?;
    let records = record::named(&mut db, model, keys).await?;
    if records.is_empty() {
        return Err(PageError::NotFound);
    }
    let page = Delete {
        in_the_way: in_the_way(&mut db, model, keys).await?,
        goes_with: goes_with(&mut db, model, keys).await?,
        is_own: is_own(user, model, keys),
        others: model.in_the_way.as_ref().map_or("", |others| others.what),
        layout: Layout::of(visit).await?,
        model,
        records,
    };
    Ok(Html(page.render()?).into_response())
}

/// Deletes records, all or none. The caller has seen to it that the user may.
pub(super) async fn take(
    visit: &Visit,
    model: &'static Model,
    keys: &[Key],
) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    // From here on nobody else writes, so nothing comes into the way any more.
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    refuse_superusers(&mut db, user, model, keys).await?;
    let records = record::named(&mut db, model, keys).await?;
    let is_in_the_way = !in_the_way(&mut db, model, keys).await?.is_empty();
    if records.is_empty() || is_in_the_way || is_own(user, model, keys) {
        drop(db);
        return ask(visit, model, keys).await;
    }
    delete(&mut db, model, keys).await?;
    log::write(
        &mut db,
        user,
        model,
        &records,
        Deed::Deleted,
        &Story::default(),
    )
    .await?;
    db.commit().await?;

    if model.kind == Kind::User {
        for id in records.iter().filter_map(|record| record.key.number()) {
            accounts::sessions::end_all(visit, id).await?;
        }
    }
    let said = match records.as_slice() {
        [one] => format!("The {} “{}” was deleted.", model.singular, one.name),
        many => format!("{} were deleted.", model.count(many.len() as u64)),
    };
    visitor::say(&visit.session().await?, said)?;
    Ok(redirect(&model.url()))
}

/// Whoever may delete accounts may not delete those that may do more.
async fn refuse_superusers(
    db: &mut SqliteConnection,
    user: &User,
    model: &Model,
    keys: &[Key],
) -> Result<(), PageError> {
    if model.kind != Kind::User || user.is_superuser() {
        return Ok(());
    }
    let superusers = sqlx::query_scalar(SUPERUSERS).bind(model::json(keys));
    match superusers.fetch_one(db).await? {
        true => Err(PageError::Forbidden),
        false => Ok(()),
    }
}

/// An account that is in use here would take the history of its own end with it.
fn is_own(user: &User, model: &Model, keys: &[Key]) -> bool {
    model.kind == Kind::User && keys.contains(&Key::Number(user.id))
}

/// Address and name of each record that must go before these can.
pub(super) async fn in_the_way(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[Key],
) -> Result<Vec<(String, String)>, PageError> {
    let Some(others) = &model.in_the_way else {
        return Ok(Vec::new());
    };
    let their_model = models::of_kind(others.kind);
    let mut links = Vec::new();
    let rows = sqlx::query(others.sql).bind(model::json(keys));
    for row in rows.fetch_all(db).await? {
        let key = Key::stored(others.kind, row.try_get_unchecked(0)?);
        let href = key.map(|key| their_model.url_of(&key, "change"));
        links.push((href.unwrap_or_default(), row.try_get(1)?));
    }
    Ok(links)
}

/// A line for each thing that goes with the records.
async fn goes_with(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[Key],
) -> Result<Vec<String>, PageError> {
    let Some(sql) = model.goes_with else {
        return Ok(Vec::new());
    };
    let lines = sqlx::query_scalar(sql).bind(model::json(keys));
    Ok(lines.fetch_all(db).await?)
}

/// Deletes records and what goes with them. The caller knows that nothing is in the way.
pub(super) async fn delete(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[Key],
) -> Result<(), PageError> {
    for statement in model.delete {
        let delete = sqlx::query(*statement).bind(model::json(keys));
        delete.execute(&mut *db).await?;
    }
    Ok(())
}

impl Delete {
    fn heading(&self) -> String {
        match self.records.as_slice() {
            [one] => format!("Delete {}: {}", self.model.singular, one.name),
            many => format!("Delete {}", self.model.count(many.len() as u64)),
        }
    }
}
