//! Tests the commands that the store sends, and its reaction to faulty answers. A CAS number is
//! memcached's number for compare-and-swap.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use cloakroom::store::SaveId;
use std::error::Error as _;
use std::time::Duration;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store, Version, from_millis};
use cloakroom_memcached::MemcachedStore;
use support::fake::{Fake, Peer, in_time};
use support::{at, draft, written};

#[tokio::test]
async fn a_create_a_load_and_a_save_take_one_round_trip_each() {
    let fake = Fake::start().await;
    let store = fake.store();
    let (first, second) = (draft("one"), draft("two"));

    let (_, mut peer) = both(
        async { written(store.create(&at(1), &first).await) },
        async {
            let mut peer = fake.accept().await;
            let request = peer.store(7).await;
            let size = request.value.len();
            // The expiry of a draft, rounded up to seconds, plus the grace period of 300 seconds.
            assert_eq!(
                request.command(),
                format!("add test:{KEY_1} 0 2000000301 {size}")
            );
            peer
        },
    )
    .await;
    let (seen, value) = loaded(&store, &mut peer, value_of(&first).await, 7).await;
    assert_eq!(value.command(), format!("mg test:{KEY_1} v c f k"));
    let (outcome, request) = both(store.save(&at(1), &seen, &second), peer.store(8)).await;

    assert_eq!(outcome.unwrap(), Outcome::Written(second.version()));
    let size = request.value.len();
    assert_eq!(
        request.command(),
        format!("cas test:{KEY_1} 0 2000000301 {size} 7")
    );

    // The next save uses the CAS number in the answer to this save.
    let (outcome, request) =
        both(store.save(&at(1), &second.version(), &first), peer.store(9)).await;
    written(outcome);
    assert!(request.line.ends_with(" 8"));
}

#[tokio::test]
async fn a_save_of_a_session_that_this_process_has_not_loaded_loads_the_session_first() {
    let fake = Fake::start().await;
    let store = fake.store();
    let (old, new) = (draft("old"), draft("new"));
    let value = value_of(&old).await;

    let (outcome, ()) = both(store.save(&at(1), &old.version(), &new), async {
        let mut peer = fake.accept().await;
        peer.answer_value(&value, 41).await;
        // The test acts as if a touch had changed the CAS number, but not the version.
        let request = peer.request().await;
        assert!(request.line.ends_with(" 41"));
        let check = format!("HD c42 f0 ktest:{KEY_1} {}", request.opaque());
        peer.send(format!("EXISTS\r\n{check}\r\n")).await;
        peer.answer_value(&value, 42).await;
        assert!(peer.store(43).await.line.ends_with(" 42"));
    })
    .await;

    assert_eq!(outcome.unwrap(), Outcome::Written(new.version()));
}

#[tokio::test]
async fn a_save_with_an_outdated_version_is_stale_and_sends_no_write() {
    let fake = Fake::start().await;
    let store = fake.store();
    let value = value_of(&draft("newer")).await;

    let seen = Version::from(SaveId::random().unwrap());
    let new = draft("");
    let (outcome, mut peer) = both(store.save(&at(1), &seen, &new), async {
        let mut peer = fake.accept().await;
        peer.answer_value(&value, 41).await;
        peer
    })
    .await;

    assert_eq!(outcome.unwrap(), Outcome::Stale);
    drop(store);
    assert!(peer.try_request().await.is_none());
}

#[tokio::test]
async fn a_cas_number_from_before_a_restart_is_not_used_after_the_restart() {
    let fake = Fake::start().await;
    let store = fake.store();
    let (old, new) = (draft("old"), draft("new"));
    let value = value_of(&old).await;
    let (seen, mut peer) = both(store.load(&at(1)), async {
        let mut peer = fake.accept().await;
        peer.answer_value(&value, 7).await;
        peer
    })
    .await;
    let seen = seen.unwrap().unwrap().version;

    // The server restarts during a call, and its CAS numbers start from the beginning.
    let (broken, ()) = both(store.ping(), async {
        peer.request().await;
        drop(peer);
    })
    .await;
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::Unavailable);
    let another = value_of(&draft("another")).await;
    let (outcome, request) = both(store.save(&at(1), &seen, &new), async {
        let mut peer = fake.accept().await;
        peer.answer_value(&another, 7).await
    })
    .await;

    assert!(
        request.line.starts_with("mg "),
        "the store must load first: 7 is now the CAS number of another entry"
    );
    assert_eq!(outcome.unwrap(), Outcome::Stale);
}

