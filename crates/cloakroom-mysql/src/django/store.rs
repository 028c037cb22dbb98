use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, micros};
use cloakroom::{Result, StoreKey};
use mysql_async::{Row, Value};

use super::schema;
use super::table::{
    self, Table, instant_param, key_params, key_text, unsupported_key, version_text,
};
use crate::address::Address;
use crate::options::{Builder, Options};
use crate::pool::{Pool, Statement};
use crate::server;
use crate::sweep;

/// A store that reads and writes the table `django_session`, in which Django's session engines `db`
/// and `cached_db` keep sessions.
///
/// A Rust service and a Django site share the rows. With Django's format and the same secret key,
/// they also share logins. The store is compatible with Django 4.2, 5.2 and 6.0 if the site has
/// `USE_TZ = True` and its `DATABASES` setting contains no `TIME_ZONE`. With `USE_TZ = False`,
/// Django writes local times, which this store would read as UTC. The time zones of the server and
/// of its connections do not matter.
///
/// Clones share their connections, which are closed when the last clone is dropped.
///
/// # Guarantees
/// * **Compares**: no edit is lost between requests that save through this store. The table has no
///   version column, so the statement that saves the new data also checks that the stored data is
///   still the data that the request loaded. The statement compares the data byte by byte, whatever
///   the collation of the column is. This store never overwrites a change that Django saved after
///   the request loaded the session. Django's own saves do not compare the data: a Django request
///   may overwrite a change that this store saved while the Django request ran.
/// * **Saves of unchanged data** return `Written`, as in other stores. By default, MySQL counts
///   only the rows whose values an update changes, and the store would take a save that changes no
///   value for a stale one. So the store's connections make the server count every row that an
///   update finds.
/// * **Revokes**, **durable**, **shared**: as with [`MysqlStore`](crate::MysqlStore). The sessions
///   are also shared with Django.
/// * **No owners**: writing a draft with an owner returns
///   [`Unsupported`](cloakroom::ErrorKind::Unsupported). The only metadata in the table is the
///   expiry. A loaded entry has the Unix epoch as the time at which it was created and touched, and
///   has no label.
///
/// If the answer to a save is lost, a load shows whether the new data was written.
///
/// The store key of an entry is Django's session key itself, up to 40 ASCII characters. Loading
/// under any other store key returns `None`, and creating an entry under it returns `Unsupported`.
/// This store compares keys byte by byte, but Django compares them by the collation of the column.
/// With the usual collations, a cookie whose key differs from the stored key only in case or in
/// trailing spaces opens the session in Django, but not in this store.
///
/// The data must be ASCII; Django writes only ASCII. A save sends the old data and the new data in
/// one packet, so the maximum size of the data is about half of `max_allowed_packet`.
///
/// # When something fails
/// In addition to the cases of the [crate](crate):
/// * **Django's `migrate` has not been run**: every call returns
///   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the message advises running it.
/// * **Another program has written to the table**: loading an entry with an invalid date returns
///   [`Corrupt`](cloakroom::ErrorKind::Corrupt).
/// * **An attacker reads the table**: the attacker can use the keys in it to open the sessions,
///   because Django does not hash them.
///
/// # Cost
/// A sweep runs five statements for each 100 rows. All other calls take one statement and one round
/// trip each. The [crate documentation](crate#cost) describes when a call takes an additional round
/// trip. A save sends the old data as well as the new data. Like Django's `clearsessions`, a sweep
/// keeps a session that expires at exactly the time that is passed to the sweep.
///
/// # Schema
/// ```sql
/// CREATE TABLE `django_session` (
///     `session_key` varchar(40) NOT NULL PRIMARY KEY,
///     `session_data` longtext NOT NULL,
///     `expire_date` datetime(6) NOT NULL
/// );
/// CREATE INDEX `django_session_expire_date_a5c62663` ON `django_session` (`expire_date`);
/// ```
/// The store writes only these columns. A custom session model may have more.
///
/// # Examples
/// ```no_run
/// use cloakroom::StoreKey;
/// use cloakroom::store::{Store, Version};
/// use cloakroom_mysql::DjangoTable;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = DjangoTable::connect("mysql://site:s3cret@db.example/library").await?;
///
/// let key = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// if let Some(entry) = store.load(&key).await? {
///     assert!(entry.version == Version::from_bytes(entry.data));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoTable(Arc<Inner>);

