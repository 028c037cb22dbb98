use bytes::Bytes;

use crate::client::{Change, Fault, Item, Key, Lease, NewItem, Swapped, Token};
use crate::token_cache::TokenCache;

/// A compare-and-swap by a version that is inside the value.
///
/// The server can compare only CAS numbers (memcached's numbers for compare-and-swap). So this
/// process compares the version of a value that it loaded or wrote, and the server checks that the
/// item still has the CAS number of that value.
pub(crate) struct Swap<'a, V> {
    pub(crate) tokens: &'a TokenCache<V, Token>,
    pub(crate) key: &'a Key,
    /// The version that the item must have.
    pub(crate) seen: V,
    pub(crate) version_of: fn(&Item) -> Result<V, Fault>,
}

impl<V: Copy + Eq> Swap<'_, V> {
    /// Changes the item if it has the version `seen`. Its version afterwards is `new`. Returns
    /// whether the item was changed.
    ///
    /// Takes one round trip if the token of the version `seen` is cached, otherwise two.
    pub(crate) async fn change(
        &self,
        lease: &mut Lease<'_>,
        new: V,
        change: Change<'_>,
    ) -> Result<bool, Fault> {
        let cached = self.tokens.get(self.key, self.seen);
        let mut cached = cached.filter(|token| lease.accepts(token));
        for _ in 0..SWAP_TRIES {
            let token = match cached.take() {
                Some(token) => token,
                None => match self.item(lease).await? {
                    Some(item) => item.token,
                    None => return Ok(false),
                },
            };
            match lease.swap(self.key, change, token).await? {
                Swapped::Done(token) => {
                    self.tokens.insert(self.key, new, token);
                    return Ok(true);
                }
                // Another request changed the item. If that was a save, the next round finds
                // another version and stops. If it was a touch, the next round finds the same
                // version and tries again.
                Swapped::Changed => {}
                Swapped::Gone => return Ok(false),
            }
        }
        Err(Fault::Contended)
    }

    /// Replaces the value with `new_value(value)` if the item has the version `seen`. Returns
    /// whether the value was replaced. The item keeps its version and its flags.
    pub(crate) async fn rewrite(
        &self,
        lease: &mut Lease<'_>,
        exptime: i64,
        new_value: impl Fn(Bytes) -> Result<Bytes, Fault>,
    ) -> Result<bool, Fault> {
        for _ in 0..SWAP_TRIES {
            let Some(item) = self.item(lease).await? else {
                return Ok(false);
            };
            let new_item = NewItem {
                value: &new_value(item.value)?,
                exptime,
                flags: item.flags,
            };
            match lease
                .swap(self.key, Change::Replace(new_item), item.token)
                .await?
            {
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

    /// Loads the item. Returns `None` if it does not exist or its version is not `seen`.
    async fn item(&self, lease: &mut Lease<'_>) -> Result<Option<Item>, Fault> {
        match lease.get(self.key).await? {
            Some(item) if (self.version_of)(&item)? == self.seen => Ok(Some(item)),
            _ => Ok(None),
        }
    }
}

/// How many times a swap is tried. A swap that loses to a touch is tried again, because the version
/// is unchanged. No visitor causes this many touches in a row.
const SWAP_TRIES: usize = 16;
