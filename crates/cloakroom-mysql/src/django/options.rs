use cloakroom::Result;

use super::store::DjangoTable;
use crate::options::Builder;

impl Builder<DjangoTable> {
    /// Connects, and finds out what the server is. The table need not be there yet: see
    /// [`DjangoTable::migrate`].
    ///
    /// If the future is dropped, nothing has happened.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the URL or an option is not right, the server
    /// refuses the login, or it is older than MySQL 8.0 and MariaDB 10.6.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if it cannot be reached.
    pub async fn connect(self) -> Result<DjangoTable> {
        DjangoTable::open(self.checked()?).await
    }
}
