//! A program that runs in a temporary folder and ends with the test, however the test ends.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use super::PATIENCE;

/// A program that is started by `supervisor.sh`. The standard input of the supervisor is a pipe
/// from this process. When the test ends, even by a signal, the pipe closes, and the supervisor
/// kills the program and deletes its folder.
pub(crate) struct SupervisedProgram {
    supervisor: Child,
    /// An `Option`, so that `drop` can close the pipe before it waits for the supervisor.
    stdin: Option<ChildStdin>,
    /// The lines that the program writes to standard output.
    lines: Receiver<String>,
}

impl SupervisedProgram {
    /// Starts a program, which does not inherit the environment of the tests.
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
            // Ctrl-C and the time limit of a test runner signal the process group of the test. The
            // supervisor must survive this signal, so it runs in a new process group.
            .process_group(0);
        let mut supervisor = supervisor.spawn().unwrap();
        let stdin = supervisor.stdin.take();
        let stdout = BufReader::new(supervisor.stdout.take().unwrap());
        let (write, lines) = mpsc::channel();
        // Reads all output, so that the program never blocks on a full pipe.
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

    /// Stops the program with SIGTERM and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        let stdin = self.stdin.as_mut().expect("only `drop` closes the pipe");
        stdin.write_all(b"\n").unwrap();
    }

    /// Waits for a line that contains `start`, and returns the part of the line after `start`.
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
