use cloakroom_django::auth::passwords::{Algorithm, unusable};
use cloakroom_django::auth::{Passwords, Verdict};

#[test]
fn every_algorithm_verifies_its_own_hashes() {
    for &algorithm in Algorithm::ALL {
        let passwords = Passwords::new().preferred(algorithm).iterations(1_000);
        let encoded = passwords.encode("pässwörd☃").unwrap();

        assert!(
            encoded.starts_with(&format!("{}$", algorithm.name())),
            "{encoded}"
        );
        assert!(encoded.len() <= 128, "{encoded} is too long for the column");
        assert_eq!(
            passwords.verify("pässwörd☃", &encoded),
            Verdict::Right,
            "{encoded}"
        );
        assert_eq!(
            passwords.verify("passwörd☃", &encoded),
            Verdict::Wrong,
            "{encoded}"
        );
        assert!(!passwords.must_update(&encoded), "{encoded}");
        assert_ne!(
            passwords.encode("pässwörd☃").unwrap(),
            encoded,
            "each salt is new"
        );
    }
}

#[test]
fn only_accepted_algorithms_and_the_preferred_one_match() {
    let sha1 = quick().preferred(Algorithm::Pbkdf2Sha1);
    let encoded = sha1.encode("pw").unwrap();
    assert_eq!(quick().verify("pw", &encoded), Verdict::Outdated);

    let strict = quick().accepting([Algorithm::Pbkdf2Sha256]);
    assert_eq!(strict.verify("pw", &encoded), Verdict::Wrong);
    assert!(!strict.must_update(&encoded));

    let sha1_only = strict.preferred(Algorithm::Pbkdf2Sha1).accepting([]);
    assert_eq!(sha1_only.verify("pw", &encoded), Verdict::Right);
}

#[test]
fn a_hash_with_fewer_or_more_iterations_is_outdated() {
    let encoded = quick().encode("pw").unwrap();
    for (iterations, verdict) in [
        (999, Verdict::Outdated),
        (1_000, Verdict::Right),
        (1_001, Verdict::Outdated),
    ] {
        let passwords = quick().iterations(iterations);
        assert_eq!(passwords.verify("pw", &encoded), verdict);
    }
}

/// The expected values are those of Django 5.2.19's hashers.
#[test]
fn hashes_are_outdated_in_the_same_cases_as_in_django() {
    for (preferred, encoded, must_update) in [
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000000$aaaaaaaaaaaaaaaaaaaaaa$x",
            false,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000000$aaaaaaaaaaaaaaaaaaaaa$x",
            true,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000000$aaaaaaaaaaaaaaaaaaaaaaa$x",
            false,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000000$ééééééééééééééééééééé$x",
            true,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000000$éééééééééééééééééééééé$x",
            false,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$999999$aaaaaaaaaaaaaaaaaaaaaa$x",
            true,
        ),
        (
            Algorithm::Pbkdf2Sha256,
            "pbkdf2_sha256$1000001$aaaaaaaaaaaaaaaaaaaaaa$x",
            true,
        ),
        (
            Algorithm::Pbkdf2Sha1,
            "pbkdf2_sha1$1000000$aaaaaaaaaaaaaaaaaaaaaa$x",
            false,
        ),
        (
            Algorithm::Pbkdf2Sha1,
            "pbkdf2_sha1$1000000$aaaaaaaaaaaaaaaaaaaaa$x",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            false,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFh\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            false,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2i$v=19$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=16$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102401,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=3,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=2,p=4$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg",
            true,
        ),
        (
            Algorithm::Argon2,
            "argon2$argon2id$v=19$m=102400,t=2,p=8$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ\
             $aGhoaGhoaGhoaGhoaGhoaA",
            true,
        ),
        (
            Algorithm::BcryptSha256,
            "bcrypt_sha256$$2b$11$abcdefghijklmnopqrstuupf0RNFrwMVFQpVJ8Ec/lKp8FVyyV3Lu",
            true,
        ),
        (
            Algorithm::BcryptSha256,
            "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuupf0RNFrwMVFQpVJ8Ec/lKp8FVyyV3Lu",
            false,
        ),
        (
            Algorithm::BcryptSha256,
            "bcrypt_sha256$$2b$13$abcdefghijklmnopqrstuupf0RNFrwMVFQpVJ8Ec/lKp8FVyyV3Lu",
            true,
        ),
        (Algorithm::Scrypt, "scrypt$16384$salt$8$5$x", false),
        (
            Algorithm::Scrypt,
            "scrypt$32768$aaaaaaaaaaaaaaaaaaaaaa$8$5$x",
            true,
        ),
        (
            Algorithm::Scrypt,
            "scrypt$16384$aaaaaaaaaaaaaaaaaaaaaa$4$5$x",
            true,
        ),
        (
            Algorithm::Scrypt,
            "scrypt$16384$aaaaaaaaaaaaaaaaaaaaaa$8$1$x",
            true,
        ),
    ] {
        let passwords = Passwords::new().preferred(preferred);
        assert_eq!(passwords.must_update(encoded), must_update, "{encoded}");
    }
}

#[test]
fn an_invalid_field_matches_no_password() {
    let whole = quick().encode("pw").unwrap();
    let (head, hash) = whole.rsplit_once('$').unwrap();
    for field in [
        String::new(),
        "!".to_owned(),
        unusable().unwrap(),
        format!("!{whole}"),
        "pw".to_owned(),
        head.to_owned(),
        format!("{head}$"),
        format!("{whole}$"),
        format!("{whole}="),
        whole.trim_end_matches('=').to_owned(),
        whole.replacen("1000", "01000", 1),
        whole.replacen("1000", "+1000", 1),
        whole.replacen("1000", "0", 1),
        whole.replacen("1000", "4294967295", 1),
        whole.replacen("1000", "4294967296", 1),
        format!("pbkdf2_sha256$1000$${hash}"),
        whole.to_uppercase(),
        whole.replacen("sha256", "sha512", 1),
        // Costs with which verifying would exhaust the memory or take days.
        "argon2$argon2id$v=19$m=4294967295,t=2,p=8$c2FsdHNhbHRzYWx0$aGFzaGhhc2g".to_owned(),
        "argon2$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2g".to_owned(),
        "bcrypt_sha256$$2b$31$abcdefghijklmnopqrstuupf0RNFrwMVFQpVJ8Ec/lKp8FVyyV3Lu".to_owned(),
        "scrypt$1073741824$salt$8$1$aGFzaA==".to_owned(),
        "scrypt$16$salt$4294967295$4294967295$aGFzaA==".to_owned(),
        // Costs that scrypt does not have: N must be a power of two above 1.
        "scrypt$0$salt$8$1$aGFzaA==".to_owned(),
        "scrypt$17$salt$8$1$aGFzaA==".to_owned(),
    ] {
        assert_eq!(quick().verify("pw", &field), Verdict::Wrong, "{field}");
        assert!(!quick().must_update(&field), "{field}");
    }
}

#[test]
fn a_long_password_is_not_truncated() {
    for &algorithm in Algorithm::ALL {
        let passwords = quick().preferred(algorithm);
        let long = "x".repeat(200_000);
        let encoded = passwords.encode(&long).unwrap();
        assert_eq!(passwords.verify(&long, &encoded), Verdict::Right);
        assert_eq!(passwords.verify(&long[1..], &encoded), Verdict::Wrong);
    }
}

/// Returns settings with few iterations, so that the tests are fast.
fn quick() -> Passwords {
    Passwords::new().iterations(1_000)
}
