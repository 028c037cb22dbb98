//! A store for Django's own session tests, which `tests/django/bridge` runs. Only the store is
//! Cloakroom's; the session objects are Django's.
//!
//! Reads one JSON object per line from the standard input, and answers each with one line.

mod configuration;
mod line;
mod log;
mod store;

use std::error::Error;
use std::io::{self, BufRead, Write};

use tracing_subscriber::prelude::*;

use line::{PythonException, Reply, Request};
use log::Log;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = Log::default();
    tracing_subscriber::registry().with(log.clone()).init();
    let mut store = Store::new(log.clone());
    let mut out = io::stdout().lock();
    for text in io::stdin().lock().lines() {
        let request = Request::read(&text?)?;
        let answered = answer(&mut store, &request).await;
        let reply = Reply::line(&request, answered, log.take())?;
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

async fn answer(store: &mut Store, request: &Request) -> Result<Reply, PythonException> {
    if let Some(now) = request.now()? {
        store.set_clock(now);
    }
    match &*request.get::<String>("op")? {
        "configure" => store.configure(request.get("settings")?),
        "check" => store.check(request).await,
        "encode" => store.encode(request),
        "decode" => store.decode(request),
        "load" => store.load(request).await,
        "exists" => store.exists(request).await,
        "create" => store.create(request).await,
        "save" => store.save(request).await,
        "delete" => store.delete(request).await,
        "clear_expired" => store.clear_expired(request).await,
        "cache_key" => store.cache_key(request),
        "key_to_file" => store.key_to_file(request),
        other => Err(PythonException::new(
            "NotImplementedError",
            format!("`{other}` is not supported here"),
        )),
    }
}
