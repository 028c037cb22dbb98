//! Rate limits for logins and for password-reset mails, which anyone can request.
//!
//! After repeated failures, logins are slowed down per account and per client address: each further
//! attempt is assigned a time, its turn, and waits for it. An attempt that would wait too long is
//! refused, and its password is not checked.
//!
//! ```text
//! let subjects = throttle::login_subjects(username, visit.address());
//! if !throttle::wait_for_turn(db, &subjects).await? {
//!     return Ok(None); // refused
//! }
//! // Check the password, then call one of:
//! throttle::count_failure(db, &subjects).await?;
//! throttle::reset_account(db, &subjects).await?;
//! ```
//!
//! Mails are limited per mailbox and per client address. A request beyond the limit is refused. The
//! count is reset [`RESET_AFTER`] after the last request that was not refused:
//!
//! ```text
//! let subjects = throttle::mail_subjects(&email, visit.address());
//! if throttle::count_within_limit(db, &subjects).await? {
//!     // Send the mail.
//! }
//! ```
//!
//! The counts are in the database, so they apply to all processes of the site and survive a
//! restart.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlx::SqlitePool;

/// The number of failed logins to an account after which further attempts wait.
const FREE_TRIES: i64 = 10;

/// A count is reset if no failure or request was added to it for this time.
const RESET_AFTER: Duration = Duration::from_secs(15 * 60);

/// The time between one turn and the next.
const INTERVAL: Duration = Duration::from_secs(2);

/// The longest wait. An attempt that would wait longer is refused.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// The number of failed logins from an address after which further attempts wait. It is higher than
/// [`FREE_TRIES`], because many users may share an address, for example in a school.
const FREE_TRIES_OF_ADDRESS: i64 = 100;

/// The number of mails that may be sent to a mailbox until the count is reset.
const FREE_MAILS: i64 = 10;

/// The number of mails that an address may request until the count is reset.
const FREE_MAILS_OF_ADDRESS: i64 = 50;

// One statement, so two attempts at the same time get different turns.
const TAKE_TURN: &str = "\
    UPDATE locallibrary_failed_login SET next_at = MAX(next_at, ?2) + ?3 \
    WHERE subject = ?1 AND failures >= free AND last_at > ?2 - ?4 AND next_at <= ?2 + ?5 \
    RETURNING next_at - ?3";

const IS_BUSY: &str = "\
    SELECT EXISTS (SELECT 1 FROM locallibrary_failed_login \
    WHERE subject = ?1 AND failures >= free AND last_at > ?2 - ?4 AND next_at > ?2 + ?5)";

const FAILED: &str = "\
    INSERT INTO locallibrary_failed_login (subject, free, failures, last_at, next_at) \
    VALUES (?1, ?2, 1, ?3, 0) \
    ON CONFLICT (subject) DO UPDATE SET \
    failures = CASE WHEN last_at > ?3 - ?4 THEN failures + 1 ELSE 1 END, last_at = ?3";

// One statement, so many requests at the same time can't exceed the limit. A refused request is not
// counted. Otherwise repeated requests would postpone the reset forever.
const COUNT_WITHIN_LIMIT: &str = "\
    INSERT INTO locallibrary_failed_login (subject, free, failures, last_at, next_at) \
    VALUES (?1, ?2, 1, ?3, 0) \
    ON CONFLICT (subject) DO UPDATE SET \
    failures = CASE WHEN last_at > ?3 - ?4 THEN failures + 1 ELSE 1 END, last_at = ?3 \
    WHERE failures < free OR last_at <= ?3 - ?4";

const DELETE_COUNTS: &str =
    "DELETE FROM locallibrary_failed_login WHERE subject = ? OR last_at < ?";

/// The subjects for which an attempt or request is counted, such as an account and an address. Each
/// subject has a name, which is stored in the table, and a limit.
pub(super) struct Subjects(Vec<(String, i64)>);

/// Returns the subjects of a login: the account, and the address of the client.
pub(super) fn login_subjects(username: &str, address: Option<IpAddr>) -> Subjects {
    let account = (format!("account {username}"), FREE_TRIES);
    let address =
        network(address).map(|network| (format!("address {network}"), FREE_TRIES_OF_ADDRESS));
    Subjects([account].into_iter().chain(address).collect())
}

/// Returns the subjects of a mail to `mailbox`: the address of the client, and the mailbox.
pub(super) fn mail_subjects(mailbox: &str, address: Option<IpAddr>) -> Subjects {
    // Accounts are looked up without regard to case, so mailboxes are counted the same way.
    let mailbox = (
        format!("mail to {}", mailbox.to_ascii_lowercase()),
        FREE_MAILS,
    );
    // A private address may be that of a proxy. If it were counted, one visitor could use up the
    // mails of all visitors behind the proxy. Logins do count private addresses, because beyond
    // that limit, logins are only slowed down, unless they would wait too long.
    let network = network(address.filter(|address| !is_private(*address)));
    let address = network.map(|network| (format!("mail from {network}"), FREE_MAILS_OF_ADDRESS));
    // The address comes first: if its limit is reached, the request is not counted for the mailbox.
    Subjects(address.into_iter().chain([mailbox]).collect())
}

/// Returns the network that is counted as one address. Returns `None` if the address does not
/// identify a visitor.
fn network(address: Option<IpAddr>) -> Option<String> {
    match address?.to_canonical() {
        // Behind a proxy on the same machine, all visitors have this address.
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            // A provider usually assigns all addresses with the same first 64 bits to one customer.
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::"))
        }
    }
}

/// Returns whether this is an address of a private network, possibly that of a proxy.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Waits for the turn of an attempt. Returns `false` at once if the wait would be too long. If the
/// future is dropped, the turn stays assigned.
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
                    // `?3` does not occur in this statement.
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

/// Counts a failed login.
pub(super) async fn count_failure(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    for (subject, free) in &subjects.0 {
        let insert = sqlx::query(FAILED)
            .bind(subject)
            .bind(free)
            .bind(now_ms())
            .bind(ms(RESET_AFTER));
        insert.execute(db).await?;
    }
    // Attempts with many usernames must not fill the table, so delete all outdated counts.
    delete_counts(db, None).await
}

/// Counts a request for each subject. Returns `false` at the first subject whose limit is reached.
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
    // Requests with many addresses must not fill the table, so delete all outdated counts.
    delete_counts(db, None).await?;
    Ok(true)
}

/// Deletes the count of the account after a successful login. The count of the address stays, so
/// that an attacker with an account cannot reset it by logging in.
pub(super) async fn reset_account(db: &SqlitePool, subjects: &Subjects) -> Result<(), sqlx::Error> {
    let account = subjects.0.first().map(|(subject, _)| subject.as_str());
    delete_counts(db, account).await
}

/// Deletes the count of `subject` and all outdated counts.
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
    fn subjects_are_the_account_or_mailbox_and_the_network_of_the_client() {
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
