use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, OwnedEntry, SaveId, Version, from_millis, millis};
use cloakroom::{Owner, Result, StoreKey};
use mysql_async::{Row, Value};

use crate::columns::Columns;
use crate::error::too_large;
use crate::sweep::{Sweep, SweepPosition, keys_of_a_step};

const LOAD: &str = "SELECT created_at, touched_at, expires_at, owner, label, version, data
    FROM `{table}` WHERE lookup = ?";

// This is not an INSERT IGNORE, which would also ignore errors other than a duplicate key.
const CREATE: &str = "INSERT INTO `{table}`
    (version, data, created_at, touched_at, expires_at, sweep_bucket, owner, label, lookup)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

// The statement always sets the indexed columns `sweep_bucket` and `owner`. This costs nothing if
// their values stay the same: InnoDB does not write to an index whose columns keep their values.
const SAVE: &str = "UPDATE `{table}`
    SET version = ?, data = ?, created_at = ?, touched_at = ?, expires_at = ?, sweep_bucket = ?,
        owner = ?, label = ?
    WHERE lookup = ? AND version = ?";

const RENAME: &str = "UPDATE `{table}`
    SET version = ?, data = ?, created_at = ?, touched_at = ?, expires_at = ?, sweep_bucket = ?,
        owner = ?, label = ?, lookup = ?
    WHERE lookup = ? AND version = ?";

const TOUCH: &str = "UPDATE `{table}` SET touched_at = ?, expires_at = ?, sweep_bucket = ?
    WHERE lookup = ? AND version = ?";

const DELETE: &str = "DELETE FROM `{table}` WHERE lookup = ?";

// Locks nothing. The server may read, and skip, many rows that expire later in the current hour.
const DUE: &str = "SELECT sweep_bucket, lookup FROM `{table}`
    WHERE sweep_bucket <= ? AND (sweep_bucket > ? OR (sweep_bucket = ? AND lookup > ?))
        AND expires_at <= ?
    ORDER BY sweep_bucket, lookup LIMIT {step}";

// Compares the expiry again, because the row may have been saved since `DUE` found it. Access by
// primary key and SKIP LOCKED ensure that the statement waits neither for another sweep nor for a
// save.
const CLAIM: &str = "SELECT lookup FROM `{table}` FORCE INDEX (PRIMARY)
    WHERE lookup IN ({keys}) AND expires_at <= ? FOR UPDATE SKIP LOCKED";

// Deletes only rows that this transaction has locked, so no save can have changed them.
const SWEEP: &str = "DELETE FROM `{table}` WHERE lookup IN ({keys})";

// The second parameter is the last key of the previous page, or the empty text.
const OWNED_BY: &str = "SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM `{table}` WHERE owner = ? AND lookup > ? ORDER BY lookup LIMIT ?";

const OWNED_KEYS: &str = "SELECT lookup FROM `{table}` WHERE owner = ? AND lookup <> ? LIMIT ?";

// Compares the owner again, because another statement may have changed a row in the meantime.
const REVOKE: &str = "DELETE FROM `{table}` WHERE owner = ? AND lookup IN ({keys})";

// The first parameter is the `created_at` that all tombstones have. Every session has an earlier
// one, so the statement returns only sessions.
const SCAN: &str = "SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM `{table}` WHERE created_at < ? AND lookup > ? ORDER BY lookup LIMIT ?";

// The parameter is a prefix. The keys that have the prefix come before all other keys that the
// statement can return, so the first two rows show whether exactly one key has the prefix.
const FIND: &str = "SELECT lookup FROM `{table}` WHERE lookup >= ? ORDER BY lookup LIMIT 2";

const PING: &str = "SELECT 1 FROM `{table}` LIMIT 1";

/// The statements on the table of Cloakroom's own format.
pub(crate) struct Table {
    pub(crate) load: String,
    pub(crate) create: String,
    pub(crate) save: String,
    pub(crate) rename: String,
    pub(crate) touch: String,
    pub(crate) delete: String,
    pub(crate) sweep: Sweep,
    pub(crate) owned_by: String,
    pub(crate) owned_keys: String,
    pub(crate) revoke: String,
    pub(crate) scan: String,
    pub(crate) find: String,
    pub(crate) ping: String,
    max_size: usize,
}

impl Table {
    /// Inserts the table's name into the statements. The caller has checked the name; the
    /// statements quote it only because it may be an SQL keyword.
    pub(crate) fn new(name: &str, max_size: usize) -> Self {
        let fill = |template: &str| template.replace("{table}", name);
        Self {
            load: fill(LOAD),
            create: fill(CREATE),
            save: fill(SAVE),
            rename: fill(RENAME),
            touch: fill(TOUCH),
            delete: fill(DELETE),
            sweep: Sweep::new(name, [DUE, CLAIM, SWEEP], due_params),
            owned_by: fill(OWNED_BY),
            owned_keys: fill(OWNED_KEYS),
            revoke: fill(REVOKE).replace("{keys}", &keys_of_a_step()),
            scan: fill(SCAN),
            find: fill(FIND),
            ping: fill(PING),
            max_size,
        }
    }

