//! The operations of Django's session store, on Cloakroom's sessions.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom::session::Items;
use cloakroom::{Clock, Session, SessionKey, Sessions};
use cloakroom_django::wire::signing::{SERVER_SALT, Signer, UnsignError};
use cloakroom_django::wire::{cache, json, key};
use cloakroom_testkit::HandClock;

use crate::configuration::{Configuration, Engine};
use crate::line::{PythonException, Reply, Request};
use crate::log::Log;

pub(crate) struct Store {
    log: Log,
    clock: HandClock,
    configuration: Option<Configuration>,
    open: HashMap<Engine, Sessions>,
}

type Answered = Result<Reply, PythonException>;

impl Store {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            log,
            clock: HandClock::new(),
            configuration: None,
            open: HashMap::new(),
        }
    }

    pub(crate) fn set_clock(&self, now: SystemTime) {
        self.clock.set(now);
    }

    pub(crate) fn configure(&mut self, configuration: Configuration) -> Answered {
        self.configuration = Some(configuration);
        self.open.clear();
        Ok(Reply::default())
    }

    pub(crate) async fn check(&mut self, request: &Request) -> Answered {
        self.sessions(request).await?;
        Ok(Reply::default())
    }

    /// Returns the signed text of the data. As in Django, the text has the same salt for all
    /// engines. So for `signed_cookies` the text differs from the cookie, which has another salt.
    pub(crate) fn encode(&self, request: &Request) -> Answered {
        let json = json::write(&request.items("data")?)?;
        let now = self.clock.now().duration_since(UNIX_EPOCH);
        let secs = now.unwrap_or_default().as_secs();
        let text = self.signer()?.dumps(json.as_bytes(), secs.cast_signed());
        Ok(Reply::default().with("encoded", text)?)
    }

    pub(crate) fn decode(&self, request: &Request) -> Answered {
        let text: String = request.get("encoded")?;
        let data = match self.signer()?.loads(text.as_bytes()) {
            Ok(signed) => json::read(&signed.json).unwrap_or_default(),
            Err(UnsignError::Undecodable) => Items::new(),
            Err(UnsignError::BadSignature) => {
                let logger = "django.security.SuspiciousSession";
                self.log.warn(logger, "Session data corrupted");
                Items::new()
            }
        };
        Ok(Reply::default().with_items("data", &data)?)
    }

    pub(crate) async fn load(&mut self, request: &Request) -> Answered {
        let key: Option<String> = request.get("session_key")?;
        let session = self.find(request).await?;
        let data = session.as_ref().map(items).unwrap_or_default();
        // If a signed cookie cannot be read, Django keeps its text as the session key and writes a
        // new cookie.
        let is_bad_cookie = session.is_none() && is_cookie(request)?;
        let key = key.filter(|_| session.is_some() || is_bad_cookie);
        Ok(Reply::default()
            .with_items("data", &data)?
            .with("session_key", key)?
            .with("modified", is_bad_cookie)?)
    }

    pub(crate) async fn exists(&mut self, request: &Request) -> Answered {
        let exists = !is_cookie(request)? && self.find(request).await?.is_some();
        Ok(Reply::default().with("exists", exists)?)
    }

    pub(crate) async fn create(&mut self, request: &Request) -> Answered {
        let session = self.sessions(request).await?.new_session();
        let data = request.items("data")?;
        if data.is_empty() {
            // A session without items is never created. Create the session with an item, which
            // `write` removes.
            session.set_test_cookie()?;
            session.save().await?;
        }
        self.write(&session, &data).await
    }

    /// Saves an existing session, or makes a new signed cookie. Never creates a session in a store,
    /// not even with `must_create`, because a key from outside must not become the key of a new
    /// session.
    pub(crate) async fn save(&mut self, request: &Request) -> Answered {
        if is_cookie(request)? {
            return self.create(request).await;
        }
        let session = self.find(request).await?;
        match (session, request.get("must_create")?) {
            (Some(_), true) => Err(PythonException::new("CreateError", "the session exists")),
            (None, true) => Err(PythonException::new(
                "NotImplementedError",
                "a session cannot be created under a given key",
            )),
            (Some(session), false) => self.write(&session, &request.items("data")?).await,
            (None, false) => Err(PythonException::new(
                "UpdateError",
                "the session does not exist",
            )),
        }
    }

    pub(crate) async fn delete(&mut self, request: &Request) -> Answered {
        if let Some(session) = self.find(request).await? {
            session.flush()?;
            session.save().await?;
        }
        Ok(Reply::default())
    }

    pub(crate) async fn clear_expired(&mut self, request: &Request) -> Answered {
        let sessions = self.sessions(request).await?;
        while sessions.sweep(BATCH).await? == BATCH {}
        Ok(Reply::default())
    }

    pub(crate) fn cache_key(&self, request: &Request) -> Answered {
        let engine = match request.get("engine")? {
            Engine::CachedDb => cache::CACHED_DB,
            _ => cache::CACHE,
        };
        let key: String = request.get("session_key")?;
        Ok(Reply::default().with("cache_key", format!("{engine}{key}"))?)
    }

    pub(crate) fn key_to_file(&self, request: &Request) -> Answered {
        let key: String = request.get("session_key")?;
        if !key::is_file_safe(&key) {
            let why = "the key has characters that are not allowed in the name of a file";
            return Err(PythonException::new("InvalidSessionKey", why));
        }
        let configuration = self.configuration()?;
        let name = format!("{}{key}", configuration.session_cookie_name);
        let path = configuration.file_path().join(name);
        Ok(Reply::default().with("path", path.display().to_string())?)
    }

    /// Replaces the items of the session and saves it.
    async fn write(&self, session: &Session, data: &Items) -> Answered {
        session.clear()?;
        for (name, value) in data.iter() {
            session.set_value(name.as_ref(), value.clone())?;
        }
        session.save().await?;
        let key = session.key().map(|key| key.reveal().to_owned());
        Ok(Reply::default().with("session_key", key)?)
    }

    /// Opens the unexpired session with the key in the request.
    async fn find(&mut self, request: &Request) -> Result<Option<Session>, PythonException> {
        let sessions = self.sessions(request).await?;
        match request.get::<Option<String>>("session_key")? {
            Some(key) => Ok(sessions.open(&SessionKey::new(&key)).await?),
            None => Ok(None),
        }
    }

    async fn sessions(&mut self, request: &Request) -> Result<Sessions, PythonException> {
        let engine: Engine = request.get("engine")?;
        if let Some(sessions) = self.open.get(&engine) {
            return Ok(sessions.clone());
        }
        let sessions = self
            .configuration()?
            .open(engine, self.clock.clone())
            .await?;
        self.open.insert(engine, sessions.clone());
        Ok(sessions)
    }

    fn signer(&self) -> Result<Signer, PythonException> {
        let configuration = self.configuration()?;
        let signer = Signer::new(&configuration.secret_key, SERVER_SALT);
        let fallbacks = configuration.secret_key_fallbacks.iter();
        Ok(fallbacks.fold(signer, Signer::fallback))
    }

    fn configuration(&self) -> Result<&Configuration, PythonException> {
        let missing =
            || PythonException::new("ImproperlyConfigured", "`configure` must come first");
        self.configuration.as_ref().ok_or_else(missing)
    }
}

fn is_cookie(request: &Request) -> Result<bool, PythonException> {
    Ok(request.get::<Engine>("engine")? == Engine::SignedCookies)
}

fn items(session: &Session) -> Items {
    let mut items = Items::new();
    for (name, value) in session.iter() {
        items.set(name.into(), value);
    }
    items
}

/// The number of expired sessions that one sweep deletes.
const BATCH: usize = 1_000;
