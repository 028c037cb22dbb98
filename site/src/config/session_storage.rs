use std::str::FromStr;

use cloakroom_any::StoreUrl;

/// The place where sessions are stored.
///
/// ```
/// use locallibrary::config::SessionStorage;
///
/// assert!(matches!("db".parse(), Ok(SessionStorage::Db)));
/// assert!(matches!("memory:".parse(), Ok(SessionStorage::Elsewhere(_))));
/// ```
#[derive(Clone, Debug)]
pub enum SessionStorage {
    /// The database file of the site.
    Db,
    /// Django's session table in the database file of the site.
    DjangoDb,
    /// Another store.
    Elsewhere(StoreUrl),
}

impl FromStr for SessionStorage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "db" => Ok(Self::Db),
            "django+db" => Ok(Self::DjangoDb),
            url => match url.parse() {
                Ok(url) => Ok(Self::Elsewhere(url)),
                Err(error) => Err(format!(
                    "{error}; other values are db (the site's database file) and django+db \
                     (Django's session table in that file)"
                )),
            },
        }
    }
}
