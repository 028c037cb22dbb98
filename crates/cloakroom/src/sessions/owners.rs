use std::cmp::Reverse;
use std::time::SystemTime;

use super::sessions::Sessions;
use crate::model::{Error, ErrorKind, Meta, Owner, Result, SessionTag, StoreKey};
use crate::session::MAX_PAGES;

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
        let mut owned: Vec<_> = core.owned_by(owner).await?.into_iter().collect();
        owned.retain(|(_, meta)| !core.has_expired(meta, now));
        owned.sort_by_key(|(_, meta)| Reverse(meta.touched));
        let summary = |(key, meta): (StoreKey, Meta)| SessionSummary {
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
    /// As [`owned_by`](Self::owned_by).
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
        let Some(store_key) = self.find_owned(owner, tag).await? else {
            return Ok(false);
        };
        core.revoke(owner, &store_key).await
    }

    /// Ends every session of this user except the one with the tag `kept`. Returns the number of
    /// deleted entries, including expired ones.
    ///
    /// Call it after a password change. It deletes up to 1,000 entries at a time, until only the
    /// kept one is left. So it also ends sessions that get a new key at the same time. If there is
    /// a cache, the copies of the entries are dropped as well.
    ///
    /// If the future is dropped, some of the sessions may have been ended.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if the user kept
    /// getting new sessions; [`Unavailable`](ErrorKind::Unavailable) if a cache did not acknowledge
    /// that the copies are dropped. The sessions have then ended in the store. Repeat the call to
    /// drop the copies.
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
        let kept = self.find_owned(owner, kept).await?;
        self.revoke_owned(owner, kept.as_ref()).await
    }

    /// Ends every session of this user. Returns the number of deleted entries, including expired
    /// ones.
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
        self.revoke_owned(owner, None).await
    }

    async fn revoke_owned(&self, owner: &Owner, kept: Option<&StoreKey>) -> Result<usize> {
        let core = self.core();
        let mut ended = 0;
        for _ in 0..MAX_PAGES {
            // A call may miss a session that moves to a new key at the same time, so the calls are
            // repeated until one finds no entry.
            match core.backend.revoke_owned(owner, kept, core.now()).await? {
                0 => return Ok(ended),
                more => ended += more,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "ending a user's sessions: there were more after {MAX_PAGES} batches; try again"
            ),
        ))
    }

    /// Finds the key of the session with this tag. If the store or the format cannot find sessions
    /// by tag, searches the list of the user's sessions.
    async fn find_owned(&self, owner: &Owner, tag: &SessionTag) -> Result<Option<StoreKey>> {
        let backend = &self.core().backend;
        match backend.find(tag).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            found => return found,
        }
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let page = backend.owned_by(owner, after.as_ref()).await?;
            let mut keys = page.entries.into_iter().map(|owned| owned.key);
            if let Some(found) = keys.find(|key| backend.tag(key) == *tag) {
                return Ok(Some(found));
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "finding a user's session: there are more than {MAX_PAGES} pages of them; end some \
                 with `revoke_all`"
            ),
        ))
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
