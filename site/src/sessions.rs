//! Where the sessions are kept, and the cookie that leads to them.

use cloakroom::{Cookie, Sessions, Shelf};
use cloakroom_sqlite::SqliteStore;

use crate::{
    Config, StartError,
    config::{BaseUrl, SessionsIn},
    secret::SecretKey,
};

/// The sessions that the settings ask for.
pub(crate) async fn open(
    config: &Config,
    base_url: &BaseUrl,
    secret_key: &SecretKey,
) -> Result<Sessions, StartError> {
    let shelf = match &config.sessions {
        SessionsIn::Db => SqliteStore::open(config.database_url.path()).map(Shelf::from),
        SessionsIn::Elsewhere(url) => url.open(Some(secret_key.expose().as_bytes())).await,
    };
    let sessions =
        shelf.and_then(|shelf| Sessions::builder(shelf).cookie(cookie(base_url)).build());
    sessions.map_err(|error| {
        StartError::new(
            "opening the sessions",
            format_args!("{error:#}"),
            "--sessions says where they are kept; without it, in the database file",
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
