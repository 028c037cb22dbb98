use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::Core;
use super::edits::{Edit, Taken};
use super::plan::CookieUpdate;
use super::shared::SharedState;
use crate::model::{
    Accepts, Error, ErrorKind, Expiry, Item, ItemName, Name, NameOf, Owner, Record, Result,
    SavedEntry, SessionKey, SessionTag, Value,
};

/// What the site remembers about one visitor, for the length of one request.
///
/// It was loaded once, by the extractor or by [`SessionHandle::open`](crate::SessionHandle::open); from then on everything is synchronous. What the
/// handler does is recorded, and saved when the response is ready, before a byte of it is sent. If another request
/// of the same visitor saved first, the recorded edits are done again on what it saved: edits of different items
/// never collide, and [`update`](Self::update) never loses one. `set(name, get(name) + 1)` is two steps, and can.
///
/// Clones are the same session. No method waits for another request, and none runs the caller's code under a lock.
///
/// # Examples
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Item, Sessions};
///
/// const VISITS: Item<u64> = Item::new("num_visits");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::new(MemoryStore::new());
/// let session = sessions.new_session();
///
/// assert_eq!(session.update(VISITS, |n| *n += 1)?, 1);
/// session.set("theme", "dark")?;
/// session.save().await?;
///
/// let key = session.key().expect("a saved session has a key");
/// let later = sessions.open(&key).await?.expect("the session was saved");
/// assert_eq!(later.get(VISITS)?, Some(1));
/// assert_eq!(later.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every method that changes something answers [`Finished`](ErrorKind::Finished) once the request's edits have been
/// committed: a change that came too late is an error, never silence.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

/// Reading.
impl Session {
    /// The value of `item`, or `None` if there is none.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, item: impl NameOf<T>) -> Result<Option<T>> {
        let value = self.value(item.as_name());
        value
            .map(|value| value.get().map_err(|error| naming(item.as_name(), &error)))
            .transpose()
    }

    /// The value of `item`, or `default` if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_or<T: DeserializeOwned>(&self, item: impl NameOf<T>, default: T) -> Result<T> {
        Ok(self.get(item)?.unwrap_or(default))
    }

    /// The value of `item`, or the default of its type if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_or_default<T: DeserializeOwned + Default>(&self, item: impl NameOf<T>) -> Result<T> {
        Ok(self.get(item)?.unwrap_or_default())
    }

    /// The value with this name as it is stored, or `None` if there is none.
    pub fn value(&self, name: impl ItemName) -> Option<Value> {
        self.lock().record.data.items.get(name.as_name()).cloned()
    }

    /// Whether there is a value with this name, of whatever type.
    pub fn contains(&self, name: impl ItemName) -> bool {
        self.lock().record.data.items.contains(name.as_name())
    }

    /// The names of all items, in the order in which they were first set.
    pub fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name).collect()
    }

    /// All items, in the order in which they were first set: a copy, which later edits do not change.
    pub fn iter(&self) -> impl Iterator<Item = (String, Value)> + use<> {
        let shared = self.lock();
        let items = shared.record.data.items.iter();
        let copies = items.map(|(name, value)| (name.to_string(), value.clone()));
        copies.collect::<Vec<_>>().into_iter()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.lock().record.data.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the store had nothing for this visitor when the session was opened, or it was flushed since.
    pub fn is_new(&self) -> bool {
        self.lock().base.is_none()
    }

    /// Whether it was changed since it was opened or last saved.
    pub fn is_modified(&self) -> bool {
        self.lock().is_modified()
    }

    /// The user it belongs to, once it has one.
    pub fn owner(&self) -> Option<Owner> {
        self.lock().record.meta.owner.clone()
    }

    /// What the site calls it in lists.
    pub fn label(&self) -> Option<String> {
        self.lock().record.meta.label.as_deref().map(str::to_owned)
    }

    /// When the session began. A login begins it again.
    ///
    /// Formats that do not keep the [beginning](crate::format::Facts) report 1970.
    pub fn created(&self) -> SystemTime {
        self.lock().record.meta.created
    }

    /// When the session was last saved or touched, as of when it was loaded or saved here. A new session reports when it
    /// was begun.
    pub fn last_change(&self) -> SystemTime {
        self.lock().record.meta.touched
    }

    /// The key, once the session has been saved. For a test or a job; the browser is told by itself.
    pub fn key(&self) -> Option<SessionKey> {
        self.lock().base.as_ref()?.entry.key.clone()
    }

    /// Its short public name for lists and logs, once the session has been saved.
    pub fn tag(&self) -> Option<SessionTag> {
        let store_key = self.lock().base.as_ref()?.entry.store_key.clone();
        Some(self.0.core.backend.tag(&store_key))
    }
}

