use std::collections::BTreeSet;

use bytes::{Buf, BufMut};
use cloakroom::store::{Cursor, OwnedEntry, Page};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use futures_util::future::try_join_all;
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use crate::connection::Connection;
use crate::entries::Entries;
use crate::error::{malformed, refused};
use crate::slots::Slots;

/// Lists up to `limit` entries, starting at the cursor `after`.
///
/// Scans the nodes one after the other, until every slot is done. A slot is done if its node has
/// been scanned from start to end, and has served the slot all the time without moving it. A
/// single server counts as a node that serves all slots.
pub(crate) async fn scan(
    on: &Connection,
    entries: &Entries,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page> {
    let limit = limit.clamp(1, MAX_PAGE);
    let mut position = match after {
        Some(after) => Position::decode(after.as_bytes()).ok_or_else(foreign_cursor)?,
        None => Position::default(),
    };
    let pattern = entries.pattern();
    let mut count = limit.clamp(FIRST_COUNT, MAX_COUNT);
    for _ in 0..MAX_STEPS {
        let Some(slot) = position.done.first_missing() else {
            break;
        };
        if position.found.len() >= limit {
            break;
        }
        let step = position.step(&pattern, count);
        let answer = on.scan(slot, &step).await;
        let answer = answer.map_err(|cause| refused(SCANNING, cause))?;
        position.advance(answer, entries)?;
        // A step examines about as many keys as all steps before it together. So a page is filled
        // within a few steps, and the keys that do not fit into it are not many more than `limit`.
        count = (2 * count).min(MAX_COUNT);
    }
    let listed: Vec<_> = position.found.iter().take(limit).cloned().collect();
    let mut owned = Vec::new();
    for some in listed.chunks(READ_AT_ONCE) {
        let reads = some
            .iter()
            .map(|store_key| entries.scanned(on, store_key, SCANNING));
        for (store_key, meta) in some.iter().zip(try_join_all(reads).await?) {
            position.found.remove(store_key);
            if let Some(meta) = meta.filter(|meta| !meta.is_tombstone()) {
                owned.push(OwnedEntry::new(store_key.clone(), meta));
            }
        }
    }
    Ok(Page::new(owned, position.encode()))
}

/// How far a scan has come. The cursor of a page contains it.
#[derive(Debug, Default, PartialEq)]
struct Position {
    done: Slots,
    /// The slots that the current node has served since its scan began.
    served: Slots,
    /// The process whose scan is in progress. It is empty before the first step.
    run_id: String,
    /// The position in the scan of this process. It means nothing to another process.
    cursor: u64,
    /// The store keys that were found and not yet listed.
    found: BTreeSet<StoreKey>,
}

impl Position {
    /// Returns the commands of the next step.
    fn step(&self, pattern: &[u8], count: usize) -> Step {
        Step {
            cursor: self.cursor,
            pattern: pattern.to_vec(),
            count,
        }
    }

    fn advance(&mut self, answer: Answer, entries: &Entries) -> Result<()> {
        if self.cursor == 0 {
            // The scan of a node begins.
            if answer.node.settled.is_subset(&self.done) {
                return Err(slot_is_moving());
            }
            self.run_id = answer.node.run_id;
            self.served = answer.node.settled;
        } else if self.run_id == answer.node.run_id {
            self.served.intersect(&answer.node.settled);
        } else {
            // A replica has taken over, the server was restarted, or the slot has moved. Scan the
            // process that serves the slot now from the start.
            self.cursor = 0;
            return Ok(());
        }
        let store_keys = answer.keys.iter().filter_map(|key| entries.store_key(key));
        self.found.extend(store_keys);
        self.cursor = answer.cursor;
        if self.cursor == 0 {
            self.done.add(&self.served);
        }
        Ok(())
    }

    /// Returns the cursor of the next page, or `None` if there is no next page.
    fn encode(&self) -> Option<Cursor> {
        if self.found.is_empty() && self.done.first_missing().is_none() {
            return None;
        }
        let mut bytes = Vec::new();
        self.done.put(&mut bytes);
        self.served.put(&mut bytes);
        bytes.put_u64(self.cursor);
        bytes.put_u8(u8::try_from(self.run_id.len()).expect("`Node::read` checks the length"));
        bytes.put_slice(self.run_id.as_bytes());
        for store_key in &self.found {
            bytes.put_slice(store_key.as_bytes());
        }
        Some(Cursor::new(bytes.into()))
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (done, served) = (Slots::take(&mut bytes)?, Slots::take(&mut bytes)?);
        let cursor = bytes.try_get_u64().ok()?;
        let len = bytes.try_get_u8().ok()?;
        let (run_id, found) = bytes.split_at_checked(len.into())?;
        let (found, rest) = found.as_chunks::<STORE_KEY_LEN>();
        rest.is_empty().then_some(Self {
            done,
            served,
            run_id: str::from_utf8(run_id).ok()?.to_owned(),
            cursor,
            found: found.iter().map(|key| StoreKey::new(key)).collect(),
        })
    }
}

/// One call of `SCAN`.
pub(crate) struct Step {
    cursor: u64,
    pattern: Vec<u8>,
    count: usize,
}

impl Step {
    /// Returns the commands for a single server. The server carries them out in one round trip.
    pub(crate) fn commands(&self) -> Pipeline {
        let mut commands = redis::pipe();
        commands.cmd("INFO").arg("server");
        commands
            .cmd("SCAN")
            .arg(self.cursor)
            .arg("MATCH")
            .arg(&self.pattern)
            .arg("COUNT")
            .arg(self.count);
        commands
    }

    /// Returns the commands for a node of a Cluster.
    #[cfg(feature = "cluster")]
    pub(crate) fn commands_for_node(&self) -> Pipeline {
        let mut commands = self.commands();
        commands.cmd("CLUSTER").arg("NODES");
        commands
    }
}

/// The answer to a [`Step`].
pub(crate) struct Answer {
    node: Node,
    cursor: u64,
    keys: Vec<Vec<u8>>,
}

/// The process that answered.
struct Node {
    run_id: String,
    /// The slots that the node serves and that are not moving.
    settled: Slots,
    /// The slots that the node serves.
    #[cfg_attr(
        not(feature = "cluster"),
        allow(dead_code, reason = "only for a Cluster")
    )]
    serves: Slots,
}

