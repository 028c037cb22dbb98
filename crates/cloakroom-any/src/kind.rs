/// The kinds of stores that a URL can name.
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

    /// Returns the parameters that this crate reads.
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

    /// Returns the kind of a Django site's store, or `None` for a store of Cloakroom.
    pub(crate) fn django(self) -> Option<DjangoKind> {
        match self {
            Self::Django(kind) => Some(kind),
            _ => None,
        }
    }

    pub(crate) fn is_memcached(self) -> bool {
        matches!(self, Self::Memcached | Self::Django(DjangoKind::Memcached))
    }

    /// Returns whether the driver also reads parameters of the URL. Such a driver gets all
    /// parameters that this crate does not read.
    pub(crate) fn driver_has_options(self) -> bool {
        match self {
            Self::Postgres | Self::Mysql | Self::Redis => true,
            Self::Django(kind) => kind.driver_has_options(),
            _ => false,
        }
    }
}

/// The kinds of stores of a Django site.
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
    /// Returns the parameters that this crate reads.
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
