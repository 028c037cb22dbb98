//! A service beside a Django site, with the same endpoints, session store and table of users. The
//! tests in `tests/django` send requests to this service and to the site, and a browser may use
//! either.
//!
//! ```sh
//! cargo run -p cloakroom-django-peers --bin django_peer -- --engine db \
//!     --db-url sqlite:////srv/site/db.sqlite3 --secret-key …
//! ```
//!
//! Every option can also come from the environment, see `--help`. Django's `migrate` creates the
//! tables.

mod body;
mod endpoints;
mod engine;
mod failure;
mod options;
mod users;

use std::error::Error;
use std::sync::Arc;

use clap::Parser;
use cloakroom_django::auth::csrf::Csrf;
use cloakroom_django::auth::{Auth, Passwords};

use endpoints::Site;
use options::Options;
use users::Users;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    let options = Options::parse();
    for name in options.settings.0.others.keys() {
        tracing::warn!("SETTINGS_JSON: `{name}` has no effect here");
    }
    let settings = engine::settings(&options)?;
    let backend = engine::url(&options)?.engine(&settings).await?;
    let sessions = settings.sessions(backend).build()?;

    let auth = Auth::new(&options.secret_key);
    let fallbacks = options.secret_key_fallbacks.0.iter();
    let site = Site {
        auth: fallbacks.fold(auth, Auth::fallback),
        csrf: Csrf::new(),
        passwords: Passwords::new(),
        users: Users::connect(&options.db_url).await?,
        cookie_age: options.settings.0.cookie_age(),
    };
    let app = endpoints::router(Arc::new(site)).layer(sessions.layer());
    let listener = tokio::net::TcpListener::bind(options.bind).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
