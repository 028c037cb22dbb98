use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, micros};
use cloakroom::{Result, StoreKey};
use mysql_async::{Row, Value};

use super::schema;
use super::table::{self, Table, instant, key_text, unfit};
use crate::address::Address;
use crate::options::{Builder, Options};
use crate::pool::{Ask, Pool};
use crate::server;
use crate::sweep;

/// The sessions of a Django in its own table `django_session`, as its engines `db` and `cached_db` have them.
///
/// A service and a Django site share the rows, and with the same secret key, through Django's format, the logins. It
/// reads and writes what Django 4.2, 5.2 and 6.0 do, with `USE_TZ = True` and no `TIME_ZONE` of the database's own; a
/// site with `USE_TZ = False` writes local times, which would be taken for UTC. The time zones of the server and of its
/// connections do not matter.
///
/// Clones share the connections, which are closed when the last clone is dropped.
///
/// # Guarantees
/// * **Compares**: the table has no version, so a save compares the old text itself, byte by byte whatever the column's
///   collation, in the statement that writes the new one; no edit is lost between those who save through this store.
///   Django's own saves do not compare: what Django saves is never overwritten by a stale save from here, but Django may
///   write over what was saved here in the middle of one of its requests. A save of what is there already is a save.
/// * **Revokes**, **durable**, **shared**: as a [`MysqlStore`](crate::MysqlStore), and with Django.
/// * No owners: a draft that has one is [`Unsupported`](cloakroom::ErrorKind::Unsupported). Of a session's facts the table
///   keeps only when it expires; the others are 1970 or nothing when it is loaded.
///
/// If the answer of a save is lost, a load tells whether the new text is there.
///
/// The lookup of an entry is the session key itself, ASCII of up to 40 characters. There is nothing at any other, and
/// creating an entry there is `Unsupported`. Keys are compared byte by byte as well. That differs from Django: with the
/// usual collations, a cookie in which small letters are capitals, or blanks follow, opens the session there, and here it
/// does not. The data must be ASCII, as everything is that Django writes there, and up to half of what fits into
/// `max_allowed_packet`.
///
/// # Its worst day
/// That of the [crate](crate), and beside it:
/// * **Django's `migrate` has not been run**: every call is [`Unavailable`](cloakroom::ErrorKind::Unavailable) and says
///   so.
/// * **Something else has written to the table**: a date that is none is [`Corrupt`](cloakroom::ErrorKind::Corrupt).
/// * **The table is read**: its keys open the sessions, since Django keeps no hashes of them.
///
/// # What it costs
/// Each call is one statement and one round trip, as in the [crate](crate); a sweep is five for each 100 rows. A save
/// sends the old text beside the new one. A sweep leaves what expires at this very microsecond, as Django's
/// `clearsessions` does.
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
/// Only these columns are written; a site's own model may have more.
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
/// let at = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// if let Some(entry) = store.load(&at).await? {
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
    /// Connects to Django's database, which the URL names as for [`MysqlStore::connect`](crate::MysqlStore::connect),
    /// with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the database at `url`. A site whose model of sessions is its own names its
    /// [`table`](Builder::table).
    pub fn builder(url: &str) -> Builder<Self> {
        Builder::new(url, "django_session")
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let address = Address::parse(&options.url)?;
        let pool = Pool::new(address, options.connections, NO_TABLE);
        let packet = server::max_size(&pool).await?;
        Ok(Self(Arc::new(Inner {
            pool,
            table: Table::new(&options.table, packet),
            name: options.table,
        })))
    }

    /// Makes the table and its index as Django's migrations do, if the table is not there: for a site that has no Django
    /// yet. Tell Django of it with `manage.py migrate --fake-initial`.
    ///
    /// Several servers may do so at once. If the future is dropped, the table may have been made or not, but never half.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the user may not create tables, or there is a table of the name
    /// without Django's columns. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached.
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
    ) -> Result<Vec<Row>> {
        let ask = Ask {
            doing,
            statement,
            repeatable: true,
        };
        Ok(self.0.pool.ask(ask, params).await?.rows)
    }

    /// Asks for a statement that writes one row or none, which has this text then.
    async fn write(
        &self,
        doing: &'static str,
        statement: &str,
        text: &bytes::Bytes,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Outcome> {
        let ask = Ask {
            doing,
            statement,
            repeatable: false,
        };
        Ok(match self.0.pool.ask(ask, params).await?.changed {
            0 => Outcome::Stale,
            _ => Outcome::Written(Version::from_bytes(text.clone())),
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
        let params = || table::at(key).into();
        let rows = self.repeatable(doing, &self.0.table.load, params).await?;
        let entry = rows.into_iter().next().map(|row| table::entry(row, doing));
        entry.transpose()
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in Django's table in MySQL";
        let table = &self.0.table;
        let key = key_text(key).ok_or_else(|| unfit(doing))?;
        table.check(new, doing)?;
        let params = || {
            let expires = instant(new.meta.expires);
            vec![Value::from(&new.data[..]), expires, Value::from(key)]
        };
        self.write(doing, &table.create, &new.data, params).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in MySQL";
        let table = &self.0.table;
        table.check(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), table::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let [key, bytes] = table::at(key);
            let expires = instant(new.meta.expires);
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
        let params = || table::at(key).into();
        self.repeatable(doing, &self.0.table.delete, params).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's table in MySQL";
        let table = &self.0.table;
        let to = key_text(to).ok_or_else(|| unfit(doing))?;
        table.check(new, doing)?;
        // An entry is in its own way, and MySQL would not say so.
        let from = key_text(from).filter(|from| *from != to);
        let (Some(from), Some(seen)) = (from, table::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let mut params = vec![
                Value::from(&new.data[..]),
                instant(new.meta.expires),
                Value::from(to),
            ];
            params.extend(table::at(from));
            params.push(Value::from(seen));
            params
        };
        self.write(doing, &table.rename, &new.data, params).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in MySQL";
        let (Some(key), Some(text), Some(data)) =
            (key_text(key), table::seen(seen), seen.as_bytes())
        else {
            return Ok(Outcome::Stale);
        };
        let params = || {
            let [key, bytes] = table::at(key);
            vec![instant(meta.expires), key, bytes, Value::from(text)]
        };
        self.write(doing, &self.0.table.touch, data, params).await
    }

    /// In small steps, and other calls come in between. If the future is dropped, the steps that are done stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        sweep::sweep(&self.0.pool, &self.0.table.sweep, micros(now), limit).await
    }

    async fn ping(&self) -> Result<()> {
        let doing = "asking MySQL whether it has Django's table";
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

const NO_TABLE: &str = "run `manage.py migrate` of the Django site, or call `migrate`";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use cloakroom_harness::servers::mariadb;
    use cloakroom_testkit::unique_name;

    use super::*;
    use cloakroom::store::SaveId;

    #[tokio::test]
    async fn once_prepared_each_call_is_one_round_trip() {
        let Some(server) = mariadb() else { return };
        let builder = DjangoTable::builder(server.url()).table(unique_name());
        let store = builder.connections(1).connect().await.unwrap();
        store.migrate().await.unwrap();
        a_visit(&store).await;
        let before = [questions(&store).await, prepared(&store).await];

        a_visit(&store).await;

        // Of the questions two are the test's own.
        let after = [questions(&store).await, prepared(&store).await];
        assert_eq!(after, [before[0] + CALLS + 2, before[1]]);
    }

    async fn a_visit(store: &DjangoTable) {
        let (at, to) = (StoreKey::new(b"one"), StoreKey::new(b"other"));
        let (old, new) = (draft("old"), draft("new"));
        let version = |draft: &Draft| Version::from_bytes(draft.data.clone());
        for outcome in [
            store.create(&at, &old).await,
            store.save(&at, &version(&old), &new).await,
            store.touch(&at, &version(&new), &new.meta).await,
            store.rename(&at, &version(&new), &to, &old).await,
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

    async fn questions(store: &DjangoTable) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Questions'").await
    }

    async fn prepared(store: &DjangoTable) -> u64 {
        status(store, "SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").await
    }

    async fn status(store: &DjangoTable, statement: &str) -> u64 {
        let mut rows = store
            .repeatable("asking", statement, Vec::new)
            .await
            .unwrap();
        mysql_async::from_row::<(String, u64)>(rows.remove(0)).1
    }
}
