/// What a store promises beyond the contract of [`Store`](super::Store).
///
/// The default promises nothing. The conformance suite of `cloakroom-testkit` tests every promise.
///
/// # Examples
/// ```
/// use cloakroom::store::Guarantees;
///
/// let guarantees = Guarantees::default().compares().revokes().max_size(1 << 20);
/// assert!(guarantees.compares && !guarantees.durable);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Guarantees {
    /// `save`, `touch` and `rename` compare the version of the entry and write in one step, so no
    /// edit is lost. Without this promise they may overwrite an entry that has a newer version, and
    /// a save that is running while the entry is deleted may restore the entry.
    pub compares: bool,
    /// A deleted entry is gone for every process. Without this promise, other processes may still
    /// load it for a while.
    pub revokes: bool,
    /// Acknowledged writes survive the end of the process and a power failure.
    pub durable: bool,
    /// Several processes may use the store at once.
    pub shared: bool,
    /// The store may drop unexpired entries when it runs out of room.
    pub evicts: bool,
    /// The store can list the sessions of an owner, the user that a session belongs to.
    pub owners: bool,
    /// [`rename`](super::Store::rename) leaves its [tombstone](super::Tombstone) at the old key.
    /// Without this promise, Cloakroom passes no tombstone, and after the move there is no entry at
    /// the old key.
    pub tombstones: bool,
    /// The store can list all sessions.
    pub scans: bool,
    /// The maximum size of one entry's data in bytes, or `None` if the store has no such limit.
    pub max_size: Option<usize>,
}

impl Guarantees {
    /// Promises [`compares`](Self#structfield.compares).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().compares().compares);
    /// ```
    #[must_use]
    pub const fn compares(mut self) -> Self {
        self.compares = true;
        self
    }

    /// Promises [`revokes`](Self#structfield.revokes).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().revokes().revokes);
    /// ```
    #[must_use]
    pub const fn revokes(mut self) -> Self {
        self.revokes = true;
        self
    }

    /// Promises [`durable`](Self#structfield.durable).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().durable().durable);
    /// ```
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Promises [`shared`](Self#structfield.shared).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().shared().shared);
    /// ```
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Declares [`evicts`](Self#structfield.evicts).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().evicts().evicts);
    /// ```
    #[must_use]
    pub const fn evicts(mut self) -> Self {
        self.evicts = true;
        self
    }

    /// Promises [`owners`](Self#structfield.owners).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().owners().owners);
    /// ```
    #[must_use]
    pub const fn owners(mut self) -> Self {
        self.owners = true;
        self
    }

    /// Promises [`tombstones`](Self#structfield.tombstones).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().tombstones().tombstones);
    /// ```
    #[must_use]
    pub const fn tombstones(mut self) -> Self {
        self.tombstones = true;
        self
    }

    /// Promises [`scans`](Self#structfield.scans).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert!(Guarantees::default().scans().scans);
    /// ```
    #[must_use]
    pub const fn scans(mut self) -> Self {
        self.scans = true;
        self
    }

    /// Declares [`max_size`](Self#structfield.max_size), in bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Guarantees;
    ///
    /// assert_eq!(Guarantees::default().max_size(1 << 20).max_size, Some(1_048_576));
    /// ```
    #[must_use]
    pub const fn max_size(mut self, max_size: usize) -> Self {
        self.max_size = Some(max_size);
        self
    }
}
