//! What the tests of this workspace share and no third party needs: real servers, and what a store
//! promises beside a Django.
//!
//! * [`servers`] starts PostgreSQL, MariaDB, Redis, Valkey and memcached as child processes, and
//!   stops them. Its [`KillableServer`](servers::KillableServer) is the
//!   [`TestServer`](cloakroom_testkit::faults::TestServer) of the stores in this workspace.
//! * [`django_cache!`] and [`django_table!`] test what a store promises beside a Django that has its
//!   sessions there.
//!
//! The crate is not published. What works with any server is in `cloakroom-testkit`.

pub mod django;

// Signals, process groups and owners of files.
#[cfg(unix)]
pub mod servers;

// For the macros, whose callers may not depend on the test kit.
#[doc(hidden)]
pub use cloakroom_testkit::conformance::run as __run;
