use cloakroom_django::auth::passwords::is_usable;
use cloakroom_django::auth::{Passwords, Verdict};

use crate::support::{each, flag, text};

#[test]
fn passwords_are_verified_as_in_django() {
    each("password", |case| {
        let passwords = Passwords::new();
        let (password, encoded) = (text(&case["password"]), text(&case["encoded"]));
        let must_update = flag(&case["must_update"]);
        let expected = match flag(&case["verifies"]) {
            true if must_update => Verdict::Outdated,
            true => Verdict::Right,
            false => Verdict::Wrong,
        };
        assert_eq!(passwords.verify(password, encoded), expected);
        assert_eq!(passwords.must_update(encoded), must_update);
        assert_eq!(is_usable(encoded), flag(&case["usable"]));
        assert_eq!(encoded.split('$').next(), Some(text(&case["algorithm"])));
    });
}
