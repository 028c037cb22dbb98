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
use crate::error::{refused, strange};
use crate::script::Script;

/// Replaces the value if it is the one that was seen. A value that has no time left is deleted, as Django does it.
/// Arguments: the value that was seen, the new one, for how many seconds it stays. Answers 1, or 0 for stale.
const SAVE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1";

/// Changes for how long the value stays, if it is the one that was seen; no time deletes it.
/// Arguments: the value that was seen, for how many seconds it stays. Answers 1, or 0 for stale.
const TOUCH: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1";

/// Deletes the value if it is the one that was seen. Argument: that one. Answers 1, or 0 for stale.
const RETIRE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1";

/// The sessions of a Django that keeps them in its cache, with the engine `cache` or `cached_db` and the backend
/// `django.core.cache.backends.redis.RedisCache`.
///
/// It keeps what Django keeps, and nothing beside it: the bytes of a session, under Django's key, for as long as Django
/// says. So it needs a format that reads and writes Django's bytes, and the lookup of a session is its key. Made for
/// Django 5.2; 4.2 and 6.0 keep the same. Redis 6.2 or newer, any Valkey.
///
/// Clones share the connection.
///
/// # Guarantees
/// * **Compares** with what it has read: the server looks, in a script, whether the old bytes are still there. So no
///   edit of a process with Cloakroom is lost to another one. **Django does not compare**: it writes over what came
///   since it has read, and one of its requests that was under way during a logout may bring the session back.
/// * **Revokes**: a deleted session is gone for every process, unless such a Django writes it again.
/// * **Not durable**, and **shared**, and it **evicts**: as [`RedisStore`](crate::RedisStore) does.
/// * **No owners**: Django's bytes name none that a store could read. A draft with an owner is
///   [`Unsupported`](ErrorKind::Unsupported). Labels and the times of a session are not kept.
///
/// The server ends a session by its own clock, to the second and without a grace, since Django has none either: a session
/// that is there is not over. What has less than a second left is deleted instead of being written.
///
/// # Its worst day
/// That of [`RedisStore`](crate::RedisStore), and:
/// * **An answer gets lost**: the bytes have no place for a mark that says who wrote them. If they are still those from
///   before the save, it is sent again; else the visitor is asked to try again. (Should another request have put the
///   very bytes from before back in between, an edit is done twice.)
/// * **A login is cut off in the middle**: the old session lives on, and a copy of the new one may stay under a key
///   that nobody knows, until its time is up.
/// * **Somebody clears the cache**: `cache.clear()` of Django empties the whole database, and every visitor is a
///   stranger.
///
/// # Keys
/// `KEY_PREFIX:VERSION:django.contrib.sessions.cache` and the session's key, without anything between them:
/// `:1:django.contrib.sessions.cache0f3…` by default. With [`cached_db`](DjangoCacheBuilder::cached_db) the engine is
/// `django.contrib.sessions.cached_db`. A site with a `KEY_FUNCTION` of its own, or with `django-redis` and its
/// serializers, has others and cannot be shared with. Of several servers in `LOCATION` this is the first, which takes the
/// writes.
///
/// An access list needs `~` with that prefix and `*`, and `+get +set +del +exists +expire +eval +evalsha +hello +auth
/// +select +client|setinfo`, and in a Cluster `+cluster|slots +asking`.
///
/// # Cost
/// One round trip for everything but a rename, which takes two. A save and a touch send the old bytes along.
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
/// let nobody = StoreKey::new(b"0f3xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
/// assert!(cache.load(&nobody).await?.is_none());
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
    /// Connects to the server at `url` with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`DjangoCacheBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the server at `url`, in the words of [`RedisStore::builder`](crate::RedisStore::builder). A
    /// `LOCATION` of Django's is one of them.
    pub fn builder(url: &str) -> DjangoCacheBuilder {
        DjangoCacheBuilder::new(url)
    }

    pub(crate) async fn connect_to(address: Address, prefix: String) -> Result<Self> {
        let servers = address.shown();
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
        // `maxmemory-policy` is the server's, and may change while it runs: so it may evict.
        Guarantees::default().compares().revokes().shared().evicts()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from Django's cache in Redis";
        let get = self.0.command("GET", key);
        match self.0.connection.read(&get).await {
            Ok(Value::Nil) => Ok(None),
            Ok(Value::BulkString(value)) => Ok(Some(entry(Bytes::from(value)))),
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// If the future is dropped, the session is there or it is not.
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0
            .create(key, new, "creating a session in Django's cache in Redis")
            .await
    }

    /// If the future is dropped, the session is saved or it is not.
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's cache in Redis";
        ownerless(new, doing)?;
        let ttl = redis_ttl(&new.meta).to_string();
        let arguments = [&*new.data, ttl.as_bytes()];
        self.0
            .compare(&self.0.save, key, seen, &arguments, version(new), doing)
            .await
    }

    /// If the future is dropped, the session is deleted or it is not.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0
            .delete(key, "deleting a session from Django's cache in Redis")
            .await
    }

    /// In two steps, since the two keys may be on two nodes: the new entry is written, which is invisible, since nobody
    /// knows its key yet; then the old one is compared and deleted, and this is the moment at which the session moves.
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

    /// If the future is dropped, the session is touched or it is not.
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
        ownerless(new, doing)?;
        let answer = match redis_ttl(&new.meta) {
            // Redis takes no such value. It would be gone at once, so all that matters is whether there is another one.
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
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    async fn delete(&self, key: &StoreKey, doing: &'static str) -> Result<()> {
        match self.connection.ask(&self.command("DEL", key)).await {
            Ok(Value::Int(_)) => Ok(()),
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Runs a script that does something if the value at `at` is the one that was seen; it has the version `then`
    /// afterwards.
    async fn compare(
        &self,
        script: &Script,
        key: &StoreKey,
        seen: &Version,
        arguments: &[&[u8]],
        then: Version,
        doing: &'static str,
    ) -> Result<Outcome> {
        // A version that is no bytes is no version of this store.
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
            Ok(_) => Err(strange(doing)),
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

/// The value as an entry. The server has decided that it is not over, so it never is.
fn entry(value: Bytes) -> Entry {
    let version = Version::from_bytes(value.clone());
    Entry::new(
        value,
        Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires: from_millis(i64::MAX),
            owner: None,
            label: None,
        },
        version,
    )
}

/// The version that the entry of this draft has: its bytes.
fn version(new: &Draft) -> Version {
    Version::from_bytes(new.data.clone())
}

fn ownerless(new: &Draft, doing: &'static str) -> Result<()> {
    match new.meta.owner {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{doing}: it keeps no owners, and the draft has one; its guarantees say so"),
        )),
    }
}

const MOVING: &str = "moving a session in Django's cache in Redis";
