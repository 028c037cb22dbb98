//! Logins slow down after repeated failures, per account and per address: each further try gets a time before which it
//! is not made, and one that would have to wait too long is refused without a look at the password.
//!
//! The times stand in the database, so they hold for all processes of the site and outlive a restart.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlx::SqlitePool;

/// How many tries are free, and how long after the last one they are forgotten.
const FREE_TRIES: i64 = 10;
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Between two tries once the free ones are used up.
const PACE: Duration = Duration::from_secs(2);

/// How long a visitor can be made to wait for an answer.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// An address may stand for a whole school, so it gets more.
const FREE_TRIES_OF_ADDRESS: i64 = 100;

// A turn is taken in one statement, so two tries at the same time get different ones.
const TAKE_TURN: &str = "\
    UPDATE locallibrary_failed_login SET next_at = MAX(next_at, ?2) + ?3 \
    WHERE subject = ?1 AND failures >= free AND last_at > ?2 - ?4 AND next_at <= ?2 + ?5 RETURNING next_at - ?3";

const IS_BUSY: &str = "\
    SELECT EXISTS (SELECT 1 FROM locallibrary_failed_login \
    WHERE subject = ?1 AND failures >= free AND last_at > ?2 - ?4 AND next_at > ?2 + ?5)";

const FAILED: &str = "\
    INSERT INTO locallibrary_failed_login (subject, free, failures, last_at, next_at) VALUES (?1, ?2, 1, ?3, 0) \
    ON CONFLICT (subject) DO UPDATE SET \
    failures = CASE WHEN last_at > ?3 - ?4 THEN failures + 1 ELSE 1 END, last_at = ?3";

const FORGET: &str = "DELETE FROM locallibrary_failed_login WHERE subject = ? OR last_at < ?";

/// Whose failures are counted: what they are called in the table, and how many are free.
pub(super) struct Subjects(Vec<(String, i64)>);

pub(super) fn subjects(username: &str, address: Option<IpAddr>) -> Subjects {
    let account = (format!("account {username}"), FREE_TRIES);
    // Behind a proxy on the same machine all visitors have its address, which says nothing about them.
    let address = address.filter(|address| !address.is_loopback());
    let address = address.map(|address| {
        (
            format!("address {}", network(address)),
            FREE_TRIES_OF_ADDRESS,
        )
    });
    Subjects([account].into_iter().chain(address).collect())
}

/// One customer has as many IPv6 addresses as they like, all with the same first half.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::")
            }
        },
    }
}

/// Waits for the turn of these subjects; false if it is too far off. If the future is dropped, the turn is used up.
pub(super) async fn take_turn(db: &SqlitePool, subjects: &Subjects) -> Result<bool, sqlx::Error> {
    let now = now_ms();
    let mut wait = 0;
    for (subject, _) in &subjects.0 {
        let turn: Option<i64> = sqlx::query_scalar(TAKE_TURN)
            .bind(subject)
            .bind(now)
            .bind(ms(PACE))
            .bind(ms(MEMORY))
            .bind(ms(MAX_WAIT))
            .fetch_optional(db)
            .await?;
        match turn {
            Some(turn) => wait = wait.max(turn - now),
            None => {
                let is_busy = sqlx::query_scalar(IS_BUSY)
                    .bind(subject)
                    .bind(now)
                    .bind(0)
                    .bind(ms(MEMORY))
                    .bind(ms(MAX_WAIT))
                    .fetch_one(db)
                    .await?;
                if is_busy {
                    return Ok(false);
                }
            }
        }
    }
    if let Ok(wait @ 1..) = u64::try_from(wait) {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Ok(true)
}

/// Counts a failure.
pub(super) async fn failed(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    for (subject, free) in &subjects.0 {
        let insert = sqlx::query(FAILED)
            .bind(subject)
            .bind(free)
            .bind(now_ms())
            .bind(ms(MEMORY));
        insert.execute(db).await?;
    }
    // Whoever tries many names must not fill the table with them.
    forget(db, None).await
}

/// Forgets the failures of the account; those of the address stay, or one account of one's own would wash away the
/// tries on all others.
pub(super) async fn succeeded(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    let account = subjects.0.first().map(|(subject, _)| subject.as_str());
    forget(db, account).await
}

/// Forgets the failures of `subject`, and all that are old.
async fn forget(db: &SqlitePool, subject: Option<&str>) -> Result<(), sqlx::Error> {
    let forget = sqlx::query(FORGET)
        .bind(subject)
        .bind(now_ms() - ms(MEMORY));
    forget.execute(db).await.map(drop)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    ms(since.unwrap_or_default())
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_counts_and_the_network_of_an_address_unless_it_is_this_machine() {
        let names = |address: Option<&str>| {
            let subjects = subjects("ada", address.map(|address| address.parse().unwrap()));
            let names = subjects.0.into_iter().map(|(name, _)| name);
            names.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(names(None), "account ada");
        assert_eq!(names(Some("127.0.0.1")), "account ada");
        assert_eq!(names(Some("::1")), "account ada");
        assert_eq!(names(Some("192.0.2.7")), "account ada, address 192.0.2.7");
        assert_eq!(
            names(Some("2001:db8:1:2:3:4:5:6")),
            "account ada, address 2001:db8:1:2::"
        );
    }
}
