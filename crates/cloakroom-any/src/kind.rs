/// The kinds of places where sessions can be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StoreKind {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Memcached,
    File,
    Memory,
    Cookie,
    Django(DjangoKind),
}

impl StoreKind {
    pub(crate) fn needs_path(self) -> bool {
        !matches!(
            self,
            Self::Memory | Self::Cookie | Self::Django(DjangoKind::Cookie)
        )
    }

    /// The options in the query that are read here and not by the driver.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["table", "cache_secs", "cache"],
            Self::Postgres | Self::Mysql => &["table", "connections", "cache_secs", "cache"],
            Self::Redis => &["prefix", "cache_secs", "cache"],
            Self::Memcached => &["prefix", "connections", "cache_secs", "cache"],
            Self::File => &["cache_secs", "cache"],
            Self::Memory | Self::Cookie => &[],
            Self::Django(kind) => kind.options(),
        }
    }

    /// Returns what kind of place it is to a Django site, or `None` if it is none of one.
    pub(crate) fn django(self) -> Option<DjangoKind> {
        match self {
            Self::Django(kind) => Some(kind),
            _ => None,
        }
    }

    /// Returns whether the driver reads options from the query, too. Those that are not ours stay
    /// there.
    pub(crate) fn driver_has_options(self) -> bool {
        match self {
            Self::Postgres | Self::Mysql | Self::Redis => true,
            Self::Django(kind) => kind.driver_has_options(),
            _ => false,
        }
    }
}

/// The kinds of places that a Django has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DjangoKind {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Memcached,
    File,
    Cookie,
}

impl DjangoKind {
    /// The options in the query that are read here and not by the driver.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["table", "cache_secs", "cache"],
            Self::Postgres | Self::Mysql => &["table", "connections", "cache_secs", "cache"],
            Self::Redis => &["prefix", "version", "cache_secs"],
            Self::Memcached => &["prefix", "version", "connections", "cache_secs"],
            Self::File => &["cache_secs"],
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
