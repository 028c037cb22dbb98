use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Cached, Carried, Result, Shelf};

use crate::StoreUrl;
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
}

/// One way to begin a URL.
struct Scheme {
    name: &'static str,
    usage: &'static str,
    place: Place,
    /// The feature that it needs, and whether it is on.
    feature: (&'static str, bool),
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
        let known = SCHEMES.iter().find(|known| known.name == scheme);
        match known.map(|known| (known.place, known.feature)) {
            Some((place, (_, true))) => Ok(place),
            Some((_, (feature, false))) => Err(refused(&format!(
                "`{scheme}:` needs the feature `{feature}` of cloakroom-any, which this program was built without"
            ))),
            None => {
                let usages: Vec<&str> = SCHEMES.iter().map(|known| known.usage).collect();
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
        !matches!(self, Self::Memory | Self::Cookie)
    }

    /// The options that are ours.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["table", "cached"],
            Self::Postgres | Self::Mysql => &["table", "connections", "cached"],
            Self::Redis => &["prefix", "cached"],
            Self::Memcached => &["prefix", "connections", "cached"],
            Self::File => &["cached"],
            Self::Memory | Self::Cookie => &[],
        }
    }

    /// Whether the driver has options of its own in the query, which are none of our business.
    pub(crate) fn driver_has_options(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql | Self::Redis)
    }

    fn row(self) -> &'static Scheme {
        let row = SCHEMES.iter().find(|known| known.place == self);
        row.expect("every place has a scheme")
    }
}

pub(crate) async fn open(url: &StoreUrl, secret: Option<&[u8]>) -> Result<Shelf> {
    match url.place {
        Place::Memory => Ok(MemoryStore::new().into()),
        Place::Cookie => match secret {
            Some(secret) => Carried::new(secret).map(Shelf::from),
            None => Err(refused(
                "`cookie:` needs a secret to seal the sessions with",
            )),
        },
        #[cfg(feature = "sqlite")]
        Place::Sqlite => {
            let mut store = cloakroom_sqlite::SqliteStore::builder(url.path());
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            shelf(store.open()?, url)
        }
        #[cfg(feature = "postgres")]
        Place::Postgres => {
            let mut store = cloakroom_postgres::PostgresStore::builder(&url.url);
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            let store = store.connect().await?;
            store.migrate().await?;
            shelf(store, url)
        }
        #[cfg(feature = "mysql")]
        Place::Mysql => {
            let mut store = cloakroom_mysql::MysqlStore::builder(&url.url);
            if let Some(table) = &url.options.table {
                store = store.table(table);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            let store = store.connect().await?;
            store.migrate().await?;
            shelf(store, url)
        }
        #[cfg(feature = "redis")]
        Place::Redis => {
            let mut store = cloakroom_redis::RedisStore::builder(&url.url);
            if let Some(prefix) = &url.options.prefix {
                store = store.prefix(prefix);
            }
            shelf(store.connect().await?, url)
        }
        #[cfg(feature = "memcached")]
        Place::Memcached => {
            let mut store = cloakroom_memcached::MemcachedStore::builder(&url.url);
            if let Some(prefix) = &url.options.prefix {
                store = store.prefix(prefix);
            }
            if let Some(connections) = url.options.connections {
                store = store.connections(connections);
            }
            shelf(store.open()?, url)
        }
        #[cfg(feature = "file")]
        Place::File => shelf(cloakroom::store::FileStore::open(url.path())?, url),
        #[allow(
            unreachable_patterns,
            reason = "there is nothing left if all features are on"
        )]
        _ => unreachable!("parsing refuses what was not built in"),
    }
}

#[allow(
    dead_code,
    reason = "without any feature there is no store to put on it"
)]
fn shelf(store: impl Store, url: &StoreUrl) -> Result<Shelf> {
    match url.options.cached {
        None => Ok(store.into()),
        Some(ttl) => Ok(Cached::new(MemoryStore::new(), store)?.ttl(ttl).into()),
    }
}
