//! Where entries are kept: the [`Store`] trait, what it is asked and what it answers.
//!
//! A store keeps bytes under a [`Lookup`] and compares versions. It knows no cookie, no key, no JSON and no clock.
//! To write one, implement [`Store`] and run the conformance suite of `cloakroom-testkit` on it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::{Error, ErrorKind, Lookup, Owner, Result};

mod any;
pub use any::AnyStore;

#[cfg(all(feature = "file", unix))]
pub(crate) mod file;
#[cfg(all(feature = "file", unix))]
pub use file::FileStore;

mod memory;
pub use memory::MemoryStore;

pub use crate::clock::{from_micros, from_millis, micros, millis};

/// Keeps entries.
///
/// Implementers write plain `async fn`. The promises below are what the conformance suite tests; a store that
/// cannot keep one says so in its [`guarantees`](Self::guarantees).
///
/// * A call that returned `Ok` has happened, as durably as the guarantees say.
/// * A call that returned `Err` may have happened or not; the core finds out with one `load`.
/// * A future that is dropped before it is done is the same: it may have happened or not, but never half.
/// * A store never decides that an entry has expired. It may delete entries that a sweep would, and no others.
///
/// # Errors
/// [`Unavailable`](ErrorKind::Unavailable) when the store cannot be reached or cannot do its work,
/// [`Full`](ErrorKind::Full) when there is no room, [`Corrupt`](ErrorKind::Corrupt) when there is something that it
/// cannot read, [`TooLarge`](ErrorKind::TooLarge) when one entry is too big,
/// [`Unsupported`](ErrorKind::Unsupported) for what the guarantees exclude. A conflict is an [`Outcome`], not an
/// error.
pub trait Store: Send + Sync + 'static {
    /// What this store can promise.
    fn guarantees(&self) -> Guarantees;

    /// The entry at `at`, or `None`; an expired entry that is still there is returned.
    fn load(&self, at: &Lookup) -> impl Future<Output = Result<Option<Entry>>> + Send;

    /// Writes a new entry; [`Stale`](Outcome::Stale) if there is one at `at` already, which is left as it is.
    fn create(&self, at: &Lookup, new: &Draft) -> impl Future<Output = Result<Outcome>> + Send;

    /// Replaces the entry at `at` if it still has the version `seen`; else [`Stale`](Outcome::Stale). Never creates.
    fn save(
        &self,
        at: &Lookup,
        seen: &Version,
        new: &Draft,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Makes sure that there is no entry at `at`.
    fn delete(&self, at: &Lookup) -> impl Future<Output = Result<()>> + Send;

    /// Moves the entry from `from` to `to`, with new contents, if it still has the version `seen` and `to` is free
    /// (which `from` itself is not); else [`Stale`](Outcome::Stale). After a crash there is the old entry or the new
    /// one.
    ///
    /// The provided method creates a copy, compares and replaces the old entry by one that has expired, writes the new
    /// one over the copy and deletes the old; it takes the copy back if the comparison failed. Nobody knows `to` yet, so an entry there is invisible; a store that can move an entry
    /// in one step should, since a crash in the middle of the provided method leaves an orphan for the sweep.
    fn rename(
        &self,
        from: &Lookup,
        seen: &Version,
        to: &Lookup,
        new: &Draft,
    ) -> impl Future<Output = Result<Outcome>> + Send {
        async move {
            // A version of its own, or the copy could be taken for the proof that the session has moved.
            let mut copy = new.clone();
            copy.version = Version::random()?;
            let Outcome::Written(version) = self.create(to, &copy).await? else {
                return Ok(Outcome::Stale);
            };
            // Nobody knows `to` yet; this compare-and-swap is the one moment at which the session moves. What it
            // leaves at `from` has expired, so nobody takes it for a session before it is deleted.
            let mut retired = new.clone();
            retired.meta.expires = UNIX_EPOCH;
            match self.save(from, seen, &retired).await? {
                Outcome::Written(_) => {
                    // From here on the draft's version stands at one place or the other, to say what has happened.
                    let moved = self.save(to, &version, new).await?;
                    self.delete(from).await?;
                    Ok(moved)
                }
                Outcome::Stale => {
                    self.delete(to).await?;
                    Ok(Outcome::Stale)
                }
            }
        }
    }

    /// Writes `touched` and `expires` of `meta` to the entry at `at` if it still has the version `seen`; else
    /// [`Stale`](Outcome::Stale). Everything else stays as it is, the version too.
    fn touch(
        &self,
        at: &Lookup,
        seen: &Version,
        meta: &Meta,
    ) -> impl Future<Output = Result<Outcome>> + Send;

    /// Deletes up to `limit` entries that expired before or at `now`; says how many. Fewer than `limit` means that
    /// no more were found for now.
    ///
    /// The provided method deletes nothing, for stores whose backend drops expired entries by itself.
    fn sweep(&self, now: SystemTime, limit: usize) -> impl Future<Output = Result<usize>> + Send {
        let _ = (now, limit);
        async { Ok(0) }
    }

    /// The entries of one owner, expired ones included.
    fn owned_by(&self, owner: &Owner) -> impl Future<Output = Result<Vec<Owned>>> + Send {
        let _ = owner;
        async { Err(unsupported("listing the sessions of an owner")) }
    }

    /// The 32-byte lookup that begins with these bytes, if there is exactly one.
    fn find(&self, prefix: &[u8]) -> impl Future<Output = Result<Option<Lookup>>> + Send {
        let _ = prefix;
        async { Err(unsupported("finding a session by its tag")) }
    }

    /// Whether the store answers. The provided method loads an entry that is not there.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send {
        async { self.load(&Lookup::new(&[0; 32])).await.map(drop) }
    }
}

