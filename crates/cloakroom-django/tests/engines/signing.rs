use std::time::Duration;

use cloakroom::SessionKey;
use cloakroom_django::Settings;
use cloakroom_django::wire::json;
use cloakroom_django::wire::signing::{
    COOKIE_SALT, SERVER_SALT, Signer, UnsignError, base62, derive_key, parse_base62, salted_hmac,
};
use cloakroom_testkit::HandClock;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::run;
use crate::vectors::{Case, each, to_json};

#[test]
fn timestamps_are_written_and_read_as_in_django() {
    each("base62", |case| {
        let (number, text): (i64, String) = (case.get("int"), case.get("text"));
        assert_eq!(base62(number), text);
        assert_eq!(parse_base62(text.as_bytes()), Some(number));
    });
}

#[test]
fn keys_are_derived_as_in_django() {
    each("key_derivation", |case| {
        let [salt, secret, message] =
            ["key_salt", "secret", "message"].map(|field| case.get::<String>(field));
        let key = derive_key(&salt, secret.as_bytes());
        assert_eq!(HEXLOWER.encode(&key), case.get::<String>("derived_key_hex"));
        let hmac = salted_hmac(&salt, secret.as_bytes(), message.as_bytes());
        assert_eq!(HEXLOWER.encode(&hmac), case.get::<String>("hmac_hex"));
        let text: String = case.get("hmac_b64url_nopad");
        assert_eq!(BASE64URL_NOPAD.encode(&hmac), text);
    });
}

#[test]
fn sessions_are_signed_as_in_django() {
    each("encode", |case| {
        let signer = Signer::new(case.get::<String>("secret"), salt(case));
        let items = match case.has("value_unrepresentable") {
            true => json::read(case.get::<String>("json").as_bytes()).unwrap(),
            false => case.items("value"),
        };
        let json = json::write(&items).unwrap();
        assert_eq!(json, case.get::<String>("json"));

        let encoded = signer.dumps(json.as_bytes(), case.get("timestamp"));

        let django: String = case.get("encoded");
        if case.get("byte_exact") {
            assert_eq!(encoded, django);
        }
        assert_eq!(encoded.starts_with('.'), case.get::<bool>("compressed"));
        for text in [encoded, django] {
            let signed = signer.loads(text.as_bytes()).unwrap();
            assert_eq!(signed.at, case.get::<i64>("timestamp"));
            assert_eq!(signed.json, json.as_bytes());
            assert_eq!(to_json(&json::read(&signed.json).unwrap()), json);
        }
    });
}

#[test]
fn sessions_are_read_as_in_django() {
    each("decode", |case| {
        let secret: String = case.get("secret");
        let fallbacks: Vec<String> = case.get("fallbacks");
        let signer = fallbacks
            .iter()
            .fold(Signer::new(&secret, salt(case)), Signer::fallback);
        let encoded: String = case.get("encoded");

        let (result, items) = match signer.loads(encoded.as_bytes()) {
            Err(UnsignError::BadSignature) => ("bad_signature", None),
            Err(UnsignError::Undecodable) => ("undecodable", None),
            Ok(signed) => match json::read(&signed.json) {
                Ok(_) if is_expired(case) => ("expired", None),
                Ok(items) => ("ok", Some(items)),
                Err(json::NotJson) => ("undecodable", None),
            },
        };

        // Django reads these texts but never writes them. Another program with the secret may have
        // signed them, and refusing them is also correct.
        if case.get("optional") && result == "undecodable" {
            return;
        }
        assert_eq!(result, case.get::<String>("result"));
        if let Some(items) = items
            && !case.has("value_unrepresentable")
        {
            assert_eq!(to_json(&items), to_json(&case.items("value")));
        }
    });
}

/// Returns whether a cookie of the engine `signed_cookies` has expired. Returns `false` for the
/// other engines, because their signed text does not determine the expiry.
fn is_expired(case: &Case) -> bool {
    if salt(case) != COOKIE_SALT {
        return false;
    }
    let clock = HandClock::new();
    clock.set(case.time("now"));
    let settings = Settings::new(case.get::<String>("secret")).unwrap();
    let settings = case
        .get::<Vec<String>>("fallbacks")
        .iter()
        .fold(settings, Settings::secret_key_fallback)
        .session_cookie_age(Duration::from_secs(case.get("cookie_age")));
    let sessions = settings.sessions(settings.signed_cookies());
    let sessions = sessions.clock(clock).build().unwrap();
    let cookie = SessionKey::new(&case.get::<String>("encoded"));
    run(sessions.open(&cookie)).unwrap().is_none()
}

fn salt(case: &Case) -> &'static str {
    match &case.get::<String>("group")[..] {
        "server" => SERVER_SALT,
        "signed_cookies" => COOKIE_SALT,
        other => panic!("an unknown group: {other}"),
    }
}
