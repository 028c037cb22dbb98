use cloakroom::Result;
use mysql_async::Value;

use crate::error::{Remedy, refused};
use crate::pool::{Answer, Ask, Held, MOST_TRIES, Pool};
use crate::table::{Place, SWEEP_STEP, Table, bytes, due, keys, place};

/// Deletes up to `limit` rows that expired before or at `now`, in small steps; says how many.
///
/// If the future is dropped, the steps that are done stay done, and the one that was begun is undone.
pub(crate) async fn sweep(pool: &Pool, table: &Table, now: i64, limit: usize) -> Result<usize> {
    let mut swept = 0;
    let mut after = Place::default();
    // Ends with the last row at the latest: each step goes on behind the one before.
    while swept < limit {
        let mut found = look(pool, table, now, &after).await?;
        let is_last = found.len() < SWEEP_STEP;
        let Some(last) = found.last().cloned() else {
            break;
        };
        after = last;

        found.truncate(limit - swept);
        let found: Vec<_> = found.into_iter().map(|place| place.lookup).collect();
        swept += delete(pool, table, now, &found).await?;
        if is_last {
            break;
        }
    }
    Ok(swept)
}

async fn look(pool: &Pool, table: &Table, now: i64, after: &Place) -> Result<Vec<Place>> {
    let ask = Ask {
        doing: LOOKING,
        statement: &table.due,
        repeatable: true,
    };
    let answer = pool.ask(ask, || due(now, after)).await?;
    answer
        .rows
        .into_iter()
        .map(|row| place(row, LOOKING))
        .collect()
}

/// Deletes those of `found` that are still dead and that nobody else has locked.
async fn delete(pool: &Pool, table: &Table, now: i64, found: &[Vec<u8>]) -> Result<usize> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut db = pool.take(SWEEPING).await?;
        let cause = match transaction(&mut db, table, now, found).await {
            Ok(deleted) => {
                db.put_back();
                return Ok(usize::try_from(deleted).unwrap_or(usize::MAX));
            }
            Err(cause) => cause,
        };
        // The connection is closed, and that undoes the transaction.
        drop(db);
        let remedy = Remedy::of(&cause);
        if remedy == Remedy::Reconnect {
            pool.distrust();
        }
        if remedy != Remedy::Again || tries == MOST_TRIES {
            return Err(refused(SWEEPING, cause));
        }
    }
}

async fn transaction(
    db: &mut Held<'_>,
    table: &Table,
    now: i64,
    found: &[Vec<u8>],
) -> mysql_async::Result<u64> {
    db.command("START TRANSACTION").await?;
    let mut params = keys(found);
    params.push(Value::from(now));
    let Answer { rows, .. } = db.execute(&table.claim, params).await?;
    let claimed: Vec<_> = rows
        .into_iter()
        .filter_map(|row| bytes(row, SWEEPING).ok())
        .collect();
    let deleted = match claimed.is_empty() {
        true => 0,
        false => db.execute(&table.sweep, keys(&claimed)).await?.changed,
    };
    db.command("COMMIT").await?;
    Ok(deleted)
}

const LOOKING: &str = "looking for expired sessions in MySQL";

const SWEEPING: &str = "sweeping expired sessions from MySQL";

#[cfg(test)]
mod tests {
    use cloakroom::store::{Draft, Meta, Store, Version, from_millis};
    use cloakroom_testkit::conformance::lookup;
    use cloakroom_testkit::servers::{mariadb, unique_name};

    use super::*;
    use crate::MysqlStore;
    use crate::address::Address;

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
        let mut draft = Draft {
            data: Vec::new().into(),
            meta: Meta {
                created: from_millis(0),
                touched: from_millis(0),
                expires: from_millis(1_000),
                owner: None,
                label: None,
            },
            version: Version::from_u64(u64::MAX),
        };
        for n in 0..2 {
            let _ = store.create(&lookup(n), &draft).await.unwrap();
        }
        let pool = Pool::new(Address::parse(server.url()).unwrap(), 1);
        let table = Table::new(&name, 0);

        let found = look(&pool, &table, 1_000, &Place::default()).await.unwrap();
        draft.meta.expires = from_millis(1_001);
        let _ = store
            .touch(&lookup(0), &draft.version, &draft.meta)
            .await
            .unwrap();
        let found: Vec<_> = found.into_iter().map(|place| place.lookup).collect();

        assert_eq!(found.len(), 2);
        assert_eq!(delete(&pool, &table, 1_000, &found).await.unwrap(), 1);
        assert!(store.load(&lookup(0)).await.unwrap().is_some());
    }
}
