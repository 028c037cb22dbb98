use bytes::Bytes;
use cloakroom::store::packed::{self, NONE};
use cloakroom::store::{Draft, Entry, Meta};
use cloakroom::{Result, StoreKey};
use redis::Value;

use crate::connection::Connection;
use crate::error::{foreign, older, refused, strange};
use crate::expiry::gone_at;
use crate::layout::{
    self, Head, MARK, MARK_END, OLD_MARK, OWNER, OWNER_TEXT, PACKED, SAVE_ID, TOUCHED, Unread,
};
use crate::script::Script;

/// The text of a script: what all of them begin with, and `body`.
///
/// The scripts look at the beginning of a value and never at its data. They take their offsets from
/// [`layout`]. `GETRANGE` counts bytes from zero and includes the last one, Lua counts from one.
fn script(body: &str) -> String {
    format!(
        "
local MARK_END, PACKED, TOUCHED = {MARK_END}, {PACKED}, {TOUCHED}
local OWNER, OWNER_TEXT = {OWNER}, {OWNER_TEXT}
local function read(from, to) return redis.call('GETRANGE', KEYS[1], from, to - 1) end
local start = read(0, OWNER_TEXT)
local mark = string.sub(start, 1, MARK_END)
local head = mark .. string.sub(start, {SAVE_ID} + 1, TOUCHED)
local indexed_until = string.sub(start, MARK_END + 1, PACKED)
local function owner()
  local len = struct.unpack('>I4', start, OWNER + 1)
  if len == {NONE} then return nil end
  return read(OWNER_TEXT, OWNER_TEXT + len)
end
{body}"
    )
}

/// Replaces the entry if it has the version that was seen.
/// Arguments: the head that was seen, the value, when the key is to go. Answers 1, or 0 for stale.
const SAVE: &str = "
if head ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1";

