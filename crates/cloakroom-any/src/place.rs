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

impl Place {
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
}

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
