//! The places of a Django site, each read as one of Django's engines.

use crate::place::{Place, Scheme};

#[cfg(feature = "django")]
pub(crate) mod engine;

/// The kinds of places that a Django has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Site {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Memcached,
    File,
    Cookie,
}

impl Site {
    /// The options that are ours.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["table", "cached", "front"],
            Self::Postgres | Self::Mysql => &["table", "connections", "cached", "front"],
            Self::Redis => &["prefix", "version", "cached"],
            Self::Memcached => &["prefix", "version", "connections", "cached"],
            Self::File => &["cached"],
            Self::Cookie => &[],
        }
    }

    pub(crate) fn driver_has_options(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql | Self::Redis)
    }

    pub(crate) fn is_cache(self) -> bool {
        matches!(self, Self::Redis | Self::Memcached)
    }
}

pub(crate) const SCHEMES: [Scheme; 9] = [
    scheme(
        "django+sqlite",
        "django+sqlite://PATH",
        Site::Sqlite,
        ("sqlite", cfg!(feature = "sqlite")),
    ),
    scheme(
        "django+postgres",
        "django+postgres://…",
        Site::Postgres,
        ("postgres", cfg!(feature = "postgres")),
    ),
    scheme(
        "django+postgresql",
        "django+postgresql://…",
        Site::Postgres,
        ("postgres", cfg!(feature = "postgres")),
    ),
    scheme(
        "django+mysql",
        "django+mysql://…",
        Site::Mysql,
        ("mysql", cfg!(feature = "mysql")),
    ),
    scheme(
        "django+redis",
        "django+redis://…",
        Site::Redis,
        ("redis", cfg!(feature = "redis")),
    ),
    scheme(
        "django+rediss",
        "django+rediss://…",
        Site::Redis,
        ("redis", cfg!(feature = "redis")),
    ),
    scheme(
        "django+memcached",
        "django+memcached://…",
        Site::Memcached,
        ("memcached", cfg!(feature = "memcached")),
    ),
    scheme(
        "django+file",
        "django+file:PATH",
        Site::File,
        ("file", cfg!(feature = "file")),
    ),
    scheme("django+cookie", "django+cookie:", Site::Cookie, ("", true)),
];

/// What the names of these schemes begin with; the rest is what the driver knows.
pub(crate) const PREFIX: &str = "django+";

const fn scheme(
    name: &'static str,
    usage: &'static str,
    site: Site,
    driver: (&'static str, bool),
) -> Scheme {
    Scheme {
        name,
        usage,
        place: Place::Django(site),
        feature: match cfg!(feature = "django") {
            true => driver,
            false => ("django", false),
        },
    }
}
