use std::io;
use std::thread::{self, JoinHandle};

/// Threads that are joined on drop.
///
/// The threads end when the sender of their queue is dropped. A struct must therefore declare the
/// sender above its `Threads` field: fields are dropped in the order of their declaration.
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
            // A thread that sends a result may thereby drop the last clone of the store. Then this
            // code runs on that thread, and a thread cannot join itself.
            if thread.thread().id() != thread::current().id() {
                // The panic was already reported on standard error.
                let _ = thread.join();
            }
        }
    }
}

/// The capacity of the writer's queue, and of the readers' queue.
///
/// The writer commits up to 256 calls in one transaction, so its queue has room for 16 such
/// transactions. A call that finds the queue full fails at once instead of waiting.
pub(crate) const QUEUE_LEN: usize = 4_096;
