/// The statements that run on one kind of table.
pub(crate) trait Statements: Copy + Send + Sync + 'static {
    /// How many statements there are.
    const COUNT: usize;

    /// Advice for the error message when the table does not exist.
    const NO_TABLE: &'static str;

    /// The index of this statement, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;

    /// Returns the SQL of this statement for `table`.
    ///
    /// The name has been checked. It is quoted only because it may be an SQL keyword or have
    /// capital letters.
    fn sql(self, table: &str) -> String;

    /// Returns whether the statement answers with rows.
    fn returns_rows(self) -> bool;

    /// Returns whether the statement may be sent again after its answer was lost.
    ///
    /// A save may not: if the first one was done, the second one would find its version stale.
    fn may_be_repeated(self) -> bool;

    /// How much the statement adds to the load of its connection, by which the least busy
    /// connection is chosen. A sweep weighs more, so that other calls avoid its connection.
    fn weight(self) -> usize;
}

/// The [`weight`](Statements::weight) of a sweep.
pub(crate) const SWEEP_WEIGHT: usize = 64;