#[tokio::test]
async fn a_rename_writes_the_new_version_to_the_new_key_before_it_deletes_the_old_key() {
    let fake = Fake::start().await;
    let store = fake.store();
    let (old, new) = (draft("old"), draft("new"));
    let (_, mut peer) = both(store.create(&at(1), &old), async {
        let mut peer = fake.accept().await;
        peer.store(1).await;
        peer
    })
    .await;

    let (outcome, requests) = both(
        store.rename(&at(1), &old.version(), &at(2), &new, None),
        async {
            let mut requests = Vec::new();
            for cas in [2, 3, 4] {
                requests.push(peer.store(cas).await);
            }
            requests.push(peer.answer("HD").await);
            requests
        },
    )
    .await;

    assert_eq!(outcome.unwrap(), Outcome::Written(new.version()));
    let [copy, marker, final_entry, delete] = &requests[..] else {
        panic!("a rename must send four requests");
    };
    let value = value_of(&new).await;
    assert!(copy.line.starts_with(&format!("add test:{KEY_2} ")));
    assert_ne!(copy.value, value, "the copy must have another version");
    assert!(marker.line.starts_with(&format!("cas test:{KEY_1} ")));
    assert!(marker.line.contains(" 60 "), "{}", marker.line);
    assert_eq!(
        marker.value[1..9],
        value[1..9],
        "the marker must have the version of the moved session"
    );
    assert!(final_entry.line.starts_with(&format!("cas test:{KEY_2} ")));
    assert!(final_entry.line.ends_with(" 2"));
    assert_eq!(final_entry.value, value);
    assert_eq!(delete.command(), format!("md test:{KEY_1}"));
}

