use bytes::Bytes;
use cloakroom::store::{
    Cursor, Draft, Entry, Meta, OwnedEntry, Page, SaveId, Version, from_millis, millis,
};
use cloakroom::{Owner, StoreKey};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

const LOAD: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, version, data
    FROM "{table}" WHERE lookup = ?1"#;

const CREATE: &str = r#"INSERT INTO "{table}"
    (lookup, version, data, created_at, touched_at, expires_at, sweep_bucket, owner, label)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (lookup) DO NOTHING"#;

// Nearly every save leaves the owner and the sweep bucket (the hour of the expiry) unchanged. If a
// statement sets an indexed column, SQLite rewrites the index entry, even if the value stays the
// same. This statement sets no indexed column, so it writes one page; `SAVE` writes three.
const SAVE_IN_PLACE: &str = r#"UPDATE "{table}"
    SET version = ?2, data = ?3, created_at = ?4, touched_at = ?5, expires_at = ?6, label = ?9
    WHERE lookup = ?1 AND version = ?10 AND sweep_bucket = ?7 AND owner IS ?8"#;

const SAVE: &str = r#"UPDATE "{table}"
    SET version = ?2, data = ?3, created_at = ?4, touched_at = ?5, expires_at = ?6,
        sweep_bucket = ?7, owner = ?8, label = ?9
    WHERE lookup = ?1 AND version = ?10"#;

const RENAME: &str = r#"UPDATE "{table}"
    SET lookup = ?1, version = ?2, data = ?3, created_at = ?4, touched_at = ?5, expires_at = ?6,
        sweep_bucket = ?7, owner = ?8, label = ?9
    WHERE lookup = ?11 AND version = ?10
        AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE lookup = ?1)"#;

const TOUCH: &str = r#"UPDATE "{table}" SET touched_at = ?3, expires_at = ?4, sweep_bucket = ?5
    WHERE lookup = ?1 AND version = ?2"#;

const DELETE: &str = r#"DELETE FROM "{table}" WHERE lookup = ?1"#;

// Reads the rows whose hour of expiry has begun. Some rows of the current hour have not expired
// yet. A reader thread runs this statement, so that the writer thread wastes no time on such rows.
const DUE: &str = r#"SELECT sweep_bucket, rowid, expires_at FROM "{table}"
    WHERE sweep_bucket <= ?1 AND (sweep_bucket, rowid) > (?2, ?3)
    ORDER BY sweep_bucket, rowid LIMIT ?4"#;

// Compares `expires_at` again: after `DUE` ran, a save may have moved the expiry of a row, or the
// row may have been deleted and its rowid reused.
const SWEEP: &str = r#"DELETE FROM "{table}"
    WHERE rowid IN (SELECT value FROM json_each(?1)) AND expires_at <= ?2"#;

// `?2` is the last key of the previous page, or NULL.
const OWNED_BY: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM "{table}" WHERE owner = ?1 AND (?2 IS NULL OR lookup > ?2) ORDER BY lookup LIMIT ?3"#;

const OWNED_KEYS: &str = r#"SELECT lookup FROM "{table}"
    WHERE owner = ?1 AND lookup IS NOT ?2 LIMIT ?3"#;

// `?1` is the `created_at` that all tombstones have. Every session has an earlier one, so the
// statement returns only sessions.
const SCAN: &str = r#"SELECT created_at, touched_at, expires_at, owner, label, lookup
    FROM "{table}" WHERE created_at < ?1 AND (?2 IS NULL OR lookup > ?2) ORDER BY lookup LIMIT ?3"#;

// `?1` is a prefix. The keys that have the prefix come before all other keys that the statement can
// return, so the first two rows show whether exactly one key has the prefix.
const FIND: &str = r#"SELECT lookup FROM "{table}" WHERE lookup >= ?1 ORDER BY lookup LIMIT 2"#;

const PING: &str = r#"SELECT 1 FROM "{table}" LIMIT 1"#;

