use std::collections::BTreeMap;

use super::core::Core;
use crate::model::{Error, ErrorKind, Meta, Owner, Result, StoreKey};

/// What happens to a login of a user who already has as many sessions as
/// [`max_sessions`](crate::SessionsBuilder::max_sessions) allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The user's oldest session ends. The age of a session counts from its last login.
    EndOldest,
    /// The login fails with [`TooManySessions`](ErrorKind::TooManySessions).
    RefuseLogin,
}

/// The number of sessions that a user may have at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimit {
    pub(crate) max: usize,
    pub(crate) over: OverLimit,
}

impl SessionLimit {
    /// Returns an error if a login of `owner` is to be refused. A login in the session at `own`
    /// does not add a session if that session belongs to `owner`.
    pub(crate) async fn check(
        self,
        core: &Core,
        owner: &Owner,
        own: Option<&StoreKey>,
    ) -> Result<()> {
        if self.over != OverLimit::RefuseLogin {
            return Ok(());
        }
        let mut live = self.live(core, owner).await?;
        if let Some(own) = own {
            live.remove(own);
        }
        match live.len() < self.max {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::TooManySessions,
                format!(
                    "logging in: the user has {} other sessions, and at most {} sessions are \
                     allowed; log out elsewhere first",
                    live.len(),
                    self.max
                ),
            )),
        }
    }

    /// Ends the oldest sessions of `owner` until only the allowed number is left. Ends no session
    /// that is newer than the one at `own`, which has just logged in: otherwise, simultaneous
    /// logins would end each other's sessions.
    pub(crate) async fn enforce(self, core: &Core, owner: &Owner, own: &StoreKey) -> Result<()> {
        if self.over != OverLimit::EndOldest {
            return Ok(());
        }
        let mut live: Vec<_> = self.live(core, owner).await?.into_iter().collect();
        let excess = live.len().saturating_sub(self.max);
        // The sort is stable, so sessions of the same moment stay in the order of their keys.
        live.sort_by_key(|(_, meta)| meta.created);
        let oldest = live.into_iter().take(excess);
        for (store_key, _) in oldest.take_while(|(store_key, _)| store_key != own) {
            core.revoke(owner, &store_key).await?;
        }
        Ok(())
    }

    async fn live(self, core: &Core, owner: &Owner) -> Result<BTreeMap<StoreKey, Meta>> {
        let now = core.now();
        let mut live = core.owned_by(owner).await?;
        live.retain(|_, meta| !core.has_expired(meta, now));
        Ok(live)
    }
}
