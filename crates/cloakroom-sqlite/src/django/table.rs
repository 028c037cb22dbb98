use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use cloakroom_django::wire::date::{expire_date, parse_expire_date};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

const LOAD: &str = r#"SELECT session_data, expire_date FROM "{table}" WHERE session_key = ?1"#;

const CREATE: &str = r#"INSERT INTO "{table}" (session_key, session_data, expire_date)
    VALUES (?1, ?2, ?3)
    ON CONFLICT (session_key) DO NOTHING"#;

// Compares the stored session data with the data that the caller loaded, because the table has no
// version column. Sets only Django's columns, because a site's custom session model may have more.
const SAVE: &str = r#"UPDATE "{table}" SET session_data = ?2, expire_date = ?3
    WHERE session_key = ?1 AND session_data COLLATE BINARY = ?4"#;

const RENAME: &str = r#"UPDATE "{table}" SET session_key = ?1, session_data = ?2, expire_date = ?3
    WHERE session_key = ?5 AND session_data COLLATE BINARY = ?4
        AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE session_key = ?1)"#;

const TOUCH: &str = r#"UPDATE "{table}" SET expire_date = ?2
    WHERE session_key = ?1 AND session_data COLLATE BINARY = ?3"#;

const DELETE: &str = r#"DELETE FROM "{table}" WHERE session_key = ?1"#;

const SWEEP: &str = r#"DELETE FROM "{table}" WHERE rowid IN
    (SELECT rowid FROM "{table}" WHERE expire_date < ?1 ORDER BY expire_date LIMIT ?2)"#;

const PING: &str = r#"SELECT 1 FROM "{table}" LIMIT 1"#;

/// The statements on Django's table, and the conversions of their parameters and rows.
///
/// The methods that write return the number of rows that they changed.
pub(crate) struct Table {
    load: String,
    create: String,
    save: String,
    rename: String,
    touch: String,
    delete: String,
    sweep: String,
    ping: String,
}

impl Table {
    /// Returns the statements for the table `name`, which must have passed `table_name::check`. The
    /// statements quote the name, because it may be an SQL keyword.
    pub(crate) fn new(name: &str) -> Self {
        let on = |statement: &str| statement.replace("{table}", name);
        Self {
            load: on(LOAD),
            create: on(CREATE),
            save: on(SAVE),
            rename: on(RENAME),
            touch: on(TOUCH),
            delete: on(DELETE),
            sweep: on(SWEEP),
            ping: on(PING),
        }
    }

    pub(crate) fn load(&self, db: &Connection, key: &str) -> rusqlite::Result<Option<Entry>> {
        let mut statement = db.prepare_cached(&self.load)?;
        statement.query_row([key], entry).optional()
    }

    pub(crate) fn create(
        &self,
        db: &Connection,
        key: &str,
        new: &Columns,
    ) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.create)?
            .execute(params![key, new.data, new.expires])
    }

    pub(crate) fn save(
        &self,
        db: &Connection,
        key: &str,
        seen: &str,
        new: &Columns,
    ) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.save)?
            .execute(params![key, new.data, new.expires, seen])
    }

    pub(crate) fn rename(
        &self,
        db: &Connection,
        from: &str,
        seen: &str,
        to: &str,
        new: &Columns,
    ) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.rename)?
            .execute(params![to, new.data, new.expires, seen, from])
    }

    pub(crate) fn touch(
        &self,
        db: &Connection,
        key: &str,
        seen: &str,
        expires: SystemTime,
    ) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.touch)?
            .execute(params![key, expire_date(expires), seen])
    }

    pub(crate) fn delete(&self, db: &Connection, key: &str) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.delete)?.execute([key])
    }

    pub(crate) fn sweep(
        &self,
        db: &Connection,
        now: SystemTime,
        step: usize,
    ) -> rusqlite::Result<usize> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        db.prepare_cached(&self.sweep)?
            .execute(params![expire_date(now), step])
    }

    pub(crate) fn ping(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(&self.ping)?;
        statement.query_row([], |_| Ok(())).optional().map(|_| ())
    }
}

