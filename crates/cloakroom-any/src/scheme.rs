use cloakroom::Result;

use crate::error::refused;
use crate::kind::{DjangoKind, StoreKind};

/// Conversions between kinds of stores and the schemes of their URLs.
impl StoreKind {
    pub(crate) fn from_scheme(scheme: &str) -> Result<Self> {
        let known = schemes().find(|known| known.name == scheme);
        match known.map(|known| (known.kind, known.feature)) {
            Some((kind, (_, true))) => Ok(kind),
            Some((_, (feature, false))) => Err(refused(&format!(
                "`{scheme}:` needs the feature `{feature}` of cloakroom-any, \
                 which this program was built without"
            ))),
            None => {
                let usages: Vec<&str> = schemes().map(|known| known.usage).collect();
                Err(refused(&format!(
                    "`{}:` is not a supported scheme; use one of {}",
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

    fn row(self) -> &'static Scheme {
        let row = schemes().find(|known| known.kind == self);
        row.expect("every kind has a scheme")
    }
}

fn schemes() -> impl Iterator<Item = &'static Scheme> {
    SCHEMES.iter().chain(&DJANGO_SCHEMES)
}

/// A scheme, the part of a URL before the first colon.
struct Scheme {
    name: &'static str,
    usage: &'static str,
    kind: StoreKind,
    /// The feature that the scheme needs, and whether that feature is on.
    feature: (&'static str, bool),
}

const SCHEMES: [Scheme; 14] = [
    Scheme {
        name: "sqlite",
        usage: "sqlite://PATH",
        kind: StoreKind::Sqlite,
        feature: ("sqlite", cfg!(feature = "sqlite")),
    },
    Scheme {
        name: "postgres",
        usage: "postgres://…",
        kind: StoreKind::Postgres,
        feature: ("postgres", cfg!(feature = "postgres")),
    },
    Scheme {
        name: "postgresql",
        usage: "postgresql://…",
        kind: StoreKind::Postgres,
        feature: ("postgres", cfg!(feature = "postgres")),
    },
    Scheme {
        name: "mysql",
        usage: "mysql://…",
        kind: StoreKind::Mysql,
        feature: ("mysql", cfg!(feature = "mysql")),
    },
    Scheme {
        name: "redis",
        usage: "redis://…",
        kind: StoreKind::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "rediss",
        usage: "rediss://…",
        kind: StoreKind::Redis,
        feature: REDIS_TLS,
    },
    Scheme {
        name: "redis+sentinel",
        usage: "redis+sentinel://…",
        kind: StoreKind::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "rediss+sentinel",
        usage: "rediss+sentinel://…",
        kind: StoreKind::Redis,
        feature: REDIS_TLS,
    },
    Scheme {
        name: "redis+cluster",
        usage: "redis+cluster://…",
        kind: StoreKind::Redis,
        feature: ("redis", cfg!(feature = "redis")),
    },
    Scheme {
        name: "rediss+cluster",
        usage: "rediss+cluster://…",
        kind: StoreKind::Redis,
        feature: REDIS_TLS,
    },
    Scheme {
        name: "memcached",
        usage: "memcached://…",
        kind: StoreKind::Memcached,
        feature: ("memcached", cfg!(feature = "memcached")),
    },
    Scheme {
        name: "file",
        usage: "file:PATH",
        kind: StoreKind::File,
        feature: ("file", cfg!(feature = "file")),
    },
    Scheme {
        name: "memory",
        usage: "memory:",
        kind: StoreKind::Memory,
        feature: ("", true),
    },
    Scheme {
        name: "cookie",
        usage: "cookie:",
        kind: StoreKind::Cookie,
        feature: ("", true),
    },
];

const DJANGO_SCHEMES: [Scheme; 11] = [
    scheme(
        "django+sqlite",
        "django+sqlite://PATH",
        DjangoKind::Sqlite,
        ("sqlite", cfg!(feature = "sqlite")),
    ),
    scheme(
        "django+postgres",
        "django+postgres://…",
        DjangoKind::Postgres,
        ("postgres", cfg!(feature = "postgres")),
    ),
    scheme(
        "django+postgresql",
        "django+postgresql://…",
        DjangoKind::Postgres,
        ("postgres", cfg!(feature = "postgres")),
    ),
    scheme(
        "django+mysql",
        "django+mysql://…",
        DjangoKind::Mysql,
        ("mysql", cfg!(feature = "mysql")),
    ),
    scheme(
        "django+redis",
        "django+redis://…",
        DjangoKind::Redis,
        ("redis", cfg!(feature = "redis")),
    ),
    scheme(
        "django+rediss",
        "django+rediss://…",
        DjangoKind::Redis,
        REDIS_TLS,
    ),
    scheme(
        "django+redis+sentinel",
        "django+redis+sentinel://…",
        DjangoKind::Redis,
        ("redis", cfg!(feature = "redis")),
    ),
    scheme(
        "django+rediss+sentinel",
        "django+rediss+sentinel://…",
        DjangoKind::Redis,
        REDIS_TLS,
    ),
    scheme(
        "django+memcached",
        "django+memcached://…",
        DjangoKind::Memcached,
        ("memcached", cfg!(feature = "memcached")),
    ),
    scheme(
        "django+file",
        "django+file:PATH",
        DjangoKind::File,
        ("file", cfg!(feature = "file")),
    ),
    scheme(
        "django+cookie",
        "django+cookie:",
        DjangoKind::Cookie,
        ("", true),
    ),
];

/// The feature to name in an error about Redis over TLS, and whether that feature is on. Redis over
/// TLS needs both `redis` and `tls`; the error names `tls` only if `redis` is on.
const REDIS_TLS: (&str, bool) = match cfg!(feature = "redis") {
    true => ("tls", cfg!(feature = "tls")),
    false => ("redis", false),
};

/// The prefix of the schemes of a Django site. The driver gets the URL without it.
pub(crate) const PREFIX: &str = "django+";

const fn scheme(
    name: &'static str,
    usage: &'static str,
    kind: DjangoKind,
    driver_feature: (&'static str, bool),
) -> Scheme {
    Scheme {
        name,
        usage,
        kind: StoreKind::Django(kind),
        feature: match cfg!(feature = "django") {
            true => driver_feature,
            false => ("django", false),
        },
    }
}
