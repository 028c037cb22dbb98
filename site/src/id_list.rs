//! Passes the ids of several records as one parameter of an SQL statement.

use serde_json::Value;
use sqlx::SqliteConnection;

/// The ids of some records of one table, as a JSON array. Statements read it with
/// `IN (SELECT value FROM json_each(?1))`.
///
/// ```text
/// let ids = IdList::from_iter([3_i64, 7]);
/// assert_eq!(ids.as_json(), "[3,7]");
/// ```
#[derive(Debug)]
pub(crate) struct IdList(String);

impl IdList {
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }
}

impl<Id: Into<Value>> FromIterator<Id> for IdList {
    fn from_iter<I: IntoIterator<Item = Id>>(ids: I) -> Self {
        let ids = ids.into_iter().map(Into::into);
        Self(ids.collect::<Value>().to_string())
    }
}

/// Runs `statements` in order, each with `ids` as its only parameter. Returns the number of rows
/// that the last statement changed.
pub(crate) async fn execute_all(
    db: &mut SqliteConnection,
    statements: &[&'static str],
    ids: &IdList,
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for statement in statements {
        let execute = sqlx::query(*statement).bind(ids.as_json());
        changed = execute.execute(&mut *db).await?.rows_affected();
    }
    Ok(changed)
}
