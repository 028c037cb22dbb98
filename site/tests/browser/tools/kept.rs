//! A program that runs for as long as a test, in a temporary folder of its own.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use super::PATIENCE;

/// A program below a keeper, a few lines of shell at the other end of a pipe from this process. However the test ends,
/// the pipe closes, and the keeper kills the program and deletes its folder.
pub(crate) struct Kept {
    keeper: Child,
    /// In an option to be closed before the keeper is waited for.
    orders: Option<ChildStdin>,
    /// What the program writes to its standard output.
    lines: Receiver<String>,
}

impl Kept {
    /// Starts a program, with nothing from the environment of the tests.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", include_str!("keeper.sh"), "keeper"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TMPDIR", std::env::temp_dir())
            .env("LC_ALL", "C.UTF-8")
            .env("RUST_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C and a test runner's time limit signal the whole group of the test; the keeper has to outlive it.
            .process_group(0);
        let mut keeper = keeper.spawn().unwrap();
        let orders = keeper.stdin.take();
        let stdout = BufReader::new(keeper.stdout.take().unwrap());
        let (write, lines) = mpsc::channel();
        // On and on, so that the program never waits for a reader.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if write.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            keeper,
            orders,
            lines,
        }
    }

    /// Lets the program end well, and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        let orders = self.orders.as_mut().expect("taken by the drop alone");
        orders.write_all(b"\n").unwrap();
    }

    /// What follows `start` in the next line that has it.
    pub(crate) fn rest_of_line(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no line with {start:?}: {error}"));
            if let Some((_, rest)) = line.split_once(start) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.keeper.wait();
    }
}
