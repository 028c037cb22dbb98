//! The session storage and the session cookie.

use std::time::Duration;

use cloakroom::{Backend, Cookie, Sessions};
use cloakroom_django::Settings;
use cloakroom_sqlite::{DjangoTable, SqliteStore};

use crate::{
    Config, StartError,
    config::{BaseUrl, SecretKey, SessionStorage},
    secret,
};

/// Opens the session storage that the settings name.
pub(crate) async fn open(
    config: &Config,
    base_url: &BaseUrl,
    secret_key: &SecretKey,
) -> Result<Sessions, StartError> {
    let sessions = build(config, base_url, secret_key).await;
    sessions.map_err(|error| {
        StartError::new(
            "opening the sessions",
            format_args!("{error:#}"),
            "check --sessions; by default, sessions are stored in the database file",
        )
    })
}

async fn build(
    config: &Config,
    base_url: &BaseUrl,
    secret_key: &SecretKey,
) -> cloakroom::Result<Sessions> {
    let database = config.database_url.path();
    let own = |backend: Backend| {
        Sessions::builder(backend)
            .cookie(cookie(base_url))
            .unconfirmed_age(UNCONFIRMED_AGE)
            .build()
    };
    let django = Settings::new(secret_key.expose())?
        .session_cookie_secure(base_url.is_https())
        .removal_as_set(true);
    let django = secret::with_fallbacks(config, django, Settings::secret_key_fallback);
    match &config.sessions {
        SessionStorage::Db => own(SqliteStore::open(database)?.into()),
        SessionStorage::DjangoDb => {
            let table = DjangoTable::open(database)?;
            django.sessions(django.db(table)).build()
        }
        SessionStorage::Elsewhere(url) if url.is_django() => {
            django.sessions(url.engine(&django).await?).build()
        }
        SessionStorage::Elsewhere(url) => {
            own(url.open(Some(secret_key.expose().as_bytes())).await?)
        }
    }
}

/// A client that drops its cookie gets a new session with each visit of the home page. Such
/// sessions are deleted after a day instead of two weeks.
const UNCONFIRMED_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the session cookie. Over https its name has the prefix `__Host-`, so no other host can
/// set it. Over plain http, where browsers refuse the prefix, it has Django's name `sessionid`.
fn cookie(base_url: &BaseUrl) -> Cookie {
    let cookie = Cookie::new("__Host-sessionid");
    match base_url.is_https() {
        true => cookie,
        false => cookie.plain_http(),
    }
}
