use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, from_micros, micros};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use mysql_async::{Row, Value};

use crate::columns::Columns;
use crate::error::too_large;
use crate::sweep::{Sweep, SweepPosition};

// The constants `MICROS`, `INSTANT`, `KEY` and `DATA` replace `{micros}`, `{instant}`, `{key}` and
// `{data}`.
//
// In most collations, `abc`, `ABC` and `abc ` are equal. So the statements first find the row
// through the index, which uses the collation of the column, and then compare the bytes of the key.
// They also compare the bytes of the stored data with those that the caller loaded, because the
// table has no version column. The bytes are compared in UTF-8, the character set of the store's
// connections.
//
// The column `expire_date` stores UTC without a time zone. The statements convert it from and to
// microseconds since 1970, so they do not depend on the time zone of the connection.
const LOAD: &str = "SELECT session_data, {micros} FROM `{table}` WHERE {key}";

// This is not an INSERT IGNORE, which would also ignore errors other than a duplicate key.
const CREATE: &str =
    "INSERT INTO `{table}` (session_data, expire_date, session_key) VALUES (?, {instant}, ?)";

// This statement sets only Django's columns: a custom session model may have more.
const SAVE: &str =
    "UPDATE `{table}` SET session_data = ?, expire_date = {instant} WHERE {key} AND {data}";

const RENAME: &str =
    "UPDATE `{table}` SET session_data = ?, expire_date = {instant}, session_key = ?
    WHERE {key} AND {data}";

const TOUCH: &str = "UPDATE `{table}` SET expire_date = {instant} WHERE {key} AND {data}";

const DELETE: &str = "DELETE FROM `{table}` WHERE {key}";

// Locks nothing.
const DUE: &str = "SELECT {micros}, session_key FROM `{table}`
    WHERE expire_date < {instant}
        AND (expire_date > {instant} OR (expire_date = {instant} AND session_key > ?))
    ORDER BY expire_date, session_key LIMIT {step}";

// Compares the expiry again, because the row may have been saved since `DUE` found it. Access by
// primary key and SKIP LOCKED ensure that the statement waits neither for another sweep nor for a
// save.
const CLAIM: &str = "SELECT session_key FROM `{table}` FORCE INDEX (PRIMARY)
    WHERE session_key IN ({keys}) AND expire_date < {instant} FOR UPDATE SKIP LOCKED";

// Deletes only rows that this transaction has locked, so no save can have changed them.
const SWEEP: &str = "DELETE FROM `{table}` WHERE session_key IN ({keys})";

const PING: &str = "SELECT 1 FROM `{table}` LIMIT 1";

const MICROS: &str = "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', expire_date)";

const INSTANT: &str = "TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? MICROSECOND";

const KEY: &str =
    "session_key = ? AND CAST(CONVERT(session_key USING utf8mb4) AS BINARY) = CAST(? AS BINARY)";

const DATA: &str = "CAST(CONVERT(session_data USING utf8mb4) AS BINARY) = CAST(? AS BINARY)";

/// The statements on Django's table.
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
    /// Inserts the table's name into the statements. The caller has checked the name; the
    /// statements quote it only because it may be an SQL keyword.
    ///
    /// `max_sent` is how many bytes of data fit into one packet.
    pub(crate) fn new(name: &str, max_sent: usize) -> Self {
        let expand = |template: &str| {
            template
                .replace("{micros}", MICROS)
                .replace("{instant}", INSTANT)
                .replace("{key}", KEY)
                .replace("{data}", DATA)
        };
        let fill = |template: &str| expand(template).replace("{table}", name);
        let sweep = [DUE, CLAIM, SWEEP].map(expand);
        Self {
            load: fill(LOAD),
            create: fill(CREATE),
            save: fill(SAVE),
            rename: fill(RENAME),
            touch: fill(TOUCH),
            delete: fill(DELETE),
            sweep: Sweep::new(name, sweep.each_ref().map(String::as_str), due_params),
            ping: fill(PING),
            // A save sends the old data and the new data in one packet.
            max_size: max_sent / 2,
        }
    }

    /// Returns the maximum size of an entry's data, in bytes.
    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Returns an error if the table cannot store the draft.
    pub(crate) fn check(&self, draft: &Draft, doing: &str) -> Result<()> {
        if draft.meta.owner.is_some() {
            return Err(unsupported(
                doing,
                "Django's table has no column for owners; the draft must have no owner",
            ));
        }
        if !draft.data.iter().all(|byte| byte.is_ascii() && *byte != 0) {
            return Err(unsupported(
                doing,
                "Django's table stores text, but the draft's data is not ASCII; \
                 use Django's format",
            ));
        }
        if draft.data.len() > self.max_size {
            let limit = format!(
                "bytes, but the server's max_allowed_packet leaves {}, since a save also sends the \
                 old data; raise this setting, or store large data in the site's tables and only \
                 its ids in the session",
                self.max_size
            );
            return Err(too_large("data", draft.data.len(), &limit));
        }
        Ok(())
    }
}

/// Returns the session key in a store key, or `None` if it is too long or contains NUL or
/// characters outside ASCII.
///
/// Django's keys are ASCII. Which other characters the column can store depends on its character
/// set. If a statement compares the column with a character that it cannot store, MySQL returns an
/// error.
pub(crate) fn key_text(key: &StoreKey) -> Option<&str> {
    let key = str::from_utf8(key.as_bytes()).ok()?;
    let fits = key.len() <= MAX_KEY_LEN && key.bytes().all(|byte| byte.is_ascii() && byte != 0);
    fits.then_some(key)
}

/// Returns the data that a version consists of, or `None` if the data is not text.
pub(crate) fn version_text(version: &Version) -> Option<&str> {
    str::from_utf8(version.as_bytes()?).ok()
}

/// Returns the parameters for `{key}`.
pub(crate) fn key_params(key: &str) -> [Value; 2] {
    [Value::from(key), Value::from(key)]
}

/// Returns the parameter for `{instant}`.
pub(crate) fn instant_param(at: SystemTime) -> Value {
    Value::from(micros(at))
}

/// Returns the error for a key that [`key_text`] refuses.
pub(crate) fn unsupported_key(doing: &str) -> Error {
    unsupported(
        doing,
        "a key in Django's table is ASCII text of up to 40 characters without NUL; \
         use Django's format",
    )
}

fn unsupported(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

/// Returns the parameters for the next step of a sweep.
fn due_params(now: i64, after: &SweepPosition) -> Vec<Value> {
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
const MAX_KEY_LEN: usize = 40;

/// The start of MySQL's range of dates, the year 1000, in microseconds since 1970.
const FIRST_MICRO: i64 = -30_610_224_000_000_000;

#[cfg(test)]
mod tests {
    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::unique_name;
    use mysql_async::Conn;
    use mysql_async::prelude::Queryable;

    use super::*;
    use crate::django::schema;
    use crate::sweep::padded_keys;

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

        // `new` puts the new data and expiry before the parameters in `rest`. `seen` puts the old
        // data after those in `rest`.
        let key = || key_params("key42").to_vec();
        let new = |rest: Vec<Value>| [vec!["new".into(), 0.into()], rest].concat();
        let seen = |rest: Vec<Value>| [rest, vec!["data".into()]].concat();
        let keys = padded_keys(&[b"key42".to_vec()]);
        let claim = [keys.clone(), vec![3_600_000_000_i64.into()]].concat();
        let hour = due_params(3_600_000_000, &SweepPosition::default());
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
