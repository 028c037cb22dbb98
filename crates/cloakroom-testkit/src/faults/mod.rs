//! Fault tests: what a store does when its server is killed, cut off, silent or out of connections,
//! or becomes a replica.
//!
//! [`faults!`](crate::faults!) generates one test for each promise. Each promise is also a function
//! in this module. You implement [`TestServer`], which starts and kills your server. In front of
//! the server, the suite puts a [`Proxy`](crate::Proxy), which cuts, delays and refuses
//! connections.
//!
//! The tests use the store as a site does, through [`Sessions`](cloakroom::Sessions). Most of them
//! open two stores on the same entries, like two processes of a site. During a fault, a request may
//! fail, but only within its time limit and with an error that a site answers with 503. After the
//! fault, requests succeed again without a restart of the site.
//!
//! With [`soak`](crate::soak), the tests repeat their faults for longer.

mod backlog;
mod connection;
mod crowd;
mod demoted;
mod faults;
mod killed;
mod server;
mod traffic;

pub use backlog::{FEW, MANY, a_backlog_of_expired_sessions_is_swept_while_requests_continue};
pub use connection::*;
pub use crowd::a_server_without_free_connections_is_unavailable_until_it_has_some;
pub use demoted::{FAILOVER_LIMIT, a_server_that_became_a_replica_is_left_for_the_new_primary};
pub use faults::run;
pub use killed::a_server_killed_under_load_loses_no_durable_data;
pub use server::TestServer;
