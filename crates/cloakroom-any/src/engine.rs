use cloakroom::store::{AnyStore, MemoryStore};
use cloakroom::{Backend, CachedBackend, Result};
use cloakroom_django::Settings;

use crate::StoreUrl;
use crate::error::refused;
use crate::place::{Place, Site};
use crate::scheme::PREFIX;

impl StoreUrl {
    /// Opens the place of a Django site as the engine that it is, with the site's settings: for
    /// [`Settings::sessions`](cloakroom_django::Settings::sessions). No table is made here; Django's `migrate` does that.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) for what the place refuses, and if it is none of a Django site;
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if its server does not answer.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// use cloakroom_any::StoreUrl;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_secure(true);
    /// let url: StoreUrl = "django+cookie:".parse()?;
    /// let sessions = settings.sessions(url.engine(&settings).await?).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn engine(&self, settings: &Settings) -> Result<Backend> {
        match self.place {
            Place::Django(site) => open(site, self, settings).await,
            place => Err(refused(&format!(
                "`{}:` is no place of a Django site; such a URL begins with `{}`, and all others are for \
                 `StoreUrl::open`",
                place.scheme(),
                PREFIX
            ))),
        }
    }
}

async fn open(site: Site, url: &StoreUrl, settings: &Settings) -> Result<Backend> {
    let backend = match (site, &url.options.front) {
        (Site::Sqlite | Site::Postgres | Site::Mysql, None) => settings.db(table(site, url).await?),
        (Site::Sqlite | Site::Postgres | Site::Mysql, Some(front)) => {
            let copies = cache(front, Engine::CachedDb).await?;
            return Ok(settings.cached_db(copies, table(site, url).await?));
        }
        (Site::Redis | Site::Memcached, _) => settings.cache(cache(url, Engine::Cache).await?),
        #[cfg(feature = "file")]
        (Site::File, _) => cloakroom_file::django::open(settings, url.path())?,
        #[cfg(not(feature = "file"))]
        (Site::File, _) => unreachable!("parsing refuses what was not built in"),
        (Site::Cookie, _) => return Ok(settings.signed_cookies()),
    };
    match url.options.cached {
        None => Ok(backend),
        Some(ttl) => Ok(CachedBackend::new(MemoryStore::new(), backend)?
            .ttl(ttl)
            .into()),
    }
}

/// The two that keep entries in a cache.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Engine {
    Cache,
    CachedDb,
}

#[allow(
    unused_variables,
    clippy::unused_async,
    reason = "without any feature there is nothing to open, and nothing to wait for"
)]
async fn table(site: Site, url: &StoreUrl) -> Result<AnyStore> {
    match site {
        #[cfg(feature = "sqlite")]
        Site::Sqlite => {
            let mut store = cloakroom_sqlite::DjangoTable::builder(url.path());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            Ok(AnyStore::new(store.open()?))
        }
        #[cfg(feature = "postgres")]
        Site::Postgres => {
            let mut store = cloakroom_postgres::DjangoTable::builder(url.of_driver());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            Ok(AnyStore::new(store.connect().await?))
        }
        #[cfg(feature = "mysql")]
        Site::Mysql => {
            let mut store = cloakroom_mysql::DjangoTable::builder(url.of_driver());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            Ok(AnyStore::new(store.connect().await?))
        }
        _ => unreachable!("parsing refuses what was not built in, and the others have no table"),
    }
}

#[allow(
    unused_variables,
    clippy::unused_async,
    reason = "without any feature there is nothing to open, and nothing to wait for"
)]
async fn cache(url: &StoreUrl, engine: Engine) -> Result<AnyStore> {
    match url.place.site() {
        #[cfg(feature = "redis")]
        Some(Site::Redis) => {
            let mut store = cloakroom_redis::DjangoCache::builder(url.of_driver());
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
        Some(Site::Memcached) => {
            let mut store = cloakroom_memcached::DjangoCache::builder(url.of_driver());
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
        _ => unreachable!("parsing refuses what was not built in, and the others are no cache"),
    }
}
