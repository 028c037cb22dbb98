//! WebDriver, as far as these stories need it: one request with a bit of JSON for each thing that a browser does.
//!
//! A crate for this would bring a second HTTP client, an own copy of the protocol's types and a runtime; the tests do one
//! thing after the other, and the protocol is a page of text.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
};

use serde_json::{Value, json};

use super::{PATIENCE, kept::Kept};

/// A chromedriver with one browser. Both end when this is dropped.
pub(super) struct Driver {
    // Its folder has the profile of the browser.
    _program: Kept,
    port: String,
    session: String,
}

impl Driver {
    /// Starts a browser with an empty profile and these capabilities.
    pub(super) fn start(chromedriver: &Path, capabilities: &Value) -> Self {
        let program = Kept::start(chromedriver, &["--port=0"]);
        let rest = program.rest_of_line("ChromeDriver was started successfully on port ");
        let mut driver = Self {
            _program: program,
            port: rest.trim_end_matches('.').to_owned(),
            session: String::new(),
        };
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer = driver.ask("POST", "/session", &body);
        driver.session = answer["sessionId"].as_str().unwrap().to_owned();
        driver
    }

    /// Does something, and gives what came of it.
    pub(super) fn post(&self, command: &str, body: &Value) -> Value {
        self.ask(
            "POST",
            &format!("/session/{}/{command}", self.session),
            body,
        )
    }

    /// Reads something.
    pub(super) fn get(&self, command: &str) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.ask("GET", &path, &Value::Null)
    }

    /// Something of Chromium's own protocol.
    pub(super) fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", &body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        // The driver itself gives up after one time this.
        stream.set_read_timeout(Some(PATIENCE * 2)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let answer = read_answer(stream);
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        let value = answer["value"].take();
        if let Some(error) = value.get("error") {
            panic!("{path} {body:.300}: {error}: {}", value["message"]);
        }
        value
    }
}

/// The body of an answer. The driver says how long it is, and does not close the connection.
fn read_answer(stream: TcpStream) -> String {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}
