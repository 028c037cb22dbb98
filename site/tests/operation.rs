//! Operation: the log, health probes, time limits, and graceful shutdown.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use clap::Parser;
use common::{
    Site,
    program::{Running, program},
};
use locallibrary::{Application, Config, config::Limits};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use tokio::{sync::oneshot, task::JoinHandle};

/// A time limit that is longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// The time after which a test stops waiting and fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A time limit that expires during a test. It is long enough for a complete request on a busy
/// machine.
const SOON: Duration = Duration::from_secs(2);

/// Limits that never expire during a test.
const NO_LIMITS: Limits = Limits {
    headers: NEVER,
    request: NEVER,
    write: NEVER,
};

/// The head of a request that submits a form. After the head, the site waits for the body.
const FORM: &str = "POST /accounts/login/ HTTP/1.1\r\nhost: localhost\r\nx-request-id: visit-7\r\n\
                    expect: 100-continue\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                    content-length: 3\r\n\r\n";

/// A site that listens on a port.
struct ServedSite {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    // The folder of the database. It is deleted when the test is over.
    _folder: TempDir,
}

impl ServedSite {
    async fn with(limits: Limits) -> Self {
        let folder = tempdir().unwrap();
        let database = folder.path().join("library.sqlite3");
        let mut config = Config::parse_from([
            "locallibrary",
            "--bind",
            "127.0.0.1:0",
            "--database-url",
            &format!("sqlite://{}", database.display()),
        ]);
        config.limits = limits;
        let application = Application::build(config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: application.address(),
            stop,
            serving: tokio::spawn(application.serve(async { drop(stopped.await) })),
            _folder: folder,
        }
    }

    /// Opens a connection and sends `text`.
    fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }
}

/// Reads until the site closes the connection.
fn rest(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Reads until the text ends with `end`.
fn until(mut stream: &TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_others_are_replaced() {
    let site = Site::new().await;
    let named = async |name: &str| {
        let request = Request::get("/catalog/").header("x-request-id", name);
        let answer = site.send(request.body(Body::empty()).unwrap()).await;
        answer.header("x-request-id").to_owned()
    };
    let longest = "a".repeat(64);
    for name in ["visit-7", "7", longest.as_str()] {
        assert_eq!(named(name).await, name);
    }
    let too_long = "a".repeat(65);
    let mut generated = Vec::new();
    for name in ["", "a b", "a=b", "<b>", "a.b", too_long.as_str()] {
        let name = named(name).await;
        assert!(
            name.len() == 16 && name.chars().all(|c| c.is_ascii_alphanumeric()),
            "{name}"
        );
        generated.push(name);
    }
    generated.sort();
    generated.dedup();
    assert_eq!(generated.len(), 6);
}

#[tokio::test]
async fn a_server_error_has_a_reference_and_a_client_error_has_none() {
    let site = Site::new().await;
    let mistake = site.get("/catalog/nothing/").await;
    assert!(!mistake.body.contains("Reference"), "{}", mistake.body);
    site.application.db().close().await;
    let fault = site.get("/catalog/books/").await;
    let reference = format!("Reference: {}", fault.header("x-request-id"));
    assert_eq!(fault.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(fault.main().contains(&reference), "{}", fault.main());
}

/// Runs the program with these flags. Sends a login form that is refused, two health probes, and a
/// request for a link that sets a password. Asserts that the log contains no secret, and returns
/// the log.
fn log(folder: &Path, flags: &[&str]) -> String {
    let file = folder.join("log");
    let stderr = File::create(&file).unwrap();
    let running = Running::logging_to(stderr, program(folder).args(flags));
    let form = "username=reader&password=top-secret-1";
    let mut stream = TcpStream::connect(&running.address).unwrap();
    write!(
        stream,
        "POST /accounts/login/?next=top-secret-2 HTTP/1.1\r\nhost: localhost\r\n\
         cookie: sessionid=top-secret-3\r\n\
         x-csrftoken: top-secret-4\r\nx-request-id: visit-7\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let answer = rest(&stream);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    for path in [
        "/health/live",
        "/health/ready",
        "/accounts/reset/MQ/top-secret-5/",
    ] {
        running.get(path);
    }
    assert_eq!(running.stop("-TERM"), Some(0));
    let log = fs::read_to_string(file).unwrap();
    assert!(!log.contains("top-secret"), "{log}");
    log
}

#[test]
fn page_requests_are_logged_as_json_without_secrets() {
    let folder = tempdir().unwrap();
    let log = log(folder.path(), &["--log-format", "json"]);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered = |line: &&Value| line["message"] == "answered";
    // Two requests are logged: the login form and the link that sets a password. Health probes are
    // not logged.
    let requests: Vec<_> = lines.iter().filter(answered).collect();
    assert_eq!(requests.len(), 2, "{log}");
    let login = requests[0];
    assert_eq!(login["span"]["id"], "visit-7");
    assert_eq!(login["method"], "POST");
    assert_eq!(login["path"], "/accounts/login/");
    assert_eq!(login["status"], 403);
    assert!(login["milliseconds"].is_u64(), "{log}");
    assert_eq!(requests[1]["path"], "/accounts/reset/…");
    let is_refusal = |line: &&Value| {
        let message = line["message"].as_str();
        message.is_some_and(|message| message.starts_with("refusing a form"))
    };
    let refusal = lines.iter().find(is_refusal).unwrap();
    assert_eq!(refusal["span"]["id"], "visit-7");
}

#[test]
fn page_requests_are_logged_as_text() {
    let folder = tempdir().unwrap();
    let log = log(folder.path(), &[]);
    let line = log
        .lines()
        .find(|line| line.contains("/accounts/login/"))
        .unwrap();
    for words in ["visit-7", "POST", "status=403", "milliseconds="] {
        assert!(line.contains(words), "{line}");
    }
    assert!(!log.contains("/health/"), "{log}");
}

#[test]
fn the_request_id_is_logged_even_if_only_errors_are_logged() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("log");
    let stderr = File::create(&file).unwrap();
    let mut command = program(folder.path());
    let running = Running::logging_to(stderr, command.env("RUST_LOG", "error"));
    // Rename a table, so that a page fails.
    let database = folder.path().join("locallibrary.sqlite3");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", database.display());
        let db = sqlx::SqlitePool::connect(&url).await.unwrap();
        let rename = sqlx::query("ALTER TABLE catalog_genre RENAME TO catalog_sort");
        rename.execute(&db).await.unwrap();
        db.close().await;
    });
    let page = running.get("/catalog/genres/");
    assert!(page.starts_with("HTTP/1.1 500 "), "{page}");
    let id = page.split("x-request-id: ").nth(1).unwrap();
    let id = id.split("\r\n").next().unwrap();
    running.stop("-TERM");
    let log = fs::read_to_string(file).unwrap();
    assert!(log.contains(id), "{log}");
}

