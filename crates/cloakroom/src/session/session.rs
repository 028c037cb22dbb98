use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::Core;
use super::edits::{Edit, Taken};
use super::plan::CookieUpdate;
use super::request_scope::RequestScope;
use super::shared::SharedState;
use crate::model::{
    Accepts, Error, ErrorKind, Expiry, Item, ItemName, Name, NameOf, Owner, Record, Result,
    SavedEntry, SessionKey, SessionTag, Tombstone, Value, limits,
};

/// The data of one visitor, as one request sees it.
///
/// A session is loaded once, by the extractor or by
/// [`SessionHandle::open`](crate::SessionHandle::open). After that, reading and editing are
/// synchronous. Edits are recorded and saved when the response is ready, before any of it is sent.
///
/// If another request of the same visitor saved first, the recorded edits are replayed on the data
/// that the other request saved. Edits of different items never collide, and
/// [`update`](Self::update) never loses an edit. `set(name, get(name) + 1)` can lose one: it sets
/// the sum that it computed from the loaded data, even if another request has saved since.
///
/// Clones refer to the same session. Reading and editing never wait for another request, and no
/// method runs the caller's code while it holds a lock.
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
/// Every method that edits the session returns [`Finished`](ErrorKind::Finished) once the request
/// is over, and after a save has failed. An edit that comes too late is never dropped silently.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

