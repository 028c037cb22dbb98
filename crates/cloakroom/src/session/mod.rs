//! The handler's view of a session, and how its edits are saved.

mod commit;
mod core;
mod edits;
mod handle;
mod new_session_limit;
mod once_per_minute;
mod plan;
mod policy;
mod presented;
mod queue;
mod request_scope;
mod saving;
mod session;
mod session_limit;
mod shared;

pub(crate) use core::{Core, MAX_PAGES, Sweeper};
pub use handle::SessionHandle;
pub(crate) use new_session_limit::NewSessionLimit;
pub(crate) use policy::Policy;
pub(crate) use presented::Presented;
pub(crate) use queue::CommitQueue;
pub use session::Session;
pub use session_limit::OverLimit;
pub(crate) use session_limit::SessionLimit;

pub use crate::model::{Accepts, ItemName, Items, Name, NameOf, SessionData, Value};