impl Answer {
    pub(crate) fn read(answers: Vec<Value>) -> RedisResult<Self> {
        let mut answers = answers.into_iter().map(Value::extract_error);
        let mut next = || answers.next().ok_or_else(malformed)?;
        let info: String = from_redis_value(next()?)?;
        let (cursor, keys) = from_redis_value(next()?)?;
        let nodes = match answers.next() {
            Some(nodes) => Some(from_redis_value::<String>(nodes?)?),
            None => None,
        };
        let node = Node::read(&info, nodes.as_deref()).ok_or_else(malformed)?;
        Ok(Self { node, cursor, keys })
    }

    /// Returns whether the node serves this slot by its own account.
    #[cfg(feature = "cluster")]
    pub(crate) fn serves(&self, slot: u16) -> bool {
        self.node.serves.contains(slot)
    }
}

impl Node {
    /// Reads the answers to `INFO` and `CLUSTER NODES`.
    fn read(info: &str, nodes: Option<&str>) -> Option<Self> {
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
        let run_id = run_id.trim().to_owned();
        let (mut settled, mut serves) = (Slots::all(), Slots::all());
        if let Some(nodes) = nodes {
            (settled, serves) = own_slots(nodes)?;
        }
        u8::try_from(run_id.len()).ok().map(|_| Self {
            run_id,
            settled,
            serves,
        })
    }
}

/// Returns the slots of the node that answered `CLUSTER NODES`: those that are not moving, and all.
///
/// The line of the node has the flag `myself`. From its ninth word on, it lists slots: `0-5460` or
/// `5461`. A slot that is moving to another node, or from one, follows in brackets:
/// `[93->-node]` or `[94-<-node]`.
fn own_slots(nodes: &str) -> Option<(Slots, Slots)> {
    let lines = nodes.lines().map(|line| line.split(' '));
    let is_own = |words: &std::str::Split<'_, char>| {
        let flags = words.clone().nth(2);
        flags.is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
    };
    let own = lines.into_iter().find(is_own)?;
    let (mut serves, mut moving) = (Slots::default(), Slots::default());
    for word in own.skip(8) {
        let (slots, ends) = match word.strip_prefix('[') {
            Some(open) => (&mut moving, (open.split_once('-')?.0, None)),
            None => match word.split_once('-') {
                Some((first, last)) => (&mut serves, (first, Some(last))),
                None => (&mut serves, (word, None)),
            },
        };
        let first = ends.0.parse().ok()?;
        let last = match ends.1 {
            Some(last) => last.parse().ok()?,
            None => first,
        };
        slots.add_range(first, last);
    }
    let mut settled = serves.clone();
    settled.remove(&moving);
    Some((settled, serves))
}

fn slot_is_moving() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{SCANNING}: a slot of the Cluster is moving to another node; repeat the call when the \
             move is over, or finish a move that was interrupted with `redis-cli --cluster fix`"
        ),
    )
}

fn foreign_cursor() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{SCANNING}: the cursor is not from this store; begin without a cursor"),
    )
}

const SCANNING: &str = "listing all sessions in Redis";

/// The length of the store keys that a scan lists: that of a SHA-256.
pub(crate) const STORE_KEY_LEN: usize = 32;

/// The maximum number of entries on a page.
const MAX_PAGE: usize = 1_000;

/// The maximum number of steps of one call.
const MAX_STEPS: usize = 16;

