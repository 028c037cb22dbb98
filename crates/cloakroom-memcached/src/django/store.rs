use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_django::wire::cache::{MEMCACHED_FLAGS, memcached_exptime};
use sha2::{Digest, Sha256};

use super::error::{invalid_key, owner_unsupported};
use super::options::DjangoCacheBuilder;
use crate::client::{Change, Fault, Item, Key, NewItem, Server, Token};
use crate::error::too_large;
use crate::limit::within;
use crate::options::RESERVE;
use crate::swap::Swap;
use crate::token_cache::{CACHED_TOKENS, TokenCache};

/// A store that shares sessions with a Django site through the site's memcached cache.
///
/// For sites with the session engine `cache` or `cached_db` and the cache backend
/// `django.core.cache.backends.memcached.PyMemcacheCache`. It stores exactly what Django stores:
/// the bytes of a session under Django's key, with Django's time to live. It needs a format that
/// reads and writes Django's bytes; `cloakroom_django::engine` combines the store with such a
/// format. Written for Django 5.2; 4.2 and 6.0 use the same layout. Requires memcached 1.6.10 or
/// newer, started without `-C`.
///
/// If the future of a call is dropped, or if the call times out, its connection is closed. The
/// server carries out the last command of the call completely or not at all.
///
/// Clones share the connections. A connection belongs to the tokio runtime in which it was opened,
/// so use a store and its clones in one runtime only.
///
/// # Guarantees
/// * **Compares**: the server compares the CAS number (memcached's number for compare-and-swap) of
///   the bytes that the request read. No edit made through Cloakroom overwrites another edit made
///   through Cloakroom. **Django makes no such comparison**: a Django request overwrites changes
///   made since it read the session, and may restore a session that was deleted since then.
/// * **Revokes**: a deleted session is gone for every process, unless such a Django request
///   restores it.
/// * **Not durable**, **shared**, **evicts**: like [`MemcachedStore`](crate::MemcachedStore).
/// * **No owners**: memcached cannot list keys. Writing a draft with an owner returns
///   [`Unsupported`](cloakroom::ErrorKind::Unsupported). Labels and the times at which a session
///   was created and touched are not stored.
/// * **At most 1 MiB less 4 KiB** per session by default; see
///   [`max_size`](DjangoCacheBuilder::max_size). Django may write sessions that are up to 4 KiB
///   larger, and this store can read them.
///
/// As with Django, the server removes a session as soon as it expires by the server's clock, to the
/// second and without a grace period. So a session that is found has not expired. memcached cannot
/// represent times after January 2038: **a session that expires later ends in January 2038**.
/// (Django passes the later time to memcached, which removes the session at once.)
///
/// # When things go wrong
/// The failures of [`MemcachedStore`](crate#when-things-go-wrong) can occur here too. A touch needs
/// no memory, so it also works on a full server. In addition:
/// * **The answer to a save is lost**: Django's bytes do not identify the save that wrote them, so
///   the session layer cannot find out whether the save happened. It does not send the save again,
///   so it applies no edit twice. The visitor gets an error and has to try again.
/// * **A login is interrupted**: a login first writes the session under a new key and then ends the
///   session under the old key. If only the first step was taken, the old session stays valid. The
///   copy under the new key stays until it expires, but no browser was given that key.
/// * **The cache is cleared**: Django's `cache.clear()` empties the whole server and ends every
///   session.
///
/// # Keys
/// A key is `KEY_PREFIX:VERSION:django.contrib.sessions.cache` followed directly by the session
/// key. With the default options, a key looks like `:1:django.contrib.sessions.cache0f3…`. With
/// [`cached_db`](DjangoCacheBuilder::cached_db), the engine is `django.contrib.sessions.cached_db`.
/// A site with a custom `KEY_FUNCTION` uses different keys and is not supported.
///
/// The flags of an item are 1, which Django's client uses for a pickle. Loading or changing an item
/// with any other flags returns [`Corrupt`](cloakroom::ErrorKind::Corrupt) and leaves the item
/// unchanged.
///
/// Like Django, this store does not send keys that memcached does not allow: those with spaces or
/// control characters, or with more than 250 bytes including the prefix. No session is found under
/// such a key, and creating one returns [`Unsupported`](cloakroom::ErrorKind::Unsupported).
///
/// **One server**: a URL with several servers is refused, because this store does not support the
/// way in which Django distributes sessions over servers.
///
/// # Cost
/// | call | round trips |
/// |---|---|
/// | load, create, delete | 1 |
/// | save, touch | 1, or 2 if the CAS number is not known |
/// | rename, at login | 2, or 3 if the CAS number is not known |
///
/// The CAS number is known if this process loaded the session, or saved it with at most 4 KiB, and
/// has not touched it since then.
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
/// let key = StoreKey::new(b"0f3k8w1v5n2q7x4c9z6b0m3j8h5g2d1s");
/// assert!(cache.load(&key).await?.is_none());
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
/// The CAS number cannot be the version: a touch changes it, and a server that restarts may assign
/// the same number to another entry.
type Hash = [u8; 32];