/// A shared store is a store, so that a test can keep a hold of it.
impl<S: Store> Store for Arc<S> {
    fn guarantees(&self) -> Guarantees {
        S::guarantees(self)
    }

    async fn load(&self, at: &Lookup) -> Result<Option<Entry>> {
        S::load(self, at).await
    }

    async fn create(&self, at: &Lookup, new: &Draft) -> Result<Outcome> {
        S::create(self, at, new).await
    }

    async fn save(&self, at: &Lookup, seen: &Version, new: &Draft) -> Result<Outcome> {
        S::save(self, at, seen, new).await
    }

    async fn delete(&self, at: &Lookup) -> Result<()> {
        S::delete(self, at).await
    }

    async fn rename(
        &self,
        from: &Lookup,
        seen: &Version,
        to: &Lookup,
        new: &Draft,
    ) -> Result<Outcome> {
        S::rename(self, from, seen, to, new).await
    }

    async fn touch(&self, at: &Lookup, seen: &Version, meta: &Meta) -> Result<Outcome> {
        S::touch(self, at, seen, meta).await
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        S::sweep(self, now, limit).await
    }

    async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        S::owned_by(self, owner).await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<Lookup>> {
        S::find(self, prefix).await
    }

    async fn ping(&self) -> Result<()> {
        S::ping(self).await
    }
}

/// What a store is to write: the data, the session's own facts, and a random version that names this one save.
#[derive(Clone)]
pub struct Draft {
    /// The state in the bytes of the format.
    pub data: Bytes,
    /// The session's own facts.
    pub meta: Meta,
    /// Drawn anew for each draft. A store that has no versions of its own keeps this one: if an answer gets lost, the
    /// core can then tell a save that happened from one that did not. With versions of the store's own making it
    /// cannot, and the visitor is asked to try again.
    pub version: Version,
}

/// What a store holds.
#[derive(Clone)]
pub struct Entry {
    /// The state in the bytes of the format.
    pub data: Bytes,
    /// The session's own facts.
    pub meta: Meta,
    /// What a later [`save`](Store::save) compares.
    pub version: Version,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Draft", &self.data, &self.meta)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Entry", &self.data, &self.meta)
    }
}

fn debug_without_values(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    data: &Bytes,
    meta: &Meta,
) -> fmt::Result {
    f.debug_struct(name)
        .field("data", &format_args!("{} bytes", data.len()))
        .field("meta", meta)
        .finish_non_exhaustive()
}

