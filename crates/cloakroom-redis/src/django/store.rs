use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, from_millis};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use cloakroom_django::wire::cache::redis_ttl;
use redis::{Cmd, Value};

use super::DjangoCacheBuilder;
use crate::address::Address;
use crate::connection::Connection;
use crate::error::{refused, unexpected_answer};
use crate::script::Script;

/// If the key still has the value that the caller read, replaces that value. If the new time to
/// live is 0, deletes the value instead, as Django does. Arguments: the value that was read, the
/// new value, the new time to live in seconds. Returns 1, or 0 if the version is stale.
const SAVE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1";

/// If the key still has the value that the caller read, sets the time to live of that value. A new
/// time to live of 0 deletes the value. Arguments: the value that was read, the new time to live in
/// seconds. Returns 1, or 0 if the version is stale.
const TOUCH: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1";

/// Deletes the value if it is still the one that the caller read. Argument: the value that was
/// read. Returns 1, or 0 if the version is stale.
const RETIRE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1";

/// A store that shares sessions with a Django site through the site's Redis cache.
///
/// For sites with the session engine `cache` or `cached_db` and the cache backend
/// `django.core.cache.backends.redis.RedisCache`. The store writes exactly what Django writes: the
/// bytes of a session under Django's key, with Django's time to live. The store needs a format that
/// reads and writes Django's bytes; `cloakroom_django::engine` combines the store with such a
/// format. Written for Django 5.2; Django 4.2 and 6.0 use the same layout. Requires Redis 6.2 or
/// newer, or any version of Valkey.
///
/// Clones share the connection.
///
/// # Guarantees
/// * **Compares**: a script compares the stored bytes with those that the request read. No edit
///   made through Cloakroom is lost to another edit made through Cloakroom. **Django makes no such
///   comparison**: a Django request overwrites changes made since it read the session, and a Django
///   request that was running during a logout may write the session back.
/// * **Revokes**: a deleted session is gone for every process, unless a running Django request
///   writes it back.
/// * **Not durable**, **shared**, **evicts**: as with [`RedisStore`](crate::RedisStore).
/// * **No owners**: Django's bytes contain no owner that a store could read. Writing a draft with
///   an owner returns [`Unsupported`](ErrorKind::Unsupported). Labels and the times at which a
///   session was created and touched are not stored.
///
/// As with Django, the server deletes a session as soon as it has expired by the server's clock,
/// without a grace period. Times to live are whole seconds. Every session that is found is
/// therefore unexpired. A session with less than a second left is deleted instead of written.
///
/// # When things go wrong
/// Everything that applies to [`RedisStore`](crate#when-things-go-wrong) applies here. In addition:
/// * **The answer to a save is lost**: Django's bytes do not identify the save that wrote them, so
///   the session layer cannot find out whether the save happened. It does not send the save again,
///   so it applies no edit twice. The visitor gets an error and has to try again.
/// * **A login is interrupted**: a login first writes the session under a new key and then deletes
///   the session under the old key. If only the first step was taken, the old session stays valid.
///   The copy under the new key stays until it expires, but no browser was given that key.
/// * **The cache is cleared**: Django's `cache.clear()` empties the whole database and ends every
///   session.
///
/// # Keys
/// A key is `KEY_PREFIX:VERSION:django.contrib.sessions.cache` followed directly by the session
/// key: `:1:django.contrib.sessions.cache0f3…` by default. With
/// [`cached_db`](DjangoCacheBuilder::cached_db), the key contains
/// `django.contrib.sessions.cached_db` instead of `django.contrib.sessions.cache`. Sites with a
/// custom `KEY_FUNCTION`, or with the package `django-redis` and its serializers, use other keys
/// and are not supported. If `LOCATION` lists several servers, connect to the first one, to which
/// Django writes.
///
/// An access list (ACL) must allow `~:1:django.contrib.sessions.cache*`, with the `KEY_PREFIX`,
/// version and engine of the site, and these commands:
///
/// ```text
/// +get +set +del +exists +expire +eval +evalsha +hello +auth +select
/// ```
///
/// | if the URL names | the user also needs |
/// |---|---|
/// | a Cluster | `+cluster|slots +asking` |
/// | Sentinels | `+role` |
///
/// The Sentinels have separate users. A user of the Sentinels (the parameter `sentinel_user` of the
/// URL) needs these rights:
///
/// ```text
/// +auth +subscribe +sentinel|get-master-addr-by-name &+switch-master
/// ```
///
/// # Cost
/// A rename takes two round trips. All other calls take one each. A save, a touch and a rename also
/// send the old bytes, which the server compares with the stored bytes.
///
/// # Examples
/// ```no_run
/// use cloakroom::store::Store;
/// use cloakroom::StoreKey;
/// use cloakroom_redis::DjangoCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = DjangoCache::connect("redis://127.0.0.1:6379/1").await?;
///
/// let key = StoreKey::new(b"0f3k8w1v5n2q7x4c9z6b0m3j8h5g2d1s");
/// assert!(cache.load(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoCache(Arc<Inner>);

