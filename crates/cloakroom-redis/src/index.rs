use std::time::SystemTime;

use cloakroom::{Owner, Result, StoreKey};
use redis::Value;

use crate::connection::Connection;
use crate::error::{refused, strange};
use crate::expiry::indexed_until;
use crate::script::Script;

/// Puts a session into the index of its owner, for longer but never for shorter than it is there already, and takes
/// out what is over by the server's clock. The index itself stays for as long as its last session.
/// Arguments: the lookup, until when.
const ADD: &str = "
local now = redis.call('TIME')[1] * 1000
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 1";

/// Takes out of an index what is over by the server's clock, and answers with the lookups that are left.
const LIST: &str = "
local now = redis.call('TIME')[1] * 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
return redis.call('ZRANGE', KEYS[1], 0, -1)";

/// Which sessions may be an owner's: for each owner a sorted set of lookups, by the time until which they are kept.
///
/// A lookup is added before its session is written and taken out after it was deleted, so nothing that lives is
/// missing. What is there too much, after a crash or a change of owner, is not listed, since the session itself is
/// asked, and goes when its time is over. It is not taken out when it is found: a session that is not there *yet*
/// looks the same.
pub(crate) struct Index {
    prefix: Vec<u8>,
    add: Script,
    list: Script,
}

impl Index {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}o:").into_bytes(),
            add: Script::new(ADD),
            list: Script::new(LIST),
        }
    }

    /// Says until when the session is kept now.
    pub(crate) async fn add(
        &self,
        on: &Connection,
        owner: &[u8],
        key: &StoreKey,
        expires: SystemTime,
        doing: &'static str,
    ) -> Result<i64> {
        let indexed_until = indexed_until(expires);
        let score = indexed_until.to_string();
        let arguments = [key.as_bytes(), score.as_bytes()];
        match self.add.run(on, &self.key(owner), &arguments).await {
            Ok(_) => Ok(indexed_until),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Takes out a session that was deleted.
    pub(crate) async fn remove(&self, on: &Connection, owner: &[u8], key: &StoreKey) {
        let mut remove = redis::cmd("ZREM");
        remove.arg(self.key(owner)).arg(key.as_bytes());
        // The session is gone, and that is what the caller asked for. This goes by itself.
        let _ = on.ask(&remove).await;
    }

    pub(crate) async fn list(
        &self,
        on: &Connection,
        owner: &Owner,
        doing: &'static str,
    ) -> Result<Vec<StoreKey>> {
        let key = self.key(owner.as_str().as_bytes());
        let store_keys = match self.list.run(on, &key, &[]).await {
            Ok(Value::Array(store_keys)) => store_keys,
            Ok(_) => return Err(strange(doing)),
            Err(cause) => return Err(refused(doing, cause)),
        };
        let store_keys = store_keys.into_iter().map(|store_key| match store_key {
            Value::BulkString(store_key) => Ok(StoreKey::new(&store_key)),
            _ => Err(strange(doing)),
        });
        store_keys.collect()
    }

    fn key(&self, owner: &[u8]) -> Vec<u8> {
        [&self.prefix, owner].concat()
    }
}
