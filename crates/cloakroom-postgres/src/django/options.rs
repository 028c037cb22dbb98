use cloakroom::Result;

use super::schema::SCHEMA;
use super::store::DjangoTable;
use crate::options::Builder;

impl Builder<DjangoTable> {
    /// Returns the SQL that creates Django's table and its indexes, for sites that run their own
    /// migrations. Django's migration creates the same table and indexes.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the table's name is not valid.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// let sql = DjangoTable::builder("postgres://localhost/library").schema()?;
    /// assert!(sql.starts_with(r#"CREATE TABLE IF NOT EXISTS "django_session" ("#));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn schema(&self) -> Result<String> {
        self.sql(&SCHEMA)
    }

    /// Opens the first connection. If the attempt fails, does not try again.
    ///
    /// The table need not exist yet: see [`DjangoTable::migrate`]. Dropping the future changes
    /// nothing in the database.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if an option is out of range, the URL cannot be
    /// parsed, the server's certificate is not accepted, or the server does not accept the user,
    /// the password or the database.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = DjangoTable::builder("postgres://library:s3cret@localhost/library");
    /// let store = options.table("staff_session").connections(8).connect().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<DjangoTable> {
        DjangoTable::open(self.checked()?).await
    }
}
