use cloakroom::store::{AnyStore, MemoryStore};
use cloakroom::{Backend, CachedBackend, Result};
use cloakroom_django::Settings;

use crate::StoreUrl;
use crate::error::refused;
use crate::kind::{DjangoKind, StoreKind};
use crate::scheme::PREFIX;

impl StoreUrl {
    /// Opens the session store of a Django site, and returns it as one of Django's session engines.
    /// The URL determines the engine. Pass the engine to
    /// [`Settings::sessions`](cloakroom_django::Settings::sessions).
    ///
    /// `settings` are the session settings of the site. This method does not create the session
    /// table; run Django's `migrate` for that.
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if the URL does not begin with `django+`, or if
    ///   the store rejects a parameter of the URL.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server does not answer.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_any::StoreUrl;
    /// use cloakroom_django::Settings;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_secure(true);
    /// let url: StoreUrl = "django+cookie:".parse()?;
    /// let sessions = settings.sessions(url.engine(&settings).await?).build()?;
    ///
    /// let url: StoreUrl = "memory:".parse()?;
    /// assert!(url.engine(&settings).await.is_err(), "not a store of a Django site");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn engine(&self, settings: &Settings) -> Result<Backend> {
        match self.kind {
            StoreKind::Django(kind) => open(kind, self, settings).await,
            kind => Err(refused(&format!(
                "`{}:` is not a store of a Django site, whose URLs begin with `{}`; \
                 open it with `StoreUrl::open`",
                kind.scheme(),
                PREFIX
            ))),
        }
    }
}

async fn open(kind: DjangoKind, url: &StoreUrl, settings: &Settings) -> Result<Backend> {
    let backend = match (kind, &url.options.cache) {
        (DjangoKind::Sqlite | DjangoKind::Postgres | DjangoKind::Mysql, None) => {
            settings.db(table(kind, url).await?)
        }
        (DjangoKind::Sqlite | DjangoKind::Postgres | DjangoKind::Mysql, Some(cache_url)) => {
            let copies = cache(cache_url, Engine::CachedDb).await?;
            return Ok(settings.cached_db(copies, table(kind, url).await?));
        }
        (DjangoKind::Redis | DjangoKind::Memcached, _) => {
            settings.cache(cache(url, Engine::Cache).await?)
        }
        #[cfg(feature = "file")]
        (DjangoKind::File, _) => cloakroom_file::django::open(settings, url.path())?,
        #[cfg(not(feature = "file"))]
        (DjangoKind::File, _) => unreachable!("parsing refuses a scheme whose feature is off"),
        (DjangoKind::Cookie, _) => return Ok(settings.signed_cookies()),
    };
    match url.options.cache_ttl {
        None => Ok(backend),
        Some(ttl) => Ok(CachedBackend::new(MemoryStore::new(), backend)?
            .ttl(ttl)
            .into()),
    }
}

/// The engines that use a cache.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Engine {
    Cache,
    CachedDb,
}

#[allow(
    unused_variables,
    clippy::unused_async,
    reason = "without any feature there is nothing to open or to await"
)]
async fn table(kind: DjangoKind, url: &StoreUrl) -> Result<AnyStore> {
    match kind {
        #[cfg(feature = "sqlite")]
        DjangoKind::Sqlite => {
            let mut store = cloakroom_sqlite::DjangoTable::builder(url.path());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            Ok(AnyStore::new(store.open()?))
        }
        #[cfg(feature = "postgres")]
        DjangoKind::Postgres => {
            let mut store = cloakroom_postgres::DjangoTable::builder(url.driver_url());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            Ok(AnyStore::new(store.connect().await?))
        }
        #[cfg(feature = "mysql")]
        DjangoKind::Mysql => {
            let mut store = cloakroom_mysql::DjangoTable::builder(url.driver_url());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            Ok(AnyStore::new(store.connect().await?))
        }
        _ => {
            unreachable!("parsing refuses a scheme without its feature; other stores have no table")
        }
    }
}

#[allow(
    unused_variables,
    clippy::unused_async,
    reason = "without any feature there is nothing to open or to await"
)]
async fn cache(url: &StoreUrl, engine: Engine) -> Result<AnyStore> {
    match url.kind.django() {
        #[cfg(feature = "redis")]
        Some(DjangoKind::Redis) => {
            let mut store = cloakroom_redis::DjangoCache::builder(url.driver_url());
            if let Some(prefix) = &url.options.prefix {
                store = store.key_prefix(prefix);
            }
            if let Some(version) = url.options.version {
                store = store.version(version);
            }
            if engine == Engine::CachedDb {
                store = store.cached_db();
            }
            Ok(AnyStore::new(store.connect().await?))
        }
        #[cfg(feature = "memcached")]
        Some(DjangoKind::Memcached) => {
            let mut store = cloakroom_memcached::DjangoCache::builder(url.driver_url());
            if let Some(prefix) = &url.options.prefix {
                store = store.key_prefix(prefix);
            }
            if let Some(version) = url.options.version {
                store = store.version(version);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            if engine == Engine::CachedDb {
                store = store.cached_db();
            }
            Ok(AnyStore::new(store.open()?))
        }
        _ => {
            unreachable!("parsing refuses a scheme without its feature; other stores are no caches")
        }
    }
}