/// The minimum number of keys that the first step of a call examines, of the server's choice.
const FIRST_COUNT: usize = 16;

/// The maximum number of keys that a step examines. The server serves no other command while it
/// examines them, which takes well below a millisecond.
const MAX_COUNT: usize = 1_000;

/// The maximum number of entries that are read concurrently.
const READ_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_position_equals_the_encoded_one() {
        let mut position = Position {
            run_id: "5f3c".into(),
            cursor: u64::MAX,
            found: [7, 8].map(|n| StoreKey::new(&[n; STORE_KEY_LEN])).into(),
            ..Position::default()
        };
        position.done.add_range(0, 5_460);
        position.done.add_range(16_383, 16_383);
        position.served.add_range(5_461, 5_461);

        let cursor = position.encode().unwrap();

        assert_eq!(Position::decode(cursor.as_bytes()), Some(position));
    }

    #[test]
    fn a_scan_ends_when_every_slot_is_done_and_every_key_is_listed() {
        let mut position = Position {
            done: Slots::all(),
            ..Position::default()
        };
        assert!(position.encode().is_none());

        position.found.insert(StoreKey::new(&[7; STORE_KEY_LEN]));
        assert!(position.encode().is_some());
    }

    #[test]
    fn bytes_that_are_no_position_are_refused() {
        let mut position = Position::default();
        position.done.add_range(3, 9);
        let bytes = position.encode().unwrap();
        let bytes = bytes.as_bytes();
        for len in 0..bytes.len() {
            assert!(Position::decode(&bytes[..len]).is_none(), "{len}");
        }
        for foreign in [&[bytes, b"0"].concat()[..], b"row 17", &[0xff; 40]] {
            assert!(Position::decode(foreign).is_none());
        }
    }

    #[test]
    fn a_step_of_another_process_restarts_the_scan_of_the_node() {
        let entries = Entries::new("p:");
        let mut position = Position::default();
        position
            .advance(answer("one", "0-9", 5, 1), &entries)
            .unwrap();
        assert_eq!((position.cursor, position.found.len()), (5, 1));

        // The key that another process found at this cursor is not taken.
        position
            .advance(answer("two", "0-9", 7, 2), &entries)
            .unwrap();
        assert_eq!((position.cursor, position.found.len()), (0, 1));

        position
            .advance(answer("two", "0-9", 0, 2), &entries)
            .unwrap();
        assert_eq!(position.found.len(), 2);
        assert_eq!(position.done.first_missing(), Some(10));
    }

    #[test]
    fn a_slot_that_moves_during_the_scan_of_its_node_is_not_done() {
        let entries = Entries::new("p:");
        // Slot 4 moves to the node, slot 5 away from it. Slot 6 begins to move.
        let mut position = Position::default();
        position
            .advance(answer("one", "0-3 5-9", 5, 1), &entries)
            .unwrap();
        position
            .advance(answer("one", "0-4 6-9 [6->-node]", 0, 2), &entries)
            .unwrap();

        let done = &position.done;
        let done: Vec<_> = (0..10).filter(|slot| done.contains(*slot)).collect();
        assert_eq!(done, [0, 1, 2, 3, 7, 8, 9]);
    }

    #[test]
    fn a_node_whose_missing_slots_are_all_moving_is_an_error() {
        let entries = Entries::new("p:");
        let mut position = Position::default();
        position.done.add_range(0, 3);

        let moving = answer("one", "0-4 [4->-node]", 0, 1);
        let error = position.advance(moving, &entries).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(position.done.first_missing(), Some(4));
    }

    #[test]
    fn the_slots_of_the_answering_node_are_read() {
        let nodes = "\
            07c3 10.0.0.4:7004@17004,host.example slave e7d1 0 1426238317239 4 connected\n\
            67ed 10.0.0.2:7002@17002 master - 0 1426238316232 2 connected 5461-10922\n\
            e7d1 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-3 7 [7->-67ed] [9-<-67ed]\n";

        let (settled, serves) = own_slots(nodes).unwrap();

        let numbers =
            |slots: &Slots| -> Vec<_> { (0..20).filter(|n| slots.contains(*n)).collect() };
        assert_eq!(numbers(&settled), [0, 1, 2, 3]);
        assert_eq!(numbers(&serves), [0, 1, 2, 3, 7]);
        assert!(own_slots("67ed 127.0.0.1:7002@17002 master - 0 0 2 connected 0-9").is_none());
    }

    /// Returns the answer of a node with these slots, which found the key with number `key`.
    fn answer(run_id: &str, slots: &str, cursor: u64, key: u8) -> Answer {
        let nodes = format!("e7d1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected {slots}");
        let info = format!("# Server\r\nrun_id:{run_id}\r\n");
        Answer {
            node: Node::read(&info, Some(&nodes)).unwrap(),
            cursor,
            keys: vec![[&b"p:s:"[..], &[key; STORE_KEY_LEN]].concat()],
        }
    }
}
