use cloakroom::Result;

use crate::error::refused;
use crate::place::{Place, Site};

/// The schemes, as methods of the places that they name.
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

    fn row(self) -> &'static Scheme {
        let row = schemes().find(|known| known.place == self);
        row.expect("every place has a scheme")
    }
}

fn schemes() -> impl Iterator<Item = &'static Scheme> {
    SCHEMES.iter().chain(&DJANGO_SCHEMES)
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

const DJANGO_SCHEMES: [Scheme; 9] = [
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
