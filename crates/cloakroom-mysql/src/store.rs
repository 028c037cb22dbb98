use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version, millis,
};
use cloakroom::{Owner, Result, StoreKey};
use mysql_async::Value;

use crate::address::Address;
use crate::options::{Builder, Options};
use crate::pool::{Pool, Statement};
use crate::schema;
use crate::server;
use crate::sweep::{self, SWEEP_STEP, padded_keys};
use crate::table::{self, Table};

/// A store that keeps sessions in a table of a MySQL or MariaDB database.
///
/// The [crate documentation](crate) lists the store's guarantees and cost, and describes what
/// happens when the server fails.
///
/// Clones share their connections, which are closed when the last clone is dropped.
///
/// If the future of a call is dropped, the statement of the call may already have been sent. Then
/// the server executes the statement completely or not at all, and the store closes the connection.
#[derive(Clone)]
pub struct MysqlStore(Arc<Inner>);

struct Inner {
    pool: Pool,
    name: String,
    table: Table,
}

impl MysqlStore {
    /// Connects to the database that `url` names, with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = MysqlStore::connect(url).await?;
    /// store.migrate().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for the database at
    /// `mysql://user:password@host:port/database?parameter=value`.
    ///
    /// Percent-encode `@`, `:`, `/`, `?`, `#` and `%` in the user and the password. The [crate
    /// documentation](crate#url) lists the parameters of the URL with their defaults.
    /// [`Builder::connect`] checks the URL.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// let options = MysqlStore::builder("mysql://site:s3cret@db.example/library");
    /// assert_eq!(
    ///     format!("{options:?}"),
    ///     r#"Builder { table: "cloakroom_session", connections: 8, .. }"#,
    /// );
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url, "cloakroom_session")
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let pool = Pool::new(
            Address::parse(&options.url)?,
            options.connections,
            "call `migrate`, or run the statement that `schema` returns",
        );
        let max_size = server::max_size(&pool).await?;
        Ok(Self(Arc::new(Inner {
            pool,
            table: Table::new(&options.table, max_size),
            name: options.table,
        })))
    }

    /// Creates the table if it does not exist.
    ///
    /// Any number of processes may call this method concurrently, each time they start. If the
    /// future is dropped, the table is created completely or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the user may not create tables, or if the table
    /// exists and was created by another program or by a newer version of this crate.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = MysqlStore::connect(url).await?;
    /// store.migrate().await?;
    /// // A ping reads the table, so it fails while the table is missing.
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.0.pool, &self.0.name).await
    }

    /// Returns the statement that [`migrate`](Self::migrate) executes, for sites that run their own
    /// migrations.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = MysqlStore::connect(url).await?;
    /// assert!(store.schema().starts_with("CREATE TABLE IF NOT EXISTS `cloakroom_session` ("));
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(&self) -> String {
        schema::create(&self.0.name)
    }

    /// Executes a statement that may safely be executed twice, and returns its rows.
    async fn repeatable(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Vec<mysql_async::Row>> {
        let statement = Statement {
            doing,
            sql,
            repeatable: true,
        };
        Ok(self.0.pool.run(statement, params).await?.rows)
    }

    /// Reads one page of a list. The statement has three parameters: `selected`, the last key of
    /// the previous page, and the number of rows. For a list of an owner's sessions, `selected` is
    /// the owner. For a list of all sessions, `selected` is [`Meta::TOMBSTONE_CREATED`], the
    /// `created` time of every tombstone, and the statement leaves out the rows with this time.
    async fn page(
        &self,
        doing: &'static str,
        sql: &str,
        selected: impl Into<Value> + Copy,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page> {
        let params = || {
            vec![
                selected.into(),
                Value::from(after.map_or(&[][..], Cursor::as_bytes)),
                // One more row shows whether another page follows.
                Value::from((limit as u64).saturating_add(1)),
            ]
        };
        let rows = self.repeatable(doing, sql, params).await?;
        let owned = rows.into_iter().map(|row| table::owned(row, doing));
        Ok(Page::up_to(limit, owned.collect::<Result<_>>()?))
    }

    /// Executes a statement that writes at most one row. If the statement writes a row, returns
    /// `Written` with `version`; otherwise returns `Stale`.
    async fn write(
        &self,
        doing: &'static str,
        sql: &str,
        version: &Version,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Outcome> {
        let statement = Statement {
            doing,
            sql,
            repeatable: false,
        };
        Ok(match self.0.pool.run(statement, params).await?.changed {
            0 => Outcome::Stale,
            _ => Outcome::Written(version.clone()),
        })
    }
}

impl Store for MysqlStore {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .durable()
            .shared()
            .owners()
            .tombstones()
            .scans()
            .max_size(self.0.table.max_size())
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from MySQL";
        let rows = self
            .repeatable(doing, &self.0.table.load, || vec![table::key_value(key)])
            .await?;
        rows.into_iter()
            .next()
            .map(|row| table::entry(row, doing))
            .transpose()
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let table = &self.0.table;
        table.check(key, new)?;
        let params = || table::draft_params(key, new);
        self.write(
            "creating a session in MySQL",
            &table.create,
            &new.version(),
            params,
        )
        .await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let table = &self.0.table;
        table.check(key, new)?;
        let Some(seen) = table::version_value(seen) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = table::draft_params(key, new);
            params.push(Value::from(seen));
            params
        };
        self.write(
            "saving a session in MySQL",
            &table.save,
            &new.version(),
            params,
        )
        .await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from MySQL";
        self.repeatable(doing, &self.0.table.delete, || vec![table::key_value(key)])
            .await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let table = &self.0.table;
        table.check(to, new)?;
        // An entry must not move to its own key, but MySQL would accept such a move.
        let Some(seen) = table::version_value(seen).filter(|_| from != to) else {
            return Ok(Outcome::Stale);
        };
        let doing = "moving a session in MySQL";
        let params = || {
            let mut params = table::draft_params(to, new);
            params.extend([table::key_value(from), Value::from(seen)]);
            params
        };
        let Some(tombstone) = tombstone else {
            return self
                .write(doing, &table.rename, &new.version(), params)
                .await;
        };
        let rename = (&*table.rename, params());
        let leave = (&*table.create, table::draft_params(from, tombstone));
        Ok(match self.0.pool.run_both(doing, rename, leave).await? {
            0 => Outcome::Stale,
            _ => Outcome::Written(new.version()),
        })
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let Some(number) = table::version_value(seen) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = table::touch_params(meta);
            params.extend([table::key_value(key), Value::from(number)]);
            params
        };
        self.write(
            "touching a session in MySQL",
            &self.0.table.touch,
            seen,
            params,
        )
        .await
    }

    /// Deletes expired entries in small steps, so that no request waits for long. If the future is
    /// dropped, the completed steps stay in effect.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        sweep::sweep(&self.0.pool, &self.0.table.sweep, millis(now), limit).await
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing the sessions of an owner in MySQL";
        self.page(doing, &self.0.table.owned_by, owner.as_str(), after, limit)
            .await
    }

    /// Deletes the entries in steps of up to 100 rows, so that no request waits for long. The
    /// result may contain the key of an entry that gets another owner at the same moment.
    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let doing = "ending the sessions of an owner in MySQL";
        let table = &self.0.table;
        let params = || {
            let except = except.map_or(&[][..], StoreKey::as_bytes);
            vec![
                Value::from(owner.as_str()),
                Value::from(except),
                Value::from(limit as u64),
            ]
        };
        let rows = self.repeatable(doing, &table.owned_keys, params).await?;
        let keys = rows.into_iter().map(|row| table::store_key(row, doing));
        let keys: Vec<_> = keys.collect::<Result<_>>()?;
        let mut deleted = 0;
        for step in keys.chunks(SWEEP_STEP) {
            let step: Vec<_> = step.iter().map(|key| key.as_bytes().to_vec()).collect();
            let params = || {
                let mut params = vec![Value::from(owner.as_str())];
                params.extend(padded_keys(&step));
                params
            };
            match self.repeatable(doing, &table.revoke, params).await {
                Ok(_) => deleted += step.len(),
                Err(error) if deleted == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(keys.into_iter().take(deleted).collect())
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing all sessions in MySQL";
        let tombstones = Meta::TOMBSTONE_CREATED;
        self.page(doing, &self.0.table.scan, tombstones, after, limit)
            .await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let doing = "finding a session in MySQL";
        let rows = self
            .repeatable(doing, &self.0.table.find, || vec![Value::from(prefix)])
            .await?;
        let found = rows.into_iter().map(|row| table::store_key(row, doing));
        let found: Vec<_> = found.collect::<Result<_>>()?;
        let mut matches = found
            .into_iter()
            .filter(|key| key.as_bytes().starts_with(prefix));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(Some(only)),
            _ => Ok(None),
        }
    }

    async fn ping(&self) -> Result<()> {
        self.repeatable("pinging MySQL", &self.0.table.ping, Vec::new)
            .await?;
        Ok(())
    }
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore")
            .field("address", self.0.pool.address())
            .field("table", &self.0.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;
    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::conformance::{draft, store_key};
    use cloakroom_testkit::unique_name;

    use super::*;

    #[tokio::test]
    async fn a_repeated_call_executes_one_statement_and_prepares_none() {
        let Some(server) = mariadb() else { return };
        let builder = MysqlStore::builder(server.url())
            .table(unique_name())
            .connections(1);
        let store = builder.connect().await.unwrap();
        store.migrate().await.unwrap();
        call_everything(&store, 1).await;
        let before = [statement_count(&store).await, prepare_count(&store).await];

        call_everything(&store, 2).await;

        // The two additional statements read the counters.
        let after = [statement_count(&store).await, prepare_count(&store).await];
        assert_eq!(after, [before[0] + CALLS + 2, before[1]]);
    }

    /// Makes [`CALLS`] calls.
    async fn call_everything(store: &MysqlStore, n: u64) {
        let (at, to) = (store_key(n), store_key(100 + n));
        let new = draft(n);
        let _ = store.create(&at, &new).await.unwrap();
        let _ = store.load(&at).await.unwrap();
        let _ = store.save(&at, &new.version(), &new).await.unwrap();
        let _ = store.touch(&at, &new.version(), &new.meta).await.unwrap();
        let _ = store
            .rename(&at, &new.version(), &to, &new, None)
            .await
            .unwrap();
        let _ = store
            .owned_by(&"unknown".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        let _ = store.find(&[7; 12]).await.unwrap();
        let _ = store.sweep(from_millis(0), 10).await.unwrap();
        store.ping().await.unwrap();
        store.delete(&to).await.unwrap();
    }

    const CALLS: u64 = 10;

    async fn statement_count(store: &MysqlStore) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Questions'").await
    }

    async fn prepare_count(store: &MysqlStore) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").await
    }

    async fn status(store: &MysqlStore, statement: &str) -> u64 {
        let mut rows = store
            .repeatable("reading the status", statement, Vec::new)
            .await
            .unwrap();
        mysql_async::from_row::<(String, u64)>(rows.remove(0)).1
    }
}
