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

/// A program below a supervisor, a few lines of shell at the other end of a pipe from this process. However the test ends,
/// the pipe closes, and the supervisor kills the program and deletes its folder.
pub(crate) struct SupervisedProgram {
    supervisor: Child,
    /// In an option to be closed before the supervisor is waited for.
    stdin: Option<ChildStdin>,
    /// What the program writes to its standard output.
    lines: Receiver<String>,
}

impl SupervisedProgram {
    /// Starts a program, with nothing from the environment of the tests.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut supervisor = Command::new("sh");
        supervisor
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TMPDIR", std::env::temp_dir())
            .env("LC_ALL", "C.UTF-8")
            .env("RUST_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C and a test runner's time limit signal the whole group of the test; the supervisor has to outlive it.
            .process_group(0);
        let mut supervisor = supervisor.spawn().unwrap();
        let stdin = supervisor.stdin.take();
        let stdout = BufReader::new(supervisor.stdout.take().unwrap());
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
            supervisor,
            stdin,
            lines,
        }
    }

    /// Lets the program end well, and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        let stdin = self.stdin.as_mut().expect("taken by the drop alone");
        stdin.write_all(b"\n").unwrap();
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

impl Drop for SupervisedProgram {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.supervisor.wait();
    }
}
