//! The store on a real server, in one program so that one server serves all of it.
//!
//! The server is the testkit's MariaDB. `CLOAKROOM_TEST_MARIADB_URL` may name another one, a MySQL 8 too; its user needs
//! the rights to create databases, to see its connections and to kill them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod comparing;
mod conformance;
mod connecting;
mod django;
mod failover;
mod faults;
mod migrating;
mod rights;
mod sessions;
mod suite_of_faults;
mod support;
mod sweeping;
