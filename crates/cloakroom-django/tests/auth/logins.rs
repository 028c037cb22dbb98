use cloakroom::{ErrorKind, Expiry, Owner, Result, Session};
use cloakroom_django::auth::{Account, Auth, LoginStatus};

use crate::support::{User, next_request, open, sessions};

#[tokio::test]
async fn a_second_login_of_the_same_user_keeps_the_items_under_a_new_key() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    let session = sessions.new_session();
    session.set("cart", [1, 2]).unwrap();
    auth.log_in(&session, &User::ADA).unwrap();
    let session = next_request(&sessions, &session).await;
    let before = session.key().unwrap();

    auth.log_in(&session, &User::ADA).unwrap();
    let session = next_request(&sessions, &session).await;

    assert_ne!(session.key().unwrap().reveal(), before.reveal());
    assert!(open(&sessions, &before).await.is_none());
    assert_eq!(session.get("cart").unwrap(), Some([1, 2]));
    assert_eq!(current_user_id(&auth, &session).await, Some(7));
}

#[tokio::test]
async fn a_login_makes_the_user_the_owner() {
    let sessions = sessions();
    let session = sessions.new_session();
    Auth::new("secret").log_in(&session, &User::ADA).unwrap();
    session.save().await.unwrap();

    let ada = Owner::from("7");
    assert_eq!(session.owner(), Some(ada.clone()));
    assert_eq!(sessions.owned_by(&ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_of_another_user_removes_the_items() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    let session = sessions.new_session();
    auth.log_in(&session, &User { id: 8, ..User::ADA }).unwrap();
    session.set("cart", 1).unwrap();
    let session = next_request(&sessions, &session).await;
    let before = session.key().unwrap();

    auth.log_in(&session, &User::ADA).unwrap();
    let session = next_request(&sessions, &session).await;

    assert!(!session.contains("cart"));
    assert!(open(&sessions, &before).await.is_none());
    assert_eq!(current_user_id(&auth, &session).await, Some(7));
}

#[tokio::test]
async fn a_login_of_another_user_flushes_what_the_request_set_before_the_login() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    let session = sessions.new_session();
    auth.log_in(&session, &User { id: 8, ..User::ADA }).unwrap();
    let session = next_request(&sessions, &session).await;

    session.set("before", 1).unwrap();
    session.set_expiry(Expiry::BrowserClose).unwrap();
    auth.log_in(&session, &User::ADA).unwrap();
    session.set("after", 2).unwrap();
    let session = next_request(&sessions, &session).await;

    assert!(!session.contains("before"));
    assert_eq!(session.get("after").unwrap(), Some(2));
    assert_eq!(session.expiry(), Expiry::Policy);
}

#[tokio::test]
async fn a_login_removes_the_items_if_the_stored_user_id_is_unreadable() {
    let session = sessions().new_session();
    session.set("_auth_user_id", [7]).unwrap();
    session.set("cart", 1).unwrap();
    Auth::new("secret").log_in(&session, &User::ADA).unwrap();
    assert!(!session.contains("cart"));
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_but_the_one_that_changed_it() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    let here = sessions.new_session();
    auth.log_in(&here, &User::ADA).unwrap();
    let here = next_request(&sessions, &here).await;
    let there = sessions.new_session();
    auth.log_in(&there, &User::ADA).unwrap();
    let there = next_request(&sessions, &there).await;

    let ada = User {
        password: "another hash",
        ..User::ADA
    };
    auth.password_changed(&here, ada.password).unwrap();
    let here = next_request(&sessions, &here).await;

    assert_eq!(
        auth.verify_or_flush(&here, ada.password).unwrap(),
        LoginStatus::Valid
    );
    assert_eq!(
        auth.verify_or_flush(&there, ada.password).unwrap(),
        LoginStatus::Ended
    );
    there.save().await.unwrap();
    assert!(there.key().is_none() && there.is_empty());
}

#[tokio::test]
async fn a_session_with_a_hash_by_a_fallback_secret_gets_a_new_key_and_hash() {
    let sessions = sessions();
    let session = sessions.new_session();
    Auth::new("old").log_in(&session, &User::ADA).unwrap();
    let session = next_request(&sessions, &session).await;
    let before = session.key().unwrap();

    let both = Auth::new("new").fallback("older").fallback("old");
    assert_eq!(current_user_id(&both, &session).await, Some(7));
    let session = next_request(&sessions, &session).await;

    assert_ne!(session.key().unwrap().reveal(), before.reveal());
    assert_eq!(current_user_id(&Auth::new("new"), &session).await, Some(7));
}

#[tokio::test]
async fn an_integer_id_is_read_as_text() {
    let session = sessions().new_session();
    let auth = Auth::new("secret");
    auth.log_in(&session, &User::ADA).unwrap();
    session.set("_auth_user_id", 7).unwrap();

    assert_eq!(auth.claim(&session).unwrap().id(), "7");
    assert_eq!(current_user_id(&auth, &session).await, Some(7));
}

#[tokio::test]
async fn a_visitor_with_an_unreadable_id_is_anonymous_and_keeps_the_session() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    for id in [
        r#""x""#,
        r#""""#,
        "[7]",
        "true",
        "7.5",
        "null",
        r#""99999999999999999999""#,
    ] {
        let session = sessions.new_session();
        auth.log_in(&session, &User::ADA).unwrap();
        let id: serde_json::Value = serde_json::from_str(id).unwrap();
        session.set("_auth_user_id", &id).unwrap();
        let session = next_request(&sessions, &session).await;

        assert_eq!(current_user_id(&auth, &session).await, None, "{id}");
        assert!(!session.is_modified(), "{id}");
    }
}

