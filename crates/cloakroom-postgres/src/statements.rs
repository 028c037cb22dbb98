/// The statements that run on one kind of table.
pub(crate) trait Statements: Copy + Send + Sync + 'static {
    /// The number of statements.
    const COUNT: usize;

    /// The advice in the error message if the table does not exist.
    const NO_TABLE: &'static str;

    /// The index of this statement, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;

    /// Returns the SQL of this statement for `table`.
    ///
    /// The caller has checked that `table` is a valid name. The SQL quotes the name because a valid
    /// name may be a keyword or contain capital letters.
    fn sql(self, table: &str) -> String;

    /// Returns whether the statement returns rows.
    fn returns_rows(self) -> bool;

    /// Returns whether the statement may be sent again after its answer was lost.
    ///
    /// A save must not be sent again: if the first attempt was carried out, the second would return
    /// `Stale` although the save succeeded.
    fn may_be_repeated(self) -> bool;

    /// Returns how much the statement adds to the load of its connection. A call uses the
    /// connection with the lowest load. A sweep has a greater weight, so that other calls avoid its
    /// connection.
    fn weight(self) -> usize;
}

/// The [`weight`](Statements::weight) of a sweep.
pub(crate) const SWEEP_WEIGHT: usize = 64;
