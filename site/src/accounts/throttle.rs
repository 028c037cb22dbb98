//! Logins slow down after repeated failures, per account and per address: each further try gets a time before which it
//! is not made, and one that would have to wait too long is refused without a look at the password.
//!
//! Mails that anybody may ask for come to an end, per mailbox and per address, until none has been asked for for a while.
//!
//! The times stand in the database, so they hold for all processes of the site and outlive a restart.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlx::SqlitePool;

/// How many tries are free, and how long after the last one they are forgotten.
const FREE_TRIES: i64 = 10;
const RESET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Between two tries once the free ones are used up.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long a visitor can be made to wait for an answer.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// An address may stand for a whole school, so it gets more.
const FREE_TRIES_OF_ADDRESS: i64 = 100;

/// How often a mail may be asked for, to one mailbox and from one address, until it is forgotten as a try is.
const FREE_MAILS: i64 = 10;
const FREE_MAILS_OF_ADDRESS: i64 = 50;

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

// Counted and decided in one statement, so that of many at the same time no more are free. What is refused does not
// count, or whoever goes on asking would put off the end for ever.
const COUNT_WITHIN_LIMIT: &str = "\
    INSERT INTO locallibrary_failed_login (subject, free, failures, last_at, next_at) VALUES (?1, ?2, 1, ?3, 0) \
    ON CONFLICT (subject) DO UPDATE SET \
    failures = CASE WHEN last_at > ?3 - ?4 THEN failures + 1 ELSE 1 END, last_at = ?3 \
    WHERE failures < free OR last_at <= ?3 - ?4";

const DELETE_COUNTS: &str =
    "DELETE FROM locallibrary_failed_login WHERE subject = ? OR last_at < ?";

/// Whose failures or mails are counted: what they are called in the table, and how many are free.
pub(super) struct Subjects(Vec<(String, i64)>);

/// Of a try to log in.
pub(super) fn login_subjects(username: &str, address: Option<IpAddr>) -> Subjects {
    let account = (format!("account {username}"), FREE_TRIES);
    let address =
        network(address).map(|network| (format!("address {network}"), FREE_TRIES_OF_ADDRESS));
    Subjects([account].into_iter().chain(address).collect())
}

/// Of a mail to `mailbox`, for which anybody may ask.
pub(super) fn mail_subjects(mailbox: &str, address: Option<IpAddr>) -> Subjects {
    // As accounts are looked up, or capitals would make another mailbox.
    let mailbox = (
        format!("mail to {}", mailbox.to_ascii_lowercase()),
        FREE_MAILS,
    );
    // Nobody waits for a turn here, so one visitor of many behind a proxy could use up the mails of all.
    let network = network(address.filter(|address| !is_private(*address)));
    let address = network.map(|network| (format!("mail from {network}"), FREE_MAILS_OF_ADDRESS));
    // The address first: whoever asks too often uses up nobody's mailbox.
    Subjects(address.into_iter().chain([mailbox]).collect())
}

/// What counts as one address, if it says anything about a visitor.
fn network(address: Option<IpAddr>) -> Option<String> {
    match address?.to_canonical() {
        // Behind a proxy on the same machine all visitors have its address.
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            // One customer has as many as they like, all with the same first half.
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::"))
        }
    }
}

/// Whether this is an address of a house, and perhaps its proxy's.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Waits for the turn of these subjects; false if it is too far off. If the future is dropped, the turn is used up.
pub(super) async fn wait_for_turn(
    db: &SqlitePool,
    subjects: &Subjects,
) -> Result<bool, sqlx::Error> {
    let now = now_ms();
    let mut wait = 0;
    for (subject, _) in &subjects.0 {
        let turn: Option<i64> = sqlx::query_scalar(TAKE_TURN)
            .bind(subject)
            .bind(now)
            .bind(ms(INTERVAL))
            .bind(ms(RESET_AFTER))
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
                    .bind(ms(RESET_AFTER))
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
pub(super) async fn count_failure(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    for (subject, free) in &subjects.0 {
        let insert = sqlx::query(FAILED)
            .bind(subject)
            .bind(free)
            .bind(now_ms())
            .bind(ms(RESET_AFTER));
        insert.execute(db).await?;
    }
    // Whoever tries many names must not fill the table with them.
    delete_counts(db, None).await
}

/// Counts something of which only so many are free; false if they are used up.
pub(super) async fn count_within_limit(
    db: &SqlitePool,
    subjects: &Subjects,
) -> Result<bool, sqlx::Error> {
    for (subject, free) in &subjects.0 {
        let count = sqlx::query(COUNT_WITHIN_LIMIT)
            .bind(subject)
            .bind(free)
            .bind(now_ms())
            .bind(ms(RESET_AFTER));
        if count.execute(db).await?.rows_affected() == 0 {
            return Ok(false);
        }
    }
    // As with failures: many names do not fill the table.
    delete_counts(db, None).await?;
    Ok(true)
}

/// Forgets the failures of the account; those of the address stay, or one account of one's own would wash away the
/// tries on all others.
pub(super) async fn reset_account(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    let account = subjects.0.first().map(|(subject, _)| subject.as_str());
    delete_counts(db, account).await
}

/// Forgets the failures of `subject`, and all that are old.
async fn delete_counts(db: &SqlitePool, subject: Option<&str>) -> Result<(), sqlx::Error> {
    let delete = sqlx::query(DELETE_COUNTS)
        .bind(subject)
        .bind(now_ms() - ms(RESET_AFTER));
    delete.execute(db).await.map(drop)
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
    fn an_account_or_mailbox_counts_and_the_network_of_an_address_unless_it_is_this_machine() {
        let names = |Subjects(subjects)| {
            let names = subjects.into_iter().map(|(name, _)| name);
            names.collect::<Vec<_>>().join(", ")
        };
        for (address, tries, mails) in [
            (None, "account Ada", "mail to ada@example.org"),
            (Some("127.0.0.1"), "account Ada", "mail to ada@example.org"),
            (
                Some("::ffff:127.0.0.1"),
                "account Ada",
                "mail to ada@example.org",
            ),
            (Some("::1"), "account Ada", "mail to ada@example.org"),
            (
                Some("10.0.0.7"),
                "account Ada, address 10.0.0.7",
                "mail to ada@example.org",
            ),
            (
                Some("fd00::7"),
                "account Ada, address fd00:0:0:0::",
                "mail to ada@example.org",
            ),
            (
                Some("192.0.2.7"),
                "account Ada, address 192.0.2.7",
                "mail from 192.0.2.7, mail to ada@example.org",
            ),
            (
                Some("::ffff:192.0.2.7"),
                "account Ada, address 192.0.2.7",
                "mail from 192.0.2.7, mail to ada@example.org",
            ),
            (
                Some("2001:db8:1:2:3:4:5:6"),
                "account Ada, address 2001:db8:1:2::",
                "mail from 2001:db8:1:2::, mail to ada@example.org",
            ),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(names(login_subjects("Ada", address)), tries);
            assert_eq!(names(mail_subjects("Ada@Example.org", address)), mails);
        }
    }
}
