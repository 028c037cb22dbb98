use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, SaveId, Store, Version};
use cloakroom::{Result, StoreKey};

use crate::client::{Fault, Key, NewItem, Server, Token};
use crate::limit::within;
use crate::options::MAX_EXTRA;
use crate::swap::Swap;
use crate::token_cache::{CACHED_TOKENS, TokenCache};
use crate::{Builder, error, exptime, servers, value};

/// Sessions in memcached. See the [crate](crate) for what it guarantees and for its worst day.
///
/// A call that is dropped, or whose time is up, has happened or not, and never half; its connection is closed.
///
/// Clones share the connections. They belong to the runtime in which they were opened, so a store is for one runtime.
#[derive(Clone)]
pub struct MemcachedStore(Arc<Inner>);

struct Inner {
    servers: Vec<Server>,
    tokens: TokenCache<u64, Token>,
    prefix: String,
    max_size: usize,
    timeout: Duration,
}

impl MemcachedStore {
    /// The sessions on the servers of `url`, with the default [options](Self::builder).
    ///
    /// The URL is `memcached://host:port`, or `memcached://host:port,host:port` for several; without a port it is 11211.
    /// No server is asked yet.
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).open()
    }

    /// The options for the servers of `url`.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn start(options: &Builder, addresses: &[String]) -> Self {
        let max_value = options.max_size + MAX_EXTRA;
        let server = |address: &String| Server::new(address, options.connections, max_value);
        Self(Arc::new(Inner {
            servers: addresses.iter().map(server).collect(),
            tokens: TokenCache::new(CACHED_TOKENS),
            prefix: options.prefix.clone(),
            max_size: options.max_size,
            timeout: options.timeout,
        }))
    }

    fn key(&self, key: &StoreKey) -> Key {
        Key::new(&self.0.prefix, key)
    }

    fn server(&self, key: &Key) -> &Server {
        servers::of(&self.0.servers, key)
    }

    async fn timed<T>(
        &self,
        doing: &str,
        server: &Server,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T> {
        within(self.0.timeout, doing, server, work).await
    }

    /// Writes `new` at `at` if the entry there still has the version `seen`; says whether it did.
    async fn replace(
        &self,
        doing: &str,
        key: &StoreKey,
        seen: u64,
        new: u64,
        new_item: NewItem<'_>,
    ) -> Result<bool> {
        let key = self.key(key);
        let server = self.server(&key);
        let work = async {
            let mut lease = server.lease().await?;
            let swap = self.swap(&key, seen);
            let written = swap.write(&mut lease, new, new_item).await?;
            lease.release();
            Ok(written)
        };
        self.timed(doing, server, work).await
    }

    fn swap<'a>(&'a self, key: &'a Key, seen: u64) -> Swap<'a, u64> {
        Swap {
            tokens: &self.0.tokens,
            key,
            seen,
            version_of: |item| value::version(&item.value),
        }
    }

    /// The draft as an item, with its version.
    ///
    /// A server drops what it has when it is given too large an item for the same key, so it is never given one.
    fn encode(&self, doing: &str, new: &Draft) -> Result<(u64, Vec<u8>)> {
        let (data, size) = (new.data.len(), value::size(new));
        let max_size = self.0.max_size;
        if data > max_size {
            return Err(error::too_large(doing, data, max_size));
        }
        if size > max_size + MAX_EXTRA {
            return Err(error::too_large(doing, size, max_size + MAX_EXTRA));
        }
        Ok((new.save_id.get(), value::encode(new)?))
    }
}