struct Inner {
    connection: Connection,
    prefix: String,
    servers: Vec<String>,
    save: Script,
    touch: Script,
    retire: Script,
}

impl DjangoCache {
    /// Connects to the server at `url` with the default options.
    ///
    /// Shorthand for [`builder(url)`](Self::builder)[`.connect()`](DjangoCacheBuilder::connect).
    ///
    /// # Errors
    /// Those of [`Builder::connect`](crate::Builder::connect).
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_redis::DjangoCache;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let cache = DjangoCache::connect("redis://127.0.0.1:6379/1").await?;
    /// assert!(cache.guarantees().shared);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for the server at `url`.
    ///
    /// The [crate documentation](crate#url) describes the URL. A `LOCATION` from Django's `CACHES`
    /// is a valid URL. Only [`DjangoCacheBuilder::connect`] checks the URL and connects.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::DjangoCache;
    ///
    /// let builder = DjangoCache::builder("redis://:s3cret@127.0.0.1:6379/1");
    /// // `Debug` shows the text that every key starts with, but not the URL.
    /// assert!(format!("{builder:?}").contains(r#"":1:django.contrib.sessions.cache""#));
    /// ```
    pub fn builder(url: &str) -> DjangoCacheBuilder {
        DjangoCacheBuilder::new(url)
    }

    pub(crate) async fn connect_to(address: Address, prefix: String) -> Result<Self> {
        let servers = address.servers();
        let connection = Connection::open(address).await?;
        Ok(Self(Arc::new(Inner {
            connection,
            prefix,
            servers,
            save: Script::new(SAVE),
            touch: Script::new(TOUCH),
            retire: Script::new(RETIRE),
        })))
    }
}

impl Store for DjangoCache {
    fn guarantees(&self) -> Guarantees {
        // Always `evicts`: `maxmemory-policy` can be changed while the server runs.
        Guarantees::default().compares().revokes().shared().evicts()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from Django's cache in Redis";
        let get = self.0.command("GET", key);
        match self.0.connection.read(&get).await {
            Ok(Value::Nil) => Ok(None),
            Ok(Value::BulkString(value)) => Ok(Some(entry(Bytes::from(value)))),
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// If the future is dropped, the session is created completely or not at all.
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0
            .create(key, new, "creating a session in Django's cache in Redis")
            .await
    }

    /// If the future is dropped, the session is saved completely or not at all.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's cache in Redis";
        check_ownerless(new, doing)?;
        let ttl = redis_ttl(&new.meta).to_string();
        let arguments = [&*new.data, ttl.as_bytes()];
        self.0
            .compare(&self.0.save, key, seen, &arguments, version(new), doing)
            .await
    }

