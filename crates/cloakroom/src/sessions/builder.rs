use std::fmt;
use std::time::Duration;

use super::sessions::Sessions;
use super::sweep::{Background, Sweep};
use crate::backend::Backend;
use crate::format::Facts;
use crate::http::{CacheControl, Cookie};
use crate::model::{Clock, Error, ErrorKind, Result, SystemClock, limits};
use crate::session::{CommitQueue, Core, NewSessionLimit, OverLimit, Policy, SessionLimit};

/// Configures the sessions of a site. Created by [`Sessions::builder`].
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
/// assert!(sessions.new_session().expiry_age() >= Duration::from_secs(30 * 60));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[must_use]
pub struct SessionsBuilder {
    backend: Backend,
    cookie: Cookie,
    policy: Policy,
    cache_control: CacheControl,
    tombstone_age: Duration,
    session_limit: Option<SessionLimit>,
    new_session_limit: Option<NewSessionLimit>,
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
                unconfirmed: None,
                save_every_request: false,
            },
            cache_control: CacheControl::Private,
            tombstone_age: A_MINUTE,
            session_limit: None,
            new_session_limit: None,
            clock: Box::new(SystemClock),
            sweep: Some(Sweep::default()),
        }
    }

    /// Sets the name and the attributes of the cookie.
    ///
    /// Defaults to [`Cookie::default`], the strictest cookie that browsers offer. The price: it
    /// needs https, except on `localhost` in most browsers.
    ///
    /// The cookie also sets the [namespace](Cookie::namespace) of the keys. Declare an earlier
    /// cookie of the site with [`Cookie::formerly`].
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Cookie;
    ///
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .cookie(Cookie::new("sessionid").plain_http())
    ///     .build()?;
    /// # let handle = sessions.begin(&http::HeaderMap::new());
    /// assert!(handle.named("sessionid").is_some());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// Sets how long a session lasts after its last change.
    ///
    /// Defaults to two weeks, as in Django, so that visitors stay logged in between visits. The
    /// price: a stolen cookie works just as long.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// let half_an_hour = Duration::from_secs(30 * 60);
    /// let sessions = Sessions::builder(MemoryStore::new()).max_age(half_an_hour).build()?;
    /// assert!(sessions.new_session().expiry_age() >= half_an_hour);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.policy.max_age = max_age;
        self
    }

    /// Sets how long a session lasts at most, however active it is.
    ///
    /// The limit counts from the beginning of the session, and again from each login. If you
    /// shorten the limit, existing sessions end earlier, too.
    ///
    /// The clocks of the servers may differ by [5 minutes](crate::limits::CLOCK_SKEW), so a session
    /// may end that much earlier or later. A server ignores a session whose times are further in
    /// the future, and logs a warning: by that server's clock, the session would outlast this
    /// limit. In formats that do not keep these [times](crate::format::Facts), no session is
    /// ignored.
    ///
    /// Off by default, as in Django, so that an active visitor is never logged out. The price: a
    /// stolen cookie that is kept in use never expires.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// let half_a_day = Duration::from_secs(12 * 60 * 60);
    /// let sessions = Sessions::builder(MemoryStore::new()).max_lifetime(half_a_day).build()?;
    /// assert!(sessions.new_session().expiry_age() <= half_a_day);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.policy.max_lifetime = Some(max_lifetime);
        self
    }

    /// Sets whether browsers drop the cookie when they close.
    ///
    /// Defaults to `false`, as in Django, so that a login survives a restart of the browser. The
    /// price: on a shared computer, the login survives, too. With `true`, the entry still lasts
    /// [`max_age`](Self::max_age), since the server does not learn that a browser was closed.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// let sessions = Sessions::builder(MemoryStore::new()).expire_at_browser_close(true).build()?;
    /// assert!(sessions.new_session().expires_at_browser_close());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn expire_at_browser_close(mut self, browser_close: bool) -> Self {
        self.policy.browser_close = browser_close;
        self
    }

    /// Extends a session when it is read, at most once per `threshold`.
    ///
    /// Off by default: only changes extend a session, so reading never writes. The price of turning
    /// it on: one small write and one `Set-Cookie` per visitor and threshold. If the write fails,
    /// the response is still sent.
    ///
    /// The threshold must be shorter than [`max_age`](Self::max_age) and
    /// [`max_lifetime`](Self::max_lifetime), or a session would end before a read could extend it.
    /// If the threshold is longer than half of a session's idle time, half of the idle time is used
    /// instead. A session to which [`set_expiry`](crate::Session::set_expiry) gave a short idle
    /// time is therefore extended more often. A visitor whose requests are no further apart than
    /// half of the idle time stays logged in.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom_testkit::HandClock;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let clock = HandClock::new();
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .slide_on_access(Duration::from_secs(60))
    ///     .clock(clock.clone())
    ///     .build()?;
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    /// # let mut request = HeaderMap::new();
    /// # let cookie = format!("__Host-session={}", key.reveal());
    /// # request.insert("cookie", cookie.parse().expect("a key fits into a header"));
    ///
    /// clock.advance(Duration::from_secs(90));
    /// let handle = sessions.begin(&request); // of a browser that has a session
    /// handle.open().await?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// assert_eq!(effects.set_cookies().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn slide_on_access(mut self, threshold: Duration) -> Self {
        self.policy.slide = Some(threshold);
        self
    }

    /// Sets how long a new session of a visitor who is not logged in lasts until the browser sends
    /// its cookie for the first time. From then on, it lasts as long as any other session.
    ///
    /// Clients that drop cookies, such as crawlers and attackers, get a new session with every
    /// request that edits it. With this option, these sessions do not stay in the store for the
    /// whole [`max_age`](Self::max_age). The session is extended by the first request that opens it
    /// or saves it.
    ///
    /// Off by default, so that a visitor can return after a long time to a site that was visited
    /// only once. The price of turning it on: one more small write for each new session, and such a
    /// visitor gets a new session. Must be at least a second, and shorter than `max_age`. Building
    /// fails in formats that do not keep all [facts](crate::format::Facts), such as Django's. Has
    /// no effect if sessions are kept in cookies.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom_testkit::HandClock;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let hour = Duration::from_secs(60 * 60);
    /// let clock = HandClock::new();
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .unconfirmed_age(hour)
    ///     .clock(clock.clone())
    ///     .build()?;
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    ///
    /// clock.advance(hour); // no browser sends the cookie
    /// let key = session.key().expect("a saved session has a key");
    /// assert!(sessions.open(&key).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn unconfirmed_age(mut self, age: Duration) -> Self {
        self.policy.unconfirmed = Some(age);
        self
    }

    /// Extends the session and sends the cookie again with every request, even if the handler does
    /// not open the session. Named `SESSION_SAVE_EVERY_REQUEST` in Django.
    ///
    /// Off by default. The price of turning it on: a load and a write for every request of every
    /// visitor who has a session, and no shared cache can store any of these responses.
    /// [`slide_on_access`](Self::slide_on_access) achieves almost the same for far less.
    ///
    /// No session is created for visitors without one. If the store fails, the response is still
    /// sent.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new()).save_every_request(true).build()?;
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    /// # let mut request = HeaderMap::new();
    /// # let cookie = format!("__Host-session={}", key.reveal());
    /// # request.insert("cookie", cookie.parse().expect("a key fits into a header"));
    ///
    /// let handle = sessions.begin(&request); // of a browser that has a session
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// assert_eq!(effects.set_cookies().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn save_every_request(mut self, every: bool) -> Self {
        self.policy.save_every_request = every;
        self
    }

    /// Sets how long a handler may wait for the store. After that, its store calls fail with
    /// [`Timeout`](ErrorKind::Timeout).
    ///
    /// The limit applies to all store calls of a handler together. Only the time in which the
    /// handler waits for the store counts. The commit at the end of the request has another limit
    /// of the same length, so that a logout is sent even if the handler has used up its time. So a
    /// request waits at most twice this time. For a session outside of a request, each save has its
    /// own limit.
    ///
    /// Defaults to 5 seconds: long enough for a database to fail over, short enough for a visitor
    /// to wait. The price: while the database hangs, every request that opens its session waits
    /// that long.
    ///
    /// In a backend with two tiers, a call of the cache may take 250 milliseconds, which do not
    /// count towards the limit. There is one exception: when a logout or a new key removes the copy
    /// of a [`WriteThroughBackend`](crate::WriteThroughBackend), the limit set here applies, unless
    /// the cache has just failed.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// let builder = Sessions::builder(MemoryStore::new()).timeout(Duration::from_secs(1));
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.backend.set_timeout(timeout);
        self
    }

    /// Sets how long a [tombstone](crate::store::Tombstone) stays at the old key of a session that
    /// has moved to a new key, as it does at each login.
    ///
    /// A request that the browser sent before it received the new key finds the tombstone. The
    /// session of this request is empty, saving an edit fails with
    /// [`Interrupted`](ErrorKind::Interrupted), and no cookie is set, so the cookie of the login
    /// stays. A second login of the same user, for instance after a double click, gets its own
    /// session with a copy of the items.
    ///
    /// Defaults to a minute. This is long enough for requests under way. It is also short enough
    /// for a browser that never received the new key: after this time, such a browser gets a new
    /// session. The price: each move leaves a small entry for this time. Must be between 10 seconds
    /// and an hour. Has no effect if the store does not promise
    /// [`tombstones`](crate::store::Guarantees#structfield.tombstones), or if the format keeps
    /// none, as is the case for Django's formats.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::store::MemoryStore;
    /// use cloakroom::{Owner, Sessions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let store = std::sync::Arc::new(MemoryStore::new());
    /// let sessions = Sessions::builder(store.clone())
    ///     .tombstone_age(Duration::from_secs(10))
    ///     .build()?;
    ///
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// session.log_in("ada")?;
    /// session.save().await?;
    ///
    /// assert_eq!(store.len(), 2); // the session and the tombstone
    /// assert_eq!(sessions.owned_by(&Owner::from("ada")).await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tombstone_age(mut self, age: Duration) -> Self {
        self.tombstone_age = age;
        self
    }

    /// Limits the number of sessions that a user may have at once.
    ///
    /// The limit applies when a user logs in: the login either [ends the user's oldest
    /// session](OverLimit::EndOldest) or [fails](OverLimit::RefuseLogin). If a user logs in twice
    /// at the same moment, the number may exceed the limit by one. With `EndOldest`, the user's
    /// next login ends the excess session.
    ///
    /// Defaults to no limit. The price: a login lists the sessions of its user. Building fails if
    /// the store or the format keeps no owners.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::MemoryStore;
    /// use cloakroom::{OverLimit, Owner, Sessions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .max_sessions(2, OverLimit::EndOldest)
    ///     .build()?;
    ///
    /// for _ in 0..5 {
    ///     let session = sessions.new_session();
    ///     session.log_in("ada")?;
    ///     session.save().await?;
    /// }
    /// assert_eq!(sessions.owned_by(&Owner::from("ada")).await?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_sessions(mut self, max: usize, over: OverLimit) -> Self {
        self.session_limit = Some(SessionLimit { max, over });
        self
    }

    /// Limits how many sessions a client may begin within the time `per` without logging in.
    ///
    /// Over the limit, a request that would begin a session fails with
    /// [`TooManyNewSessions`](ErrorKind::TooManyNewSessions): the layer answers 429 with
    /// `Retry-After`, and sets no cookie. Requests that only read, requests with a session, and
    /// logins are never refused.
    ///
    /// The site names the client of each request with
    /// [`SessionHandle::set_client`](crate::SessionHandle::set_client). Requests without a client
    /// are not limited. IPv6 addresses count as one client if their first 64 bits are equal. Each
    /// process counts separately, up to 65,536 clients; all further clients share one limit.
    ///
    /// Defaults to no limit. The price of a limit: visitors behind one address, such as those of a
    /// school, share it. Building fails if `max` is zero or `per` is shorter than a second.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let builder = Sessions::builder(MemoryStore::new()).max_new_sessions(100, hour);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn max_new_sessions(mut self, max: u32, per: Duration) -> Self {
        self.new_session_limit = Some(NewSessionLimit::new(max, per));
        self
    }

    /// Sets how many bytes one session may take in the store: its encoded data, its owner and its
    /// label. Saving a larger session fails with [`TooLarge`](ErrorKind::TooLarge).
    ///
    /// Defaults to 1 MiB, since a session is loaded as a whole for every request that opens it. The
    /// price: larger values have to be kept elsewhere. If the store has a lower limit, that limit
    /// applies. The highest value is [16 MiB](crate::limits::SESSION_BYTES), which every store
    /// accepts unless it declares a lower [limit](crate::store::Guarantees::max_size).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::ErrorKind;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new()).max_size(64 << 10).build()?;
    /// let session = sessions.new_session();
    /// session.set("essay", "x".repeat(64 << 10))?;
    ///
    /// let error = session.save().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLarge);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.backend.set_max_size(max_size);
        self
    }

    /// Sets how a response that sets or removes the cookie may be cached.
    ///
    /// Defaults to [`Private`](CacheControl::Private), the weakest setting that keeps the response
    /// out of shared caches. RFC 9111 lets a shared cache store a response with `Set-Cookie`; such
    /// a cache would send one visitor's key to the next visitor. The layer adds `private` to the
    /// response's `Cache-Control`, and removes `public` and `s-maxage`. It also removes header
    /// fields that only shared caches read, such as `CDN-Cache-Control` (RFC 9213), since they
    /// override `Cache-Control`. `no-cache` alone would not be enough, since a shared cache may
    /// store such a response. The price: a CDN does not serve a page that sets the cookie, and the
    /// browser of a shared computer may keep the page, like every page that does not set the
    /// cookie.
    ///
    /// Even with `Private`, a response gets `no-store` if its request flushed the session, or if
    /// the response removes the cookie because the session ended.
    ///
    /// [`NoStore`](CacheControl::NoStore) keeps each of these responses out of the browser's cache
    /// as well. The price: Firefox and Safari do not put such a page into their back/forward cache,
    /// and Chrome does so only in some cases. Going back to the page then loads it again. `NoStore`
    /// covers only responses that set or remove the cookie. Pages that must not come back after a
    /// logout, such as those of members, need `no-store` on every response, which the site must set
    /// itself.
    ///
    /// With [`Unchanged`](CacheControl::Unchanged), the site must set all these headers itself.
    ///
    /// In comparison: Rails sends `max-age=0, private, must-revalidate` with every dynamic page;
    /// Django and Express's session middleware send no `Cache-Control`.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::CacheControl;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .cache_control(CacheControl::NoStore)
    ///     .build()?;
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    ///
    /// let mut response = HeaderMap::new();
    /// sessions.finish(&handle, StatusCode::OK).await?.apply(&mut response);
    /// assert_eq!(response["cache-control"], "no-store");
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache_control(mut self, cache_control: CacheControl) -> Self {
        self.cache_control = cache_control;
        self
    }

    /// Sets how expired entries are deleted in the background. `None` turns this deletion off.
    ///
    /// On by default, with the options of [`Sweep`], so that no cron job is needed. The price: one
    /// small query every 5 minutes in every process. Turn it off if a job calls
    /// [`Sessions::sweep`]. The sweep starts when the first session is opened.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new()).sweep(None).build()?;
    /// assert_eq!(sessions.sweep(1_000).await?, 0); // in a job of the site
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep(mut self, sweep: impl Into<Option<Sweep>>) -> Self {
        self.sweep = sweep.into();
        self
    }

    /// Sets the clock, which decides when sessions expire. Meant for tests.
    ///
    /// Defaults to the clock of the operating system.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom_testkit::HandClock;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let clock = HandClock::new();
    /// let sessions = Sessions::builder(MemoryStore::new()).clock(clock.clone()).build()?;
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    ///
    /// clock.advance(Duration::from_secs(14 * 24 * 60 * 60));
    /// assert!(sessions.open(&key).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Checks the options and returns the sessions.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config)
    ///
    /// * if browsers would reject the cookie,
    /// * if [`max_age`](Self::max_age) or [`max_lifetime`](Self::max_lifetime) is shorter than a
    ///   second,
    /// * if the threshold of [`slide_on_access`](Self::slide_on_access) or the
    ///   [`ttl`](crate::CachedBackend::ttl) of the cache is at least as long as `max_age`, or at
    ///   least as long as `max_lifetime`,
    /// * if the `ttl` is zero,
    /// * if [`unconfirmed_age`](Self::unconfirmed_age) is shorter than a second, or at least as
    ///   long as `max_age`,
    /// * if [`tombstone_age`](Self::tombstone_age) is not between 10 seconds and an hour,
    /// * if [`max_sessions`](Self::max_sessions) is zero, or if the store or the format keeps no
    ///   owners for it,
    /// * if [`max_new_sessions`](Self::max_new_sessions) is zero, or its time is shorter than a
    ///   second,
    /// * if [`max_size`](Self::max_size) is higher than
    ///   [`SESSION_BYTES`](crate::limits::SESSION_BYTES),
    /// * if the format does not keep the [facts](crate::format::Facts) that an option needs.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom::ErrorKind;
    ///
    /// let builder = Sessions::builder(MemoryStore::new()).max_age(Duration::ZERO);
    /// assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config);
    /// ```
    pub fn build(mut self) -> Result<Sessions> {
        self.cookie.check()?;
        self.check_facts()?;
        self.check_session_limit()?;
        self.backend.set_cookie(&self.cookie);
        self.backend.set_tombstone_age(self.tombstone_age);
        self.check_durations()?;
        if !self.backend.keeps_entries() {
            self.policy.unconfirmed = None;
        }
        if self.backend.max_size() > limits::SESSION_BYTES {
            return Err(misconfigured(format!(
                "`max_size` must be at most {} bytes; keep larger things elsewhere",
                limits::SESSION_BYTES
            )));
        }
        Ok(Sessions::from_core(Core {
            rules: self.backend.rules(),
            backend: self.backend,
            cookie: self.cookie,
            policy: self.policy,
            session_limit: self.session_limit,
            new_session_limit: self.new_session_limit,
            cache_control: self.cache_control,
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
            "`max_lifetime` needs to know when a session began, and this format does not keep \
             that time; leave `max_lifetime` out"
        } else if self.policy.unconfirmed.is_some() && !facts.are_all() {
            "`unconfirmed_age` needs to know when a session was saved, and this format does not \
             keep that time; leave `unconfirmed_age` out"
        } else if self.policy.slide.is_some() && facts == Facts::Nothing {
            "`slide_on_access` needs to know when a session ends, and this format does not keep \
             that time; use `save_every_request` instead"
        } else {
            return Ok(());
        };
        Err(misconfigured(refused))
    }

    fn check_session_limit(&self) -> Result<()> {
        if let Some(NewSessionLimit { max, per, .. }) = &self.new_session_limit
            && (*max == 0 || *per < A_SECOND)
        {
            return Err(misconfigured(
                "`max_new_sessions` needs at least one session and a time of at least a second",
            ));
        }
        match self.session_limit {
            Some(SessionLimit { max: 0, .. }) => Err(misconfigured(
                "`max_sessions` must be at least 1; no user could log in otherwise",
            )),
            Some(_) if !self.backend.guarantees().owners => Err(misconfigured(
                "`max_sessions` needs a store and a format that keep owners; use another store, or \
                 leave `max_sessions` out",
            )),
            _ => Ok(()),
        }
    }

    /// Checks each duration, and the durations against each other.
    fn check_durations(&self) -> Result<()> {
        if !(MIN_TOMBSTONE_AGE..=MAX_TOMBSTONE_AGE).contains(&self.tombstone_age) {
            return Err(misconfigured(format!(
                "`tombstone_age` must be between {MIN_TOMBSTONE_AGE:?} and {MAX_TOMBSTONE_AGE:?}; \
                 a logout finds the new key of a session by its tombstone"
            )));
        }
        let ends = [
            ("max_age", Some(self.policy.max_age)),
            ("max_lifetime", self.policy.max_lifetime),
        ];
        let ends = ends.map(|(name, limit)| limit.map(|limit| (name, limit)));
        let parts = [
            (
                "slide_on_access",
                self.policy.slide,
                "otherwise, sessions would end before a read could extend them; use at most half \
                 of that time",
            ),
            (
                "ttl",
                self.backend.cache_ttl(),
                "otherwise, the cache would never notice that another server ended a session",
            ),
        ];
        let unconfirmed = self.policy.unconfirmed;
        if unconfirmed.is_some_and(|age| age < A_SECOND || age >= self.policy.max_age) {
            return Err(misconfigured(
                "`unconfirmed_age` must be at least a second and shorter than `max_age`",
            ));
        }
        if self.backend.cache_ttl() == Some(Duration::ZERO) {
            return Err(misconfigured(
                "the `ttl` of the cache must not be zero; leave the cache out",
            ));
        }
        for (name, limit) in ends.into_iter().flatten() {
            if limit < A_SECOND {
                return Err(misconfigured(format!(
                    "`{name}` must be at least a second; otherwise, sessions would expire at once"
                )));
            }
            for (part, duration, reason) in parts {
                if duration.is_some_and(|duration| duration >= limit) {
                    return Err(misconfigured(format!(
                        "`{part}` must be shorter than `{name}`, which is {limit:?}; {reason}"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn misconfigured(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("configuring sessions: {what}"))
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("backend", &self.backend)
            .field("cookie", &self.cookie)
            .field("policy", &self.policy)
            .field("cache_control", &self.cache_control)
            .field("sweep", &self.sweep)
            .finish_non_exhaustive()
    }
}

/// A logout that runs at the same time as a login needs the tombstone for two store calls.
const MIN_TOMBSTONE_AGE: Duration = Duration::from_secs(10);

const MAX_TOMBSTONE_AGE: Duration = Duration::from_secs(60 * 60);

const A_SECOND: Duration = Duration::from_secs(1);

const A_MINUTE: Duration = Duration::from_secs(60);

const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