/// A session's own facts, beside its items. The times are whole milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meta {
    /// When the session began; a login begins it anew. Its absolute lifetime counts from here.
    pub created: SystemTime,
    /// When it was last saved or touched.
    pub touched: SystemTime,
    /// When it ends: the one truth about expiry.
    pub expires: SystemTime,
    /// The user it belongs to.
    pub owner: Option<Owner>,
    /// What the site calls it in lists, the device for instance.
    pub label: Option<Box<str>>,
}

/// Names one save of one entry. Only the store that gave it can read it.
#[derive(Clone, Eq, PartialEq)]
pub struct Version(VersionRepr);

impl Version {
    /// A version drawn from the random numbers of the operating system.
    ///
    /// # Errors
    /// [`Random`](ErrorKind::Random) if there are none.
    pub fn random() -> Result<Self> {
        match getrandom::u64() {
            Ok(number) => Ok(Self::from_u64(number)),
            Err(source) => Err(Error::new(
                ErrorKind::Random,
                "drawing a version: the operating system gives no random numbers",
            )
            .with_source(source)),
        }
    }

    /// The version with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(VersionRepr::Number(number))
    }

    /// The number, if it was made from one.
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            VersionRepr::Number(number) => Some(number),
            VersionRepr::Bytes(_) | VersionRepr::Tiers(_) => None,
        }
    }

    /// The version that is these bytes, where a store compares the old data itself.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(VersionRepr::Bytes(bytes))
    }

    /// The bytes, if it was made from some.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            VersionRepr::Number(_) | VersionRepr::Tiers(_) => None,
            VersionRepr::Bytes(bytes) => Some(bytes),
        }
    }
}

/// What only the core needs to know of a version.
impl Version {
    /// The version of an entry that two tiers have: what each of them said, if it was asked and had one.
    pub(crate) fn of_tiers(front: Option<Self>, back: Option<Self>) -> Self {
        Self(VersionRepr::Tiers(Box::new((front, back))))
    }

    /// What the two tiers said.
    pub(crate) fn tiers(&self) -> (Option<&Self>, Option<&Self>) {
        match &self.0 {
            VersionRepr::Tiers(tiers) => (tiers.0.as_ref(), tiers.1.as_ref()),
            VersionRepr::Number(_) | VersionRepr::Bytes(_) => (None, None),
        }
    }

    /// The version of the entry itself, if it is known: what the back said where there are two tiers.
    pub(crate) fn of_entry(&self) -> Option<&Self> {
        match &self.0 {
            VersionRepr::Tiers(tiers) => tiers.1.as_ref(),
            VersionRepr::Number(_) | VersionRepr::Bytes(_) => Some(self),
        }
    }

    /// Whether this version of an entry says whether there was another one in between. A number names one save. Data are
    /// the same again when somebody writes the same once more.
    pub(crate) fn tells_saves_apart(&self) -> bool {
        let entry = self.of_entry();
        entry.is_some_and(|version| matches!(version.0, VersionRepr::Number(_)))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version(..)")
    }
}

#[derive(Clone, Eq, PartialEq)]
enum VersionRepr {
    Number(u64),
    Bytes(Bytes),
    Tiers(Box<(Option<Version>, Option<Version>)>),
}

/// What became of a write.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Outcome {
    /// Done; the entry has this version now.
    Written(Version),
    /// Not done, and nothing changed: the entry was there already, is gone, or has another version.
    Stale,
}

/// One of an owner's entries, as [`owned_by`](Store::owned_by) lists it.
#[derive(Clone, Debug)]
pub struct Owned {
    /// Where it is.
    pub lookup: Lookup,
    /// Its facts.
    pub meta: Meta,
}

/// What a store promises: printed in the README's table, and tested.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Guarantees {
    /// `save`, `touch` and `rename` compare and write in one step, so no edit is lost. Without it they may write
    /// over a newer version, but still never create.
    pub compares: bool,
    /// A deleted entry is gone for everybody.
    pub revokes: bool,
    /// What was acknowledged survives the end of the process and a power cut.
    pub durable: bool,
    /// Several processes may use it at once.
    pub shared: bool,
    /// It may drop live entries on its own when it runs short.
    pub evicts: bool,
    /// It can list the sessions of an owner.
    pub owners: bool,
    /// The largest data of one entry in bytes, if the store has a limit of its own.
    pub max_size: Option<usize>,
}

fn unsupported(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: this store cannot; its guarantees say so"),
    )
}
