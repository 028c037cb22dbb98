use std::borrow::Cow;

use cloakroom::store::MemoryStore;
use cloakroom::{Session, SessionKey, Sessions};
use cloakroom_django::auth::csrf::Secret;
use cloakroom_django::auth::{Account, Auth};
use serde_json::{Map, Value};

use crate::support::{each, flag, text};

#[test]
fn a_password_field_is_hashed_as_in_django() {
    each("auth_hash", |case| {
        let auth = Auth::new(text(&case["secret"]));
        let hash = auth.session_auth_hash(text(&case["password_field"]));
        assert_eq!(hash, text(&case["hash"]));
    });
}

#[test]
fn the_user_of_a_session_is_found_as_in_django() {
    each("auth_get_user", |case| {
        block_on(async {
            let mut auth = Auth::new(text(&case["secret"]));
            for fallback in case["fallbacks"].as_array().unwrap() {
                auth = auth.fallback(text(fallback));
            }
            let row = User::of(&case["user"]);
            let (before, session) = Before::stored(&case["session"]).await;

            let find = async |id: &str| Ok::<_, cloakroom::Error>((id == row.id).then_some(&row));
            let user = auth
                .user(&session, async |claim| find(claim.id()).await)
                .await
                .unwrap();

            let expect = &case["expect"];
            let id = user.map(|user| user.id.parse::<i64>().unwrap());
            assert_eq!(id, expect["user_id"].as_i64());
            assert_eq!(session.is_modified(), flag(&expect["modified"]));
            before.compare(&session, expect).await;
        });
    });
}

#[test]
fn logins_logouts_and_new_passwords_change_a_session_as_in_django() {
    each("auth_login", |case| {
        block_on(async {
            let (before, session) = Before::stored(&case["session"]).await;
            act(case, &session);
            before.compare(&session, &case["expect"]).await;
        });
    });
}

/// In the vectors, which are cases recorded from a real Django, the CSRF secret is in a cookie. A
/// secret in the session must be renewed in the same cases.
#[test]
fn the_csrf_secret_in_a_session_is_renewed_as_in_django() {
    each("auth_login", |case| {
        block_on(async {
            let (_, session) = Before::stored(&case["session"]).await;
            let secret = Secret::random().unwrap();
            secret.keep_in_session(&session).unwrap();
            act(case, &session);
            let after = Secret::in_session(&session);
            let is_kept = after.is_some_and(|after| after.reveal() == secret.reveal());
            let is_flushed = text(&case["expect"]["session_key"]) == "none";
            assert_eq!(
                is_kept,
                !flag(&case["expect"]["csrf_rotated"]) && !is_flushed
            );
        });
    });
}

/// Performs the operation of a case.
fn act(case: &Value, session: &Session) {
    let auth = Auth::new(text(&case["secret"]));
    let user = User::of(&case["user"]);
    let done = match text(&case["op"]) {
        "login" => auth.log_in(session, &user),
        "logout" => auth.log_out(session),
        "change_password" => auth.password_changed(session, &user.password),
        other => panic!("an unknown operation: {other}"),
    };
    done.unwrap();
}

/// The state before the request.
struct Before {
    sessions: Sessions,
    key: Option<SessionKey>,
}

impl Before {
    /// Stores a session with these items and opens it as the next request does. Stores nothing if
    /// the items are null.
    async fn stored(items: &Value) -> (Self, Session) {
        let sessions = Sessions::new(MemoryStore::new());
        let session = sessions.new_session();
        if items.is_null() {
            return (
                Self {
                    sessions,
                    key: None,
                },
                session,
            );
        }
        for (name, value) in items.as_object().unwrap() {
            session.set(name, value.clone()).unwrap();
        }
        session.save().await.unwrap();
        let key = session.key().unwrap();
        let session = sessions.open(&key).await.unwrap().unwrap();
        let before = Self {
            sessions,
            key: Some(key),
        };
        (before, session)
    }

    /// Ends the request and compares the session with `expect`.
    async fn compare(&self, session: &Session, expect: &Value) {
        let is_flushed = self.key.is_some() && session.key().is_none();
        session.save().await.unwrap();
        let old = self.key.as_ref().map(SessionKey::reveal);
        let new = session.key();
        let new = new.as_ref().map(SessionKey::reveal);
        let key_state = match new {
            // After a flush, Django makes the next key only when it saves the session. The vectors
            // were recorded before the save, so they contain no key.
            _ if is_flushed => "none",
            None => "none",
            Some(_) if old == new => "kept",
            Some(_) => "new",
        };
        assert_eq!(key_state, text(&expect["session_key"]));
        assert!(
            !is_flushed || old != new,
            "the key of the flushed session was used again"
        );

        let old_record_exists = match &self.key {
            Some(key) => self.sessions.open(key).await.unwrap().is_some(),
            None => false,
        };
        assert_eq!(old_record_exists, flag(&expect["old_record_exists"]));

        let items = match session.key() {
            Some(key) => items(&self.sessions.open(&key).await.unwrap().unwrap()),
            None => items(session),
        };
        assert_eq!(Value::Object(items), expect["session_after"]);
    }
}

fn items(session: &Session) -> Map<String, Value> {
    session
        .iter()
        .map(|(name, value)| (name, value.get().unwrap()))
        .collect()
}

struct User {
    id: String,
    password: String,
    is_active: bool,
}

impl User {
    fn of(row: &Value) -> Self {
        Self {
            id: row["id"].as_i64().unwrap().to_string(),
            password: text(&row["password"]).to_owned(),
            is_active: row["is_active"].as_bool().unwrap_or(true),
        }
    }
}

impl Account for User {
    fn id(&self) -> Cow<'_, str> {
        (&*self.id).into()
    }

    fn password(&self) -> &str {
        &self.password
    }

    fn is_active(&self) -> bool {
        self.is_active
    }
}

fn block_on(future: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(future);
}
