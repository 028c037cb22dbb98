use crate::web::error::PageError;

/// The answer to renewing or returning a copy that is not on loan.
pub(super) const NOT_ON_LOAN: PageError = PageError::Conflict {
    heading: "This copy is not on loan",
    text: "It may have been returned meanwhile. Its page says how it stands with it.",
};
