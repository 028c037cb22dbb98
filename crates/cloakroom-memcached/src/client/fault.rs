use std::io;

/// Why an exchange with a server failed. The connection is not used again.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No connection could be opened.
    Unreachable(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The server closed the connection before it had sent an answer.
    Closed,
    /// The server sent bytes that are not an answer, or the answer to another command.
    Garbled(&'static str),
    /// The value is larger than this client accepts.
    Oversized,
    /// The server returned an error with this text, which was replaced if it contained the key.
    Refused(String),
    /// The value was not written by this store.
    Corrupt,
    /// The value has the layout of an older version of this store.
    Older,
    /// The server returned no CAS number (the number for compare-and-swap), which a save needs.
    NoCas,
    /// In every allowed try, another request changed the item first.
    Contended,
}