#[tokio::test]
async fn health_probes_are_answered_in_plain_text_without_a_cookie() {
    let site = Site::new().await;
    for (path, words) in [("/health/live", "live\n"), ("/health/ready", "ready\n")] {
        for method in [Method::GET, Method::HEAD] {
            let answer = site.ask(method.clone(), path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("set-cookie"), "");
            let body = if method == Method::HEAD { "" } else { words };
            assert_eq!(answer.body, body);
        }
        let request = Request::get(path).header("host", "evil.example");
        let refused = site.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let posted = site.ask(Method::POST, path).await;
        assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn a_site_without_its_database_is_live_but_not_ready() {
    let site = Site::new().await;
    site.application.db().close().await;
    assert_eq!(site.get("/health/live").await.status, StatusCode::OK);
    let ready = site.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.body, "not ready: the database does not answer\n");
}

#[tokio::test]
async fn every_response_has_the_security_headers_and_an_https_site_forbids_plain_http() {
    for (flags, hsts) in [
        (
            &["--base-url", "https://library.example"][..],
            "max-age=31536000",
        ),
        (&[], ""),
    ] {
        let site = Site::with(flags).await;
        let icon = site.get("/catalog/").await;
        let icon = icon.body.split("href=\"/static/icon").nth(1).unwrap();
        let icon = format!("/static/icon{}", icon.split('"').next().unwrap());
        let ask = async |method: Method, host: &str, path: &str, status: u16| {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("host", host).body(Body::empty()).unwrap();
            let answer = site.send(request).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.header("strict-transport-security"), hsts);
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("referrer-policy"), "same-origin");
            assert!(!answer.header("content-security-policy").is_empty());
            assert!(!answer.header("x-request-id").is_empty(), "{path}");
        };
        for (method, path, status) in [
            (Method::GET, "/catalog/", 200),
            (Method::GET, "/", 301),
            (Method::GET, "/catalog/books", 301),
            (Method::GET, "/catalog/mybooks/", 302),
            (Method::GET, icon.as_str(), 200),
            (Method::GET, "/static/nothing", 404),
            (Method::GET, "/nothing", 404),
            (Method::DELETE, icon.as_str(), 405),
            (Method::POST, "/accounts/login/", 403),
            (Method::OPTIONS, "/catalog/", 204),
            (Method::HEAD, "/health/live", 200),
            (Method::GET, "/health/ready", 200),
            (Method::POST, "/health/ready", 405),
        ] {
            ask(method, "localhost", path, status).await;
        }
        ask(Method::GET, "evil.example", "/catalog/", 400).await;
        ask(Method::GET, "evil.example", "/health/live", 400).await;
        site.application.db().close().await;
        ask(Method::GET, "localhost", "/catalog/books/", 500).await;
        ask(Method::GET, "localhost", "/health/ready", 503).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_must_name_exactly_one_host() {
    let site = ServedSite::with(NO_LIMITS).await;
    for (request, status) in [
        ("GET /catalog/ HTTP/1.1", 400),
        ("GET http://localhost/catalog/ HTTP/1.1", 400),
        ("GET /health/live HTTP/1.1", 400),
        ("GET /catalog/ HTTP/1.1\r\nhost: localhost", 200),
        (
            "GET http://localhost/catalog/ HTTP/1.1\r\nhost: localhost",
            200,
        ),
        (
            "GET /catalog/ HTTP/1.1\r\nhost: localhost\r\nhost: localhost",
            400,
        ),
        (
            "GET /catalog/ HTTP/1.0\r\nhost: localhost\r\nhost: localhost",
            400,
        ),
        ("GET /catalog/ HTTP/1.0", 200),
    ] {
        let answer = site.send(&format!("{request}\r\nconnection: close\r\n\r\n"));
        let answer = rest(&answer);
        let (_, line) = answer.split_once(' ').unwrap();
        assert!(line.starts_with(&format!("{status} ")), "{request}: {line}");
        assert!(answer.contains("\r\nx-frame-options: DENY\r\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_half_a_request_or_nothing_are_closed() {
    let limits = Limits {
        headers: SOON,
        ..NO_LIMITS
    };
    let site = ServedSite::with(limits).await;
    let half = site.send("GET /catalog/ HTTP/1.1\r\nhost: loc");
    let silent = site.send("");
    let idle = site.send("GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(!rest(&half).contains("200"));
    assert_eq!(rest(&silent), "");
    let answer = rest(&idle);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_gets_an_error_page() {
    let limits = Limits {
        request: SOON,
        ..NO_LIMITS
    };
    let site = ServedSite::with(limits).await;
    let stream = site.send(FORM);
    let page = until(&stream, "</html>");
    assert!(page.contains("HTTP/1.1 503 "), "{page}");
    assert!(page.contains("One moment, please"), "{page}");
    assert!(page.contains("Reference: <code>visit-7</code>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_disconnected() {
    let limits = Limits {
        write: SOON,
        ..NO_LIMITS
    };
    let site = ServedSite::with(limits).await;
    let page = site.send("GET /catalog/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let page = rest(&page);
    let style = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    let style = style.split('"').next().unwrap();

    // The client reads no response. So the responses fill the buffers to the client, and then the
    // requests fill the buffers to the site. After that, neither the client nor the site can write.
    let requests = format!("GET {style} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(1000);
    let mut client = site.send(&requests);
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    let end = loop {
        if let Err(end) = client.write_all(requests.as_bytes()) {
            break end;
        }
    };
    let is_cut_off = matches!(
        end.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    );
    assert!(is_cut_off, "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_site_finishes_requests_and_closes_idle_connections() {
    let site = ServedSite::with(NO_LIMITS).await;
    let silent = site.send("");
    let idle = site.send("GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    until(&idle, "live\n");
    let mut begun = site.send(FORM);
    until(&begun, "100 Continue\r\n\r\n");

    site.stop.send(()).unwrap();

    assert_eq!(rest(&idle), "");
    assert_eq!(rest(&silent), "");
    begun.write_all(b"a=b").unwrap();
    let page = rest(&begun);
    assert!(page.starts_with("HTTP/1.1 403 "), "{page}");
    assert!(page.ends_with("</html>"), "{page}");
    site.serving.await.unwrap();
    assert!(TcpStream::connect(site.address).is_err());
}