/// Reading.
impl Session {
    /// Returns the value of `item`, or `None` if it is not set or is `null`.
    ///
    /// A value that was [set](Self::set) to `None` is stored as `null`. It reads as `None` for
    /// every `T`, even for an `Option`, but [`contains`](Self::contains) returns true for it.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Item;
    ///
    /// const VISITS: Item<u64> = Item::new("num_visits");
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.get(VISITS)?, None);
    ///
    /// session.set(VISITS, 3)?;
    /// assert_eq!(session.get(VISITS)?, Some(3));
    /// assert!(session.get::<String>("num_visits").is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, item: impl NameOf<T>) -> Result<Option<T>> {
        let value = self.value(item.as_name()).filter(|value| !value.is_null());
        value
            .map(|value| value.get().map_err(|error| naming(item.as_name(), &error)))
            .transpose()
    }

    /// Returns the value of `item`, or `default` if it is not set. The session stays unchanged.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.get_or("per_page", 20)?, 20);
    ///
    /// session.set("per_page", 50)?;
    /// assert_eq!(session.get_or("per_page", 20)?, 50);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get_or<T: DeserializeOwned>(&self, item: impl NameOf<T>, default: T) -> Result<T> {
        Ok(self.get(item)?.unwrap_or(default))
    }

    /// Returns the value of `item`, or the default of its type if it is not set. The session stays
    /// unchanged.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let cart: Vec<u32> = session.get_or_default("cart")?;
    /// assert!(cart.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get_or_default<T: DeserializeOwned + Default>(&self, item: impl NameOf<T>) -> Result<T> {
        Ok(self.get(item)?.unwrap_or_default())
    }

    /// Returns the value of the item with this name as it is stored, or `None` if the item is not
    /// set.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    ///
    /// let value = session.value("theme").expect("it was just set");
    /// assert_eq!(value.as_json()?, "\"dark\"");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn value(&self, name: impl ItemName) -> Option<Value> {
        self.lock().record.data.items.get(name.as_name()).cloned()
    }

    /// Returns whether an item with this name is set, whatever its type. An item set to `null`
    /// counts.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    ///
    /// assert!(session.contains("theme"));
    /// assert!(!session.contains("cart"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn contains(&self, name: impl ItemName) -> bool {
        self.lock().record.data.items.contains(name.as_name())
    }

    /// Returns the names of all items, in the order in which they were first set.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    /// session.set("lang", "en")?;
    ///
    /// assert_eq!(session.names(), ["theme", "lang"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name).collect()
    }

    /// Returns all items, in the order in which they were first set.
    ///
    /// The iterator works on a copy: later edits do not change it.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    /// session.set("lang", "en")?;
    ///
    /// for (name, _) in session.iter() {
    ///     session.discard(name)?;
    /// }
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (String, Value)> + use<> {
        let shared = self.lock();
        let items = shared.record.data.items.iter();
        let copies = items.map(|(name, value)| (name.to_string(), value.clone()));
        copies.collect::<Vec<_>>().into_iter()
    }

    /// Returns the number of items.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    /// assert_eq!(session.len(), 1);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.lock().record.data.items.len()
    }

    /// Returns whether no item is set.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(session.is_empty());
    /// session.set("theme", "dark")?;
    /// assert!(!session.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the session has no entry in the store. Such a session was flushed, or no
    /// entry was found when it was opened, and it has not been saved since.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(session.is_new());
    ///
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// assert!(!session.is_new());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_new(&self) -> bool {
        self.lock().base.is_none()
    }

    /// Returns whether there are edits, or a flush, that have not been saved yet.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    /// assert!(session.is_modified());
    ///
    /// session.save().await?;
    /// assert!(!session.is_modified());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_modified(&self) -> bool {
        self.lock().is_modified()
    }

    /// Returns the user that the session belongs to, or `None` before a [login](Self::log_in).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.owner(), None);
    ///
    /// session.log_in("ada")?;
    /// assert_eq!(session.owner(), Some("ada".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn owner(&self) -> Option<Owner> {
        self.lock().record.meta.owner.clone()
    }

    /// Returns the label that [`set_label`](Self::set_label) gave the session.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set_label("Firefox on Linux")?;
    /// assert_eq!(session.label().as_deref(), Some("Firefox on Linux"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn label(&self) -> Option<String> {
        self.lock().record.meta.label.as_deref().map(str::to_owned)
    }

    /// Returns when the session began. A [login](Self::log_in) resets this to the time of the
    /// login.
    ///
    /// For a session loaded in a format that does not [keep](crate::format::Facts) this time, the
    /// result is the Unix epoch.
    ///
    /// # Examples
    /// ```
    /// use std::time::SystemTime;
    /// # use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(session.created() <= SystemTime::now());
    /// ```
    pub fn created(&self) -> SystemTime {
        self.lock().record.meta.created
    }

    /// Returns when the session was last saved or touched, as far as this request knows. For a
    /// session that was never saved, this is when it began.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.last_change(), session.created());
    ///
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// assert!(session.last_change() >= session.created());
    /// # Ok(())
    /// # }
    /// ```
    pub fn last_change(&self) -> SystemTime {
        self.lock().record.meta.touched
    }

    /// Returns the key, or `None` if the session has never been saved or was opened by its tag.
    ///
    /// Meant for tests and jobs: the layer sends the key to the browser automatically.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// assert!(session.key().is_none());
    ///
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// let key = session.key().expect("a saved session has a key");
    /// assert!(sessions.open(&key).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(&self) -> Option<SessionKey> {
        self.lock().base.as_ref()?.entry.key.clone()
    }

    /// Returns the session's short public id for lists and logs, or `None` if the session has never
    /// been saved. The tag changes whenever the key changes.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    ///
    /// let tag = session.tag().expect("a saved session has a tag");
    /// assert_eq!(tag.to_string().len(), 16);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tag(&self) -> Option<SessionTag> {
        let store_key = self.lock().base.as_ref()?.entry.store_key.clone();
        Some(self.0.core.backend.tag(&store_key))
    }
}

