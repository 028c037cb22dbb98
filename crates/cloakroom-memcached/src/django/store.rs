use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_django::wire::cache::{MEMCACHED_FLAGS, MEMCACHED_GONE, memcached_exptime};
use sha2::{Digest, Sha256};

use super::error::{invalid_key, owner_unsupported};
use super::options::DjangoCacheBuilder;
use crate::client::{Fault, Item, Key, NewItem, Server, Token};
use crate::error::too_large;
use crate::limit::within;
use crate::options::RESERVE;
use crate::swap::Swap;
use crate::token_cache::{CACHED_TOKENS, TokenCache};

/// The sessions of a Django that keeps them in its cache, with the engine `cache` or `cached_db` and the backend
/// `django.core.cache.backends.memcached.PyMemcacheCache`.
///
/// It keeps what Django keeps, and nothing beside it: the bytes of a session, under Django's key, for as long as Django
/// says. So it needs a format that reads and writes Django's bytes, and the lookup of a session is its key. Made for
/// Django 5.2; 4.2 and 6.0 keep the same. memcached 1.6.10 or newer, not with `-C`.
///
/// A call that is dropped, or whose time is up, has happened or not, and never half; its connection is closed. Clones
/// share the connections. They belong to the runtime in which they were opened, so a store is for one runtime.
///
/// # Guarantees
/// * **Compares** with what it has read: a save goes by the CAS number of the bytes that were seen. So no edit of a
///   process with Cloakroom is lost to another one. **Django does not compare**: it writes over what came since it has
///   read, and one of its requests that was under way during a logout may bring the session back.
/// * **Revokes**: a deleted session is gone for everybody, unless such a Django writes it again.
/// * **Not durable**, and **shared**, and it **evicts**: as [`MemcachedStore`](crate::MemcachedStore) does.
/// * **No owners**: memcached cannot list. A draft with an owner is
///   [`Unsupported`](cloakroom::ErrorKind::Unsupported). Labels and the times of a session are not kept.
/// * **At most 1 MiB less 4 KiB** a session; see [`max_size`](DjangoCacheBuilder::max_size). Django may write a little
///   more, and that is read.
///
/// The server ends a session by its own clock, to the second and without a grace, since Django has none either: a session
/// that is there is not over. It knows no time after January 2038: **a session that should live longer ends then**.
/// (Django hands the later time on, and memcached drops what it has just taken.)
///
/// # Its worst day
/// That of [`MemcachedStore`](crate::MemcachedStore), and:
/// * **An answer gets lost**: the bytes have no place for a mark that says who wrote them. If they are still those from
///   before the save, it is sent again; else the visitor is asked to try again. (Should another request have put the
///   very bytes from before back in between, an edit is done twice.)
/// * **A login is cut off in the middle**: the old session lives on, and a copy of the new one may stay under a key
///   that nobody knows, until its time is up.
/// * **Somebody clears the cache**: `cache.clear()` of Django empties the whole server, and every visitor is a
///   stranger.
///
/// # Keys
/// `KEY_PREFIX:VERSION:django.contrib.sessions.cache` and the session's key, without anything between them:
/// `:1:django.contrib.sessions.cache0f3…` by default, with flags 1, which say that it is a pickle. With
/// [`cached_db`](DjangoCacheBuilder::cached_db) the engine is `django.contrib.sessions.cached_db`. A site with a
/// `KEY_FUNCTION` of its own has others and cannot be shared with. An item with other flags is
/// [`Corrupt`](cloakroom::ErrorKind::Corrupt) and left as it is.
///
/// What Django would not ask memcached for, names no session here either: a key with spaces or control characters, or
/// with more than 250 bytes when what stands before it is counted. To create a session there is
/// [`Unsupported`](cloakroom::ErrorKind::Unsupported).
///
/// **One server**: over several, Django spreads its sessions in a way that this store does not know, so it refuses such a
/// URL.
///
/// # Cost
/// One round trip for a load, a create, a delete and a save, and two for a touch and a rename. A save or a rename of what
/// another process has loaded takes one more.
///
/// # Examples
/// ```no_run
/// use cloakroom::store::Store;
/// use cloakroom::StoreKey;
/// use cloakroom_memcached::DjangoCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = DjangoCache::open("memcached://127.0.0.1:11211")?;
///
/// let nobody = StoreKey::new(b"0f3xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
/// assert!(cache.load(&nobody).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoCache(Arc<Inner>);

