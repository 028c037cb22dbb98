use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, OwnedEntry, Page, SaveId, Store, Version,
};
use cloakroom::{Owner, Result, StoreKey};
use futures_util::future::{join_all, try_join_all};

use crate::Builder;
use crate::address::Address;
use crate::connection::Connection;
use crate::entries::{Entries, SAVING, Swap, TOUCHING};
use crate::expiry;
use crate::index::Index;
use crate::layout::{Head, head};
use crate::scan::scan;

/// A store of sessions in Redis or Valkey.
///
/// The [crate documentation](crate) lists the store's guarantees and describes what happens when
/// things go wrong. Clones share the connection.
///
/// # Examples
/// ```no_run
/// use cloakroom::Sessions;
/// use cloakroom_redis::RedisStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    connection: Connection,
    entries: Entries,
    index: Index,
    servers: Vec<String>,
    prefix: String,
}

impl RedisStore {
    /// Connects to the server at `url` with the default options.
    ///
    /// Shorthand for [`builder(url)`](Self::builder)[`.connect()`](Builder::connect). The
    /// [crate documentation](crate#url) describes the URL.
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_redis::RedisStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let store = RedisStore::connect("redis+cluster://10.0.0.1:7000,10.0.0.2:7000").await?;
    /// assert!(store.guarantees().shared);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for the server at `url`.
    ///
    /// Only [`Builder::connect`] checks the URL and connects. The [crate documentation](crate#url)
    /// describes the URL.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::RedisStore;
    ///
    /// let builder = RedisStore::builder("redis://site:s3cret@127.0.0.1:6379/0");
    /// // `Debug` omits the URL, because it may contain a password.
    /// assert_eq!(format!("{builder:?}"), r#"Builder { prefix: "cloakroom:", .. }"#);
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) async fn connect_to(address: Address, options: Builder) -> Result<Self> {
        let servers = address.servers();
        let connection = Connection::open(address).await?;
        Ok(Self(Arc::new(Inner {
            connection,
            entries: Entries::new(&options.prefix),
            index: Index::new(&options.prefix),
            servers,
            prefix: options.prefix,
        })))
    }
}

impl Store for RedisStore {
    fn guarantees(&self) -> Guarantees {
        // Always `evicts`: `maxmemory-policy` can be changed while the server runs.
        Guarantees::default()
            .compares()
            .revokes()
            .shared()
            .evicts()
            .owners()
            .tombstones()
            .scans()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let Inner {
            connection,
            entries,
            ..
        } = &*self.0;
        entries
            .load(connection, key, "loading a session from Redis")
            .await
    }

    /// If the future is dropped, the session is created completely or not at all. The index of its
    /// owner may keep a store key without a session: [`owned_by`](Store::owned_by) skips this store
    /// key, and the server removes it later.
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0.create(key, new, "creating a session in Redis").await
    }

    /// If the future is dropped, the session is saved completely or not at all.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let Inner {
            connection,
            entries,
            index,
            ..
        } = &*self.0;
        let Some(seen) = head(seen) else {
            return Ok(Outcome::Stale);
        };
        let Some(owner) = &new.meta.owner else {
            let swap = entries.save(connection, key, &seen, new, 0).await?;
            return Ok(outcome(swap, &new.version()));
        };
        let swap = entries.save_indexed(connection, key, &seen, new).await?;
        let Swap::Unindexed = swap else {
            return Ok(outcome(swap, &new.version()));
        };
        let owner = owner.as_str().as_bytes();
        let until = index
            .add(connection, owner, key, new.meta.expires, SAVING)
            .await?;
        let swap = entries.save(connection, key, &seen, new, until).await?;
        Ok(outcome(swap, &new.version()))
    }

    /// If the future is dropped, the session is deleted or unchanged.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0.delete(key, "deleting a session from Redis").await
    }

    /// Takes three steps, because the two keys may be on two nodes:
    ///
    /// 1. Write the new entry to `to`, with a random version.
    /// 2. If the old entry still has the version `seen`, replace it with the tombstone, or with an
    ///    expired marker if there is no tombstone. Once this step is done, the session is at `to`.
    /// 3. Delete the marker at `from`, ignoring errors: the server deletes it after a minute.
    ///
    /// If the future is dropped, the steps already taken stay in effect. Before step 2, the old
    /// entry is valid, and `to` may hold a copy whose key was not given to any browser. After step
    /// 2, the new entry is valid, and `from` holds the tombstone, or the marker for up to a minute.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let Some(seen) = head(seen).filter(|_| from != to) else {
            return Ok(Outcome::Stale);
        };
        // The version of `new` proves that the session has moved. If step 2 never happens, the copy
        // stays at `to`, so the copy must have another version.
        let mut copy = new.clone();
        copy.save_id = SaveId::random()?;
        let Outcome::Written(version) = self.0.create(to, &copy, MOVING).await? else {
            return Ok(Outcome::Stale);
        };
        match self.0.retire(from, &seen, new, tombstone).await? {
            Outcome::Written(_) => Ok(Outcome::Written(version)),
            Outcome::Stale => {
                self.0.delete(to, MOVING).await?;
                Ok(Outcome::Stale)
            }
        }
    }

    /// If the future is dropped, the session is touched or unchanged.
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let Inner {
            connection,
            entries,
            index,
            ..
        } = &*self.0;
        let Some(compared) = head(seen) else {
            return Ok(Outcome::Stale);
        };
        let swap = entries
            .touch(connection, key, &compared, meta, None)
            .await?;
        let Swap::Owner(owner) = swap else {
            return Ok(outcome(swap, seen));
        };
        let until = index
            .add(connection, &owner, key, meta.expires, TOUCHING)
            .await?;
        let swap = entries
            .touch(connection, key, &compared, meta, Some(until))
            .await?;
        Ok(outcome(swap, seen))
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let Inner {
            connection,
            entries,
            index,
            ..
        } = &*self.0;
        let mut owned = Vec::new();
        let (store_keys, next) = index.list(connection, owner, after, limit, LISTING).await?;
        for some in store_keys.chunks(LISTED_AT_ONCE) {
            let loads = some
                .iter()
                .map(|store_key| entries.load_listed(connection, store_key, LISTING));
            for (store_key, entry) in some.iter().zip(try_join_all(loads).await?) {
                if let Some(Entry { meta, .. }) = entry
                    && meta.owner.as_ref() == Some(owner)
                {
                    owned.push(OwnedEntry::new(store_key.clone(), meta));
                }
            }
        }
        Ok(Page::new(owned, next))
    }

    /// Lists up to 1,000 entries, in the order in which the nodes keep them. The
    /// [crate documentation](crate#listing-all-sessions) describes what a call costs, and what
    /// happens if a node fails or slots move.
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let Inner {
            connection,
            entries,
            ..
        } = &*self.0;
        scan(connection, entries, after, limit).await
    }

    /// Deletes the entries, up to 64 of them at a time.
    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let mut after = None;
        // Terminates at the last page.
        loop {
            // One entry more, because the page may contain `except`.
            let page = self
                .owned_by(owner, after.as_ref(), limit.saturating_add(1))
                .await?;
            let keys = page.entries.into_iter().map(|owned| owned.key);
            let keys: Vec<_> = keys.filter(|key| Some(key) != except).take(limit).collect();
            let mut deleted = Vec::new();
            for some in keys.chunks(LISTED_AT_ONCE) {
                let deletes = some.iter().map(|key| self.0.delete(key, REVOKING));
                let mut failed = None;
                for (key, outcome) in some.iter().zip(join_all(deletes).await) {
                    match outcome {
                        Ok(()) => deleted.push(key.clone()),
                        Err(error) => failed = Some(error),
                    }
                }
                match failed {
                    None => {}
                    Some(error) if deleted.is_empty() => return Err(error),
                    Some(_) => return Ok(deleted),
                }
            }
            after = page.next;
            if !deleted.is_empty() || after.is_none() {
                return Ok(deleted);
            }
        }
    }
}