/// Changing items.
impl Session {
    /// Sets `item` to `value`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Item, Sessions, store::MemoryStore};
    ///
    /// const THEME: Item<String> = Item::new("theme");
    /// const CART: Item<Vec<u32>> = Item::new("cart");
    ///
    /// let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set(THEME, "dark")?;
    /// let cart = vec![7, 9];
    /// session.set(CART, &cart)?;
    /// session.set("lang", "en")?;
    ///
    /// assert_eq!(session.get(THEME)?.as_deref(), Some("dark"));
    /// assert_eq!(session.get(CART)?, Some(cart));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set<V: Serialize>(&self, item: impl Accepts<V>, value: V) -> Result<()> {
        let value = Value::of(&value).map_err(|error| naming(item.as_name(), &error))?;
        self.edit(Edit::Set(item.into_name(), value))
    }

    /// Sets the value with this name to one that was [read](Self::value) elsewhere, byte for byte.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn set_value(&self, name: impl ItemName, value: Value) -> Result<()> {
        self.edit(Edit::Set(name.into_name(), value))
    }

    /// Sets `item` to `value` if it has none; gives back the value that it has then.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form or the stored value is not a `T`.
    pub fn set_default<T>(&self, item: impl NameOf<T>, value: T) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let name = item.into_name();
        let default = Value::of(&value).map_err(|error| naming(&name, &error))?;
        let there = {
            let mut shared = self.lock();
            shared.check_open()?;
            let there = shared.record.data.items.get(&name).cloned();
            if there.is_none() {
                shared.record.data.items.set(name.clone(), default.clone());
                shared.push(Edit::SetDefault(name.clone(), default));
            }
            there
        };
        match there {
            Some(there) => there.get().map_err(|error| naming(&name, &error)),
            None => Ok(value),
        }
    }

    /// Runs `edit` on the value of `item`, now and again if another request saved first; gives back the new value.
    ///
    /// If there is no value, `edit` starts from the default of the type. It may run more than once, so let it
    /// depend on nothing but its argument, and not capture the session. What this returns is what the visitor would
    /// see if nobody else saved; the stored value counts everybody's edits.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`, or the new one has no JSON form; the
    /// session is unchanged.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> cloakroom::Result<()> {
    /// # let sessions = cloakroom::Sessions::new(cloakroom::store::MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.update("cart", |books: &mut Vec<u32>| books.push(7))?;
    /// session.update("cart", |books: &mut Vec<u32>| books.push(9))?;
    /// assert_eq!(session.get("cart")?, Some(vec![7, 9]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<T>(
        &self,
        item: impl NameOf<T>,
        edit: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        self.update_from(item.into_name(), edit, |value| value.get())
    }

    /// As [`update`](Self::update), but a stored value that is not a `T` counts as absent, and is replaced.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the new value has no JSON form; the session is unchanged.
    ///
    /// # Examples
    /// ```
    /// # let sessions = cloakroom::Sessions::new(cloakroom::store::MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.set("recent", "what an older release kept")?;
    /// assert!(session.update("recent", |ids: &mut Vec<u32>| ids.push(7)).is_err());
    ///
    /// session.update_or_reset("recent", |ids: &mut Vec<u32>| ids.push(7))?;
    /// assert_eq!(session.get("recent")?, Some(vec![7]));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn update_or_reset<T>(
        &self,
        item: impl NameOf<T>,
        edit: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let read = |value: &Value| Ok(value.get().unwrap_or_default());
        self.update_from(item.into_name(), edit, read)
    }

    fn update_from<T: Serialize + Default>(
        &self,
        name: Name,
        edit: impl Fn(&mut T) + Send + Sync + 'static,
        read: impl Fn(&Value) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let run = {
            let name = name.clone();
            move |value: Option<&Value>| -> Result<(T, Value)> {
                let mut new: T = match value {
                    Some(value) => read(value).map_err(|error| naming(&name, &error))?,
                    None => T::default(),
                };
                edit(&mut new);
                let value = Value::of(&new).map_err(|error| naming(&name, &error))?;
                Ok((new, value))
            }
        };
        for _ in 0..UPDATE_TRIES {
            let before = {
                let shared = self.lock();
                shared.check_open()?;
                shared.record.data.items.get(&name).cloned()
            };
            // The caller's code, and no lock is held.
            let (new, value) = run(before.as_ref())?;
            let mut shared = self.lock();
            shared.check_open()?;
            if shared.record.data.items.get(&name) == before.as_ref() {
                shared.record.data.items.set(name.clone(), value);
                let again = move |value: Option<&Value>| run(value).map(|(_, value)| value);
                shared.push(Edit::Update(name, Arc::new(again)));
                return Ok(new);
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "updating the item `{name}`: other edits of the same request came first, {UPDATE_TRIES} times in a row"
            ),
        ))
    }

    /// Takes out the value of `item` and gives it back, or `None` if there is none.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`; it is not taken out.
    /// [`discard`](Self::discard) takes out anything.
    pub fn remove<T: DeserializeOwned>(&self, item: impl NameOf<T>) -> Result<Option<T>> {
        let name = item.into_name();
        let value = self.get(&*name)?;
        self.discard(name)?;
        Ok(value)
    }

    /// Takes out the value with this name, whatever it is; says whether there was one.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn discard(&self, name: impl ItemName) -> Result<bool> {
        let there = self.contains(name.as_name());
        if there {
            self.edit(Edit::Remove(name.into_name()))?;
        }
        Ok(there)
    }

    /// Removes the value of `item` and saves at once. Among parallel requests, at most one gets the value: for what may be
    /// used once, such as a token.
    ///
    /// Returns `None` if there is no value, or if another request took it first.
    ///
    /// # Errors
    /// As [`save`](Self::save); after such an error the value may be there or not.
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`; it is not removed unless another request has
    /// changed its type in the same instant. [`Unsupported`](ErrorKind::Unsupported) if the store does not
    /// [compare](crate::store::Guarantees::compares).
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = cloakroom::Sessions::new(cloakroom::store::MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.set("one_time_token", "3f2a")?;
    ///
    /// assert_eq!(session.take::<String>("one_time_token").await?.as_deref(), Some("3f2a"));
    /// assert_eq!(session.take::<String>("one_time_token").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn take<T: DeserializeOwned>(&self, item: impl NameOf<T>) -> Result<Option<T>> {
        if !self.0.core.backend.guarantees().compares {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "taking an item: this store does not compare, so two requests could both get it",
            ));
        }
        if self.get::<T>(item.as_name())?.is_none() {
            return self.lock().check_open().map(|()| None);
        }
        let name = item.into_name();
        let taken = Taken::default();
        self.edit(Edit::Take(name.clone(), taken.clone()))?;
        self.save().await?;
        let value = taken.get().map(|value| value.get());
        value.transpose().map_err(|error| naming(&name, &error))
    }

    /// Takes out all items. The key, the owner and the expiry stay; [`flush`](Self::flush) ends those as well. Where the
    /// format keeps the expiry in an item, as Django's do, that goes with the others.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn clear(&self) -> Result<()> {
        self.edit(Edit::Clear)
    }
}

/// Logging in and out.
impl Session {
    /// Gives the session to `owner`, under a new key: the old one opens nothing from then on, so a key that somebody
    /// planted or overheard before the login is worthless.
    ///
    /// The items stay, unless the session belonged to another user: what that one left in it is dropped. The
    /// absolute lifetime begins anew.
    ///
    /// Formats without [owners](crate::format::Facts), Django's for instance, give it the new key, and that is all: who
    /// the user is stands in items then, and who sets those drops what another user has left.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the session was opened by its tag.
    pub fn log_in(&self, owner: impl Into<Owner>) -> Result<()> {
        self.check_movable()?;
        let at = self.0.core.now();
        let facts = self.0.core.backend.rules().facts;
        let owner = facts.are_all().then(|| owner.into());
        self.edit(Edit::LogIn { owner, at })
    }

    /// Gives the session a new key; the old one opens nothing from then on. For a change of privilege.
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in).
    pub fn cycle_key(&self) -> Result<()> {
        self.check_movable()?;
        self.edit(Edit::CycleKey)
    }

    /// Ends the session: the entry is deleted, also if the response is a 5xx, and the cookie removed. What is set
    /// afterwards begins a new session under a new key.
    ///
    /// A logout is always possible: also after a save that failed, and before anything else that is to be saved with
    /// it.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn flush(&self) -> Result<()> {
        let now = self.0.core.now();
        let unwanted = {
            let mut shared = self.lock();
            shared.check_not_over()?;
            shared.flush(now)
        };
        drop(unwanted);
        Ok(())
    }

    /// Sets what the site calls this session in lists, the device for instance.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change; [`Unsupported`](ErrorKind::Unsupported) in a format that
    /// keeps no [labels](crate::format::Facts).
    pub fn set_label(&self, label: impl Into<String>) -> Result<()> {
        if !self.0.core.backend.rules().facts.are_all() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "giving a session a label: its format has no place for one; keep it in an item",
            ));
        }
        self.edit(Edit::Label(label.into().into()))
    }

    fn check_movable(&self) -> Result<()> {
        match &self.lock().base {
            Some(base) if base.entry.key.is_none() => Err(Error::new(
                ErrorKind::Unsupported,
                "giving a session a new key: it was opened by its tag, so its visitor would never learn the key",
            )),
            _ => Ok(()),
        }
    }
}

/// Expiry.
impl Session {
    /// Asks for an expiry of this session's own, which is remembered with it.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn set_expiry(&self, expiry: Expiry) -> Result<()> {
        if expiry == Expiry::Policy && self.expiry() == Expiry::Policy {
            // As with an item that is taken out and was not there: nothing changes.
            return self.lock().check_open();
        }
        self.edit(Edit::Expiry(expiry))
    }

    /// What [`set_expiry`](Self::set_expiry) asked for.
    pub fn expiry(&self) -> Expiry {
        let format = self.0.core.backend.format();
        format.expiry(&self.lock().record.data)
    }

    /// How long the session lasts from now on if it is saved now.
    pub fn expiry_age(&self) -> Duration {
        let now = self.0.core.now();
        self.expiry_date().duration_since(now).unwrap_or_default()
    }

    /// When the session ends if it is saved now.
    pub fn expiry_date(&self) -> SystemTime {
        let core = &self.0.core;
        core.expires(&self.lock().record, core.now())
    }

    /// Whether the cookie goes when the browser closes.
    pub fn expires_at_browser_close(&self) -> bool {
        self.0.core.at_browser_close(&self.lock().record)
    }
}

/// The test cookie: whether the visitor's browser takes cookies at all.
impl Session {
    /// Puts a mark into the session, which a later request finds if the browser sent the cookie back.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_test_cookie(&self) -> Result<()> {
        self.set(TEST_COOKIE, TEST_COOKIE_VALUE.to_owned())
    }

    /// Whether the mark is there.
    pub fn test_cookie_worked(&self) -> bool {
        let mark = self.get(TEST_COOKIE);
        mark.is_ok_and(|mark| mark.as_deref() == Some(TEST_COOKIE_VALUE))
    }

    /// Takes the mark out again.
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    pub fn delete_test_cookie(&self) -> Result<()> {
        self.discard(TEST_COOKIE).map(drop)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tag", &self.tag())
            .field("items", &self.lock().record.data.items.len())
            .finish()
    }
}

impl Session {
    /// A session as it was loaded, or a blank one.
    pub(crate) fn new(core: Arc<Core>, base: Option<SavedEntry>, record: Record) -> Self {
        Self(Arc::new(Inner {
            core,
            shared: Mutex::new(SharedState::new(base, record)),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Takes no more edits.
    pub(crate) fn finish(&self) {
        self.lock().finish();
    }

    /// What the browser has not been told yet, with the entry whose cookie is to be set.
    pub(crate) fn pending_cookie(&self) -> (CookieUpdate, Option<SavedEntry>) {
        let shared = self.lock();
        let base = match shared.cookie {
            CookieUpdate::Set => shared.base.clone(),
            CookieUpdate::None | CookieUpdate::Remove => None,
        };
        (shared.cookie, base)
    }

    /// Whether the browser's key named no live session, and nothing was put into the new one.
    pub(crate) fn is_unknown(&self) -> bool {
        let shared = self.lock();
        shared.base.is_none() && shared.flushes() == 0 && !shared.record.is_worth_keeping()
    }

    /// Whether there is an entry, or will be if the request ends well.
    pub(crate) fn exists(&self) -> bool {
        let shared = self.lock();
        shared.base.is_some() || shared.record.is_worth_keeping()
    }

    /// Records an edit that runs none of the caller's code.
    fn edit(&self, edit: Edit) -> Result<()> {
        let mut shared = self.lock();
        shared.check_open()?;
        edit.apply(&mut shared.record, self.0.core.backend.format())?;
        shared.push(edit);
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SharedState> {
        // No closure of an `update` runs or is dropped under this lock, so nothing panics halfway through a change.
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Inner {
    pub(super) core: Arc<Core>,
    shared: Mutex<SharedState>,
    /// Whose commit it is. See [`CommitQueue`] for why this lock may be held across an await.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// The error with the name of the item in front.
fn naming(name: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("the session's item `{}`: {error}", name.escape_debug()),
    )
}

/// The mark that [`Session::set_test_cookie`] leaves; name and value are Django's.
const TEST_COOKIE: Item<String> = Item::new("testcookie");
const TEST_COOKIE_VALUE: &str = "worked";

/// How often one step on a session gives way to other edits of the same request.
pub(super) const UPDATE_TRIES: u32 = 1_000;
