use super::{
    User,
    strength::{self, Known},
};
use crate::web::fields::Fields;

const DIFFERENT: &str = "The two password fields didn’t match.";

/// A new password, typed twice.
pub(super) fn read(fields: &mut Fields<'_>, user: &User) -> Option<String> {
    let first = fields.password("new_password1", "New password", "new-password");
    fields.help(
        "At least 8 characters, not only digits, not a common password, and nothing that is known about you.",
    );
    let second = fields.password("new_password2", "New password again", "new-password");
    let (first, second) = (first?, second?);
    // Both are judged, as readers would not know otherwise what to change first.
    if first != second {
        fields.error("new_password2", DIFFERENT);
    }
    for weakness in strength::weaknesses(&second, &Known::from(user)) {
        fields.error("new_password2", weakness);
    }
    fields.are_good().then_some(second)
}