#[tokio::test]
async fn a_session_whose_hash_is_a_number_ends() {
    let session = sessions().new_session();
    let auth = Auth::new("secret");
    auth.log_in(&session, &User::ADA).unwrap();
    session.set("_auth_user_hash", 7).unwrap();

    assert_eq!(current_user_id(&auth, &session).await, None);
    assert!(session.is_empty());
}

#[tokio::test]
async fn only_accepted_backends_are_recognized_and_a_login_writes_the_first_of_them() {
    let session = sessions().new_session();
    let two =
        Auth::new("secret").backends(["my.Backend", "django.contrib.auth.backends.ModelBackend"]);
    two.log_in(&session, &User::ADA).unwrap();

    assert_eq!(two.claim(&session).unwrap().backend(), "my.Backend");
    assert_eq!(Auth::new("secret").claim(&session), None);
    let none = two.backends(Vec::<String>::new());
    assert_eq!(none.claim(&session), None);
}

#[tokio::test]
async fn a_user_is_looked_up_only_if_the_session_names_one() {
    let session = sessions().new_session();
    let auth = Auth::new("secret");
    let user: Result<Option<User>> = auth
        .user(&session, async |_| panic!("the session names no user"))
        .await;
    assert!(user.unwrap().is_none());
}

#[tokio::test]
async fn a_failed_lookup_leaves_the_session_unchanged() {
    let sessions = sessions();
    let auth = Auth::new("secret");
    let session = sessions.new_session();
    auth.log_in(&session, &User::ADA).unwrap();
    let session = next_request(&sessions, &session).await;

    let down = cloakroom::Error::new(ErrorKind::Unavailable, "loading a user");
    let user: Result<Option<User>> = auth.user(&session, async |_| Err(down)).await;

    assert_eq!(user.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!session.is_modified());
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", Auth::new("s3cret").fallback("s3cret"));
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// A server with several threads needs handlers whose futures are `Send`.
#[test]
fn the_future_of_a_lookup_is_send() {
    fn is_send(_: impl Send) {}
    let auth = Auth::new("secret");
    let session = sessions().new_session();
    is_send(current_user_id(&auth, &session));
}

/// Returns the id of the user who is logged in.
async fn current_user_id(auth: &Auth, session: &Session) -> Option<i64> {
    let user = auth
        .user(session, async |claim| {
            let id: Option<i64> = claim.id().parse().ok();
            // A real handler queries the database here.
            tokio::task::yield_now().await;
            let is_there = id == Some(7);
            Ok::<_, cloakroom::Error>(is_there.then_some(User::ADA))
        })
        .await;
    user.unwrap().map(|user| user.id().parse().unwrap())
}