/// Editing items.
impl Session {
    /// Sets `item` to `value`.
    ///
    /// An [`Item<T>`](Item) accepts a `T`, a `&T`, and a borrowed form such as `&str` for a
    /// `String`. A plain name accepts any value that `serde` can write as JSON.
    ///
    /// What was set reads back as the same value, except that `None` and `()` are stored as `null`
    /// and [read as unset](Self::get). An implementation of `Serialize` that leaves out a part of
    /// the value is not detected.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form that reads back as the same
    /// value, such as one that contains a NaN or a `Some(None)`; [`Value::of`] lists all cases.
    /// [`TooLarge`](ErrorKind::TooLarge) if the name has more than [1,024
    /// bytes](crate::limits::ITEM_NAME_BYTES). [`Finished`](ErrorKind::Finished), as for every
    /// edit.
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
        let name = checked(item)?;
        let value = Value::of(&value).map_err(|error| naming(&name, &error))?;
        self.edit(Edit::Set(name, value))
    }

    /// Sets the item with this name to `value`, byte for byte. Meant for values that
    /// [`value`](Self::value) returned.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the value was created [from a text](Value::from_json)
    /// that is not JSON. [`TooLarge`](ErrorKind::TooLarge) if the name has more than [1,024
    /// bytes](crate::limits::ITEM_NAME_BYTES). [`Finished`](ErrorKind::Finished), as for every
    /// edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let (from, to) = (sessions.new_session(), sessions.new_session());
    /// from.set("cart", [7, 9])?;
    /// for (name, value) in from.iter() {
    ///     to.set_value(name, value)?;
    /// }
    /// assert_eq!(to.get("cart")?, Some(vec![7, 9]));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_value(&self, name: impl ItemName, value: Value) -> Result<()> {
        let name = checked(name)?;
        value.check().map_err(|error| naming(&name, &error))?;
        self.edit(Edit::Set(name, value))
    }

    /// Sets `item` to `value` if the item is not set or is `null`. Returns the value that the item
    /// then has.
    ///
    /// The result is provisional until the session is saved: if another request sets the item
    /// first, that request's value wins, and the value returned here is not stored. Two tabs that
    /// call `set_default` at the same time, each with a fresh token, both get their own token.
    /// Before you hand the value out, [save](Self::save) and read the item again.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form that reads back as the same
    /// value, or the stored value is not a `T`. [`TooLarge`](ErrorKind::TooLarge) as for
    /// [`set`](Self::set). [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.set_default("per_page", 20)?, 20);
    /// assert_eq!(session.set_default("per_page", 50)?, 20);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// Two tabs get the same token if they read it after the save:
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    /// # let one = sessions.open(&key).await?.expect("the session was saved");
    /// # let other = sessions.open(&key).await?.expect("the session was saved");
    /// for (tab, token) in [(&one, "3f2a"), (&other, "91c0")] {
    ///     tab.set_default("token", token.to_owned())?;
    /// }
    /// for tab in [&one, &other] {
    ///     tab.save().await?;
    ///     assert_eq!(tab.get::<String>("token")?.as_deref(), Some("3f2a"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_default<T>(&self, item: impl NameOf<T>, value: T) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let name = checked(item)?;
        let default = Value::of(&value).map_err(|error| naming(&name, &error))?;
        let there = {
            let mut shared = self.lock();
            shared.check_open()?;
            let items = &mut shared.record.data.items;
            let there = items.get(&name).filter(|value| !value.is_null()).cloned();
            if there.is_none() {
                items.set(name.clone(), default.clone());
                shared.push(Edit::SetDefault(name.clone(), default));
            } else {
                shared.push_unchanged(Edit::SetDefault(name.clone(), default));
            }
            there
        };
        match there {
            Some(there) => there.get().map_err(|error| naming(&name, &error)),
            None => Ok(value),
        }
    }

    /// Applies `edit` to the value of `item` and returns the new value.
    ///
    /// An item that is not set or is `null` starts from the default of its type.
    ///
    /// `edit` runs immediately. If another request saves the session first, `edit` runs again on
    /// the value that the other request saved, so no update is lost. `edit` should therefore change
    /// only its argument, and must not capture the session.
    ///
    /// The returned value does not include what parallel requests have saved since this session was
    /// loaded. The value that is stored in the end does.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`, or if the new value
    /// cannot be [set](Self::set); the session is unchanged. [`TooLarge`](ErrorKind::TooLarge) as
    /// for [`set`](Self::set). [`Conflict`](ErrorKind::Conflict) if other threads
    /// of the same request kept editing the item first, 1,000 times in a row.
    /// [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// With a plain name, the argument of the closure needs a type:
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.update("cart", |books: &mut Vec<u32>| books.push(7))?;
    /// assert_eq!(session.get("cart")?, Some(vec![7]));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// A captured value is moved into the closure and cloned inside, because the closure may run
    /// more than once:
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Item;
    ///
    /// const RECENT: Item<Vec<String>> = Item::new("recent");
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let title = String::from("Emma");
    /// session.update(RECENT, move |titles| titles.push(title.clone()))?;
    /// assert_eq!(session.get(RECENT)?, Some(vec!["Emma".to_owned()]));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// Here two requests load the same session, and each counts one visit. The second to save
    /// finds that the session has changed, and runs its closure again on the saved count:
    /// ```
    /// use cloakroom::{Item, Sessions, store::MemoryStore};
    ///
    /// const VISITS: Item<u64> = Item::new("num_visits");
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.set(VISITS, 0)?;
    /// # session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    /// let first = sessions.open(&key).await?.expect("the session was saved");
    /// let second = sessions.open(&key).await?.expect("the session was saved");
    /// assert_eq!(first.update(VISITS, |n| *n += 1)?, 1);
    /// assert_eq!(second.update(VISITS, |n| *n += 1)?, 1);
    ///
    /// first.save().await?;
    /// second.save().await?;
    /// assert_eq!(second.get(VISITS)?, Some(2));
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
        self.update_from(checked(item)?, edit, |value| value.get())
    }

    /// Does what [`update`](Self::update) does, but starts from the default if the stored value is
    /// not a `T`. For items whose type has changed between releases.
    ///
    /// # Errors
    /// As [`update`](Self::update), except that a stored value of another type is replaced.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("recent", "written by an older release")?;
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
        self.update_from(checked(item)?, edit, read)
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
                let mut new: T = match value.filter(|value| !value.is_null()) {
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
            // `run` calls the caller's closure, so no lock is held.
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
                "updating the item `{name}`: other edits of the same request came first, \
                 {UPDATE_TRIES} times in a row"
            ),
        ))
    }

    /// Removes `item` and returns its value, or `None` if it was not set.
    ///
    /// The result is provisional until the session is saved: two parallel requests can both get the
    /// value and both save. If only one request may get the value, as with a one-time token, call
    /// [`take`](Self::take).
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`; the value then stays.
    /// [`discard`](Self::discard) removes a value of any type. [`Finished`](ErrorKind::Finished),
    /// as for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    ///
    /// assert_eq!(session.remove::<String>("theme")?.as_deref(), Some("dark"));
    /// assert_eq!(session.remove::<String>("theme")?, None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn remove<T: DeserializeOwned>(&self, item: impl NameOf<T>) -> Result<Option<T>> {
        let name = item.into_name();
        let value = self.get(&*name)?;
        self.discard(name)?;
        Ok(value)
    }

    /// Removes the item with this name, whatever its type. Returns whether it was set.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set("theme", "dark")?;
    ///
    /// assert!(session.discard("theme")?);
    /// assert!(!session.discard("theme")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn discard(&self, name: impl ItemName) -> Result<bool> {
        let there = self.contains(name.as_name());
        if there {
            self.edit(Edit::Remove(name.into_name()))?;
        }
        Ok(there)
    }

    /// Removes `item`, saves at once, and returns the value. Of several parallel requests, at most
    /// one gets the value. For values that may be used only once, such as tokens.
    ///
    /// Returns `None` if the item is not set, or if another request took it first.
    ///
    /// The save includes all edits made so far. If the future is dropped, the save continues in the
    /// background, and the value is lost.
    ///
    /// # Errors
    /// As [`save`](Self::save); afterwards the value may or may not have been removed.
    /// [`BadValue`](ErrorKind::BadValue) if the stored value is not a `T`. The value then stays, or
    /// is removed if another request changed its type at the same moment.
    /// [`Unsupported`](ErrorKind::Unsupported) if the store does not [compare
    /// versions](crate::store::Guarantees::compares).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
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
                "taking an item: this store does not compare versions, so two requests could both \
                 get the item",
            ));
        }
        self.get::<T>(item.as_name())?;
        if !self.contains(item.as_name()) {
            return self.lock().check_open().map(|()| None);
        }
        let name = item.into_name();
        let taken = Taken::default();
        self.edit(Edit::Take(name.clone(), taken.clone()))?;
        self.save().await?;
        let value = taken.get().filter(|value| !value.is_null());
        let value = value.map(|value| value.get());
        value.transpose().map_err(|error| naming(&name, &error))
    }

    /// Removes all items, but keeps the key, the owner and the expiry. To end the session itself,
    /// call [`flush`](Self::flush).
    ///
    /// Django's formats store the expiry as an item. In those formats, the expiry is removed, too.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.log_in("ada")?;
    /// session.set("theme", "dark")?;
    ///
    /// session.clear()?;
    /// assert!(session.is_empty());
    /// assert_eq!(session.owner(), Some("ada".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn clear(&self) -> Result<()> {
        self.edit(Edit::Clear)
    }
}

/// Logging in and out.
impl Session {
    /// Logs `owner` in: makes `owner` the session's user and gives the session a new key when it
    /// is saved.
    ///
    /// After that, the old key opens nothing. A key that an attacker planted or intercepted before
    /// the login is therefore worthless, which prevents session fixation. The maximum lifetime
    /// starts again.
    ///
    /// The items are kept, unless the session belonged to another user. In that case, everything
    /// that the other user left is removed: items, expiry and label. The unsaved edits of this
    /// request are kept, whether they were made before or after the login. An
    /// [`update`](Self::update) that was made before the login runs again and starts from the
    /// default, because the value of the other user is removed. The order of the calls therefore
    /// does not matter.
    ///
    /// If another request ends the session before this request saves it, the login gets a new,
    /// empty session.
    ///
    /// In formats that keep no [owner](crate::format::Facts), such as Django's, a login only gives
    /// the session a new key. In those formats the user is stored in items, and the code that sets
    /// these items must remove the items of another user.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the session was opened by its tag.
    /// [`TooLarge`](ErrorKind::TooLarge) if the format keeps owners and this one has more than
    /// [255 bytes](crate::limits::OWNER_BYTES). [`BadValue`](ErrorKind::BadValue) or
    /// [`Conflict`](ErrorKind::Conflict) if an earlier `update` of this request fails when it runs
    /// again, in the same cases as [`update`](Self::update). [`Finished`](ErrorKind::Finished), as
    /// for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// let before = session.key().expect("a saved session has a key");
    ///
    /// session.log_in("ada")?;
    /// session.save().await?;
    /// assert_eq!(session.owner(), Some("ada".into()));
    /// assert!(session.contains("theme"));
    /// assert!(sessions.open(&before).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn log_in(&self, owner: impl Into<Owner>) -> Result<()> {
        self.check_movable()?;
        let at = self.0.core.now();
        let facts = self.0.core.rules.facts;
        let owner: Option<Owner> = facts.are_all().then(|| owner.into());
        if let Some(owner) = &owner {
            let len = owner.as_str().len();
            limits::check_len("logging in", "the owner", len, limits::OWNER_BYTES, "bytes")?;
        }
        for _ in 0..UPDATE_TRIES {
            let login = Edit::LogIn {
                owner: owner.clone(),
                at,
            };
            let (mut edits, recorded, revision) = {
                let mut shared = self.lock();
                shared.check_open()?;
                if shared.edits.is_empty() || !shared.record.is_of_another(owner.as_ref()) {
                    login.apply(&mut shared.record, self.0.core.backend.format())?;
                    shared.push(login);
                    return Ok(());
                }
                (shared.edits.clone(), shared.edits.len(), shared.revision)
            };
            // The edits of this request survive; what the other user left does not. The replay runs
            // the caller's code, so no lock is held.
            edits.push(login.clone());
            let mut record = Record::blank(at);
            edits.replay(&mut record, self.0.core.backend.format())?;
            let mut shared = self.lock();
            shared.check_open()?;
            // If a commit has begun in the meantime, it has taken the edits and saves them. The
            // login is then tried again.
            if (shared.edits.len(), shared.revision) == (recorded, revision) {
                shared.record = record;
                shared.push(login);
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "logging in: other edits of the same request came first, {UPDATE_TRIES} times in a \
                 row"
            ),
        ))
    }

    /// Gives the session a new key when it is saved. The old key opens nothing after that.
    ///
    /// Call this method when the privileges of the visitor change. [`log_in`](Self::log_in) also
    /// gives the session a new key.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the session was opened by its tag;
    /// [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// let before = session.key().expect("a saved session has a key");
    ///
    /// session.cycle_key()?;
    /// session.save().await?;
    /// let after = session.key().expect("a saved session has a key");
    /// assert!(sessions.open(&before).await?.is_none());
    /// assert!(sessions.open(&after).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cycle_key(&self) -> Result<()> {
        self.check_movable()?;
        self.edit(Edit::CycleKey)
    }

    /// Ends the session, as a logout does: the entry is deleted and the cookie removed when the
    /// request ends, even if the response is a 5xx.
    ///
    /// Items that are set afterwards start a new session under a new key. The old entry is deleted
    /// before the new items are saved. A session can be flushed even after a save has failed.
    ///
    /// # Errors
    /// [`Finished`](ErrorKind::Finished) once the request is over.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.log_in("ada")?;
    /// # session.save().await?;
    /// let key = session.key().expect("a saved session has a key");
    ///
    /// session.flush()?;
    /// assert_eq!(session.owner(), None);
    ///
    /// session.save().await?;
    /// assert!(sessions.open(&key).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sets the label that lists of a user's sessions show, such as the name of the device.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) in a format that keeps no
    /// [labels](crate::format::Facts). [`TooLarge`](ErrorKind::TooLarge) if the label has more than
    /// [1,000 characters](crate::limits::LABEL_CHARS). [`Finished`](ErrorKind::Finished), as for
    /// every edit.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.log_in("ada")?;
    /// session.set_label("Firefox on Linux")?;
    /// session.save().await?;
    ///
    /// let list = sessions.owned_by(&"ada".into()).await?;
    /// assert_eq!(list[0].label.as_deref(), Some("Firefox on Linux"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_label(&self, label: impl Into<String>) -> Result<()> {
        if !self.0.core.rules.facts.are_all() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "giving a session a label: its format keeps no labels; keep it in an item",
            ));
        }
        let label = label.into();
        let (doing, chars) = ("giving a session a label", label.chars().count());
        limits::check_len(doing, "the label", chars, limits::LABEL_CHARS, "characters")?;
        self.edit(Edit::Label(label.into()))
    }

    fn check_movable(&self) -> Result<()> {
        match &self.lock().base {
            Some(base) if base.entry.key.is_none() => Err(Error::new(
                ErrorKind::Unsupported,
                "giving a session a new key: it was opened by its tag, so its visitor would never \
                 learn the key",
            )),
            _ => Ok(()),
        }
    }
}

/// Expiry.
impl Session {
    /// Sets when this session expires, instead of the site's default. The choice is stored with
    /// the session.
    ///
    /// [`SessionsBuilder::max_lifetime`](crate::SessionsBuilder::max_lifetime), if set, still
    /// applies. [`Expiry::Policy`] restores the default.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the format cannot represent this expiry;
    /// [`Finished`](ErrorKind::Finished), as for every edit.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Expiry;
    /// # use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set_expiry(Expiry::BrowserClose)?;
    /// assert!(session.expires_at_browser_close());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_expiry(&self, expiry: Expiry) -> Result<()> {
        if expiry == Expiry::Policy && self.expiry() == Expiry::Policy {
            // Nothing changes, as when a caller removes an item that is not set.
            return self.lock().check_open();
        }
        self.edit(Edit::Expiry(expiry))
    }

    /// Returns the expiry that [`set_expiry`](Self::set_expiry) set, or [`Expiry::Policy`] if
    /// `set_expiry` was not called for this session.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Expiry;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert_eq!(session.expiry(), Expiry::Policy);
    ///
    /// let an_hour = Expiry::Idle(Duration::from_secs(60 * 60));
    /// session.set_expiry(an_hour)?;
    /// assert_eq!(session.expiry(), an_hour);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn expiry(&self) -> Expiry {
        let format = self.0.core.backend.format();
        format.expiry(&self.lock().record.data)
    }

    /// Returns how long the session lasts from now if it is saved now.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// # use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
    /// assert!(session.expiry_age() >= two_weeks);
    /// ```
    pub fn expiry_age(&self) -> Duration {
        let now = self.0.core.now();
        self.expiry_date().duration_since(now).unwrap_or_default()
    }

    /// Returns when the session ends if it is saved now.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Expiry;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let at = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    /// session.set_expiry(Expiry::At(at))?;
    /// assert_eq!(session.expiry_date(), at);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn expiry_date(&self) -> SystemTime {
        let core = &self.0.core;
        core.expires(&self.lock().record, core.now())
    }

    /// Returns whether the browser removes the cookie when it closes, because the cookie has no
    /// `Max-Age` and no `Expires`.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(!session.expires_at_browser_close());
    /// ```
    pub fn expires_at_browser_close(&self) -> bool {
        self.0.core.at_browser_close(&self.lock().record)
    }
}

