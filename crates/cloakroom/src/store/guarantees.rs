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