impl Inner {
    async fn create(&self, key: &StoreKey, new: &Draft, doing: &'static str) -> Result<Outcome> {
        let on = &self.connection;
        let indexed_until = match &new.meta.owner {
            Some(owner) => {
                let owner = owner.as_str().as_bytes();
                self.index
                    .add(on, owner, key, new.meta.expires, doing)
                    .await?
            }
            None => 0,
        };
        match self
            .entries
            .create(on, key, new, indexed_until, doing)
            .await?
        {
            true => Ok(Outcome::Written(new.version())),
            false => Ok(Outcome::Stale),
        }
    }

    async fn delete(&self, key: &StoreKey, doing: &'static str) -> Result<()> {
        if let Swap::Owner(owner) = self.entries.delete(&self.connection, key, doing).await? {
            self.index.remove(&self.connection, &owner, key).await;
        }
        Ok(())
    }

    /// Replaces the entry at `from` with the tombstone. If there is none, replaces the entry with a
    /// marker, and then deletes the marker.
    async fn retire(
        &self,
        from: &StoreKey,
        seen: &Head,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let on = &self.connection;
        // The marker has the version of `new`, like a tombstone. A caller that got no answer loads
        // the marker and sees that the session has moved.
        let mut marker = new.clone();
        marker.data = Bytes::new();
        marker.meta.expires = UNIX_EPOCH;
        marker.meta.owner = None;
        let (left, millis) = match tombstone {
            Some(tombstone) => (tombstone, expiry::millis_left(&tombstone.meta)),
            None => (&marker, MARKER_MILLIS),
        };
        let swap = self
            .entries
            .retire(on, from, seen, left, millis, MOVING)
            .await?;
        if let Swap::Stale = swap {
            return Ok(Outcome::Stale);
        }
        // The session has moved. Ignore errors while cleaning up.
        if tombstone.is_none() {
            let _ = self.entries.delete(on, from, MOVING).await;
        }
        if let Swap::Owner(owner) = swap {
            self.index.remove(on, &owner, from).await;
        }
        Ok(Outcome::Written(new.version()))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", &self.0.servers)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

fn outcome(swap: Swap, version: &Version) -> Outcome {
    match swap {
        Swap::Done => Outcome::Written(version.clone()),
        _ => Outcome::Stale,
    }
}

const MOVING: &str = "moving a session in Redis";
const REVOKING: &str = "ending the sessions of an owner in Redis";
const LISTING: &str = "listing the sessions of an owner in Redis";

/// How long the marker of a moved session stays. Longer than any request, so that a caller that got
/// no answer can still find the marker.
const MARKER_MILLIS: u64 = 60_000;

/// The maximum number of sessions of an owner that are loaded or deleted concurrently. Most owners
/// have fewer.
const LISTED_AT_ONCE: usize = 64;
