//! Builds the site from its settings and serves it until it is stopped.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use cloakroom_django::auth::{Auth, Csrf, tokens::ResetTokens};
use sqlx::SqlitePool;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    Config, StartError, cli,
    config::{AllowedHosts, BaseUrl, Limits, SecretKey, host_of},
    database::{self, DemoUser, InitialData},
    loans,
    mail::Mailer,
    routes,
    search::index,
    secret, serving, sessions,
    state::AppState,
    users::Hashing,
};

/// A site whose database is open and whose socket listens, ready to be served.
pub struct Application {
    listener: TcpListener,
    address: SocketAddr,
    base_url: BaseUrl,
    database: PathBuf,
    secret_key: SecretKey,
    new_users: Vec<DemoUser>,
    db: SqlitePool,
    router: Router,
    limits: Limits,
}

impl Application {
    /// Binds the socket, opens the database (creating it if it does not exist), and builds the
    /// router.
    ///
    /// # Errors
    /// [`StartError`] if the address is taken, or if the database, the secret key or the session
    /// storage cannot be used.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        // The socket comes first: if the site is already running, a second start fails here and
        // leaves the files unchanged.
        let (listener, address) = listen(config.bind).await?;
        let base_url = config
            .base_url
            .clone()
            .unwrap_or_else(|| BaseUrl::listening_on(address));
        warn_about_base_url(&base_url, address);
        // Checks the key in the settings. If it is unusable, the start fails before a file is
        // created.
        secret::from_settings(&config)?;
        let (db, new_users) = database::open(config.database_url.path(), InitialData::Demo).await?;
        let secret_key = secret::load_or_create(&config)?;
        let state = AppState {
            db: db.clone(),
            sessions: sessions::open(&config, &base_url, &secret_key).await?,
            allowed_hosts: Arc::new(AllowedHosts::new(&base_url, &config.allowed_hosts)),
            base_url: Arc::new(base_url.clone()),
            auth: secret::with_fallbacks(&config, Auth::new(secret_key.expose()), Auth::fallback),
            csrf: Csrf::new().secure(base_url.is_https()),
            reset_tokens: secret::with_fallbacks(
                &config,
                ResetTokens::new(secret_key.expose()),
                ResetTokens::fallback,
            ),
            hashing: Hashing::new(config.password_iterations),
            mailer: Mailer::new(config.mail.clone(), config.mail_from.clone()),
            limits: config.limits,
            overdue_copies: loans::load_overdue,
        };
        Ok(Self {
            listener,
            address,
            base_url,
            database: config.database_url.path().to_owned(),
            secret_key,
            new_users,
            db,
            router: routes::router(state),
            limits: config.limits,
        })
    }

    /// Returns the router, for tests that send requests without a connection.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Returns the address that the site listens on. If the settings have port 0, this address has
    /// the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that visitors type.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Returns the path of the database file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Returns the key that signs cookies and links.
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret_key
    }

    /// Returns the connection pool of the database.
    pub fn db(&self) -> &SqlitePool {
        &self.db
    }

    /// Returns the text to print once the site is up: one line with its address, followed by the
    /// passwords that were generated for new users.
    pub fn startup_message(&self) -> String {
        let passwords = cli::list_generated_passwords(&self.new_users);
        format!(
            "LocalLibrary is open at {}/ \
             (listening on {}, database {}; stop it with Ctrl+C){passwords}",
            self.base_url,
            self.address,
            self.database.display()
        )
    }

    /// Serves requests until `stop` completes, then finishes the requests in progress, for at most
    /// [`GRACE`](crate::shutdown::GRACE).
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        // Dropping the set aborts the task that indexes books. The next start of the site continues
        // with the books that are left.
        let mut background = JoinSet::new();
        background.spawn(index::fold_stale_periodically(self.db.clone()));
        serving::serve(self.listener, self.router, self.limits, stop).await;
        drop(background);
        self.db.close().await;
    }
}

/// Warns if other machines on the network can read the cookies of visitors, or if the site refuses
/// all requests from other machines.
fn warn_about_base_url(base_url: &BaseUrl, address: SocketAddr) {
    if !base_url.is_https() && !address.ip().is_loopback() {
        tracing::warn!(
            "visitors reach {base_url} over plain http: anyone on the network path can read their \
             cookies (put a TLS proxy in front and set --base-url https://…)"
        );
    }
    if base_url.host() == host_of(&address.to_string()) && address.ip().is_unspecified() {
        tracing::warn!(
            "requests from other machines are refused, because the base URL names no host that \
             they can use (set --base-url to the address that visitors type)"
        );
    }
}

async fn listen(bind: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = match TcpListener::bind(bind).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "stop the program that uses this address, or choose another with --bind"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 are reserved for the system: choose another with --bind"
            }
            _ => "choose another address with --bind",
        };
        StartError::new(format!("listening on {bind}"), error, advice)
    })
}