/// As `SAVE`, if the index of the owner keeps the entry for as long as the key is to stay.
/// One more argument: the owner as it stands in the value. Answers 2 if the index must know first.
const SAVE_INDEXED: &str = "
if head ~= ARGV[1] then return 0 end
if read(OWNER, OWNER + #ARGV[4]) ~= ARGV[4] then return 2 end
if struct.unpack('>I8', indexed_until) < tonumber(ARGV[3]) then return 2 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('SETRANGE', KEYS[1], MARK_END, indexed_until)
return 1";

/// Changes when the entry was touched and when it expires, if it has the version that was seen.
/// Arguments: the head that was seen, the two times, when the key is to go, until when the index of its owner keeps
/// it or nothing if that is as before. Answers 1, or 0 for stale, or the owner if the index must know first.
const TOUCH: &str = "
if head ~= ARGV[1] then return 0 end
if ARGV[4] == '' and struct.unpack('>I8', indexed_until) < tonumber(ARGV[3]) then
  local owner = owner()
  if owner then return owner end
end
if ARGV[4] ~= '' then redis.call('SETRANGE', KEYS[1], MARK_END, ARGV[4]) end
redis.call('SETRANGE', KEYS[1], TOUCHED, ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1";

/// Deletes the entry. Arguments: the mark, and the mark of the older layout.
/// Answers its owner, or 1 if it had none, or 0 if there was no entry.
const DELETE: &str = "
if start == '' then return 0 end
if mark == ARGV[2] then return redis.error_reply('OLDER the session is of an older version') end
if mark ~= ARGV[1] or #start < OWNER_TEXT then
  return redis.error_reply('FOREIGN the value is no session')
end
local owner = owner() or 1
redis.call('DEL', KEYS[1])
return owner";

/// Replaces the entry by what it leaves behind when it moves, if it has the version that was seen.
/// Arguments: the head that was seen, the value, for how many milliseconds it stays. Answers the owner that the entry
/// had, or 1 if it had none, or 0 for stale.
const RETIRE: &str = "
if head ~= ARGV[1] then return 0 end
local owner = owner() or 1
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return owner";

/// The entries under one prefix: a key each. No method touches two keys.
///
/// What a method did not get an answer to has been done or not, but never half; so it is if its future is dropped.
pub(crate) struct Entries {
    prefix: Vec<u8>,
    save: Script,
    save_indexed: Script,
    touch: Script,
    delete: Script,
    retire: Script,
}

impl Entries {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}s:").into_bytes(),
            save: Script::new(script(SAVE)),
            save_indexed: Script::new(script(SAVE_INDEXED)),
            touch: Script::new(script(TOUCH)),
            delete: Script::new(script(DELETE)),
            retire: Script::new(script(RETIRE)),
        }
    }

    pub(crate) async fn load(
        &self,
        on: &Connection,
        key: &StoreKey,
        doing: &'static str,
    ) -> Result<Option<Entry>> {
        match self.value(on, key, doing).await?.map(layout::decode) {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(Unread::Older)) => Err(older(doing)),
            Some(Err(Unread::Foreign)) => Err(foreign(doing)),
        }
    }

    /// As [`load`](Self::load), for a list. An entry of an older version is no session any more,
    /// and must not keep a user from ending the others.
    pub(crate) async fn load_listed(
        &self,
        on: &Connection,
        key: &StoreKey,
        doing: &'static str,
    ) -> Result<Option<Entry>> {
        match self.value(on, key, doing).await?.map(layout::decode) {
            None | Some(Err(Unread::Older)) => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(Unread::Foreign)) => Err(foreign(doing)),
        }
    }

    async fn value(
        &self,
        on: &Connection,
        key: &StoreKey,
        doing: &'static str,
    ) -> Result<Option<Bytes>> {
        let mut get = redis::cmd("GET");
        get.arg(self.key(key));
        match on.read(&get).await {
            Ok(Value::Nil) => Ok(None),
            Ok(Value::BulkString(value)) => Ok(Some(value.into())),
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Says whether the key was free.
    pub(crate) async fn create(
        &self,
        on: &Connection,
        key: &StoreKey,
        new: &Draft,
        indexed_until: i64,
        doing: &'static str,
    ) -> Result<bool> {
        let mut set = redis::cmd("SET");
        set.arg(self.key(key))
            .arg(layout::encode(new, indexed_until)?)
            .arg("NX")
            .arg("PXAT")
            .arg(gone_at(new.meta.expires));
        match on.ask(&set).await {
            Ok(Value::Okay) => Ok(true),
            Ok(Value::Nil) => Ok(false),
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Replaces the entry; the index of its owner keeps it until `indexed_until`.
    pub(crate) async fn save(
        &self,
        on: &Connection,
        key: &StoreKey,
        seen: &Head,
        new: &Draft,
        indexed_until: i64,
    ) -> Result<Swap> {
        let value = layout::encode(new, indexed_until)?;
        let gone_at = gone_at(new.meta.expires).to_string();
        let arguments: [&[u8]; 3] = [seen, &value, gone_at.as_bytes()];
        let answer = self.save.run(on, &self.key(key), &arguments).await;
        Swap::of(answer, SAVING)
    }

    /// Replaces the entry, if the index of its owner knows it already.
    pub(crate) async fn save_indexed(
        &self,
        on: &Connection,
        key: &StoreKey,
        seen: &Head,
        new: &Draft,
    ) -> Result<Swap> {
        let value = layout::encode(new, 0)?;
        let gone_at = gone_at(new.meta.expires).to_string();
        let owner = packed::owner(new.meta.owner.as_ref())?;
        let arguments: [&[u8]; 4] = [seen, &value, gone_at.as_bytes(), &owner];
        let answer = self.save_indexed.run(on, &self.key(key), &arguments).await;
        Swap::of(answer, SAVING)
    }

    /// Touches the entry; with `indexed_until`, the index of its owner keeps it until then.
    pub(crate) async fn touch(
        &self,
        on: &Connection,
        key: &StoreKey,
        seen: &Head,
        meta: &Meta,
        indexed_until: Option<i64>,
    ) -> Result<Swap> {
        let gone_at = gone_at(meta.expires).to_string();
        let indexed_until = indexed_until.map(i64::to_be_bytes);
        let arguments: [&[u8]; 4] = [
            seen,
            &packed::touch(meta),
            gone_at.as_bytes(),
            indexed_until.as_ref().map_or(b"", |until| until),
        ];
        let answer = self.touch.run(on, &self.key(key), &arguments).await;
        Swap::of(answer, TOUCHING)
    }

    pub(crate) async fn delete(
        &self,
        on: &Connection,
        key: &StoreKey,
        doing: &'static str,
    ) -> Result<Swap> {
        let marks: [&[u8]; 2] = [&MARK, &OLD_MARK];
        let answer = self.delete.run(on, &self.key(key), &marks).await;
        Swap::of(answer, doing)
    }

    /// Replaces the entry by `left`, which goes by itself after `stays_millis`.
    pub(crate) async fn retire(
        &self,
        on: &Connection,
        key: &StoreKey,
        seen: &Head,
        left: &Draft,
        stays_millis: u64,
        doing: &'static str,
    ) -> Result<Swap> {
        let value = layout::encode(left, 0)?;
        let stays_millis = stays_millis.to_string();
        let arguments: [&[u8]; 3] = [seen, &value, stays_millis.as_bytes()];
        let answer = self.retire.run(on, &self.key(key), &arguments).await;
        Swap::of(answer, doing)
    }

    fn key(&self, key: &StoreKey) -> Vec<u8> {
        [&self.prefix, key.as_bytes()].concat()
    }
}

/// What became of a comparison.
#[derive(Debug)]
pub(crate) enum Swap {
    Stale,
    Done,
    /// Done, or not: see the method. The owner is the one whose index this is about.
    Owner(Vec<u8>),
    /// Not done: the index of the owner must know first.
    Unindexed,
}

impl Swap {
    fn of(answer: redis::RedisResult<Value>, doing: &'static str) -> Result<Self> {
        match answer {
            Ok(Value::Int(0)) => Ok(Self::Stale),
            Ok(Value::Int(1)) => Ok(Self::Done),
            Ok(Value::Int(2)) => Ok(Self::Unindexed),
            Ok(Value::BulkString(owner)) => Ok(Self::Owner(owner)),
            Ok(_) => Err(strange(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }
}

pub(crate) const SAVING: &str = "saving a session in Redis";
pub(crate) const TOUCHING: &str = "touching a session in Redis";