struct Inner {
    server: Server,
    tokens: TokenCache<Hash, Token>,
    prefix: String,
    max_size: usize,
    timeout: Duration,
}

/// The version of an entry: the SHA-256 of its bytes.
///
/// Not its CAS number, which a touch changes, and which a server that restarts gives to another entry.
type Hash = [u8; 32];

impl DjangoCache {
    /// The sessions on the server of `url`, with the default [options](Self::builder).
    ///
    /// The URL is `memcached://host:port`; without a port it is 11211. The server is not asked yet.
    ///
    /// # Errors
    /// Those of [`DjangoCacheBuilder::open`].
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).open()
    }

    /// The options for the server of `url`.
    pub fn builder(url: &str) -> DjangoCacheBuilder {
        DjangoCacheBuilder::new(url)
    }

    pub(crate) fn start(django: &DjangoCacheBuilder, address: &str) -> Self {
        let options = &django.options;
        // What Django may write beyond our own limit.
        let max_value = options.max_size + RESERVE;
        Self(Arc::new(Inner {
            server: Server::new(address, options.connections, max_value),
            tokens: TokenCache::new(CACHED_TOKENS),
            prefix: django.prefix(),
            max_size: options.max_size,
            timeout: options.timeout,
        }))
    }
}

impl Store for DjangoCache {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .shared()
            .evicts()
            .max_size(self.0.max_size)
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let Some(key) = self.0.key(key) else {
            return Ok(None);
        };
        let work = async {
            let mut lease = self.0.server.lease().await?;
            let item = lease.get(&key).await?;
            lease.release();
            let Some(item) = item else {
                return Ok(None);
            };
            let hash = version(&item)?;
            self.0.tokens.insert(&key, hash, Some(item.token));
            Ok(Some(entry(hash, item.value)))
        };
        self.0
            .within("loading a session from Django's cache in memcached", work)
            .await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0
            .create(
                key,
                new,
                "creating a session in Django's cache in memcached",
            )
            .await
    }

    /// One round trip if this process has loaded or written the version `seen`, else two.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's cache in memcached";
        let hash = self.0.check(doing, new)?;
        let new_item = new_item(&new.data, memcached_exptime(&new.meta));
        let written = self.0.replace(doing, key, seen, hash, new_item).await?;
        Ok(outcome(written, || version_of_hash(hash)))
    }

    /// A save that is under way compares with an item that is gone, and is stale.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0
            .delete(key, "deleting a session from Django's cache in memcached")
            .await
    }

    /// In two steps, since memcached cannot move: the new entry is written, which is invisible, since nobody knows its
    /// key yet; then the old one is compared and replaced by one that is gone at once, and this is the moment at which
    /// the session moves.
    ///
    /// If the future is dropped between them, there is the old entry, and an orphan at `to`, which goes when its time
    /// is up.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's cache in memcached";
        if from == to {
            return Ok(Outcome::Stale);
        }
        let Outcome::Written(moved) = self.0.create(to, new, doing).await? else {
            return Ok(Outcome::Stale);
        };
        let gone = new_item(b"", MEMCACHED_GONE);
        let left = self.0.replace(doing, from, seen, hash(b""), gone).await?;
        if !left {
            self.0.delete(to, doing).await?;
        }
        Ok(outcome(left, || moved))
    }

    /// Two round trips: memcached can change a time alone, but not compare when it does.
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (Some(key), Some(hash)) = (self.0.key(key), hash_in(seen)) else {
            return Ok(Outcome::Stale);
        };
        let work = async {
            let mut lease = self.0.server.lease().await?;
            let swap = self.0.swap(&key, hash);
            let written = swap
                .rewrite(&mut lease, memcached_exptime(meta), Ok)
                .await?;
            lease.release();
            Ok(written)
        };
        let doing = "touching a session in Django's cache in memcached";
        let written = self.0.within(doing, work).await?;
        Ok(outcome(written, || seen.clone()))
    }

    async fn ping(&self) -> Result<()> {
        let work = async {
            let mut lease = self.0.server.lease().await?;
            lease.ping().await?;
            lease.release();
            Ok(())
        };
        self.0
            .within("asking memcached whether it answers", work)
            .await
    }
}

