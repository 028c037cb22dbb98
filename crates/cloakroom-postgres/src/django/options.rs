use cloakroom::Result;

use super::schema::SCHEMA;
use super::store::DjangoTable;
use crate::options::Builder;

impl Builder<DjangoTable> {
    /// The SQL that makes the table and its indexes as Django's migrations do, for those who run
    /// their own.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the table's name is not one.
    pub fn schema(&self) -> Result<String> {
        self.sql(&SCHEMA)
    }

    /// Makes the first connection. The table need not be there yet: see [`DjangoTable::migrate`].
    ///
    /// It tries once. If the future is dropped, nothing has happened.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if an option is out of its range, the URL cannot be
    /// read, or the server knows no such user, password or database.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if it cannot be reached.
    pub async fn connect(self) -> Result<DjangoTable> {
        DjangoTable::open(self.checked()?).await
    }
}
