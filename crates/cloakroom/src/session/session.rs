use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::Core;
use super::edits::Edit;
use super::plan::Change;
use super::shared::SharedState;
use crate::model::{
    EntryRef, Error, ErrorKind, Expiry, Item, ItemName, Owner, Record, Result, SessionKey,
    SessionTag, Value, after,
};

/// What the site remembers about one visitor, for the length of one request.
///
/// It was loaded once, by the extractor or by [`SessionHandle::open`]; from then on everything is synchronous. What the
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
    pub fn get<T: DeserializeOwned>(&self, item: impl ItemName<T>) -> Result<Option<T>> {
        let value = self.value(item.as_name());
        value
            .map(|value| value.get().map_err(|error| naming(item.as_name(), &error)))
            .transpose()
    }

    /// The value of `item`, or `default` if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_or<T: DeserializeOwned>(&self, item: impl ItemName<T>, default: T) -> Result<T> {
        Ok(self.get(item)?.unwrap_or(default))
    }

    /// The value of `item`, or the default of its type if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_or_default<T: DeserializeOwned + Default>(
        &self,
        item: impl ItemName<T>,
    ) -> Result<T> {
        Ok(self.get(item)?.unwrap_or_default())
    }

    /// The value with this name as it is stored, or `None` if there is none.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.desk().record.data.items.get(name).cloned()
    }

    /// Whether there is a value with this name, of whatever type; an [`Item`] is a name, too.
    pub fn contains(&self, name: impl AsRef<str>) -> bool {
        self.desk().record.data.items.contains(name.as_ref())
    }

    /// The names of all items, in the order in which they were first set.
    pub fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name).collect()
    }

    /// All items, in the order in which they were first set: a copy, which later edits do not change.
    pub fn iter(&self) -> impl Iterator<Item = (String, Value)> + use<> {
        let desk = self.desk();
        let items = desk.record.data.items.iter();
        let copies = items.map(|(name, value)| (name.to_string(), value.clone()));
        copies.collect::<Vec<_>>().into_iter()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.desk().record.data.items.len()
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

    /// Whether anything was read or changed in this request.
    pub fn is_accessed(&self) -> bool {
        self.lock().accessed
    }

    /// The user it belongs to, once it has one.
    pub fn owner(&self) -> Option<Owner> {
        self.desk().record.meta.owner.clone()
    }

    /// What the site calls it in lists.
    pub fn label(&self) -> Option<String> {
        self.desk().record.meta.label.as_deref().map(str::to_owned)
    }

    /// The key, once the session has been saved. For a test or a job; the browser is told by itself.
    pub fn key(&self) -> Option<SessionKey> {
        self.lock().base.as_ref()?.key.clone()
    }

    /// Its short public name for lists and logs, once the session has been saved.
    pub fn tag(&self) -> Option<SessionTag> {
        let store_key = self.lock().base.as_ref()?.store_key.clone();
        Some(self.0.core.backend.tag(&store_key))
    }
}

/// Changing items.
impl Session {
    /// Sets `item` to `value`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form.
    pub fn set<T: Serialize>(&self, item: impl ItemName<T>, value: T) -> Result<()> {
        let value = Value::of(&value).map_err(|error| naming(item.as_name(), &error))?;
        self.edit(Edit::Set(item.into_name(), value))
    }

