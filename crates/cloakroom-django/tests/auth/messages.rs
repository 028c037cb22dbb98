use cloakroom_django::auth::messages::{self, Level, Message};

use crate::support::{open, sessions};

#[tokio::test]
async fn all_messages_of_parallel_requests_are_kept() {
    let sessions = sessions();
    let session = sessions.new_session();
    session.set("theme", "dark").unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();

    let one = open(&sessions, &key).await.unwrap();
    let other = open(&sessions, &key).await.unwrap();
    messages::add(&one, Message::new(Level::SUCCESS, "saved")).unwrap();
    messages::add(&other, Message::new(Level::ERROR, "refused")).unwrap();
    one.save().await.unwrap();
    other.save().await.unwrap();

    let next = open(&sessions, &key).await.unwrap();
    let texts: Vec<_> = messages::take(&next)
        .unwrap()
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts, ["saved", "refused"]);
}

#[test]
fn taking_messages_when_there_are_none_changes_nothing() {
    let session = sessions().new_session();
    assert_eq!(messages::take(&session).unwrap(), []);
    assert!(!session.is_modified());
}

#[test]
fn a_debug_or_empty_message_is_dropped() {
    let session = sessions().new_session();
    messages::add(&session, Message::new(Level::DEBUG, "for developers")).unwrap();
    messages::add(&session, Message::new(Level::ERROR, "")).unwrap();
    assert!(session.is_empty());
}

#[test]
fn a_new_message_replaces_unreadable_messages() {
    let session = sessions().new_session();
    session.set("_messages", [1, 2]).unwrap();
    messages::add(&session, Message::new(Level::INFO, "hello")).unwrap();
    assert_eq!(messages::take(&session).unwrap().len(), 1);
}

#[test]
fn a_message_of_a_custom_level_is_kept_unless_the_level_is_below_info() {
    let session = sessions().new_session();
    messages::add(&session, Message::new(Level(22), "in between")).unwrap();
    messages::add(&session, Message::new(Level(19), "too low")).unwrap();
    let taken = messages::take(&session).unwrap();
    assert_eq!(taken, [Message::new(Level(22), "in between")]);
    assert_eq!(taken[0].level.tag(), "");
}
