use bytes::Bytes;

use crate::client::{Fault, Item, Key, Lease, NewItem, Swapped, Token};
use crate::token_cache::TokenCache;

/// A compare-and-swap by a version that the server does not know.
///
/// The version is in the value, where the server does not look; so this compares the version with what it has seen or
/// reads now, and the server compares the CAS number that went with it.
pub(crate) struct Swap<'a, V> {
    pub(crate) tokens: &'a TokenCache<V, Token>,
    pub(crate) key: &'a Key,
    /// The version that the item must have.
    pub(crate) seen: V,
    pub(crate) version_of: fn(&Item) -> Result<V, Fault>,
}

impl<V: Copy + Eq> Swap<'_, V> {
    /// Writes this value, which has the version `new`; says whether it did.
    ///
    /// One round trip if this process has loaded or written the item last, else two.
    pub(crate) async fn write(
        &self,
        lease: &mut Lease<'_>,
        new: V,
        new_item: NewItem<'_>,
    ) -> Result<bool, Fault> {
        let remembered = self.tokens.get(self.key, self.seen);
        let mut remembered = remembered.filter(|token| lease.accepts(token));
        for _ in 0..SWAP_TRIES {
            let token = match remembered.take() {
                Some(token) => token,
                None => match self.item(lease).await? {
                    Some(item) => item.token,
                    None => return Ok(false),
                },
            };
            match lease.swap(self.key, new_item, token).await? {
                Swapped::Done(token) => {
                    self.tokens.insert(self.key, new, token);
                    return Ok(true);
                }
                // By a save, and then it is over, or by a touch, which has left the version.
                Swapped::Changed => {}
                Swapped::Gone => return Ok(false),
            }
        }
        Err(Fault::Contended)
    }

    /// Writes what `change` makes of the value, which keeps its version and its flags; says whether it did.
    pub(crate) async fn rewrite(
        &self,
        lease: &mut Lease<'_>,
        exptime: i64,
        change: impl Fn(Bytes) -> Result<Bytes, Fault>,
    ) -> Result<bool, Fault> {
        for _ in 0..SWAP_TRIES {
            let Some(item) = self.item(lease).await? else {
                return Ok(false);
            };
            let new_item = NewItem {
                value: &change(item.value)?,
                exptime,
                flags: item.flags,
            };
            match lease.swap(self.key, new_item, item.token).await? {
                Swapped::Done(token) => {
                    self.tokens.insert(self.key, self.seen, token);
                    return Ok(true);
                }
                Swapped::Changed => {}
                Swapped::Gone => return Ok(false),
            }
        }
        Err(Fault::Contended)
    }

    /// The item, if it has the version that was seen.
    async fn item(&self, lease: &mut Lease<'_>) -> Result<Option<Item>, Fault> {
        match lease.get(self.key).await? {
            Some(item) if (self.version_of)(&item)? == self.seen => Ok(Some(item)),
            _ => Ok(None),
        }
    }
}

/// A swap loses to a touch, which leaves the version, so it is tried again; so many touches in a row are no visitor.
const SWAP_TRIES: usize = 16;