/// A draft as the values of the columns `session_data` and `expire_date`.
pub(crate) struct Columns {
    data: String,
    expires: String,
}

impl Columns {
    /// Returns the columns of `draft`.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the draft has an owner, or if its data is not
    /// ASCII text without NUL.
    pub(crate) fn of(draft: &Draft, doing: &'static str) -> Result<Self> {
        if draft.meta.owner.is_some() {
            return Err(unsupported(
                doing,
                "Django's table has no column for owners; the draft must have no owner",
            ));
        }
        let is_text = |byte: &u8| byte.is_ascii() && *byte != 0;
        match str::from_utf8(&draft.data) {
            Ok(data) if draft.data.iter().all(is_text) => Ok(Self {
                data: data.to_owned(),
                expires: expire_date(draft.meta.expires),
            }),
            _ => Err(unsupported(
                doing,
                "Django's table stores text, but the draft's data is not ASCII; \
                 use Django's format",
            )),
        }
    }
}

/// Returns `key` as text. Returns `None` if `key` is not UTF-8, contains NUL, or is longer than the
/// column `session_key` allows.
pub(crate) fn key_text(key: &StoreKey) -> Option<String> {
    let key = str::from_utf8(key.as_bytes()).ok()?;
    let fits = key.chars().count() <= LONGEST_KEY && !key.contains('\0');
    fits.then(|| key.to_owned())
}

/// Returns the session data that `version` consists of, or `None` if this store cannot have issued
/// `version`.
pub(crate) fn version_text(version: &Version) -> Option<String> {
    let text = str::from_utf8(version.as_bytes()?).ok()?;
    Some(text.to_owned())
}

/// Returns the error for a key that the column cannot store.
pub(crate) fn invalid_key(doing: &'static str) -> Error {
    unsupported(
        doing,
        "a key in Django's table is text of up to 40 characters without NUL; use Django's format",
    )
}

fn unsupported(doing: &'static str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let data = Bytes::copy_from_slice(row.get_ref(0)?.as_str()?.as_bytes());
    let Some(expires) = parse_expire_date(row.get_ref(1)?.as_str()?) else {
        let cause = "the text in `expire_date` is not a date";
        return Err(rusqlite::Error::FromSqlConversionFailure(
            1,
            Type::Text,
            cause.into(),
        ));
    };
    let version = Version::from_bytes(data.clone());
    Ok(Entry::new(
        data,
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, expires),
        version,
    ))
}

/// The length of the column `session_key`, in characters. SQLite does not enforce this length.
const LONGEST_KEY: usize = 40;

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::*;
    use crate::django::schema;

    #[test]
    fn every_statement_uses_an_index() {
        let db = Connection::open_in_memory().unwrap();
        schema::migrate(&db, "django_session").unwrap();
        let table = Table::new("django_session");
        let plan = |statement: &str| {
            let mut explained = db
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let columns = explained.parameter_count();
            let steps = explained.query_map(params_from_iter(vec![1; columns]), |row| row.get(3));
            steps
                .unwrap()
                .collect::<rusqlite::Result<Vec<String>>>()
                .unwrap()
                .join("; ")
        };

        let by_key =
            "SEARCH django_session USING INDEX sqlite_autoindex_django_session_1 (session_key=?)";
        for statement in [
            &table.load,
            &table.save,
            &table.rename,
            &table.touch,
            &table.delete,
        ] {
            assert!(plan(statement).starts_with(by_key), "{}", plan(statement));
        }
        let sweep = plan(&table.sweep);
        assert!(
            sweep.contains("INDEX django_session_expire_date_a5c62663 (expire_date<?)"),
            "{sweep}"
        );
        assert!(!sweep.contains("TEMP B-TREE"), "{sweep}");
    }
}
