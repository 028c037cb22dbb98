/// What a store promises: printed in the README's table, and tested.
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

impl Guarantees {
    /// Promises [`compares`](Self::compares).
    #[must_use]
    pub const fn compares(mut self) -> Self {
        self.compares = true;
        self
    }

    /// Promises [`revokes`](Self::revokes).
    #[must_use]
    pub const fn revokes(mut self) -> Self {
        self.revokes = true;
        self
    }

    /// Promises [`durable`](Self::durable).
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Promises [`shared`](Self::shared).
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Admits [`evicts`](Self::evicts).
    #[must_use]
    pub const fn evicts(mut self) -> Self {
        self.evicts = true;
        self
    }

    /// Promises [`owners`](Self::owners).
    #[must_use]
    pub const fn owners(mut self) -> Self {
        self.owners = true;
        self
    }

    /// States [`max_size`](Self::max_size), in bytes.
    #[must_use]
    pub const fn max_size(mut self, max_size: usize) -> Self {
        self.max_size = Some(max_size);
        self
    }
}
