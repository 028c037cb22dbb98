use std::time::{Duration, SystemTime};

/// When a session ends, as one session may ask for with [`set_expiry`](crate::Session::set_expiry).
///
/// It is remembered with the session. The site's absolute lifetime, if it has one, bounds them all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expiry {
    /// As the site's policy says.
    #[default]
    Policy,
    /// After this long without a change.
    Idle(Duration),
    /// At this instant, however active it is.
    At(SystemTime),
    /// When the browser closes; on the server after the policy's idle time, since it is not told.
    BrowserClose,
    /// When the browser closes, or after this long without a change, whichever comes first.
    BrowserCloseOrIdle(Duration),
}
