//! A visit counter.
//!
//! Run it with `cargo run -p cloakroom --example counter`, then open <http://127.0.0.1:3000/> and
//! reload the page.

use axum::Router;
use axum::routing::get;
use cloakroom::store::MemoryStore;
use cloakroom::{Cookie, Item, Session, Sessions};

const VISITS: Item<u64> = Item::new("num_visits");

async fn index(session: Session) -> cloakroom::Result<String> {
    let visits = session.update(VISITS, |n| *n += 1)?;
    Ok(format!("You have visited this page {visits} times.\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::builder(MemoryStore::new())
        .cookie(Cookie::default().plain_http()) // remove this line if the site uses https
        .build()?;
    let app = Router::new().route("/", get(index)).layer(sessions.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
