//! Helpers for the tests of this workspace: real servers, and tests of stores that share their
//! sessions with Django.
//!
//! * [`servers`] starts PostgreSQL, PgBouncer, MariaDB, Redis, Valkey and memcached as child
//!   processes, and stops them. Its [`KillableServer`](servers::KillableServer) implements
//!   [`TestServer`](cloakroom_testkit::faults::TestServer) for the stores of this workspace.
//! * [`django_cache!`] and [`django_table!`] test a store on the cache or the table of a Django
//!   site, and [`tls!`] a store that can encrypt its connections.
//!
//! The crate is not published. Tools that work with every server are in `cloakroom-testkit`.

pub mod django;

#[cfg(unix)]
pub mod tls;

// Uses signals, process groups and owners of files.
#[cfg(unix)]
pub mod servers;

// For the macros, because their callers may not depend on the test kit.
#[doc(hidden)]
pub use cloakroom_testkit::conformance::run as __run;