    /// Returns the maximum size of an entry's data, in bytes.
    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Returns an error if a part of the draft does not fit into its column or into a packet.
    pub(crate) fn check(&self, key: &StoreKey, new: &Draft) -> Result<()> {
        let (store_key, data) = (key.as_bytes().len(), new.data.len());
        let owner = new
            .meta
            .owner
            .as_ref()
            .map_or(0, |owner| owner.as_str().len());
        let label = new
            .meta
            .label
            .as_ref()
            .map_or(0, |label| label.chars().count());
        if store_key > MAX_BYTES {
            return Err(too_large(
                "store key",
                store_key,
                &format!("bytes, but the limit is {MAX_BYTES}"),
            ));
        }
        if owner > MAX_BYTES {
            let limit =
                format!("bytes, but the limit is {MAX_BYTES}; identify users by something shorter");
            return Err(too_large("owner", owner, &limit));
        }
        if label > MAX_CHARS {
            let limit = format!("characters, but the limit is {MAX_CHARS}; shorten the label");
            return Err(too_large("label", label, &limit));
        }
        if data > self.max_size {
            let limit = format!(
                "bytes, but the server's max_allowed_packet leaves {}; raise this setting, or \
                 store large data in the site's tables and only its ids in the session",
                self.max_size
            );
            return Err(too_large("data", data, &limit));
        }
        Ok(())
    }
}

/// Returns the value of the column `version`, which is the save id. Returns `None` if `version`
/// contains no save id: this store issues no such versions.
pub(crate) fn version_value(version: &Version) -> Option<u64> {
    version.save_id().map(SaveId::get)
}

/// Returns the parameters for a draft that is written under `key`.
pub(crate) fn draft_params(key: &StoreKey, new: &Draft) -> Vec<Value> {
    let Draft {
        data,
        meta,
        save_id,
        ..
    } = new;
    let expires = millis(meta.expires);
    vec![
        Value::from(save_id.get()),
        Value::from(&data[..]),
        Value::from(millis(meta.created)),
        Value::from(millis(meta.touched)),
        Value::from(expires),
        Value::from(sweep_bucket(expires)),
        Value::from(meta.owner.as_ref().map(Owner::as_str)),
        Value::from(meta.label.as_deref()),
        key_value(key),
    ]
}

/// Returns the parameters for the columns that a touch writes.
pub(crate) fn touch_params(meta: &Meta) -> Vec<Value> {
    let expires = millis(meta.expires);
    [millis(meta.touched), expires, sweep_bucket(expires)]
        .map(Value::from)
        .into()
}

pub(crate) fn key_value(key: &StoreKey) -> Value {
    Value::from(key.as_bytes())
}

/// Returns the parameters for the next step of a sweep.
fn due_params(now: i64, after: &SweepPosition) -> Vec<Value> {
    vec![
        Value::from(sweep_bucket(now)),
        Value::from(after.order),
        Value::from(after.order),
        Value::from(&after.key[..]),
        Value::from(now),
    ]
}

pub(crate) fn entry(row: Row, doing: &'static str) -> Result<Entry> {
    let mut columns = Columns::of(row, doing);
    let meta = meta(&mut columns)?;
    let version = Version::from(SaveId::new(columns.next()?));
    let data = Bytes::from(columns.next::<Vec<u8>>()?);
    Ok(Entry::new(data, meta, version))
}

pub(crate) fn owned(row: Row, doing: &'static str) -> Result<OwnedEntry> {
    let mut columns = Columns::of(row, doing);
    let meta = meta(&mut columns)?;
    let key = StoreKey::new(&columns.next::<Vec<u8>>()?);
    Ok(OwnedEntry::new(key, meta))
}

pub(crate) fn store_key(row: Row, doing: &'static str) -> Result<StoreKey> {
    Ok(StoreKey::new(&Columns::of(row, doing).next::<Vec<u8>>()?))
}

/// Reads the first five columns of a row that `LOAD`, `OWNED_BY` or `SCAN` returned.
fn meta(columns: &mut Columns) -> Result<Meta> {
    Ok(Meta::new(
        from_millis(columns.next()?),
        from_millis(columns.next()?),
        from_millis(columns.next()?),
    )
    .with_owner(columns.next::<Option<String>>()?.map(Owner::from))
    .with_label(
        columns
            .next::<Option<String>>()?
            .map(String::into_boxed_str),
    ))
}

/// Returns the sweep bucket of an instant: its hour, counted from the Unix epoch.
fn sweep_bucket(millis: i64) -> i64 {
    millis.div_euclid(60 * 60 * 1_000)
}

