//! A site whose store calls are observed and made to fail, and visitors with one cookie each.

use std::sync::Arc;

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Effects, ErrorKind, Result, Session, SessionHandle, Sessions, SessionsBuilder};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use http::{HeaderMap, HeaderValue, StatusCode, header};

pub(crate) type Watched = Spy<Gate<Broken>>;
pub(crate) type Broken = Flaky<Arc<MemoryStore>>;

pub(crate) struct Site {
    pub(crate) sessions: Sessions,
    pub(crate) spy: Watched,
    pub(crate) gate: Gate<Broken>,
    pub(crate) flaky: Broken,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) clock: HandClock,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        let clock = HandClock::new();
        let memory = Arc::new(MemoryStore::new());
        let flaky = Flaky::new(Arc::clone(&memory));
        let gate = Gate::new(flaky.clone());
        let spy = Spy::new(gate.clone());
        let builder = Sessions::builder(spy.clone())
            .clock(clock.clone())
            .sweep(None);
        Self {
            sessions: configure(builder).build().unwrap(),
            spy,
            gate,
            flaky,
            memory,
            clock,
        }
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor {
            sessions: self.sessions.clone(),
            cookie: None,
        }
    }

    /// Returns the same visitor at another server of the site, where calls are neither observed nor
    /// made to fail.
    pub(crate) fn on_another_server(&self, visitor: &Visitor) -> Visitor {
        let store = Arc::clone(&self.memory);
        let sessions = Sessions::builder(store)
            .clock(self.clock.clone())
            .sweep(None);
        Visitor {
            sessions: sessions.build().unwrap(),
            cookie: visitor.cookie.clone(),
        }
    }

    /// Returns a visitor with `n = 1` stored. Clears the list of observed calls.
    pub(crate) async fn guest(&self) -> Visitor {
        let mut visitor = self.visitor();
        visitor.visit(|session| session.set("n", 1)).await.unwrap();
        self.spy.take();
        visitor
    }
}

#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) sessions: Sessions,
    /// `name=value`, as the browser sends it.
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    /// Begins a request without opening its session.
    pub(crate) fn request(&self) -> SessionHandle {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        self.sessions.begin(&headers)
    }

    /// Begins a request and opens its session.
    pub(crate) async fn open(&self) -> (SessionHandle, Session) {
        let handle = self.request();
        let session = handle.open().await.unwrap();
        (handle, session)
    }

    /// Finishes a request with 200 and stores the cookie of the response.
    pub(crate) async fn finish(&mut self, handle: &SessionHandle) -> Result<HeaderMap> {
        self.finish_with(handle, StatusCode::OK).await
    }

    pub(crate) async fn finish_with(
        &mut self,
        handle: &SessionHandle,
        status: StatusCode,
    ) -> Result<HeaderMap> {
        let effects = self.sessions.finish(handle, status).await?;
        Ok(self.take(effects))
    }

    /// Runs a whole request.
    pub(crate) async fn visit(
        &mut self,
        handler: impl FnOnce(&Session) -> Result<()>,
    ) -> Result<HeaderMap> {
        let handle = self.request();
        handler(&handle.open().await?)?;
        self.finish(&handle).await
    }

    /// Returns the value of the item `name`, in a request that only reads.
    pub(crate) async fn reads(&self, name: &str) -> Option<u64> {
        let (_, session) = self.open().await;
        session.get(name).unwrap()
    }

    /// Stores the cookie of the response, as a browser does, and returns the headers.
    pub(crate) fn take(&mut self, effects: Effects) -> HeaderMap {
        let mut headers = HeaderMap::new();
        effects.apply(&mut headers);
        if let Some(cookie) = set_cookie(&headers) {
            let pair = cookie.split(';').next().unwrap().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        headers
    }
}

pub(crate) fn set_cookie(headers: &HeaderMap) -> Option<&str> {
    let line = headers.get(header::SET_COOKIE)?;
    Some(line.to_str().unwrap())
}

/// Returns the session's headers for the error response that replaces the handler's response.
pub(crate) fn acknowledged_headers(handle: &SessionHandle) -> HeaderMap {
    let mut headers = HeaderMap::new();
    handle.acknowledged().apply(&mut headers);
    headers
}

pub(crate) fn removes_the_cookie(headers: &HeaderMap) -> bool {
    set_cookie(headers).is_some_and(|cookie| cookie.contains("=; ") && cookie.contains("Max-Age=0"))
}

/// Returns the number of sessions in the store, without the tombstones of those that have moved.
pub(crate) async fn stored(memory: &MemoryStore) -> usize {
    let page = memory.scan(None, usize::MAX).await;
    page.unwrap().entries.len()
}

pub(crate) fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

/// Holds every call to the store until [`thaw`].
pub(crate) fn freeze<S: Store>(gate: &Gate<S>) {
    for call in CALLS {
        gate.close(When::Before, call);
    }
}

pub(crate) fn thaw<S: Store>(gate: &Gate<S>) {
    for call in CALLS {
        gate.open(When::Before, call);
    }
}

/// The calls of requests.
const CALLS: [Call; 6] = [
    Call::Load,
    Call::Create,
    Call::Save,
    Call::Rename,
    Call::Touch,
    Call::Delete,
];
