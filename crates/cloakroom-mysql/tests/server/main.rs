//! Tests the stores on a real server. All tests are in one binary, so that they share one server.
//!
//! The server is the harness's MariaDB. `CLOAKROOM_TEST_MARIADB_URL` can name a different server,
//! such as a MySQL 8.0. The user in that URL needs the rights to create databases and users, to
//! grant rights, to change global settings, and to list and kill connections.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod comparing;
mod conformance;
mod connecting;
mod django;
mod errors;
mod failover;
mod faults;
mod migrating;
mod own_server;
mod rights;
mod sessions;
mod suite_of_faults;
mod support;
mod sweeping;
mod tls;
mod unseen_errors;
