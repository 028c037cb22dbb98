//! The program as a separate process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Returns a command that starts the program on a free port and with its database in `folder`. The
/// program does not inherit the environment of the tests.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_locallibrary"));
    command
        .env_clear()
        .current_dir(folder)
        .args(["--bind", "127.0.0.1:0"]);
    command
}

/// Reads the first line of standard output. Returns an empty text if the program exits without
/// output.
pub(crate) fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    line
}

/// A running program. It is killed when this value is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::logging_to(Stdio::null(), command)
    }

    /// Starts the program, which writes its log to `stderr`.
    pub(crate) fn logging_to(stderr: impl Into<Stdio>, command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        let rest = line.strip_prefix("LocalLibrary is open at http://");
        let (address, _) = rest
            .and_then(|rest| rest.split_once('/'))
            .expect("the first line is the startup message");
        Self {
            address: address.to_owned(),
            child,
        }
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.get_with(path, "")
    }

    /// Requests a page with these cookies. Returns the response with its headers.
    pub(crate) fn get_with(&self, path: &str, cookies: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {cookies}\r\nconnection: close\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal such as `-TERM`, and returns the exit code of the program.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        let killed = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // These calls fail if `stop` has already ended the program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
