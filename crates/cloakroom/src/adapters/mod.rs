//! Adapters to web frameworks. Each one calls [`Sessions::begin`](crate::Sessions::begin) before
//! the handler and [`Sessions::finish`](crate::Sessions::finish) after it.

#[cfg(feature = "axum-08")]
mod axum;
#[cfg(feature = "tower")]
mod body;
#[cfg(feature = "tower")]
pub mod tower;
