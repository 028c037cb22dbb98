use std::time::SystemTime;

use bytes::Bytes;
use cloakroom::store::{
    Cursor, Draft, Entry, Meta, OwnedEntry, SaveId, Version, from_millis, millis,
};
use cloakroom::{Owner, StoreKey};
use tokio_postgres::Row;

use crate::statements::{SWEEP_WEIGHT, Statements};
use crate::value::{Value, unescape_nul};

const LOAD: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, version, data
    FROM "{table}" WHERE lookup = $1"#;

const CREATE: &str = r#"INSERT INTO "{table}"
    (lookup, version, data, created_at, touched_at, expires_at, sweep_bucket, owner, label)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (lookup) DO NOTHING"#;

// The update sets indexed columns, but it can still be heap-only (HOT), which means that it writes
// to no index: PostgreSQL compares the old and new values of these columns.
const SAVE: &str = r#"UPDATE "{table}"
    SET version = $2, data = $3, created_at = $4, touched_at = $5, expires_at = $6,
        sweep_bucket = $7, owner = $8, label = $9
    WHERE lookup = $1 AND version = $10"#;

// `NOT EXISTS` refuses a target key that exists. Without it, the move would violate the primary
// key, and the server would log the violation together with the target key. With `NOT EXISTS`, a
// violation happens only if a concurrent statement inserts the target key. `NOT EXISTS` also
// refuses to move a session to its own key, which would not violate the primary key.
const RENAME: &str = r#"UPDATE "{table}"
    SET lookup = $1, version = $2, data = $3, created_at = $4, touched_at = $5, expires_at = $6,
        sweep_bucket = $7, owner = $8, label = $9
    WHERE lookup = $11 AND version = $10
        AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE lookup = $1)"#;

// PostgreSQL runs the update first, because the insert reads the result of the update. So the old
// key is free when the tombstone is inserted. The server reports the number of inserted rows.
const RENAME_LEAVING_TOMBSTONE: &str = r#"WITH moved AS (
    {rename}
    RETURNING 1)
    INSERT INTO "{table}"
    (lookup, version, data, created_at, touched_at, expires_at, sweep_bucket, owner, label)
    SELECT $11, $12, $13, $14, $15, $16, $17, $18, $19 FROM moved"#;

const TOUCH: &str = r#"UPDATE "{table}" SET touched_at = $3, expires_at = $4, sweep_bucket = $5
    WHERE lookup = $1 AND version = $2"#;

const DELETE: &str = r#"DELETE FROM "{table}" WHERE lookup = $1"#;

// With `SKIP LOCKED`, a sweep does not wait for rows that another sweep or a save has locked. With
// `ARRAY`, the subquery runs once; with `IN`, it could run several times and lock different rows
// each time.
const SWEEP: &str = r#"DELETE FROM "{table}" WHERE lookup = ANY (ARRAY(
    SELECT lookup FROM "{table}" WHERE sweep_bucket <= $1 AND expires_at <= $2
    ORDER BY sweep_bucket LIMIT $3 FOR UPDATE SKIP LOCKED))"#;

// `$2` is the last key of the previous page, or NULL.
const OWNED_BY: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM "{table}" WHERE owner = $1 AND ($2::BYTEA IS NULL OR lookup > $2)
    ORDER BY lookup LIMIT $3"#;

// Compares the owner again, because a concurrent statement may have changed a row.
const REVOKE_OWNED: &str = r#"DELETE FROM "{table}" WHERE owner = $1 AND lookup = ANY (ARRAY(
    SELECT lookup FROM "{table}" WHERE owner = $1 AND lookup IS DISTINCT FROM $2::BYTEA LIMIT $3))
    RETURNING lookup"#;

// `$1` is the `created_at` that all tombstones have. Every session has an earlier one, so the
// statement returns only sessions.
const SCAN: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM "{table}" WHERE created_at < $1 AND ($2::BYTEA IS NULL OR lookup > $2)
    ORDER BY lookup LIMIT $3"#;

const FIND: &str = r#"SELECT lookup FROM "{table}"
    WHERE lookup BETWEEN $1 AND $2 AND octet_length(lookup) = 32 LIMIT 2"#;

const PING: &str = r#"SELECT 1 FROM "{table}" LIMIT 1"#;

/// The statements on a [`SESSIONS`](crate::schema::SESSIONS) table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Statement {
    Load,
    Create,
    Save,
    Rename,
    RenameLeavingTombstone,
    Touch,
    Delete,
    Sweep,
    OwnedBy,
    RevokeOwned,
    Scan,
    Find,
    Ping,
}

impl Statements for Statement {
    const COUNT: usize = 13;
    const NO_TABLE: &'static str = "call `migrate`, or run the SQL that `schema` prints";

    fn index(self) -> usize {
        self as usize
    }

    fn sql(self, table: &str) -> String {
        let sql = match self {
            Self::Load => LOAD,
            Self::Create => CREATE,
            Self::Save => SAVE,
            Self::Rename => RENAME,
            Self::RenameLeavingTombstone => RENAME_LEAVING_TOMBSTONE,
            Self::Touch => TOUCH,
            Self::Delete => DELETE,
            Self::Sweep => SWEEP,
            Self::OwnedBy => OWNED_BY,
            Self::RevokeOwned => REVOKE_OWNED,
            Self::Scan => SCAN,
            Self::Find => FIND,
            Self::Ping => PING,
        };
        sql.replace("{rename}", RENAME).replace("{table}", table)
    }

