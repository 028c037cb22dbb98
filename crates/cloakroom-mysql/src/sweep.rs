use cloakroom::Result;
use mysql_async::{Row, Value};

use crate::columns::Columns;
use crate::error::Failure;
use crate::pool::{Answer, MAX_TRIES, Pool, PooledConnection, Statement};

/// The statements that sweep a table.
pub(crate) struct Sweep {
    /// Reads the positions of the next expired rows, in the order of the sweep. Locks nothing.
    pub(crate) due: String,
    /// Locks the found rows that are still expired and that no other transaction has locked.
    /// Returns the keys of the rows that it locked.
    pub(crate) claim: String,
    /// Deletes the locked rows.
    pub(crate) delete: String,
    /// Returns the parameters of `due` for the current time and the position after which to start.
    due_params: fn(i64, &SweepPosition) -> Vec<Value>,
}

impl Sweep {
    /// Fills in the templates of the statements: `{table}` becomes the name of the table, `{step}`
    /// the number of rows per step, and `{keys}` one placeholder for each row of a step.
    pub(crate) fn new(
        table: &str,
        [due, claim, delete]: [&str; 3],
        due_params: fn(i64, &SweepPosition) -> Vec<Value>,
    ) -> Self {
        let keys = keys_of_a_step();
        let fill = |template: &str| {
            template
                .replace("{table}", table)
                .replace("{keys}", &keys)
                .replace("{step}", &SWEEP_STEP.to_string())
        };
        Self {
            due: fill(due),
            claim: fill(claim),
            delete: fill(delete),
            due_params,
        }
    }
}

/// The position of a row in the order of a sweep. The default position precedes all rows.
#[derive(Clone, Debug)]
pub(crate) struct SweepPosition {
    /// The value by which a sweep orders the rows: the sweep bucket or, in Django's table, the
    /// expiry.
    pub(crate) order: i64,
    /// The key of the row, which orders rows with the same `order`.
    pub(crate) key: Vec<u8>,
}

impl Default for SweepPosition {
    fn default() -> Self {
        Self {
            order: i64::MIN,
            key: Vec::new(),
        }
    }
}

/// Deletes up to `limit` expired rows in small steps, and returns the number of deleted rows.
///
/// If the future is dropped, the completed steps stay in effect, and the current one is rolled
/// back.
pub(crate) async fn sweep(pool: &Pool, sweep: &Sweep, now: i64, limit: usize) -> Result<usize> {
    let mut swept = 0;
    let mut after = SweepPosition::default();
    // Terminates: each step starts after the last row of the previous step.
    while swept < limit {
        let mut found = find_due(pool, sweep, now, &after).await?;
        let is_last = found.len() < SWEEP_STEP;
        let Some(last) = found.last().cloned() else {
            break;
        };
        after = last;

        found.truncate(limit - swept);
        let found: Vec<_> = found.into_iter().map(|position| position.key).collect();
        swept += delete_expired(pool, sweep, now, &found).await?;
        if is_last {
            break;
        }
    }
    Ok(swept)
}

/// Returns the positions of the next expired rows after `after`, for at most one step.
async fn find_due(
    pool: &Pool,
    sweep: &Sweep,
    now: i64,
    after: &SweepPosition,
) -> Result<Vec<SweepPosition>> {
    let statement = Statement {
        doing: FINDING,
        sql: &sweep.due,
        repeatable: true,
    };
    let params = || (sweep.due_params)(now, after);
    let answer = pool.run(statement, params).await?;
    answer.rows.into_iter().map(position).collect()
}

/// Deletes the rows in `found` that are still expired and that no other transaction has locked.
async fn delete_expired(pool: &Pool, sweep: &Sweep, now: i64, found: &[Vec<u8>]) -> Result<usize> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut db = pool.acquire(SWEEPING).await?;
        let cause = match try_delete(&mut db, sweep, now, found, tries).await {
            Ok(deleted) => {
                db.release();
                return Ok(usize::try_from(deleted).unwrap_or(usize::MAX));
            }
            Err(cause) => cause,
        };
        let failure = Failure::of(&cause);
        // Without a rollback, the next try would skip the rows that this try has locked.
        pool.end_transaction(db, failure).await;
        if failure != Failure::RolledBack || tries == MAX_TRIES {
            return Err(pool.refused(SWEEPING, cause));
        }
    }
}

