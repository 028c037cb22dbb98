use cloakroom::store::{AnyStore, MemoryStore, Store};
use cloakroom::{Backend, CachedBackend, CookieBackend, Result};

use crate::StoreUrl;
use crate::error::refused;
use crate::kind::StoreKind;

impl StoreUrl {
    /// Opens the store, and creates its table if the table is missing.
    ///
    /// `secret` is at least 32 random bytes, with which `cookie:` seals the sessions. The other
    /// stores ignore it. If the future is dropped, the table may or may not have been created.
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if the store rejects a parameter of the URL, if
    ///   `cookie:` is opened without a secret or with a secret that is too short, or if the URL
    ///   names a store of a Django site, which `StoreUrl::engine` opens.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server does not answer.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Sessions;
    /// use cloakroom_any::StoreUrl;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let url: StoreUrl = "memory:".parse()?;
    /// let sessions = Sessions::new(url.open(None).await?);
    ///
    /// let url: StoreUrl = "cookie:".parse()?;
    /// assert!(url.open(None).await.is_err(), "a cookie needs a secret");
    /// assert!(url.open(Some(&[7; 32])).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(&self, secret: Option<&[u8]>) -> Result<Backend> {
        match self.kind {
            StoreKind::Memory => Ok(MemoryStore::new().into()),
            StoreKind::Cookie => match secret {
                Some(secret) => CookieBackend::new(secret).map(Backend::from),
                None => Err(refused(
                    "`cookie:` needs a secret to seal the sessions with",
                )),
            },
            StoreKind::Django(_) => Err(refused(&format!(
                "`{}:` is a store of a Django site and needs its settings; \
                 open it with `StoreUrl::engine`",
                self.kind.scheme()
            ))),
            #[cfg(feature = "sqlite")]
            StoreKind::Sqlite => backend(sqlite(self)?, self).await,
            #[cfg(feature = "postgres")]
            StoreKind::Postgres => backend(postgres(self).await?, self).await,
            #[cfg(feature = "mysql")]
            StoreKind::Mysql => backend(mysql(self).await?, self).await,
            #[cfg(feature = "redis")]
            StoreKind::Redis => backend(redis(self).await?, self).await,
            #[cfg(feature = "memcached")]
            StoreKind::Memcached => backend(memcached(self)?, self).await,
            #[cfg(feature = "file")]
            StoreKind::File => backend(file(self)?, self).await,
            #[allow(
                unreachable_patterns,
                reason = "no kind is left if all features are on"
            )]
            _ => unreachable!("parsing refuses a scheme whose feature is off"),
        }
    }
}

/// Returns the backend for `store`. If the URL has `cache` or `cache_secs`, the backend has a cache
/// in front of the store.
#[allow(dead_code, reason = "without any feature there is no store")]
async fn backend(store: impl Store, url: &StoreUrl) -> Result<Backend> {
    let cached = match (&url.options.cache, url.options.cache_ttl) {
        (None, None) => return Ok(store.into()),
        (None, Some(_)) => CachedBackend::new(MemoryStore::new(), store)?,
        (Some(cache), _) => CachedBackend::new(open_cache(cache).await?, store)?,
    };
    Ok(match url.options.cache_ttl {
        None => cached.into(),
        Some(ttl) => cached.ttl(ttl).into(),
    })
}

#[allow(
    clippy::unused_async,
    reason = "without any feature there is nothing to await"
)]
async fn open_cache(url: &StoreUrl) -> Result<AnyStore> {
    match url.kind {
        StoreKind::Memory => Ok(AnyStore::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        StoreKind::Sqlite => Ok(AnyStore::new(sqlite(url)?)),
        #[cfg(feature = "postgres")]
        StoreKind::Postgres => Ok(AnyStore::new(postgres(url).await?)),
        #[cfg(feature = "mysql")]
        StoreKind::Mysql => Ok(AnyStore::new(mysql(url).await?)),
        #[cfg(feature = "redis")]
        StoreKind::Redis => Ok(AnyStore::new(redis(url).await?)),
        #[cfg(feature = "memcached")]
        StoreKind::Memcached => Ok(AnyStore::new(memcached(url)?)),
        #[cfg(feature = "file")]
        StoreKind::File => Ok(AnyStore::new(file(url)?)),
        _ => unreachable!(
            "parsing refuses a scheme whose feature is off, and a store that cannot be a cache"
        ),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &StoreUrl) -> Result<cloakroom_sqlite::SqliteStore> {
    let mut store = cloakroom_sqlite::SqliteStore::builder(url.path());
    if let Some(table) = &url.options.table {
        store = store.table(table);
    }
    store.open()
}

#[cfg(feature = "postgres")]
async fn postgres(url: &StoreUrl) -> Result<cloakroom_postgres::PostgresStore> {
    let mut store = cloakroom_postgres::PostgresStore::builder(&url.url);
    if let Some(table) = &url.options.table {
        store = store.table(table);
    }
    if let Some(connections) = url.options.connections {
        store = store.connections(connections);
    }
    let store = store.connect().await?;
    store.migrate().await?;
    Ok(store)
}

#[cfg(feature = "mysql")]
async fn mysql(url: &StoreUrl) -> Result<cloakroom_mysql::MysqlStore> {
    let mut store = cloakroom_mysql::MysqlStore::builder(&url.url);
    if let Some(table) = &url.options.table {
        store = store.table(table);
    }
    if let Some(connections) = url.options.connections {
        store = store.connections(connections);
    }
    let store = store.connect().await?;
    store.migrate().await?;
    Ok(store)
}

#[cfg(feature = "redis")]
async fn redis(url: &StoreUrl) -> Result<cloakroom_redis::RedisStore> {
    let mut store = cloakroom_redis::RedisStore::builder(&url.url);
    if let Some(prefix) = &url.options.prefix {
        store = store.prefix(prefix);
    }
    store.connect().await
}

#[cfg(feature = "memcached")]
fn memcached(url: &StoreUrl) -> Result<cloakroom_memcached::MemcachedStore> {
    let mut store = cloakroom_memcached::MemcachedStore::builder(&url.url);
    if let Some(prefix) = &url.options.prefix {
        store = store.prefix(prefix);
    }
    if let Some(connections) = url.options.connections {
        store = store.connections(connections);
    }
    store.open()
}

#[cfg(feature = "file")]
fn file(url: &StoreUrl) -> Result<cloakroom_file::FileStore> {
    cloakroom_file::FileStore::open(url.path())
}
