use std::cmp::Reverse;
use std::time::SystemTime;

use super::sessions::Sessions;
use crate::model::{Error, ErrorKind, OwnedEntry, Owner, Result, SessionTag};

/// A user's sessions.
impl Sessions {
    /// Lists the live sessions of a user, the most recently active first.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store or the format
    /// keeps no owners; [`Conflict`](ErrorKind::Conflict) if the user has more than 10 million
    /// sessions.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Owner;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.log_in("ada")?;
    /// session.set_label("Firefox on Linux")?;
    /// session.save().await?;
    ///
    /// let list = sessions.owned_by(&Owner::from("ada")).await?;
    /// assert_eq!(list.len(), 1);
    /// assert_eq!(list[0].label.as_deref(), Some("Firefox on Linux"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn owned_by(&self, owner: &Owner) -> Result<Vec<SessionSummary>> {
        let core = self.core();
        let now = core.now();
        let mut owned = core.backend.owned_by(owner).await?;
        owned.retain(|owned| !core.has_expired(&owned.meta, now));
        owned.sort_by_key(|owned| Reverse(owned.meta.touched));
        let summary = |OwnedEntry { key, meta, .. }| SessionSummary {
            tag: core.backend.tag(&key),
            label: meta.label.map(String::from),
            created: meta.created,
            touched: meta.touched,
            expires: meta.expires,
        };
        Ok(owned.into_iter().map(summary).collect())
    }

    /// Ends the session with this tag if it belongs to this user. Returns whether it ended a live
    /// session.
    ///
    /// If the session gets a new key at the same time, it is ended under the new key.
    ///
    /// If the future is dropped, the session may or may not have been ended.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if the session got a new
    /// key 8 times in a row.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Owner;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.log_in("ada")?;
    /// # session.save().await?;
    /// let tag = session.tag().expect("a saved session has a tag");
    ///
    /// assert!(sessions.revoke(&Owner::from("ada"), &tag).await?);
    /// assert!(!sessions.revoke(&Owner::from("ada"), &tag).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke(&self, owner: &Owner, tag: &SessionTag) -> Result<bool> {
        let core = self.core();
        let mut ended = false;
        for owned in self.owned_where(owner, |other| other == *tag).await? {
            core.end(&owned.key, &owned.meta).await?;
            ended |= !core.has_expired(&owned.meta, core.now());
        }
        Ok(ended)
    }

    /// Ends every session of this user except the one with the tag `kept`. Returns how many it
    /// ended.
    ///
    /// Call it after a password change. It lists the sessions again until only the kept one is
    /// left, so it also ends sessions that get a new key at the same time.
    ///
    /// If the future is dropped, some of the sessions may have been ended.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if new sessions were
    /// found 8 times in a row.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Owner;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let (phone, laptop) = (sessions.new_session(), sessions.new_session());
    /// # phone.log_in("ada")?;
    /// # phone.save().await?;
    /// # laptop.log_in("ada")?;
    /// # laptop.save().await?;
    /// let ada = Owner::from("ada");
    /// let kept = laptop.tag().expect("a saved session has a tag");
    ///
    /// assert_eq!(sessions.revoke_others(&ada, &kept).await?, 1);
    /// assert_eq!(sessions.owned_by(&ada).await?[0].tag, kept);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_others(&self, owner: &Owner, kept: &SessionTag) -> Result<usize> {
        self.revoke_where(owner, |tag| tag != *kept).await
    }

    /// Ends every session of this user. Returns how many it ended.
    ///
    /// If the future is dropped, some of the sessions may have been ended.
    ///
    /// # Errors
    /// As [`revoke_others`](Self::revoke_others).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Owner;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// session.log_in("ada")?;
    /// session.save().await?;
    ///
    /// let ada = Owner::from("ada");
    /// assert_eq!(sessions.revoke_all(&ada).await?, 1);
    /// assert!(sessions.owned_by(&ada).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
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
                ended += usize::from(!core.has_expired(&owned.meta, core.now()));
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "ending a user's sessions: there were new ones {REVOKE_ROUNDS} times in a row; \
                 try again"
            ),
        ))
    }

    /// Loads the entries of this user whose tags match, including expired ones: a server whose
    /// clock is behind this server's may still accept them.
    async fn owned_where(
        &self,
        owner: &Owner,
        matches: impl Fn(SessionTag) -> bool,
    ) -> Result<Vec<OwnedEntry>> {
        let backend = &self.core().backend;
        let mut owned = backend.owned_by(owner).await?;
        owned.retain(|owned| matches(backend.tag(&owned.key)));
        Ok(owned)
    }
}

/// One of a user's sessions, for showing in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// The short public id of the session.
    pub tag: SessionTag,
    /// The label that [`Session::set_label`](crate::Session::set_label) gave it.
    pub label: Option<String>,
    /// When the user logged in.
    pub created: SystemTime,
    /// When it was last saved or touched.
    pub touched: SystemTime,
    /// When it expires if it is not used again.
    pub expires: SystemTime,
}

/// How many times the sessions of a user are listed while they are being ended, to find those that
/// moved to a new key or began in the meantime.
const REVOKE_ROUNDS: usize = 8;
