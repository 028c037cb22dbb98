use cloakroom_django::auth::csrf::{Refusal, Secret};

use crate::support::{each, flag, text};

#[test]
fn csrf_tokens_are_unmasked_and_matched_as_in_django() {
    each("csrf", |case| {
        let token = text(&case["token"]);
        let secret = Secret::parse(text(&case["secret"])).unwrap();
        match text(&case["kind"]) {
            "unmask" => assert_eq!(Secret::parse(token).unwrap().reveal(), secret.reveal()),
            "match" => {
                let expected = match case["format_error"].as_str() {
                    None if flag(&case["matches"]) => Ok(()),
                    None => Err(Refusal::WrongToken),
                    Some("has incorrect length") => Err(Refusal::TokenLength),
                    Some("has invalid characters") => Err(Refusal::TokenCharacters),
                    Some(other) => panic!("an unknown error: {other}"),
                };
                assert_eq!(secret.matches(token), expected);
            }
            other => panic!("an unknown kind: {other}"),
        }
    });
}
