use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A writer that stores log output, so that a test can read it.
///
/// Clones write to the same text. With tracing-subscriber, give `with_writer` a closure that clones
/// the `Log`.
///
/// # Examples
/// ```
/// use std::io::Write;
///
/// use cloakroom_testkit::Log;
///
/// let log = Log::default();
/// let mut writer = log.clone();
/// writeln!(writer, "a session moved to a new key")?;
///
/// assert_eq!(log.text(), "a session moved to a new key\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns everything that has been written so far.
    ///
    /// # Panics
    /// If the text is not UTF-8.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    ///
    /// use cloakroom_testkit::Log;
    ///
    /// let mut log = Log::default();
    /// write!(log, "the key is not logged")?;
    ///
    /// assert!(!log.text().contains("s3cret"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("the log is UTF-8")
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
