//! A place for [Cloakroom](cloakroom)'s sessions, from a URL: for a site whose operator chooses it.
//!
//! | URL | is |
//! |---|---|
//! | `sqlite://PATH` | an SQLite file; `?table=` |
//! | `postgres://USER:PASSWORD@HOST/DATABASE` | PostgreSQL; `?table=`, `?connections=`; whatever the driver takes |
//! | `mysql://USER:PASSWORD@HOST/DATABASE` | MySQL or MariaDB; `?table=`, `?connections=` |
//! | `redis://HOST`, `rediss://HOST` | Redis or Valkey, one node, with TLS; `?prefix=` |
//! | `redis+cluster://HOST:PORT,HOST:PORT` | a cluster of them; `?prefix=` |
//! | `memcached://HOST:PORT,HOST:PORT` | memcached; `?prefix=`, `?connections=` |
//! | `file:PATH` | a folder |
//! | `memory:` | the memory of the process |
//! | `cookie:` | the visitor's own cookie, sealed; needs a secret |
//!
//! Tables are made if they are not there.
//!
//! # Two tiers
//! `?cache_secs=SECONDS`, in any of them but the last two, keeps what was read in a cache in memory
//! for that long: see [`CachedBackend`](cloakroom::CachedBackend). `&cache=URL` names another cache:
//! any of them but the last, with its own options. It is read for ten seconds by default. Servers
//! that share a cache see at once what another server has saved or ended:
//!
//! ```text
//! postgres://ada:s3cret@db.example/library?cache_secs=30&cache=redis://cache.example/0?prefix=library:
//! ```
//!
//! In the URL of the cache `&` is written `%26`, or the URL is percent-encoded as a whole. A cache
//! that cannot be opened is an error at the start; one that fails later is passed over.
//!
//! # Places of a Django site
//! With the feature `django`, which is on: the store that a Django site has its sessions in, as the engine that it is. These
//! need the site's settings, so they are opened by `StoreUrl::engine`. No table is made; Django's `migrate` does that.
//!
//! | URL | is |
//! |---|---|
//! | `django+sqlite://PATH`, `django+postgres://…`, `django+mysql://…` | db: the table; `?table=`, `?connections=`, `?cache_secs=` |
//! | `django+redis://…`, `django+memcached://…` | cache; `?prefix=` is `KEY_PREFIX`, `?version=` is `VERSION` |
//! | `django+postgres://…?cache=django+redis://…` | cached_db, of any table and any cache |
//! | `django+file:PATH` | file; `PATH` is `SESSION_FILE_PATH` |
//! | `django+cookie:` | signed_cookies |
//!
//! # Examples
//! ```
//! use cloakroom::Sessions;
//! use cloakroom_any::StoreUrl;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
//! let url: StoreUrl = "memory:".parse()?;
//! let sessions = Sessions::new(url.open(None).await?);
//!
//! let error = "mongodb://localhost".parse::<StoreUrl>().unwrap_err();
//! assert!(error.to_string().contains("`mongodb:` is no place for sessions; there are sqlite://PATH, "));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "django")]
mod engine;
mod error;
mod kind;
mod open;
mod scheme;
mod url;

pub use url::StoreUrl;
