use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use super::guarantees::Guarantees;
use crate::model::{
    Cursor, Draft, Entry, Error, ErrorKind, Meta, Outcome, Owner, Page, Result, SaveId, StoreKey,
    Version,
};

/// Keeps entries.
///
/// Implementers write plain `async fn`. The promises below are what the conformance suite tests; a store that
/// cannot keep one says so in its [`guarantees`](Self::guarantees).
///
/// * A call that returned `Ok` has happened, as durably as the guarantees say.
/// * A call that returned `Err` may have happened or not; the core finds out with one `load`.
/// * A future that is dropped before it is done is the same: it may have happened or not, but never half.
/// * A store never decides that an entry has expired. It may delete entries that a sweep would, and no others.
///
/// # Errors
/// [`Unavailable`](ErrorKind::Unavailable) when the store cannot be reached or cannot do its work,
/// [`Full`](ErrorKind::Full) when there is no room, [`Corrupt`](ErrorKind::Corrupt) when there is something that it
/// cannot read, [`TooLarge`](ErrorKind::TooLarge) when one entry is too big,
/// [`Unsupported`](ErrorKind::Unsupported) for what the guarantees exclude. A conflict is an [`Outcome`], not an
/// error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of sessions",
    note = "a store implements `cloakroom::store::Store`; a driver's pool or connection is not one"
)]
pub trait Store: Send + Sync + 'static {
    /// What this store can promise.
    fn guarantees(&self) -> Guarantees;

    /// The entry at `key`, or `None`; an expired entry that is still there is returned. Where a session was before it
    /// moved there may be a [mark](Entry::moved), which says where it is now.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Entry>>> + Send;

    /// Writes a new entry; [`Stale`](Outcome::Stale) if there is one at `key` already, which is left as it is.
    fn create(&self, key: &StoreKey, new: &Draft) -> impl Future<Output = Result<Outcome>> + Send;

    /// Replaces the entry at `key` if it still has the version `seen`; else [`Stale`](Outcome::Stale). Never creates.
    fn save(
        &self,
        key: &StoreKey,
        seen: &Version,
        new: &Draft,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Makes sure that there is no entry at `key`.
    fn delete(&self, key: &StoreKey) -> impl Future<Output = Result<()>> + Send;

    /// Moves the entry from `from` to `to`, with new contents, if it still has the version `seen` and `to` is free
    /// (which `from` itself is not); else [`Stale`](Outcome::Stale). After a crash there is the old entry or the new
    /// one.
    ///
    /// The provided method creates a copy, compares and replaces the old entry by one that has expired, writes the new
    /// one over the copy and deletes the old; it takes the copy back if the comparison failed. Nobody knows `to` yet, so an entry there is invisible; a store that can move an entry
    /// in one step should, since a crash in the middle of the provided method leaves an orphan for the sweep.
    fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> impl Future<Output = Result<Outcome>> + Send {
        async move {
            // A version of its own, or the copy could be taken for the proof that the session has moved.
            let mut copy = new.clone();
            copy.save_id = SaveId::random()?;
            let Outcome::Written(version) = self.create(to, &copy).await? else {
                return Ok(Outcome::Stale);
            };
            // Nobody knows `to` yet; this compare-and-swap is the one moment at which the session moves. What it
            // leaves at `from` has expired, so nobody takes it for a session before it is deleted.
            let mut retired = new.clone();
            retired.meta.expires = UNIX_EPOCH;
            match self.save(from, seen, &retired).await? {
                Outcome::Written(_) => {
                    // From here on the draft's version stands at one place or the other, to say what has happened.
                    let moved = self.save(to, &version, new).await?;
                    self.delete(from).await?;
                    Ok(moved)
                }
                Outcome::Stale => {
                    self.delete(to).await?;
                    Ok(Outcome::Stale)
                }
            }
        }
    }

    /// Writes `touched` and `expires` of `meta` to the entry at `key` if it still has the version `seen`; else
    /// [`Stale`](Outcome::Stale). Everything else stays as it is, the version too.
    fn touch(
        &self,
        key: &StoreKey,
        seen: &Version,
        meta: &Meta,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Deletes up to `limit` entries that expired before or at `now`; says how many. Fewer than `limit` means that
    /// no more were found for now.
    ///
    /// The provided method deletes nothing, for stores whose backend drops expired entries by itself.
    fn sweep(&self, now: SystemTime, limit: usize) -> impl Future<Output = Result<usize>> + Send {
        let _ = (now, limit);
        async { Ok(0) }
    }

    /// Lists up to `limit` entries of one owner, expired ones included, from behind `after`; see [`Page`].
    fn owned_by(
        &self,
        owner: &Owner,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page>> + Send {
        let _ = (owner, after, limit);
        async { Err(unsupported("listing the sessions of an owner")) }
    }

    /// Deletes up to `limit` entries of one owner, but not the one at `except`; returns the keys that it deleted. Fewer
    /// than `limit` means that no more were found.
    fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoreKey>>> + Send {
        let _ = (owner, except, limit);
        async { Err(unsupported("deleting the sessions of an owner")) }
    }

    /// Lists up to `limit` entries, expired ones included, from behind `after`; see [`Page`].
    fn scan(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page>> + Send {
        let _ = (after, limit);
        async { Err(unsupported("listing all sessions")) }
    }

    /// Loads the entry at `key`, and writes these times to it unless it has expired at `touched`. Returns it with the
    /// times that it has then.
    ///
    /// The provided method is a [`load`](Self::load) and a [`touch`](Self::touch). If another save comes between the
    /// two, the entry is returned as it was loaded.
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
            if entry.moved_to().is_some() || entry.meta.expires <= touched {
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

    /// The 32-byte lookup that begins with these bytes, if there is exactly one.
    fn find(&self, prefix: &[u8]) -> impl Future<Output = Result<Option<StoreKey>>> + Send {
        let _ = prefix;
        async { Err(unsupported("finding a session by its tag")) }
    }

    /// Whether the store answers. The provided method loads an entry that is not there.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send {
        async { self.load(&StoreKey::new(&[0; 32])).await.map(drop) }
    }
}

fn unsupported(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: this store cannot; its guarantees say so"),
    )
}