    /// Sets the value with this name to one that was [read](Self::value) elsewhere, byte for byte.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn set_value(&self, name: impl Into<String>, value: Value) -> Result<()> {
        self.edit(Edit::Set(name.into().into(), value))
    }

    /// Sets `item` to `value` if it has none; gives back the value that it has then.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form or the stored value is not a `T`.
    pub fn set_default<T>(&self, item: impl ItemName<T>, value: T) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let name = item.into_name();
        let default = Value::of(&value).map_err(|error| naming(&name, &error))?;
        let there = {
            let mut desk = self.desk();
            desk.check_open()?;
            let there = desk.record.data.items.get(&name).cloned();
            if there.is_none() {
                desk.record.data.items.set(name.clone(), default.clone());
                desk.record(Edit::SetDefault(name.clone(), default));
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
        item: impl ItemName<T>,
        edit: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let name = item.into_name();
        let run = {
            let name = name.clone();
            move |value: Option<&Value>| -> Result<(T, Value)> {
                let mut new: T = match value {
                    Some(value) => value.get().map_err(|error| naming(&name, &error))?,
                    None => T::default(),
                };
                edit(&mut new);
                let value = Value::of(&new).map_err(|error| naming(&name, &error))?;
                Ok((new, value))
            }
        };
        for _ in 0..UPDATE_TRIES {
            let before = {
                let desk = self.desk();
                desk.check_open()?;
                desk.record.data.items.get(&name).cloned()
            };
            // The caller's code, and no lock is held.
            let (new, value) = run(before.as_ref())?;
            let mut desk = self.desk();
            desk.check_open()?;
            if desk.record.data.items.get(&name) == before.as_ref() {
                desk.record.data.items.set(name.clone(), value);
                let again = move |value: Option<&Value>| run(value).map(|(_, value)| value);
                desk.record(Edit::Update(name, Arc::new(again)));
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
    pub fn remove<T: DeserializeOwned>(&self, item: impl ItemName<T>) -> Result<Option<T>> {
        let name = item.into_name();
        let value = self.get(&*name)?;
        self.discard(&name)?;
        Ok(value)
    }

    /// Takes out the value with this name, whatever it is; says whether there was one.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn discard(&self, name: impl AsRef<str>) -> Result<bool> {
        let name = name.as_ref();
        let there = self.value(name).is_some();
        if there {
            self.edit(Edit::Remove(name.to_owned().into()))?;
        }
        Ok(there)
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
            let mut desk = self.desk();
            desk.check_not_over()?;
            desk.flush(now)
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
        self.edit(Edit::Label(Some(label.into().into())))
    }

    fn check_movable(&self) -> Result<()> {
        match &self.lock().base {
            Some(EntryRef { key: None, .. }) => Err(Error::new(
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

    /// Ends the session this long from now, however active it is.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every change.
    pub fn expire_after(&self, duration: Duration) -> Result<()> {
        self.set_expiry(Expiry::At(after(self.0.core.now(), duration)))
    }

    /// What [`set_expiry`](Self::set_expiry) asked for.
    pub fn expiry(&self) -> Expiry {
        let format = self.0.core.backend.format();
        format.expiry(&self.desk().record.data)
    }

    /// How long the session lasts from now on if it is saved now.
    pub fn expiry_age(&self) -> Duration {
        let now = self.0.core.now();
        self.expiry_date().duration_since(now).unwrap_or_default()
    }

    /// When the session ends if it is saved now.
    pub fn expiry_date(&self) -> SystemTime {
        let core = &self.0.core;
        core.expires(&self.desk().record, core.now())
    }

    /// Whether the cookie goes when the browser closes.
    pub fn expires_at_browser_close(&self) -> bool {
        self.0.core.at_browser_close(&self.desk().record)
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
    pub(crate) fn new(core: Arc<Core>, base: Option<EntryRef>, record: Record) -> Self {
        Self(Arc::new(Inner {
            core,
            desk: Mutex::new(SharedState::new(base, record)),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Takes no more edits.
    pub(crate) fn finish(&self) {
        self.lock().finish();
    }

    /// What the browser has not been told yet, with the key and the expiry it needs.
    pub(crate) fn untold(&self) -> (Change, Option<EntryRef>) {
        let desk = self.lock();
        (desk.untold, desk.base.clone())
    }

    /// Whether the browser's key named no live session, and nothing was put into the new one.
    pub(crate) fn is_unknown(&self) -> bool {
        let desk = self.lock();
        desk.base.is_none() && desk.flushes() == 0 && !desk.record.is_worth_keeping()
    }

    /// Whether there is an entry, or will be if the request ends well.
    pub(crate) fn exists(&self) -> bool {
        let desk = self.lock();
        desk.base.is_some() || desk.record.is_worth_keeping()
    }

    /// Records an edit that runs none of the caller's code.
    fn edit(&self, edit: Edit) -> Result<()> {
        let mut desk = self.desk();
        desk.check_open()?;
        edit.apply(&mut desk.record, self.0.core.backend.format())?;
        desk.record(edit);
        Ok(())
    }

    /// The desk, for the handler's own use of the session.
    fn desk(&self) -> MutexGuard<'_, SharedState> {
        let mut desk = self.lock();
        desk.accessed = true;
        desk
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SharedState> {
        // No closure of an `update` runs or is dropped under this lock, so nothing panics halfway through a change.
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Inner {
    pub(super) core: Arc<Core>,
    desk: Mutex<SharedState>,
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
