use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use super::guarantees::Guarantees;
use crate::model::{
    Cursor, Draft, Entry, Error, ErrorKind, Meta, Outcome, Owner, Page, Result, SaveId, StoreKey,
    Version,
};

/// A place where sessions are kept: bytes under keys, written by compare-and-swap.
///
/// A store maps a [`StoreKey`] to an [`Entry`]: opaque data, the session's facts, and a version. It
/// does not interpret the data and has no clock. Implementers write plain `async fn`, which run on
/// tokio and must not block its threads. Five methods and [`guarantees`](Self::guarantees) are
/// required.
///
/// The conformance suite of `cloakroom-testkit` tests whether a store keeps the promises of the
/// next section. Some promises are optional: a store declares in its guarantees which of them it
/// makes.
///
/// # What callers may rely on
///
/// * **Acknowledged means done.** Once a call has returned `Ok`, later calls to the same store
///   observe its effect. The effect survives a crash if the store is
///   [`durable`](Guarantees#structfield.durable).
/// * **`create` never overwrites, and no other method creates a session.** A late
///   [`save`](Self::save), [`touch`](Self::touch) or [`rename`](Self::rename) cannot restore a
///   deleted session.
/// * **Writes compare and swap.** `save`, `touch` and `rename` change an entry only if it has the
///   version that the caller saw. Of concurrent writes that saw the same version, one succeeds and
///   the others are [`Stale`](Outcome::Stale). A store that cannot compare the version and write in
///   one step does not promise [`compares`](Guarantees#structfield.compares).
/// * **Versions change with every save.** `create`, `save` and `rename` give the entry a new
///   version. `touch` keeps the version, so that a touch does not make concurrent saves stale. A
///   version is valid for one entry only. Exception: in a store that [uses the data as the
///   version](Version::from_bytes), equal data has equal versions.
/// * **Entries are whole.** A load returns the data and facts of one write, never a mixture. All
///   bytes survive unchanged, and times survive to the millisecond. Keys and owners are compared
///   byte for byte.
/// * **The core decides about expiry**, and not the store. The core is the part of Cloakroom that
///   calls stores. An expired entry is loaded and written like any other. A store may delete
///   entries that a sweep would delete, and other entries only if the store
///   [`evicts`](Guarantees#structfield.evicts).
///
/// # Cancellation
///
/// A caller may drop any future at any time, and the core drops every call that exceeds the [time
/// limit](crate::SessionsBuilder::timeout). The call then has its full effect or none. If it is
/// still on its way to a server, it may take effect later. A dropped future must not leave a lock
/// held or a connection in an undefined state.
///
/// # Errors
///
/// A conflict is not an error but [`Outcome::Stale`].
///
/// | kind | when | effect |
/// |---|---|---|
/// | [`Unavailable`](ErrorKind::Unavailable) | the store cannot be reached or failed | unknown |
/// | [`Timeout`](ErrorKind::Timeout) | the store exceeded a time limit of its client | unknown |
/// | [`Full`](ErrorKind::Full) | there is no room for the entry | none |
/// | [`TooLarge`](ErrorKind::TooLarge) | the entry exceeds the store's maximum size | none |
/// | [`Corrupt`](ErrorKind::Corrupt) | an entry cannot be read | none |
/// | [`Unsupported`](ErrorKind::Unsupported) | the store does not have this operation | none |
///
/// "Unknown" means the same as after a dropped future: the full effect, none, or the full effect
/// later. The core then loads the entry and compares its version with [`Draft::save_id`] to find
/// out.
///
/// # Examples
/// A complete store, in the memory of the process. It leaves out what is optional: it has no sweep,
/// so it grows forever, and does not list sessions.
///
/// ```
/// use std::collections::HashMap;
/// use std::collections::hash_map;
/// use std::sync::Mutex;
///
/// use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
/// use cloakroom::{Result, Sessions, StoreKey};
///
/// #[derive(Default)]
/// struct MapStore(Mutex<HashMap<StoreKey, Entry>>);
///
/// impl Store for MapStore {
///     fn guarantees(&self) -> Guarantees {
///         Guarantees::default().compares().revokes()
///     }
///
///     async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///
///     async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
///         match self.0.lock().unwrap().entry(key.clone()) {
///             hash_map::Entry::Occupied(_) => Ok(Outcome::Stale),
///             hash_map::Entry::Vacant(vacant) => {
///                 vacant.insert(new.clone().into());
///                 Ok(Outcome::Written(new.version()))
///             }
///         }
///     }
///
///     async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
///         match self.0.lock().unwrap().get_mut(key) {
///             Some(entry) if entry.version == *seen => {
///                 *entry = new.clone().into();
///                 Ok(Outcome::Written(new.version()))
///             }
///             _ => Ok(Outcome::Stale),
///         }
///     }
///
///     async fn delete(&self, key: &StoreKey) -> Result<()> {
///         self.0.lock().unwrap().remove(key);
///         Ok(())
///     }
///
///     async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
///         match self.0.lock().unwrap().get_mut(key) {
///             Some(entry) if entry.version == *seen => {
///                 entry.meta.touched = meta.touched;
///                 entry.meta.expires = meta.expires;
///                 Ok(Outcome::Written(entry.version.clone()))
///             }
///             _ => Ok(Outcome::Stale),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let sessions = Sessions::new(MapStore::default());
/// let session = sessions.new_session();
/// session.set("theme", "dark")?;
/// session.save().await?;
///
/// let key = session.key().unwrap();
/// let reopened = sessions.open(&key).await?.unwrap();
/// assert_eq!(reopened.get("theme")?, Some("dark".to_owned()));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of sessions",
    note = "a store implements `cloakroom::store::Store`; a driver's pool or connection is not one"
)]
pub trait Store: Send + Sync + 'static {
    /// Returns what this store promises.
    ///
    /// The result must not change during the lifetime of the store: the core may read it at any
    /// time, and may keep it.
    fn guarantees(&self) -> Guarantees;

    /// Loads the entry at `key`, or returns `None` if there is no entry.
    ///
    /// An expired entry that was not swept yet is returned like any other, and so is a
    /// [tombstone](super::Tombstone).
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable), or [`Corrupt`](ErrorKind::Corrupt) if the entry is
    /// damaged.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Entry>>> + Send;

    /// Creates an entry at `key`.
    ///
    /// Returns [`Stale`](Outcome::Stale) if there already is an entry, even an expired one, and
    /// leaves it as it is. Of concurrent calls for the same key, only one creates the entry.
    ///
    /// If the future is dropped, either the whole entry was created or none.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable); [`Full`](ErrorKind::Full);
    /// [`TooLarge`](ErrorKind::TooLarge).
    fn create(&self, key: &StoreKey, new: &Draft) -> impl Future<Output = Result<Outcome>> + Send;

    /// Replaces the data and all facts of the entry at `key` if it still has the version `seen`.
    ///
    /// Otherwise, and if there is no entry, returns [`Stale`](Outcome::Stale) and changes nothing.
    /// Never creates an entry. A version that this store did not issue counts as stale.
    ///
    /// If the future is dropped, either the whole entry was replaced or nothing was.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable); [`Full`](ErrorKind::Full);
    /// [`TooLarge`](ErrorKind::TooLarge).
    fn save(
        &self,
        key: &StoreKey,
        seen: &Version,
        new: &Draft,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Deletes the entry at `key`. Succeeds even if there is no entry.
    ///
    /// Once this method has returned `Ok`, no [`save`](Self::save), [`touch`](Self::touch) or
    /// [`rename`](Self::rename) restores the entry, not even one that is in progress. If the store
    /// promises [`revokes`](Guarantees#structfield.revokes), no process loads the entry any more.
    ///
    /// If the future is dropped, the entry is either complete or gone.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable).
    fn delete(&self, key: &StoreKey) -> impl Future<Output = Result<()>> + Send;

    /// Moves the entry at `from` to `to` and replaces its data and facts, if the entry still has
    /// the version `seen`.
    ///
    /// If the entry has another version or does not exist, or if `to` is taken, returns
    /// [`Stale`](Outcome::Stale) and changes nothing. `to` counts as taken if it equals `from`.
    /// `to` must be a fresh key that no other caller uses.
    ///
    /// In the same step, writes `tombstone` to `from`. A tombstone is an entry like any other, with
    /// the save id of `new`. `tombstone` is `None` if the store does not promise
    /// [`tombstones`](Guarantees#structfield.tombstones), or if the format keeps none. In that
    /// case, `from` is free after the move.
    ///
    /// If the future is dropped or the process crashes, the session is either still at `from` or
    /// already at `to`. It is never lost.
    ///
    /// # Provided method
    /// 1. Creates a copy at `to`, with another save id.
    /// 2. Replaces the entry at `from` by the tombstone, or by an expired entry if there is no
    ///    tombstone. This is the compare-and-swap that moves the session. If it is stale, deletes
    ///    the copy and returns `Stale`.
    /// 3. Saves `new` over the copy, and deletes the expired entry at `from`.
    ///
    /// An interruption can leave an orphan: the copy at `to`, whose key no browser has received, or
    /// the expired entry at `from`. A sweep deletes the orphan once it has expired. Override the
    /// method if the store can move an entry in one step.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable); [`Full`](ErrorKind::Full);
    /// [`TooLarge`](ErrorKind::TooLarge). The provided method also returns
    /// [`Random`](ErrorKind::Random) if the operating system provides no random numbers.
    fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> impl Future<Output = Result<Outcome>> + Send {
        async move {
            // A caller that finds the save id of `new` at `to` concludes that the session has
            // moved. The copy therefore has another save id.
            let mut copy = new.clone();
            copy.save_id = SaveId::random()?;
            let Outcome::Written(version) = self.create(to, &copy).await? else {
                return Ok(Outcome::Stale);
            };
            // This compare-and-swap ends the session at `from`. The copy at `to` could not be used
            // before, since no browser has its key yet.
            let mut expired = new.clone();
            expired.meta.expires = UNIX_EPOCH;
            match self.save(from, seen, tombstone.unwrap_or(&expired)).await? {
                Outcome::Written(_) => {
                    // `from` has the version of `new` now, and `to` gets it before `from` is
                    // deleted. A caller that did not get the answer finds that version at one of
                    // the two keys.
                    let moved = self.save(to, &version, new).await?;
                    if tombstone.is_none() {
                        self.delete(from).await?;
                    }
                    Ok(moved)
                }
                Outcome::Stale => {
                    self.delete(to).await?;
                    Ok(Outcome::Stale)
                }
            }
        }
    }

    /// Writes `meta.touched` and `meta.expires` to the entry at `key` if it still has the version
    /// `seen`.
    ///
    /// Everything else stays as it is, including the version: the result is
    /// [`Written`](Outcome::Written) with the version `seen`. If the entry has another version or
    /// does not exist, returns [`Stale`](Outcome::Stale) and changes nothing.
    ///
    /// If the future is dropped, the two times are either old or new; data, owner and label are
    /// intact.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable).
    fn touch(
        &self,
        key: &StoreKey,
        seen: &Version,
        meta: &Meta,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Deletes up to `limit` entries with `expires <= now` and returns their number.
    ///
    /// A result below `limit` means that this call found no more expired entries; the caller stops
    /// and sweeps again later. A call may examine only a part of the store, provided that repeated
    /// calls reach all of it.
    ///
    /// If the future is dropped, some of the entries may be deleted.
    ///
    /// The provided method deletes nothing. It is for stores whose server removes expired entries
    /// automatically.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable). Some of the entries may be deleted.
    fn sweep(&self, now: SystemTime, limit: usize) -> impl Future<Output = Result<usize>> + Send {
        let _ = (now, limit);
        async { Ok(0) }
    }

    /// Lists up to `limit` entries of `owner`, including expired ones, starting after the cursor
    /// `after`.
    ///
    /// Pass `None` for the first page and [`Page::next`] for the following ones. The order is up to
    /// the store. [`Page`] describes how concurrent changes affect a list.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable). The provided method returns
    /// [`Unsupported`](ErrorKind::Unsupported); a store that promises
    /// [`owners`](Guarantees#structfield.owners) overrides it.
    fn owned_by(
        &self,
        owner: &Owner,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page>> + Send {
        let _ = (owner, after, limit);
        async { Err(unsupported("listing the sessions of an owner")) }
    }

    /// Deletes up to `limit` entries of `owner`, except the one at `except`, and returns the keys
    /// of the deleted entries.
    ///
    /// An empty result means that no more entries were found. Entries that are created or moved
    /// concurrently may survive.
    ///
    /// The provided method lists pages with [`owned_by`](Self::owned_by) and deletes entries one by
    /// one. Override it if the store can delete them in one statement.
    ///
    /// If the future is dropped, some of the entries may be deleted.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by). If some entries are deleted and then a delete fails, the
    /// result contains the keys of the deleted ones, because the caller has to remove their copies
    /// from a cache. The next call reports the failure.
    fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoreKey>>> + Send {
        async move {
            let mut after = None;
            // Terminates at the last page.
            loop {
                // One entry more, because the page may contain `except`.
                let listed = limit.saturating_add(1);
                let page = self.owned_by(owner, after.as_ref(), listed).await?;
                let keys = page.entries.into_iter().map(|owned| owned.key);
                let keys = keys.filter(|key| Some(key) != except).take(limit);
                let keys: Vec<_> = keys.collect();
                for (deleted, key) in keys.iter().enumerate() {
                    if let Err(error) = self.delete(key).await {
                        return match deleted {
                            0 => Err(error),
                            _ => Ok(keys[..deleted].to_vec()),
                        };
                    }
                }
                after = page.next;
                if !keys.is_empty() || after.is_none() {
                    return Ok(keys);
                }
            }
        }
    }

    /// Lists up to `limit` entries of the store, including expired ones but no
    /// [tombstones](super::Tombstone), starting after the cursor `after`.
    ///
    /// Pages work as in [`owned_by`](Self::owned_by).
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable). The provided method returns
    /// [`Unsupported`](ErrorKind::Unsupported); a store that promises
    /// [`scans`](Guarantees#structfield.scans) overrides it.
    fn scan(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page>> + Send {
        let _ = (after, limit);
        async { Err(unsupported("listing all sessions")) }
    }

    /// Loads the entry at `key` and writes the times `touched` and `expires` to it. Returns the
    /// entry with its resulting times.
    ///
    /// An entry that has expired at `touched`, or a [tombstone](super::Tombstone), is returned
    /// unchanged. Returns `None` if there is no entry.
    ///
    /// The provided method calls [`load`](Self::load) and [`touch`](Self::touch), and returns the
    /// entry as it was loaded if another save comes between the two calls. Override the method if
    /// the store can do both in one round trip.
    ///
    /// If the future is dropped, the entry may or may not have been touched.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_and_touch(
        &self,
        key: &StoreKey,
        touched: SystemTime,
        expires: SystemTime,
    ) -> impl Future<Output = Result<Option<Entry>>> + Send {
        async move {
            let Some(mut entry) = self.load(key).await? else {
                return Ok(None);
            };
            if entry.meta.is_tombstone() || entry.meta.expires <= touched {
                return Ok(Some(entry));
            }
            let meta = Meta {
                touched,
                expires,
                ..entry.meta.clone()
            };
            if let Outcome::Written(version) = self.touch(key, &entry.version, &meta).await? {
                entry.meta = meta;
                entry.version = version;
            }
            Ok(Some(entry))
        }
    }

    /// Returns the only 32-byte key that begins with `prefix`, or `None` if there is no such key or
    /// more than one.
    ///
    /// The core passes the 12 bytes of a [`SessionTag`](crate::SessionTag).
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable). The provided method returns
    /// [`Unsupported`](ErrorKind::Unsupported).
    fn find(&self, prefix: &[u8]) -> impl Future<Output = Result<Option<StoreKey>>> + Send {
        let _ = prefix;
        async { Err(unsupported("finding a session by its tag")) }
    }

    /// Checks that the store can serve requests, for health checks.
    ///
    /// The provided method loads an entry that does not exist.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) if the store cannot serve requests.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send {
        async { self.load(&StoreKey::new(&[0; 32])).await.map(drop) }
    }
}

fn unsupported(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: this store does not support it"),
    )
}
