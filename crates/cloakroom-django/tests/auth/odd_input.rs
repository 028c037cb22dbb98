//! Random and forged text never causes a panic and is never accepted.

use std::time::UNIX_EPOCH;

use cloakroom_django::auth::csrf::{Csrf, Incoming, Secret};
use cloakroom_django::auth::tokens::{ResetTokens, Subject, id_of};
use cloakroom_django::auth::{Auth, Passwords, messages};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use crate::support::{User, sessions};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn verifying_never_panics(field in field()) {
        let passwords = Passwords::new().iterations(10);
        prop_assert!(!passwords.verify("password", &field).is_right());
        passwords.must_update(&field);
    }

    #[test]
    fn unmasking_a_masked_secret_returns_the_secret(secret in "[a-zA-Z0-9]{32}") {
        let secret = Secret::parse(&secret).unwrap();
        let token = secret.mask().unwrap();
        let unmasked = Secret::parse(&token).unwrap();
        prop_assert_eq!(unmasked.reveal(), secret.reveal());
        prop_assert_eq!(secret.matches(&token), Ok(()));
    }

    #[test]
    fn a_token_is_32_or_64_letters_and_digits(
        text in "\\PC{0,70}|[a-zA-Z0-9]{31,33}|[a-zA-Z0-9]{63,65}",
    ) {
        let is_alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_token = [32, 64].contains(&text.len()) && is_alphanumeric;
        prop_assert_eq!(Secret::parse(&text).is_ok(), is_token);
    }

    #[test]
    fn checking_a_header_never_panics(
        name in "origin|referer|cookie|x-csrftoken",
        value in any::<Vec<u8>>(),
        https: bool,
    ) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        let csrf = Csrf::new();
        let request = Incoming {
            method: &Method::POST,
            headers: &headers,
            https,
            host: "here",
            form_token: None,
        };
        let secret = Secret::random().unwrap();
        prop_assert!(csrf.check(&request, Some(&secret)).is_err());
        csrf.secret(&headers);
    }

    #[test]
    fn checking_a_reset_token_never_panics(text in "\\PC*|[0-9a-z]{0,14}-[0-9a-f]{32}") {
        let user = Subject { id: "1", password: "x", last_login: Some(&text), email: "" };
        prop_assert!(!ResetTokens::new("secret").check(&text, &user, UNIX_EPOCH));
        id_of(&text);
    }

    #[test]
    fn reading_forged_items_never_panics(value in json()) {
        let session = sessions().new_session();
        let login = ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"];
        for name in login.into_iter().chain(["_csrftoken", "_messages"]) {
            session.set(name, &value).unwrap();
        }
        let auth = Auth::new("secret");
        prop_assert!(auth.claim(&session).is_none());
        Secret::in_session(&session);
        messages::take(&session).unwrap();
        auth.log_in(&session, &User::ADA).unwrap();
        prop_assert!(auth.claim(&session).is_some());
    }
}

/// Generates password fields: any text, or text that looks like a hash.
fn field() -> impl Strategy<Value = String> {
    let name = "pbkdf2_sha256|pbkdf2_sha1|argon2|bcrypt_sha256|scrypt|!";
    let costs =
        "[0-9]{0,2}|argon2(id|i|d)\\$v=1[0-9]\\$m=[0-9]{1,2},t=[0-9],p=[0-9]|\\$2[aby]\\$0[0-5]";
    prop_oneof![
        "\\PC*",
        (name, costs, "(\\$[A-Za-z0-9+/=.,]{0,24}|\\PC{0,3}){0,5}")
            .prop_map(|(name, costs, rest)| format!("{name}${costs}{rest}")),
        ("[./A-Za-z0-9]{53}", 4..6_u8)
            .prop_map(|(rest, cost)| format!("bcrypt_sha256$$2b$0{cost}${rest}")),
    ]
}

/// Generates values for the items of a login, of CSRF protection and of messages. Some values look
/// like stored messages.
fn json() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC*".prop_map(Into::into),
        "\\[(\\[\"__json_message\", [01], [0-9]{1,3}(, \"[a-z]*\")?\\],?){0,3}\\]?"
            .prop_map(Into::into),
        prop::collection::vec(any::<i64>(), 0..3).prop_map(Into::into),
    ]
}
