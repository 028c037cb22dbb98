use cloakroom::Result;
use mysql_async::{Row, Value};

use crate::columns::Columns;
use crate::error::Remedy;
use crate::pool::{Answer, Ask, Held, MOST_TRIES, Pool};

/// The statements with which a table is swept, and what goes into the first of them.
pub(crate) struct Sweep {
    /// Reads which rows are dead, in an order; locks nothing.
    pub(crate) due: String,
    /// Locks those of them that are still dead.
    pub(crate) claim: String,
    /// Deletes what was claimed.
    pub(crate) delete: String,
    /// What goes into `due`: the time now, and the position behind which to look.
    look: fn(i64, &SweepPosition) -> Vec<Value>,
}

impl Sweep {
    /// In the statements `{table}` stands for the name of the table, `{step}` for the number of rows of a step, and
    /// `{keys}` for as many keys.
    pub(crate) fn new(
        table: &str,
        [due, claim, delete]: [&str; 3],
        look: fn(i64, &SweepPosition) -> Vec<Value>,
    ) -> Self {
        let keys = ["?"; SWEEP_STEP].join(", ");
        let on = |statement: &str| {
            statement
                .replace("{table}", table)
                .replace("{keys}", &keys)
                .replace("{step}", &SWEEP_STEP.to_string())
        };
        Self {
            due: on(due),
            claim: on(claim),
            delete: on(delete),
            look,
        }
    }
}

/// Where a row lies in the order in which a sweep takes them. The default is before all of them.
#[derive(Clone, Debug)]
pub(crate) struct SweepPosition {
    pub(crate) order: i64,
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

/// Deletes up to `limit` rows that expired before or at `now`, in small steps; says how many.
///
/// If the future is dropped, the steps that are done stay done, and the one that was begun is undone.
pub(crate) async fn sweep(pool: &Pool, sweep: &Sweep, now: i64, limit: usize) -> Result<usize> {
    let mut swept = 0;
    let mut after = SweepPosition::default();
    // Ends with the last row at the latest: each step goes on behind the one before.
    while swept < limit {
        let mut found = look(pool, sweep, now, &after).await?;
        let is_last = found.len() < SWEEP_STEP;
        let Some(last) = found.last().cloned() else {
            break;
        };
        after = last;

        found.truncate(limit - swept);
        let found: Vec<_> = found.into_iter().map(|position| position.key).collect();
        swept += delete(pool, sweep, now, &found).await?;
        if is_last {
            break;
        }
    }
    Ok(swept)
}

async fn look(
    pool: &Pool,
    sweep: &Sweep,
    now: i64,
    after: &SweepPosition,
) -> Result<Vec<SweepPosition>> {
    let ask = Ask {
        doing: LOOKING,
        statement: &sweep.due,
        repeatable: true,
    };
    let answer = pool.ask(ask, || (sweep.look)(now, after)).await?;
    answer.rows.into_iter().map(position).collect()
}

/// Deletes those of `found` that are still dead and that nobody else has locked.
async fn delete(pool: &Pool, sweep: &Sweep, now: i64, found: &[Vec<u8>]) -> Result<usize> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut db = pool.take(SWEEPING).await?;
        let cause = match transaction(&mut db, sweep, now, found, tries).await {
            Ok(deleted) => {
                db.put_back();
                return Ok(usize::try_from(deleted).unwrap_or(usize::MAX));
            }
            Err(cause) => cause,
        };
        let remedy = Remedy::of(&cause);
        // Undone before the next try, which would else pass over the very rows that this one has locked. If that fails,
        // the connection is closed, and the server undoes the transaction when it notices.
        if remedy == Remedy::Again && db.command("ROLLBACK").await.is_ok() {
            db.put_back();
        } else {
            drop(db);
        }
        if matches!(remedy, Remedy::Reconnect | Remedy::Elsewhere) {
            pool.distrust();
        }
        if remedy != Remedy::Again || tries == MOST_TRIES {
            return Err(pool.refused(SWEEPING, cause));
        }
    }
}

async fn transaction(
    db: &mut Held<'_>,
    sweep: &Sweep,
    now: i64,
    found: &[Vec<u8>],
    tries: usize,
) -> mysql_async::Result<u64> {
    db.command("START TRANSACTION").await?;
    let mut params = keys(found);
    params.push(Value::from(now));
    let Answer { rows, .. } = db.execute(&sweep.claim, params).await?;
    let claimed: Vec<_> = rows
        .into_iter()
        .filter_map(|row| Columns::of(row, SWEEPING).next().ok())
        .collect();
    // A table that is small beside them may be read from end to end for many keys, and that waits for what others have
    // locked; no statement can forbid it. For one key it is not.
    let at_once = if tries == 1 { SWEEP_STEP } else { 1 };
    let mut deleted = 0;
    for claimed in claimed.chunks(at_once) {
        deleted += db.execute(&sweep.delete, keys(claimed)).await?.changed;
    }
    db.command("COMMIT").await?;
    Ok(deleted)
}

/// As many keys as a step of the sweep has room for; the last one stands in the places that are left over.
pub(crate) fn keys(found: &[Vec<u8>]) -> Vec<Value> {
    let last = found.last().into_iter().cycle();
    let padded = found.iter().chain(last).take(SWEEP_STEP);
    padded.map(|key| Value::from(&key[..])).collect()
}

fn position(row: Row) -> Result<SweepPosition> {
    let mut columns = Columns::of(row, LOOKING);
    Ok(SweepPosition {
        order: columns.next()?,
        key: columns.next()?,
    })
}

/// How many rows a sweep deletes in one transaction: a visitor whose dead session is among them waits for no more.
const SWEEP_STEP: usize = 100;

const LOOKING: &str = "looking for expired sessions in MySQL";

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
    fn a_short_step_of_the_sweep_names_its_last_key_again() {
        let some = [b"a".to_vec(), b"b".to_vec()];

        let keys = keys(&some);

        assert_eq!(keys.len(), SWEEP_STEP);
        assert_eq!(keys[..2], [Value::from("a"), Value::from("b")]);
        assert!(keys[2..].iter().all(|key| *key == Value::from("b")));
    }

    #[tokio::test]
    async fn what_was_used_since_it_was_found_is_not_swept() {
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

        let found = look(&pool, &sweep, 1_000, &SweepPosition::default())
            .await
            .unwrap();
        draft.meta.expires = from_millis(1_001);
        let _ = store
            .touch(&store_key(0), &draft.version(), &draft.meta)
            .await
            .unwrap();
        let found: Vec<_> = found.into_iter().map(|position| position.key).collect();

        assert_eq!(found.len(), 2);
        assert_eq!(delete(&pool, &sweep, 1_000, &found).await.unwrap(), 1);
        assert!(store.load(&store_key(0)).await.unwrap().is_some());
    }
}
