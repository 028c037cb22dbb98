use std::fmt;
use std::future::Future;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, SaveId, Store, Version};
use cloakroom::{Result, StoreKey};

use crate::client::{Change, Fault, Key, NewItem, Server, Token};
use crate::error::is_refusal;
use crate::limit::within;
use crate::options::MAX_EXTRA;
use crate::swap::Swap;
use crate::token_cache::{CACHED_TOKENS, TokenCache};
use crate::{Builder, error, exptime, servers, value};

/// A store of sessions in memcached.
///
/// The [crate documentation](crate) describes its guarantees and its failures.
///
/// If the future of a call is dropped, or if the call times out, its connection is closed. The
/// server carries out the last command of the call completely or not at all.
///
/// Clones share the connections. A connection belongs to the tokio runtime in which it was opened,
/// so use a store and its clones in one runtime only.
///
/// # Examples
/// ```
/// use cloakroom::Sessions;
/// use cloakroom_memcached::MemcachedStore;
///
/// let store = MemcachedStore::open("memcached://10.0.0.1:11211,10.0.0.2:11211")?;
/// let sessions = Sessions::new(store);
/// # Ok::<(), cloakroom::Error>(())
/// ```
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
    /// Opens the store on the servers of `url` with the default options. Does not connect.
    ///
    /// Shorthand for [`builder(url)`](Self::builder)[`.open()`](Builder::open). The
    /// [crate documentation](crate#url) describes the URL.
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let store = MemcachedStore::open("memcached://127.0.0.1")?;
    /// assert!(store.guarantees().compares && !store.guarantees().durable);
    /// // The default port is 11211.
    /// assert!(format!("{store:?}").contains("127.0.0.1:11211"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).open()
    }

    /// Returns the options for the servers of `url`.
    ///
    /// Does not check the URL; [`Builder::open`] does. The [crate documentation](crate#url)
    /// describes the URL.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let store = MemcachedStore::builder("memcached://127.0.0.1").prefix("shop").open()?;
    /// assert!(format!("{store:?}").contains(r#"prefix: "shop""#));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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

    /// Returns whether a server other than `server` answers.
    async fn reaches_a_server_besides(&self, server: &Server) -> bool {
        for other in &self.0.servers {
            if ptr::eq(other, server) || other.was_just_unreachable() {
                continue;
            }
            match self.ping_server(other).await {
                Ok(()) => return true,
                Err(_) => other.set_unreachable(),
            }
        }
        false
    }

    async fn ping_server(&self, server: &Server) -> Result<()> {
        let work = async {
            let mut lease = server.lease().await?;
            lease.ping().await?;
            lease.release();
            Ok(())
        };
        self.timed("pinging memcached", server, work).await
    }

    /// Replaces the entry at `key` if it has the version `seen`. The version of `new_item` is
    /// `new`. Returns whether the entry was replaced.
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
            let written = swap
                .change(&mut lease, new, Change::Replace(new_item))
                .await?;
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

    /// Checks the size of a draft and encodes it. Returns the version of the draft and the encoded
    /// value.
    ///
    /// The size is checked before anything is sent, so the limit does not depend on the server.
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
            .tombstones()
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

    /// If the server of `key` cannot be reached, and another server can, returns
    /// [`Outcome::Stale`] as if the key were taken. The caller then draws another key, which may be
    /// on a server that is up.
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in memcached";
        let (version, value) = self.encode(doing, new)?;
        let key = self.key(key);
        let server = self.server(&key);
        if server.was_just_unreachable() && self.reaches_a_server_besides(server).await {
            return Ok(Outcome::Stale);
        }
        let new_item = NewItem {
            value: &value,
            exptime: exptime::of(new.meta.expires),
            flags: FLAGS,
        };
        let is_connected = AtomicBool::new(false);
        let work = async {
            let mut lease = server.lease().await?;
            is_connected.store(true, Ordering::Relaxed);
            let (written, token) = lease.add(&key, new_item).await?;
            lease.release();
            if written {
                self.0.tokens.insert(&key, version, token);
            }
            Ok(written)
        };
        match self.timed(doing, server, work).await {
            Ok(written) => Ok(outcome(written, &new.version())),
            // If there was no connection, nothing was sent, so this call certainly wrote nothing.
            Err(error) if !is_connected.into_inner() => {
                server.set_unreachable();
                match self.reaches_a_server_besides(server).await {
                    true => Ok(Outcome::Stale),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes one round trip if this process loaded the version `seen`, or wrote that version as a
    /// value of at most 4 KiB. Otherwise takes two.
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

    /// A save that is already running finds no item to compare with, and returns
    /// [`Outcome::Stale`].
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

    /// Takes four steps, because the two entries may be on two servers:
    ///
    /// 1. Write the new entry to `to`, with a random version.
    /// 2. If the old entry still has the version `seen`, replace it with the tombstone, or with an
    ///    expired marker if there is no tombstone. Both have the version of `new`. This step moves
    ///    the session.
    /// 3. Give the entry at `to` the version of `new`.
    /// 4. Delete the marker at `from`.
    ///
    /// If the future is dropped before step 2, the old entry stays valid, and `to` may hold a copy
    /// whose key was not given to any browser. After step 2, the new entry is valid, and `from` may
    /// hold the tombstone, or the marker for up to a minute.
    ///
    /// If the server of `to` cannot be reached, and another server can, returns
    /// [`Outcome::Stale`], like [`create`](Self::create).
    ///
    /// If the server has no memory for step 3, the session keeps the version of step 1, and the
    /// call returns this version. The marker is then not deleted, but expires.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in memcached";
        let (version, value) = self.encode(doing, new)?;
        let Some(seen) = seen.save_id().map(SaveId::get) else {
            return Ok(Outcome::Stale);
        };
        // The version of `new` at `to` proves that the session has moved. The copy must have
        // another version, because it may remain at `to` even if step 2 is never reached.
        let mut copy = new.clone();
        copy.save_id = SaveId::random()?;
        let copied = copy.save_id.get();
        if self.create(to, &copy).await? == Outcome::Stale {
            return Ok(Outcome::Stale);
        }

        let mut marker = new.clone();
        marker.meta.expires = UNIX_EPOCH;
        let (left, exptime) = match tombstone {
            Some(tombstone) => (tombstone, exptime::of(tombstone.meta.expires)),
            None => (&marker, exptime::A_MINUTE),
        };
        let (_, left) = self.encode(doing, left)?;
        let left = NewItem {
            value: &left,
            exptime,
            flags: FLAGS,
        };
        match self.replace(doing, from, seen, version, left).await {
            Ok(true) => {}
            Ok(false) => {
                self.delete(to).await?;
                return Ok(Outcome::Stale);
            }
            Err(error) => {
                if is_refusal(&error) {
                    // The copy expires if it cannot be deleted.
                    let _ = self.delete(to).await;
                }
                return Err(error);
            }
        }

        // First, the item at `to` gets the version of `new`. Then the marker, which also has that
        // version, is deleted from `from`. So if an answer is lost from here on, at least one of
        // the two items proves that the session has moved.
        let new_item = NewItem {
            value: &value,
            exptime: exptime::of(new.meta.expires),
            flags: FLAGS,
        };
        match self.replace(doing, to, copied, version, new_item).await {
            // If the result is `false`, the server has evicted the copy. Then the session is lost,
            // like any evicted session, and there is nothing to do.
            Ok(_) => {}
            // The session has moved, so this is not a failure of the call. The marker is kept as
            // the proof of the move, because the item at `to` still has the version of the copy.
            Err(error) if is_refusal(&error) => {
                return Ok(Outcome::Written(copy.version()));
            }
            Err(error) => return Err(error),
        }
        if tombstone.is_none() {
            self.delete(from).await?;
        }
        Ok(Outcome::Written(new.version()))
    }

    /// Takes two round trips, because the value also contains the times, and memcached cannot
    /// change a part of a value. If the server has no memory for the new value, the entry keeps its
    /// times.
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

    /// Succeeds only if every server answers, because each server has some of the sessions.
    async fn ping(&self) -> Result<()> {
        for server in &self.0.servers {
            self.ping_server(server).await?;
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

/// The flags of every item. Other clients mark the type of a value with them; this store writes
/// only one type.
const FLAGS: u32 = 0;
