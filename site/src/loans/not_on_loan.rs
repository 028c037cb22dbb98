use crate::web::error::PageError;

/// The error for renewing or returning a copy that is not on loan.
pub(super) const NOT_ON_LOAN: PageError = PageError::Conflict {
    heading: "This copy is not on loan",
    text: "It may have been returned already. Open the copy to see its status.",
};
