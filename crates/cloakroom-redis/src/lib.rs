#![doc = include_str!("../README.md")]
//!
//! ## Guarantees
//! * **Compares**: the script that saves a session first checks that the session has not changed
//!   since the request loaded it, so no edit is overwritten.
//! * **Revokes**: a deleted session is gone for every process.
//! * **Not durable**: Redis acknowledges a write as soon as the write is in memory. See
//!   [When things go wrong](#when-things-go-wrong).
//! * **Shared**: every process that reaches the server can use the same sessions.
//! * **Evicts**: with any `maxmemory-policy` except `noeviction`, a server that runs out of memory
//!   deletes live sessions. The policy is a setting of the server, so this store always reports
//!   [`evicts`](cloakroom::store::Guarantees::evicts).
//! * **Owners**: the store keeps a list of each user's sessions, unless the server evicts that
//!   list.
//! * **Scans**: the store can list all sessions, page by page. See
//!   [Listing all sessions](#listing-all-sessions).
//!
//! The store cannot find a session by its [tag](cloakroom::SessionTag) alone: Redis would have to
//! scan every key. So [`revoke`](cloakroom::Sessions::revoke) reads the list of the user's
//! sessions, up to 1,000 of them per call, until it finds the tag.
//!
//! ## When things go wrong
//! * **The server crashes**: writes that it acknowledged but had not yet written to disk are
//!   undone. With `appendfsync everysec`, those are the writes of about the last second. Edits are
//!   lost. A visitor who logged in has to log in again. A visitor who logged out **is logged in
//!   again** if a browser still sends the old key. With `appendonly no`, every write since the last
//!   snapshot is undone.
//! * **A replica takes over**: writes that the replica had not received are undone. Usually those
//!   are the writes of the last few milliseconds. After a network partition, more writes can be
//!   undone: the old primary continues to acknowledge writes, which will be lost, until
//!   `min-replicas-to-write` or the Cluster makes it refuse them. Use PostgreSQL if an undone
//!   logout is not acceptable.
//! * **The server becomes a replica**: it refuses writes, and the store connects again. With
//!   Sentinels, the store asks them for the primary, and also connects again when they announce
//!   another primary. Without Sentinels, the store resolves the host name in the URL again. A
//!   refused write was not carried out, so it is sent to the new server, up to three times within a
//!   quarter of a second. Calls return [`Unavailable`](cloakroom::ErrorKind::Unavailable) until the
//!   Sentinels or the host name lead to the primary, and succeed within ten seconds after that.
//!   While the host name leads to a replica, loads succeed but may return slightly outdated
//!   sessions.
//! * **The connection breaks**: a load is sent again. A save may or may not have been carried out.
//!   The session layer loads the session to find out, and responds with 503 if that fails. No
//!   edit is applied twice. A call that begins after the store has noticed the break uses a new
//!   connection. With `?protocol=resp2`, the store notices the break only when a call fails.
//! * **The server does not answer**: calls fail with
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) at once if the connection is refused, and
//!   otherwise after the timeout of the session layer. If a caller gives up and the connection
//!   stays silent for two more seconds, the store abandons that connection: the next call looks up
//!   the primary again and opens a new connection. In a Cluster, the store replaces the connections
//!   to all nodes instead. A connection to a machine that disappeared is closed after about ten
//!   seconds.
//! * **The memory is full**: with `noeviction`, saves fail with
//!   [`Full`](cloakroom::ErrorKind::Full) while loads and logouts continue to work. With any other
//!   policy, the server evicts sessions. It may also evict the list of a user's sessions. Revoking
//!   all sessions of that user then misses every session that has not been added to the list again.
//! * **The clock of the server is wrong**: the server deletes a session five minutes after it
//!   expired, by the server's own clock. A clock that is more than five minutes ahead ends sessions
//!   early. A clock that is behind does no harm.
//! * **A Cluster moves slots**: commands are redirected to the node that has the slot.
//! * **A node of a Cluster fails**: calls for sessions on that node fail. They succeed again within
//!   ten seconds after a replica has taken over and the store has lost or abandoned its connections
//!   to the node. With `cluster-require-full-coverage yes`, the default, the other nodes refuse
//!   calls too, from the time at which they notice the failure until the replica takes over.
//!
//! ## Listing all sessions
//! [`scan`](cloakroom::store::Store::scan) runs the command `SCAN` on every primary in turn. The
//! server keeps nothing between two calls, and other commands are served in between. Redis examines
//! every key of the database, so a scan takes longer if other programs keep keys in it.
//!
//! * One call takes at most 16 steps, and a step examines about 1,000 keys at most. The call
//!   returns up to 1,000 sessions, even if the limit is higher. If most keys are those of other
//!   programs, a page can be empty although more pages follow.
//! * The order is that of the server's hash table. A session that exists during the whole scan is
//!   listed at least once. Other sessions may or may not be listed. Expired sessions are listed
//!   until the server deletes them.
//! * Only store keys of 32 bytes are listed, which is the length that every format of Cloakroom
//!   uses. Tombstones, values that this store did not write and sessions of an older version of
//!   this crate are left out.
//! * The cursor of a page contains the position of the server, which only the same server process
//!   understands. **If a replica takes over or the server is restarted**, the scan of that node
//!   begins again, so sessions are listed twice. The scans of the other nodes are not repeated.
//! * **If a slot of a Cluster moves to another node** during the scan, the node that has it now is
//!   scanned, if necessary a second time. While a slot is moving, the scan continues with the
//!   others. If only moving slots are left, the call returns
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and so does a call during a failover.
//!   Repeat it with the same cursor when the move or the failover is over.
//! * The cursor also contains the store keys that were found but did not fit into the page. Do not
//!   show it to users.
//!
//! ## In production
//! Set `maxmemory-policy noeviction` and `appendonly yes`, and give the sessions a dedicated
//! server: on a server shared with a cache, the cache can use up the memory that sessions need. Let
//! only the site reach the server, because anyone who can read the server can read the data in the
//! sessions.
//!
//! ## Access list
//! An access list (ACL) must allow `~cloakroom:*` and these commands:
//!
//! ```text
//! +get +set +del +eval +evalsha +getrange +setrange +pexpireat +zadd +zrem +zrange
//! +zremrangebyscore +zscore +zrank +zcount +time +hello +auth +select +scan +info
//! ```
//!
//! | if the URL names | the user also needs |
//! |---|---|
//! | a Cluster | `+cluster|slots +cluster|nodes +asking` |
//! | Sentinels | `+role` |
//!
//! Only a [scan](#listing-all-sessions) needs `+scan`, `+info` and `+cluster|nodes`. `+scan` shows
//! the names of all keys in the database, including those that the user may not read.
//!
//! The Sentinels have separate users. A user of the Sentinels (the parameter `sentinel_user` of the
//! URL) needs these rights:
//!
//! ```text
//! +auth +subscribe +sentinel|get-master-addr-by-name &+switch-master
//! ```
//!
//! ## Keys
//! | key | value |
//! |---|---|
//! | `cloakroom:s:` followed by the bytes of the [`StoreKey`](cloakroom::StoreKey) | the session, as one string |
//! | `cloakroom:o:` followed by the owner | the index of the owner: a sorted set of the owner's store keys. The score of a store key is the time at which it is removed from the index, in milliseconds since 1970 |
//!
//! Every key has a time to live. A session stays until five minutes after it expires. Its store key
//! stays in the index for another hour. An index stays until its last store key is removed. Expired
//! data needs no sweep, even after a crash.
//!
//! The value of a session starts with the bytes `c7 02`. The next eight bytes are the time at which
//! the session is removed from the index, in milliseconds since 1970, big-endian, or 0 if the
//! session has no owner. The entry follows, in the layout of [`cloakroom::store::packed`]. A value
//! that starts with `c7 01` was written by an older version of this crate; loading it returns an
//! error.
//!
//! ## Cost
//! | call | round trips without an owner | round trips with an owner |
//! |---|---|---|
//! | load | 1 | 1 |
//! | save, touch | 1 | 1; about once an hour 3, to move the session's time in the index |
//! | create | 1 | 2 |
//! | delete | 1 | 2 |
//! | rename, at login | 2 | 3 to 4 |
//! | rename that leaves no tombstone | 3 | 4 to 5 |
//! | list a user's sessions | | 2 for up to 64 sessions, plus 1 for every further 64 |
//!
//! A page of a scan takes up to 16 round trips that examine keys, and one for every 64 sessions on
//! the page. The server examines 1,000 keys in less than a millisecond and serves no other command
//! during that time. Of each session, 256 bytes are read, and the whole session only if owner and
//! label have more than 206 bytes together. A scan of a database with `n` keys, all of which are
//! sessions, takes about `n / 1,000` calls with a limit of 1,000. Each of these calls takes 17
//! round trips or a few more.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
#[cfg(feature = "django")]
mod django;
mod entries;
mod error;
mod expiry;
mod index;
mod layout;
mod options;
mod primary;
mod scan;
mod script;
mod sentinel;
mod slots;
mod store;
mod tls;

#[cfg(feature = "django")]
pub use django::{DjangoCache, DjangoCacheBuilder};
pub use options::Builder;
pub use store::RedisStore;
