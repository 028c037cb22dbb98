use cloakroom::store::{AnyStore, MemoryStore, Store};
use cloakroom::{Backend, CachedBackend, CookieBackend, Result};

use crate::StoreUrl;
use crate::error::refused;
use crate::kind::StoreKind;

impl StoreUrl {
    /// Opens the place, and makes its table if it has one. `secret` is for sessions that are sealed in the cookie.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) for what the place refuses, [`Unavailable`](cloakroom::ErrorKind::Unavailable) if its server
    /// does not answer; `Config` also for the place of a Django site, which is for [`engine`](Self::engine).
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
                "`{}:` is a place of a Django site, whose settings say how to read it; open it with `StoreUrl::engine`",
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
                reason = "there is nothing left if all features are on"
            )]
            _ => unreachable!("parsing refuses what was not built in"),
        }
    }
}

/// The store, behind the cache that the URL asks for.
#[allow(
    dead_code,
    reason = "without any feature there is no store to put on it"
)]
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
    reason = "without any feature there is nothing to wait for"
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
        _ => unreachable!("parsing refuses what was not built in, and what is no store"),
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
