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
                    "logging in: the user has {} sessions, and at most {} are allowed; log out \
                     elsewhere first",
                    live.len(),
                    self.max
                ),
            )),
        }
    }

    /// Ends the oldest sessions of `owner` until only the allowed number is left. Keeps the one at
    /// `own`, which has just logged in.
    pub(crate) async fn enforce(self, core: &Core, owner: &Owner, own: &StoreKey) -> Result<()> {
        if self.over != OverLimit::EndOldest {
            return Ok(());
        }
        let mut others = self.live(core, owner).await?;
        others.remove(own);
        let excess = (others.len() + 1).saturating_sub(self.max);
        let mut others: Vec<_> = others.into_iter().collect();
        others.sort_by_key(|(_, meta)| meta.created);
        for (store_key, _) in others.into_iter().take(excess) {
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
