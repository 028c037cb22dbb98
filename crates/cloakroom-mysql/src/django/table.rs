use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, from_micros, micros};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use mysql_async::{Row, Value};

use crate::columns::Columns;
use crate::error::too_large;
use crate::sweep::{Sweep, SweepPosition};

// Most collations take `abc`, `ABC` and `abc ` for one text. So the index finds the row by the column's collation, and
// the bytes decide: of the key, and of the old text, which is what is compared, since the table has no other version.
// The bytes are those of UTF-8, which is what a connection of this store sends and reads.
//
// The instants of the column are UTC without saying so. They are reckoned here from integers, so nobody's time zone is
// asked: microseconds since 1970.
const LOAD: &str = "SELECT session_data, {micros} FROM `{table}` WHERE {key}";

// Not INSERT IGNORE, which would swallow what else may be wrong.
const CREATE: &str =
    "INSERT INTO `{table}` (session_data, expire_date, session_key) VALUES (?, {instant}, ?)";

// No column but Django's is named, since a site's own model may have more of them.
const SAVE: &str =
    "UPDATE `{table}` SET session_data = ?, expire_date = {instant} WHERE {key} AND {data}";

const RENAME: &str =
    "UPDATE `{table}` SET session_data = ?, expire_date = {instant}, session_key = ?
    WHERE {key} AND {data}";

const TOUCH: &str = "UPDATE `{table}` SET expire_date = {instant} WHERE {key} AND {data}";

const DELETE: &str = "DELETE FROM `{table}` WHERE {key}";

// Locks nothing.
const DUE: &str = "SELECT {micros}, session_key FROM `{table}`
    WHERE expire_date < {instant} AND (expire_date > {instant} OR (expire_date = {instant} AND session_key > ?))
    ORDER BY expire_date, session_key LIMIT {step}";

// Compares again: since it was found, a row may have been saved. By the primary key, never by a range, and past what
// others have locked: so neither another sweep nor a visitor's save is waited for.
const CLAIM: &str = "SELECT session_key FROM `{table}` FORCE INDEX (PRIMARY)
    WHERE session_key IN ({keys}) AND expire_date < {instant} FOR UPDATE SKIP LOCKED";

// Only what was claimed, and so nobody can have saved it since.
const SWEEP: &str = "DELETE FROM `{table}` WHERE session_key IN ({keys})";

const PING: &str = "SELECT 1 FROM `{table}` LIMIT 1";

const MICROS: &str = "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', expire_date)";

const INSTANT: &str = "TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? MICROSECOND";

const KEY: &str =
    "session_key = ? AND CAST(CONVERT(session_key USING utf8mb4) AS BINARY) = CAST(? AS BINARY)";

const DATA: &str = "CAST(CONVERT(session_data USING utf8mb4) AS BINARY) = CAST(? AS BINARY)";

/// The statements on a table of Django's, and what goes into them and comes out of them.
pub(crate) struct Table {
    pub(crate) load: String,
    pub(crate) create: String,
    pub(crate) save: String,
    pub(crate) rename: String,
    pub(crate) touch: String,
    pub(crate) delete: String,
    pub(crate) sweep: Sweep,
    pub(crate) ping: String,
    max_size: usize,
}

impl Table {
    /// `name` has been checked; it is quoted in the statements only because it may be a word of SQL.
    pub(crate) fn new(name: &str, packet: usize) -> Self {
        let spelled = |statement: &str| {
            statement
                .replace("{micros}", MICROS)
                .replace("{instant}", INSTANT)
                .replace("{key}", KEY)
                .replace("{data}", DATA)
        };
        let on = |statement: &str| spelled(statement).replace("{table}", name);
        let sweep = [DUE, CLAIM, SWEEP].map(spelled);
        Self {
            load: on(LOAD),
            create: on(CREATE),
            save: on(SAVE),
            rename: on(RENAME),
            touch: on(TOUCH),
            delete: on(DELETE),
            sweep: Sweep::new(name, sweep.each_ref().map(String::as_str), due),
            ping: on(PING),
            // A save sends the old text beside the new one.
            max_size: packet / 2,
        }
    }

    /// The largest data of one entry.
    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Whether the table can keep a draft, and if not, why.
    pub(crate) fn check(&self, draft: &Draft, doing: &str) -> Result<()> {
        if draft.meta.owner.is_some() {
            return Err(unsupported(
                doing,
                "Django's table has no column for owners; the draft must have none",
            ));
        }
        if !draft.data.iter().all(|byte| byte.is_ascii() && *byte != 0) {
            return Err(unsupported(
                doing,
                "Django's table keeps text, and the draft's data is not ASCII; use Django's format",
            ));
        }
        if draft.data.len() > self.max_size {
            let limit = format!(
                "bytes and the server's max_allowed_packet leaves {}, half of it for the old text; raise it there, or \
                 keep large things in the site's own tables and their ids in the session",
                self.max_size
            );
            return Err(too_large("data", draft.data.len(), &limit));
        }
        Ok(())
    }
}