impl Inner {
    /// The name of the item; `None` if memcached takes no such name.
    fn key(&self, key: &StoreKey) -> Option<Key> {
        Key::verbatim(&self.prefix, key)
    }

    async fn within<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T> {
        within(self.timeout, doing, &self.server, work).await
    }

    /// The version that the entry of a draft gets, if it can be written.
    ///
    /// A server drops what it has when it is given too large an item for the same key, so it is never given one.
    fn check(&self, doing: &str, new: &Draft) -> Result<Hash> {
        if new.meta.owner.is_some() {
            return Err(owner_unsupported(doing));
        }
        match new.data.len() {
            size if size > self.max_size => Err(too_large(doing, size, self.max_size)),
            _ => Ok(hash(&new.data)),
        }
    }

    async fn create(&self, key: &StoreKey, new: &Draft, doing: &str) -> Result<Outcome> {
        let hash = self.check(doing, new)?;
        let key = self.key(key).ok_or_else(|| invalid_key(doing))?;
        let new_item = new_item(&new.data, memcached_exptime(&new.meta));
        let work = async {
            let mut lease = self.server.lease().await?;
            let (written, token) = lease.add(&key, new_item).await?;
            lease.release();
            if written {
                self.tokens.insert(&key, hash, token);
            }
            Ok(written)
        };
        let written = self.within(doing, work).await?;
        Ok(outcome(written, || version_of_hash(hash)))
    }

    /// Writes `new_item`, which has the version `new`, if the entry at `at` still has the version `seen`; says whether
    /// it did.
    async fn replace(
        &self,
        doing: &str,
        key: &StoreKey,
        seen: &Version,
        new: Hash,
        new_item: NewItem<'_>,
    ) -> Result<bool> {
        let (Some(key), Some(seen)) = (self.key(key), hash_in(seen)) else {
            return Ok(false);
        };
        let work = async {
            let mut lease = self.server.lease().await?;
            let swap = self.swap(&key, seen);
            let written = swap.write(&mut lease, new, new_item).await?;
            lease.release();
            Ok(written)
        };
        self.within(doing, work).await
    }

    async fn delete(&self, key: &StoreKey, doing: &str) -> Result<()> {
        let Some(key) = self.key(key) else {
            return Ok(());
        };
        let work = async {
            let mut lease = self.server.lease().await?;
            lease.delete(&key).await?;
            lease.release();
            self.tokens.remove(&key);
            Ok(())
        };
        self.within(doing, work).await
    }

    fn swap<'a>(&'a self, key: &'a Key, seen: Hash) -> Swap<'a, Hash> {
        Swap {
            tokens: &self.tokens,
            key,
            seen,
            version_of: version,
        }
    }
}

impl fmt::Debug for DjangoCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCache")
            .field("server", &self.0.server.address())
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

/// The item as an entry. The server has decided that it is not over, so it never is.
fn entry(hash: Hash, value: Bytes) -> Entry {
    Entry::new(
        value,
        Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires: from_millis(i64::MAX),
            owner: None,
            label: None,
        },
        version_of_hash(hash),
    )
}

/// The version of an item, if it is one of Django's.
fn version(item: &Item) -> Result<Hash, Fault> {
    match item.flags {
        MEMCACHED_FLAGS => Ok(hash(&item.value)),
        _ => Err(Fault::Corrupt),
    }
}

fn new_item(value: &[u8], exptime: i64) -> NewItem<'_> {
    NewItem {
        value,
        exptime,
        flags: MEMCACHED_FLAGS,
    }
}

fn hash(value: &[u8]) -> Hash {
    Sha256::digest(value).into()
}

fn version_of_hash(hash: Hash) -> Version {
    Version::from_bytes(Bytes::copy_from_slice(&hash))
}

/// The hash that a version is. One that is none is no version of this store.
fn hash_in(version: &Version) -> Option<Hash> {
    Hash::try_from(&**version.as_bytes()?).ok()
}

fn outcome(written: bool, version: impl FnOnce() -> Version) -> Outcome {
    match written {
        true => Outcome::Written(version()),
        false => Outcome::Stale,
    }
}
