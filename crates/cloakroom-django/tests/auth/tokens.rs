//! The expected tokens were made by Django 5.2.19 with a fixed clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_django::auth::tokens::{ResetTokens, Subject, id_of, uid};

/// For each case: the time in seconds since 1970, the user, the token made with [`SECRET`], and the
/// token made with the secret `old`.
const TOKENS: &[(u64, Subject<'_>, &str, &str)] = &[
    (
        1_768_728_600,
        ADA,
        "d2lh20-889116d421df228d164f9245d7be4030",
        "d2lh20-f9e3115be2aa1a7a348605527dbc0a8f",
    ),
    (
        978_307_200,
        Subject {
            id: "123456",
            password: "!x",
            last_login: None,
            email: "",
        },
        "0-f449f21494b7ce46518991d99ffac261",
        "0-cf1c3ef0d521e16ba16fb5afb3c4213a",
    ),
    (
        1_924_991_999,
        Subject {
            id: "1",
            password: "é",
            last_login: Some("2030-12-31 23:59:59"),
            email: "Жук@example.com",
        },
        "fnmqnz-4be3ed0ee2f8cf41fdfd95908511bd7d",
        "fnmqnz-3917a57e67ceca0be1d1e726a64c5f8d",
    ),
];

const ADA: Subject<'_> = Subject {
    id: "7",
    password: "pbkdf2_sha256$1000000$saltsaltsaltsaltsaltsa$aGFzaA==",
    last_login: Some("2026-01-17 08:00:05.123456"),
    email: "ada@library.example",
};

const SECRET: &str = "cloakroom-public-secret-key-0123456789";

#[test]
fn tokens_are_made_as_in_django() {
    for (time, user, token, of_old_secret) in TOKENS {
        assert_eq!(ResetTokens::new(SECRET).make(user, at(*time)), *token);
        assert_eq!(
            ResetTokens::new("old").make(user, at(*time)),
            *of_old_secret
        );
    }
    assert_eq!(uid("123456"), "MTIzNDU2");
    assert_eq!(id_of("MTIzNDU2").as_deref(), Some("123456"));
}

#[test]
fn a_token_is_valid_for_exactly_three_days() {
    let tokens = ResetTokens::new(SECRET);
    for (time, user, token, _) in TOKENS {
        for (later, is_valid) in [(0, true), (259_200, true), (259_201, false)] {
            assert_eq!(tokens.check(token, user, at(time + later)), is_valid);
        }
    }
    let short = tokens.timeout(Duration::from_secs(60));
    let (time, user, token, _) = TOKENS[0];
    assert!(!short.check(token, &user, at(time + 61)));
}

#[test]
fn a_token_is_invalid_once_its_user_has_changed() {
    let tokens = ResetTokens::new(SECRET);
    let (time, _, token, _) = TOKENS[0];
    assert!(tokens.check(token, &ADA, at(time)));
    for other in [
        Subject { id: "8", ..ADA },
        Subject {
            password: "another",
            ..ADA
        },
        Subject {
            last_login: Some("2026-01-17 08:00:06"),
            ..ADA
        },
        Subject {
            last_login: None,
            ..ADA
        },
        Subject {
            email: "else@library.example",
            ..ADA
        },
    ] {
        assert!(!tokens.check(token, &other, at(time)), "{other:?}");
    }
}

#[test]
fn a_token_made_with_an_old_secret_is_valid_if_that_secret_is_a_fallback() {
    let (time, user, _, of_old_secret) = TOKENS[0];
    let tokens = ResetTokens::new(SECRET);
    assert!(!tokens.check(of_old_secret, &user, at(time)));
    let tokens = tokens.fallback("older").fallback("old");
    assert!(tokens.check(of_old_secret, &user, at(time)));
}

#[test]
fn a_changed_token_is_invalid() {
    let tokens = ResetTokens::new(SECRET);
    let (time, user, token, _) = TOKENS[0];
    for changed in [
        token.to_uppercase(),
        format!("0{token}"),
        format!("+{token}"),
        format!("{token}0"),
        format!("{token}-"),
        token.replace('-', ""),
        token[1..].to_owned(),
        String::new(),
        "-".to_owned(),
        "zzzzzzzzzzzzzzzzzzzz-0".to_owned(),
    ] {
        assert!(!tokens.check(&changed, &user, at(time)), "{changed}");
    }
}

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}
