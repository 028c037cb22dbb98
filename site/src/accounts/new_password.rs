use super::strength::{self, UserAttributes};
use crate::{users::User, web::fields::Fields};

const DIFFERENT: &str = "The two password fields didn’t match.";

/// A new password of a user, typed twice.
pub(super) fn read(fields: &mut Fields<'_>, user: &User) -> Option<String> {
    read_new_password(
        fields,
        ["new_password1", "new_password2"],
        &UserAttributes::from(user),
    )
}

/// A new password, typed twice into the fields of these names, of somebody of whom this is known.
pub(crate) fn read_new_password(
    fields: &mut Fields<'_>,
    names: [&'static str; 2],
    known: &UserAttributes<'_>,
) -> Option<String> {
    let first = fields.password(names[0], "New password", "new-password");
    fields.help(
        "At least 8 characters, not only digits, not a common password, and nothing that is known about you.",
    );
    let second = fields.password(names[1], "New password again", "new-password");
    let (first, second) = (first?, second?);
    // Both are judged, as readers would not know otherwise what to change first.
    if first != second {
        fields.error(names[1], DIFFERENT);
    }
    for weakness in strength::weaknesses(&second, known) {
        fields.error(names[1], weakness);
    }
    fields.are_valid().then_some(second)
}
