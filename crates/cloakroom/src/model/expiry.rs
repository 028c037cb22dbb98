use std::time::{Duration, SystemTime};

/// When one session ends, as requested with [`set_expiry`](crate::Session::set_expiry).
///
/// The expiry is stored with the session. If the site sets an absolute lifetime, the session never
/// lasts longer than that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expiry {
    /// When the site's policy ends the session. The options of
    /// [`SessionsBuilder`](crate::SessionsBuilder) set the policy.
    #[default]
    Policy,
    /// This long after the session was last saved or touched.
    Idle(Duration),
    /// At this time, no matter how active the session is.
    At(SystemTime),
    /// When the browser closes. On the server, the entry expires after the policy's idle time,
    /// since browsers do not report that they close.
    BrowserClose,
    /// When the browser closes, or this long after the session was last saved or touched, whichever
    /// comes first.
    BrowserCloseOrIdle(Duration),
}
