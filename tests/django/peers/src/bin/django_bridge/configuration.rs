//! Django's settings as `tests/django/bridge` sends them, and the sessions that they configure.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom::{Clock, Result, Sessions};
use cloakroom_any::StoreUrl;
use cloakroom_django::Settings;
use serde::Deserialize;

use crate::line::PythonException;

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct Configuration {
    pub(crate) secret_key: String,
    pub(crate) secret_key_fallbacks: Vec<String>,
    pub(crate) session_cookie_name: String,
    session_cookie_age: u64,
    session_expire_at_browser_close: bool,
    session_save_every_request: bool,
    session_cache_alias: String,
    session_file_path: Option<PathBuf>,
    caches: HashMap<String, Cache>,
    database: Database,
}

#[derive(Deserialize)]
struct Cache {
    backend: String,
    location: String,
    key_prefix: String,
    version: u32,
}

#[derive(Deserialize)]
struct Database {
    vendor: String,
    name: String,
    user: String,
    password: String,
    host: String,
    port: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    Db,
    Cache,
    CachedDb,
    File,
    SignedCookies,
}

impl Configuration {
    pub(crate) async fn open(
        &self,
        engine: Engine,
        clock: impl Clock,
    ) -> Result<Sessions, PythonException> {
        let url: StoreUrl = self.url(engine)?.parse()?;
        let settings = self.settings()?;
        let sessions = settings.sessions(url.engine(&settings).await?);
        Ok(sessions.clock(clock).build()?)
    }

    pub(crate) fn file_path(&self) -> PathBuf {
        let path = self.session_file_path.clone();
        path.unwrap_or_else(std::env::temp_dir)
    }

    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::new(&self.secret_key)?
            .session_cookie_name(&self.session_cookie_name)
            // One of Django's tests has sessions with an age of zero, which `build` refuses.
            .session_cookie_age(Duration::from_secs(self.session_cookie_age.max(1)))
            .session_expire_at_browser_close(self.session_expire_at_browser_close)
            .session_save_every_request(self.session_save_every_request);
        for secret_key in &self.secret_key_fallbacks {
            settings = settings.secret_key_fallback(secret_key);
        }
        Ok(settings)
    }

    fn url(&self, engine: Engine) -> Result<String, PythonException> {
        Ok(match engine {
            Engine::Db => self.database.url(),
            Engine::Cache => self.cache()?,
            Engine::CachedDb => {
                let cache = self.cache()?.replace('&', "%26");
                format!("{}?cache={cache}", self.database.url())
            }
            Engine::File => format!("django+file:{}", self.file_path().display()),
            Engine::SignedCookies => "django+cookie:".to_owned(),
        })
    }

    fn cache(&self) -> Result<String, PythonException> {
        let alias = &self.session_cache_alias;
        let refused = |why: &str| {
            let message = format!("the cache `{alias}` {why}");
            PythonException::new("InvalidCacheBackendError", message)
        };
        let cache = self
            .caches
            .get(alias)
            .ok_or_else(|| refused("is not configured"))?;
        match &*cache.backend {
            "redis" | "memcached" => Ok(format!(
                "django+{}?prefix={}&version={}",
                cache.location, cache.key_prefix, cache.version
            )),
            _ => Err(refused("is neither Redis nor memcached")),
        }
    }
}

impl Database {
    fn url(&self) -> String {
        let Self {
            vendor,
            name,
            user,
            password,
            host,
            port,
        } = self;
        match &**vendor {
            "sqlite" => format!("django+sqlite://{name}"),
            "postgresql" => format!("django+postgres://{user}:{password}@{host}:{port}/{name}"),
            _ => format!("django+{vendor}://{user}:{password}@{host}:{port}/{name}"),
        }
    }
}
