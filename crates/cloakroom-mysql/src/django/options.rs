use cloakroom::Result;

use super::store::DjangoTable;
use crate::options::Builder;

impl Builder<DjangoTable> {
    /// Connects, and reads the server's version and its maximum packet size.
    ///
    /// The table need not exist yet: see [`DjangoTable::migrate`]. Dropping the future changes
    /// nothing in the database.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the URL is not valid, an option is out of range,
    /// the server's certificate is not accepted, the server refuses the login, or the server is
    /// older than MySQL 8.0 or MariaDB 10.6.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = DjangoTable::builder("mysql://site:s3cret@db.example/library");
    /// let store = options.table("staff_session").connections(16).connect().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<DjangoTable> {
        DjangoTable::open(self.checked()?).await
    }
}