/// The statements on one session table, and the conversions of their parameters and rows.
///
/// The methods that write return the number of rows that they changed.
pub(crate) struct Table {
    load: String,
    create: String,
    save_in_place: String,
    save: String,
    rename: String,
    touch: String,
    delete: String,
    due: String,
    sweep: String,
    owned_by: String,
    owned_keys: String,
    scan: String,
    find: String,
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
            save_in_place: on(SAVE_IN_PLACE),
            save: on(SAVE),
            rename: on(RENAME),
            touch: on(TOUCH),
            delete: on(DELETE),
            due: on(DUE),
            sweep: on(SWEEP),
            owned_by: on(OWNED_BY),
            owned_keys: on(OWNED_KEYS),
            scan: on(SCAN),
            find: on(FIND),
            ping: on(PING),
        }
    }

    pub(crate) fn load(&self, db: &Connection, key: &StoreKey) -> rusqlite::Result<Option<Entry>> {
        let mut statement = db.prepare_cached(&self.load)?;
        let entry = |row: &Row<'_>| {
            Ok(Entry::new(
                Bytes::from(row.get::<_, Vec<u8>>(6)?),
                meta(row)?,
                Version::from(SaveId::new(row.get::<_, i64>(5)?.cast_unsigned())),
            ))
        };
        statement.query_row([key.as_bytes()], entry).optional()
    }

    pub(crate) fn create(
        &self,
        db: &Connection,
        key: &StoreKey,
        new: &Draft,
    ) -> rusqlite::Result<usize> {
        let columns = columns(key, new);
        db.prepare_cached(&self.create)?
            .execute(params_from_iter(columns))
    }

    pub(crate) fn save(
        &self,
        db: &Connection,
        key: &StoreKey,
        seen: &Version,
        new: &Draft,
    ) -> rusqlite::Result<usize> {
        let Some(seen) = version_number(seen) else {
            return Ok(0);
        };
        let columns = columns(key, new);
        let compared = [seen.into()];
        let params = || params_from_iter(columns.iter().chain(&compared));
        match db.prepare_cached(&self.save_in_place)?.execute(params())? {
            0 => db.prepare_cached(&self.save)?.execute(params()),
            changed => Ok(changed),
        }
    }

    pub(crate) fn rename(
        &self,
        db: &Connection,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> rusqlite::Result<usize> {
        let Some(seen) = version_number(seen) else {
            return Ok(0);
        };
        let compared = [seen.into(), from.as_bytes().into()];
        let params = params_from_iter(columns(to, new).into_iter().chain(compared));
        db.prepare_cached(&self.rename)?.execute(params)
    }

    pub(crate) fn touch(
        &self,
        db: &Connection,
        key: &StoreKey,
        seen: &Version,
        meta: &Meta,
    ) -> rusqlite::Result<usize> {
        let Some(seen) = version_number(seen) else {
            return Ok(0);
        };
        let expires = millis(meta.expires);
        let touched = millis(meta.touched);
        let params = params![
            key.as_bytes(),
            seen,
            touched,
            expires,
            sweep_bucket(expires)
        ];
        db.prepare_cached(&self.touch)?.execute(params)
    }

    pub(crate) fn delete(&self, db: &Connection, key: &StoreKey) -> rusqlite::Result<usize> {
        db.prepare_cached(&self.delete)?.execute([key.as_bytes()])
    }

    /// Reads up to `step` rows after the position `after`, in the order of the hours in which they
    /// expire, and returns those that have expired.
    pub(crate) fn due(
        &self,
        db: &Connection,
        now: i64,
        after: SweepPosition,
        step: usize,
    ) -> rusqlite::Result<Due> {
        let mut statement = db.prepare_cached(&self.due)?;
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let mut rows =
            statement.query(params![sweep_bucket(now), after.bucket, after.rowid, step])?;
        let mut due = Due::default();
        while let Some(row) = rows.next()? {
            let position = SweepPosition {
                bucket: row.get(0)?,
                rowid: row.get(1)?,
            };
            if row.get::<_, i64>(2)? <= now {
                due.expired.push(position.rowid);
            }
            due.last = Some(position);
        }
        Ok(due)
    }

    pub(crate) fn sweep(
        &self,
        db: &Connection,
        now: i64,
        rowids: &[i64],
    ) -> rusqlite::Result<usize> {
        // The `Debug` text of a list of numbers is JSON.
        db.prepare_cached(&self.sweep)?
            .execute(params![format!("{rowids:?}"), now])
    }

    pub(crate) fn owned_by(
        &self,
        db: &Connection,
        owner: &Owner,
        after: Option<&Cursor>,
        limit: usize,
    ) -> rusqlite::Result<Page> {
        page(db, &self.owned_by, &owner.as_str(), after, limit)
    }

    pub(crate) fn scan(
        &self,
        db: &Connection,
        after: Option<&Cursor>,
        limit: usize,
    ) -> rusqlite::Result<Page> {
        page(db, &self.scan, &Meta::TOMBSTONE_CREATED, after, limit)
    }

    /// Deletes up to `limit` rows of the owner, but not the row with the key `except`. Returns the
    /// keys of the deleted rows.
    pub(crate) fn revoke_owned(
        &self,
        db: &Connection,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> rusqlite::Result<Vec<StoreKey>> {
        let except = except.map(StoreKey::as_bytes);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let keys: Vec<StoreKey> = db
            .prepare_cached(&self.owned_keys)?
            .query_map(params![owner.as_str(), except, limit], |row| {
                store_key(row, 0)
            })?
            .collect::<rusqlite::Result<_>>()?;
        for key in &keys {
            self.delete(db, key)?;
        }
        Ok(keys)
    }

    pub(crate) fn find(
        &self,
        db: &Connection,
        prefix: &[u8],
    ) -> rusqlite::Result<Option<StoreKey>> {
        let mut statement = db.prepare_cached(&self.find)?;
        let found: Vec<StoreKey> = statement
            .query_map([prefix], |row| store_key(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut matches = found
            .into_iter()
            .filter(|store_key| store_key.as_bytes().starts_with(prefix));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(Some(only)),
            _ => Ok(None),
        }
    }

    pub(crate) fn ping(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(&self.ping)?;
        statement.query_row([], |_| Ok(())).optional().map(|_| ())
    }
}

/// Reads a page of a list. The statement has three parameters: `?1` is `selected`, `?2` is the last
/// key of the previous page, and `?3` is the number of rows.
fn page(
    db: &Connection,
    statement: &str,
    selected: &dyn ToSql,
    after: Option<&Cursor>,
    limit: usize,
) -> rusqlite::Result<Page> {
    let after = after.map(Cursor::as_bytes);
    // One more row shows whether another page follows.
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let owned = |row: &Row<'_>| Ok(OwnedEntry::new(store_key(row, 5)?, meta(row)?));
    let entries: Vec<OwnedEntry> = db
        .prepare_cached(statement)?
        .query_map(params![selected, after, rows], owned)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Page::up_to(limit, entries))
}

/// The position of a row in the order of a sweep. The default position precedes all rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweepPosition {
    bucket: i64,
    rowid: i64,
}

