//! Where the sessions are kept, and the cookie that leads to them.

use cloakroom::{Cookie, Sessions};
use cloakroom_sqlite::SqliteStore;

use crate::{
    Config, StartError,
    config::{BaseUrl, SessionsIn},
};

/// The sessions that the settings ask for.
pub(crate) fn open(config: &Config, base_url: &BaseUrl) -> Result<Sessions, StartError> {
    let store = match config.sessions {
        SessionsIn::Db => SqliteStore::open(config.database_url.path()),
    };
    let sessions =
        store.and_then(|store| Sessions::builder(store).cookie(cookie(base_url)).build());
    sessions.map_err(|error| {
        StartError::new(
            "opening the sessions",
            format_args!("{error:#}"),
            "they are kept in the database file: name another one with --database-url, or mend this one",
        )
    })
}

/// Over https nobody else can set the cookie; over plain http it is as Django's, and works in every browser and tool.
fn cookie(base_url: &BaseUrl) -> Cookie {
    let cookie = Cookie::new("__Host-sessionid");
    match base_url.is_https() {
        true => cookie,
        false => cookie.plain_http(),
    }
}
