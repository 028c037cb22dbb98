use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use crate::client::Key;

/// A cache of the tokens that this process received most recently. A token contains the CAS number
/// of an entry, memcached's number for compare-and-swap. A save of an entry whose token is cached
/// takes one round trip less.
///
/// A missing or outdated token costs one more round trip and is otherwise harmless, because the
/// server compares the CAS number.
pub(crate) struct TokenCache<V, T> {
    generations: Mutex<Generations<V, T>>,
    capacity: usize,
}

/// New tokens go into `young`. When `young` has reached half the capacity, it replaces `old`, and a
/// new `young` starts empty.
struct Generations<V, T> {
    young: HashMap<Key, (V, T)>,
    old: HashMap<Key, (V, T)>,
}

impl<V: Copy + Eq, T: Copy> TokenCache<V, T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
            capacity,
        }
    }

    /// Stores the token that the entry at `key` has in this version. If `token` is `None`, removes
    /// the cached token.
    pub(crate) fn insert(&self, key: &Key, version: V, token: Option<T>) {
        let Some(token) = token else {
            return self.remove(key);
        };
        self.change(|Generations { young, old }| {
            if young.len() >= self.capacity / 2 && !young.contains_key(key) {
                *old = mem::take(young);
            }
            young.insert(key.clone(), (version, token));
        });
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.change(|Generations { young, old }| {
            young.remove(key);
            old.remove(key);
        });
    }

    /// Returns the token of the entry at `key`, if the token was stored for this version.
    pub(crate) fn get(&self, key: &Key, version: V) -> Option<T> {
        let seen = self
            .change(|Generations { young, old }| young.get(key).or_else(|| old.get(key)).copied());
        seen.filter(|(seen, _)| *seen == version)
            .map(|(_, token)| token)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Generations<V, T>) -> R) -> R {
        let generations = self.generations.lock();
        change(&mut generations.unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many tokens are cached, at about 200 bytes each. A request needs its token from the load to
/// the save, so this is enough for thousands of concurrent requests.
pub(crate) const CACHED_TOKENS: usize = 8_192;

#[cfg(test)]
mod tests {
    use cloakroom::StoreKey;

    use super::*;

    #[test]
    fn the_latest_tokens_are_kept_and_older_ones_are_removed() {
        let tokens = TokenCache::new(10);
        for n in 0..1_000 {
            tokens.insert(&key(n), n, Some(n));
            let Generations { young, old } = &*tokens.generations.lock().unwrap();
            assert!(young.len() + old.len() <= 10);
        }

        for n in 995..1_000 {
            assert_eq!(tokens.get(&key(n), n), Some(n));
        }
        assert_eq!(tokens.get(&key(0), 0), None);
    }

    #[test]
    fn a_token_is_valid_for_one_version_of_one_entry() {
        let tokens = TokenCache::new(10);
        tokens.insert(&key(1), 7, Some("old"));
        tokens.insert(&key(1), 8, Some("new"));

        assert_eq!(tokens.get(&key(1), 7), None);
        assert_eq!(tokens.get(&key(1), 8), Some("new"));
        assert_eq!(tokens.get(&key(2), 8), None);
        tokens.insert(&key(1), 9, None);
        assert_eq!(tokens.get(&key(1), 8), None);
        tokens.insert(&key(1), 9, Some("again"));
        tokens.remove(&key(1));
        assert_eq!(tokens.get(&key(1), 9), None);
    }

    fn key(n: u64) -> Key {
        Key::new("site", &StoreKey::new(&n.to_be_bytes()))
    }
}