struct Inner {
    pool: Pool,
    name: String,
    table: Table,
}

impl DjangoTable {
    /// Connects to Django's database at `url` with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = DjangoTable::connect(url).await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for Django's database at `url`, which has the same form as the URL of
    /// [`MysqlStore::builder`](crate::MysqlStore::builder).
    ///
    /// If the site has a custom session model, set the name of its [`table`](Builder::table).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_mysql::DjangoTable;
    ///
    /// let options = DjangoTable::builder("mysql://site:s3cret@db.example/library");
    /// assert_eq!(
    ///     format!("{options:?}"),
    ///     r#"Builder { table: "django_session", connections: 8, .. }"#,
    /// );
    /// ```
    pub fn builder(url: &str) -> Builder<Self> {
        Builder::new(url, "django_session")
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let address = Address::parse(&options.url)?;
        let pool = Pool::new(address, options.connections, NO_TABLE);
        let max_sent = server::max_size(&pool).await?;
        Ok(Self(Arc::new(Inner {
            pool,
            table: Table::new(&options.table, max_sent),
            name: options.table,
        })))
    }

    /// Creates the table and its index, as Django's migration does, if the table does not exist.
    ///
    /// Meant for a database that Django has not migrated yet. Run `manage.py migrate
    /// --fake-initial` afterwards, so that Django accepts the table as migrated.
    ///
    /// Any number of processes may call this method concurrently. If the future is dropped, the
    /// table is created completely or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the user may not create tables, or if the table
    /// exists but lacks Django's columns. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the
    /// server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = DjangoTable::connect(url).await?;
    /// store.migrate().await?;
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
    /// use cloakroom_mysql::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "mysql://site:s3cret@db.example/library";
    /// let store = DjangoTable::connect(url).await?;
    /// assert!(store.schema().starts_with("CREATE TABLE IF NOT EXISTS `django_session` ("));
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
    ) -> Result<Vec<Row>> {
        let statement = Statement {
            doing,
            sql,
            repeatable: true,
        };
        Ok(self.0.pool.run(statement, params).await?.rows)
    }

    /// Executes a statement that writes at most one row. If the statement writes a row, returns
    /// `Written` with the new version, which consists of `data`; otherwise returns `Stale`.
    async fn write(
        &self,
        doing: &'static str,
        sql: &str,
        data: &bytes::Bytes,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Outcome> {
        let statement = Statement {
            doing,
            sql,
            repeatable: false,
        };
        Ok(match self.0.pool.run(statement, params).await?.changed {
            0 => Outcome::Stale,
            _ => Outcome::Written(Version::from_bytes(data.clone())),
        })
    }
}

