use std::str::FromStr;

use cloakroom_any::StoreUrl;

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub enum SessionStorage {
    /// In the site's own database file.
    Db,
    /// There, too, in the table in which a Django on the same file has its own.
    DjangoDb,
    /// Somewhere else.
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
                    "{error}; or db, the site's own database file, or django+db, Django's table there"
                )),
            },
        }
    }
}
