use std::cmp::Reverse;
use std::time::SystemTime;

use super::sessions::Sessions;
use crate::model::{Error, ErrorKind, OwnedEntry, Owner, Result, SessionTag};

/// A user's sessions.
impl Sessions {
    /// The live sessions of a user, newest activity first.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store keeps no owners.
    pub async fn owned_by(&self, owner: &Owner) -> Result<Vec<SessionSummary>> {
        let mut owned = self.owned(owner).await?;
        owned.sort_by_key(|owned| Reverse(owned.meta.touched));
        let summary = |OwnedEntry { key, meta, .. }| SessionSummary {
            tag: self.core().backend.tag(&key),
            label: meta.label.map(String::from),
            created: meta.created,
            touched: meta.touched,
            expires: meta.expires,
        };
        Ok(owned.into_iter().map(summary).collect())
    }

    /// Ends the session of this user that has this tag; says whether there was one.
    ///
    /// A session that is given a new key meanwhile is followed to its new place.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if it kept moving.
    pub async fn revoke(&self, owner: &Owner, tag: &SessionTag) -> Result<bool> {
        let mut ended = false;
        for owned in self.owned_where(owner, |other| other == *tag).await? {
            self.core().end(&owned.key, &owned.meta).await?;
            ended = true;
        }
        Ok(ended)
    }

    /// Ends every session of this user but the one with the tag `kept`; says how many.
    ///
    /// A session that is given a new key meanwhile is found at its new place: this looks again until there is no
    /// other session left.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if new ones kept appearing.
    pub async fn revoke_others(&self, owner: &Owner, kept: &SessionTag) -> Result<usize> {
        self.revoke_where(owner, |tag| tag != *kept).await
    }

    /// Ends every session of this user; says how many.
    ///
    /// # Errors
    /// As [`revoke_others`](Self::revoke_others).
    pub async fn revoke_all(&self, owner: &Owner) -> Result<usize> {
        self.revoke_where(owner, |_| true).await
    }

    async fn revoke_where(
        &self,
        owner: &Owner,
        ends: impl Fn(SessionTag) -> bool,
    ) -> Result<usize> {
        let mut ended = 0;
        for _ in 0..REVOKE_ROUNDS {
            let owned = self.owned_where(owner, &ends).await?;
            if owned.is_empty() {
                return Ok(ended);
            }
            for owned in owned {
                let core = self.core();
                core.backend.delete(&owned.key, core.now()).await?;
                ended += 1;
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "ending a user's sessions: there were new ones {REVOKE_ROUNDS} times in a row; try again"
            ),
        ))
    }

    async fn owned_where(
        &self,
        owner: &Owner,
        matches: impl Fn(SessionTag) -> bool,
    ) -> Result<Vec<OwnedEntry>> {
        let mut owned = self.owned(owner).await?;
        owned.retain(|owned| matches(self.core().backend.tag(&owned.key)));
        Ok(owned)
    }

    /// The entries of this user that are alive.
    async fn owned(&self, owner: &Owner) -> Result<Vec<OwnedEntry>> {
        let core = self.core();
        let mut owned = core.backend.owned_by(owner).await?;
        owned.retain(|owned| core.is_alive(&owned.meta));
        Ok(owned)
    }
}

/// One of a user's sessions, as a list shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Its short public name.
    pub tag: SessionTag,
    /// What the site calls it, the device for instance.
    pub label: Option<String>,
    /// When the user logged in with it.
    pub created: SystemTime,
    /// When it was last saved or touched.
    pub touched: SystemTime,
    /// When it ends.
    pub expires: SystemTime,
}

/// How often ending a user's sessions looks again for ones that moved or were begun meanwhile.
const REVOKE_ROUNDS: usize = 8;