impl Store for DjangoTable {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .durable()
            .shared()
            .max_size(self.0.table.max_size())
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from Django's table in MySQL";
        let Some(key) = key_text(key) else {
            return Ok(None);
        };
        let params = || key_params(key).into();
        let rows = self.repeatable(doing, &self.0.table.load, params).await?;
        let entry = rows.into_iter().next().map(|row| table::entry(row, doing));
        entry.transpose()
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in Django's table in MySQL";
        let table = &self.0.table;
        let key = key_text(key).ok_or_else(|| unsupported_key(doing))?;
        table.check(new, doing)?;
        let params = || {
            let expires = instant_param(new.meta.expires);
            vec![Value::from(&new.data[..]), expires, Value::from(key)]
        };
        self.write(doing, &table.create, &new.data, params).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in MySQL";
        let table = &self.0.table;
        table.check(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let [key, bytes] = key_params(key);
            let expires = instant_param(new.meta.expires);
            vec![
                Value::from(&new.data[..]),
                expires,
                key,
                bytes,
                Value::from(seen),
            ]
        };
        self.write(doing, &table.save, &new.data, params).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from Django's table in MySQL";
        let Some(key) = key_text(key) else {
            return Ok(());
        };
        let params = || key_params(key).into();
        self.repeatable(doing, &self.0.table.delete, params).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's table in MySQL";
        let table = &self.0.table;
        let to = key_text(to).ok_or_else(|| unsupported_key(doing))?;
        table.check(new, doing)?;
        // An entry must not move to its own key, but MySQL would accept such a move.
        let from = key_text(from).filter(|from| *from != to);
        let (Some(from), Some(seen)) = (from, version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = vec![
                Value::from(&new.data[..]),
                instant_param(new.meta.expires),
                Value::from(to),
            ];
            params.extend(key_params(from));
            params.push(Value::from(seen));
            params
        };
        self.write(doing, &table.rename, &new.data, params).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in MySQL";
        let (Some(key), Some(text), Some(data)) =
            (key_text(key), version_text(seen), seen.as_bytes())
        else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let [key, bytes] = key_params(key);
            vec![instant_param(meta.expires), key, bytes, Value::from(text)]
        };
        self.write(doing, &self.0.table.touch, data, params).await
    }

    /// Deletes expired entries in small steps, so that no request waits for long. If the future is
    /// dropped, the completed steps stay in effect.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        sweep::sweep(&self.0.pool, &self.0.table.sweep, micros(now), limit).await
    }

    async fn ping(&self) -> Result<()> {
        let doing = "pinging Django's table in MySQL";
        self.repeatable(doing, &self.0.table.ping, Vec::new).await?;
        Ok(())
    }
}

impl fmt::Debug for DjangoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoTable")
            .field("address", self.0.pool.address())
            .field("table", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// The advice in the error message if the table does not exist.
const NO_TABLE: &str = "run `manage.py migrate` in the Django site, or call `DjangoTable::migrate`";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::unique_name;

    use super::*;
    use cloakroom::store::SaveId;

    #[tokio::test]
    async fn a_repeated_call_executes_one_statement_and_prepares_none() {
        let Some(server) = mariadb() else { return };
        let builder = DjangoTable::builder(server.url()).table(unique_name());
        let store = builder.connections(1).connect().await.unwrap();
        store.migrate().await.unwrap();
        call_everything(&store).await;
        let before = [statement_count(&store).await, prepare_count(&store).await];

        call_everything(&store).await;

        // The two additional statements read the counters.
        let after = [statement_count(&store).await, prepare_count(&store).await];
        assert_eq!(after, [before[0] + CALLS + 2, before[1]]);
    }

    /// Makes [`CALLS`] calls.
    async fn call_everything(store: &DjangoTable) {
        let (at, to) = (StoreKey::new(b"one"), StoreKey::new(b"other"));
        let (old, new) = (draft("old"), draft("new"));
        let version = |draft: &Draft| Version::from_bytes(draft.data.clone());
        for outcome in [
            store.create(&at, &old).await,
            store.save(&at, &version(&old), &new).await,
            store.touch(&at, &version(&new), &new.meta).await,
            store.rename(&at, &version(&new), &to, &old, None).await,
        ] {
            assert!(outcome.unwrap() != Outcome::Stale);
        }
        assert!(store.load(&to).await.unwrap().is_some());
        assert_eq!(store.sweep(UNIX_EPOCH, 10).await.unwrap(), 0);
        store.ping().await.unwrap();
        store.delete(&to).await.unwrap();
    }

    const CALLS: u64 = 8;

    fn draft(data: &'static str) -> Draft {
        Draft::new(
            data.into(),
            Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1)),
            SaveId::new(0),
        )
    }

    async fn statement_count(store: &DjangoTable) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Questions'").await
    }

    async fn prepare_count(store: &DjangoTable) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").await
    }

    async fn status(store: &DjangoTable, statement: &str) -> u64 {
        let mut rows = store
            .repeatable("reading the status", statement, Vec::new)
            .await
            .unwrap();
        mysql_async::from_row::<(String, u64)>(rows.remove(0)).1
    }
}