impl DjangoCache {
    /// Opens the cache on the server of `url` with the default options. Does not connect.
    ///
    /// Shorthand for [`builder(url)`](Self::builder)[`.open()`](DjangoCacheBuilder::open). The URL
    /// is `memcached://host:port`; the default port is 11211.
    ///
    /// # Errors
    /// Those of [`DjangoCacheBuilder::open`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let cache = DjangoCache::open("memcached://127.0.0.1:11211")?;
    /// assert!(cache.guarantees().compares && !cache.guarantees().owners);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).open()
    }

    /// Returns the options for the server of `url`.
    ///
    /// Does not check the URL; [`DjangoCacheBuilder::open`] does.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let builder = DjangoCache::builder("memcached://127.0.0.1:11211");
    /// // `Debug` shows the text with which every key starts, but not the URL.
    /// assert!(format!("{builder:?}").contains(r#"":1:django.contrib.sessions.cache""#));
    /// ```
    pub fn builder(url: &str) -> DjangoCacheBuilder {
        DjangoCacheBuilder::new(url)
    }

    pub(crate) fn start(django: &DjangoCacheBuilder, address: &str) -> Self {
        let options = &django.options;
        // Django does not limit the size, so it may write a little more than `max_size`.
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

    /// Takes one round trip if this process loaded the version `seen`, or wrote it with at most
    /// 4 KiB, otherwise two.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's cache in memcached";
        let hash = self.0.check(doing, new)?;
        let new_item = django_item(&new.data, memcached_exptime(&new.meta));
        let change = Change::Replace(new_item);
        let written = self.0.change(doing, key, seen, hash, change).await?;
        Ok(outcome(written, || version_of_hash(hash)))
    }

    /// A save that is already running finds no item to compare with, and returns
    /// [`Outcome::Stale`].
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0
            .delete(key, "deleting a session from Django's cache in memcached")
            .await
    }

    /// Takes two steps, because memcached cannot rename an item:
    ///
    /// 1. Write the new entry to `to`. No browser has this key yet.
    /// 2. If the old entry has the version `seen`, delete it. This step moves the session.
    ///
    /// If the future is dropped between the two steps, the old entry stays valid, and the copy at
    /// `to` remains until it expires.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's cache in memcached";
        if from == to {
            return Ok(Outcome::Stale);
        }
        let Outcome::Written(moved) = self.0.create(to, new, doing).await? else {
            return Ok(Outcome::Stale);
        };
        let end = Change::Delete;
        let has_moved = self.0.change(doing, from, seen, hash(b""), end).await?;
        if !has_moved {
            self.0.delete(to, doing).await?;
        }
        Ok(outcome(has_moved, || moved))
    }

    /// Changes only the expiry of the item, which needs no memory. Takes one round trip if this
    /// process loaded the version `seen`, or wrote it with at most 4 KiB, otherwise two.
    ///
    /// memcached's command `touch` does not compare CAS numbers. The command that does also marks
    /// the item as stale. Django reads a stale item like any other.
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's cache in memcached";
        let Some(hash) = hash_in(seen) else {
            return Ok(Outcome::Stale);
        };
        let change = Change::Expire(memcached_exptime(meta));
        let written = self.0.change(doing, key, seen, hash, change).await?;
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
            .within("pinging Django's cache in memcached", work)
            .await
    }
}

impl Inner {
    /// Returns the key of the item, or `None` if memcached does not allow such a key.
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

    /// Checks that a draft can be written. Returns the version that its entry will have.
    ///
    /// The size is checked before anything is sent, so the limit does not depend on the server.
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
        let new_item = django_item(&new.data, memcached_exptime(&new.meta));
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

    /// Changes the entry at `key` if it has the version `seen`. Its version afterwards is `new`.
    /// Returns whether the entry was changed.
    async fn change(
        &self,
        doing: &str,
        key: &StoreKey,
        seen: &Version,
        new: Hash,
        change: Change<'_>,
    ) -> Result<bool> {
        let (Some(key), Some(seen)) = (self.key(key), hash_in(seen)) else {
            return Ok(false);
        };
        let work = async {
            let mut lease = self.server.lease().await?;
            let swap = self.swap(&key, seen);
            let changed = swap.change(&mut lease, new, change).await?;
            lease.release();
            Ok(changed)
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

/// Returns an entry with this value and the latest possible expiry. The server removes expired
/// items, so an item that was found has not expired.
fn entry(hash: Hash, value: Bytes) -> Entry {
    Entry::new(
        value,
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, from_millis(i64::MAX)),
        version_of_hash(hash),
    )
}

/// Returns the version of an item, or an error if Django did not write it.
fn version(item: &Item) -> Result<Hash, Fault> {
    match item.flags {
        MEMCACHED_FLAGS => Ok(hash(&item.value)),
        _ => Err(Fault::Corrupt),
    }
}

/// Returns an item with the flags that Django's client sets.
fn django_item(value: &[u8], exptime: i64) -> NewItem<'_> {
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

/// Returns the hash in `version`, or `None` if this store did not issue it.
fn hash_in(version: &Version) -> Option<Hash> {
    Hash::try_from(&**version.as_bytes()?).ok()
}

fn outcome(written: bool, version: impl FnOnce() -> Version) -> Outcome {
    match written {
        true => Outcome::Written(version()),
        false => Outcome::Stale,
    }
}
