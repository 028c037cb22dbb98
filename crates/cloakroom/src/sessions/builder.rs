use std::fmt;
use std::time::Duration;

use super::sessions::Sessions;
use super::sweep::{Background, Sweep};
use crate::backend::Backend;
use crate::format::Facts;
use crate::http::Cookie;
use crate::model::{Clock, Error, ErrorKind, Result, SystemClock};
use crate::session::{CommitQueue, Core, Policy};

/// How a site's sessions behave.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Cookie, Sessions};
///
/// let sessions = Sessions::builder(MemoryStore::new())
///     .cookie(Cookie::new("sessionid").plain_http())
///     .max_age(Duration::from_secs(30 * 60))
///     .max_lifetime(Duration::from_secs(12 * 60 * 60))
///     .slide_on_access(Duration::from_secs(60))
///     .build()?;
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[must_use]
pub struct SessionsBuilder {
    backend: Backend,
    cookie: Cookie,
    policy: Policy,
    no_store: bool,
    clock: Box<dyn Clock>,
    sweep: Option<Sweep>,
}

impl SessionsBuilder {
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            backend,
            cookie: Cookie::default(),
            policy: Policy {
                max_age: TWO_WEEKS,
                max_lifetime: None,
                browser_close: false,
                slide: None,
                save_every_request: false,
            },
            no_store: true,
            clock: Box::new(SystemClock),
            sweep: Some(Sweep::default()),
        }
    }

    /// Name and attributes of the cookie; [`Cookie::default`] if not said otherwise.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// How long a session lasts after its last change; two weeks if not said otherwise, as in Django.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.policy.max_age = max_age;
        self
    }

    /// How long a session lasts at the most, however active it is; without end if not said otherwise.
    ///
    /// It counts from the session's beginning, and anew from each login. Shortening it ends older sessions too.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.policy.max_lifetime = Some(max_lifetime);
        self
    }

    /// Whether the cookie goes when the browser closes; `false` if not said otherwise.
    pub fn expire_at_browser_close(mut self, browser_close: bool) -> Self {
        self.policy.browser_close = browser_close;
        self
    }

    /// Counts reading as activity too, written down at most once per `threshold`; off if not said otherwise.
    ///
    /// The price is one small write and one `Set-Cookie` per visitor and threshold.
    pub fn slide_on_access(mut self, threshold: Duration) -> Self {
        self.policy.slide = Some(threshold);
        self
    }

    /// Counts every request as activity and sends the cookie again with each, also with those that do not look at their
    /// session; off if not said otherwise. Django calls it so.
    ///
    /// The price is a load and a write for every request of every visitor who has a session, and that none of these
    /// responses can be cached: [`slide_on_access`](Self::slide_on_access) does the same for far less. A visitor without
    /// a session gets none by it, and if the store fails the page still goes out.
    pub fn save_every_request(mut self, every: bool) -> Self {
        self.policy.save_every_request = every;
        self
    }

    /// How long each call of the store may take; 5 seconds if not said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.backend.set_timeout(timeout);
        self
    }

    /// How many bytes one session may take in the store; 1 MiB if not said otherwise.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.backend.set_max_size(max_size);
        self
    }

    /// Whether a response that sets the cookie gets `Cache-Control: no-store`; `true` if not said otherwise.
    ///
    /// A cache that kept such a response would hand one visitor's key to the next.
    pub fn no_store(mut self, no_store: bool) -> Self {
        self.no_store = no_store;
        self
    }

    /// How expired entries are deleted in the background; `None` turns it off. On if not said otherwise.
    pub fn sweep(mut self, sweep: impl Into<Option<Sweep>>) -> Self {
        self.sweep = sweep.into();
        self
    }

    /// Where the time comes from; the operating system if not said otherwise.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The sessions.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if a browser would drop the cookie, if sessions would never be alive, or if the
    /// format does not keep the [facts](crate::format::Facts) that an option needs.
    pub fn build(mut self) -> Result<Sessions> {
        self.cookie.check()?;
        self.check_facts()?;
        self.backend.set_cookie_name(self.cookie.name());
        for (option, duration) in [
            ("max_age", Some(self.policy.max_age)),
            ("max_lifetime", self.policy.max_lifetime),
        ] {
            if duration.is_some_and(|duration| duration < Duration::from_secs(1)) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "configuring sessions: `{option}` must be at least a second; sessions would expire at once"
                    ),
                ));
            }
        }
        Ok(Sessions::from_core(Core {
            backend: self.backend,
            cookie: self.cookie,
            policy: self.policy,
            no_store: self.no_store,
            clock: self.clock,
            queue: CommitQueue::default(),
            sweeper: Box::new(Background::new(self.sweep)),
        }))
    }
}

impl SessionsBuilder {
    fn check_facts(&self) -> Result<()> {
        let facts = self.backend.rules().facts;
        let refused = if self.policy.max_lifetime.is_some() && !facts.are_all() {
            "`max_lifetime` needs to know when a session began, and this format does not keep that; leave it out"
        } else if self.policy.slide.is_some() && facts == Facts::Nothing {
            "`slide_on_access` needs to know when a session ends, and nobody here knows that but the cache; use \
             `save_every_request`"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Config,
            format!("configuring sessions: {refused}"),
        ))
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("backend", &self.backend)
            .field("cookie", &self.cookie)
            .field("policy", &self.policy)
            .field("no_store", &self.no_store)
            .field("sweep", &self.sweep)
            .finish_non_exhaustive()
    }
}

const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
