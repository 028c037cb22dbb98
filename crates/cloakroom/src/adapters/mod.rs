//! Adapters to web frameworks: thin over [`Sessions::begin`](crate::Sessions::begin) and
//! [`Sessions::finish`](crate::Sessions::finish).

#[cfg(feature = "axum-08")]
mod axum;
#[cfg(feature = "tower")]
pub mod tower;
