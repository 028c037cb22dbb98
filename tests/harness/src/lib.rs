//! Helpers for the tests of this workspace: real servers, and tests of stores that share their
//! sessions with Django.
//!
//! * [`servers`] starts PostgreSQL, PgBouncer, MariaDB, Redis, Valkey and memcached as child
//!   processes, and stops them. Its [`KillableServer`](servers::KillableServer) implements
//!   [`TestServer`](cloakroom_testkit::faults::TestServer) for the stores of this workspace.
//! * [`django_cache!`] and [`django_table!`] test a store on the cache or the table of a Django
//!   site.
//! * [`tls!`] tests a store that can encrypt its connections.
//!
//! The crate is not published. Test tools for any store are in `cloakroom-testkit`.

pub mod django;

// Starts and stops servers with signals, process groups and file owners, which only Unix has.
#[cfg(unix)]
pub mod servers;

// Its tests run against `servers`, so it needs Unix too.
#[cfg(unix)]
pub mod tls;

// The macros call this function through this crate, so that a crate that uses a macro does not
// have to depend on the test kit.
#[doc(hidden)]
pub use cloakroom_testkit::conformance::run as __run;
