use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place for what is logged, so that a test can read it: that no key is in it, for instance. Clones write to the same
/// place.
///
/// It is what `with_writer` of tracing-subscriber takes, from a closure that clones it.
///
/// # Examples
/// ```
/// use std::io::Write;
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
    /// Everything that was logged so far.
    ///
    /// # Panics
    /// If it is no text.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("whoever logs writes text")
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
