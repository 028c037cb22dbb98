use cloakroom::Sessions;
use cloakroom::store::MemoryStore;
use cloakroom_django::auth::messages::{self, Level, Message};
use serde_json::Value;

use crate::support::{each, text};

#[test]
fn messages_are_stored_and_read_as_in_django() {
    each("messages", |case| {
        let session = Sessions::new(MemoryStore::new()).new_session();
        let messages: Vec<Message> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(message)
            .collect();
        match text(&case["name"]).starts_with("read") {
            true => {
                session.set("_messages", text(&case["stored"])).unwrap();
                assert_eq!(messages::take(&session).unwrap(), messages);
                assert!(!session.contains("_messages"));
            }
            false => {
                for message in messages {
                    messages::add(&session, message).unwrap();
                }
                let stored: Option<String> = session.get("_messages").unwrap();
                assert_eq!(stored.as_deref(), case["stored"].as_str());
            }
        }
    });
}

fn message(value: &Value) -> Message {
    Message {
        level: Level(value["level"].as_i64().unwrap()),
        text: text(&value["text"]).to_owned(),
        safe: value["safe"].as_bool().unwrap_or(false),
        // A case without this field has an empty text, and a case with null has `None`.
        extra_tags: match value.get("extra_tags") {
            None => Some(String::new()),
            Some(tags) => tags.as_str().map(str::to_owned),
        },
    }
}
