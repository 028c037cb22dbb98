use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, from_micros, micros};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use tokio_postgres::Row;

use super::timestamp::Timestamp;
use crate::statements::{SWEEP_WEIGHT, Statements};
use crate::value::Value;

const LOAD: &str = r#"SELECT session_data, expire_date FROM "{table}" WHERE session_key = $1"#;

const CREATE: &str = r#"INSERT INTO "{table}" (session_key, session_data, expire_date)
    VALUES ($1, $2, $3)
    ON CONFLICT (session_key) DO NOTHING"#;

// The table has no version column, so the statement compares the stored data with the data that the
// caller loaded. With `COLLATE "C"`, the server compares the data byte by byte. The statement sets
// only Django's columns: a custom session model may have more.
const SAVE: &str = r#"UPDATE "{table}" SET session_data = $2, expire_date = $3
    WHERE session_key = $1 AND session_data COLLATE "C" = $4"#;

// `NOT EXISTS` refuses a target key that exists. Without it, the move would violate the primary
// key, and the server would log the violation together with the target key. With `NOT EXISTS`, a
// violation happens only if a concurrent statement inserts the target key.
const RENAME: &str = r#"UPDATE "{table}" SET session_key = $1, session_data = $2, expire_date = $3
    WHERE session_key = $5 AND session_data COLLATE "C" = $4
        AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE session_key = $1)"#;

const TOUCH: &str = r#"UPDATE "{table}" SET expire_date = $2
    WHERE session_key = $1 AND session_data COLLATE "C" = $3"#;

const DELETE: &str = r#"DELETE FROM "{table}" WHERE session_key = $1"#;

// With `SKIP LOCKED`, a sweep does not wait for rows that another sweep or a save has locked. With
// `ARRAY`, the subquery runs once; with `IN`, it could run several times and lock different rows
// each time.
const SWEEP: &str = r#"DELETE FROM "{table}" WHERE session_key = ANY (ARRAY(
    SELECT session_key FROM "{table}" WHERE expire_date < $1
    ORDER BY expire_date LIMIT $2 FOR UPDATE SKIP LOCKED))"#;

const PING: &str = r#"SELECT 1 FROM "{table}" LIMIT 1"#;

/// The statements on Django's table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Statement {
    Load,
    Create,
    Save,
    Rename,
    Touch,
    Delete,
    Sweep,
    Ping,
}

impl Statements for Statement {
    const COUNT: usize = 8;
    const NO_TABLE: &'static str =
        "run `manage.py migrate` in the Django site, or call `DjangoTable::migrate`";

    fn index(self) -> usize {
        self as usize
    }

    fn sql(self, table: &str) -> String {
        let sql = match self {
            Self::Load => LOAD,
            Self::Create => CREATE,
            Self::Save => SAVE,
            Self::Rename => RENAME,
            Self::Touch => TOUCH,
            Self::Delete => DELETE,
            Self::Sweep => SWEEP,
            Self::Ping => PING,
        };
        sql.replace("{table}", table)
    }

    fn returns_rows(self) -> bool {
        match self {
            Self::Load | Self::Ping => true,
            Self::Create | Self::Save | Self::Rename | Self::Touch | Self::Delete | Self::Sweep => {
                false
            }
        }
    }

    fn may_be_repeated(self) -> bool {
        self.returns_rows() || matches!(self, Self::Delete)
    }

    fn weight(self) -> usize {
        match self {
            Self::Sweep => SWEEP_WEIGHT,
            _ => 1,
        }
    }
}

impl<'a> Value<'a> {
    /// Returns a text parameter. Escapes nothing, so `text` must not contain NUL.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

/// The values of a draft for the columns `session_data` and `expire_date`.
pub(crate) struct DraftColumns<'a> {
    data: &'a str,
    expires: SystemTime,
}

impl<'a> DraftColumns<'a> {
    /// Returns the columns of `draft`, or an error if the table cannot store it.
    pub(crate) fn of(draft: &'a Draft, doing: &str) -> Result<Self> {
        if draft.meta.owner.is_some() {
            return Err(unsupported(
                doing,
                "Django's table has no column for owners; the draft must have no owner",
            ));
        }
        let plain = |byte: &u8| byte.is_ascii() && *byte != 0;
        match str::from_utf8(&draft.data) {
            Ok(data) if draft.data.iter().all(plain) => Ok(Self {
                data,
                expires: column_instant(draft.meta.expires),
            }),
            _ => Err(unsupported(
                doing,
                "Django's table stores text, but the draft's data is not ASCII; \
                 use Django's format",
            )),
        }
    }

    /// Returns the values of `$1` to `$3`.
    pub(crate) fn with_key(&self, key: &'a str) -> [Value<'a>; 3] {
        [
            Value::plain(key),
            Value::plain(self.data),
            self.expires.into(),
        ]
    }
}

/// Rounds an instant down to whole microseconds, as the column stores it, and clamps it to the
/// years 1970 to 9999.
pub(crate) fn column_instant(at: SystemTime) -> SystemTime {
    from_micros(micros(at))
}

/// Returns the session key in a store key, or `None` if the column `session_key` cannot store it.
pub(crate) fn key_text(key: &StoreKey) -> Option<&str> {
    let key = plain(key.as_bytes())?;
    (key.chars().count() <= MAX_KEY_CHARS).then_some(key)
}

/// Returns the data that a version consists of, or `None` if the column cannot store it.
pub(crate) fn version_text(version: &Version) -> Option<&str> {
    plain(version.as_bytes()?)
}

/// Returns `bytes` as text, or `None` if PostgreSQL cannot store them as text.
fn plain(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Returns the error for a key that the column cannot store.
pub(crate) fn unsupported_key(doing: &str) -> Error {
    unsupported(
        doing,
        "a key in Django's table is a text of up to 40 characters without NUL; use Django's format",
    )
}

fn unsupported(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

/// Reads the entry from a row of [`Statement::Load`].
pub(crate) fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    let data = Bytes::copy_from_slice(row.try_get::<_, &str>(0)?.as_bytes());
    let Timestamp(expires) = row.try_get(1)?;
    let version = Version::from_bytes(data.clone());
    Ok(Entry::new(
        data,
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, expires),
        version,
    ))
}

/// The length of the column `session_key`, in characters.
const MAX_KEY_CHARS: usize = 40;