    /// If the future is dropped, the session is deleted or unchanged.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0
            .delete(key, "deleting a session from Django's cache in Redis")
            .await
    }

    /// Takes two steps, because the two keys may be on two nodes:
    ///
    /// 1. Write the new entry to `to`. No browser has this key yet.
    /// 2. Delete the old entry if it still has the version `seen`. Once this step is done, the
    ///    session is at `to`.
    ///
    /// If the future is dropped between the two steps, the old entry stays valid, and the server
    /// deletes the copy at `to` when it expires.
    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        if from == to {
            return Ok(Outcome::Stale);
        }
        let Outcome::Written(moved) = self.0.create(to, new, MOVING).await? else {
            return Ok(Outcome::Stale);
        };
        let outcome = self
            .0
            .compare(&self.0.retire, from, seen, &[], moved, MOVING)
            .await?;
        if outcome == Outcome::Stale {
            self.0.delete(to, MOVING).await?;
        }
        Ok(outcome)
    }

    /// If the future is dropped, the session is touched or unchanged.
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's cache in Redis";
        let ttl = redis_ttl(meta).to_string();
        let arguments = [ttl.as_bytes()];
        self.0
            .compare(&self.0.touch, key, seen, &arguments, seen.clone(), doing)
            .await
    }
}

impl Inner {
    async fn create(&self, key: &StoreKey, new: &Draft, doing: &'static str) -> Result<Outcome> {
        check_ownerless(new, doing)?;
        let answer = match redis_ttl(&new.meta) {
            // Redis does not accept a time to live of 0, and Django deletes such an entry at once.
            // So write nothing, and only check that the key is free.
            0 => self.connection.ask(&self.command("EXISTS", key)).await,
            ttl => {
                let mut set = self.command("SET", key);
                set.arg(&*new.data).arg("NX").arg("EX").arg(ttl);
                self.connection.ask(&set).await
            }
        };
        match answer {
            Ok(Value::Okay | Value::Int(0)) => Ok(Outcome::Written(version(new))),
            Ok(Value::Nil | Value::Int(1)) => Ok(Outcome::Stale),
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    async fn delete(&self, key: &StoreKey, doing: &'static str) -> Result<()> {
        match self.connection.ask(&self.command("DEL", key)).await {
            Ok(Value::Int(_)) => Ok(()),
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Runs a script that changes the value at `key` if it is still the value that was read. If the
    /// script changed it, returns `then` as the new version.
    async fn compare(
        &self,
        script: &Script,
        key: &StoreKey,
        seen: &Version,
        arguments: &[&[u8]],
        then: Version,
        doing: &'static str,
    ) -> Result<Outcome> {
        // A version without bytes is from another store.
        let Some(seen) = seen.as_bytes() else {
            return Ok(Outcome::Stale);
        };
        let arguments = [&[&**seen], arguments].concat();
        match script
            .run(&self.connection, &self.key(key), &arguments)
            .await
        {
            Ok(Value::Int(1)) => Ok(Outcome::Written(then)),
            Ok(Value::Int(0)) => Ok(Outcome::Stale),
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    fn command(&self, name: &str, key: &StoreKey) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.key(key));
        command
    }

    fn key(&self, key: &StoreKey) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }
}

impl fmt::Debug for DjangoCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCache")
            .field("servers", &self.0.servers)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

/// Returns an entry with this value and the latest possible expiry. The server deletes expired
/// values, so a value that was found has not expired.
fn entry(value: Bytes) -> Entry {
    let version = Version::from_bytes(value.clone());
    Entry::new(
        value,
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, from_millis(i64::MAX)),
        version,
    )
}

/// Returns the version of an entry with the data of this draft.
fn version(new: &Draft) -> Version {
    Version::from_bytes(new.data.clone())
}

/// Returns an error if the draft has an owner.
fn check_ownerless(new: &Draft, doing: &'static str) -> Result<()> {
    match new.meta.owner {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{doing}: the draft has an owner, but this store cannot keep owners"),
        )),
    }
}

const MOVING: &str = "moving a session in Django's cache in Redis";