impl Default for SweepPosition {
    fn default() -> Self {
        Self {
            bucket: i64::MIN,
            rowid: i64::MIN,
        }
    }
}

/// The result of one step of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// The rowids of the expired rows.
    pub(crate) expired: Vec<i64>,
    /// The position after which the next step continues, or `None` if the step read no row.
    pub(crate) last: Option<SweepPosition>,
}

/// Reads the first five columns of a row of `LOAD`, `OWNED_BY` or `SCAN`.
fn meta(row: &Row<'_>) -> rusqlite::Result<Meta> {
    Ok(Meta::new(
        from_millis(row.get(0)?),
        from_millis(row.get(1)?),
        from_millis(row.get(2)?),
    )
    .with_owner(row.get::<_, Option<String>>(3)?.map(Owner::from))
    .with_label(row.get::<_, Option<Box<str>>>(4)?))
}

fn store_key(row: &Row<'_>, column: usize) -> rusqlite::Result<StoreKey> {
    Ok(StoreKey::new(row.get_ref(column)?.as_blob()?))
}

/// Returns the parameters `?1` to `?9` of the statements that write a draft.
fn columns<'a>(key: &'a StoreKey, new: &'a Draft) -> [ToSqlOutput<'a>; 9] {
    let Draft {
        data,
        meta,
        save_id,
        ..
    } = new;
    let text = |text: Option<&'a str>| ToSqlOutput::Borrowed(text.into());
    let expires = millis(meta.expires);
    [
        key.as_bytes().into(),
        save_id.get().cast_signed().into(),
        data[..].into(),
        millis(meta.created).into(),
        millis(meta.touched).into(),
        expires.into(),
        sweep_bucket(expires).into(),
        text(meta.owner.as_ref().map(Owner::as_str)),
        text(meta.label.as_deref()),
    ]
}