/// The test cookie, which shows whether the browser accepts cookies. Named as in Django.
impl Session {
    /// Sets a marker item. A later request finds it if the browser sent the cookie back.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set_test_cookie()?; // in the request that shows the login form
    /// assert!(session.test_cookie_worked()); // in the request that posts it
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_test_cookie(&self) -> Result<()> {
        self.set(TEST_COOKIE, TEST_COOKIE_VALUE.to_owned())
    }

    /// Returns whether the marker of [`set_test_cookie`](Self::set_test_cookie) is set.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(!session.test_cookie_worked());
    /// ```
    pub fn test_cookie_worked(&self) -> bool {
        let mark = self.get(TEST_COOKIE);
        mark.is_ok_and(|mark| mark.as_deref() == Some(TEST_COOKIE_VALUE))
    }

    /// Removes the marker of [`set_test_cookie`](Self::set_test_cookie).
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// session.set_test_cookie()?;
    /// session.delete_test_cookie()?;
    /// assert!(!session.test_cookie_worked());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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
    /// Creates a session from a loaded record, or a new one if `base` is `None`.
    pub(super) fn new(
        core: Arc<Core>,
        base: Option<SavedEntry>,
        record: Record,
        scope: Option<Arc<RequestScope>>,
    ) -> Self {
        Self(Arc::new(Inner {
            core,
            scope,
            shared: Mutex::new(SharedState::new(base, record)),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Creates a session outside of a request.
    pub(crate) fn outside(core: Arc<Core>, base: Option<SavedEntry>, record: Record) -> Self {
        Self::new(core, base, record, None)
    }

    /// Records that the browser sent the key of a session that has moved.
    pub(super) fn set_moved(&self, tombstone: Tombstone) {
        self.lock().set_moved(tombstone);
    }

    /// Records the live sessions of a browser that sent the keys of several live sessions. None of
    /// them is used.
    pub(super) fn refuse(&self, refused: Vec<SavedEntry>) {
        self.lock().refuse(refused);
    }

    /// Refuses all edits from now on.
    pub(crate) fn finish(&self) {
        self.lock().finish();
    }

    /// Returns what the response must do to the cookie, and the entry if the cookie must be set.
    pub(crate) fn pending_cookie(&self) -> (CookieUpdate, Option<SavedEntry>) {
        let shared = self.lock();
        let base = match shared.cookie {
            CookieUpdate::Set => shared.base.clone(),
            CookieUpdate::None | CookieUpdate::Remove => None,
        };
        (shared.cookie, base)
    }

    /// Returns whether the handler flushed the session.
    pub(crate) fn was_flushed(&self) -> bool {
        self.lock().flushes() > 0
    }

    /// Returns whether the browser's keys led to no session, live or moved, and the new session is
    /// not worth keeping.
    pub(crate) fn is_unknown(&self) -> bool {
        let shared = self.lock();
        shared.is_unknown() && !shared.record.is_worth_keeping()
    }

    /// Returns whether there is an entry, or will be if the request succeeds.
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
        // No closure of an `update` runs or is dropped under this lock, so a panic never leaves a
        // half-made change behind.
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Inner {
    pub(super) core: Arc<Core>,
    /// `None` for a session outside of a request.
    pub(super) scope: Option<Arc<RequestScope>>,
    shared: Mutex<SharedState>,
    /// Held by the commit that is running. See [`CommitQueue`](super::queue::CommitQueue) for why
    /// this lock may be held across an await.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// Returns the name of an item to set, or an error if the name is too long.
fn checked(item: impl ItemName) -> Result<Name> {
    let (doing, len) = ("setting an item", item.as_name().len());
    limits::check_len(doing, "its name", len, limits::ITEM_NAME_BYTES, "bytes")?;
    Ok(item.into_name())
}

/// Returns `error` with the name of the item in front.
fn naming(name: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("the session's item `{}`: {error}", name.escape_debug()),
    )
}

/// The marker that [`Session::set_test_cookie`] sets. Name and value are Django's.
const TEST_COOKIE: Item<String> = Item::new("testcookie");
const TEST_COOKIE_VALUE: &str = "worked";

/// How many times a step on a session is tried while other edits of the same request come first.
pub(super) const UPDATE_TRIES: u32 = 1_000;
