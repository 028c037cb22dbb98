use std::path::Path;
use std::{fmt, io};

use cloakroom::{Error, ErrorKind};
use rustix::io::Errno;

/// Why an operation on the files failed. [`while_doing`](Self::while_doing) adds the name of the
/// call that needed the operation.
///
/// The message names folders but no files, because the name of a file contains the store key.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    /// The file was written by an older version of this store.
    pub(crate) is_older: bool,
    why: String,
    source: Option<io::Error>,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, why: impl Into<String>) -> Self {
        Self {
            kind,
            is_older: false,
            why: why.into(),
            source: None,
        }
    }

    /// Returns the fault for an error of the operating system in `folder`.
    pub(crate) fn refused(folder: &Path, source: impl Into<io::Error>) -> Self {
        use io::ErrorKind as Io;

        let source = source.into();
        let (kind, why) = match source.kind() {
            Io::StorageFull => (
                ErrorKind::Full,
                "the disk is full or has no free inode; delete some files",
            ),
            Io::QuotaExceeded => (ErrorKind::Full, "the disk quota is used up; raise it"),
            Io::FileTooLarge => (
                ErrorKind::TooLarge,
                "the entry is larger than the file system allows a file to be",
            ),
            Io::PermissionDenied => (
                ErrorKind::Unavailable,
                "this process is not allowed to read or write; \
                 make its user the owner of the folder and of everything in it",
            ),
            Io::ReadOnlyFilesystem => (
                ErrorKind::Unavailable,
                "the file system is read-only; check the disk",
            ),
            Io::NotFound => {
                return Self {
                    source: Some(source),
                    ..Self::moved(folder)
                };
            }
            // The standard library has no stable `ErrorKind` for a link that was not followed.
            _ if is_link(&source) => (
                ErrorKind::Unavailable,
                "a symbolic link or something else was found where a folder or a lock file of the \
                 sessions should be; remove it",
            ),
            _ => (
                ErrorKind::Unavailable,
                "the operating system returned an error; see the cause",
            ),
        };
        Self {
            kind,
            is_older: false,
            why: format!("in {}: {why}", folder.display()),
            source: Some(source),
        }
    }

    /// Returns the fault for a call during which the folder of the sessions, or something in it,
    /// was removed or moved away.
    pub(crate) fn moved(folder: &Path) -> Self {
        let folder = folder.display();
        let why = format!(
            "in {folder}: another program removed or moved the folder or a file in it during the \
             call; try again, and find out which program it was"
        );
        Self::new(ErrorKind::Unavailable, why)
    }

    /// Returns the fault for a file that is not the expected session. `what` describes the file.
    pub(crate) fn foreign(folder: &Path, what: impl fmt::Display) -> Self {
        let folder = folder.display();
        Self::new(
            ErrorKind::Corrupt,
            format!("in {folder}: found {what} instead of the session; nothing was changed"),
        )
    }

    /// Returns the fault for a file that an older version of this store wrote.
    pub(crate) fn older(folder: &Path) -> Self {
        let folder = folder.display();
        let why = format!(
            "in {folder}: the session was written by an older version of Cloakroom and cannot be \
             read; its visitor starts a new session, and a sweep removes the file after the \
             session's expiry"
        );
        Self {
            is_older: true,
            ..Self::new(ErrorKind::Corrupt, why)
        }
    }

    /// Converts the fault to the error of a call. `doing` names the call, for example "saving a
    /// session".
    pub(crate) fn while_doing(self, doing: &str) -> Error {
        let error = Error::new(self.kind, format!("{doing} in files: {}", self.why));
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

fn is_link(source: &io::Error) -> bool {
    let errno = Errno::from_io_error(source);
    errno.is_some_and(|errno| {
        [Errno::LOOP, Errno::MLINK, Errno::NOTDIR, Errno::ISDIR].contains(&errno)
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_names_the_call_the_failure_and_the_remedy() {
        let error = |source: Errno| {
            Fault::refused(Path::new("/sessions"), source).while_doing("saving a session")
        };

        let full = error(Errno::NOSPC);
        assert_eq!(
            full.to_string(),
            "saving a session in files: in /sessions: the disk is full or has no free inode; \
             delete some files"
        );
        assert!(full.source().is_some());
        assert_eq!(full.kind(), ErrorKind::Full);
        assert_eq!(error(Errno::DQUOT).kind(), ErrorKind::Full);
        for errno in [Errno::ACCESS, Errno::ROFS, Errno::LOOP, Errno::IO] {
            assert_eq!(error(errno).kind(), ErrorKind::Unavailable);
        }
    }
}
