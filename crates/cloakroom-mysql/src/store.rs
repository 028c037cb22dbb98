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
use crate::pool::{Ask, Pool};
use crate::schema;
use crate::server;
use crate::sweep;
use crate::table::{self, Table};

/// Sessions in a table of MySQL or MariaDB. See the [crate](crate) for what it guarantees and for its worst day.
///
/// Clones share the connections, which are closed when the last clone is dropped.
#[derive(Clone)]
pub struct MysqlStore(Arc<Inner>);

struct Inner {
    pool: Pool,
    name: String,
    table: Table,
}

impl MysqlStore {
    /// Connects to the database of the URL `mysql://USER:PASSWORD@HOST:PORT/DATABASE` with the default
    /// [options](Self::builder). It makes no table: [`migrate`](Self::migrate) does.
    ///
    /// The port is 3306 if there is none. `@ : / ? # %` in user and password are written `%40 %3A %2F %3F %23 %25`.
    /// Options follow as `?NAME=VALUE&…`:
    ///
    /// | option | |
    /// |---|---|
    /// | `socket=PATH` | a Unix socket, instead of host and port |
    /// | `ssl-mode=VERIFY_IDENTITY` | TLS with a server that has a certificate for this host (feature `tls`) |
    /// | `ssl-mode=DISABLED` | no TLS: the default |
    /// | `ssl-ca=PATH` | TLS; the certificates, PEM, that vouch for the server instead of the public authorities |
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the database at `url`, which is spelled as for [`connect`](Self::connect).
    pub fn builder(url: &str) -> Builder {
        Builder::new(url, "cloakroom_session")
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let pool = Pool::new(
            Address::parse(&options.url)?,
            options.connections,
            "call `migrate` or run the statement of `schema`",
        );
        let max_size = server::max_size(&pool).await?;
        Ok(Self(Arc::new(Inner {
            pool,
            table: Table::new(&options.table, max_size),
            name: options.table,
        })))
    }

    /// Makes the table if it is not there; several servers may do so at once.
    ///
    /// If the future is dropped, the table may have been made or not, but never half.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the user may not create tables, or there is a table of the name that
    /// is not ours or that a newer version has made. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the
    /// server cannot be reached.
    pub async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.0.pool, &self.0.name).await
    }

    /// The statement that [`migrate`](Self::migrate) executes, for those who run migrations of their own.
    pub fn schema(&self) -> String {
        schema::create(&self.0.name)
    }

    /// Asks for a statement that may be executed twice.
    async fn repeatable(
        &self,
        doing: &'static str,
        statement: &str,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Vec<mysql_async::Row>> {
        let ask = Ask {
            doing,
            statement,
            repeatable: true,
        };
        Ok(self.0.pool.ask(ask, params).await?.rows)
    }

    /// Asks for a statement that writes one row or none.
    async fn write(
        &self,
        doing: &'static str,
        statement: &str,
        version: &Version,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Outcome> {
        let ask = Ask {
            doing,
            statement,
            repeatable: false,
        };
        Ok(match self.0.pool.ask(ask, params).await?.changed {
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
        let params = || table::draft(key, new);
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
        let Some(seen) = table::number(seen) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = table::draft(key, new);
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
    ) -> Result<Outcome> {
        let table = &self.0.table;
        table.check(to, new)?;
        // An entry is in its own way, and MySQL would not say so.
        let Some(seen) = table::number(seen).filter(|_| from != to) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = table::draft(to, new);
            params.extend([table::key_value(from), Value::from(seen)]);
            params
        };
        self.write(
            "moving a session in MySQL",
            &table.rename,
            &new.version(),
            params,
        )
        .await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let Some(number) = table::number(seen) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = table::times(meta);
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

    /// In small steps, and other calls come in between. If the future is dropped, the steps that are done stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        sweep::sweep(&self.0.pool, &self.0.table.sweep, millis(now), limit).await
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing the sessions of an owner in MySQL";
        let params = || vec![Value::from(owner.as_str())];
        let rows = self
            .repeatable(doing, &self.0.table.owned_by, params)
            .await?;
        let owned = rows.into_iter().map(|row| table::owned(row, doing));
        Ok(Page::of(owned.collect::<Result<_>>()?, after, limit))
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
            .filter(|at| at.as_bytes().starts_with(prefix));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(Some(only)),
            _ => Ok(None),
        }
    }

    async fn ping(&self) -> Result<()> {
        self.repeatable(
            "asking MySQL whether it answers",
            &self.0.table.ping,
            Vec::new,
        )
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
    async fn once_prepared_each_call_is_one_round_trip() {
        let Some(server) = mariadb() else { return };
        let builder = MysqlStore::builder(server.url())
            .table(unique_name())
            .connections(1);
        let store = builder.connect().await.unwrap();
        store.migrate().await.unwrap();
        a_visit(&store, 1).await;
        let before = [questions(&store).await, prepared(&store).await];

        a_visit(&store, 2).await;

        // Of the questions two are the test's own.
        let after = [questions(&store).await, prepared(&store).await];
        assert_eq!(after, [before[0] + CALLS + 2, before[1]]);
    }

    async fn a_visit(store: &MysqlStore, n: u64) {
        let (at, to) = (store_key(n), store_key(100 + n));
        let new = draft(n);
        let _ = store.create(&at, &new).await.unwrap();
        let _ = store.load(&at).await.unwrap();
        let _ = store.save(&at, &new.version(), &new).await.unwrap();
        let _ = store.touch(&at, &new.version(), &new.meta).await.unwrap();
        let _ = store.rename(&at, &new.version(), &to, &new).await.unwrap();
        let _ = store
            .owned_by(&"nobody".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        let _ = store.find(&[7; 12]).await.unwrap();
        let _ = store.sweep(from_millis(0), 10).await.unwrap();
        store.ping().await.unwrap();
        store.delete(&to).await.unwrap();
    }

    const CALLS: u64 = 10;

    async fn questions(store: &MysqlStore) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Questions'").await
    }

    async fn prepared(store: &MysqlStore) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").await
    }

    async fn status(store: &MysqlStore, statement: &str) -> u64 {
        let mut rows = store
            .repeatable("asking", statement, Vec::new)
            .await
            .unwrap();
        mysql_async::from_row::<(String, u64)>(rows.remove(0)).1
    }
}
