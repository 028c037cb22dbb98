use super::strength::{self, UserAttributes};
use crate::{users::User, web::fields::Fields};

const DIFFERENT: &str = "The two password fields didn’t match.";

/// Reads a new password for `user`, typed twice.
pub(super) fn read(fields: &mut Fields<'_>, user: &User) -> Option<String> {
    read_new_password(
        fields,
        ["new_password1", "new_password2"],
        &UserAttributes::from(user),
    )
}

/// Reads a new password, which both fields in `names` must contain. Refuses a weak password, for
/// example one that resembles an attribute of the user.
pub(crate) fn read_new_password(
    fields: &mut Fields<'_>,
    names: [&'static str; 2],
    known: &UserAttributes<'_>,
) -> Option<String> {
    let first = fields.password(names[0], "New password", "new-password");
    fields.help(
        "At least 8 characters, not only digits, not a common password, and not similar to your \
         name or email address.",
    );
    let second = fields.password(names[1], "New password again", "new-password");
    let (first, second) = (first?, second?);
    // Show all errors at once, so that the visitor can fix them together.
    if first != second {
        fields.error(names[1], DIFFERENT);
    }
    for weakness in strength::weaknesses(&second, known) {
        fields.error(names[1], weakness);
    }
    fields.are_valid().then_some(second)
}
