use askama::Template;
use axum::{
    extract::RawQuery,
    response::{Html, Response},
};
use sqlx::{
    AssertSqlSafe, Row as _, Sqlite, SqlitePool, query::Query as Statement, sqlite::SqliteArguments,
};

use super::{
    delete,
    filter::{FilterLinks, ListQuery},
    guard::require_action,
    model::{Action, Model, RecordKey},
    record::ModelInPath,
};
use crate::{
    visitor,
    web::{
        error::{PageError, redirect},
        form::Form,
        layout::Layout,
        paging::{Paging, RequestedPage},
        visit::Visit,
    },
};

const PER_PAGE: u64 = 100;

const NOTHING_SELECTED: &str =
    "Items must be selected in order to perform actions on them. No items have been changed.";

#[derive(Template)]
#[template(path = "admin/list.html", whitespace = "minimize")]
struct List {
    layout: Layout,
    model: &'static Model,
    query: ListQuery,
    filters: Vec<FilterLinks>,
    paging: Paging,
    rows: Vec<Row>,
    may_add: bool,
    may_delete: bool,
}

struct Row {
    key: RecordKey,
    /// The target of the link in the first column.
    href: String,
    first: String,
    others: Vec<String>,
}

/// The page that lists the records of a model, with a search and filters. A page has 100 records.
pub(crate) async fn list(
    visit: Visit,
    ModelInPath(model): ModelInPath,
    RawQuery(query): RawQuery,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let user = require_action(&visit, model, &[Action::View, Action::Change]).await?;
    let db = &visit.app().db;
    let query = ListQuery::read(model, query.as_deref().unwrap_or_default());
    let total = bind(&sql(model, "COUNT(*)", ""), &query)
        .fetch_one(db)
        .await?;
    let paging = Paging::new(asked, total.try_get(0)?, PER_PAGE)?.with_query(query.query_string());
    let page = List {
        layout: Layout::of(&visit).await?,
        rows: rows(db, model, &query, &paging).await?,
        filters: query.filters(model, db).await?,
        may_add: user.holds(&model.permission(Action::Add)),
        may_delete: user.holds(&model.permission(Action::Delete)),
        model,
        query,
        paging,
    };
    Ok(Html(page.render()?))
}

/// Applies an action to the selected records. The only action deletes them, after a confirmation.
pub(crate) async fn act(
    visit: Visit,
    ModelInPath(model): ModelInPath,
    form: Form,
) -> Result<Response, PageError> {
    require_action(&visit, model, &[Action::Delete]).await?;
    let keys = form.all("_selected_action");
    let keys: Vec<_> = keys
        .filter_map(|key| RecordKey::parse(model.kind, key))
        .collect();
    if keys.is_empty() || form.get("action") != Some("delete_selected") {
        visitor::add_message(&visit.session().await?, NOTHING_SELECTED)?;
        return Ok(redirect(&model.url()));
    }
    match form.get("post") {
        Some("yes") => delete::delete(&visit, model, &keys).await,
        _ => delete::ask_first(&visit, model, &keys).await,
    }
}

async fn rows(
    db: &SqlitePool,
    model: &Model,
    query: &ListQuery,
    paging: &Paging,
) -> Result<Vec<Row>, PageError> {
    let mut columns = format!("CAST({} AS TEXT)", model.key);
    for column in model.columns {
        columns += &format!(", CAST({} AS TEXT)", column.sql);
    }
    // `LIMIT` and `OFFSET` follow the parameters for the words and for the values of the filters.
    let (limit, offset) = (query.values.len() + 2, query.values.len() + 3);
    let page = format!(" ORDER BY {} LIMIT ?{limit} OFFSET ?{offset}", model.order);
    let sql = sql(model, &columns, &page);
    let found = bind(&sql, query).bind(paging.limit()).bind(paging.offset());
    let mut rows = Vec::new();
    for found in found.fetch_all(db).await? {
        let Some(key) = RecordKey::from_stored(model.kind, found.try_get(0)?) else {
            continue;
        };
        let mut cells = Vec::new();
        for (index, column) in model.columns.iter().enumerate() {
            cells.push(column.shows.in_words(found.try_get(index + 1)?));
        }
        rows.push(Row {
            href: model.url_of(&key, "change"),
            first: cells.remove(0),
            others: cells,
            key,
        });
    }
    Ok(rows)
}

/// Returns the statement that selects `columns` of the matching records. Its parameter `?1` is the
/// JSON array of words to search for. The values of the filters follow.
fn sql(model: &Model, columns: &str, rest: &str) -> String {
    let Model { from, search, .. } = model;
    let mut sql = format!(
        "SELECT {columns} FROM {from} WHERE NOT EXISTS \
         (SELECT 1 FROM json_each(?1) w WHERE INSTR(LOWER({search}), w.value) = 0)"
    );
    let params = model.filters.iter().flat_map(|filter| filter.params);
    for (index, param) in params.enumerate() {
        let value = format!("?{}", index + 2);
        sql += &format!(
            " AND ({value} IS NULL OR {})",
            param.sql.replace('?', &value)
        );
    }
    sql + rest
}

fn bind<'q>(sql: &str, query: &'q ListQuery) -> Statement<'q, Sqlite, SqliteArguments> {
    // The statement consists of texts from `models` and contains no input.
    let statement = sqlx::query(AssertSqlSafe(sql)).bind(query.words());
    query.values.iter().fold(statement, |statement, value| {
        statement.bind(value.as_deref())
    })
}