/// The maximum length of the columns `lookup` and `owner`, in bytes.
const MAX_BYTES: usize = 255;

/// The maximum length of the column `label`, in characters.
const MAX_CHARS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::iter;

    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::unique_name;
    use mysql_async::Conn;
    use mysql_async::prelude::Queryable;

    use cloakroom::ErrorKind;

    use super::*;
    use crate::schema;
    use crate::sweep::padded_keys;

    #[test]
    fn a_draft_that_does_not_fit_is_refused_and_the_error_names_the_limit() {
        let table = Table::new("t", 10);
        let fits = sample();
        let at = StoreKey::new(&[b'x'; 255]);
        table.check(&at, &fits).unwrap();

        let (mut data, mut owner, mut label) = (sample(), sample(), sample());
        data.data = Bytes::from_static(&[0; 11]);
        owner.meta.owner = Some("é".repeat(128).into());
        label.meta.label = Some("é".repeat(1_001).into());
        let long = StoreKey::new(&[b'x'; 256]);
        for (at, draft, kind, words) in [
            (
                &long,
                &fits,
                ErrorKind::TooLarge,
                "its store key takes 256 bytes, but the limit is 255",
            ),
            (
                &at,
                &data,
                ErrorKind::TooLarge,
                "its data takes 11 bytes, but the server's max_allowed_packet leaves 10",
            ),
            (
                &at,
                &owner,
                ErrorKind::TooLarge,
                "its owner takes 256 bytes, but the limit is 255",
            ),
            (
                &at,
                &label,
                ErrorKind::TooLarge,
                "its label takes 1001 characters, but the limit is 1000",
            ),
        ] {
            let error = table.check(at, draft).unwrap_err();

            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn no_statement_reads_more_of_the_table_than_it_needs() {
        let Some(server) = mariadb() else { return };
        let name = unique_name();
        let mut db = Conn::from_url(server.url()).await.unwrap();
        db.query_drop(schema::create(&name)).await.unwrap();
        let rows: Vec<_> = (0..5_000)
            .map(|n| {
                format!(
                    "(UNHEX(SHA2('{n}', 256)), {n}, 0, 0, 0, {}, {n}, NULL, '')",
                    n / 50
                )
            })
            .collect();
        db.query_drop(format!("INSERT INTO {name} VALUES {}", rows.join(",")))
            .await
            .unwrap();
        db.query_drop(format!("ANALYZE TABLE {name}"))
            .await
            .unwrap();
        let table = Table::new(&name, 0);
        let one: Option<Vec<u8>> = db
            .query_first(format!("SELECT lookup FROM {name}"))
            .await
            .unwrap();
        let one = one.unwrap();

        let (at, keys) = (Value::from(&one[..]), padded_keys(&[one]));
        // The parameters of the statements that list rows: `selected`, an empty key, and the number
        // of rows.
        let list = |selected: Value| vec![selected, Value::from(&[][..]), 10.into()];
        let revoke = iter::once("42".into()).chain(keys.clone()).collect();
        let claim: Vec<_> = keys.iter().cloned().chain([Value::from(0)]).collect();
        for (statement, params, index) in [
            (&table.load, vec![at.clone()], "PRIMARY"),
            (
                &table.touch,
                touch_params(&sample().meta)
                    .into_iter()
                    .chain([at.clone(), 1.into()])
                    .collect(),
                "PRIMARY",
            ),
            (&table.sweep.claim, claim, "PRIMARY"),
            (&table.revoke, revoke, "PRIMARY"),
            (&table.sweep.delete, keys, "PRIMARY"),
            (&table.find, vec![at], "PRIMARY"),
            (&table.owned_by, list("42".into()), "owner"),
            (&table.owned_keys, list("42".into()), "owner"),
            (&table.scan, list(1.into()), "PRIMARY"),
            (
                &table.sweep.due,
                due_params(
                    3_600_000 * 50,
                    &SweepPosition {
                        order: 3,
                        key: vec![7],
                    },
                ),
                "sweep",
            ),
        ] {
            let plan: Vec<Row> = db
                .exec(format!("EXPLAIN {statement}"), params)
                .await
                .unwrap();
            assert_eq!(plan.len(), 1, "{statement}");
            let used: Option<String> = plan[0].get("key").unwrap();
            assert_eq!(used.as_deref(), Some(index), "{statement}");
            let extra: Option<String> = plan[0].get("Extra").unwrap();
            assert!(
                !extra.unwrap_or_default().contains("filesort"),
                "{statement}"
            );
        }
    }

    fn sample() -> Draft {
        Draft::new(
            Bytes::from_static(&[0; 10]),
            Meta::new(from_millis(0), from_millis(0), from_millis(0))
                .with_owner(Some("o".repeat(255).into()))
                .with_label(Some("é".repeat(1_000).into())),
            SaveId::new(u64::MAX),
        )
    }
}