/// Returns the value of the column `version`: the 64 bits of the save id as a signed integer.
/// Returns `None` if `version` contains no save id: this store issues no such versions.
fn version_number(version: &Version) -> Option<i64> {
    version.save_id().map(SaveId::get).map(u64::cast_signed)
}

/// Returns the sweep bucket of an instant: its hour, counted from the Unix epoch.
///
/// The sweep uses an index on the hour of the expiry. An index on the exact time would have to be
/// updated with every use of a session.
fn sweep_bucket(millis: i64) -> i64 {
    millis.div_euclid(60 * 60 * 1_000)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use cloakroom::ErrorKind;

    use super::*;
    use crate::error::{Advice, Cause, failed};
    use crate::options::Options;
    use crate::schema;

    #[test]
    fn a_row_touched_after_the_sweep_found_it_is_not_deleted() {
        let (db, table) = opened();
        let mut draft = Draft::new(
            Bytes::new(),
            Meta::new(from_millis(0), from_millis(0), from_millis(1_000)),
            SaveId::new(u64::MAX),
        );
        for at in [b"used", b"dead"] {
            table.create(&db, &StoreKey::new(at), &draft).unwrap();
        }

        let due = table.due(&db, 1_000, SweepPosition::default(), 10).unwrap();
        draft.meta.expires = from_millis(1_001);
        table
            .touch(&db, &StoreKey::new(b"used"), &draft.version(), &draft.meta)
            .unwrap();

        assert_eq!(due.expired.len(), 2);
        assert_eq!(table.sweep(&db, 1_000, &due.expired).unwrap(), 1);
        assert!(table.load(&db, &StoreKey::new(b"used")).unwrap().is_some());
    }

    #[test]
    fn a_row_changed_by_another_program_is_corrupt_and_does_not_panic() {
        let (db, table) = opened();
        let row =
            "INSERT INTO cloakroom_session VALUES (x'00', 'one', 0, 0, 0, 0, NULL, NULL, 'text')";
        db.execute_batch(row).unwrap();

        let error = table.load(&db, &StoreKey::new(&[0])).unwrap_err();

        let advice = Advice {
            busy_timeout: Duration::ZERO,
            no_table: "",
        };
        let error = failed("testing", advice, Cause::of(error));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn every_statement_uses_an_index() {
        let (db, table) = opened();
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

        let by_lookup = "USING INDEX sqlite_autoindex_cloakroom_session_1 (lookup=?)";
        for statement in [
            &table.load,
            &table.save_in_place,
            &table.save,
            &table.rename,
            &table.touch,
            &table.delete,
        ] {
            assert!(
                plan(statement).starts_with(&format!("SEARCH cloakroom_session {by_lookup}")),
                "{}",
                plan(statement)
            );
        }
        assert!(plan(&table.owned_by).contains("USING INDEX cloakroom_session_owner (owner=?)"));
        assert!(
            plan(&table.find).contains("(lookup>?)"),
            "{}",
            plan(&table.find)
        );
        assert!(
            plan(&table.due).contains("USING INDEX cloakroom_session_sweep ("),
            "{}",
            plan(&table.due)
        );
        assert!(
            !plan(&table.due).contains("TEMP B-TREE"),
            "{}",
            plan(&table.due)
        );
        assert!(
            plan(&table.sweep).contains("USING INTEGER PRIMARY KEY (rowid=?)"),
            "{}",
            plan(&table.sweep)
        );
    }

    fn opened() -> (Connection, Table) {
        let options = Options::new(Path::new(""), "cloakroom_session");
        let db = Connection::open_in_memory().unwrap();
        schema::prepare(&db, &options).unwrap();
        (db, Table::new(&options.table))
    }
}
