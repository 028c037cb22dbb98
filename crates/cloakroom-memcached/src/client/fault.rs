use std::io;

/// Why an exchange with a server came to nothing. Its connection is not used again.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no connection to be had.
    Unreachable(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The server closed the connection in the middle.
    Closed,
    /// Bytes that are no answer, or the answer to something else.
    Garbled(&'static str),
    /// A value that is larger than this side takes.
    Oversized,
    /// The server says no; these are its words, without keys.
    Refused(String),
    /// The value is not one that this store writes.
    Corrupt,
    /// The value is one that an older version of this store wrote.
    Older,
    /// The server counts no CAS numbers, so nothing can be compared.
    NoCas,
    /// Others changed the same item first, more often than the bound allows.
    Contended,
}
