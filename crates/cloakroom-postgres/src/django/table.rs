use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, from_micros, micros};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use tokio_postgres::Row;

use super::moment::Moment;
use crate::statements::{SWEEP_WEIGHT, Statements};
use crate::value::Value;

const LOAD: &str = r#"SELECT session_data, expire_date FROM "{table}" WHERE session_key = $1"#;

const CREATE: &str = r#"INSERT INTO "{table}" (session_key, session_data, expire_date) VALUES ($1, $2, $3)
    ON CONFLICT (session_key) DO NOTHING"#;

// The old text is what is compared, byte by byte: the table has no other version. No column but Django's is named, since
// a site's own model may have more of them.
const SAVE: &str = r#"UPDATE "{table}" SET session_data = $2, expire_date = $3
    WHERE session_key = $1 AND session_data COLLATE "C" = $4"#;

// The server logs what violates the primary key, with the key in it; so that is left to the race in which both are free
// to the eye.
const RENAME: &str = r#"UPDATE "{table}" SET session_key = $1, session_data = $2, expire_date = $3
    WHERE session_key = $5 AND session_data COLLATE "C" = $4
        AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE session_key = $1)"#;

const TOUCH: &str = r#"UPDATE "{table}" SET expire_date = $2
    WHERE session_key = $1 AND session_data COLLATE "C" = $3"#;

const DELETE: &str = r#"DELETE FROM "{table}" WHERE session_key = $1"#;

// What another sweep has, or a save, is skipped and not waited for. As an array the rows are looked for once; a subquery
// in an `IN` may be run several times, and each time it would lock others.
const SWEEP: &str = r#"DELETE FROM "{table}" WHERE session_key = ANY (ARRAY(
    SELECT session_key FROM "{table}" WHERE expire_date < $1 ORDER BY expire_date LIMIT $2 FOR UPDATE SKIP LOCKED))"#;

const PING: &str = r#"SELECT 1 FROM "{table}" LIMIT 1"#;

/// The statements on a table of Django's.
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
    const NO_TABLE: &'static str = "run `manage.py migrate` of the Django site, or call `migrate`";

    fn nth(self) -> usize {
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

    fn reads(self) -> bool {
        match self {
            Self::Load | Self::Ping => true,
            Self::Create | Self::Save | Self::Rename | Self::Touch | Self::Delete | Self::Sweep => {
                false
            }
        }
    }

    fn may_be_repeated(self) -> bool {
        self.reads() || matches!(self, Self::Delete)
    }

    fn weight(self) -> usize {
        match self {
            Self::Sweep => SWEEP_WEIGHT,
            _ => 1,
        }
    }
}

impl<'a> Value<'a> {
    /// Text in which there is no NUL, as it is.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

/// What a draft is in the table.
pub(crate) struct Text<'a> {
    pub(crate) data: &'a str,
    pub(crate) expires: SystemTime,
}

impl<'a> Text<'a> {
    /// What the table can keep of `draft`, or why it cannot.
    pub(crate) fn of(draft: &'a Draft, doing: &str) -> Result<Self> {
        if draft.meta.owner.is_some() {
            return Err(unsupported(
                doing,
                "Django's table has no column for owners; the draft must have none",
            ));
        }
        let plain = |byte: &u8| byte.is_ascii() && *byte != 0;
        match str::from_utf8(&draft.data) {
            Ok(data) if draft.data.iter().all(plain) => Ok(Self {
                data,
                expires: moment(draft.meta.expires),
            }),
            _ => Err(unsupported(
                doing,
                "Django's table keeps text, and the draft's data is not ASCII; use Django's format",
            )),
        }
    }

    /// What is written at `key`, in the order in which the statements number it.
    pub(crate) fn at(&self, key: &'a str) -> [Value<'a>; 3] {
        [
            Value::plain(key),
            Value::plain(self.data),
            self.expires.into(),
        ]
    }
}

/// An instant as the column can keep it.
pub(crate) fn moment(at: SystemTime) -> SystemTime {
    from_micros(micros(at))
}

/// The key that a lookup is, if the column could hold it; no row has another one.
pub(crate) fn key_text(key: &StoreKey) -> Option<&str> {
    let key = plain(key.as_bytes())?;
    (key.chars().count() <= LONGEST_KEY).then_some(key)
}

/// The text that a version is; no row has another one.
pub(crate) fn seen(version: &Version) -> Option<&str> {
    plain(version.as_bytes()?)
}

fn plain(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// The error of a key that the column cannot hold.
pub(crate) fn unfit(doing: &str) -> Error {
    unsupported(
        doing,
        "a key in Django's table is text of up to 40 characters without NUL; use Django's format",
    )
}

fn unsupported(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"))
}

/// A row that was loaded.
pub(crate) fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    let data = Bytes::copy_from_slice(row.try_get::<_, &str>(0)?.as_bytes());
    let Moment(expires) = row.try_get(1)?;
    let version = Version::from_bytes(data.clone());
    Ok(Entry::new(
        data,
        Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires,
            owner: None,
            label: None,
        },
        version,
    ))
}

/// The length of the column `session_key`, in characters.
const LONGEST_KEY: usize = 40;
