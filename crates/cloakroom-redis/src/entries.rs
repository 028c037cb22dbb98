use bytes::Bytes;
use cloakroom::store::packed::{self, NONE};
use cloakroom::store::{Draft, Entry, Meta};
use cloakroom::{ErrorKind, Result, StoreKey};
use redis::Value;

use crate::connection::Connection;
use crate::error::{foreign, older, refused, unexpected_answer};
use crate::expiry::gone_at;
use crate::layout::{
    self, Head, MARK, MARK_END, OLD_MARK, OWNER, OWNER_TEXT, PACKED, SAVE_ID, TOUCHED, Unread,
};
use crate::scan::STORE_KEY_LEN;
use crate::script::Script;

/// Returns the text of a script: the common prelude, followed by `body`.
///
/// The prelude reads the *mark*, which every value of this store starts with, and the *head*: the
/// mark and the save id, which identifies one version of the entry. The scripts read only the start
/// of a value, never the session data. The offsets come from [`layout`]. `GETRANGE` counts bytes
/// from zero and includes the end of the range; Lua counts from one.
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

/// Replaces the entry if it still has the version that the caller read.
/// Arguments: the head that was read, the new value, the time at which the key expires.
/// Returns 1, or 0 if the version is stale.
const SAVE: &str = "
if head ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1";

/// Like `SAVE`, with one more argument: the owner as encoded in the new value. If the version is
/// not stale, but the entry does not have this owner yet or the owner's index does not keep the
/// entry until the key expires, writes nothing and returns 2: the caller must update the index
/// first. Sets the expiry last: an expiry in the past deletes the key at once, and a `SETRANGE`
/// after that would create an incomplete value.
const SAVE_INDEXED: &str = "
if head ~= ARGV[1] then return 0 end
if read(OWNER, OWNER + #ARGV[4]) ~= ARGV[4] then return 2 end
if struct.unpack('>I8', indexed_until) < tonumber(ARGV[3]) then return 2 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SETRANGE', KEYS[1], MARK_END, indexed_until)
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1";

/// Sets the times at which the entry was touched and at which it expires, if the entry still has
/// the version that the caller read. Arguments: the head that was read; the two new times; the time
/// at which the key expires; the time at which the index of the owner removes the entry, or an
/// empty string if the caller has not updated the index. Returns 1, or 0 if the version is stale,
/// or the owner if the caller must update the index first.
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

/// Deletes the entry. Arguments: the mark that every value starts with, and the mark of the older
/// layout. Returns the owner of the entry, or 1 if it had no owner, or 0 if there was no entry.
const DELETE: &str = "
if start == '' then return 0 end
if mark == ARGV[2] then return redis.error_reply('OLDER the session is of an older version') end
if mark ~= ARGV[1] or #start < OWNER_TEXT then
  return redis.error_reply('FOREIGN the value is not a session')
end
local owner = owner() or 1
redis.call('DEL', KEYS[1])
return owner";

/// Replaces the entry with a marker or a tombstone, if the entry still has the version that the
/// caller read. A rename runs this script at the old key. Arguments: the head that was read, the
/// value of the marker or tombstone, its time to live in milliseconds. Returns the owner that the
/// entry had, or 1 if it had no owner, or 0 if the version is stale.
const RETIRE: &str = "
if head ~= ARGV[1] then return 0 end
local owner = owner() or 1
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return owner";

/// The entries under one prefix, each with its own key. No method accesses two keys, because in a
/// Cluster they may be on two nodes.
///
/// If a method gets no answer, or its future is dropped, its change is made completely or not at
/// all.
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

    /// Like [`load`](Self::load), but returns `None` for an entry in the older layout: such an
    /// entry is no longer a session and must not prevent its owner from ending other sessions.
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

    /// Returns the meta of an entry that a scan found, or `None` if there is no entry any more or
    /// the value is not one that this release of the store wrote.
    ///
    /// Reads only the start of the value, unless owner and label are long.
    pub(crate) async fn scanned(
        &self,
        on: &Connection,
        key: &StoreKey,
        doing: &'static str,
    ) -> Result<Option<Meta>> {
        let mut start = redis::cmd("GETRANGE");
        start.arg(self.key(key)).arg(0).arg(START - 1);
        let start = match on.read(&start).await {
            Ok(Value::BulkString(start)) => Bytes::from(start),
            Ok(_) => return Err(unexpected_answer(doing)),
            Err(cause) => return listed(Err(refused(doing, cause))),
        };
        let is_whole = start.len() < START;
        match layout::decode(start) {
            Ok(entry) => Ok(Some(entry.meta)),
            Err(_) if is_whole => Ok(None),
            Err(_) => listed(
                self.load(on, key, doing)
                    .await
                    .map(|entry| Some(entry?.meta)),
            ),
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
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Writes the entry and returns `true`. If the key is taken, changes nothing and returns
    /// `false`.
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
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }

    /// Replaces the entry. The new entry records that the index of its owner keeps it until
    /// `indexed_until`.
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

    /// Replaces the entry, or returns [`Swap::Unindexed`] if the index of its owner must be updated
    /// first.
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

    /// Touches the entry. If the index of its owner must be updated first, changes nothing and
    /// returns [`Swap::Owner`]. The caller then updates the index and calls this method again with
    /// the new `indexed_until`.
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

    /// Deletes the entry. Returns [`Swap::Owner`] if it had an owner.
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

    /// Replaces the entry with `marker`, which the server deletes after `stays_millis`. Returns
    /// [`Swap::Owner`] if the entry had an owner.
    pub(crate) async fn retire(
        &self,
        on: &Connection,
        key: &StoreKey,
        seen: &Head,
        marker: &Draft,
        stays_millis: u64,
        doing: &'static str,
    ) -> Result<Swap> {
        let value = layout::encode(marker, 0)?;
        let stays_millis = stays_millis.to_string();
        let arguments: [&[u8]; 3] = [seen, &value, stays_millis.as_bytes()];
        let answer = self.retire.run(on, &self.key(key), &arguments).await;
        Swap::of(answer, doing)
    }

    /// Returns the pattern that the keys of all entries match.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        for byte in &self.prefix {
            if br"*?[]\".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.push(b'*');
        pattern
    }

    /// Returns the store key of the entry at `key`, or `None` if the key is not one of this store.
    ///
    /// The length tells the keys of this store from those of a store whose prefix begins with this
    /// prefix and `s:`, or the other way round.
    pub(crate) fn store_key(&self, key: &[u8]) -> Option<StoreKey> {
        let store_key = key.strip_prefix(&self.prefix[..])?;
        (store_key.len() == STORE_KEY_LEN).then(|| StoreKey::new(store_key))
    }

    fn key(&self, key: &StoreKey) -> Vec<u8> {
        [&self.prefix, key.as_bytes()].concat()
    }
}