#[tokio::test]
async fn an_expiry_is_sent_as_a_point_in_time() {
    let fake = Fake::start().await;
    let store = fake.store();
    let mut peer = None;

    for (expires, exptime) in [
        (2_000_000_000_000, " 0 2000000300 "),
        (2_000_000_000_001, " 0 2000000301 "),
        (4_102_444_800_000, " 0 0 "),
        (1_000, " 0 -1 "),
    ] {
        let mut new = draft("");
        new.meta.expires = from_millis(expires);
        let (outcome, request) = both(store.create(&at(1), &new), async {
            if peer.is_none() {
                peer = Some(fake.accept().await);
            }
            peer.as_mut().unwrap().store(1).await
        })
        .await;
        written(outcome);
        assert!(request.line.contains(exptime), "{}", request.line);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_an_error_and_the_next_call_opens_a_new_connection() {
    let fake = Fake::start().await;
    let store = fake.store();
    let entry = draft("whole");
    let value = value_of(&entry).await;
    let whole = [
        format!("VA {} c1 k", value.len()).as_bytes(),
        b"test:",
        KEY_1.as_bytes(),
        b" O1\r\n",
        &value,
        b"\r\n",
    ]
    .concat();

    for len in [0, 1, 5, 20, whole.len() - value.len(), whole.len() - 1] {
        let (broken, ()) = both(store.load(&at(1)), async {
            let mut peer = fake.accept().await;
            peer.request().await;
            peer.send(&whole[..len]).await;
        })
        .await;
        let error = broken.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{len}");
        assert!(
            error.to_string().contains("closed the connection"),
            "{error}"
        );
    }

    let (entry, ()) = both(store.load(&at(1)), async {
        fake.accept().await.answer_value(&value, 1).await;
    })
    .await;
    assert_eq!(entry.unwrap().unwrap().data, "whole");
}

#[tokio::test]
async fn an_answer_that_does_not_match_the_command_is_an_error_and_closes_the_connection() {
    let fake = Fake::start().await;
    let store = fake.store();
    let value = value_of(&draft("of another visitor")).await;
    let size = value.len();
    let answer = |head: &str| [head.as_bytes(), b"\r\n", &value, b"\r\n"].concat();

    let not_answers = [
        // An answer with another key, or without a key.
        answer(&format!("VA {size} c1 ktest:{KEY_2} O1")),
        answer(&format!("VA {size} c1 O1")),
        // An answer with the number of another command, or without a number.
        answer(&format!("VA {size} c1 ktest:{KEY_1} O2")),
        answer(&format!("VA {size} c1 ktest:{KEY_1}")),
        b"EN O2\r\n".to_vec(),
        // An answer to another command.
        b"HD O1\r\n".to_vec(),
        b"NOT_STORED\r\n".to_vec(),
        b"MN\r\n".to_vec(),
        // More than one answer.
        b"EN O1\r\nEN O2\r\n".to_vec(),
        [
            answer(&format!("VA {size} c1 ktest:{KEY_1} O1")),
            b"x".to_vec(),
        ]
        .concat(),
        // Not an answer.
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0; 5_000],
        vec![b'V'; 5_000],
    ];
    for bytes in not_answers {
        let (refused, mut peer) = both(store.load(&at(1)), async {
            let mut peer = fake.accept().await;
            peer.request().await;
            peer.send(&bytes).await;
            peer
        })
        .await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().contains("check that the server is"),
            "{error}"
        );
        assert!(peer.is_closed().await, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn the_result_of_a_write_is_unknown_without_the_answer_to_the_command_behind_it() {
    let fake = Fake::start().await;
    let store = fake.store();
    let another = value_of(&draft("another")).await;
    let size = another.len();
    let answer = |head: &str| [head.as_bytes(), b"\r\n", &another, b"\r\n"].concat();

    let not_answers = [
        b"".to_vec(),
        b"STORED\r\n".to_vec(),
        b"NOT_STORED\r\n".to_vec(),
        b"STORED\r\nSTORED\r\n".to_vec(),
        b"EXISTS\r\nEN O1\r\n".to_vec(),
        b"HD O1\r\nEN O1\r\n".to_vec(),
        b"STORED\r\nEN O2\r\n".to_vec(),
        b"STORED\r\nEN O1\r\nEN O1\r\n".to_vec(),
        b"STORED\r\nHD c1 O1\r\n".to_vec(),
        // The item was stored, so this must not look as if there had been no room.
        b"STORED\r\nSERVER_ERROR out of memory writing get response\r\n".to_vec(),
        b"STORED\r\nVA 18446744073709551615 c1 O1\r\n".to_vec(),
        answer(&format!("STORED\r\nVA {size} c1 f0 ktest:{KEY_2} O1")),
        answer(&format!("STORED\r\nVA {size} c1 f0 ktest:{KEY_1} O2")),
    ];
    for bytes in not_answers {
        let new = draft("");
        let (unknown, mut peer) = both(store.create(&at(1), &new), async {
            let mut peer = fake.accept().await;
            peer.request().await;
            peer.send(&bytes).await;
            peer.close().await;
            peer
        })
        .await;
        let error = unknown.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unavailable,
            "{}",
            bytes.escape_ascii()
        );
        assert!(peer.is_closed().await, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn a_cas_number_that_may_be_that_of_another_write_is_not_used() {
    let fake = Fake::start().await;
    let store = fake.store();
    let another = value_of(&draft("another")).await;
    let (new, large) = (draft("new"), draft("x".repeat(5_000)));

    let (seen, mut peer) = both(async { written(store.create(&at(1), &new).await) }, async {
        let mut peer = fake.accept().await;
        let request = peer.request().await;
        // Another process saved the session between the two commands.
        peer.send(request.stored(8, &another)).await;
        peer
    })
    .await;
    let (outcome, request) = both(
        store.save(&at(1), &seen, &large),
        peer.answer_value(&another, 8),
    )
    .await;
    assert!(request.line.starts_with("mg "));
    assert_eq!(outcome.unwrap(), Outcome::Stale);

    // A large value does not come back.
    let (seen, request) = both(
        async { written(store.create(&at(2), &large).await) },
        peer.store(9),
    )
    .await;
    assert!(!request.check.unwrap().contains(" v "));
    let (outcome, request) = both(store.save(&at(2), &seen, &new), async {
        let key = peer.request().await;
        peer.send(format!("EN {}\r\n", key.opaque())).await;
        key
    })
    .await;
    assert!(request.line.starts_with("mg "));
    assert_eq!(outcome.unwrap(), Outcome::Stale);
}

#[tokio::test]
async fn an_answer_without_a_number_is_accepted_if_the_item_is_missing() {
    let fake = Fake::start().await;
    let store = fake.store();

    let (missing, ()) = both(store.load(&at(1)), async {
        let mut peer = fake.accept().await;
        peer.request().await;
        peer.send("EN\r\n").await;
    })
    .await;

    assert!(missing.unwrap().is_none());
}

#[tokio::test]
async fn bytes_received_on_an_idle_connection_are_not_an_answer() {
    let fake = Fake::start().await;
    let store = fake.store();
    let value = value_of(&draft("mine")).await;
    let mut peer = idle_connection(&store, &fake).await;

    peer.send("EN O2\r\n").await;
    let (entry, ()) = both(store.load(&at(1)), async {
        fake.accept().await.answer_value(&value, 1).await;
    })
    .await;

    assert_eq!(entry.unwrap().unwrap().data, "mine");
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_causes_no_error() {
    let fake = Fake::start().await;
    let store = fake.store();
    drop(idle_connection(&store, &fake).await);

    // The runtime has not reported the end of the connection yet, so the store has to ask the
    // operating system.
    let (pong, _peer) = both(store.ping(), pong(&fake)).await;

    pong.unwrap();
}

#[tokio::test]
async fn a_call_without_an_answer_times_out_and_a_late_answer_reaches_no_other_call() {
    let fake = Fake::start().await;
    let store = fake.builder().timeout(Duration::from_secs(1));
    let store = store.open().unwrap();
    let (first, second) = (draft("first"), draft("second"));
    let (first, second) = (value_of(&first).await, value_of(&second).await);

    let (slow, mut late) = both(store.load(&at(1)), fake.accept()).await;
    let error = slow.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("no answer within 1000 ms"),
        "{error}"
    );

    // The answer arrives after the call has failed.
    late.answer_value(&first, 1).await;
    let (entry, ()) = both(store.load(&at(1)), async {
        fake.accept().await.answer_value(&second, 2).await;
    })
    .await;
    assert_eq!(entry.unwrap().unwrap().data, "second");
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection_and_its_answer_reaches_no_other_call() {
    let fake = Fake::start().await;
    let store = fake.builder().connections(1).open().unwrap();
    let (first, second) = (draft("first"), draft("second"));
    let (first, second) = (value_of(&first).await, value_of(&second).await);

    let key = at(1);
    let mut peer = tokio::select! {
        biased;
        peer = async {
            let mut peer = fake.accept().await;
            peer.request().await;
            peer
        } => peer,
        _ = store.load(&key) => panic!("the load returned without an answer"),
    };
    let late = format!("VA {} c1 ktest:{KEY_1} O1\r\n", first.len());
    peer.send([late.as_bytes(), &first, b"\r\n"].concat()).await;

    // The store may use only one connection at a time, so this call also shows that the dropped
    // call no longer counts as a user of a connection.
    let (entry, ()) = both(store.load(&at(1)), async {
        fake.accept().await.answer_value(&second, 2).await;
    })
    .await;
    assert_eq!(entry.unwrap().unwrap().data, "second");
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn a_call_waits_while_all_connections_are_in_use_and_then_reuses_one() {
    let fake = Fake::start().await;
    let store = fake.builder().connections(1).open().unwrap();

    let ((one, other), ()) = both(both(store.ping(), store.ping()), async {
        let mut peer = fake.accept().await;
        for _ in 0..2 {
            assert_eq!(peer.request().await.line, "mn");
            peer.send("MN\r\n").await;
        }
    })
    .await;

    one.unwrap();
    other.unwrap();
}

#[tokio::test]
async fn each_refusal_becomes_the_matching_kind_of_error_and_closes_the_connection() {
    let fake = Fake::start().await;
    let store = fake.store();
    for (answer, kind) in [
        ("SERVER_ERROR out of memory storing object", ErrorKind::Full),
        (
            "SERVER_ERROR object too large for cache",
            ErrorKind::TooLarge,
        ),
        ("SERVER_ERROR maintenance", ErrorKind::Unavailable),
        ("CLIENT_ERROR bad data chunk", ErrorKind::Unavailable),
        ("ERROR", ErrorKind::Unavailable),
    ] {
        let new = draft("");
        let (refused, mut peer) = both(store.create(&at(1), &new), async {
            let mut peer = fake.accept().await;
            peer.request().await;
            peer.send(format!("{answer}\r\n")).await;
            peer
        })
        .await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), kind, "{answer}");
        assert_eq!(error.source().unwrap().to_string(), answer);
        assert!(peer.is_closed().await, "{answer}");
    }
}

#[tokio::test]
async fn a_key_that_the_server_repeats_in_an_error_is_not_shown() {
    let fake = Fake::start().await;
    let store = fake.store();

    let (refused, ()) = both(store.load(&at(1)), async {
        let mut peer = fake.accept().await;
        let line = peer.request().await.line;
        peer.send(format!("CLIENT_ERROR no such command: {line}\r\n"))
            .await;
    })
    .await;

    let error = refused.unwrap_err();
    assert!(
        !format!("{error:#} {error:?}").contains(&KEY_1[..8]),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_server_without_cas_numbers_is_refused() {
    let fake = Fake::start().await;
    let store = fake.store();
    let value = value_of(&draft("")).await;

    let (refused, _) = both(store.load(&at(1)), async {
        fake.accept().await.answer_value(&value, 0).await
    })
    .await;

    let error = refused.unwrap_err();
    assert!(
        error.to_string().contains("start the server without `-C`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_foreign_value_is_corrupt_and_is_not_overwritten() {
    let fake = Fake::start().await;
    let store = fake.store();
    let mut peer = idle_connection(&store, &fake).await;

    for foreign in [&b""[..], b"\x80\x05}q\x00.", &[1; 20], &[2; 60]] {
        let (loaded, _) = both(store.load(&at(1)), peer.answer_value(foreign, 3)).await;
        assert_eq!(loaded.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let seen = Version::from(SaveId::random().unwrap());
    let new = draft("");
    let (saved, _) = both(store.save(&at(1), &seen, &new), peer.answer_value(b"", 3)).await;
    assert_eq!(saved.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(peer.is_closed().await, "the store must not send a write");
}

#[tokio::test]
async fn a_value_larger_than_max_size_allows_is_not_read() {
    let fake = Fake::start().await;
    let store = fake.builder().max_size(1_024).open().unwrap();

    let (refused, mut peer) = both(store.load(&at(1)), async {
        let mut peer = fake.accept().await;
        peer.request().await;
        peer.send("VA 18446744073709551615 c1 O1\r\n").await;
        peer
    })
    .await;

    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("max_size"), "{error}");
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_unavailable_and_is_named_in_the_error() {
    let fake = Fake::start().await;
    let url = fake.url();
    drop(fake);
    let store = MemcachedStore::open(&url).unwrap();

    let error = store.load(&at(1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let address = url.replace("memcached://", "");
    assert!(
        error.to_string().starts_with(&format!(
            "loading a session from memcached at {address}: cannot connect"
        )),
        "{error}"
    );
}

/// Runs two futures concurrently and returns both outputs.
async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    in_time(async { tokio::join!(one, other) }).await
}

/// Makes the store open a connection, which is then idle. Returns the server's side of the
/// connection.
async fn idle_connection(store: &MemcachedStore, fake: &Fake) -> Peer {
    let (answer, peer) = both(store.ping(), pong(fake)).await;
    answer.unwrap();
    peer
}

/// Accepts a connection and answers a ping.
async fn pong(fake: &Fake) -> Peer {
    let mut peer = fake.accept().await;
    assert_eq!(peer.request().await.line, "mn");
    peer.send("MN\r\n").await;
    peer
}

/// Lets the store load a value, and returns the version and the request.
async fn loaded(
    store: &MemcachedStore,
    peer: &mut Peer,
    value: Vec<u8>,
    cas: u64,
) -> (Version, support::fake::Request) {
    let (entry, request) = both(store.load(&at(1)), peer.answer_value(&value, cas)).await;
    (entry.unwrap().unwrap().version, request)
}

/// Returns the bytes that a store writes for this draft.
async fn value_of(draft: &cloakroom::store::Draft) -> Vec<u8> {
    let fake = Fake::start().await;
    let store = fake.store();
    let key = at(1);
    let (outcome, request) = both(store.create(&key, draft), async {
        fake.accept().await.store(1).await
    })
    .await;
    written(outcome);
    request.value
}

/// The key of `at(1)`, without the prefix.
const KEY_1: &str = "0000000000000001000000000000000000000000000000000000000000000000";

/// The key of `at(2)`, without the prefix.
const KEY_2: &str = "0000000000000002000000000000000000000000000000000000000000000000";