impl Store for MemcachedStore {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .shared()
            .evicts()
            .max_size(self.0.max_size)
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let key = self.key(key);
        let server = self.server(&key);
        let work = async {
            let mut lease = server.lease().await?;
            let item = lease.get(&key).await?;
            lease.release();
            let Some(item) = item else {
                return Ok(None);
            };
            let version = value::version(&item.value)?;
            self.0.tokens.insert(&key, version, Some(item.token));
            value::decode(item.value).map(Some)
        };
        self.timed("loading a session from memcached", server, work)
            .await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in memcached";
        let (version, value) = self.encode(doing, new)?;
        let key = self.key(key);
        let server = self.server(&key);
        let new_item = NewItem {
            value: &value,
            exptime: exptime::of(new.meta.expires),
            flags: FLAGS,
        };
        let work = async {
            let mut lease = server.lease().await?;
            let (written, token) = lease.add(&key, new_item).await?;
            lease.release();
            if written {
                self.0.tokens.insert(&key, version, token);
            }
            Ok(written)
        };
        let written = self.timed(doing, server, work).await?;
        Ok(outcome(written, &new.version()))
    }

    /// One round trip if this process has loaded or written the version `seen`, else two.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in memcached";
        let (version, value) = self.encode(doing, new)?;
        let Some(seen) = seen.save_id().map(SaveId::get) else {
            return Ok(Outcome::Stale);
        };
        let new_item = NewItem {
            value: &value,
            exptime: exptime::of(new.meta.expires),
            flags: FLAGS,
        };
        let written = self.replace(doing, key, seen, version, new_item).await?;
        Ok(outcome(written, &new.version()))
    }

    /// A save that is under way compares with an item that is gone, and is stale.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = self.key(key);
        let server = self.server(&key);
        let work = async {
            let mut lease = server.lease().await?;
            lease.delete(&key).await?;
            lease.release();
            self.0.tokens.remove(&key);
            Ok(())
        };
        self.timed("deleting a session from memcached", server, work)
            .await
    }

    /// Four steps, since the two entries may be on two servers; the second one is the moment at which the session
    /// moves. If the future is dropped before it, there may be an orphan at `to`; after it, the expired rest of the
    /// old entry may stay for a minute.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let doing = "moving a session in memcached";
        let (version, value) = self.encode(doing, new)?;
        let Some(seen) = seen.save_id().map(SaveId::get) else {
            return Ok(Outcome::Stale);
        };
        // Under a version of its own, or the copy could be taken for the proof that the session has moved.
        let mut copy = new.clone();
        copy.save_id = SaveId::random()?;
        let copied = copy.save_id.get();
        if self.create(to, &copy).await? == Outcome::Stale {
            return Ok(Outcome::Stale);
        }

        let mut retired = new.clone();
        retired.meta.expires = UNIX_EPOCH;
        let (_, rest) = self.encode(doing, &retired)?;
        let rest = NewItem {
            value: &rest,
            exptime: exptime::A_MINUTE,
            flags: FLAGS,
        };
        if !self.replace(doing, from, seen, version, rest).await? {
            self.delete(to).await?;
            return Ok(Outcome::Stale);
        }

        // The proof gets to the new place before it leaves the old one, so whenever an answer is lost from here on,
        // one of the two still tells that the session has moved.
        let new_item = NewItem {
            value: &value,
            exptime: exptime::of(new.meta.expires),
            flags: FLAGS,
        };
        // Only an eviction can have changed the copy, and that is what happens to sessions here.
        let _ = self.replace(doing, to, copied, version, new_item).await?;
        self.delete(from).await?;
        Ok(Outcome::Written(new.version()))
    }

    /// Two round trips: memcached can change an expiry alone, but not the one inside the value.
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let Some(number) = seen.save_id().map(SaveId::get) else {
            return Ok(Outcome::Stale);
        };
        let exptime = exptime::of(meta.expires);
        let key = self.key(key);
        let server = self.server(&key);
        let work = async {
            let mut lease = server.lease().await?;
            let times = |value: Bytes| value::touch(&value, meta).map(Bytes::from);
            let swap = self.swap(&key, number);
            let written = swap.rewrite(&mut lease, exptime, times).await?;
            lease.release();
            Ok(written)
        };
        let doing = "touching a session in memcached";
        let written = self.timed(doing, server, work).await?;
        Ok(outcome(written, seen))
    }

    /// Every server must answer: each has sessions.
    async fn ping(&self) -> Result<()> {
        for server in &self.0.servers {
            let work = async {
                let mut lease = server.lease().await?;
                lease.ping().await?;
                lease.release();
                Ok(())
            };
            self.timed("asking memcached whether it answers", server, work)
                .await?;
        }
        Ok(())
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.servers.iter().map(Server::address);
        f.debug_struct("MemcachedStore")
            .field("servers", &servers.collect::<Vec<_>>())
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

fn outcome(written: bool, version: &Version) -> Outcome {
    match written {
        true => Outcome::Written(version.clone()),
        false => Outcome::Stale,
    }
}

/// Nobody else is to understand these values.
const FLAGS: u32 = 0;
