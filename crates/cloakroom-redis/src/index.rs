use std::time::SystemTime;

use cloakroom::store::Cursor;
use cloakroom::{Owner, Result, StoreKey};
use redis::Value;

use crate::connection::Connection;
use crate::error::{refused, unexpected_answer};
use crate::expiry::indexed_until;
use crate::script::Script;

/// Adds a session to the index of its owner. If the session is already in the index, the later of
/// its two times counts. Removes the store keys whose time has passed by the server's clock, and
/// sets the index to expire with its last store key. Arguments: the store key of the session, and
/// the time at which this store key is removed from the index.
const ADD: &str = "
local now = redis.call('TIME')[1] * 1000
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 1";

/// Removes the store keys whose time has passed by the server's clock. Returns a page of the
/// others, each followed by its time. Arguments: the time and the store key with which the previous
/// page ended, or two empty texts for the first page, and the maximum number of store keys. If the
/// set no longer has that store key with that time, the page begins with the first store key of
/// that time or later.
const LIST: &str = "
local now = redis.call('TIME')[1] * 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local first = 0
if ARGV[1] ~= '' then
    if redis.call('ZSCORE', KEYS[1], ARGV[2]) == ARGV[1] then
        first = redis.call('ZRANK', KEYS[1], ARGV[2]) + 1
    else
        first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
    end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[3] - 1, 'WITHSCORES')";

/// For each owner, a sorted set of the store keys that may belong to the owner's sessions. The
/// score of a store key is the time at which it is removed.
///
/// A store key is added before its session is written and removed after its session is deleted, so
/// every live session is in the set. After a crash or a change of owner, the set may also contain
/// store keys without a session of this owner. `RedisStore::owned_by` loads every session and skips
/// such store keys. The scripts remove them once their time has passed. `owned_by` does not remove
/// them earlier, because it cannot distinguish them from the store key of a session that is *about
/// to be* written.
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

    /// Adds a session that expires at `expires`. Returns the time at which the session is removed
    /// from the index, in milliseconds since 1970.
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

    /// Removes a deleted session, ignoring errors.
    pub(crate) async fn remove(&self, on: &Connection, owner: &[u8], key: &StoreKey) {
        let mut remove = redis::cmd("ZREM");
        remove.arg(self.key(owner)).arg(key.as_bytes());
        // The session is deleted, which is what the caller asked for. If this command fails, the
        // store key is removed from the index when its time has passed.
        let _ = on.ask(&remove).await;
    }

    /// Returns up to `limit` store keys that may belong to sessions of the owner, and the cursor
    /// for the next page.
    pub(crate) async fn list(
        &self,
        on: &Connection,
        owner: &Owner,
        after: Option<&Cursor>,
        limit: usize,
        doing: &'static str,
    ) -> Result<(Vec<StoreKey>, Option<Cursor>)> {
        let key = self.key(owner.as_str().as_bytes());
        // A cursor is the time of the last store key, a colon, and the store key.
        let after = after.map_or(&b":"[..], Cursor::as_bytes);
        let colon = after.iter().position(|byte| *byte == b':');
        let (time, last) = after.split_at(colon.unwrap_or(after.len()));
        let limit = limit.clamp(1, MAX_PAGE);
        let rows = limit.to_string();
        let arguments = [time, last.get(1..).unwrap_or_default(), rows.as_bytes()];
        let members = match self.list.run(on, &key, &arguments).await {
            Ok(Value::Array(members)) => members,
            Ok(_) => return Err(unexpected_answer(doing)),
            Err(cause) => return Err(refused(doing, cause)),
        };
        let mut store_keys = Vec::new();
        let mut next = None;
        for member in members.chunks(2) {
            let [Value::BulkString(store_key), Value::BulkString(time)] = member else {
                return Err(unexpected_answer(doing));
            };
            store_keys.push(StoreKey::new(store_key));
            next = Some([&time[..], b":", store_key].concat());
        }
        let next = next.filter(|_| store_keys.len() == limit);
        Ok((store_keys, next.map(|next| Cursor::new(next.into()))))
    }

    fn key(&self, owner: &[u8]) -> Vec<u8> {
        [&self.prefix, owner].concat()
    }
}

/// The maximum number of store keys on a page. Lua prints very large numbers with an exponent,
/// which the server does not accept.
const MAX_PAGE: usize = 1 << 30;
