//! The suite of faults: what a store with a server does when that is killed, cut off, silent or full.
//!
//! [`faults!`](crate::faults!) writes the tests, one a promise; each is a plain function as well. A
//! [`TestServer`] is what they need to know of the server: how it is started and killed. The suite
//! puts a [`Proxy`](crate::Proxy) before it, which cuts, slows and refuses connections. They ask the store as
//! a site does, through [`Sessions`], and mostly through two of them on one place, as two servers of a site have them.
//! What a request may see is an error that becomes a 503, within the time limit, and afterwards what it would have seen
//! without the fault.
//!
//! Each goes on for longer if [`soak`] says so.

mod backlog;
mod crowd;
mod faults;
mod killed;
mod server;
mod traffic;
mod way;

pub use backlog::{FEW, MANY, a_backlog_of_expired_sessions_is_swept_while_requests_continue};
pub use crowd::a_server_without_free_connections_is_unavailable_until_it_has_some;
pub use faults::run;
pub use killed::a_server_killed_under_load_loses_no_durable_data;
pub use server::TestServer;
pub use way::*;