/// The key that a lookup is, if the column could hold it; no row has another one.
///
/// Of other characters than those of ASCII, it depends on the column's character set which it can hold, and MySQL refuses
/// to compare with the others. Django makes no keys of them.
pub(crate) fn key_text(key: &StoreKey) -> Option<&str> {
    let key = str::from_utf8(key.as_bytes()).ok()?;
    let fits = key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii() && byte != 0);
    fits.then_some(key)
}

/// The text that a version is; no row has another one.
pub(crate) fn seen(version: &Version) -> Option<&str> {
    str::from_utf8(version.as_bytes()?).ok()
}

/// What `{key}` asks for.
pub(crate) fn at(key: &str) -> [Value; 2] {
    [Value::from(key), Value::from(key)]
}

/// What `{instant}` asks for.
pub(crate) fn instant(at: SystemTime) -> Value {
    Value::from(micros(at))
}

/// The error of a key that the column cannot hold.
pub(crate) fn unfit(doing: &str) -> Error {
    unsupported(
        doing,
        "a key in Django's table is ASCII of up to 40 characters without NUL; use Django's format",
    )
}

fn unsupported(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

/// What a sweep asks when it looks for rows behind `after`.
fn due(now: i64, after: &SweepPosition) -> Vec<Value> {
    let order = after.order.max(FIRST_MICRO);
    vec![
        Value::from(now),
        Value::from(order),
        Value::from(order),
        Value::from(&after.key[..]),
    ]
}

pub(crate) fn entry(row: Row, doing: &'static str) -> Result<Entry> {
    let mut columns = Columns::of(row, doing);
    let data = Bytes::from(columns.next::<Vec<u8>>()?);
    let version = Version::from_bytes(data.clone());
    Ok(Entry::new(
        data,
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, from_micros(columns.next()?)),
        version,
    ))
}

/// The length of the column `session_key`, in characters.
const LONGEST_KEY: usize = 40;

/// The first instant of the year 1000, before which MySQL has none.
const FIRST_MICRO: i64 = -30_610_224_000_000_000;

#[cfg(test)]
mod tests {
    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::unique_name;
    use mysql_async::Conn;
    use mysql_async::prelude::Queryable;

    use super::*;
    use crate::django::schema;
    use crate::sweep::keys;

    #[tokio::test]
    async fn no_statement_reads_more_of_the_table_than_it_needs() {
        let Some(server) = mariadb() else { return };
        let name = unique_name();
        let mut db = Conn::from_url(server.url()).await.unwrap();
        db.query_drop(schema::create(&name)).await.unwrap();
        let rows: Vec<_> = (0..5_000)
            .map(|n| format!("('key{n}', 'data', FROM_UNIXTIME({}))", n * 60))
            .collect();
        db.query_drop(format!("INSERT INTO {name} VALUES {}", rows.join(",")))
            .await
            .unwrap();
        db.query_drop(format!("ANALYZE TABLE {name}"))
            .await
            .unwrap();
        let table = Table::new(&name, 0);

        let key = || at("key42").to_vec();
        let new = |rest: Vec<Value>| [vec!["new".into(), 0.into()], rest].concat();
        let seen = |rest: Vec<Value>| [rest, vec!["data".into()]].concat();
        let keys = keys(&[b"key42".to_vec()]);
        let claim = [keys.clone(), vec![3_600_000_000_i64.into()]].concat();
        let hour = due(3_600_000_000, &SweepPosition::default());
        for (statement, params, index) in [
            (&table.load, key(), "PRIMARY"),
            (&table.save, seen(new(key())), "PRIMARY"),
            (
                &table.rename,
                seen([new(vec!["key".into()]), key()].concat()),
                "PRIMARY",
            ),
            (
                &table.touch,
                seen([vec![0.into()], key()].concat()),
                "PRIMARY",
            ),
            (&table.delete, key(), "PRIMARY"),
            (&table.sweep.claim, claim, "PRIMARY"),
            (&table.sweep.delete, keys, "PRIMARY"),
            (
                &table.sweep.due,
                hour,
                "django_session_expire_date_a5c62663",
            ),
        ] {
            let plan: Vec<Row> = db
                .exec(format!("EXPLAIN {statement}"), params)
                .await
                .unwrap();
            assert_eq!(plan.len(), 1, "{statement}");
            let used: Option<String> = plan[0].get("key").unwrap();
            assert_eq!(used.as_deref(), Some(index), "{statement}");
            let read: u64 = plan[0].get("rows").unwrap();
            assert!(read <= 100, "{statement} reads {read} rows");
            let extra: Option<String> = plan[0].get("Extra").unwrap();
            assert!(
                !extra.unwrap_or_default().contains("filesort"),
                "{statement}"
            );
        }
    }
}