/// Locks and deletes the rows in one transaction. Returns the number of deleted rows.
async fn try_delete(
    db: &mut PooledConnection<'_>,
    sweep: &Sweep,
    now: i64,
    found: &[Vec<u8>],
    tries: usize,
) -> mysql_async::Result<u64> {
    db.command("START TRANSACTION").await?;
    let mut params = padded_keys(found);
    params.push(Value::from(now));
    let Answer { rows, .. } = db.execute(&sweep.claim, params).await?;
    let claimed: Vec<_> = rows
        .into_iter()
        .filter_map(|row| Columns::of(row, SWEEPING).next().ok())
        .collect();
    // If a statement has many keys and the table is small, the server may scan the whole table. The
    // scan waits for rows that other transactions have locked, and no hint prevents the scan. So
    // after a failed try, delete the rows one by one: a statement with one key never scans.
    let rows_per_statement = if tries == 1 { SWEEP_STEP } else { 1 };
    let mut deleted = 0;
    for claimed in claimed.chunks(rows_per_statement) {
        let answer = db.execute(&sweep.delete, padded_keys(claimed)).await?;
        deleted += answer.changed;
    }
    db.command("COMMIT").await?;
    Ok(deleted)
}

/// Returns what replaces `{keys}` in a statement: one placeholder for each row of a step.
pub(crate) fn keys_of_a_step() -> String {
    ["?"; SWEEP_STEP].join(", ")
}

/// Returns the parameters for `{keys}`: the keys `found`, with the last key repeated until every
/// placeholder has a value. So steps of all sizes share one prepared statement.
pub(crate) fn padded_keys(found: &[Vec<u8>]) -> Vec<Value> {
    let last = found.last().into_iter().cycle();
    let padded = found.iter().chain(last).take(SWEEP_STEP);
    padded.map(|key| Value::from(&key[..])).collect()
}

fn position(row: Row) -> Result<SweepPosition> {
    let mut columns = Columns::of(row, FINDING);
    Ok(SweepPosition {
        order: columns.next()?,
        key: columns.next()?,
    })
}

/// The maximum number of rows that a sweep deletes in one transaction. A request whose expired
/// session is among these rows waits for at most one such transaction.
pub(crate) const SWEEP_STEP: usize = 100;

const FINDING: &str = "finding expired sessions in MySQL";

const SWEEPING: &str = "sweeping expired sessions from MySQL";

#[cfg(test)]
mod tests {
    use cloakroom::store::{Draft, Meta, Store, from_millis};
    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::conformance::store_key;
    use cloakroom_testkit::unique_name;

    use super::*;
    use crate::address::Address;
    use crate::store::MysqlStore;
    use crate::table::Table;
    use cloakroom::store::SaveId;

    #[test]
    fn a_short_step_repeats_its_last_key() {
        let found = [b"a".to_vec(), b"b".to_vec()];

        let keys = padded_keys(&found);

        assert_eq!(keys.len(), SWEEP_STEP);
        assert_eq!(keys[..2], [Value::from("a"), Value::from("b")]);
        assert!(keys[2..].iter().all(|key| *key == Value::from("b")));
    }

    #[tokio::test]
    async fn a_session_touched_after_the_sweep_found_it_is_not_deleted() {
        let Some(server) = mariadb() else { return };
        let name = unique_name();
        let store = MysqlStore::builder(server.url())
            .table(&name)
            .connect()
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let mut draft = Draft::new(
            Vec::new().into(),
            Meta::new(from_millis(0), from_millis(0), from_millis(1_000)),
            SaveId::new(u64::MAX),
        );
        for n in 0..2 {
            let _ = store.create(&store_key(n), &draft).await.unwrap();
        }
        let pool = Pool::new(Address::parse(server.url()).unwrap(), 1, "");
        let sweep = Table::new(&name, 0).sweep;

        let found = find_due(&pool, &sweep, 1_000, &SweepPosition::default())
            .await
            .unwrap();
        draft.meta.expires = from_millis(1_001);
        let _ = store
            .touch(&store_key(0), &draft.version(), &draft.meta)
            .await
            .unwrap();
        let found: Vec<_> = found.into_iter().map(|position| position.key).collect();

        assert_eq!(found.len(), 2);
        let deleted = delete_expired(&pool, &sweep, 1_000, &found).await;
        assert_eq!(deleted.unwrap(), 1);
        assert!(store.load(&store_key(0)).await.unwrap().is_some());
    }
}
