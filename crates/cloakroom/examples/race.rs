//! Compares last-write-wins with Cloakroom: one visitor sends 50 parallel requests, and each adds a
//! book to the cart. How many books are in the cart afterwards?
//!
//! `cargo run --release -p cloakroom --example race`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom::store::MemoryStore;
use cloakroom::{Item, Sessions};
use http::{HeaderMap, StatusCode, header};
use tokio::task::JoinSet;

const REQUESTS: u32 = 50;

/// How long each handler works between loading its session and returning.
const WORK: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{REQUESTS} parallel requests of one visitor, each adding a book to the cart:");
    println!(
        "last write wins … {} of {REQUESTS}",
        last_write_wins().await
    );
    println!("cloakroom       … {} of {REQUESTS}", cloakroom().await?);
    Ok(())
}

/// Does what most session libraries do: loads the whole session before the handler runs, and stores
/// the whole session afterwards.
async fn last_write_wins() -> usize {
    let store: Arc<Mutex<HashMap<&str, Vec<u32>>>> = Arc::default();
    let mut requests = JoinSet::new();
    for book in 0..REQUESTS {
        let store = Arc::clone(&store);
        requests.spawn(async move {
            let stored = sessions(&store).get("a visitor").cloned();
            let mut cart = stored.unwrap_or_default();
            tokio::time::sleep(WORK).await;
            cart.push(book);
            sessions(&store).insert("a visitor", cart);
        });
    }
    requests.join_all().await;
    sessions(&store)["a visitor"].len()
}

fn sessions<T>(store: &Mutex<T>) -> MutexGuard<'_, T> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn cloakroom() -> cloakroom::Result<usize> {
    const CART: Item<Vec<u32>> = Item::new("cart");

    let sessions = Sessions::new(MemoryStore::new());
    let visitor = sessions.new_session();
    visitor.set(CART, Vec::new())?;
    visitor.save().await?;
    let key = visitor.key().expect("the session was saved");
    let mut headers = HeaderMap::new();
    let cookie = format!("__Host-session={}", key.reveal());
    headers.insert(
        header::COOKIE,
        cookie.parse().expect("a key fits into a header"),
    );

    let mut requests = JoinSet::new();
    for book in 0..REQUESTS {
        let (sessions, headers) = (sessions.clone(), headers.clone());
        requests.spawn(async move {
            let handle = sessions.begin(&headers);
            let session = handle.open().await?;
            tokio::time::sleep(WORK).await;
            session.update(CART, move |cart| cart.push(book))?;
            sessions.finish(&handle, StatusCode::OK).await.map(drop)
        });
    }
    for outcome in requests.join_all().await {
        outcome?;
    }
    let visitor = sessions.open(&key).await?.expect("it is alive");
    Ok(visitor.get_or_default(CART)?.len())
}