/// Leaves out an entry that this release of the store did not write.
fn listed(meta: Result<Option<Meta>>) -> Result<Option<Meta>> {
    match meta {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        meta => meta,
    }
}

/// The number of bytes at the start of a value that a scan reads. They contain the whole meta,
/// unless owner and label have more than 206 bytes together.
const START: usize = 256;

/// What a script did to the entry.
#[derive(Debug)]
pub(crate) enum Swap {
    /// The entry has another version or does not exist. Nothing was changed.
    Stale,
    Done,
    /// The owner whose index the caller has to update. `delete` and `retire` have changed the
    /// entry; `touch` has not.
    Owner(Vec<u8>),
    /// Nothing was changed: the index of the owner must be updated first.
    Unindexed,
}

impl Swap {
    fn of(answer: redis::RedisResult<Value>, doing: &'static str) -> Result<Self> {
        match answer {
            Ok(Value::Int(0)) => Ok(Self::Stale),
            Ok(Value::Int(1)) => Ok(Self::Done),
            Ok(Value::Int(2)) => Ok(Self::Unindexed),
            Ok(Value::BulkString(owner)) => Ok(Self::Owner(owner)),
            Ok(_) => Err(unexpected_answer(doing)),
            Err(cause) => Err(refused(doing, cause)),
        }
    }
}

pub(crate) const SAVING: &str = "saving a session in Redis";
pub(crate) const TOUCHING: &str = "touching a session in Redis";
