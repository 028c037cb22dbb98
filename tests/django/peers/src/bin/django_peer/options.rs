//! The options of the command line and of the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A service that shares its sessions with a Django.
#[derive(Parser)]
pub(crate) struct Options {
    /// The address to listen on. Port 0 takes a free port, which is printed.
    #[arg(long, default_value = "127.0.0.1:8001")]
    pub(crate) bind: SocketAddr,
    /// The engine: the last part of Django's `SESSION_ENGINE`.
    #[arg(long, env = "SESSION_ENGINE", default_value = "db")]
    pub(crate) engine: Engine,
    /// The database of the users and of the engines db and cached_db: `sqlite:////PATH`,
    /// `postgres://…` or `mysql://…`.
    #[arg(long, env = "DB_URL", hide_env_values = true)]
    pub(crate) db_url: String,
    /// The cache of the engines cache and cached_db: `redis://…` or `memcached://…`.
    #[arg(long, env = "CACHE_URL", hide_env_values = true)]
    pub(crate) cache_url: Option<String>,
    /// Django's `KEY_PREFIX`.
    #[arg(long, env = "CACHE_KEY_PREFIX", default_value = "")]
    pub(crate) cache_key_prefix: String,
    /// Django's `VERSION` of a cache.
    #[arg(long, env = "CACHE_VERSION", default_value_t = 1)]
    pub(crate) cache_version: u32,
    /// The folder of the engine file.
    #[arg(long, env = "SESSION_FILE_PATH")]
    pub(crate) file_path: Option<PathBuf>,
    /// Django's `SECRET_KEY`.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true)]
    pub(crate) secret_key: String,
    /// Django's `SECRET_KEY_FALLBACKS`, a list in JSON.
    #[arg(
        long,
        env = "SECRET_KEY_FALLBACKS",
        hide_env_values = true,
        default_value = "[]"
    )]
    pub(crate) secret_key_fallbacks: Json<Vec<String>>,
    /// Django's settings for sessions and the session cookie, an object in JSON.
    #[arg(long, env = "SETTINGS_JSON", default_value = "{}")]
    pub(crate) settings: Json<Overrides>,
}

/// Django's five session engines.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Engine {
    #[value(alias = "django.contrib.sessions.backends.db")]
    Db,
    #[value(alias = "django.contrib.sessions.backends.cache")]
    Cache,
    #[value(alias = "django.contrib.sessions.backends.cached_db")]
    CachedDb,
    #[value(alias = "django.contrib.sessions.backends.file")]
    File,
    #[value(alias = "django.contrib.sessions.backends.signed_cookies")]
    SignedCookies,
}

/// The settings that differ from Django's defaults, under Django's names.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct Overrides {
    pub(crate) session_cookie_name: Option<String>,
    pub(crate) session_cookie_age: Option<u64>,
    pub(crate) session_cookie_domain: Option<String>,
    pub(crate) session_cookie_path: Option<String>,
    pub(crate) session_cookie_secure: Option<bool>,
    pub(crate) session_cookie_httponly: Option<bool>,
    pub(crate) session_cookie_samesite: Option<TextOrFalse>,
    pub(crate) session_save_every_request: bool,
    pub(crate) session_expire_at_browser_close: bool,
    /// Settings that have no effect here.
    #[serde(flatten)]
    pub(crate) others: BTreeMap<String, IgnoredAny>,
}

impl Overrides {
    pub(crate) fn cookie_age(&self) -> Duration {
        self.session_cookie_age
            .map_or(TWO_WEEKS, Duration::from_secs)
    }
}

/// A text, or `false` for Django's "not set".
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum TextOrFalse {
    Text(String),
    #[allow(dead_code, reason = "serde needs a field to deserialize it")]
    False(bool),
}

/// A value in JSON.
#[derive(Clone)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: for<'de> Deserialize<'de>> FromStr for Json<T> {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self)
    }
}

/// Django's default for `SESSION_COOKIE_AGE`.
const TWO_WEEKS: Duration = Duration::from_secs(1_209_600);
