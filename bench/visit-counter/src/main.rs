//! A web service that counts visits in Cloakroom's sessions, for `bench/instructions`.
//!
//! The service listens on a free port of 127.0.0.1 and prints its address as the first line of
//! output. Each page uses the session in a different way, so that the cost of each use can be
//! measured separately. The sessions are in memory.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use cloakroom::store::MemoryStore;
use cloakroom::{Cookie, Item, Session, Sessions};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs on one worker thread. So the order of the work is the same in every run, and the number of
/// instructions is, too.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = Sessions::builder(MemoryStore::new())
        .cookie(Cookie::default().plain_http())
        // Turns the sweep off. It waits for a random time, and the number of instructions in
        // tokio's timers depends on that time.
        .sweep(None)
        .build()?;
    let app = Router::new()
        .route("/", get(read_and_write))
        .route("/read", get(read))
        .route("/static", get(untouched))
        .layer(sessions.layer());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Counts the visit.
async fn read_and_write(session: Session) -> cloakroom::Result<String> {
    let visits = session.update(VISITS, |n| *n += 1)?;
    Ok(page(visits))
}

/// Reads the number of visits.
async fn read(session: Session) -> cloakroom::Result<String> {
    let visits = session.get(VISITS)?.unwrap_or_default();
    Ok(page(visits))
}

/// Does not open the session.
async fn untouched() -> &'static str {
    "This page does not touch the session."
}

fn page(visits: u64) -> String {
    format!("You have visited this page {visits} times.")
}

const VISITS: Item<u64> = Item::new("num_visits");
