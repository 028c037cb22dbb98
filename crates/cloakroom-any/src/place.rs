use cloakroom::store::{AnyStore, MemoryStore, Store};
use cloakroom::{Backend, CachedBackend, CookieBackend, Result};

use crate::StoreUrl;
use crate::django::{self, Site};
use crate::url::refused;

/// The kinds of places.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Memcached,
    File,
    Memory,
    Cookie,
    Django(Site),
}

/// One way to begin a URL.
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) place: Place,
    /// The feature that it needs, and whether it is on.
    pub(crate) feature: (&'static str, bool),
}

const SCHEMES: [Scheme; 12] = [
    Scheme {
        name: "sqlite",
        usage: "sqlite://PATH",
        place: Place::Sqlite,
        feature: ("sqlite", cfg!(feature = "sqlite")),
    },
    Scheme {
        name: "postgres",
        usage: "postgres://…",
        place: Place::Postgres,
        feature: ("postgres", cfg!(feature = "postgres")),
    },
    Scheme {
        name: "postgresql",
        usage: "postgresql://…",
        place: Place::Postgres,
        feature: ("postgres", cfg!(feature = "postgres")),
    },
    Scheme {
        name: "mysql",
        usage: "mysql://…",
        place: Place::Mysql,
        feature: ("mysql", cfg!(feature = "mysql")),
    },
    Scheme {
        name: "redis",
        usage: "redis://…",
        place: Place::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "rediss",
        usage: "rediss://…",
        place: Place::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "redis+cluster",
        usage: "redis+cluster://…",
        place: Place::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "rediss+cluster",
        usage: "rediss+cluster://…",
        place: Place::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "memcached",
        usage: "memcached://…",
        place: Place::Memcached,
        feature: ("memcached", cfg!(feature = "memcached")),
    },
    Scheme {
        name: "file",
        usage: "file:PATH",
        place: Place::File,
        feature: ("file", cfg!(feature = "file")),
    },
    Scheme {
        name: "memory",
        usage: "memory:",
        place: Place::Memory,
        feature: ("", true),
    },
    Scheme {
        name: "cookie",
        usage: "cookie:",
        place: Place::Cookie,
        feature: ("", true),
    },
];

impl Place {
    pub(crate) fn of_scheme(scheme: &str) -> Result<Self> {
        let known = schemes().find(|known| known.name == scheme);
        match known.map(|known| (known.place, known.feature)) {
            Some((place, (_, true))) => Ok(place),
            Some((_, (feature, false))) => Err(refused(&format!(
                "`{scheme}:` needs the feature `{feature}` of cloakroom-any, which this program was built without"
            ))),
            None => {
                let usages: Vec<&str> = schemes().map(|known| known.usage).collect();
                Err(refused(&format!(
                    "`{}:` is no place for sessions; there are {}",
                    scheme.escape_debug(),
                    usages.join(", ")
                )))
            }
        }
    }

    pub(crate) fn scheme(self) -> &'static str {
        self.row().name
    }

    pub(crate) fn usage(self) -> &'static str {
        self.row().usage
    }

    pub(crate) fn needs_path(self) -> bool {
        !matches!(
            self,
            Self::Memory | Self::Cookie | Self::Django(Site::Cookie)
        )
    }

    /// The options that are ours.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["table", "cached", "front"],
            Self::Postgres | Self::Mysql => &["table", "connections", "cached", "front"],
            Self::Redis => &["prefix", "cached", "front"],
            Self::Memcached => &["prefix", "connections", "cached", "front"],
            Self::File => &["cached", "front"],
            Self::Memory | Self::Cookie => &[],
            Self::Django(site) => site.options(),
        }
    }

    /// What it is to a Django, if it is a place of one.
    pub(crate) fn site(self) -> Option<Site> {
        match self {
            Self::Django(site) => Some(site),
            _ => None,
        }
    }

    /// Whether the driver has options of its own in the query, which are none of our business.
    pub(crate) fn driver_has_options(self) -> bool {
        match self {
            Self::Postgres | Self::Mysql | Self::Redis => true,
            Self::Django(site) => site.driver_has_options(),
            _ => false,
        }
    }

    fn row(self) -> &'static Scheme {
        let row = schemes().find(|known| known.place == self);
        row.expect("every place has a scheme")
    }
}

fn schemes() -> impl Iterator<Item = &'static Scheme> {
    SCHEMES.iter().chain(&django::SCHEMES)
}

pub(crate) async fn open(url: &StoreUrl, secret: Option<&[u8]>) -> Result<Backend> {
    match url.place {
        Place::Memory => Ok(MemoryStore::new().into()),
        Place::Cookie => match secret {
            Some(secret) => CookieBackend::new(secret).map(Backend::from),
            None => Err(refused(
                "`cookie:` needs a secret to seal the sessions with",
            )),
        },
        Place::Django(_) => Err(refused(&format!(
            "`{}:` is a place of a Django site, whose settings say how to read it; open it with `StoreUrl::engine`",
            url.place.scheme()
        ))),
        #[cfg(feature = "sqlite")]
        Place::Sqlite => backend(sqlite(url)?, url).await,
        #[cfg(feature = "postgres")]
        Place::Postgres => backend(postgres(url).await?, url).await,
        #[cfg(feature = "mysql")]
        Place::Mysql => backend(mysql(url).await?, url).await,
        #[cfg(feature = "redis")]
        Place::Redis => backend(redis(url).await?, url).await,
        #[cfg(feature = "memcached")]
        Place::Memcached => backend(memcached(url)?, url).await,
        #[cfg(feature = "file")]
        Place::File => backend(file(url)?, url).await,
        #[allow(
            unreachable_patterns,
            reason = "there is nothing left if all features are on"
        )]
        _ => unreachable!("parsing refuses what was not built in"),
    }
}

/// The store, behind the front that the URL asks for.
#[allow(
    dead_code,
    reason = "without any feature there is no store to put on it"
)]
async fn backend(store: impl Store, url: &StoreUrl) -> Result<Backend> {
    let cached = match (&url.options.front, url.options.cached) {
        (None, None) => return Ok(store.into()),
        (None, Some(_)) => CachedBackend::new(MemoryStore::new(), store)?,
        (Some(front), _) => CachedBackend::new(open_front(front).await?, store)?,
    };
    Ok(match url.options.cached {
        None => cached.into(),
        Some(ttl) => cached.ttl(ttl).into(),
    })
}

#[allow(
    clippy::unused_async,
    reason = "without any feature there is nothing to wait for"
)]
async fn open_front(url: &StoreUrl) -> Result<AnyStore> {
    match url.place {
        Place::Memory => Ok(AnyStore::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        Place::Sqlite => Ok(AnyStore::new(sqlite(url)?)),
        #[cfg(feature = "postgres")]
        Place::Postgres => Ok(AnyStore::new(postgres(url).await?)),
        #[cfg(feature = "mysql")]
        Place::Mysql => Ok(AnyStore::new(mysql(url).await?)),
        #[cfg(feature = "redis")]
        Place::Redis => Ok(AnyStore::new(redis(url).await?)),
        #[cfg(feature = "memcached")]
        Place::Memcached => Ok(AnyStore::new(memcached(url)?)),
        #[cfg(feature = "file")]
        Place::File => Ok(AnyStore::new(file(url)?)),
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