    fn returns_rows(self) -> bool {
        match self {
            Self::Load
            | Self::OwnedBy
            | Self::RevokeOwned
            | Self::Scan
            | Self::Find
            | Self::Ping => true,
            Self::Create
            | Self::Save
            | Self::Rename
            | Self::RenameLeavingTombstone
            | Self::Touch
            | Self::Delete
            | Self::Sweep => false,
        }
    }

    fn may_be_repeated(self) -> bool {
        match self {
            Self::Load | Self::OwnedBy | Self::Scan | Self::Find | Self::Ping | Self::Delete => {
                true
            }
            // A second run would not return the keys that the first run deleted.
            Self::RevokeOwned => false,
            Self::Create
            | Self::Save
            | Self::Rename
            | Self::RenameLeavingTombstone
            | Self::Touch
            | Self::Sweep => false,
        }
    }

    fn weight(self) -> usize {
        match self {
            Self::Sweep => SWEEP_WEIGHT,
            _ => 1,
        }
    }
}

/// Returns the values of `$1` to `$9` for a draft that is written under `key`.
pub(crate) fn draft_values<'a>(key: &'a StoreKey, new: &'a Draft) -> Vec<Value<'a>> {
    let Draft {
        data,
        meta,
        save_id,
        ..
    } = new;
    let expires = millis(meta.expires);
    // The capacity includes the values that a caller may append: the version, and for a rename the
    // old key and a tombstone.
    let mut values = Vec::with_capacity(19);
    values.extend([
        key.as_bytes().into(),
        save_id.get().cast_signed().into(),
        data[..].into(),
        millis(meta.created).into(),
        millis(meta.touched).into(),
        expires.into(),
        sweep_bucket(expires).into(),
        Value::text(meta.owner.as_ref().map(Owner::as_str)),
        Value::text(meta.label.as_deref()),
    ]);
    values
}

/// Returns the values for [`Statement::Touch`].
pub(crate) fn touch_values<'a>(key: &'a StoreKey, seen: i64, meta: &Meta) -> [Value<'a>; 5] {
    let expires = millis(meta.expires);
    [
        key.as_bytes().into(),
        seen.into(),
        millis(meta.touched).into(),
        expires.into(),
        sweep_bucket(expires).into(),
    ]
}

/// Returns the values for [`Statement::Sweep`].
pub(crate) fn sweep_values(now: SystemTime, limit: usize) -> [Value<'static>; 3] {
    let now = millis(now);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    [sweep_bucket(now).into(), now.into(), limit.into()]
}

/// Returns the values of a statement that lists a page: `selected`, the last key of the previous
/// page, and the number of rows. `selected` is the owner for [`Statement::OwnedBy`], and
/// [`Meta::TOMBSTONE_CREATED`] for [`Statement::Scan`]. One row more than `limit` shows whether
/// another page follows.
pub(crate) fn page_values<'a>(
    selected: Value<'a>,
    after: Option<&'a Cursor>,
    limit: usize,
) -> [Value<'a>; 3] {
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    [
        selected,
        Value::bytes(after.map(Cursor::as_bytes)),
        rows.into(),
    ]
}

/// Returns the greatest store key of 32 bytes that starts with `prefix`, or `None` if the prefix is
/// longer than 32 bytes. A store key of 32 bytes starts with `prefix` if and only if it is between
/// `prefix` and the returned key.
pub(crate) fn last_with_prefix(prefix: &[u8]) -> Option<[u8; STORE_KEY_LEN]> {
    let mut last = [0xff; STORE_KEY_LEN];
    last.get_mut(..prefix.len())?.copy_from_slice(prefix);
    Some(last)
}

/// Reads the entry from a row of [`Statement::Load`].
pub(crate) fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    Ok(Entry::new(
        Bytes::copy_from_slice(row.try_get(6)?),
        meta(row)?,
        Version::from(SaveId::new(row.try_get::<_, i64>(5)?.cast_unsigned())),
    ))
}

/// Reads the entry from a row of [`Statement::OwnedBy`] or [`Statement::Scan`].
pub(crate) fn owned(row: &Row) -> Result<OwnedEntry, tokio_postgres::Error> {
    Ok(OwnedEntry::new(store_key(row, 5)?, meta(row)?))
}

pub(crate) fn store_key(row: &Row, column: usize) -> Result<StoreKey, tokio_postgres::Error> {
    Ok(StoreKey::new(row.try_get(column)?))
}

/// Reads the first five columns of a row of [`Statement::Load`], [`Statement::OwnedBy`] or
/// [`Statement::Scan`].
fn meta(row: &Row) -> Result<Meta, tokio_postgres::Error> {
    let time = |column| row.try_get(column).map(from_millis);
    let owner: Option<&str> = row.try_get(3)?;
    let label: Option<&str> = row.try_get(4)?;
    Ok(Meta::new(time(0)?, time(1)?, time(2)?)
        .with_owner(owner.map(|owner| Owner::from(&*unescape_nul(owner))))
        .with_label(label.map(|label| unescape_nul(label).into())))
}

/// Returns the value of the column `version`: the 64 bits of the save id as a signed integer.
/// Returns `None` if `version` contains no save id: this store issues no such versions.
pub(crate) fn version_value(version: &Version) -> Option<i64> {
    version.save_id().map(SaveId::get).map(u64::cast_signed)
}

/// Returns the sweep bucket of an instant: its hour, counted from the Unix epoch.
///
/// Sweeps use an index on the hour of the expiry. If the index were on the exact time, every save
/// would have to write to the index.
fn sweep_bucket(millis: i64) -> i64 {
    millis.div_euclid(60 * 60 * 1_000)
}

/// The length of a store key in Cloakroom's own format, in bytes.
const STORE_KEY_LEN: usize = 32;
