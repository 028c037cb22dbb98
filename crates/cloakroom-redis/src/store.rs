use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, OwnedEntry, Page, SaveId, Store, Version,
};
use cloakroom::{Owner, Result, StoreKey};
use futures_util::future::try_join_all;

use crate::Builder;
use crate::address::Address;
use crate::connection::Connection;
use crate::entries::{Entries, SAVING, Swap, TOUCHING};
use crate::index::Index;
use crate::layout::{Head, head};

/// Sessions in a Redis or a Valkey. See the [crate](crate) for what it guarantees and for its worst day.
///
/// Clones share the connection.
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
    /// Connects to the server at `url` with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the server at `url`:
    ///
    /// | | |
    /// |---|---|
    /// | `redis://user:password@host:port/database` | one server; all but the host may be left out |
    /// | `redis+unix:///path?db=0&user=…&pass=…` | one server, by its socket |
    /// | `redis+cluster://user:password@host:port,host:port` | a Cluster, by some of its nodes; feature `cluster` |
    /// | `rediss://`, `rediss+cluster://` | the same over TLS; feature `tls` |
    ///
    /// `valkey` is another word for `redis` in each of them.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) async fn connect_to(address: Address, options: Builder) -> Result<Self> {
        let servers = address.shown();
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
        // `maxmemory-policy` is the server's, and may change while it runs: so it may evict.
        Guarantees::default()
            .compares()
            .revokes()
            .shared()
            .evicts()
            .owners()
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

    /// If the future is dropped, the session is there or it is not; the index of its owner may have a place for
    /// nothing, which nobody sees and which goes by itself.
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0.create(key, new, "creating a session in Redis").await
    }

    /// If the future is dropped, the session is saved or it is not.
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

    /// If the future is dropped, the session is deleted or it is not.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0.delete(key, "deleting a session from Redis").await
    }

    /// In steps, since the two keys may be on two nodes:
    ///
    /// 1. The new entry is written to `to`, with a version of its own.
    /// 2. The old one is compared, and replaced by one that has expired. This is the one moment at which the session
    ///    moves.
    /// 3. What is left at `from` is deleted. Nobody waits for that to succeed: it goes by itself.
    ///
    /// If the future is dropped, the steps that are done stay done: there is the old entry, and perhaps an orphan at
    /// `to`, whose key nobody knows; or there is the new entry, and for up to a minute an expired one at `from`.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let Some(seen) = head(seen).filter(|_| from != to) else {
            return Ok(Outcome::Stale);
        };
        // Its own version: with that of `new` the orphan would pass for the proof that the session has moved.
        let mut copy = new.clone();
        copy.save_id = SaveId::random()?;
        let Outcome::Written(version) = self.0.create(to, &copy, MOVING).await? else {
            return Ok(Outcome::Stale);
        };
        match self.0.retire(from, &seen, new).await? {
            Outcome::Written(_) => Ok(Outcome::Written(version)),
            Outcome::Stale => {
                self.0.delete(to, MOVING).await?;
                Ok(Outcome::Stale)
            }
        }
    }

    /// If the future is dropped, the session is touched or it is not.
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
        let store_keys = index.list(connection, owner, LISTING).await?;
        for some in store_keys.chunks(LISTED_AT_ONCE) {
            let loads = some
                .iter()
                .map(|at| entries.load_listed(connection, at, LISTING));
            for (store_key, entry) in some.iter().zip(try_join_all(loads).await?) {
                if let Some(Entry { meta, .. }) = entry
                    && meta.owner.as_ref() == Some(owner)
                {
                    owned.push(OwnedEntry::new(store_key.clone(), meta));
                }
            }
        }
        Ok(Page::of(owned, after, limit))
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

    /// Ends the entry at `from`, which `new` takes the place of.
    async fn retire(&self, from: &StoreKey, seen: &Head, new: &Draft) -> Result<Outcome> {
        let on = &self.connection;
        // With the version of `new`, which proves to whoever got no answer that the session has moved.
        let mut left = new.clone();
        left.data = Bytes::new();
        left.meta.expires = UNIX_EPOCH;
        left.meta.owner = None;
        let swap = self
            .entries
            .retire(on, from, seen, &left, LEFT_MILLIS, MOVING)
            .await?;
        if let Swap::Stale = swap {
            return Ok(Outcome::Stale);
        }
        // The session has moved, whatever becomes of the rest.
        let _ = self.entries.delete(on, from, MOVING).await;
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
const LISTING: &str = "listing the sessions of an owner in Redis";

/// How long a moved session leaves word where it was, for whoever got no answer: longer than any request.
const LEFT_MILLIS: u64 = 60_000;

/// How many sessions of an owner are asked for together. Most owners have fewer.
const LISTED_AT_ONCE: usize = 64;
