//! The background sweep.

use std::time::Duration;

use cloakroom::{ErrorKind, Sweep};
use cloakroom_testkit::wrap::{Call, When};

use crate::house::House;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_dead_are_swept_in_batches_while_requests_go_on() {
    let house = sweeping();
    for _ in 0..95 {
        house.guest().await;
    }
    house.clock.advance(15 * 24 * 60 * MINUTE);
    let alive = house.guest().await;
    alive.open().await;
    house.spy.take();

    tokio::time::sleep(2 * MINUTE).await;

    assert_eq!(house.memory.len(), 1);
    assert!(house.spy.count(Call::Sweep) >= 10, "ten at a time");
    assert_eq!(alive.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_error_does_not_end_the_sweeping() {
    let house = sweeping();
    house.guest().await;
    house.clock.advance(15 * 24 * 60 * MINUTE);
    house.visitor().open().await;
    house
        .flaky
        .fail_next(Call::Sweep, When::Before, ErrorKind::Unavailable);

    tokio::time::sleep(5 * MINUTE).await;

    assert!(house.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sweeping_can_be_turned_off_and_done_by_hand() {
    let house = House::new();
    house.guest().await;
    house.clock.advance(15 * 24 * 60 * MINUTE);
    house.visitor().open().await;

    tokio::time::sleep(24 * 60 * MINUTE).await;
    assert_eq!(house.spy.count(Call::Sweep), 0);
    assert_eq!(house.sessions.sweep(100).await.unwrap(), 1);
    assert!(house.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sweeping_ends_with_the_sessions() {
    let house = sweeping();
    house.visitor().open().await;
    let spy = house.spy.clone();
    drop(house);

    tokio::time::sleep(5 * MINUTE).await;

    assert_eq!(spy.count(Call::Sweep), 0);
}

#[test]
fn sweeping_begins_again_in_another_runtime() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let house = sweeping();
    runtime().block_on(house.visitor().open());

    runtime().block_on(async {
        house.visitor().open().await;
        tokio::time::sleep(5 * MINUTE).await;
    });

    assert!(house.spy.count(Call::Sweep) > 0);
}

fn sweeping() -> House {
    House::with(|builder| builder.sweep(Sweep::default().interval(MINUTE).batch(10)))
}
