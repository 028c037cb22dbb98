use std::io;
use std::thread::{self, JoinHandle};

/// Threads that are waited for when this is dropped.
///
/// They end when their queue is closed, so let the queue's sender be a field above this one: fields are dropped from
/// the top.
#[derive(Debug, Default)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    pub(crate) fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let handle = thread::Builder::new().name(name.into()).spawn(run)?;
        self.0.push(handle);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // An answer may wake, and so drop, the last task that had the store, on the very thread that answered.
            if thread.thread().id() != thread::current().id() {
                // It has reported its panic, and there is nobody left to tell.
                let _ = thread.join();
            }
        }
    }
}

/// How many calls may wait for the writer, and how many for the readers.
///
/// That is some sixteen groups of commits. A call that would wait longer is better answered at once.
pub(crate) const QUEUE_LEN: usize = 4_096;
