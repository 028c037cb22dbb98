//! Helpers that the tests of this folder share.
#![allow(dead_code, reason = "no test file uses all helpers")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

use std::fs;

use cloakroom::store::SaveId;
use cloakroom::store::{Draft, Meta, Outcome, Version, from_millis};
use cloakroom::{Item, Result, SessionKey, Sessions, StoreKey};
use cloakroom_harness::servers::Server;
use cloakroom_redis::RedisStore;
use cloakroom_testkit::unique_name;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, FromRedisValue, TlsCertificates};

/// Opens a store with a unique prefix.
pub(crate) async fn open(server: &Server) -> RedisStore {
    with_prefix(server.url(), &unique_prefix()).await
}

/// Opens two stores with the same prefix and separate connections.
pub(crate) async fn two(server: &Server) -> (RedisStore, RedisStore) {
    let prefix = unique_prefix();
    (
        with_prefix(server.url(), &prefix).await,
        with_prefix(server.url(), &prefix).await,
    )
}

pub(crate) async fn with_prefix(url: &str, prefix: &str) -> RedisStore {
    RedisStore::builder(url)
        .prefix(prefix)
        .connect()
        .await
        .unwrap()
}

pub(crate) fn unique_prefix() -> String {
    format!("{}:", unique_name())
}

/// A separate connection to the server, as another program or an administrator would have.
pub(crate) enum Neighbour {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Neighbour {
    pub(crate) async fn of(url: &str) -> Self {
        match url.strip_prefix("redis+cluster://") {
            Some(_) => {
                let client = ClusterClient::new(nodes(url)).unwrap();
                Self::Cluster(client.get_async_connection().await.unwrap())
            }
            None => {
                let client = client(url);
                Self::Node(client.get_multiplexed_async_connection().await.unwrap())
            }
        }
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        match self {
            Self::Node(node) => command.query_async(&mut node.clone()).await.unwrap(),
            Self::Cluster(cluster) => command.query_async(&mut cluster.clone()).await.unwrap(),
        }
    }
}

/// Returns a client for one server. If the URL asks for TLS, a store must have been opened before,
/// because opening a store installs the cryptography that TLS needs.
fn client(url: &str) -> Client {
    let Some((server, authority)) = url.split_once("?sslmode=verify-full&sslrootcert=") else {
        return Client::open(url).unwrap();
    };
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(fs::read(authority).unwrap()),
    };
    Client::build_with_tls(server.replacen("redis:", "rediss:", 1), certificates).unwrap()
}

/// Returns the URL of each node.
pub(crate) fn nodes(url: &str) -> Vec<String> {
    match url.strip_prefix("redis+cluster://") {
        Some(nodes) => nodes
            .trim_end_matches('/')
            .split(',')
            .map(|node| format!("redis://{node}"))
            .collect(),
        None => vec![url.to_owned()],
    }
}

/// Sends a command to every node.
pub(crate) async fn ask_every_node(url: &str, command: &Cmd) {
    for node in nodes(url) {
        Neighbour::of(&node).await.ask::<()>(command).await;
    }
}

pub(crate) fn command(words: &[&[u8]]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// Returns the key of a session.
pub(crate) fn session_key(prefix: &str, key: &StoreKey) -> Vec<u8> {
    [prefix.as_bytes(), b"s:", key.as_bytes()].concat()
}

/// Returns the key of an owner's index.
pub(crate) fn index_key(prefix: &str, owner: &str) -> Vec<u8> {
    format!("{prefix}o:{owner}").into_bytes()
}

/// Returns the store key with number `n`.
pub(crate) fn at(n: u64) -> StoreKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    StoreKey::new(&bytes)
}

/// Returns a draft that expires at [`EXPIRES`].
pub(crate) fn draft(data: &str) -> Draft {
    Draft::new(
        data.to_owned().into(),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(1_764_000_000_002),
            from_millis(EXPIRES),
        ),
        SaveId::random().unwrap(),
    )
}

/// Returns a draft with this owner.
pub(crate) fn owned(owner: &str) -> Draft {
    let mut draft = draft("");
    draft.meta.owner = Some(owner.into());
    draft
}

/// Returns the version of the written entry. Panics if nothing was written.
pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}

/// Creates a session that counts visits, and returns its key.
pub(crate) async fn visitor(sessions: &Sessions) -> SessionKey {
    let session = sessions.new_session();
    session.set(VISITS, 0).unwrap();
    session.save().await.unwrap();
    session.key().unwrap()
}

/// Creates a session, logs it out and returns its key.
pub(crate) async fn ended(sessions: &Sessions) -> SessionKey {
    let key = visitor(sessions).await;
    let session = sessions.open(&key).await.unwrap().unwrap();
    session.flush().unwrap();
    session.save().await.unwrap();
    key
}

/// Repeats a visit until it is saved. Returns the number of visits, and how many failed visits this
/// number may include.
pub(crate) async fn visit_until_counted(sessions: &Sessions, key: &SessionKey) -> (u64, u64) {
    let mut unknown = 0;
    let mut visit = async || -> Result<u64> {
        let session = sessions
            .open(key)
            .await?
            .expect("the session was not ended");
        let count = session.update(VISITS, |visits| *visits += 1)?;
        unknown += 1;
        session.save().await?;
        Ok(count)
    };
    loop {
        match visit().await {
            Ok(count) => return (count, unknown - 1),
            Err(error) => {
                assert_eq!(error.kind().status(), 503, "{error:?}");
                assert!(
                    !error.to_string().contains("use `redis+cluster://`"),
                    "the error blames the URL: {error}"
                );
            }
        }
    }
}

pub(crate) const VISITS: Item<u64> = Item::new("num_visits");

/// A time in the year 2100, in milliseconds since 1970.
pub(crate) const EXPIRES: i64 = 4_102_444_800_003;

/// Creates a user of the server with these rights. Returns the user's name, and the URL with the
/// user's login.
pub(crate) async fn user(url: &str, rights: &[&str]) -> (String, String) {
    let name = unique_name();
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg(&name).arg("on").arg(">s3cret");
    set.arg(rights);
    ask_every_node(url, &set).await;
    let with_user = url.replacen("://", &format!("://{name}:s3cret@"), 1);
    (name, with_user)
}

/// Returns the rights that the documentation in `source` lists for every URL. If `row` is given,
/// also returns the rights in the table row that starts with `row`.
pub(crate) fn documented_rights<'a>(source: &'a str, row: Option<&str>) -> Vec<&'a str> {
    let (_, list) = source
        .split_once("An access list (ACL) must allow")
        .unwrap();
    let (everywhere, list) = code(list);
    let row = row.map(|row| {
        let row = format!("| {row} |");
        list.lines().find(|line| line.contains(&row)).unwrap()
    });
    [
        rights_in(everywhere),
        row.map(rights_in).unwrap_or_default(),
    ]
    .concat()
}

/// Returns the rights that the documentation lists for a user of the Sentinels.
pub(crate) fn documented_rights_of_sentinels(source: &str) -> Vec<&str> {
    let (_, list) = source.split_once("A user of the Sentinels").unwrap();
    rights_in(code(list).0)
}

/// Returns the first block of code in a text, and the text that follows the block.
fn code(text: &str) -> (&str, &str) {
    let (_, code) = text.split_once("```text").unwrap();
    code.split_once("```").unwrap()
}

fn rights_in(text: &str) -> Vec<&str> {
    let words = text.split([' ', '`', '\n']);
    let rights: Vec<&str> = words.filter(|word| word.starts_with(['+', '&'])).collect();
    assert!(!rights.is_empty(), "{text}");
    rights
}
