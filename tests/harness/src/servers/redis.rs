use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use super::private::{CONNECTIONS, Private, Recipe, START_LIMIT, free_port};
use super::program::{SBIN, find};

/// Returns how to run `program`, which is Redis or Valkey. Returns `None` if it is not installed.
pub(super) fn recipe(program: &str, account: &'static str) -> Option<Recipe> {
    Some(Recipe {
        prepare: ":",
        run: RUN,
        settings: "--appendonly no".to_owned(),
        is_killable: false,
        program: find(program, SBIN)?,
        account,
        stopped_by: "KILL",
        ready: READY,
        free_port,
    })
}

/// Returns how to run a Redis or Valkey that acknowledges a write only when the write is on disk.
pub(super) fn killable(program: &str, account: &'static str) -> Option<Recipe> {
    let settings = format!(
        "--appendonly yes --appendfsync always --maxclients {}",
        CONNECTIONS
    );
    let usual = recipe(program, account)?;
    Some(usual.killable(settings))
}

pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// Sends a command to a server that was started with [`SOCKET`]. Returns the answer: a status line
/// with its `+`, or the content of a bulk string.
pub(super) fn ask(server: &Private, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(server.folder.join("redis.sock"))?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.as_bytes().first() {
        Some(b'+') => Ok(line),
        Some(b'$') => {
            let size = line[1..].trim().parse().map_err(io::Error::other)?;
            let mut text = vec![0; size];
            stream.read_exact(&mut text)?;
            String::from_utf8(text).map_err(io::Error::other)
        }
        _ => Err(io::Error::other(line)),
    }
}

/// The option with which a server also listens on a Unix socket. The harness sends its commands
/// through this socket, because the port may accept TLS only.
pub(super) const SOCKET: &str = "--unixsocket redis.sock";

const RUN: &str = r#"
exec "$PROGRAM" --port "$PORT" --bind 127.0.0.1 --save '' $SETTINGS
"#;

/// The same as [`RUN`], but the port accepts TLS only.
pub(super) const RUN_TLS: &str = r#"
exec "$PROGRAM" --port 0 --tls-port "$PORT" --bind 127.0.0.1 --save '' $SETTINGS
"#;

pub(super) const READY: (&str, &str) = ("log", "Ready to accept connections");
