/// The statements on one kind of table, as the connections need to know them. Each connection prepares each of them once.
pub(crate) trait Statements: Copy + Send + Sync + 'static {
    /// How many there are.
    const COUNT: usize;

    /// What to do when the table is not there.
    const NO_TABLE: &'static str;

    /// Which of them this is.
    fn nth(self) -> usize;

    /// Its SQL; `table` has been checked, and is quoted only because it may be a word of SQL or have capitals.
    fn sql(self, table: &str) -> String;

    /// Whether it answers with rows.
    fn reads(self) -> bool;

    /// Whether it may be sent again when nobody knows what became of it. A save may not: it would be stale against
    /// itself.
    fn may_be_repeated(self) -> bool;

    /// How many calls it counts for when the connection with the least to do is looked for. Nobody should stand behind
    /// a sweep.
    fn weight(self) -> usize;
}

/// The [`weight`](Statements::weight) of a sweep.
pub(crate) const SWEEP_WEIGHT: usize = 64;
